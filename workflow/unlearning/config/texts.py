"""Checks of configs whose forget set is texts or documents, not questions with answers."""

from collections.abc import Iterator

from unlearning.config.stated import known_methods

_ROLES_OF_TEXTS = {"forget", "retain"}  # every other role is another answer to a question


def no_other_answers(config: dict, forget_set: str) -> Iterator[str]:
    """Messages about methods that teach other answers. forget_set: the rows, for the message."""
    for method, terms, _, _ in known_methods(config):
        if any(set(term.roles) - _ROLES_OF_TEXTS for term in terms):
            yield (
                f"methods.{method}: teaches other answers to questions, but {forget_set}; remove it"
            )


def no_prompt(config: dict, reason: str) -> Iterator[str]:
    """A message about a prompt format that texts do not have. reason: the first half of it."""
    prompt = config["model"]["prompt"]
    if prompt != "plain":
        yield f"model.prompt: {reason}; set plain, found {prompt}"
