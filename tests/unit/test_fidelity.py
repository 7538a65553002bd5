"""docs/fidelity.md has a line for every method and metric, and none that explains nothing."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from folders import ROOT
from unlearning.benchmarks.muse.metrics import METRICS as MUSE
from unlearning.benchmarks.own.metrics import METRICS as OWN
from unlearning.benchmarks.synthetic.metrics import QUANTITIES
from unlearning.benchmarks.tofu.metrics import ATTACK_METRICS
from unlearning.benchmarks.tofu.metrics import METRICS as TOFU
from unlearning.benchmarks.wmdp.metrics import METRICS as WMDP
from unlearning.evaluation.own import withdraw_own_metrics
from unlearning.methods.registry import FORGET_LOSSES, RETAIN_TERMS

TEXT = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
COLUMNS = 6  # what, paper, official code, open-unlearning, ours, difference and why


def lines() -> Iterator[list[str]]:
    """The cells of each line of its tables, heads left out."""
    table = [line for line in TEXT.splitlines() if line.startswith("|")]
    for line, following in zip(table, [*table[1:], ""], strict=True):
        if line.startswith("|---") or following.startswith("|---"):
            continue
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def named() -> list[str]:
    """What the first cells name in backticks; * stands for any letters of a metric's name."""
    return [name for cells in lines() for name in re.findall("`([^`]+)`", cells[0])]


def test_every_line_is_complete():
    for cells in lines():
        assert len(cells) == COLUMNS and all(cells), cells
        assert cells[-1] != "–", cells  # a difference is explained, or said to be none


def test_every_method_has_a_line():
    assert {*FORGET_LOSSES, *RETAIN_TERMS} <= set(named())


def test_every_metric_has_a_line_and_no_line_is_about_none():
    quantities = {name for study in QUANTITIES.values() for name in study}
    withdraw_own_metrics()  # of an experiment that ran before in this process
    metrics = {*TOFU, *ATTACK_METRICS, *MUSE, *OWN, *WMDP, *quantities}
    patterns = [name for name in named() if name not in {*FORGET_LOSSES, *RETAIN_TERMS}]
    missing = {m for m in metrics if not any(fnmatchcase(m, pattern) for pattern in patterns)}
    assert not missing
    stale = {pattern for pattern in patterns if not any(fnmatchcase(m, pattern) for m in metrics)}
    assert not stale


def test_the_readme_points_to_it():
    assert "docs/fidelity.md" in (ROOT / "README.md").read_text(encoding="utf-8")
