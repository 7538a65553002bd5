"""Restore models of GGUF files to full weights."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from unlearning.errors import UserError


def restore_model(path: Path):
    """(model, tokenizer) of a GGUF file, with each quantised weight as the float32 that it stands
    for; UserError if transformers cannot read the file's architecture."""
    logging.disable_progress_bar()
    try:  # transformers raises these for an architecture or tensor that it cannot map
        model = AutoModelForCausalLM.from_pretrained(
            path.parent, gguf_file=path.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    except (ValueError, KeyError, NotImplementedError) as error:
        raise UserError(
            f"{path}: transformers cannot restore this GGUF file ({error}); set model.path to a "
            "folder or hub id of the same model"
        ) from error
    return _unmark(model), tokenizer


def _unmark(quantised):
    """A copy of the model that is not marked as quantised.

    transformers marks the model and its config although every weight is restored. The marker would
    be saved in config.json, by which the folder would be read as a GGUF file.
    """
    config = quantised.config.to_dict()
    config.pop("quantization_config", None)
    model = type(quantised)(type(quantised.config).from_dict(config))
    model.load_state_dict(quantised.state_dict())
    model.generation_config = quantised.generation_config
    return model
