"""Check that prompts with their answers fit a model's context."""

from unlearning.data.build import Tables
from unlearning.data.encoding import Encoder
from unlearning.models.context import no_room, too_long

EVALUATED_SUFFIXES = ("_perturbed", "_evaluated")  # endings of the names of evaluated tables


def question_answering_problems(
    encoder: Encoder, tables: Tables, use: dict, reach: int
) -> list[str]:
    """The problems of questions that leave no room for an answer, where it is scored or generated.

    reach: tokens of the model's context. use: settings of config.judged.model_use.
    """
    questions: set[str] = set()
    for name, rows in tables.items():
        if name.endswith(EVALUATED_SUFFIXES):
            questions.update(row["question"] for row in rows[: use["rows"]])
    longest = longest_prompt(encoder, questions)
    problems = []
    limit = use["max_length"]["evaluation"]
    if longest >= limit:
        problems.append(no_room(longest, limit, "evaluation.max_length"))
    setting, tokens = "evaluation.generation_tokens", use["generation"]["tokens"]
    if use["generation"]["counts"] == "total" and longest >= tokens:
        problems.append(no_room(longest, tokens, setting))
    # tokens of the longest prompt with its generated answer
    if questions and use["generation"]["counts"] == "new":
        tokens += longest
    if tokens > reach:
        problems.append(too_long(tokens, reach, setting))
    return problems


def longest_prompt(encoder: Encoder, questions: set[str]) -> int:
    """Tokens of the longest prompt of these questions; 0 without any."""
    return max((len(encoder.prompt_ids(question)) for question in questions), default=0)
