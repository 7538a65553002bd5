"""Save, load and verify model folders, by which training stages pass models on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from unlearning.assets.record import resolve_snapshot
from unlearning.errors import UserError
from unlearning.files import RUN_FILE, files_in, new_folder, read_json, sha256, write_json
from unlearning.models.checks import (
    causality_problems,
    key_problems,
    number_problems,
    randomness_problems,
)
from unlearning.models.combined import Combined
from unlearning.models.lora import Adapter, load_adapted

REINFORCED = "reinforced"  # subfolder of a combined model, with its reinforced model
# What a forward pass returns, whatever a config.json asks for: the logits, by their name.
OUTPUTS = {"return_dict": True, "output_attentions": False, "output_hidden_states": False}
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "pure-bfloat16": torch.bfloat16}


def load_model(path: str, dtype: str = "float32"):
    """The causal language model of a folder, record of rule fetch, or hub id; safetensors only, no
    remote code. Its dropout is off.

    A folder with an adapter gives the model that merging would have saved. UserError if a folder
    that this project wrote, or the base of its adapter, has changed; if tensors are missing,
    unexpected or of another shape; and if a model from elsewhere has weights that are not finite,
    or sees later tokens.
    """
    path = resolve_snapshot(str(path))
    folder = Path(path)
    verify(folder)
    record = _read_record(folder)
    if "adapter_of" in record:
        entry = record["adapter_of"]
        # merged in the number type of training: another one would round to another model
        base = load_model(_resolve_base(folder, entry), entry["dtype"])
        return load_adapted(base, path).to(DTYPES[dtype])
    if "combined_with" in record:
        baseline = load_model(_resolve_base(folder, record["combined_with"]), dtype)
        reinforced = _read_weights(str(folder / REINFORCED), dtype, trusted=True)
        return Combined(baseline, reinforced, record["alpha"])
    return _read_weights(path, dtype, trusted=bool(record))


def _read_weights(path: str, dtype: str, trusted: bool):
    """The model of a folder or hub id, as load_model() returns it.

    trusted: skip the checks of weights and causality. This project wrote such a model, which may
    have collapsed in training.
    """
    with _name_in_errors(path):
        model, info = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=DTYPES[dtype],
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, with all other problems
            **OUTPUTS,
        )
        problems = key_problems(model, info)
        switch_off_dropout(model)
        if not trusted and not problems:
            checks = (number_problems, causality_problems, randomness_problems)
            # one after another: a pass of a model with NaN weights says nothing of causality
            for check in checks:
                problems = problems or check(model)
    if problems:
        raise UserError("\n".join(f"model {path} {problem}" for problem in problems))
    return model


def switch_off_dropout(model) -> None:
    """Set every probability of dropping something to 0 in a model's modules, and every noise that
    routers of experts add, but not in its configuration.

    Dropout (GPT-2: 0.1) draws from torch's global generator, so that a step would depend on more
    than seed and step, and on the number of processes.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name, value in vars(module).items():
            # Attention layers pass a float attribute to the attention function, OPT skips layers
            # with probability layerdrop, and Mixtral multiplies the inputs of experts by noise.
            noise = "drop" in name or name in ("jitter_noise", "input_jitter_noise")
            if noise and isinstance(value, float):
                setattr(module, name, 0.0)


def load_tokenizer(path: str):
    """The tokenizer of a folder, record of rule fetch, or hub id."""
    path = resolve_snapshot(str(path))
    verify(Path(path))
    with _name_in_errors(path):
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)


@contextmanager
def _name_in_errors(path: str) -> Iterator[None]:
    """Turn transformers' errors about a folder's files into a UserError that names the folder."""
    try:
        yield
    except (UserError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # of transformers' many readers of files and values
        reason = f"{type(error).__name__}: {error}"
        raise UserError(f"model {path} cannot be loaded: {reason}") from error


def save_model(
    path: Path,
    model,
    tokenizer,
    run: dict,
    dtype: str = "float32",
    adapter: Adapter | None = None,
    start: str | Path = "",
) -> None:
    """Write a model folder: weights, config, tokenizer, run.json (settings and checksums).

    Loads with from_pretrained in transformers 5 and in 4.45.

    adapter: of a model that was trained with one; it is merged into the weights, or saved without
    them if adapter.keep. A combined model is saved as its reinforced model, in a subfolder so that
    nobody takes it for the whole one; its baseline is the model in the folder `start`, which must
    stay.
    """
    with new_folder(path) as folder:
        tokenizer.save_pretrained(folder)
        if adapter is not None and adapter.keep:
            adapter.save(folder)
            run = {**run, "adapter_of": _base_record(path, adapter.base, dtype)}
        elif isinstance(model, Combined):
            model.reinforced.to(DTYPES[dtype]).save_pretrained(folder / REINFORCED)
            run = {**run, "combined_with": _base_record(path, start, dtype), "alpha": model.alpha}
        else:
            full_model = model if adapter is None else adapter.merge()
            full_model.to(DTYPES[dtype]).save_pretrained(folder)
        # before the checksums, for it changes files
        _add_transformers_4_names(folder)
        files = {}
        for file in files_in(folder):  # further chat templates have a subfolder
            name = file.relative_to(folder).as_posix()
            files[name] = {"bytes": file.stat().st_size, "sha256": sha256(file)}
        write_json(folder / RUN_FILE, {**run, "files": files})


def _base_record(path: Path, base: str | Path, dtype: str) -> dict:
    """The entry of run.json for the model that an adapter or a combined model in `path` builds on.

    path: of the model's folder or of a hub snapshot's record, relative to `path`, so that results
    can be moved together; or a hub id. run: checksum of the model's run.json. dtype: the number
    type in which both are merged.
    """
    if not Path(base).exists():
        return {"path": base, "dtype": dtype, "run": None}
    # run.json has the checksums of all files, so its own stands for the whole folder
    record = Path(base) / RUN_FILE
    checksum = sha256(record) if record.is_file() else None
    return {"path": os.path.relpath(base, path), "dtype": dtype, "run": checksum}


def _resolve_base(path: Path, entry: dict) -> str:
    """The folder or hub id of a _base_record(); UserError if the folder has another model now."""
    folder = path / entry["path"]
    if entry["run"] is not None:
        record = folder / RUN_FILE
        if not record.is_file() or sha256(record) != entry["run"]:
            raise UserError(
                f"{path} is made for {folder.resolve()}, which "
                f"{'is another model now' if record.is_file() else 'is gone'}: delete the folder "
                f"{path} and run again"
            )
    return str(folder) if folder.exists() else entry["path"]


def _read_record(folder: Path) -> dict:
    """run.json of a folder; empty if save_model() did not write the folder."""
    record = read_json(folder / RUN_FILE) if (folder / RUN_FILE).is_file() else {}
    # other programs write files of that name, too
    return record if isinstance(record, dict) and isinstance(record.get("files"), dict) else {}


def _add_transformers_4_names(folder: Path) -> None:
    """Add the older names under which transformers 4 reads settings.

    Version 5 moved rope_theta and rope_scaling into rope_parameters, renamed torch_dtype, and saves
    tokenizers with a class name that 4 does not have.
    """
    path = folder / "config.json"
    if path.is_file():  # an adapter has none
        config = json.loads(path.read_text())
        rope = dict(config.get("rope_parameters") or {})
        if rope:
            config["rope_theta"] = rope.pop("rope_theta", 10000.0)
            config["rope_scaling"] = rope if rope.get("rope_type", "default") != "default" else None
        if "dtype" in config:
            config["torch_dtype"] = config["dtype"]
        write_json(path, config)
    path = folder / "tokenizer_config.json"
    tokenizer = json.loads(path.read_text())
    if tokenizer.get("tokenizer_class") == "TokenizersBackend":
        tokenizer["tokenizer_class"] = "PreTrainedTokenizerFast"
        write_json(path, tokenizer)


def verify(folder: Path, weights: bool = True) -> None:
    """UserError if a file is missing, truncated or changed since `save_model` wrote it.

    weights: whether to read the weights for their checksums too. Folders without run.json pass.
    """
    for name, saved in _read_record(folder).get("files", {}).items():
        path = folder / name
        problem = "is missing"
        if path.is_file():
            status = path.stat()
            problem = f"has {status.st_size} bytes, was written with {saved['bytes']}"
            if status.st_size == saved["bytes"]:
                skipped = not weights and path.suffix == ".safetensors"
                if skipped or _cached_sha256(path, status.st_mtime_ns) == saved["sha256"]:
                    continue
                problem = "has another content than was written"
        raise UserError(f"{path} {problem}: delete the folder {folder} and run again")


@cache
def _cached_sha256(path: Path, modified: int) -> str:
    """Checksum of a file as of the time `modified`, so that each version is read once."""
    return sha256(path)
