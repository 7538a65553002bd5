"""What a base model is judged for: the prompt format, and how long the rows of each stage get."""

from collections.abc import Iterator

from unlearning.assets.needs import needed


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


def assets_of(experiment) -> dict[str, dict]:
    """model, data, harness -> what rule fetch is told of each that comes from the hub; of a model
    also what it is judged for."""
    assets = needed(experiment.config)
    if "model" in assets:
        assets["model"]["use"] = model_use(experiment)
    return assets


def model_use(experiment) -> dict:
    """How an experiment uses its base model, as stage judge takes it."""
    config = experiment.config
    evaluation, model = config["evaluation"], experiment.common()
    stages = [stage for stage in experiment.benchmark.read_by if config.get(stage) is not None]
    if config["relearn"]["methods"]:
        stages.append("relearn")
    return {
        "prompt": model["prompt"],
        "system": model.get("system"),
        "benchmark": experiment.benchmark.name,
        "max_length": {stage: config[stage]["max_length"] for stage in stages},
        "generation": {key: evaluation[f"generation_{key}"] for key in ("tokens", "counts")},
        "rows": evaluation["rows"],
        "data": config["data"],
        "splits": experiment.tables,
    }
