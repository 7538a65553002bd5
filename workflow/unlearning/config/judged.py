"""What a base model is judged for: the prompt format, and how long the rows of each stage get."""

from unlearning.assets.needs import needed


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
    benchmark = "muse" if experiment.on_muse else "wmdp" if experiment.on_wmdp else "tofu"
    stages = ["unlearn"] if benchmark == "wmdp" else ["finetune", "unlearn"]
    if config["relearn"]["methods"]:
        stages.append("relearn")
    if benchmark == "tofu":  # the lengths of MUSE's evaluation are constants
        stages.append("evaluation")
    return {
        "prompt": model["prompt"],
        "system": model.get("system"),
        "benchmark": benchmark,
        "max_length": {stage: config[stage]["max_length"] for stage in stages},
        "generation": {key: evaluation[f"generation_{key}"] for key in ("tokens", "counts")},
        "rows": evaluation["rows"],
        "data": config["data"],
        "splits": experiment.tables,
    }
