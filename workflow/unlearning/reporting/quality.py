"""Forget quality against every retrained model of a split."""

from numpy import asarray, ndarray

from unlearning.errors import UserError
from unlearning.evaluation.forget_quality import check_same_rows, compare
from unlearning.evaluation.tofu import log_truth_ratio
from unlearning.reporting.statistics import mean_metrics


class References:
    """The retrained models of a split; forget quality is taken against each and averaged.

    The mean of p, of log10 p and of the KS statistic are three means: log10 of the first is not
    the second.
    """

    def __init__(self, rows: dict[str, dict]):
        self.rows = rows  # run -> columns of the forget set
        self.ratios = {run: log_truth_ratio(columns) for run, columns in rows.items()}

    def judge(self, forget: dict, name: str) -> dict[str, float]:
        """Forget quality of the forget columns of a model; UserError for other questions."""
        for run, columns in self.rows.items():
            check_same_rows(forget, columns, (name, run))
        return self._mean(log_truth_ratio(forget))

    def judge_point(self, log_ratio: list[float], name: str) -> dict[str, float]:
        """Forget quality of a point of a trajectory, which holds log x alone."""
        rows = len(next(iter(self.ratios.values())))
        if len(log_ratio) != rows:
            raise UserError(
                f"{name} holds {len(log_ratio)} forget rows, the retrained model {rows}: delete "
                "the file and run again"
            )
        return self._mean(asarray(log_ratio, dtype=float))

    def noise_floor(self) -> list[dict[str, float]]:
        """Forget quality of each further retrained model against the first."""
        first, *others = self.rows
        for run in others:
            check_same_rows(self.rows[run], self.rows[first], (run, first))
        return [compare(self.ratios[run], self.ratios[first]).metrics() for run in others]

    def _mean(self, log_ratio: ndarray) -> dict[str, float]:
        tests = [compare(log_ratio, reference) for reference in self.ratios.values()]
        return mean_metrics([test.metrics() for test in tests])
