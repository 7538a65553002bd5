"""What a base model is judged for: the prompt format, and how long the rows of each stage get."""

from collections.abc import Iterator

from unlearning.assets.needs import fetch_settings
from unlearning.config.named import MODEL


def use_problems(config: dict) -> Iterator[str]:
    """What of a complete config's prompt format and lengths no model could follow, or not the one
    from random weights that it describes."""
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


# of the stages that read rows of max_length, those that do not read a named model's
_NOT_READ_BY: dict[str, tuple[str, ...]] = {
    "target": ("finetune",),
    "retrained": ("finetune", "unlearn", "relearn"),
}


def assets_of(experiment) -> dict[str, dict]:
    """Models, data, harness -> what rule fetch is told of each that comes from the hub; of a model
    also what it is judged for."""
    assets = fetch_settings(experiment.config)
    for asset, settings in assets.items():
        if settings.get("kind") == "model":
            settings["use"] = model_use(experiment, asset)
    return assets


def model_use(experiment, asset: str = MODEL) -> dict:
    """How an experiment uses a model that it names, as stage judge takes it."""
    config = experiment.config
    evaluation, model = config["evaluation"], experiment.common()
    stages = [stage for stage in experiment.benchmark.read_by if config.get(stage) is not None]
    if config["relearn"]["methods"]:
        stages.append("relearn")
    # a base beside a target is what retrained models come from
    only_retrained = asset == MODEL and config["target"] is not None
    not_read = _NOT_READ_BY.get(asset.partition("-")[0], ())
    if only_retrained:
        not_read += ("unlearn", "relearn")
    use = {
        "prompt": model["prompt"],
        "system": model.get("system"),
        "benchmark": experiment.benchmark.name,
        "max_length": {s: config[s]["max_length"] for s in stages if s not in not_read},
        "recipes": {
            stage: {key: config[stage][key] for key in ("epochs", "batch_size")}
            for stage in stages
            if stage not in ("evaluation", *not_read)
        },
        "generation": {key: evaluation[f"generation_{key}"] for key in ("tokens", "counts")},
        "rows": evaluation["rows"],
        "question": evaluation["question"],
        "data": experiment.data_settings(),
        "splits": experiment.tables,
    }
    patterns = [] if "unlearn" in not_read else trained_patterns(experiment)
    use |= {"trained": patterns} if patterns else {}
    return use | ({"chat_template": True} if config["harness"]["chat_template"] else {})


def trained_patterns(experiment) -> list[dict]:
    """Which parameters its methods train, of those that choose: setting, pattern and layer."""
    patterns = []
    for name in experiment.methods:
        for variant in experiment.variants(name):
            hyper = experiment.method(name, variant).hyper
            if "trained" in hyper:
                setting = f"methods.{name}.trained"
                patterns.append(
                    {"setting": setting, "pattern": hyper["trained"], "layer": hyper["layer"]}
                )
    return patterns
