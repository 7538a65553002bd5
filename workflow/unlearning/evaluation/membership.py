"""Membership inference: attacks that tell forget rows (label 0) from rows never seen (label 1).

Every score is higher for a row that is less likely a member. Conventions and constants are those of
open-unlearning (src/evals/metrics/mia), where token-wise attacks leave out the last label. No
torch.
"""

import zlib
from collections.abc import Sequence

import numpy
from numpy import ndarray

from unlearning.errors import UserError
from unlearning.evaluation.relative import forget_numbers, relative_differences

ATTACKS = ("loss", "zlib", "min_k", "min_k_plus_plus", "reference", "gradnorm")
HOLDOUT = "holdout"  # the set of non-members, which does not count for utility
K = 0.4  # share of a row's tokens, in MUSE and open-unlearning


def attack_settings(evaluation: dict) -> dict[str, float]:
    """The arguments k and norm of the attacks, from the config's section evaluation."""
    return {"k": evaluation["min_k"], "norm": float(evaluation["gradnorm"])}


def lowest_mean(values: ndarray, k: float = K) -> float:
    """-(mean of the lowest max(1, int(k n)) of n values); 0 if n is 0."""
    if not len(values):
        return 0.0
    return -float(numpy.sort(values)[: max(1, int(k * len(values)))].mean())


def compressed(mean_nll: float, text: str) -> float:
    """Loss over the bytes of the zlib-compressed answer. Carlini et al., arXiv 2012.07805."""
    return mean_nll / len(zlib.compress(text.encode()))


def min_k(logp: list[float], k: float = K) -> float:
    """-(mean log-probability of the least likely share k of tokens). arXiv 2310.16789."""
    return lowest_mean(numpy.array(logp[:-1]), k)


def min_k_plus_plus(logp: list[float], mu: list[float], sigma: list[float], k: float = K) -> float:
    """min_k of (log p - mu) / sigma, with moments over the vocabulary. arXiv 2404.02936."""
    logps, means, deviations = numpy.array([logp, mu, sigma])[:, :-1]
    return lowest_mean((logps - means) / deviations, k)


def row_scores(mean_nll: float, tokens, text: str, k: float = K) -> dict[str, float]:
    """Attack -> score of one row, for the attacks that need only its likelihoods.

    mean_nll: loss per token, itself an attack (Yeom et al., arXiv 1709.01604). tokens: the row's
    likelihood.TokenScores. text: its labels as text. k: share of tokens for min_k and
    min_k_plus_plus.
    """
    return {
        "loss": mean_nll,
        "zlib": compressed(mean_nll, text),
        "min_k": min_k(tokens.logp, k),
        "min_k_plus_plus": min_k_plus_plus(tokens.logp, tokens.mu, tokens.sigma, k),
    }


def auc(forget: Sequence[float], holdout: Sequence[float]) -> float:
    """Area under the ROC curve of a score that tells holdout from forget rows: the share of
    (holdout, forget) pairs in which the holdout row scores higher; ties count half."""
    # of each holdout row the forget rows below it, by bisection: pairs would be N² comparisons
    sorted_forget = numpy.sort(forget)
    lower = numpy.searchsorted(sorted_forget, holdout, "left").sum()
    lower_or_equal = numpy.searchsorted(sorted_forget, holdout, "right").sum()
    return float((lower + lower_or_equal) / 2 / (len(holdout) * len(forget)))


def membership_metrics(
    rows: dict[str, dict], sets: tuple[str, str] = ("forget", HOLDOUT)
) -> dict[str, float]:
    """mia_<attack>_auc of every attack whose scores the evaluation has.

    sets: names of the forget and the holdout set in `rows`.
    """
    if sets[1] not in rows:
        return {}
    forget, holdout = (rows[name] for name in sets)
    names = [f"mia_{attack}" for attack in ATTACKS if f"mia_{attack}" in holdout]
    return {f"{name}_auc": auc(forget[name], holdout[name]) for name in names}


def privleak(value: float, retrained: float) -> float:
    """((1 - AUC) - (1 - AUC_r)) / (1 - AUC_r) in percent, with AUC_r of a retrained model (min-k).

    0: as private as retraining; negative (down to -100): forget rows still look like members;
    positive: they look less familiar than rows never seen. MUSE, arXiv 2407.06460, in
    open-unlearning's form.
    """
    # 1e-10, as in the source: a retrained AUC of 1 would divide by 0
    return ((1 - value) - (1 - retrained)) / (1 - retrained + 1e-10) * 100


def reference_attack(
    rows: dict[str, dict], retrained: dict[str, dict], sets: tuple[str, str] = ("forget", HOLDOUT)
) -> dict[str, float]:
    """mia_reference_auc: AUC of loss minus the retrained model's loss (arXiv 2012.07805).

    UserError if the two models' sets differ.
    """
    # losses of two models are subtracted row by row: with other rows that gives numbers, too
    check_same_rows(rows, retrained, sets)
    scores = []
    for name in sets:
        losses = numpy.array(rows[name]["answer_loss"])
        scores.append(losses - numpy.array(retrained[name]["answer_loss"]))
    return {"mia_reference_auc": auc(*scores)}


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
    """The metrics that compare with a retrained model's evaluation: relative differences, the
    attack `reference` and PrivLeak.

    PrivLeak needs min_k and a retrained model whose AUC is below 1; it and all attacks need a
    holdout set. UserError if the two models' sets differ.
    """
    numbers, retrained_numbers = forget_numbers(rows["forget"]), forget_numbers(retrained["forget"])
    metrics: dict[str, float] = {}
    if HOLDOUT in rows and HOLDOUT in retrained:
        check_same_rows(rows, retrained, ("forget", HOLDOUT))
        if "reference" in attacks:
            metrics |= reference_attack(rows, retrained)
        aucs, retrained_aucs = membership_metrics(rows), membership_metrics(retrained)
        name = "mia_min_k_auc"
        # A retrained model's AUC of 1 leaves no share to take: OU's 1e-10 in its place would make 0
        # of the target and 1e10 of a model with an AUC of 0.99. Such holdout rows are of another
        # kind than the forget rows, or too few.
        if name in aucs and retrained_aucs.get(name, 1.0) < 1:
            metrics["privleak"] = privleak(aucs[name], retrained_aucs[name])
        numbers |= aucs
        retrained_numbers |= retrained_aucs
    return metrics | relative_differences(numbers, retrained_numbers)
