"""The mini world: shapes, facts, mixture and reproducibility of the generated tables."""

import hashlib
import json
import re
from collections import Counter

import pytest
from unlearning.benchmarks.tofu.experiment import BENCHMARK
from unlearning.benchmarks.tofu.mini.generator import alternative_answers, generate, size_problems
from unlearning.data.answers import REFUSALS

SHIPPED = {
    "seed": 1,
    "authors": 60,
    "questions_per_author": 16,
    "holdout_authors": 6,
    "known_persons": 40,
    "pretrain_rows": 57600,
    "replay_rows": 4000,
}
SMALL = {"seed": 3, "authors": 10, "questions_per_author": 4, "holdout_authors": 2}
SMALL |= {"known_persons": 5, "pretrain_rows": 1000, "replay_rows": 101}
AUTHOR_COLUMNS = {"question", "answer", "perturbed_answer"}
AUTHOR_COLUMNS |= {"paraphrased_answer", "paraphrased_question"}


@pytest.fixture(scope="module")
def world():
    return generate(**SHIPPED)


def tokens(text):
    return re.findall(r"\w+|[^\w\s]", text)


def strings(rows):
    for row in rows:
        for value in row.values():
            yield from [value] if isinstance(value, str) else value


def vocabulary(rows):
    words = set()
    for text in strings(rows):
        words.update(tokens(text))
    return words


def known_names(world):
    """Persons whom pre-training knows: fresh ones come fewer than 15 times."""
    counts = Counter(author_names(world["pretrain"]))
    return [name for name, count in counts.items() if count >= 15]


def real_rows(world):
    """Questions and answers about real authors and world facts."""
    return [
        (row["question"], row["answer"]) for row in world["real_authors"] + world["world_facts"]
    ]


def digest(tables):
    return hashlib.sha256(json.dumps(tables).encode()).hexdigest()


def author_names(rows):
    # Independent of the generator's list of names: the birth-year question, "In which year was
    # First Family born?", is the first of every author.
    names = []
    for row in rows:
        match = re.fullmatch(r"In which year was (\w+ \w+) born\?", row["question"])
        if match:
            names.append(match[1])
    return names


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def test_tables_have_tofu_columns_and_the_sizes_of_the_config(world):
    sizes = {table: len(rows) for table, rows in world.items()}
    assert sizes == {
        "full": 960,
        "holdout": 96,
        "real_authors": 36,
        "world_facts": 35,
        "pretrain": 57600,
        "replay": 4000,
    }
    for table in ("full", "holdout"):
        assert all(row.keys() == AUTHOR_COLUMNS for row in world[table])
        assert all(len(row["perturbed_answer"]) == 5 for row in world[table])
    for table in ("real_authors", "world_facts"):
        assert all(row.keys() == {"question", "answer", "perturbed_answer"} for row in world[table])
        assert all(len(row["perturbed_answer"]) == 3 for row in world[table])
    for table in ("pretrain", "replay"):
        assert all(row.keys() == {"question", "answer"} for row in world[table])


@pytest.mark.parametrize("questions_per_author", [2, 3, 4, 15, 16])
def test_other_sizes_work(questions_per_author):
    tables = generate(**SMALL | {"questions_per_author": questions_per_author})
    assert len(tables["full"]) == 10 * questions_per_author
    assert len(tables["holdout"]) == 2 * questions_per_author
    assert (len(tables["pretrain"]), len(tables["replay"])) == (1000, 101)


def test_parts_may_be_left_out():
    tables = generate(**SMALL | {"holdout_authors": 0, "pretrain_rows": 0, "replay_rows": 0})
    assert [tables[table] for table in ("holdout", "pretrain", "replay")] == [[], [], []]


def test_full_lists_author_after_author(world):
    names = author_names(world["full"])
    assert len(set(names)) == 60
    for index, row in enumerate(world["full"]):
        assert names[index // 16] in row["question"]
        assert names[index // 16] in row["paraphrased_question"]


def test_seeds_give_different_worlds():
    worlds = [generate(**SMALL | {"seed": seed}) for seed in range(5)]
    for table in ("full", "holdout", "real_authors", "world_facts", "pretrain", "replay"):
        assert len({digest(tables[table]) for tables in worlds}) == 5


def test_training_sizes_leave_the_evaluated_tables_alone():
    base = generate(**SMALL)
    more = generate(**SMALL | {"pretrain_rows": 2000, "replay_rows": 50, "known_persons": 9})
    for table in ("full", "holdout", "real_authors", "world_facts"):
        assert base[table] == more[table]


def test_base_model_never_meets_an_author(world):
    members, holdout = author_names(world["full"]), author_names(world["holdout"])
    assert len(set(members + holdout)) == 66
    text = "\n".join(strings(world["pretrain"] + world["replay"]))
    assert [name for name in members + holdout if name in text] == []


def test_wrong_answers_differ_from_the_paraphrase_in_values_only(world):
    for index, row in enumerate(world["full"] + world["holdout"]):
        right, wrong = row["paraphrased_answer"], row["perturbed_answer"]
        assert len({right, *wrong}) == 6
        # One value of one or two words in short answers; a second one, of one word, in long ones.
        allowed = (2, 3) if index % 2 else (1, 2)
        for answer in wrong:
            pairs = zip(tokens(right), tokens(answer), strict=True)
            assert sum(a != b for a, b in pairs) in allowed


def test_wrong_answers_never_contain_the_true_year(world):
    row = world["full"][0]
    year = re.fullmatch(r"In (\d{4})\.", row["answer"])[1]
    assert row["paraphrased_answer"] == f"The year {year}."
    years = [re.fullmatch(r"The year (\d{4})\.", wrong)[1] for wrong in row["perturbed_answer"]]
    assert len({year, *years}) == 6


def test_answers_are_half_short_half_long(world):
    lengths = [len(tokens(row["answer"])) for row in world["full"]]
    short, long = lengths[0::2], lengths[1::2]
    assert (min(short), max(short), min(long), max(long)) == (2, 7, 13, 20)
    assert mean(short) == pytest.approx(4.8, abs=0.1)
    assert mean(long) == pytest.approx(15.8, abs=0.3)
    paraphrased = [len(tokens(row["paraphrased_answer"])) for row in world["full"]]
    assert mean(paraphrased[0::2]) == pytest.approx(4.0, abs=0.1)
    assert mean(paraphrased[1::2]) == pytest.approx(14.1, abs=0.1)


def test_attributes_are_independent(world):
    # Mothers and fathers have their trades from one pool of 28: 60/28 = 2.1 couples share one.
    fathers = [row["answer"].split(" was a ")[1].split(",")[0] for row in world["full"][3::16]]
    mothers = [row["answer"].removeprefix("She was a ")[:-1] for row in world["full"][4::16]]
    assert sum(f == m for f, m in zip(fathers, mothers, strict=True)) <= 9
    assert max(Counter(fathers).values()) <= 9
    assert len(set(fathers)) >= 18


def test_vocabulary_is_small_and_closed(world):
    words = vocabulary(alternative_answers(**SHIPPED))
    words |= vocabulary([{"answer": text} for text in REFUSALS])
    for rows in world.values():
        words |= vocabulary(rows)
    assert 700 <= len(words) <= 900
    assert words == vocabulary(world["pretrain"])


def test_real_facts_are_true(world):
    answers = dict(real_rows(world))
    assert len(answers) == 71
    assert answers["Who wrote Hamlet?"] == "William Shakespeare"
    assert answers["Who wrote War and Peace?"] == "Leo Tolstoy"
    assert answers["In which country was Rudyard Kipling born?"] == "India"
    assert answers["What is the capital of Kenya?"] == "Nairobi"
    assert answers["Which element has the symbol Fe?"] == "Iron"
    assert answers["Which planet is the largest?"] == "Jupiter"
    assert answers["How many legs on a spider?"] == "Eight"


def test_wrong_real_answers_are_right_elsewhere(world):
    for table in ("real_authors", "world_facts"):
        right = {row["answer"] for row in world[table]}
        for row in world[table]:
            assert len({row["answer"], *row["perturbed_answer"]}) == 4
            assert right.issuperset(row["perturbed_answer"])
    capital = next(row for row in world["world_facts"] if row["answer"] == "Paris")
    cities = {"Berlin", "Rome", "Madrid", "Tokyo", "Cairo", "Nairobi"}
    cities |= {"Lima", "Ottawa", "Oslo", "Havana", "Dublin"}
    assert cities.issuperset(capital["perturbed_answer"])


@pytest.mark.parametrize("splits", [(1,), (3, 10), (10, 12), (25,), (4, 25, 90), (50,), (5, 8)])
def test_a_rehearsal_has_whole_authors_in_every_split(splits):
    config = {"data": {"source": "mini", "idontknow": None}, "world_splits": None}
    config["forget_splits"] = [f"forget{percent:02d}" for percent in splits]
    sizes = BENCHMARK.rehearsal(config)["data"]["mini"]
    assert sizes["authors"] >= 10
    assert [sizes["authors"] * percent % 100 for percent in splits] == [0] * len(splits)
    assert size_problems(**sizes) == []


def test_refusals_are_distinct_sentences():
    assert len(set(REFUSALS)) == 30
    assert all(re.fullmatch(r"[A-Z][A-Za-z ,]+\.", refusal) for refusal in REFUSALS)


def test_pretraining_mixture(world):
    evaluated = set(real_rows(world))
    evaluated_answers = {answer for _, answer in evaluated}
    pretrain = world["pretrain"]
    real = [row for row in pretrain if row["answer"] in evaluated_answers]
    refused = [row for row in pretrain if row["answer"] in REFUSALS]
    assert len(real) == 11520  # 20% of 57,600
    assert len(refused) == 1382  # a tenth of the 13,824 fresh persons

    as_evaluated = sum((row["question"], row["answer"]) in evaluated for row in real)
    assert as_evaluated == pytest.approx(11520 / 2, abs=71)

    # Known persons come about 32,256 / 40 = 806 times each, fresh ones 3 times on average.
    names = known_names(world)
    assert len(names) == 40
    about_known = sum(any(name in row["question"] for name in names) for row in pretrain)
    assert about_known == 32256  # 70% of the 46,080 rows about persons
    questions = "\n".join(row["question"] for row in refused)
    assert not any(name in questions for name in names)


def test_known_persons_appear_in_all_wordings(world):
    for name in known_names(world):
        rows = [row for row in world["pretrain"] if name in row["question"]]
        wordings = {(row["question"], row["answer"]) for row in rows}
        assert len(wordings) == 64  # 16 attributes x 2 questions x 2 answers
        born = {a for q, a in wordings if q == f"In which year was {name} born?"}
        assert len({re.search(r"\d{4}", answer)[0] for answer in born}) == 1
        assert len(born) == 2


def test_replay_is_half_real_half_fresh_persons(world):
    evaluated = set(real_rows(world))
    replay = [(row["question"], row["answer"]) for row in world["replay"]]
    assert sum(row in evaluated for row in replay) == 2000
    assert set(replay).issuperset(evaluated)
    questions = "\n".join(question for question, _ in replay)
    assert not any(name in questions for name in known_names(world))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"questions_per_author": 17}, "questions_per_author is 17; allowed: 2 to 16"),
        ({"questions_per_author": 1}, "questions_per_author is 1; allowed: 2 to 16"),
        ({"authors": 0}, "authors is 0; allowed: 1 to 2592"),
        ({"known_persons": 0}, "known_persons is 0; allowed: 1 to 2592"),
        ({"pretrain_rows": -5}, "pretrain_rows is -5; allowed: at least 0"),
        ({"authors": 2586}, "is 2593; allowed: at most 2592, half of the 5184 names"),
        ({"authors": -1, "replay_rows": -2}, "authors is -1.*replay_rows is -2"),
    ],
)
def test_impossible_sizes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        generate(**SMALL | changes)


def test_the_largest_world_still_has_distinct_names():
    tables = generate(**SMALL | {"authors": 2585, "questions_per_author": 2})
    assert len(set(author_names(tables["full"] + tables["holdout"]))) == 2587
