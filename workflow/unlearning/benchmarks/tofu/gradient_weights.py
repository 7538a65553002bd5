"""Gradient weights: how hard a loss pushes each forget row's log-probability down.

w is the derivative of the row's loss by log p(y|x), the answer's summed log-probability, so that
the gradient is w times that of gradient ascent, whose w is 1 for every row. Source: SimNPO
(arXiv 2410.07163) §4 and §5; each follows from the loss of the same name in methods/preference.py.
"""

from collections.abc import Callable

from numpy import corrcoef, ndarray
from scipy.special import expit
from scipy.stats import rankdata

HOME = "unlearning.methods.preference:"


def npo(logp: ndarray, tokens: ndarray, reference: ndarray, beta: float) -> ndarray:
    """(rows,) 2 p^β / (p^β + p_ref^β): 1 where the model still is its reference."""
    return 2 * expit(beta * (logp - reference))


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


WEIGHTS: dict[str, Callable[..., ndarray]] = {  # by the loss function that a method's settings name
    HOME + weight.__name__: weight for weight in (npo, npo_token_mean, simnpo, simnpo_as_printed)
}


def describe(weights: ndarray, tokens: ndarray, memorised: ndarray) -> dict[str, float]:
    """Mean; spread (standard deviation over mean); rank correlations (Spearman) with the answers'
    lengths and with memorisation, absent where either side is the same for all rows."""
    mean = float(weights.mean())
    found = {"weight": mean, "weight_spread": float(weights.std() / mean) if mean else 0.0}
    ranks = rankdata([weights, tokens, memorised], axis=1)
    for name, values in (("length", ranks[1]), ("memorisation", ranks[2])):
        if ranks[0].min() < ranks[0].max() and values.min() < values.max():
            found[f"weight_{name}_correlation"] = float(corrcoef(ranks[0], values)[0, 1])
    return found
