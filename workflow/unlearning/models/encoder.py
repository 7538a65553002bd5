"""Make the encoder of rows for a model."""

from unlearning.data.chat import prompt_format
from unlearning.data.encoding import Encoder
from unlearning.models.context import context


def make_encoder(tokenizer, settings: dict, max_length: int, model=None) -> Encoder:
    """An encoder with the settings' prompt format; with `model`, it refuses rows that exceed the
    model's context."""
    prompt = prompt_format(tokenizer, settings["prompt"], settings.get("system"))
    positions = None if model is None else context(model.config)
    return Encoder(tokenizer, prompt, max_length, positions)
