"""Model folders: the only thing that training stages hand on."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from unlearning.assets.record import resolve_snapshot
from unlearning.errors import UserError
from unlearning.files import RUN_FILE, new_folder, read_json, sha256, write_json
from unlearning.models.checks import key_problems, number_problems, sight_problems
from unlearning.models.combined import Combined
from unlearning.models.lora import Adapter, load_adapted

REINFORCED = "reinforced"  # folder of the one part of a combined model that is written
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
DTYPES["pure-bfloat16"] = torch.bfloat16


def load_model(path: str, dtype: str = "float32"):
    """The causal language model of a folder, record of rule fetch, or hub id; safetensors only, no
    remote code.

    Of a folder that keeps an adapter it is the model that merging would have saved. UserError if a
    folder of ours, or the one that an adapter is for, is not as it was written; if tensors are
    missing, foreign or of another shape; and if a model that is not ours has weights that are no
    finite numbers, or sees tokens to come. Dropout is off.
    """
    path = resolve_snapshot(str(path))
    verify(Path(path))
    record = _record(Path(path))
    kept = record.get("adapter_of")
    if kept is not None:
        base = load_model(_base(Path(path), kept), kept["dtype"])
        return load_adapted(base, str(path)).to(DTYPES[dtype])
    if "combined_with" in record:
        baseline = load_model(_base(Path(path), record["combined_with"]), dtype)
        reinforced = _read_weights(str(Path(path) / REINFORCED), dtype, ours=True)
        return Combined(baseline, reinforced, record["alpha"])
    return _read_weights(path, dtype, ours=bool(record))


def _read_weights(path: str, dtype: str, ours: bool):
    """The model of a folder or hub id, as load_model() gives it. ours: whether it was written here;
    such a model is as training left it, collapsed or not."""
    with _naming(path):
        model, info = AutoModelForCausalLM.from_pretrained(
            path,
            dtype=DTYPES[dtype],
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # refused below, with all other problems
        )
    problems = key_problems(model, info)
    if not ours and not problems:
        problems = number_problems(model) or sight_problems(model)
    if problems:
        raise UserError("\n".join(f"model {path} {problem}" for problem in problems))
    switch_off_dropout(model)
    return model


def switch_off_dropout(model) -> None:
    """Set every dropout probability of a model's modules to 0; its configuration stays.

    Dropout that a configuration states (GPT-2: 0.1) would draw from torch's global generator, so a
    step would no longer follow from seed and step alone, nor be the same on several processes.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            # attention layers hand a number of their own to the attention function
            if ("dropout" in name or "pdrop" in name) and isinstance(value, float):
                setattr(module, name, 0.0)


def load_tokenizer(path: str):
    """The tokenizer of a folder, record of rule fetch, or hub id."""
    path = resolve_snapshot(str(path))
    verify(Path(path))
    with _naming(path):
        return AutoTokenizer.from_pretrained(path, trust_remote_code=False)


@contextmanager
def _naming(path: str) -> Iterator[None]:
    """Turn what transformers raises of a folder's files into a UserError that names the folder."""
    try:
        yield
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise UserError(f"model {path} cannot be loaded: {error}") from error


def save_model(
    path: Path,
    model,
    tokenizer,
    run: dict,
    dtype: str = "float32",
    adapter: Adapter | None = None,
    start: str | None = None,
) -> None:
    """Write a model folder: weights, config, tokenizer, run.json (settings and checksums).

    Loads with from_pretrained in transformers 5 and in 4.45. adapter: of a model trained with one,
    which is merged into the weights or, to be kept, written in their place. Of a combined model the
    reinforced part alone is written, in a folder of its own, so that nobody takes it for the whole;
    the baseline is the model in the folder `start`, which must stay.
    """
    keep = adapter is not None and adapter.keep
    with new_folder(path) as folder:
        tokenizer.save_pretrained(folder)
        if keep:
            adapter.save(folder)
            run = {**run, "adapter_of": _told(path, adapter.base, dtype)}
        elif isinstance(model, Combined):
            model.reinforced.to(DTYPES[dtype]).save_pretrained(folder / REINFORCED)
            run = {**run, "combined_with": _told(path, start, dtype), "alpha": model.alpha}
        else:
            whole = model if adapter is None else adapter.merged()
            whole.to(DTYPES[dtype]).save_pretrained(folder)
        _speak_to_transformers_4(folder)
        files = {
            file.relative_to(folder).as_posix(): {
                "bytes": file.stat().st_size,
                "sha256": sha256(file),
            }
            for file in sorted(folder.rglob("*"))  # chat templates beside the first have a folder
            if file.is_file()
        }
        write_json(folder / RUN_FILE, {**run, "files": files})


def _told(path: Path, base: str, dtype: str) -> dict:
    """Where the weights of an adapter in `path` lie (a folder, a hub snapshot's record), as seen
    from there, so that results can be moved as a whole, or their hub id; the checksum of their
    run.json, and the number type that both are merged in."""
    if not Path(base).exists():
        return {"path": base, "dtype": dtype, "run": None}
    record = Path(base) / RUN_FILE
    found = sha256(record) if record.is_file() else None
    return {"path": os.path.relpath(base, path), "dtype": dtype, "run": found}


def _base(path: Path, kept: dict) -> str:
    """What _told() was given; UserError if the folder holds another model now."""
    folder = path / kept["path"]
    if kept["run"] is not None:
        record = folder / RUN_FILE
        if not record.is_file() or sha256(record) != kept["run"]:
            raise UserError(
                f"{path} is made for {folder.resolve()}, which "
                f"{'is another model now' if record.is_file() else 'is gone'}: delete the folder "
                f"{path} and run again"
            )
    return str(folder) if folder.exists() else kept["path"]


def _record(folder: Path) -> dict:
    """run.json of a folder of ours."""
    return read_json(folder / RUN_FILE) if (folder / RUN_FILE).is_file() else {}


def _speak_to_transformers_4(folder: Path) -> None:
    """Add what transformers 4 reads under older names.

    Version 5 moved rope_theta and rope_scaling into rope_parameters, renamed torch_dtype, and
    saves tokenizers under a class name that 4 does not know. An adapter has no config.json.
    """
    if (folder / "config.json").is_file():
        _older_config(folder)
    path = folder / "tokenizer_config.json"
    tokenizer = json.loads(path.read_text())
    if tokenizer.get("tokenizer_class") == "TokenizersBackend":
        tokenizer["tokenizer_class"] = "PreTrainedTokenizerFast"
        write_json(path, tokenizer)


def _older_config(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    rope = dict(config.get("rope_parameters") or {})
    if rope:
        config["rope_theta"] = rope.pop("rope_theta", 10000.0)
        config["rope_scaling"] = rope if rope.get("rope_type", "default") != "default" else None
    if "dtype" in config:
        config["torch_dtype"] = config["dtype"]
    write_json(folder / "config.json", config)


def verify(folder: Path, weights: bool = True) -> None:
    """UserError if a file is missing, truncated or changed since `save_model` wrote it. weights:
    compare their checksums too, which reads them."""
    for name, written in _record(folder).get("files", {}).items():  # none of what is not ours
        path = folder / name
        problem = "is missing"
        if path.is_file():
            found = path.stat()
            problem = f"has {found.st_size} bytes, was written with {written['bytes']}"
            if found.st_size == written["bytes"]:
                unread = not weights and path.suffix == ".safetensors"
                if unread or _sha256(path, found.st_mtime_ns) == written["sha256"]:
                    continue
                problem = "has another content than was written"
        raise UserError(f"{path} {problem}: delete the folder {folder} and run again")


@cache
def _sha256(path: Path, changed: int) -> str:
    """Checksum of the file as it was changed last: each version is read once."""
    return sha256(path)
