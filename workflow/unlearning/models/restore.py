"""Models of GGUF files, restored to full weights."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from unlearning.errors import UserError


def restore_model(path: Path):
    """(model, tokenizer) of a GGUF file: each quantised weight as the float32 that it stands for.

    What was lost when the file was quantised stays lost. UserError if transformers cannot read
    the file's architecture.
    """
    logging.disable_progress_bar()
    try:
        quantised = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise UserError(
            f"{path}: transformers cannot restore this GGUF file ({error}); set model.path to a "
            "folder or hub id of the same model"
        ) from error
    return without_marker(quantised), tokenizer


def without_marker(quantised):
    """A model of the same class, config and weights that is not marked as quantised.

    transformers marks the model and its config although every weight is restored; the marker would
    go into the saved config.json, and the folder would then be read as a GGUF file.
    """
    config = quantised.config.to_dict()
    config.pop("quantization_config", None)
    model = type(quantised)(type(quantised.config).from_dict(config))
    model.load_state_dict(quantised.state_dict())
    model.generation_config = quantised.generation_config
    return model
