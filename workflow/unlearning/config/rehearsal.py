"""Dress rehearsal: an experiment's whole DAG with a tiny model, to be run before the long one.

What stays: splits, methods, grids, retrained seeds, folds, attacks, evaluations on the way, the
prompt format (but a chat template, which the tiny model has not), precision and adapters: every
rule and every kind of file. What shrinks: model, rows,
epochs, and the unlearning seeds, of which one is left (each further one repeats the same jobs).
What goes: all that needs the hub or a GPU. MUSE and WMDP, and TOFU where no folder holds it, become
the mini world's news, its germs and the mini world; WMDP's base model becomes one pre-trained on
that world, and its tasks that world's. Other harness tasks, whose data are on the hub, stay only if
they are the user's own. Synthetic studies keep their settings and methods.
"""

import math
from copy import deepcopy

from unlearning.config.layout import blocks
from unlearning.data.splits import MUSE_SOURCES, WMDP_SOURCES, percentage
from unlearning.methods.own import hyper_block, own_methods
from unlearning.methods.registry import hyper_parameters, names

PREFIX = "rehearsal-"
EPOCHS = 2  # of unlearning: one evaluated on the way, and the last
_RECIPES = ("pretrain", "finetune", "unlearn", "relearn")
_TINY = {"width": 32, "heads": 2, "feed_forward": 32, "context": 512}
_TINY |= {"tokenizer": "bpe", "vocabulary": 1000, "seed": 0}
_AUTHORS = {"questions_per_author": 2, "holdout_authors": 2, "known_persons": 4}
_AUTHORS |= {"pretrain_rows": 64, "replay_rows": 16, "seed": 1}
_NEWS = {"persons": 2, "questions": 4, "pretrain_persons": 4, "seed": 1}
_GERMS = {"names": 4, "documents": 4, "pretrain_rows": 64, "seed": 1}
_TEXT_LENGTH = 128  # of texts, so that a few make several rows
_EVALUATION = {"rows": 4, "max_length": 400, "generation_tokens": 8, "generation_counts": "new"}
_RESOURCES = {"gpus": 0, "sharding": "replicate", "threads": 1, "mem_mb": 2000, "runtime": 60}
_RESOURCES |= {"cells_per_job": 100}
_STEPS = {"steps": 20, "every": 5}  # of unlearning on Gaussian points
_CHAINS = {
    "sequences": {"retain": 40, "forget1": 20, "forget2": 20},
    "test_share": 0.5,
    "model": {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16},
    "pretrain": {"epochs": 1, "batch_size": 4, "lr": 1.0e-3},
    "unlearn": {"iterations": 3, "batch_size": 2, "lr": 1.0e-3},
}
_FEWEST_RETAIN_AUTHORS = 20  # of TOFU, by the schema


def rehearsed(config: dict) -> dict:
    """The rehearsal of a complete config, complete as well; `config` itself stays as it is."""
    found = deepcopy(config)
    found["world"] = PREFIX + (found["world"] or found["experiment"])
    found["experiment"] = PREFIX + found["experiment"]
    found["data"] |= _data(config)
    layers = _layers(config)
    found["model"] |= {
        "path": None,
        "revision": "main",
        "architecture": {"layers": layers, **_TINY},
    }
    if found["model"]["prompt"] == "chat":  # the tiny model's tokenizer has no chat template
        found["model"] |= {"prompt": "plain", "system": None}
    _recipes(found)
    found["harness"] |= {**_tasks(config), "limit": 2}
    found["evaluation"] |= _EVALUATION
    found["resources"] |= _RESOURCES
    return found


def rehearsed_synthetic(config: dict) -> dict:
    """The rehearsal of a complete synthetic config: its studies, settings and methods, one seed."""
    found = deepcopy(config)
    found["experiment"] = PREFIX + found["experiment"]
    studies = found["synthetic"]
    small = {"logistic": _STEPS, "divergence": _STEPS, "markov": _CHAINS}
    for study in small.keys() & studies.keys():
        studies[study] |= {**small[study], "seeds": studies[study]["seeds"][:1]}
    studies["gaussian"] |= {"steps": 100}
    return found


def _data(config: dict) -> dict:
    """The tables: those of the user's folder, or generated ones."""
    data = config["data"]
    if data["source"] in MUSE_SOURCES:
        # MUSE brings no text for a model from random weights, a folder of it neither
        gone = dict.fromkeys(("data_dir", "corpus"))
        return {**gone, "columns": {}, "source": "mini-muse", "mini_muse": _NEWS}
    if data["source"] in WMDP_SOURCES:
        return {"data_dir": None, "columns": {}, "source": "mini-wmdp", "mini_wmdp": _GERMS}
    splits = [*config["forget_splits"], *(config["world_splits"] or [])]
    if data["source"] == "tofu" and data["data_dir"] is not None:
        return {"retain_authors": _FEWEST_RETAIN_AUTHORS}
    shares = [percentage(split) for split in splits]
    # the fewest authors of which every split is a whole number, ten at least
    authors = max(10, *(100 // math.gcd(100, share) for share in shares))
    gone = dict.fromkeys(("data_dir", "retain_authors", "alternatives"))
    return {**gone, "columns": {}, "source": "mini", "mini": {"authors": authors, **_AUTHORS}}


def _tasks(config: dict) -> dict:
    """The user's own harness tasks; the miniature of WMDP brings its own."""
    folder = config["harness"]["include_path"]
    if folder is None or config["data"]["source"] in WMDP_SOURCES:
        return {"tasks": [], "include_path": None}
    return {}


def _layers(config: dict) -> int:
    """Two, or as many as the methods that steer a layer need."""
    losses, _ = own_methods(config["methods"])
    steered = [0]
    for name, stated in config["methods"].items():
        layer = hyper_parameters(name, losses).get("layer") if name in names(losses) else None
        for block in blocks(hyper_block(stated)) if layer is not None else ():
            value = block.get("layer", layer.default)
            steered += value if isinstance(value, list) else [value]
    return int(max(steered)) + 2


def _recipes(found: dict) -> None:
    """Few epochs, one seed, and what runs on any machine."""
    pretrained = found["finetune"].keys() - {"seed", "replay_rows"}
    found["pretrain"] = {key: found["finetune"][key] for key in sorted(pretrained)} | {"lora": None}
    for stage in _RECIPES:
        changed = {"epochs": 1, "batch_size": 4, "micro_batch": None, "optimizer": "adamw"}
        found[stage] |= changed | {"lr": 1.0e-3, "warmup_epochs": 0, "warmup_steps": None}
        if found["data"]["source"] in (*MUSE_SOURCES, *WMDP_SOURCES):
            found[stage]["max_length"] = min(found[stage]["max_length"], _TEXT_LENGTH)
    found["relearn"]["batch_size"] = 1  # an attacker may have a single row
    found["unlearn"] |= {"epochs": EPOCHS, "seeds": found["unlearn"]["seeds"][:1]}
    found["unlearn"]["trajectory"] = [1] if found["unlearn"]["trajectory"] else []
    if found["folds"]["seeds"]:
        found["folds"]["seeds"] = found["unlearn"]["seeds"]
    found["finetune"]["replay_rows"] = min(found["finetune"]["replay_rows"], 2)
