"""TOFU metrics from per-row values, in three variants. Plain numpy: no model, no torch.

Rows are columns of one evaluation set: answer_loss, perturbed_loss (a list for each row),
paraphrase_loss where TOFU has paraphrases, rouge_l_recall. Losses are means per labelled token;
answer_tokens and perturbed_tokens count these (only `paper` reads them).

official: locuslab/tofu evaluate_util.py and aggregate_eval_stat.py, which produced the published
numbers. paper: the formulas printed in arXiv 2401.06121 section 2.2. open-unlearning:
locuslab/open-unlearning src/evals/metrics/memorization.py. All variants read the same rows.
"""

from itertools import product

import numpy
from numpy import ndarray

VARIANTS = ("official", "paper", "open-unlearning")
OFFICIAL, PAPER, OPEN_UNLEARNING = VARIANTS
EPSILON = 1e-10  # open-unlearning adds it to denominators
SETS = ("retain", "real_authors", "world_facts", "forget")
UTILITY_SETS = ("retain", "real_authors", "world_facts")
PARTS = tuple(map("_".join, product(UTILITY_SETS, ("rouge", "probability", "truth_ratio"))))

# Column of ROUGE-L recall against the true or another answer -> its metric.
ROUGE = {
    "rouge_l_recall": "rouge",
    "rouge_l_recall_paraphrase": "paraphrase_rouge",
    "rouge_l_recall_perturbed": "perturbed_rouge",
}


def log_truth_ratio(rows: dict, variant: str = OFFICIAL) -> ndarray:
    """(rows,) log x, x the paraphrased answer's probability over the perturbed answers'.

    With l the losses per token, over the perturbed answers i:
    official: x = exp(mean_i l_i) / exp(l), a ratio of geometric means.
    paper: x = exp(-l) / mean_i exp(-l_i), an arithmetic mean; the paper prints 1/x.
    open-unlearning: 1/x = exp(-mean_i l_i) / (exp(-l) + 1e-10).
    Sets without paraphrases use the answer.
    """
    true = -_paraphrase_loss(rows)  # (rows,); log probabilities from here on
    if variant == OPEN_UNLEARNING:
        true = numpy.logaddexp(true, numpy.log(EPSILON))
    # The mean of log probabilities is the log of their geometric mean.
    mean = log_mean_exp if variant == PAPER else numpy.mean
    false = []  # row by row: rows may differ in their number of perturbed answers
    for losses in rows["perturbed_loss"]:
        false.append(mean(-numpy.array(losses)))
    return true - numpy.array(false)


def _paraphrase_loss(rows: dict) -> ndarray:
    """(rows,) losses of the paraphrased answers, or of the answers where there are none."""
    column = "paraphrase_loss" if "paraphrase_loss" in rows else "answer_loss"
    return numpy.array(rows[column], dtype=float)


def log_mean_exp(values: ndarray) -> float:
    """log mean exp, without overflow."""
    return float(numpy.logaddexp.reduce(values) - numpy.log(len(values)))


def forget_truth_ratio(log_ratio: ndarray, variant: str = OFFICIAL) -> ndarray:
    """min(x, 1/x): 1 where the model cannot tell the truth from the perturbed answers.

    open-unlearning: min(1/x, 1 / (1/x + 1e-10)).
    """
    if variant == OPEN_UNLEARNING:
        # 1/x may overflow to infinity, of which the second form is 0, as it should be.
        with numpy.errstate(over="ignore"):
            inverse = numpy.exp(-log_ratio)
        return numpy.minimum(inverse, 1 / (inverse + EPSILON))
    return numpy.exp(-numpy.abs(log_ratio))


def utility_truth_ratio(log_ratio: ndarray) -> ndarray:
    """max(0, 1 - 1/x): 1 where the truth is far more likely than the perturbed answers."""
    # 1/x may overflow to infinity, whose truth ratio is 0, as it should be.
    with numpy.errstate(over="ignore"):
        return numpy.maximum(0.0, 1.0 - numpy.exp(-log_ratio))


def truth_share(rows: dict) -> ndarray:
    """(rows,) p / (p + q), p the probability of the paraphrased answer (of the answer, where there
    is none) per token, q the geometric mean over the perturbed answers.

    Below 0.5 the model prefers the falsehoods. Reference: `prob_mean` of truth_ratio in
    open-unlearning, src/evals/metrics/memorization.py, with its 1e-10 in the denominator.
    """
    true = numpy.exp(-_paraphrase_loss(rows))
    false = numpy.exp([-numpy.mean(losses) for losses in rows["perturbed_loss"]])
    return true / (true + false + EPSILON)


def probability(rows: dict) -> ndarray:
    """(rows,) exp(-loss) of the true answer, per token."""
    return numpy.exp(-numpy.array(rows["answer_loss"]))


def normalised_probability(rows: dict, variant: str = OFFICIAL) -> ndarray:
    """(rows,) p / (p + sum_i p_i) over the perturbed answers: TOFU's multiple choice.

    official: p = exp(-loss), per token. open-unlearning: the same, with 1e-10 added to the
    denominator. paper: p of complete answers, not per token.
    """
    true, false = rows["answer_loss"], rows["perturbed_loss"]
    if variant == PAPER:  # sums in place of means per token
        true = numpy.multiply(true, rows["answer_tokens"])
        false = map(numpy.multiply, false, rows["perturbed_tokens"])
    shares = []
    for loss, perturbed in zip(true, false, strict=True):
        # Divided by the true answer's probability, so that small probabilities do not underflow.
        with numpy.errstate(over="ignore"):
            choices = 1.0 + numpy.exp(loss - numpy.array(perturbed)).sum()
            if variant == OPEN_UNLEARNING:
                choices += EPSILON * numpy.exp(loss)
        shares.append(1.0 / choices)
    return numpy.array(shares)


def set_metrics(name: str, rows: dict, variant: str = OFFICIAL) -> dict[str, float]:
    """rouge, probability and truth ratio of one evaluation set, means over rows."""
    values = {}
    # TOFU treats questions about real authors and world facts as multiple choice (its §2.2).
    if name in ("forget", "retain"):
        values["probability"] = probability(rows)
    else:
        values["probability"] = normalised_probability(rows, variant)
    log_ratio = log_truth_ratio(rows, variant)
    # Of what is forgotten, neither truth nor falsehood should be likelier; of the rest, the truth.
    if name == "forget":
        values["truth_ratio"] = forget_truth_ratio(log_ratio, variant)
    else:
        values["truth_ratio"] = utility_truth_ratio(log_ratio)
    # open-unlearning reports these three as well.
    values["truth_share"] = truth_share(rows)
    # Rows may differ in their number of perturbed answers: a row's mean counts as one.
    perturbed = [numpy.exp(-numpy.array(losses)).mean() for losses in rows["perturbed_loss"]]
    values["perturbed_probability"] = numpy.array(perturbed)
    if "paraphrase_loss" in rows:
        values["paraphrase_probability"] = numpy.exp(-numpy.array(rows["paraphrase_loss"]))
    # ROUGE-L of the generated answer against the true one and, if evaluated, other ones.
    for column, metric in ROUGE.items():
        if column in rows:
            values[metric] = numpy.asarray(rows[column], dtype=float)
    metrics = {f"{name}_{metric}": float(column.mean()) for metric, column in values.items()}
    if name == "forget":  # a mean hides rows that a collapse drives to 0
        metrics["forget_truth_ratio_median"] = float(numpy.median(values["truth_ratio"]))
    return metrics


def model_utility(metrics: dict[str, float]) -> float:
    """Harmonic mean of the nine parts; 0 if any of them is not positive."""
    parts = numpy.array([metrics[part] for part in PARTS])
    # The limit of a harmonic mean one of whose parts falls to 0; NaN is not positive either.
    if not numpy.all(parts > 0):
        return 0.0
    return float(len(parts) / numpy.sum(1.0 / parts))


def summarise(rows: dict[str, dict], variant: str = OFFICIAL) -> dict[str, float]:
    """TOFU's metrics that need no second model; model utility if `rows` has all its sets."""
    metrics = {}
    for name in SETS:
        if name in rows:
            metrics.update(set_metrics(name, rows[name], variant))
    if all(part in metrics for part in PARTS):
        metrics["model_utility"] = model_utility(metrics)
    return metrics
