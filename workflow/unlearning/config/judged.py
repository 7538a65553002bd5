"""How an experiment uses each model that it names, so that the model can be judged for this use
before any job: the prompt format, and the longest rows of each stage."""

from collections.abc import Iterator

from unlearning.assets.needs import fetch_settings
from unlearning.config.named import MODEL


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
    recipes = {}
    for stage in stages:
        if stage not in ("evaluation", *not_read):
            recipes[stage] = {key: config[stage][key] for key in ("epochs", "batch_size")}
    # only what a judgement depends on: any other value would judge an unchanged folder anew
    use = {
        "prompt": model["prompt"],
        "system": model.get("system"),
        "benchmark": experiment.benchmark.name,
        "max_length": {s: config[s]["max_length"] for s in stages if s not in not_read},
        "recipes": recipes,
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
