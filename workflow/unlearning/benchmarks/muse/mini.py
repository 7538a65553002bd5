"""News about persons of the mini world, in MUSE's subsets and splits: a MUSE in miniature.

Every person has two articles of a headline and eight sentences, the same long facts in two
wordings; short facts stand in quizzes, five questions with their answers. VerbMem has the model
continue an article after its second sentence; KnowMem asks what the quizzes ask, because so small a
model cannot turn sentences into answers.
"""

from __future__ import annotations

from random import Random

from unlearning.benchmarks.tofu.mini.generator import MOST_PERSONS
from unlearning.benchmarks.tofu.mini.people import NAMES, Fact, draw_facts
from unlearning.benchmarks.tofu.mini.templates import ATTRIBUTES
from unlearning.data.random_streams import stream

FOLDS = 4
SHOTS = 3  # of ten in MUSE: a model of this size has too short a sight
QUIZ = 5  # questions of a quiz
# persons that share nothing: four folds to forget, retain1, retain2, holdout
GROUPS = (*(f"fold{fold}" for fold in range(1, FOLDS + 1)), "retain1", "retain2", "holdout")
_SHORT = [attribute for attribute in ATTRIBUTES if not attribute.long]
_HEADLINES = (
    "The Morning Herald: a visit to {name}",
    "The Evening Courier: at home with {name}",
)
_TITLE = "The Sunday Quiz"
# How often an article is printed and in how many quizzes a fact stands, each time among others: a
# model that met them in one place only would know them by what stands before.
_ROUNDS = 3
# KnowMem's released prompt ends in a space, which byte-level BPE makes a token of its own: the
# second space here lets a model from random weights know it.
_ENTRY = "Question: {question}\nAnswer:  {answer}"


def generate_news(
    *, seed: int, persons: int, questions: int, pretrain_persons: int
) -> dict[str, list[dict]]:
    """The corpus by place (see data.muse.PLACES), and a table `pretrain` of texts.

    persons: of each group; questions: KnowMem questions on the forget and on the retain texts
    (their shots apart); pretrain_persons: persons of whom only the base model reads.
    """
    names = stream(seed, "news names").sample(NAMES, len(NAMES))
    known, texts = {}, {}
    for place, group in enumerate(GROUPS):
        own = names[place * persons : (place + 1) * persons]
        rng = stream(seed, f"news {group}")
        known[group] = draw_facts(own, ATTRIBUTES, rng)
        texts[group] = news(known[group], rng)
    told = articles(known[GROUPS[0]])
    folds = [texts[group] for group in GROUPS[:FOLDS]]
    rest = names[len(GROUPS) * persons :][:pretrain_persons]
    rng = stream(seed, "news pretrain")
    corpus = {
        "raw/forget": folds[0],
        "raw/retain1": texts["retain1"],
        "raw/retain2": texts["retain2"],
        "privleak/forget": told,
        "privleak/holdout": articles(known["holdout"]),
        "pretrain": news(draw_facts(rest, ATTRIBUTES, rng), rng),
    }
    for fold in range(1, FOLDS + 1):
        corpus[f"sust/forget_{fold}"] = folds[fold - 1]
        corpus[f"scal/forget_{fold}"] = [text for part in folds[:fold] for text in part]
    tables = {place: [{"text": text} for text in found] for place, found in corpus.items()}
    tables["verbmem/forget"] = [continuation(text) for text in told]
    for name, group in (("forget", "fold1"), ("retain", "retain2")):
        asked = stream(seed, f"news {name} questions").sample(
            questions_of(known[group]), questions + SHOTS
        )
        tables[f"knowmem/{name}_qa"] = asked[SHOTS:]
        tables[f"knowmem/{name}_qa_icl"] = asked[:SHOTS]
    return tables


def articles(known: list[Fact]) -> list[str]:
    """Two articles about each person: the long facts, in both wordings."""
    told: dict[str, list[Fact]] = {}
    for fact in known:
        if fact.attribute.long:
            told.setdefault(fact.name, []).append(fact)
    return [
        f"{headline.format(name=name)}\n\n"
        + " ".join(fact.fill(fact.attribute.answers[wording]) for fact in facts)
        for name, facts in told.items()
        for wording, headline in enumerate(_HEADLINES)
    ]


def news(known: list[Fact], rng: Random) -> list[str]:
    """All articles and quizzes about some persons, newly shuffled in each round."""
    printed, rows = articles(known), questions_of(known)
    found = []
    for _ in range(_ROUNDS):
        entries = [_ENTRY.format(**row) for row in rng.sample(rows, len(rows))]
        quizzes = [
            "\n\n".join([_TITLE, *entries[first : first + QUIZ]])
            for first in range(0, len(entries), QUIZ)
        ]
        found += rng.sample([*printed, *quizzes], len(printed) + len(quizzes))
    return found


def continuation(article: str) -> dict[str, str]:
    """An article cut after its second sentence: what VerbMem prompts with, and what must follow."""
    first, second, *rest = article.split(". ")
    return {"prompt": f"{first}. {second}.", "gt": ". ".join(rest)}


def questions_of(known: list[Fact]) -> list[dict[str, str]]:
    """The short facts as questions and answers."""
    return [
        {"question": fact.fill(fact.attribute.question), "answer": fact.value}
        for fact in known
        if not fact.attribute.long
    ]


def news_size_problems(
    *, seed: int, persons: int, questions: int, pretrain_persons: int
) -> list[str]:
    """What is wrong with the arguments of generate_news, each in words."""
    problems = []
    most = persons * len(_SHORT) - SHOTS
    if questions > most:
        problems.append(
            f"questions is {questions}; allowed: at most {most}, the short facts of {persons} "
            f"persons less {SHOTS} shots"
        )
    total = persons * len(GROUPS) + pretrain_persons
    if total > MOST_PERSONS:
        problems.append(
            f"{len(GROUPS)} x persons + pretrain_persons is {total}; allowed: at most "
            f"{MOST_PERSONS}, half of the {len(NAMES)} names"
        )
    return problems
