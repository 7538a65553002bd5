"""What holds for every benchmark of questions with answers."""

from collections.abc import Iterator

from unlearning.config.stated import known_methods


def one_request(config: dict) -> Iterator[str]:
    """There is one forget set, and no later request."""
    for key, value in config["folds"].items():
        if value:
            yield f"folds.{key}: only for data.source muse or mini-muse; remove it"


def nothing_replayed(config: dict) -> Iterator[str]:
    """Only what a model from random weights has learnt can be replayed."""
    finetune = config["finetune"]
    if finetune is None or config["model"]["architecture"] is not None:
        return
    if finetune["replay_rows"]:
        yield "finetune.replay_rows: only a model from random weights has a replay table"


def alternatives_named(config: dict) -> Iterator[str]:
    """Methods that teach false answers need some."""
    if config["data"].get("alternatives", "") is not None:  # generated worlds bring theirs
        return
    for name, used, _, _ in known_methods(config):
        if any("alternative" in term.roles for term in used):
            yield (
                f"methods.{name}: needs plausible false answers to the forget questions; name "
                "their file in data.alternatives"
            )


def answers_fit(config: dict) -> Iterator[str]:
    """A model from random weights has room for prompt and answer."""
    architecture, evaluation = config["model"]["architecture"], config["evaluation"]
    if architecture is None or evaluation["generation_counts"] != "total":
        return
    context, tokens = architecture["context"], evaluation["generation_tokens"]
    if tokens > context:
        yield (
            f"evaluation.generation_tokens: {tokens} tokens of prompt and answer are more than "
            f"model.architecture.context, {context}; lower the one or raise the other"
        )
