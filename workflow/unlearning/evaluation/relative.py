"""Relative differences of a model's metrics from a retrained model's, in percent. No torch.

Source: open-unlearning src/evals/metrics/privacy.py, rel_diff. 0: equal to the retrained model's;
-100: the model's is 0.
"""

import numpy

from unlearning.evaluation.summary import memorization_metrics

SUFFIX = "_relative"


def relative_differences(
    metrics: dict[str, float], retrained: dict[str, float]
) -> dict[str, float]:
    """Name with SUFFIX -> (value - retrained) / retrained in percent, for each metric that both
    models have, unless the retrained model's is 0."""
    differences = {}
    for name, value in metrics.items():
        base = retrained.get(name, 0)
        if base > 0:
            differences[f"{name}{SUFFIX}"] = (value - base) / base * 100
    return differences


def forget_numbers(forget: dict) -> dict[str, float]:
    """The forget set's metrics that are compared, from the columns that the evaluation has:
    memorisation, probability, ROUGE-L."""
    metrics = memorization_metrics("forget", forget)
    if "answer_loss" in forget:
        losses = numpy.array(forget["answer_loss"], dtype=float)
        metrics["forget_probability"] = float(numpy.exp(-losses).mean())
    if "rouge_l_recall" in forget:
        metrics["forget_rouge"] = float(numpy.mean(forget["rouge_l_recall"]))
    return metrics
