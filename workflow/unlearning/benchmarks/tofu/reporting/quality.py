"""Forget quality and membership inference against every retrained model of a split."""

from numpy import asarray, exp, ndarray

from unlearning.benchmarks.tofu.forget_quality import check_same_rows, compare
from unlearning.benchmarks.tofu.formulas import log_truth_ratio
from unlearning.benchmarks.tofu.logs import open_unlearning
from unlearning.benchmarks.tofu.metrics import METRICS
from unlearning.errors import UserError
from unlearning.evaluation.membership import against_retrained
from unlearning.evaluation.records import metrics_in
from unlearning.reporting.statistics import mean_metrics


class References:
    """The retrained models of a split; comparisons are made with each and averaged.

    rows: run -> set -> columns. variant: of the truth ratio. attacks: on membership. strata: name
    -> rows of the forget set whose forget quality is also taken apart, as forget_quality@name.

    The mean of p, of log10 p and of the KS statistic are three means: log10 of the first is not
    the second.
    """

    def __init__(
        self,
        rows: dict[str, dict],
        variant: str,
        attacks: list[str],
        strata: dict[str, ndarray],
    ):
        self.rows, self.variant, self.attacks, self.strata = rows, variant, attacks, strata
        # a log of open-unlearning's is compared by the ratios that it holds, as there
        self.logged = any(open_unlearning.RATIOS in sets["forget"] for sets in rows.values())
        self.ratios = {run: self._ratio(sets) for run, sets in rows.items()}

    def judge(self, sets: dict[str, dict], name: str) -> dict[str, float]:
        """Comparisons of a model's rows; UserError for other questions."""
        for run, theirs in self.rows.items():
            check_same_rows(sets["forget"], theirs["forget"], (name, run))
        membership = [against_retrained(sets, r, self.attacks) for r in self.rows.values()]
        return {**self._mean(self._ratio(sets)), **mean_metrics(membership)}

    def judge_point(self, point: dict, name: str) -> dict[str, float]:
        """All metrics of a point of a trajectory; of forget quality it holds log x alone."""
        log_ratio = point["log_truth_ratio"][self.variant]
        rows = len(next(iter(self.ratios.values())))
        if len(log_ratio) != rows:
            raise UserError(
                f"{name} holds {len(log_ratio)} forget rows, the retrained model {rows}: delete "
                "the file and run again"
            )
        ratio = asarray(log_ratio, dtype=float)
        quality = self._mean(exp(-ratio) if self.logged else ratio)
        return {**quality, **metrics_in(point, self.variant)}

    def noise_floor(self) -> list[dict[str, float]]:
        """Comparisons of each further retrained model with the first."""
        first, *others = self.rows
        rows = {first: self.rows[first]}
        only_first = References(rows, self.variant, self.attacks, self.strata)
        return [only_first.judge(self.rows[run], run) for run in others]

    def _ratio(self, sets: dict[str, dict]) -> ndarray:
        """(rows,) log x, or beside a log of open-unlearning's 1/x."""
        if self.logged:
            forget = sets["forget"]
            logged = forget.get(open_unlearning.RATIOS)
            return asarray(open_unlearning.truth_ratio(forget) if logged is None else logged)
        return log_truth_ratio(sets["forget"], self.variant)

    def _mean(self, log_ratio: ndarray) -> dict[str, float]:
        return mean_metrics([self._compare(log_ratio, r) for r in self.ratios.values()])

    def _compare(self, log_ratio: ndarray, reference: ndarray) -> dict[str, float]:
        found = compare(log_ratio, reference).metrics()
        for name, chosen in self.strata.items():
            apart = compare(log_ratio[chosen], reference[chosen]).metrics()
            found |= {f"{k}@{name}": v for k, v in apart.items() if f"{k}@{name}" in METRICS}
        return found
