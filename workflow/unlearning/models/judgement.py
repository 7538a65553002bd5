"""What is wrong with a model folder, from config.json, safetensors headers and tokenizer alone.

No weights are read: transformers loads tensors without content (device meta) into the architecture
of config.json by its own rules, so that renamed, merged and tied tensors count as they will later.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging

from unlearning.errors import UserError
from unlearning.methods.patterns import matching, no_match
from unlearning.models.checks import key_problems, named
from unlearning.models.context import context
from unlearning.models.folder import RUN_FILE, verify
from unlearning.models.headers import Headers, read_headers
from unlearning.models.lengths import length_problems
from unlearning.models.vocabulary import (
    in_a_line,
    read_prompt,
    read_tokenizer,
    vocabulary_problems,
)

FLOATS = {"F64", "F32", "F16", "BF16"}


class Unreadable(UserError):
    """config.json is missing or no configuration."""


def judge(folder: Path, use: dict) -> list[str]:
    """Every problem of a model folder for an experiment that uses it so (config.judged.model_use);
    empty if there is none."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if (folder / "adapter_config.json").is_file():
        return [
            "is an adapter (adapter_config.json), not a model: merge it into its base (peft: "
            "merge_and_unload) and save the whole model"
        ]
    problems = _attempt(lambda: _changed(folder))
    headers, of_weights = read_headers(folder)
    problems += of_weights
    try:
        config, of_config = _config(folder)
    except Unreadable as error:  # transformers reads the tokenizer by it, too
        return [*problems, str(error)]
    problems += of_config
    model = None
    if config is not None:
        with torch.device("meta"):
            model, of_model = _architecture(config)
        problems += of_model
    if model is not None:
        problems += _trained(model, use.get("trained", []))
    if model is not None and headers is not None:
        problems += _attempt(lambda: _tensors(model, headers))
    tokenizer, of_tokenizer = read_tokenizer(folder)
    problems += of_tokenizer
    if tokenizer is not None:
        problems += _attempt(lambda: vocabulary_problems(tokenizer, model))
        if use.get("chat_template") and not tokenizer.chat_template:
            problems.append(
                "has a tokenizer without a chat template: set harness.chat_template to false"
            )
        prompt, of_prompt = read_prompt(tokenizer, use)
        problems += of_prompt
        if prompt is not None and model is not None and not of_tokenizer:
            reach = context(model.config)
            problems += _attempt(lambda: length_problems(tokenizer, prompt, reach, use))
    return problems


def _attempt(check: Callable[[], list[str]]) -> list[str]:
    """The problems that a check returns, or raises."""
    try:
        return check()
    except UserError as error:
        return [f"cannot be used: {error}"]


def _changed(folder: Path) -> list[str]:
    """Of a folder that a training stage wrote, files that are not as written; weights by size."""
    if (folder / RUN_FILE).is_file():
        verify(folder, weights=False)
    return []


def _config(folder: Path):
    """The configuration of a causal language model that transformers knows, or what is wrong;
    Unreadable if there is none at all."""
    path = folder / "config.json"
    if not path.is_file():
        raise Unreadable("lacks config.json: copy it from where the model comes from")
    try:
        raw = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        problem = f"has a config.json that is no JSON object ({error}): copy it anew"
        raise Unreadable(problem) from None
    kind = str(raw.get("model_type"))
    if problem := _foreign_code(raw, kind):
        return None, [problem]
    if raw.get("quantization_config") is not None:
        stated = raw["quantization_config"]
        method = stated.get("quant_method", stated) if isinstance(stated, dict) else stated
        return None, [
            f"is quantised (quantization_config: {method}): its weights cannot be trained in full. "
            "Take the model that it was made from, in float32, float16 or bfloat16"
        ]
    if kind not in CONFIG_MAPPING_NAMES:
        return None, [
            f"has model_type {kind!r} in config.json, which this version of transformers does not "
            "know: take a model of another family, or its newer name"
        ]
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of transformers' many checks of values
        problem = f"has a config.json that transformers refuses ({in_a_line(error)})"
        raise Unreadable(problem) from None
    masked = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    causal = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if not causal or masked or getattr(config, "is_encoder_decoder", False):
        return None, [
            f"is no causal language model: model_type {kind} reads the whole text at once, or has "
            "an encoder. Take a decoder such as Llama, Qwen or Phi"
        ]
    return config, []


def _foreign_code(raw: dict, kind: str) -> str | None:
    """Why a configuration needs code that transformers does not have. Many folders name code that
    has become part of transformers since, under the same class name."""
    stated = raw.get("auto_map")
    path = stated.get("AutoModelForCausalLM") if isinstance(stated, dict) else stated
    if not stated:
        return None
    known = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind)
    known = (known,) if isinstance(known, str) else known or ()
    if kind in CONFIG_MAPPING_NAMES and (path is None or str(path).rpartition(".")[2] in known):
        return None
    return (
        f"needs its own code (auto_map in config.json: {path or stated}), which is never run. Take "
        "a model whose architecture is part of transformers"
    )


def _architecture(config):
    """The model of a configuration without weights, or what is wrong with the configuration."""
    try:
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False), []
    except Exception as error:  # of any layer that cannot be built
        return None, [f"describes no model that can be built: config.json ({in_a_line(error)})"]


def _trained(model, patterns: list[dict]) -> list[str]:
    """Patterns (config.judged.trained_patterns) that match no parameter."""
    names = [name for name, _ in model.named_parameters()]
    return [
        f"cannot be unlearned so: {entry['setting']}: {no_match(entry['pattern'], names)}"
        for entry in patterns
        if not matching(entry["pattern"], entry["layer"], names)
    ]


def _tensors(model, headers: Headers) -> list[str]:
    """What the files' tensors lack, or have too much, beside the architecture."""
    # loading on meta: shapes and names are compared, nothing is read
    state = {key: torch.empty(shape, device="meta") for key, (shape, _) in headers.items()}
    try:
        loaded, info = type(model).from_pretrained(
            None,
            config=model.config,
            state_dict=state,
            device_map={"": "meta"},
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except RuntimeError as error:  # tensors that are merged, of shapes that cannot be
        return [f"holds tensors that do not fit together ({in_a_line(error)})"]
    parameters = {name for name, _ in loaded.named_parameters()}
    parameters |= {name.removeprefix(f"{loaded.base_model_prefix}.") for name in parameters}
    odd = {key: kind for key, (_, kind) in headers.items() if kind not in FLOATS}
    packed = sorted(f"{key} ({kind})" for key, kind in odd.items() if key in parameters)
    problems = key_problems(loaded, info)
    if packed:
        problems.append(
            f"holds weights that are no floating-point numbers of 16 bits or more: {named(packed)}"
            ". Take the model that it was quantised from"
        )
    return problems
