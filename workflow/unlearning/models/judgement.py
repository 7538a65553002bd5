"""What is wrong with a model folder, from config.json, safetensors headers and tokenizer alone.

No weights are read: transformers loads tensors without content (device meta) into the architecture
of config.json by its own rules, so that renamed, merged and tied tensors count as they will later.
"""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)
from transformers.models.auto.tokenization_auto import tokenizer_class_from_name
from transformers.utils import logging

from unlearning.data.chat import prompt_format
from unlearning.data.encoding import Tokens
from unlearning.data.prompts import PromptFormat
from unlearning.errors import UserError
from unlearning.models.context import context
from unlearning.models.folder import RUN_FILE, key_problems, named, verify
from unlearning.models.lengths import length_problems

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack")
TEXTS = ("a", "The author's name, in full?\n", "é 漢 🙂")
FLOATS = {"F64", "F32", "F16", "BF16"}
SENTENCEPIECE = (
    "install what reads it: `pip install --constraint envs/constraints.txt '.[sentencepiece]'`; or "
    "save the tokenizer anew where it loads, which writes tokenizer.json"
)
Headers = dict[str, tuple[list[int], str]]  # tensor -> shape and number type


class Unreadable(UserError):
    """config.json is missing or no configuration."""


def judge(folder: Path, use: dict) -> list[str]:
    """Every problem of a model folder for an experiment that uses it so (Experiment.model_use);
    empty if there is none."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if (folder / "adapter_config.json").is_file():
        return [
            "is an adapter (adapter_config.json), not a model: merge it into its base (peft: "
            "merge_and_unload) and save the whole model"
        ]
    problems = _attempt(lambda: _changed(folder))
    headers, of_weights = _headers(folder)
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
    if model is not None and headers is not None:
        problems += _attempt(lambda: _tensors(model, headers))
    tokenizer, of_tokenizer = _tokenizer(folder)
    problems += of_tokenizer
    if tokenizer is not None:
        problems += _attempt(lambda: _vocabulary(tokenizer, model))
        prompt, of_prompt = _prompt(tokenizer, use)
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


def _headers(folder: Path) -> tuple[Headers | None, list[str]]:
    """The tensors of the safetensors files that transformers will read, and what is wrong with
    those files. None if the tensors cannot all be known."""
    if (folder / WEIGHTS).is_file():
        names = [WEIGHTS]
    elif (folder / INDEX).is_file():
        try:
            index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
            names = sorted(set(index["weight_map"].values()))
            missing = [name for name in names if not (folder / name).is_file()]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return None, [f"has an index of its weights that cannot be read: {INDEX} ({error!r})"]
        if not names:
            return None, [f"has an index of its weights that names no file: {INDEX}"]
        if missing:
            return None, [f"lacks {named(missing)}, which {INDEX} names: copy the folder anew"]
    else:
        return None, [_no_weights(folder)]
    headers: Headers = {}
    problems = []
    for name in names:
        try:
            with safe_open(folder / name, "pt") as file:
                for key in file.keys():  # noqa: SIM118 (no mapping)
                    tensor = file.get_slice(key)
                    headers[key] = (tensor.get_shape(), tensor.get_dtype())
        except (SafetensorError, OSError) as error:
            size = (folder / name).stat().st_size
            problems.append(
                f"has a damaged file of weights: {name}, {size} bytes ({error}). Copy it anew"
            )
    return (None if problems else headers), problems


def _no_weights(folder: Path) -> str:
    names = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    pickles = sorted(path.name for kind in PICKLES for path in folder.glob(kind))
    advice = "copy it anew"
    if pickles:
        advice = (
            f"{named(pickles)} may run any code when it is read. Convert it where you trust it: "
            "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
        )
    return (
        f"lacks weights as *.safetensors ({WEIGHTS}, or shards that {INDEX} names); it holds "
        f"{names}: {advice}"
    )


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
    kind = raw.get("model_type")
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
        problem = f"has a config.json that transformers refuses ({_in_a_line(error)})"
        raise Unreadable(problem) from None
    masked = kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES and not getattr(config, "is_decoder", False)
    causal = kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if not causal or masked or getattr(config, "is_encoder_decoder", False):
        return None, [
            f"is no causal language model: model_type {kind} reads the whole text at once, or has "
            "an encoder. Take a decoder such as Llama, Qwen or Phi"
        ]
    return config, []


def _foreign_code(raw: dict, kind: str | None) -> str | None:
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
        return None, [f"describes no model that can be built: config.json ({_in_a_line(error)})"]


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
        return [f"holds tensors that do not fit together ({_in_a_line(error)})"]
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


def _tokenizer(folder: Path):
    """The tokenizer that AutoTokenizer loads, with an end of sequence; or what is wrong."""
    path = folder / "tokenizer_config.json"
    settings = {}
    if path.is_file():
        try:
            settings = dict(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            return None, [f"has a tokenizer_config.json that is no JSON object ({error})"]
    stated = settings.get("auto_map") or {}
    codes = stated.get("AutoTokenizer") if isinstance(stated, dict) else stated
    codes = codes if isinstance(codes, list) else [codes]
    names = [str(code).rpartition(".")[2] for code in codes if code]
    if names and not any(tokenizer_class_from_name(name) for name in names):
        return None, [
            f"has a tokenizer that needs its own code ({', '.join(names)}, by auto_map), which is "
            "never run: save it as tokenizer.json"
        ]
    model_file = any(folder.glob("*.model")) or any(folder.glob("*.tiktoken"))
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # of tokenizers, of transformers, of a package that is missing
        if model_file and not (folder / "tokenizer.json").is_file():
            return None, [
                f"has its tokenizer in tokenizer.model alone, which cannot be read here "
                f"({_in_a_line(error)}): {SENTENCEPIECE}"
            ]
        return None, [
            f"has a tokenizer that cannot be loaded ({_in_a_line(error)}): copy tokenizer.json "
            "and tokenizer_config.json from where the model comes from"
        ]
    end = tokenizer.eos_token_id
    unknown = end is not None and end == tokenizer.unk_token_id
    if end is None or (unknown and tokenizer.eos_token != tokenizer.unk_token):
        return tokenizer, [
            "has a tokenizer without an end-of-sequence token, but every answer must end in one: "
            "set eos_token in its tokenizer_config.json"
        ]
    return tokenizer, _encoding(tokenizer)


def _encoding(tokenizer) -> list[str]:
    """Texts that the tokenizer cannot encode."""
    for text in TEXTS:
        try:
            Tokens(tokenizer)([text])
        except Exception as error:  # of tokenizers
            return [
                f"has a tokenizer that cannot encode {text!r} ({_in_a_line(error)}): copy "
                "tokenizer.json from where the model comes from"
            ]
    return []


def _vocabulary(tokenizer, model) -> list[str]:
    """Tokens whose ids the model has no embedding for."""
    if model is None:
        return []
    rows = model.get_input_embeddings().weight.shape[0]
    beyond = sorted((i, token) for token, i in tokenizer.get_vocab().items() if i >= rows)
    if not beyond:
        return []
    tokens = named([f"{token!r} ({i})" for i, token in beyond])
    needed = beyond[-1][0] + 1
    return [
        f"has tokens without an embedding: {tokens}; the model has {rows} (vocab_size). Remove "
        f"them from the tokenizer, or save the model after resize_token_embeddings({needed})"
    ]


def _prompt(tokenizer, use: dict) -> tuple[PromptFormat | None, list[str]]:
    """The prompt format, or what the tokenizer lacks for it."""
    try:
        prompt = prompt_format(tokenizer, use["prompt"], use.get("system"))
    except UserError as error:
        return None, [f"cannot be used: {error}"]
    pieces = []
    for token in prompt.tokens:
        ids = tokenizer(token, add_special_tokens=False)["input_ids"]
        if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
            pieces.append(f"{token} ({len(ids)} pieces)" if len(ids) != 1 else f"{token} (unknown)")
    if pieces:
        return None, [
            f"has a tokenizer for another prompt format: model.prompt {use['prompt']} needs single "
            f"tokens for {', '.join(pieces)}. Set model.prompt to chat, which takes the "
            "tokenizer's own template, or to plain"
        ]
    return prompt, []


def _in_a_line(error: Exception) -> str:
    """What an error says, as far as it fits into a line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}"
