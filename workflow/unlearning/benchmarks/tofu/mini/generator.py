"""Generates all tables of the mini world from one seed."""

from random import Random

from unlearning.benchmarks.tofu.mini import facts, mixtures
from unlearning.benchmarks.tofu.mini.people import NAMES, alternative_row, draw_facts, question_row
from unlearning.benchmarks.tofu.mini.templates import ATTRIBUTES
from unlearning.data.random_streams import stream
from unlearning.errors import UserError

# At least half of all names are for the fresh persons of pre-training, which needs many.
MOST_PERSONS = len(NAMES) // 2


def generate(
    *,
    seed: int,
    authors: int,
    questions_per_author: int,
    holdout_authors: int,
    known_persons: int,
    pretrain_rows: int,
    replay_rows: int,
) -> dict[str, list[dict]]:
    """Generate the mini world's tables, in TOFU's column format.

    The same arguments give the same tables in every process. Each table has its own random stream,
    so that for example another number of pre-training rows changes no other table.

    Returns:
        - full, holdout: authors (holdout_authors) x questions_per_author rows {question, answer,
          paraphrased_answer, perturbed_answer: 5, paraphrased_question}, author by author;
        - real_authors (36), world_facts (35): rows {question, answer, perturbed_answer: 3};
        - pretrain, replay: pretrain_rows and replay_rows rows {question, answer}, which never
          name an author of full or holdout.

    Raises:
        UserError: if there are too few templates or names for the sizes; names all problems.
    """
    counts = {"authors": authors, "questions_per_author": questions_per_author}
    counts |= {"holdout_authors": holdout_authors, "known_persons": known_persons}
    problems = size_problems(**counts, pretrain_rows=pretrain_rows, replay_rows=replay_rows)
    if problems:
        raise UserError("mini world: " + ". ".join(problems) + ".")
    attributes = ATTRIBUTES[:questions_per_author]  # they alternate: half of the answers are short
    # Deal out the names, so that no person is in two groups.
    names = _shuffled_names(seed)
    full, names = names[:authors], names[authors:]
    holdout, names = names[:holdout_authors], names[holdout_authors:]
    known_names, fresh_names = names[:known_persons], names[known_persons:]
    return {
        "full": _author_rows(full, attributes, stream(seed, "full")),
        "holdout": _author_rows(holdout, attributes, stream(seed, "holdout")),
        "real_authors": facts.evaluation_rows(facts.REAL_AUTHORS, stream(seed, "real_authors")),
        "world_facts": facts.evaluation_rows(facts.WORLD_FACTS, stream(seed, "world_facts")),
        "pretrain": mixtures.pretrain_rows(
            pretrain_rows, known_names, fresh_names, attributes, stream(seed, "pretrain")
        ),
        "replay": mixtures.replay_rows(
            replay_rows, fresh_names, attributes, stream(seed, "replay")
        ),
    }


def alternative_answers(
    *, seed: int, authors: int, questions_per_author: int, **_other_sizes: int
) -> list[dict]:
    """Rows {question, answer, alternative_answer: 3} of full, from the arguments of `generate`."""
    attributes = ATTRIBUTES[:questions_per_author]
    names = _shuffled_names(seed)[:authors]
    full_facts = draw_facts(names, attributes, stream(seed, "full"))  # the same as in `generate`
    rng = stream(seed, "alternatives")
    return [alternative_row(fact, rng) for fact in full_facts]


def _shuffled_names(seed: int) -> list[str]:
    """All names of the mini world in random order; the first are the authors'."""
    return stream(seed, "names").sample(NAMES, len(NAMES))


def _author_rows(names: list[str], attributes: tuple, rng: Random) -> list[dict]:
    return [question_row(fact, rng) for fact in draw_facts(names, attributes, rng)]


def size_problems(**sizes: int) -> list[str]:
    """Messages about sizes that `generate` cannot fill."""
    allowed = {
        "authors": (1, MOST_PERSONS),
        "questions_per_author": (2, len(ATTRIBUTES)),
        "holdout_authors": (0, MOST_PERSONS),
        "known_persons": (1, MOST_PERSONS),
        "pretrain_rows": (0, None),
        "replay_rows": (0, None),
    }
    problems = []
    for key, (least, most) in allowed.items():
        if sizes[key] < least or (most is not None and sizes[key] > most):
            bounds = f"at least {least}" if most is None else f"{least} to {most}"
            problems.append(f"{key} is {sizes[key]}; allowed: {bounds}")
    # Only if each size is allowed by itself: their sum would be a problem that follows from one.
    keys = ("authors", "holdout_authors", "known_persons")
    persons = sum(sizes[key] for key in keys)
    if persons > MOST_PERSONS and not problems:
        problems.append(
            f"{' + '.join(keys)} is {persons}; allowed: at most {MOST_PERSONS}, half of the "
            f"{len(NAMES)} names, so that enough are left for the fresh persons of pre-training"
        )
    return problems
