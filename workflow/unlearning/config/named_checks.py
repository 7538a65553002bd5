"""What is wrong with a target and retrained models that a config names."""

from collections.abc import Collection, Iterator
from pathlib import Path

from unlearning.assets.gguf import is_gguf
from unlearning.benchmark import benchmark_of
from unlearning.config.named import method_references, retrain_seeds, trains_target, unused
from unlearning.methods.references import RETRAIN


def named_problems(config: dict) -> Iterator[str]:
    """Combinations that make no sense."""
    target = config["target"]
    if target is not None:
        if config["model"]["architecture"] is not None:
            yield (
                f"target.path: '{target['path']}' is unlearned as it is, and model.architecture "
                "describes a base model to be fine-tuned; remove one of them"
            )
        yield from _gguf("target.path", target["path"])
    if config["retrained"] is not None:
        yield from _retrained(config)
    yield from _references(config)


def _gguf(setting: str, path: str) -> Iterator[str]:
    if is_gguf(path):
        yield (
            f"{setting}: '{path}' is a GGUF file; name a model folder, which `python -m unlearning "
            f"restore --gguf {path} --out FOLDER` makes of it"
        )


def _retrained(config: dict) -> Iterator[str]:
    entries, splits = config["retrained"], config["forget_splits"]
    benchmark = benchmark_of(config["data"]["source"])
    for split, entry in entries.items():
        where, path, log = f"retrained.{split}", entry["path"], entry["log"]
        if split not in splits:
            yield f"{where}: not among forget_splits ({', '.join(splits)}); remove it"
        if (path is None) == (log is None):
            yield f"{where}: set exactly one of path (a model) and log (its evaluation log)"
        if log is not None and entry["revision"] != "main":
            yield f"{where}.revision: '{entry['revision']}' is for a hub id; remove it beside log"
        if log is not None and not benchmark.reads_logs:
            yield (
                f"{where}.log: logs are read on TOFU's rows alone, not on {benchmark.title}; name "
                f"the model in {where}.path, found {log!r}"
            )
        if path is not None:
            yield from _gguf(f"{where}.path", path)
            if _is_target(config, entry):
                yield (
                    f"{where}.path: '{path}' is the target itself, which knows what is to be "
                    "forgotten; name a model that was trained without it, found the same in both"
                )
    # with some splits alone, forget quality of the others would be missing without a word
    for split in splits:
        if split not in entries:
            yield (
                f"retrained: names no model of {split}, which is among forget_splits; add "
                f"{split}: {{path: ...}}, or remove the split. Named: {', '.join(entries)}"
            )


def _is_target(config: dict, entry: dict) -> bool:
    """Whether a retrained model that a config names is the model that is unlearned."""
    if trains_target(config):  # then it is none that has a path
        return False
    target = config["target"] or config["model"]
    if target["path"] is None:
        return False
    # resolved: a folder may be named from here, from the root or by a link
    same = Path(target["path"]).resolve() == Path(entry["path"]).resolve()
    return same and target["revision"] == entry["revision"]


def _references(config: dict) -> Iterator[str]:
    """Methods whose reference is a retrained model that there is not."""
    # stage reference scores rows under the model itself, for which a log is no substitute
    retrained = config["retrained"]
    logs = [split for split, entry in (retrained or {}).items() if entry["log"] is not None]
    for method, references in method_references(config):
        if RETRAIN not in references:
            continue
        if retrained is None and not retrain_seeds(config):
            yield (
                f"methods.{method}.reference: retrain is a retrained model, and there is none; set "
                "retrain or retrained, or another reference"
            )
        for split in logs:
            yield (
                f"methods.{method}.reference: retrain scores rows under the retrained model, and "
                f"retrained.{split} names a log alone; name the model in retrained.{split}.path, "
                "or another reference"
            )


def unused_sections(sections: Collection[str], config: dict) -> Iterator[str]:
    """Those of the sections that a config's user wrote which have no use."""
    for section, reason in unused(config).items():
        if section in sections and config[section] is not None:
            yield f"{section}: {reason}; remove it"
