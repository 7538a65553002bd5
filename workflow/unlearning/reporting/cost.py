"""What each stage cost: Snakemake's benchmark files, and tokens where a run recorded them."""

import csv
import re
import statistics
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from unlearning.config.experiment import Experiment
from unlearning.files import read_json

STAGES = (
    *("data", "answers", "restore", "pretrain", "finetune", "retrain", "reference"),
    *("unlearn", "relearn", "evaluate", "harness"),
)


@dataclass(frozen=True)
class Cost:
    """The jobs of one rule. None where the benchmark holds no number. resumed: jobs that went on
    from a state after a kill, of which Snakemake measured the last attempt alone."""

    rule: str
    jobs: int
    total_seconds: float
    median_seconds: float
    max_rss_mb: float | None
    tokens_per_second: float | None
    resumed: int


def read_costs(experiment: Experiment) -> list[Cost]:
    """The cost of every rule with benchmark files, in the order of the stages."""
    tokens: dict[str, list[int]] = {}
    if experiment.on_language_model:  # a synthetic study reads no tokens
        for draw in experiment.draws:
            for rule, counts in run_tokens(draw).items():
                tokens.setdefault(rule, []).extend(counts)
    # the world's folder is the first draw's too
    roots = [experiment.layout.shared, *(draw.layout.root for draw in experiment.draws)]
    return costs_in([root / "benchmarks" for root in dict.fromkeys(roots)], tokens)


def costs_in(folders: list[Path], tokens: dict[str, list[int]]) -> list[Cost]:
    """The cost of every rule with benchmark files in some folders. tokens: rule -> of each run."""
    rules: dict[str, list[Path]] = {}
    for folder in folders:
        for path in folder.glob("*"):
            if path.is_dir():
                rules.setdefault(path.name, []).append(path)
    # stages in their order, then other rules by name
    order = [rule for rule in STAGES if rule in rules] + sorted(set(rules) - set(STAGES))
    costs = [_cost(rule, rules[rule], tokens.get(rule, [])) for rule in order]
    return [cost for cost in costs if cost is not None]


def run_tokens(experiment: Experiment) -> dict[str, list[int]]:
    """Rule -> tokens of each of its runs that still has its record, in one draw."""
    layout = experiment.layout
    retrained = [layout.model(split, run) for split, run in experiment.retrained()]
    attacks = [(cell.split, cell.attacked_by(attack)) for cell, attack in experiment.attacks()]
    # models of unlearning are mostly removed, so their trajectories say it
    files = {
        "pretrain": [layout.base / "run.json"],
        "finetune": [experiment.target / "run.json"] if experiment.fine_tunes else [],
        "retrain": [folder / "run.json" for folder in retrained],
        "unlearn": [layout.trajectory(c.split, c.run) for c in experiment.cells()],
        "relearn": [layout.trajectory(split, run) for split, run in attacks],
    }
    tokens: dict[str, list[int]] = {rule: [] for rule in files}
    for rule, paths in files.items():
        for path in paths:
            if path.is_file():  # folders of models that are not needed any more are removed
                tokens[rule].append(read_json(path)["tokens"])
    return tokens


def _cost(rule: str, folders: list[Path], tokens: list[int]) -> Cost | None:
    seconds: list[float] = []
    memory: list[float] = []
    resumed = 0
    for folder in folders:
        for path in sorted(folder.rglob("*.tsv")):
            with path.open(encoding="utf-8", newline="") as file:
                lines = list(csv.DictReader(file, delimiter="\t"))
            seconds += measurements(line.get("s") for line in lines)
            log = _log_of(path, folder.parent)
            # where a worker ran the stage, Snakemake measured its client alone
            logged = re.findall(r"^peak memory: (\d+) MB$", log, re.M)
            memory += measurements(logged or [line.get("max_rss") for line in lines])
            if re.search("^resumed after step", log, re.M):
                resumed += 1
    if not seconds:
        return None
    total = sum(seconds)
    # Other experiments of the same world may have left jobs here whose tokens are not known. Of a
    # resumed job the tokens are those of all attempts.
    complete = bool(tokens) and len(tokens) == len(seconds) and total > 0 and not resumed
    rate = sum(tokens) / total if complete else None
    most = max(memory, default=None)
    return Cost(rule, len(seconds), total, statistics.median(seconds), most, rate, resumed)


def measurements(texts: Iterable[str | None]) -> list[float]:
    """Fields of benchmark files; Snakemake writes - or NA for what it could not measure."""
    numbers = []
    for text in texts:
        with suppress(ValueError):
            numbers.append(float(text or "-"))
    return numbers


def _log_of(benchmark: Path, root: Path) -> str:
    """The log of the job that a benchmark file is of; empty if it was removed."""
    log = root.with_name("logs") / benchmark.relative_to(root).with_suffix(".log")
    return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
