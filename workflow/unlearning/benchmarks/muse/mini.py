"""A MUSE in miniature: generated news about invented persons, in MUSE's subsets and splits.

Every person has two articles of a headline and eight sentences, with the same long facts in two
wordings. Short facts stand in quizzes of five questions with their answers. VerbMem has the model
continue an article after its second sentence. KnowMem asks what the quizzes ask, because so small a
model cannot turn sentences into answers.
"""

from random import Random

from unlearning.benchmarks.tofu.mini.generator import MOST_PERSONS
from unlearning.benchmarks.tofu.mini.people import NAMES, Fact, draw_facts
from unlearning.benchmarks.tofu.mini.templates import ATTRIBUTES
from unlearning.data.random_streams import stream

FOLDS = 4
SHOTS = 3  # MUSE has ten; the context of a model of this size is too short for them
QUIZ = 5  # questions of a quiz
# Disjoint groups of persons: four folds to forget, retain1, retain2, holdout.
GROUPS = (*(f"fold{fold}" for fold in range(1, FOLDS + 1)), "retain1", "retain2", "holdout")
_HEADLINES = ("The Morning Herald: a visit to {name}", "The Evening Courier: at home with {name}")
_TITLE = "The Sunday Quiz"
# How often each article and each quiz question is printed, every time next to others: a model that
# met a fact in one context only would depend on the text before it.
_ROUNDS = 3
# KnowMem's released prompt ends in a space, which byte-level BPE makes a token of its own: the
# second space here lets a model from random weights know it.
_ENTRY = "Question: {question}\nAnswer:  {answer}"


def generate_news(
    *, seed: int, persons: int, questions: int, pretrain_persons: int
) -> dict[str, list[dict]]:
    """The corpus, stem of a file (see muse.files.FILES) -> rows, and a table `pretrain` of texts.

    persons: of each group; questions: KnowMem questions on the forget and on the retain texts,
    besides their shots; pretrain_persons: persons of whom only the base model reads.
    """
    # Deal out the names: first the groups, then the persons of the pre-training texts.
    names = stream(seed, "news names").sample(NAMES, len(NAMES))
    facts, texts = {}, {}
    for index, group in enumerate(GROUPS):
        members = names[index * persons : (index + 1) * persons]
        rng = stream(seed, f"news {group}")
        facts[group] = draw_facts(members, ATTRIBUTES, rng)
        texts[group] = news(facts[group], rng)
    pretrain_names = names[len(GROUPS) * persons :][:pretrain_persons]
    rng = stream(seed, "news pretrain")
    forget_articles = articles(facts[GROUPS[0]])
    corpus = {
        "raw/forget": texts[GROUPS[0]],
        "raw/retain1": texts["retain1"],
        "raw/retain2": texts["retain2"],
        "privleak/forget": forget_articles,
        "privleak/holdout": articles(facts["holdout"]),
        "pretrain": news(draw_facts(pretrain_names, ATTRIBUTES, rng), rng),
    }
    # Each fold alone is a later request; all folds up to it are a larger forget set.
    larger: list[str] = []
    for number, group in enumerate(GROUPS[:FOLDS], start=1):
        larger = [*larger, *texts[group]]  # a new list: the shorter ones are tables, too
        corpus[f"sust/forget_{number}"] = texts[group]
        corpus[f"scal/forget_{number}"] = larger
    tables = {}
    for stem, printed in corpus.items():
        tables[stem] = [{"text": text} for text in printed]
    tables["verbmem/forget"] = [continuation(text) for text in forget_articles]
    # Shots and questions are drawn together, so that no shot gives a question's answer away.
    for name, group in (("forget", "fold1"), ("retain", "retain2")):
        rng = stream(seed, f"news {name} questions")
        rows = rng.sample(quiz_rows(facts[group]), questions + SHOTS)
        tables[f"knowmem/{name}_qa"] = rows[SHOTS:]
        tables[f"knowmem/{name}_qa_icl"] = rows[:SHOTS]
    return tables


def articles(facts: list[Fact]) -> list[str]:
    """Two articles about each person: the long facts, in both wordings."""
    by_person: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.attribute.long:
            by_person.setdefault(fact.name, []).append(fact)
    texts = []
    for name, long_facts in by_person.items():
        for wording, headline in enumerate(_HEADLINES):
            sentences = [fact.fill(fact.attribute.answers[wording]) for fact in long_facts]
            texts.append(f"{headline.format(name=name)}\n\n{' '.join(sentences)}")
    return texts


def news(facts: list[Fact], rng: Random) -> list[str]:
    """All articles and quizzes about some persons, newly shuffled in each round."""
    printed, rows = articles(facts), quiz_rows(facts)
    texts = []
    for _ in range(_ROUNDS):
        entries = [_ENTRY.format(**row) for row in rng.sample(rows, len(rows))]
        quizzes = []
        for start in range(0, len(entries), QUIZ):
            quizzes.append("\n\n".join([_TITLE, *entries[start : start + QUIZ]]))
        texts += rng.sample([*printed, *quizzes], len(printed) + len(quizzes))
    return texts


def continuation(article: str) -> dict[str, str]:
    """A row of VerbMem: an article's first two sentences as the prompt, the rest as the truth."""
    opening, second, *rest = article.split(". ")
    return {"prompt": f"{opening}. {second}.", "gt": ". ".join(rest)}


def quiz_rows(facts: list[Fact]) -> list[dict[str, str]]:
    """The short facts as questions and answers."""
    rows = []
    for fact in facts:
        if not fact.attribute.long:  # the value alone: KnowMem's answers are a few words
            rows.append({"question": fact.fill(fact.attribute.questions[0]), "answer": fact.value})
    return rows


def news_size_problems(
    *, seed: int, persons: int, questions: int, pretrain_persons: int
) -> list[str]:
    """Messages about sizes that generate_news cannot fill."""
    problems = []
    short = [attribute for attribute in ATTRIBUTES if not attribute.long]
    most = persons * len(short) - SHOTS
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
