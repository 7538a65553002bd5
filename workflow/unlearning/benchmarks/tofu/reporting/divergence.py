"""How fast a run without a retain term moves away: the forget set's log-probability by step.

The NPO paper proves for a logistic model that gradient ascent diverges linearly in the number of
steps and NPO logarithmically; this is the same look at a language model. Its runs take AdamW's
steps, not those of gradient descent, which the theorem is about.
"""

from dataclasses import dataclass

from numpy import array

from unlearning.analysis.quantities import GROWTH, Curves
from unlearning.benchmarks.tofu.reporting.trajectories import answer_losses
from unlearning.config.layout import UnlearnRun
from unlearning.methods.terms import Method
from unlearning.reporting.labels import model_label

FEWEST = 5  # points of a curve that can tell a line from a logarithm: both have two parameters


@dataclass(frozen=True)
class Divergence:
    """The course of a run. curves: step; log_probability, the mean over the forget rows of
    log p(y|x), summed over the answer's tokens, in nats; drift, by how much it has fallen."""

    cell: UnlearnRun
    curves: Curves
    collapsed: bool

    @property
    def label(self) -> str:
        """The variant's name on the page."""
        return model_label(self.cell.method, dict(self.cell.hyper))

    def metrics(self) -> dict[str, float]:
        """The fall at the end, and the fits of the synthetic study; those without drift for a
        curve that collapsed too early, or ended above its start."""
        drift = self.curves["drift"]
        found = {"divergence_drift": drift[-1]}
        if len(drift) >= FEWEST and min(drift[1:]) > 0:
            fits = {key: q.value(self.curves) for key, q in GROWTH.items()}
            found |= {f"divergence_{key}": v for key, v in fits.items() if v is not None}
        return found


def shows_divergence(method: Method, recipe: dict) -> bool:
    """Whether the runs of a method can tell: no retain term, evaluations on the way, and a constant
    learning rate, for a decaying one bends every curve. recipe: of unlearning, in the config."""
    constant = recipe["schedule"] == "constant" and recipe["warmup_epochs"] == 0
    return method.retain is None and constant and len(recipe["trajectory"]) + 2 >= FEWEST


def divergence_of(cell: UnlearnRun, record: dict, start: dict, end: dict) -> Divergence:
    """A run's course. start, end: the forget rows of the target's evaluation and of its own."""
    tokens = array(start["answer_tokens"], dtype=float)
    course = [
        (step, float((-array(losses) * tokens).mean()))
        for _, step, losses in answer_losses(record, start["answer_loss"], end["answer_loss"])
    ]
    steps, values = [step for step, _ in course], [value for _, value in course]
    drift = [values[0] - value for value in values]
    curves = {"step": steps, "log_probability": values, "drift": drift}
    return Divergence(cell, curves, record["collapsed"] is not None)
