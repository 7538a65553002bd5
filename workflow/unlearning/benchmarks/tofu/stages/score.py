"""Score an evaluation log of this project, the official code or open-unlearning.

Prints model utility with its parts, all further metrics of the log, and forget quality and PrivLeak
against a second log.
"""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from unlearning.benchmarks.tofu.formulas import PARTS
from unlearning.benchmarks.tofu.logs.log import Log, forget_quality, privacy_leakage
from unlearning.benchmarks.tofu.logs.reading import FORMATS, read_log
from unlearning.benchmarks.tofu.metrics import METRICS

FORGET = ("forget_rouge", "forget_probability", "forget_truth_ratio")


def add_arguments(parser: ArgumentParser) -> None:
    """Arguments: one log, or two of one format."""
    formats = "; ".join(module.DESCRIPTION for module in FORMATS.values())
    parser.add_argument("--logs", type=Path, required=True, help=f"evaluation log: {formats}")
    parser.add_argument(
        "--retain",
        type=Path,
        help="log of a retrained model on the same rows, for forget quality and PrivLeak",
    )
    parser.add_argument("--table", action="store_true", help="a table for people, not JSON")


def run(args: Namespace) -> None:
    log = read_log(args.logs)
    # of a retrained model its forget set alone is compared
    retained = read_log(args.retain, sets=("forget",)) if args.retain else None
    scores = score(log, retained)
    print(table(scores) if args.table else json.dumps(scores, indent=1, ensure_ascii=False))


def score(log: Log, retained: Log | None) -> dict:
    """The scores of a log. Without a second log, forget_quality is null and a note says why."""
    scores = {
        "logs": str(log.path),
        "format": log.format,
        "formulas": log.formulas,
        "rows": log.rows,
        "model_utility": log.metrics["model_utility"],
        "parts": {part: log.metrics[part] for part in PARTS},
        "forget": {name: log.metrics[name] for name in FORGET if name in log.metrics},
        "further": dict(sorted(log.further.items())),
    }
    if retained is None:
        note = "forget quality not computed: it compares with a retrained model's log (--retain)"
        return {**scores, "forget_quality": None, "note": note}
    # Checks that both logs hold the same rows under the same formulas.
    quality, identities = forget_quality(log, retained)
    scores["forget_quality"] = {
        "p_value": quality["forget_quality"],
        "log10_p": quality["log10_forget_quality"],
        "ks_statistic": quality["ks_statistic"],
        "n": quality["forget_quality_rows"],
    }
    leakage = privacy_leakage(log, retained)
    if leakage is not None:
        scores["privleak"] = leakage
    return {**scores, "retain": str(retained.path), "same_rows_checked_by": identities}


def table(scores: dict) -> str:
    """The scores as lines of title and value; metrics unknown here have the log's name as title."""
    values = {"model_utility": scores["model_utility"], **scores["parts"], **scores["forget"]}
    values |= scores["further"]
    lines = []
    for name, value in values.items():
        title = METRICS[name].title if name in METRICS else name  # of a log's own metric
        lines.append((title, f"{value:.4f}"))
    if "privleak" in scores:
        lines.append((f"{METRICS['privleak'].title}, with --retain", f"{scores['privleak']:.2f}"))
    quality = scores["forget_quality"]
    if quality:
        lines += [
            (METRICS["forget_quality"].title, f"{quality['p_value']:.4g}"),
            (METRICS["log10_forget_quality"].title, f"{quality['log10_p']:.2f}"),
            (METRICS["ks_statistic"].title, f"{quality['ks_statistic']:.4f}"),
            ("Rows compared", str(quality["n"])),
            ("Same rows by", ", ".join(scores["same_rows_checked_by"])),
        ]
    head = f"{scores['logs']} ({scores['format']}; {scores['formulas']} formulas)"
    text = [head, *(f"{title:26s}  {value}" for title, value in lines)]
    if "note" in scores:
        text.append(scores["note"])
    return "\n".join(text)
