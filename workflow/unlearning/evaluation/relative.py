"""How far a model's numbers are from a retrained model's, in percent of the latter. No torch.

Source: open-unlearning src/evals/metrics/privacy.py, rel_diff. 0 is as retraining left it, whatever
the number; -100 is nothing left of it.
"""

import numpy

from unlearning.evaluation.summary import memorization_metrics

SUFFIX = "_relative"


def relative_difference(value: float, retrained: float) -> float:
    """(value - retrained) / retrained in percent; retrained is positive."""
    return (value - retrained) / retrained * 100


def relative_differences(ours: dict[str, float], theirs: dict[str, float]) -> dict[str, float]:
    """The numbers that both models have, with SUFFIX.

    Left out where the retrained model's is 0: nothing is a share of it.
    """
    return {
        f"{name}{SUFFIX}": relative_difference(value, theirs[name])
        for name, value in ours.items()
        if theirs.get(name, 0) > 0
    }


def forget_numbers(forget: dict) -> dict[str, float]:
    """What is compared of the forget rows: memorisation, probability, ROUGE-L; as far as known."""
    metrics = memorization_metrics("forget", forget)
    if "answer_loss" in forget:
        losses = numpy.array(forget["answer_loss"], dtype=float)
        metrics["forget_probability"] = float(numpy.exp(-losses).mean())
    if "rouge_l_recall" in forget:
        metrics["forget_rouge"] = float(numpy.mean(forget["rouge_l_recall"]))
    return metrics
