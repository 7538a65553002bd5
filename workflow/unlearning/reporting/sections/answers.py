"""Answers in words, side by side: a browser of questions, truths and what models say.

Which evaluation sets it shows says a benchmark's `columns` room: ANSWERS, set -> title.
"""

import json
import math

from unlearning.benchmark import room
from unlearning.evaluation.fluency import perplexity, repetition
from unlearning.evaluation.records import read_rows
from unlearning.reporting.labels import RETRAIN, TARGET
from unlearning.reporting.section import Content

TITLE = "Answers"

FORGET_ROWS, OTHER_ROWS = 42, 14  # questions on the page of each split
LONGEST = 1500  # characters of a text
ROLES = {RETRAIN: "never saw the forget set", TARGET: "before unlearning"}
BUDGET = 1_200_000  # characters of JSON for all texts: keeps the page small


def content(report, budget: int = BUDGET) -> Content:
    """Questions, truths and answers of every split; as many seeds as fit into `budget`."""
    splits = report.experiment.own_splits
    answers = {split: _split(report, split, budget // len(splits)) for split in splits}
    limits = {"forget_rows": FORGET_ROWS, "other_rows": OTHER_ROWS, "longest": LONGEST}
    data = {"splits": {name: data for name, data in answers.items() if data}, **limits}
    return Content(data=data, scripts=("answers.js",))


def _split(report, split: str, budget: int) -> dict | None:
    """{"sets": {set: [title, [[question, truth], ...]]}, "seeds": {seed: [model, ...]}} with models
    {"label", "note", "answers": {set: [answer, ...]}}; at least the first seed, with fewer
    questions if it is over budget."""
    models = report.results.models
    first_draw = models["draw"] == report.experiment.draws[0].draw  # other draws, other questions
    models = models[(models["split"] == split) & first_draw]
    references = models[models["method"].isin([RETRAIN, TARGET])]
    baselines = references.drop_duplicates("method").sort_values("method")
    unlearned = models[~models["method"].isin([RETRAIN, TARGET])]
    texts = _Texts(report, split)
    most = FORGET_ROWS
    while most:
        data = {"sets": texts.questions(baselines["run"].iloc[-1], most), "seeds": {}}
        for seed in unlearned["seed"].unique().tolist() or [0]:
            runs = [*_named(baselines), *_named(unlearned[unlearned["seed"] == seed])]
            answers = [texts.answers(*run, most) for run in runs]
            data["seeds"][str(seed)] = [model for model in answers if model["answers"]]
            if len(json.dumps(data)) > budget:
                del data["seeds"][str(seed)]
                break
        if data["seeds"]:
            return data
        most //= 2
    return None


def _named(models) -> list[tuple[str, str, str]]:
    return list(models[["run", "label", "method"]].itertuples(index=False, name=None))


class _Texts:
    """Reads what a split's models said; a retrained model's log may hold no answers."""

    def __init__(self, report, split: str):
        self.layout, self.split = report.experiment.draws[0].layout, split
        self.sets = room(report.experiment.benchmark.name, "columns").ANSWERS

    def questions(self, run: str, most: int) -> dict[str, list]:
        """Set -> its title, and question and truth of its first rows."""
        return {
            name: [self.sets[name], self._pairs(columns, limit)]
            for name, columns, limit in self._answered(run, most)
        }

    def answers(self, run: str, label: str, method: str, most: int) -> dict:
        """A model's answers."""
        answers = {name: _answers(columns, n) for name, columns, n in self._answered(run, most)}
        return {"label": label, "note": ROLES.get(method, ""), "answers": answers}

    def _answered(self, run: str, most: int):
        rows = read_rows(self.layout.evaluation(self.split, run))
        for name, columns in rows.items():
            if "generation" in columns and name in self.sets:
                yield name, columns, most if name == "forget" else max(1, most // 3)

    def _pairs(self, columns: dict, most: int) -> list[list[str]]:
        pairs = zip(columns["question"][:most], columns["answer"], strict=False)
        return [[_cut(question), _cut(answer)] for question, answer in pairs]


def _answers(columns: dict, most: int) -> list[list]:
    """[answer, ROUGE-L, probability of the truth per token, repetition in the answer, perplexity
    under the target model] of the first rows; null for what was not taken."""
    texts = columns["generation"][:most]
    nothing = [None] * len(texts)
    rouge = columns.get("rouge_l_recall", columns.get("rouge_l_f1", nothing))
    losses = columns.get("answer_loss")
    likelihood = nothing if losses is None else [math.exp(-loss) for loss in losses]
    nll = columns.get("generation_nll", nothing)
    return [
        [_cut(t), _short(r), _short(p), _short(repetition(t)), _short(perplexity([n]))]
        for t, r, p, n in zip(texts, rouge, likelihood, nll, strict=False)
    ]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
