"""How an experiment uses each model that it names, so that the model can be judged for this use
before any job: the prompt format, and the longest rows of each stage."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

from unlearning.assets.needs import fetch_settings
from unlearning.config.layout import NAMED_RETRAINED
from unlearning.config.named import MODEL
from unlearning.outside import digests_text


def use_problems(config: dict) -> Iterator[str]:
    """Problems of a complete config's prompt format that need no look at a model."""
    model = config["model"]
    if model["system"] is not None and model["prompt"] != "chat":
        yield (
            f"model.system: a text for model.prompt chat; {model['prompt']} has its own words. "
            f"Remove it or set prompt to chat, found {model['system']!r}"
        )
    if model["architecture"] is None:
        return
    if model["prompt"] == "chat":
        yield (
            "model.prompt: chat is the chat template of a model's tokenizer, and a model from "
            "random weights has none; set plain"
        )
    if config["harness"]["chat_template"]:
        yield (
            "harness.chat_template: a model from random weights has no chat template; set it to "
            "false"
        )


class TrainingRun(TypedDict):
    """What decides on the steps of a run. section: of the config. recipe: its keys of PLANNED.
    share: of the table's rows; None for all. trajectory: epochs after which it is evaluated."""

    section: str
    recipe: dict
    table: str
    share: float | None
    trajectory: list[int]


# keys of a recipe that decide how many steps a run takes, and of which rows
PLANNED: tuple[str, ...] = ("epochs", "batch_size", "whole_batches", "max_steps", "max_length")
PLANNED += ("warmup_epochs", "warmup_steps")


def training_runs(experiment) -> list[TrainingRun]:
    """The training runs of an experiment; those alike in what a TrainingRun holds are one."""
    config, benchmark = experiment.config, experiment.benchmark
    # by what they hold: hundreds of cells of a grid take the same steps over the same rows
    runs: dict[tuple, TrainingRun] = {}

    def add(section: str, recipe: dict, table: str, share: float | None = None) -> None:
        planned = {key: recipe[key] for key in PLANNED}
        runs[(section, *planned.values(), table, share)] = {
            "section": section,
            "recipe": planned,
            "table": table,
            "share": share,
            "trajectory": config[section].get("trajectory", []),
        }

    if experiment.from_scratch:
        add("pretrain", experiment.recipe("pretrain"), "pretrain")
    if experiment.fine_tunes:
        add("finetune", experiment.recipe("finetune"), "full")
    if experiment.retrains:
        for split in experiment.own_splits:
            add("finetune", experiment.recipe("finetune"), benchmark.retrain_table(split))
    # the anchor's rows make the epochs, and so the number of steps
    retain_is_anchor = config["unlearn"]["anchor"] == "retain"
    for method in experiment.methods:
        for hyper in experiment.variants(method):
            for split in experiment.own_splits:
                table = benchmark.retain_table(split) if retain_is_anchor else split
                add("unlearn", experiment.variant_recipe(hyper), table)
    for cell, attack in experiment.attacks():
        share = experiment.fractions[attack]
        add("relearn", experiment.recipe("relearn"), cell.split, share)
    return list(runs.values())


# asset, up to "-" -> the training stages that do not read that model
_NOT_READ_BY: dict[str, tuple[str, ...]] = {
    "target": ("finetune",),
    "retrained": ("finetune", "unlearn", "relearn"),
}


def assets_of(experiment) -> dict[str, dict]:
    """Asset -> settings of rule fetch, for what comes from the hub; for a model with its use."""
    assets = fetch_settings(experiment.config)
    for asset, settings in assets.items():
        if settings.get("kind") == "model":
            settings["use"] = model_use(experiment, asset)
    return assets


def model_use(experiment, asset: str = MODEL) -> dict:
    """How an experiment uses a model that it names: the settings of stage judge."""
    config = experiment.config
    evaluation, model = config["evaluation"], experiment.common()
    stages = [stage for stage in experiment.benchmark.read_by if config.get(stage) is not None]
    if config["relearn"]["methods"]:
        stages.append("relearn")
    not_read = _NOT_READ_BY.get(asset.partition("-")[0], ())
    # beside a target that the config names, the base is only fine-tuned into retrained models
    if asset == MODEL and config["target"] is not None:
        not_read += ("unlearn", "relearn")
    # only what a judgement depends on: any other value would judge an unchanged folder anew
    use = {
        "prompt": model["prompt"],
        "system": model.get("system"),
        "benchmark": experiment.benchmark.name,
        "max_length": {s: config[s]["max_length"] for s in stages if s not in not_read},
        "runs": [run for run in training_runs(experiment) if run["section"] not in not_read],
        "generation": {key: evaluation[f"generation_{key}"] for key in ("tokens", "counts")},
        "rows": evaluation["rows"],
        "question": evaluation["question"],
        "data": experiment.data_settings(),
        "splits": experiment.tables,
    }
    adapters = lora_modules(config)
    use["lora"] = {
        stage: adapters[stage] for stage in stages if stage in adapters.keys() - not_read
    }
    logs = experiment.log_splits()
    # A log of another tokenizer is refused with the model. Nobody reads the digests: with them
    # a changed log is another use, which is judged anew.
    if logs:
        use["logs"] = {split: experiment.log_of(split, NAMED_RETRAINED) for split in logs}
        files: list[Path] = []
        for split in logs:
            files += filter(Path.is_file, experiment.log_files(split))
        use["log_digests"] = digests_text(files)
    if "unlearn" not in not_read and (layers := method_layers(experiment)):
        use["layers"] = layers
    if config["harness"]["chat_template"]:
        use["chat_template"] = True
    return use


def lora_modules(config: dict) -> dict[str, list[str]]:
    """Training stage -> the names of layers that the config lists for its adapter."""
    modules = {}
    for stage in ("finetune", "unlearn", "relearn"):
        lora = (config[stage] or {}).get("lora")
        if lora is not None and isinstance(lora["modules"], list):
            modules[stage] = lora["modules"]
    return modules


def method_layers(experiment) -> list[dict]:
    """The layers whose output methods need: setting, layer, and the pattern of the parameters that
    are trained, or None."""
    layers = []
    for name in experiment.methods:
        for variant in experiment.variants(name):
            hyper = experiment.method(name, variant).hyper
            if "layer" in hyper:
                entry = {"layer": hyper["layer"], "pattern": hyper.get("trained")}
                layers.append({"setting": f"methods.{name}", **entry})
    return layers
