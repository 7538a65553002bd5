"""Membership inference: can forget rows (label 0) be told from rows never seen (label 1)?

Every score is higher for a row that is less likely a member. Conventions and constants of
open-unlearning (src/evals/metrics/mia); token-wise attacks leave out the last label, as there.
No torch.
"""

import zlib
from collections.abc import Sequence

import numpy
from numpy import ndarray

from unlearning.errors import UserError
from unlearning.evaluation.relative import forget_numbers, relative_differences

ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus", "reference", "gradnorm")
HOLDOUT = "holdout"  # the set of non-members; no part of utility
K = 0.4  # share of a row's tokens, in MUSE and open-unlearning


def attack_settings(evaluation: dict) -> dict[str, float]:
    """k and norm of the attacks, of an evaluation's settings."""
    return {"k": evaluation["min_k"], "norm": float(evaluation["gradnorm"])}


def lowest_mean(values: ndarray, k: float = K) -> float:
    """Minus the mean of the lowest max(1, int(k n)) of n values; 0 without values."""
    if not len(values):
        return 0.0
    return -float(numpy.sort(values)[: max(1, int(k * len(values)))].mean())


def compressed(mean_nll: float, text: str) -> float:
    """Loss over the bytes of the zlib-compressed answer. Carlini et al., arXiv 2012.07805."""
    return mean_nll / len(zlib.compress(text.encode()))


def min_k(logp: list[float], k: float = K) -> float:
    """Minus the mean log-probability of the least likely share k of tokens. arXiv 2310.16789."""
    return lowest_mean(numpy.array(logp[:-1]), k)


def min_k_plus_plus(logp: list[float], mu: list[float], sigma: list[float], k: float = K) -> float:
    """min_k of (log p - mu) / sigma, moments over the vocabulary. arXiv 2404.02936."""
    values, centre, width = (numpy.array(v[:-1]) for v in (logp, mu, sigma))
    return lowest_mean((values - centre) / width, k)


def row_scores(mean_nll: float, tokens, text: str, k: float = K) -> dict[str, float]:
    """Attack -> score of one row, for the attacks that need nothing but its likelihoods.

    mean_nll: loss per token, itself an attack (Yeom et al., arXiv 1709.01604). tokens:
    likelihood.Tokens of the row. text: its labels as text. k: of min_k and min_k_plus_plus.
    """
    return {
        "loss": mean_nll,
        "zlib": compressed(mean_nll, text),
        "min_k": min_k(tokens.logp, k),
        "min_k_plus_plus": min_k_plus_plus(tokens.logp, tokens.mu, tokens.sigma, k),
    }


def auc(forget: Sequence[float], holdout: Sequence[float]) -> float:
    """Area under the ROC curve of telling holdout from forget rows; ties count half.

    The share of (holdout, forget) pairs in which the holdout row scores higher.
    """
    below = numpy.sort(forget)
    wins = sum(numpy.searchsorted(below, holdout, side).sum() for side in ("left", "right")) / 2
    return float(wins / (len(holdout) * len(forget)))


def membership_metrics(
    rows: dict[str, dict], sets: tuple[str, str] = ("forget", HOLDOUT)
) -> dict[str, float]:
    """mia_<attack>_auc of every attack whose scores the forget and the holdout set hold.

    sets: what these two are called in `rows`.
    """
    if sets[1] not in rows:
        return {}
    forget, holdout = (rows[name] for name in sets)
    names = [f"mia_{attack}" for attack in ATTACKS if f"mia_{attack}" in holdout]
    return {f"{name}_auc": auc(forget[name], holdout[name]) for name in names}


def privleak(value: float, retrained: float) -> float:
    """((1 - AUC) - (1 - AUC_r)) / (1 - AUC_r) in percent, AUC_r of a retrained model (min-k).

    0 is as private as retraining; negative (down to -100): forget rows still look like members;
    positive: they look stranger than rows never seen. MUSE, arXiv 2407.06460, in
    open-unlearning's form.
    """
    return ((1 - value) - (1 - retrained)) / (1 - retrained + 1e-10) * 100


def reference_attack(
    rows: dict[str, dict],
    retrained: dict[str, dict],
    sets: tuple[str, str] = ("forget", HOLDOUT),
) -> dict[str, float]:
    """mia_reference_auc: AUC of loss minus the retrained model's loss (arXiv 2012.07805).

    UserError if the two models' sets differ.
    """
    check_same_rows(rows, retrained, sets)
    gaps = []
    for name in sets:
        ours, theirs = (numpy.array(r[name]["answer_loss"]) for r in (rows, retrained))
        gaps.append(ours - theirs)
    return {"mia_reference_auc": auc(*gaps)}


def check_same_rows(
    rows: dict[str, dict], retrained: dict[str, dict], sets: tuple[str, str]
) -> None:
    """UserError if two models were evaluated on different rows."""
    for name in sets:
        if rows[name]["question"] != retrained[name]["question"]:
            raise UserError(
                f"membership inference compares the same rows under two models, but their "
                f"{name} sets differ. Evaluate both again"
            )


def against_retrained(
    rows: dict[str, dict], retrained: dict[str, dict], attacks: list[str]
) -> dict[str, float]:
    """What needs a retrained model's evaluation: relative differences, and of membership inference
    the attack `reference` and PrivLeak.

    PrivLeak needs min_k, and all of membership inference a holdout set; UserError if the two
    models' sets differ.
    """
    numbers = [forget_numbers(sets["forget"]) for sets in (rows, retrained)]
    if HOLDOUT not in rows or HOLDOUT not in retrained:
        return relative_differences(*numbers)
    check_same_rows(rows, retrained, ("forget", HOLDOUT))
    found = reference_attack(rows, retrained) if "reference" in attacks else {}
    name = "mia_min_k_auc"
    ours, theirs = membership_metrics(rows), membership_metrics(retrained)
    if name in ours and name in theirs:
        found["privleak"] = privleak(ours[name], theirs[name])
    return found | relative_differences(numbers[0] | ours, numbers[1] | theirs)
