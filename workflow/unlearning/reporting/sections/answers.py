"""Section "Answers": generated answers of all models beside the true ones, to browse.

ANSWERS in a benchmark's `columns` room, set -> title, names the evaluation sets.
"""

import json
import math

from unlearning.benchmark import room
from unlearning.evaluation.fluency import perplexity, repetition
from unlearning.evaluation.records import read_rows
from unlearning.evaluation.words import spaced_words
from unlearning.reporting.labels import RETRAIN, TARGET
from unlearning.reporting.section import Content

TITLE = "Answers"

FORGET_ROWS, OTHER_ROWS = 42, 14  # questions on the page of each split
LONGEST = 1500  # characters of a text
ROLES = {RETRAIN: "never saw the forget set", TARGET: "before unlearning"}
BUDGET = 1_200_000  # characters of JSON for all texts: keeps the page small


def content(report) -> Content:
    """Questions, true answers and generated ones of every split, as JSON for the page's script."""
    splits = {}
    for split in report.experiment.own_splits:
        budget = BUDGET // len(report.experiment.own_splits)
        if (answers := _split(report, split, budget)) is not None:
            splits[split] = answers
    limits = {"forget_rows": FORGET_ROWS, "other_rows": OTHER_ROWS, "longest": LONGEST}
    return Content(data={"splits": splits, **limits}, scripts=("answers.js",))


def _split(report, split: str, budget: int) -> dict | None:
    """{"sets": {set: [title, [[question, truth], ...]]}, "seeds": {seed: [model, ...]}}.

    A model is {"label", "note", "answers": {set: [answer, ...]}}. Has as many seeds as the budget
    allows, and fewer questions if it does not even allow one seed. None without answers.
    """
    models = report.results.models
    # draws may have other questions
    first_draw = models["draw"] == report.experiment.draws[0].draw
    models = models[(models["split"] == split) & first_draw]
    is_reference = models["method"].isin([RETRAIN, TARGET])
    # the target comes last: a retrained model may be a log, which may have no answers
    baselines = models[is_reference].drop_duplicates("method").sort_values("method")
    unlearned = models[~is_reference]
    texts = _Texts(report, split)
    # the page grows with rows times seeds: seeds go first, and rows only if one seed is too much
    most = FORGET_ROWS
    while most:
        data = {"sets": texts.questions(baselines["run"].iloc[-1], most), "seeds": {}}
        for seed in unlearned["seed"].unique().tolist() or [0]:
            runs = [*_named(baselines), *_named(unlearned[unlearned["seed"] == seed])]
            answers = [texts.answers(*run, most) for run in runs]
            data["seeds"][str(seed)] = [model for model in answers if model["answers"]]
            # as the page holds it: escaped, Chinese or Cyrillic would count six times
            if len(json.dumps(data, ensure_ascii=False)) > budget:
                del data["seeds"][str(seed)]
                break
        if data["seeds"]:
            return data
        most //= 2
    return None


def _named(models) -> list[tuple[str, str, str]]:
    """(run, label, method) of each model."""
    return list(models[["run", "label", "method"]].itertuples(index=False, name=None))


class _Texts:
    """Reads the answers of a split's models; an evaluation log may have none."""

    def __init__(self, report, split: str):
        self.layout, self.split = report.experiment.draws[0].layout, split
        self.sets = room(report.experiment.benchmark.name, "columns").ANSWERS

    def questions(self, run: str, most: int) -> dict[str, list]:
        """Set -> its title, and questions with true answers of its first rows."""
        questions: dict[str, list] = {}
        for name, columns, limit in self._answered(run, most):
            pairs = zip(columns["question"][:limit], columns["answer"], strict=False)
            texts = [[_cut(question), _cut(answer)] for question, answer in pairs]
            questions[name] = [self.sets[name], texts]
        return questions

    def answers(self, run: str, label: str, method: str, most: int) -> dict:
        """A model's answers, with its name on the page."""
        answers = {name: _answers(columns, n) for name, columns, n in self._answered(run, most)}
        return {"label": label, "note": ROLES.get(method, ""), "answers": answers}

    def _answered(self, run: str, most: int):
        """(set, columns, number of rows to show) of each set with answers; the forget set shows
        more than the others."""
        rows = read_rows(self.layout.evaluation(self.split, run))
        for name, columns in rows.items():
            if "generation" in columns and name in self.sets:
                yield name, columns, most if name == "forget" else max(1, most // 3)


def _answers(columns: dict, most: int) -> list[list]:
    """[answer, ROUGE-L, probability of the true answer per token, repetition in the answer,
    perplexity under the target model] of the first rows; None for what was not measured."""
    texts = columns["generation"][:most]
    empty = [None] * len(texts)
    # TOFU reports the recall of ROUGE-L, MUSE its F1
    recalls = columns.get("rouge_l_recall", columns.get("rouge_l_f1", empty))
    losses = columns.get("answer_loss")
    probabilities = empty if losses is None else [math.exp(-loss) for loss in losses]
    nlls = columns.get("generation_nll", empty)
    answers = []
    for text, recall, probability, nll in zip(texts, recalls, probabilities, nlls, strict=False):
        numbers = (recall, probability, repetition(spaced_words(text)), perplexity([nll]))
        answers.append([_cut(text), *map(_short, numbers)])
    return answers


def _short(value: float | None) -> float | None:
    """A number with three significant digits, to save space on the page."""
    return None if value is None else float(f"{value:.3g}")


def _cut(text: str) -> str:
    """A text of at most LONGEST characters."""
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
