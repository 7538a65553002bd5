"""Records of accuracies on harness tasks."""

from pathlib import Path

from unlearning.errors import UserError


def check_same_questions(task: str, records: dict[Path, dict]) -> None:
    """UserError if models were asked different questions, as after a change of a hub's dataset."""
    asked = {r["tasks"][task]["asked"]: path for path, r in records.items() if task in r["tasks"]}
    if len(asked) > 1:
        one, other, *_ = asked.values()
        raise UserError(
            f"harness task '{task}' asked other questions in {one} than in {other}: delete the "
            "older files and run again"
        )
