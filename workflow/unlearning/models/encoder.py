"""The encoder of rows for a model: its tokenizer, the prompt format and what it can read."""

from unlearning.data.chat import prompt_format
from unlearning.data.encoding import Encoder
from unlearning.models.context import context


def make_encoder(tokenizer, settings: dict, max_length: int, model=None) -> Encoder:
    """The encoder of the settings' prompt format, for rows that `model` can read."""
    prompt = prompt_format(tokenizer, settings["prompt"], settings.get("system"))
    positions = None if model is None else context(model.config)
    return Encoder(tokenizer, prompt, max_length, positions)
