"""Dress rehearsal: an experiment's whole DAG with a tiny model, to be run before the long one.

What stays: splits, methods, grids, retrained seeds, folds, attacks, evaluations on the way, the
prompt format (but a chat template, which the tiny model has not), precision and adapters: every
rule and every kind of file. What shrinks: model, rows,
epochs, the unlearning seeds, of which one is left (each further one repeats the same jobs), and the
draws, of which two are.
What goes: all that needs the hub or a GPU. Each benchmark says which tables stand in for its own.
Harness tasks, whose data are on the hub, stay only if they are the user's own.
"""

from copy import deepcopy

from unlearning.benchmark import benchmark_of
from unlearning.config.draws import draw_numbers
from unlearning.config.stated import known_methods
from unlearning.methods.registry import hyper_parameters

PREFIX = "rehearsal-"
EPOCHS = 2  # of unlearning: one evaluated on the way, and the last
_RECIPES = ("pretrain", "finetune", "unlearn", "relearn")
_TINY = {"tokenizer": "bpe", "width": 32, "heads": 2, "feed_forward": 32, "context": 512}
_TINY |= {"vocabulary": 1000, "seed": 0}
# as long as the tiny model reads, so that a question that the experiment has room for has room here
_EVALUATION = {"rows": 4, "max_length": 512, "generation_tokens": 8, "generation_counts": "new"}
_RESOURCES = {"gpus": 0, "sharding": "replicate", "threads": 1, "mem_mb": 2000, "runtime": 60}
_RESOURCES |= {"cells_per_job": 100}


def rehearsed(config: dict) -> dict:
    """The rehearsal of a complete config, complete as well; `config` itself stays as it is."""
    rehearsal, benchmark = deepcopy(config), benchmark_of(config["data"]["source"])
    rehearsal["world"] = PREFIX + (rehearsal["world"] or rehearsal["experiment"])
    rehearsal["experiment"] = PREFIX + rehearsal["experiment"]
    architecture = {"layers": _layers(config), **_TINY}
    rehearsal["model"] |= {"path": None, "revision": "main", "architecture": architecture}
    rehearsal["draws"] = draw_numbers(config)[:2]  # a second one has paths of its own
    rehearsal |= {"target": None, "retrained": None}  # so it trains small ones instead
    if rehearsal["model"]["prompt"] == "chat":  # the tiny model's tokenizer has no chat template
        rehearsal["model"] |= {"prompt": "plain", "system": None}
    _recipes(rehearsal, benchmark.longest_rehearsed)
    if config["harness"]["include_path"] is None:  # the harness's own tasks have data on the hub
        rehearsal["harness"]["tasks"] = []
    rehearsal["harness"]["limit"] = 2
    rehearsal["evaluation"] |= _EVALUATION
    rehearsal["resources"] |= _RESOURCES
    changes = benchmark.rehearsal(config)
    rehearsal["data"] = changes.pop("data")
    for section, values in changes.items():
        rehearsal[section] = {**(rehearsal[section] or {}), **values}
    return rehearsal


def _layers(config: dict) -> int:
    """Two, or as many as the methods that steer a layer need."""
    last = 0
    for name, _, method_blocks, losses in known_methods(config):
        layer = hyper_parameters(name, losses).get("layer")
        if layer is None:
            continue
        for block in method_blocks:
            value = block.get("layer", layer.default)
            layers = value if isinstance(value, list) else [value]
            last = max(last, *map(int, layers))
    return last + 2  # methods see a layer's output only below the last layer


def _recipes(rehearsal: dict, longest: int | None) -> None:
    """Few epochs, one seed, rows of `longest` tokens, and what runs on any machine."""
    # pre-training has no recipe where the config names the models, so it takes relearning's
    recipe_keys = rehearsal["relearn"].keys() - {"methods", "attacks", "fraction"}
    rehearsal["pretrain"] = {key: rehearsal["relearn"][key] for key in sorted(recipe_keys)}
    rehearsal["pretrain"]["lora"] = None
    for stage in _RECIPES:
        if rehearsal[stage] is None:
            continue
        # An epoch of the smallest split, of two rows, is to have a step of its own, after which the
        # model is evaluated, and a whole batch where it needs one.
        whole = rehearsal[stage].get("whole_batches") == "epoch"
        batch_size = 2 if whole or stage == "unlearn" else 4
        rehearsal[stage] |= {"epochs": 1, "batch_size": batch_size, "micro_batch": None}
        rehearsal[stage] |= {"optimizer": "adamw", "lr": 1.0e-3}
        rehearsal[stage] |= {"warmup_epochs": 0, "warmup_steps": None}
        if longest is not None:
            rehearsal[stage]["max_length"] = min(rehearsal[stage]["max_length"], longest)
    rehearsal["relearn"]["batch_size"] = 1  # an attacker may have a single row
    rehearsal["unlearn"] |= {"epochs": EPOCHS, "seeds": rehearsal["unlearn"]["seeds"][:1]}
    rehearsal["unlearn"]["trajectory"] = [1] if rehearsal["unlearn"]["trajectory"] else []
    if rehearsal["folds"]["seeds"]:
        rehearsal["folds"]["seeds"] = rehearsal["unlearn"]["seeds"]
    if rehearsal["finetune"] is not None:
        rehearsal["finetune"]["replay_rows"] = min(rehearsal["finetune"]["replay_rows"], 2)
