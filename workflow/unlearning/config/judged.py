"""What a base model is judged for: the prompt format, and how long the rows of each stage get."""

from collections.abc import Iterator

from unlearning.assets.needs import needed
from unlearning.data.splits import MUSE_SOURCES, WMDP_SOURCES


def use_problems(config: dict) -> Iterator[str]:
    """What of a complete config's prompt format and lengths no model could follow, or not the one
    from random weights that it describes."""
    model, evaluation = config["model"], config["evaluation"]
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
    context, tokens = model["architecture"]["context"], evaluation["generation_tokens"]
    tofu = config["data"]["source"] not in (*MUSE_SOURCES, *WMDP_SOURCES)
    if tofu and evaluation["generation_counts"] == "total" and tokens > context:
        yield (
            f"evaluation.generation_tokens: {tokens} tokens of prompt and answer are more than "
            f"model.architecture.context, {context}; lower the one or raise the other"
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
