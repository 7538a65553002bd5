"""Check that prompts with their answers fit a model's context."""

from unlearning.data.build import Tables
from unlearning.data.encoding import Encoder
from unlearning.models.context import too_long

EVALUATED_SUFFIXES = ("_perturbed", "_evaluated")  # endings of the names of evaluated tables


def question_answering_problems(
    encoder: Encoder, tables: Tables, use: dict, reach: int
) -> list[str]:
    """The problem of answers to an experiment's questions that exceed a context of `reach` tokens.

    use: settings of config.judged.model_use.
    """
    setting, tokens = "evaluation.generation_tokens", use["generation"]["tokens"]
    if use["generation"]["counts"] == "total":
        return [too_long(tokens, reach, setting)] if tokens > reach else []
    questions: set[str] = set()
    for name, rows in tables.items():
        if name.endswith(EVALUATED_SUFFIXES):
            questions.update(row["question"] for row in rows[: use["rows"]])
    lengths = [len(encoder.prompt_ids(question)) for question in sorted(questions)]
    longest = max(lengths, default=-tokens) + tokens
    return [too_long(longest, reach, setting)] if longest > reach else []
