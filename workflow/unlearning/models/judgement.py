"""Judge a model folder by its config.json, safetensors headers and tokenizer, without its weights.

transformers loads tensors without content (device meta) into the architecture of config.json by its
own rules, so that renamed, merged and tied tensors are treated as they will be in a job.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.utils import logging

from unlearning.errors import UserError
from unlearning.methods.patterns import matching, missing_modules, no_match
from unlearning.models.checks import first_names, key_problems
from unlearning.models.context import context
from unlearning.models.folder import verify
from unlearning.models.headers import Headers, read_headers
from unlearning.models.lengths import length_problems
from unlearning.models.vocabulary import one_line, read_prompt, read_tokenizer, vocabulary_problems
from unlearning.planning.shapes import shape_from_config

FLOATS = {"F64", "F32", "F16", "BF16"}


class ConfigError(UserError):
    """A config.json is missing or cannot be read."""


def judge(folder: Path, use: dict) -> list[str]:
    """All problems of a model folder for an experiment.

    use: how the experiment uses the model (config.judged.model_use).
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if (folder / "adapter_config.json").is_file():
        return [
            "is an adapter (adapter_config.json), not a model: merge it into its base (peft: "
            "merge_and_unload) and save the whole model"
        ]
    # weights are read, and so verified, by the job that loads them: here it would take minutes
    problems = _problems_of(lambda: verify(folder, weights=False)) + _generation_problems(folder)

    # tensors, configuration and architecture, by themselves and together
    headers, header_problems = read_headers(folder)
    problems += header_problems
    try:
        config, config_problems = _read_config(folder)
    except ConfigError as error:  # transformers would read the tokenizer by it, too
        return [*problems, str(error)]
    problems += config_problems
    model = None
    if config is not None:
        with torch.device("meta"):  # shapes alone: no memory is taken, whatever the model's size
            model, model_problems = _build_architecture(config)
        problems += model_problems
    if model is not None:
        try:  # the memory of a training step is told from the configuration
            shape_from_config(model.config.to_dict(), "config.json")
        except UserError as error:
            problems.append(f"cannot be used: {error}")
        problems += _layer_problems(model, use.get("layers", []))
        problems += _adapter_problems(model, use["lora"])
    if model is not None and headers is not None:
        problems += _problems_of(lambda: _tensor_problems(model, headers))

    # the tokenizer, by itself, with the model, and for the experiment's prompts and rows
    tokenizer, tokenizer_problems = read_tokenizer(folder)
    problems += tokenizer_problems
    if tokenizer is not None:
        problems += _problems_of(lambda: vocabulary_problems(tokenizer, model))
        if use.get("chat_template") and not tokenizer.chat_template:
            problems.append(
                "has a tokenizer without a chat template: set harness.chat_template to false"
            )
        prompt, prompt_problems = read_prompt(tokenizer, use)
        problems += prompt_problems
        if prompt is not None and model is not None and not tokenizer_problems:
            reach = context(model.config)
            problems += _problems_of(lambda: length_problems(tokenizer, prompt, reach, use))
    return problems


def _problems_of(check: Callable[[], list[str] | None]) -> list[str]:
    """The problems that a check returns or raises."""
    try:
        return check() or []
    except UserError as error:
        return [f"cannot be used: {error}"]


def _generation_problems(folder: Path) -> list[str]:
    """The problem of a generation_config.json that loading the model would fail at, though answers
    are greedy whatever it says. One that is no JSON is not read."""
    with suppress(OSError):  # no such file, or no JSON: transformers goes on without
        try:
            GenerationConfig.from_pretrained(folder)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            return [
                f"has a generation_config.json that transformers refuses ({one_line(error)}): "
                "remove it"
            ]
    return []


def _read_config(folder: Path):
    """The configuration of a causal language model that transformers knows, or None, and its
    problems; ConfigError if there is none to read."""
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigError("lacks config.json: copy it from where the model comes from")
    try:
        settings = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        problem = f"has a config.json that is no JSON object ({error}): copy it anew"
        raise ConfigError(problem) from None
    model_type = str(settings.get("model_type"))
    remote_code = _remote_code_problem(settings, model_type)
    if remote_code is not None:
        return None, [remote_code]
    quantization = settings.get("quantization_config")
    if quantization is not None:
        if isinstance(quantization, dict):
            quantization = quantization.get("quant_method", quantization)
        return None, [
            f"is quantised (quantization_config: {quantization}): its weights cannot be trained in "
            "full. Take the model that it was made from, in float32, float16 or bfloat16"
        ]
    if model_type not in CONFIG_MAPPING_NAMES:
        return None, [
            f"has model_type {model_type!r} in config.json, which this version of transformers "
            "does not know: take a model of another family, or its newer name"
        ]
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of transformers' many checks of values
        problem = f"has a config.json that transformers refuses ({one_line(error)})"
        raise ConfigError(problem) from None
    causal = model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    # encoders such as BERT are causal only if their configuration says so
    if model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        causal = causal and getattr(config, "is_decoder", False)
    if not causal or getattr(config, "is_encoder_decoder", False):
        return None, [
            f"is no causal language model: model_type {model_type} reads the whole text at once, "
            "or has an encoder. Take a decoder such as Llama, Qwen or Phi"
        ]
    return config, []


def _remote_code_problem(settings: dict, model_type: str) -> str | None:
    """The problem of a configuration that needs code from its folder, or None.

    Many folders name code that has since become part of transformers, under the same class name.
    """
    auto_map = settings.get("auto_map")
    if not auto_map:
        return None
    path = auto_map.get("AutoModelForCausalLM") if isinstance(auto_map, dict) else auto_map
    classes = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type) or ()
    if isinstance(classes, str):
        classes = (classes,)
    part_of_transformers = path is None or str(path).rpartition(".")[2] in classes
    if model_type in CONFIG_MAPPING_NAMES and part_of_transformers:
        return None
    return (
        f"needs its own code (auto_map in config.json: {path or auto_map}), which is never run. "
        "Take a model whose architecture is part of transformers"
    )


def _build_architecture(config):
    """The model of a configuration, or None, and the configuration's problems."""
    try:
        return AutoModelForCausalLM.from_config(config, trust_remote_code=False), []
    except Exception as error:  # of any layer that cannot be built
        return None, [f"describes no model that can be built: config.json ({one_line(error)})"]


def _layer_problems(model, layers: list[dict]) -> list[str]:
    """The layers (config.judged.method_layers) that the model lacks, and the patterns that match no
    parameter."""
    names = [name for name, _ in model.named_parameters()]
    problems = []
    for entry in layers:
        # transformers gives the last layer's output only after the final normalisation
        last = model.config.get_text_config().num_hidden_layers - 2
        setting, layer, pattern = entry["setting"], entry["layer"], entry["pattern"]
        if layer > last:
            problems.append(
                f"cannot be unlearned so: {setting}.layer: must be 0 to {last} in a model of "
                f"{last + 2} layers, found {layer}"
            )
        elif pattern is not None and not matching(pattern, layer, names):
            reason = no_match(pattern, names)
            problems.append(f"cannot be unlearned so: {setting}.trained: {reason}")
    return problems


def _adapter_problems(model, modules: dict[str, list[str]]) -> list[str]:
    """The modules of adapters that the model lacks: peft passes over one that it does not find
    beside another that it finds. modules: of config.judged.lora_modules."""
    layers = dict(model.named_modules())
    innermost = {name.rpartition(".")[2] for name in layers if not list(layers[name].children())}
    problems = []
    for stage, names in modules.items():
        for name in missing_modules(names, layers):
            problems.append(
                f"has no module '{name}', which {stage}.lora.modules names. Its layers are called "
                f"{', '.join(sorted(innermost))}"
            )
    return problems


def _tensor_problems(model, headers: Headers) -> list[str]:
    """The tensors that the files lack or should not have, and those of unsuitable number types."""
    # Loading on meta compares shapes and names by transformers' own rules, and reads nothing.
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
    except RuntimeError as error:  # tensors to be merged whose shapes differ
        return [f"has tensors that do not fit together ({one_line(error)})"]
    problems = key_problems(loaded, info)
    # only weights have to be floats: buffers, such as older models' masks, may be anything
    parameters = {name for name, _ in loaded.named_parameters()}
    # files of a model saved without its head name tensors without the prefix
    parameters |= {name.removeprefix(f"{loaded.base_model_prefix}.") for name in parameters}
    quantised = []
    for key, (_, number_type) in headers.items():
        if key in parameters and number_type not in FLOATS:
            quantised.append(f"{key} ({number_type})")
    if quantised:
        problems.append(
            "has weights that are no floating-point numbers of 16 bits or more: "
            f"{first_names(quantised)}. Take the model that it was quantised from"
        )
    return problems
