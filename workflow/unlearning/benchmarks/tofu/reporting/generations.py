"""Answers in words, side by side: what the page's generations browser shows."""

import json

from unlearning.benchmarks.tofu.formulas import probability
from unlearning.benchmarks.tofu.reporting.results import Evaluated, Results, SplitResults
from unlearning.config.experiment import Experiment
from unlearning.evaluation.fluency import perplexity, repetition
from unlearning.evaluation.records import read_rows
from unlearning.reporting.labels import RETRAIN, TARGET

FORGET_ROWS, OTHER_ROWS = 60, 20  # questions on the page of each split
LONGEST = 1500  # characters of a text
_ROLES = {RETRAIN: "never saw the forget set", TARGET: "before unlearning"}
BUDGET = 2_500_000  # characters of JSON for all texts: keeps the page below 5 MB


def browser_data(results: Results, budget: int = BUDGET) -> dict:
    """Questions, truths and answers of every split; as many seeds as fit into `budget`.

    splits: split -> {"sets": {set: [[question, truth], ...]}, "seeds": {seed: [model, ...]}}
    with models {"label", "note", "answers": {set: [answer, ...]}}; an answer as in _columns.
    """
    share = budget // max(1, len(results.splits))
    shown = {split.split: _split(results.experiment, split, share) for split in results.splits}
    return {
        "splits": {name: data for name, data in shown.items() if data is not None},
        "forget_rows": FORGET_ROWS,
        "other_rows": OTHER_ROWS,
        "longest": LONGEST,
    }


def _split(experiment: Experiment, split: SplitResults, budget: int) -> dict | None:
    """A split's part: at least its first seed, with fewer questions if it is over budget."""
    seeds = list(dict.fromkeys(model.seed for model in split.unlearned))
    forget, other = FORGET_ROWS, OTHER_ROWS
    while forget:
        data = _questions(experiment, split.target, forget, other)
        for seed in seeds or [split.target.seed]:
            data["seeds"][str(seed)] = _answers(experiment, split, seed, forget, other)
            if _size(data) > budget:
                del data["seeds"][str(seed)]
                break
        if data["seeds"]:
            return data
        forget, other = forget // 2, other // 2
    return None


def _questions(experiment: Experiment, target: Evaluated, forget: int, other: int) -> dict:
    rows = read_rows(experiment.layout.evaluation(target.split, target.run))
    sets = {
        name: [
            [_cut(question), _cut(answer)]
            for question, answer in zip(columns["question"], columns["answer"], strict=True)
        ][: forget if name == "forget" else other]
        for name, columns in rows.items()
        if "generation" in columns
    }
    return {"sets": sets, "seeds": {}}


def _answers(
    experiment: Experiment, split: SplitResults, seed: int, forget: int, other: int
) -> list[dict]:
    """Answers of the first retrained model, the target, and this seed of every variant."""
    chosen = [split.retrained[0], split.target, *(m for m in split.unlearned if m.seed == seed)]
    shown = []
    for model in chosen:
        answers = _texts(experiment, model, forget, other)
        if answers:  # a retrained model's log may have none
            note = _ROLES.get(model.method, "")
            shown.append({"label": model.label, "note": note, "answers": answers})
    return shown


def _texts(experiment: Experiment, model: Evaluated, forget: int, other: int) -> dict:
    rows = read_rows(experiment.layout.evaluation(model.split, model.run))
    return {
        name: _columns(columns, forget if name == "forget" else other)
        for name, columns in rows.items()
        if "generation" in columns
    }


def _columns(columns: dict, most: int) -> list[list]:
    """[answer, ROUGE-L recall, probability of the truth per token, repetition in the answer,
    perplexity under the target model or null] of the first `most` rows."""
    texts = columns["generation"][:most]
    nll = columns.get("generation_nll", [None] * len(texts))
    numbers = zip(texts, columns["rouge_l_recall"], probability(columns), nll, strict=False)
    return [
        [_cut(t), round(r, 2), round(float(p), 3), round(repetition(t), 2), _perplexity(n)]
        for t, r, p, n in numbers
    ]


def _perplexity(nll: float | None) -> float | None:
    found = perplexity([nll])
    return None if found is None else float(f"{found:.3g}")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def _size(data: dict) -> int:
    return len(json.dumps(data))
