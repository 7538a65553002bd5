"""Small evaluation logs of three origins, and the command that reads them."""

import json
from pathlib import Path

from unlearning.__main__ import main
from unlearning.benchmarks.tofu import formulas as tofu
from unlearning.benchmarks.tofu.logs import official

ROWS = 6


def evaluation(shift: float = 0.0) -> dict[str, dict]:
    """Columns of the four sets as the evaluator gives them; `shift` makes another model."""
    rows = {}
    for place, name in enumerate(tofu.SETS):
        loss = [0.3 + 0.1 * place + 0.07 * row + shift for row in range(ROWS)]
        rows[name] = {
            "question": [f"{name} question {row}?" for row in range(ROWS)],
            "answer": [f"{name} answer {row}." for row in range(ROWS)],
            "answer_loss": loss,
            "answer_tokens": [5 + row for row in range(ROWS)],
            "perturbed_loss": [[loss[i] + 0.4, loss[i] + 0.6 - shift * i] for i in range(ROWS)],
            "perturbed_tokens": [[4 + row, 5 + row] for row in range(ROWS)],
            "generation": [f"generation {row}" for row in range(ROWS)],
            "rouge_l_recall": [0.5 + 0.05 * row for row in range(ROWS)],
        }
        if name in ("forget", "retain"):
            rows[name]["paraphrase_loss"] = [value + 0.1 for value in loss]
    return rows


def attacked(shift: float = 0.0) -> dict[str, dict]:
    """An evaluation of three rows a set with attack scores and a holdout of two rows."""
    rows = {name: {k: v[:3] for k, v in columns.items()} for name, columns in evaluation().items()}
    rows["forget"]["mia_min_k"] = [shift, 1 + shift, 2 + shift]
    rows["holdout"] = {
        "question": ["unseen 1?", "unseen 2?"],
        "answer": ["unseen.", "unseen."],
        "answer_loss": [1.0, 2.0],
        "answer_tokens": [3, 3],
        "mia_min_k": [1.0, 3.0],
    }
    return rows


def official_log(rows: dict[str, dict]) -> dict:
    """The same as eval_log_aggregated.json: fields keyed by row number, here out of order."""
    order = [3, 0, 1, 2, 5, 4]
    log = {}
    for name, columns in rows.items():
        fields = {
            "avg_gt_loss": columns["answer_loss"],
            "average_perturb_loss": columns["perturbed_loss"],
            "avg_paraphrased_loss": columns.get("paraphrase_loss", columns["answer_loss"]),
            "rougeL_recall": columns["rouge_l_recall"],
            "num_token_gt": columns["answer_tokens"],
            "generated_text": [["prompt", "text", answer] for answer in columns["answer"]],
        }
        log[official.SECTION_OF[name]] = {
            field: {str(row): values[row] for row in order} for field, values in fields.items()
        }
    return log


def write(path: Path, content) -> str:
    """Write a log, or the text of a damaged one; returns its path."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def indexed(field: str, values: list, mean: float) -> dict:
    """A metric of open-unlearning."""
    rows = {str(row): {field: value} for row, value in enumerate(values)}
    return {"agg_value": mean, "value_by_index": rows}


def foreign() -> dict:
    """A TOFU_EVAL.json as open-unlearning writes it, its aggregates by hand."""
    ratios = [1 / 2, 4.0]  # wrong/true: the official x is 2 and 1/4
    log = {"forget_truth_ratio": indexed("score", ratios, (1 / 2 + 1 / 4) / 2)}
    for prefix in ("retain", "ra", "wf"):
        normalised = "" if prefix == "retain" else "_normalised"
        log[f"{prefix}_Q_A_Prob{normalised}"] = indexed("prob", [0.2, 0.6], 0.4)
        log[f"{prefix}_Q_A_ROUGE"] = indexed("rougeL_recall", [0.3, 0.5], 0.4)
        log[f"{prefix}_Truth_Ratio"] = indexed("score", [0.5, 1.5], 0.25)  # max(0, 1 - x)
    log["model_utility"] = {"agg_value": 9 / (6 / 0.4 + 3 / 0.25)}
    return log


def run(capsys, *arguments) -> tuple[int, dict | None, str]:
    """(exit status, printed JSON or None, stderr) of `python -m unlearning ...`."""
    status = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    return status, json.loads(printed.out) if not status else None, printed.err
