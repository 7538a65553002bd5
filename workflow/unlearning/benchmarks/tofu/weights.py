"""Gradient weights of the forget rows during each run, from the evaluations of its trajectory."""

from dataclasses import dataclass
from pathlib import Path

from numpy import array, ndarray

from unlearning.benchmarks.tofu.gradient_weights import WEIGHTS, describe
from unlearning.benchmarks.tofu.strata import memorisation
from unlearning.config.experiment import Experiment
from unlearning.config.layout import UnlearnRun
from unlearning.files import read_json
from unlearning.methods.references import TARGET
from unlearning.reporting.labels import model_label
from unlearning.reporting.results import answer_losses

EARLY = 1  # epochs; the SimNPO paper shows weights from its first epoch on


@dataclass(frozen=True)
class RowWeights:
    """Gradient weights of a run's forget rows after some epochs: (rows,) each.

    tokens: the answers' lengths. memorised: log-probability per token under the target.
    """

    cell: UnlearnRun
    epoch: float
    values: ndarray
    tokens: ndarray
    memorised: ndarray

    @property
    def label(self) -> str:
        return model_label(self.cell.method, dict(self.cell.hyper))

    def describe(self) -> dict[str, float]:
        """Mean, spread and rank correlations; see gradient_weights."""
        return describe(self.values, self.tokens, self.memorised)


def early(weights: list[RowWeights]) -> dict[str, float]:
    """The metrics that claims name: those of the first evaluation during the run; none if that
    was after EARLY epochs. weights: of the target, of each evaluation and of the final model."""
    # Two are the target and the final model, without an evaluation between them.
    if len(weights) < 3 or weights[1].epoch > EARLY:
        return {}
    return {f"early_{key}": value for key, value in weights[1].describe().items()}


class WeightReader:
    """Computes the weights of a split's runs. target: forget rows of the target's evaluation."""

    def __init__(self, experiment: Experiment, target: dict):
        self.experiment = experiment
        self.tokens = array(target["answer_tokens"], dtype=float)  # (rows,)
        self.memorised = memorisation(target)  # (rows,)
        self.start = target["answer_loss"]

    def trajectory(self, cell: UnlearnRun, record: dict, end: dict) -> list[RowWeights]:
        """Weights from the target (epoch 0) to the run's end; none for losses without weights.

        record: the run's trajectory. end: the forget rows of the unlearned model's evaluation.
        """
        hyper = dict(cell.hyper)
        loss = self.experiment.method(cell.method, hyper).settings()["terms"][0]
        # Losses of the user's and others have no formula of their weights here.
        weight = WEIGHTS.get(loss["function"])
        reference = self._reference(cell, str(hyper.get("reference", TARGET)))
        if weight is None or reference is None:
            return []
        weights = []
        for epoch, _, losses in answer_losses(record, self.start, end["answer_loss"]):
            # Losses are means per token; the losses' weights depend on sums over the answer.
            logp = -array(losses) * self.tokens
            values = weight(logp, self.tokens, reference, **loss["hyper"])
            weights.append(RowWeights(cell, epoch, values, self.tokens, self.memorised))
        return weights

    def _reference(self, cell: UnlearnRun, reference: str) -> ndarray | None:
        """(rows,) log-probabilities under the reference model of that name.

        None if the file of another reference than the target does not exist or holds other rows: a
        split above forget10 is measured on forget10's rows.
        """
        path: Path = self.experiment.reference(cell.split, cell.run, reference)
        # The target's log-probabilities are those of epoch 0; no file needs to be read.
        if path == self.experiment.reference(cell.split, cell.run):
            return -array(self.start) * self.tokens
        if not path.is_file():
            return None
        scores = read_json(path)
        # The file scores the rows of training, of which the first may be evaluated alone; another
        # number of tokens tells that they are other rows.
        rows = slice(len(self.tokens))
        same = scores["tokens"][rows] == self.tokens.tolist()
        return -array(scores["nll"][rows]) if same else None
