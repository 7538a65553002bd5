"""Gradient weights: how strongly a loss pushes each forget row's log-probability down.

w is the derivative of the row's loss by log p(y|x), the answer's summed log-probability. The
gradient is w times that of gradient ascent, whose w is 1 for every row. Source: SimNPO
(arXiv 2410.07163) §4 and §5; each weight follows from the loss of the same name in
methods/preference.py.
"""

from collections.abc import Callable

from numpy import corrcoef, ndarray
from scipy.special import expit
from scipy.stats import rankdata

LOSS_MODULE = "unlearning.methods.preference"


def npo(logp: ndarray, tokens: ndarray, reference: ndarray, beta: float) -> ndarray:
    """(rows,) 2 p^β / (p^β + p_ref^β): 1 where the model equals its reference."""
    return 2 * expit(beta * (logp - reference))  # as a sigmoid, which does not overflow


def npo_token_mean(logp: ndarray, tokens: ndarray, reference: ndarray, beta: float) -> ndarray:
    """(rows,) NPO-WMDP: 2/|y| · r / (1 + r), r = (p / p_ref)^(β/|y|)."""
    return 2 / tokens * expit(beta * (logp - reference) / tokens)


def simnpo(
    logp: ndarray, tokens: ndarray, reference: ndarray, beta: float, gamma: float
) -> ndarray:
    """(rows,) 2/|y| · p^(β/|y|) / (p^(β/|y|) + e^(-βγ)); the paper prints it for γ = 0."""
    return 2 / tokens * expit(beta * (logp / tokens + gamma))


def simnpo_as_printed(
    logp: ndarray, tokens: ndarray, reference: ndarray, beta: float, gamma: float
) -> ndarray:
    """(rows,) SimNPO-paper, where γ stands outside β."""
    return 2 / tokens * expit(beta * logp / tokens + gamma)


# loss function, as a method's settings name it -> its weights; all take the same arguments
WEIGHTS: dict[str, Callable[..., ndarray]] = {
    f"{LOSS_MODULE}:npo": npo,
    f"{LOSS_MODULE}:npo_token_mean": npo_token_mean,
    f"{LOSS_MODULE}:simnpo": simnpo,
    f"{LOSS_MODULE}:simnpo_as_printed": simnpo_as_printed,
}


def describe(weights: ndarray, tokens: ndarray, memorised: ndarray) -> dict[str, float]:
    """Mean, spread (standard deviation over mean), and Spearman's rank correlations with answer
    length and with memorisation, which are left out if either side is the same for all rows."""
    mean = float(weights.mean())
    numbers = {"weight": mean, "weight_spread": float(weights.std() / mean) if mean else 0.0}
    # Ranks once for both correlations: spearmanr would rank the weights twice, at every epoch.
    weight_ranks, *other_ranks = rankdata([weights, tokens, memorised], axis=1)
    for name, ranks in zip(("length", "memorisation"), other_ranks, strict=True):
        # NPO's weights are all 1 at the start: without an order there is no correlation.
        if weight_ranks.min() < weight_ranks.max() and ranks.min() < ranks.max():
            numbers[f"weight_{name}_correlation"] = float(corrcoef(weight_ranks, ranks)[0, 1])
    return numbers
