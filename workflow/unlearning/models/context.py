"""How long a text a model can read."""

from unlearning.errors import UserError

# names of the number of positions in configurations, where transformers has not made them one
POSITIONS = ("max_position_embeddings", "max_seq_len", "context_length")


def context(config) -> int | None:
    """Positions of a model by its configuration; None where it names no limit."""
    text = config.get_text_config()
    for name in POSITIONS:
        positions = getattr(text, name, None)
        if positions is not None:
            return positions if positions > 0 else None  # XLNet: -1
    return None


def check_context(model, tokens: int, setting: str) -> None:
    """UserError if a row of so many tokens is too long for a model. setting: what shortens it."""
    reach = context(model.config)
    if reach is not None and tokens > reach:
        raise UserError(f"the model {too_long(tokens, reach, setting)}")


def too_long(tokens: int, reach: int, setting: str) -> str:
    """What to say of a row that is longer than the context."""
    return (
        f"reads {reach} tokens (max_position_embeddings), but the longest row has {tokens}: lower "
        f"{setting}, or take a model with a longer context"
    )
