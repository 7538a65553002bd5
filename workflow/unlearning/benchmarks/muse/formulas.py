"""MUSE metrics from per-row values, as released. Plain numpy and scipy: no model, no torch.

Source: MUSE, arXiv 2407.06460; jaechan-repo/muse_bench eval.py and metrics/.
"""

import numpy

from unlearning.evaluation import membership
from unlearning.evaluation.summary import memorization_metrics

SHOTS_END = ("\n\n", "\nQuestion", "Question:")  # where an answer ends, cut in this order
VERBMEM_TOKENS, KNOWMEM_TOKENS = 128, 32  # new tokens
VERBMEM = "verbmem"
KNOWMEM = ("knowmem_forget", "knowmem_retain")
PRIVLEAK = ("privleak_forget", "privleak_holdout")
# AUC of the published retrained models, forget against holdout under Min-40%: constants of eval.py
PUBLISHED_AUC = {"News": 0.4772, "Books": 0.5393}


def few_shot_prompt(question: str, shots: list[dict]) -> str:
    """KnowMem's prompt: the shots, then the question; it ends in a space, as released."""
    prompt = ""
    for shot in shots:
        prompt += f"Question: {shot['question']}\nAnswer: {shot['answer']}\n\n"
    return f"{prompt}Question: {question}\nAnswer: "


def first_answer(text: str) -> str:
    """A generation up to where the next question would start."""
    for end in SHOTS_END:  # one after the other, as released
        text = text.partition(end)[0]
    return text


def auc(forget: list[float], holdout: list[float]) -> float:
    """Share of pairs (forget, holdout) whose holdout row is the likelier one; ties count half.

    The release's roc_curve has forget rows as 0, holdout rows as 1 and minus the Min-40% value as
    the score: 0 where every forget text is likelier than every holdout text, 0.5 by chance.
    """
    return membership.auc([-value for value in forget], [-value for value in holdout])


def privleak(model_auc: float, retrained_auc: float) -> float:
    """(AUC - AUC_retrained) / AUC_retrained in percent: -100 for a model that gives all away."""
    # The release divides by a constant, but a small retrained model may have an AUC of 0.
    return (model_auc - retrained_auc) / max(retrained_auc, 1e-10) * 100


def summarise(rows: dict[str, dict]) -> dict[str, float]:
    """The metrics that need no second model; VerbMem and KnowMem in percent.

    Extraction strength and exact memorisation are of VerbMem's continuations; the membership
    attacks are on PrivLeak's texts.
    """
    metrics = {"verbmem_f": _percent(rows[VERBMEM])}
    for name, table in zip(("knowmem_f", "knowmem_r"), KNOWMEM, strict=True):
        metrics[name] = _percent(rows[table])
    forget, holdout = PRIVLEAK
    metrics["min_k_auc"] = auc(rows[forget]["min_k"], rows[holdout]["min_k"])
    metrics |= memorization_metrics("forget", rows[VERBMEM])
    return metrics | membership.membership_metrics(rows, PRIVLEAK)


def _percent(columns: dict) -> float:
    """Mean ROUGE-L of a table's rows, in percent."""
    return float(numpy.mean(columns["rouge_l_f1"])) * 100
