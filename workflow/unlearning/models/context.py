"""The context of a model: the number of tokens that it can read."""

from unlearning.errors import UserError

# configurations' names of the number of positions
POSITIONS = ("max_position_embeddings", "max_seq_len", "context_length")


def context(config) -> int | None:
    """The number of positions in a model's configuration; None if it has no limit."""
    text = config.get_text_config()
    for name in POSITIONS:
        positions = getattr(text, name, None)
        if positions is not None:
            return positions if positions > 0 else None  # XLNet, whose positions are relative: -1
    return None


def check_context(model, tokens: int, setting: str) -> None:
    """UserError if a row of `tokens` is too long for a model. setting: the key that shortens it."""
    reach = context(model.config)
    if reach is not None and tokens > reach:
        raise UserError(f"the model {too_long(tokens, reach, setting)}")


def no_room(tokens: int, limit: int, setting: str) -> str:
    """The problem of a prompt that fills a row, as a message's predicate."""
    return (
        f"makes {tokens} tokens of the longest question (of a text, its first half), but sequences "
        f"end at {setting} ({limit}), before an answer: raise it, or cut the question"
    )


def too_long(tokens: int, reach: int, setting: str) -> str:
    """The problem of a row that is longer than the context, as a message's predicate."""
    return (
        f"reads {reach} tokens (max_position_embeddings), but the longest row has {tokens}: lower "
        f"{setting}, or take a model with a longer context"
    )
