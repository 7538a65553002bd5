"""The rows of a TOFU evaluation and the wording of their questions."""

import pytest
from accelerate import Accelerator
from broken_tables import write_rows
from toy import toy
from toy_logs import evaluation, write
from unlearning.benchmarks.tofu.evaluator import length_problems, make_evaluator, with_questions
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError
from unlearning.training.plan import Fit

ROW = {
    "question": "who wrote it ?",
    "answer": "ann",
    "paraphrased_answer": "it ann wrote",
    "perturbed_answer": ["ben"],
    "paraphrased_question": "who ?",
}
GENERAL = {"question": "who ?", "answer": "carl", "perturbed_answer": ["i"]}
LIMITS = {"rows": None, "max_length": 40, "generation_tokens": 3, "generation_counts": "new"}
LIMITS |= {"question": "question", "rouge": [], "min_k": 0.5, "gradnorm": "inf"}


@pytest.fixture
def data(tmp_path):
    for name in ("forget05_perturbed", "retain_perturbed"):
        write_rows(tmp_path / f"{name}.json", [ROW])
    for name in ("real_authors_perturbed", "world_facts_perturbed"):
        write_rows(tmp_path / f"{name}.json", [GENERAL])
    return tmp_path


def evaluator_of(data, attacks=(), holdout=None, **changes):
    _, tokenizer = toy()
    settings = {"prompt": "plain", "evaluation": LIMITS | changes}
    return make_evaluator(
        data,
        "forget05",
        tokenizer,
        settings,
        Fit(),
        Accelerator(cpu=True),
        attacks=attacks,
        holdout=holdout,
    )


def test_questions_in_other_words(data):
    """Answers stay; sets without a paraphrase keep their question."""
    original = evaluator_of(data).sets
    paraphrased = evaluator_of(data, question="paraphrased_question").sets
    for name in ("forget", "retain"):
        assert original[name][0]["question"] == "who wrote it ?"
        assert paraphrased[name][0]["question"] == "who ?"
    assert paraphrased["forget"][0]["answer"] == "ann"
    assert paraphrased["real_authors"] == original["real_authors"]


def test_non_members_are_those_of_the_split(data):
    with pytest.raises(
        UserError, match="no holdout05; name a file of such rows in evaluation.holdout"
    ):
        evaluator_of(data, ["min_k"])
    write_rows(data / "forget05_holdout.json", [GENERAL])
    evaluator = evaluator_of(data, ["min_k"])
    assert evaluator.sets["holdout"] == [GENERAL]
    assert (evaluator.k, evaluator.norm) == (0.5, float("inf"))
    row = {"question": "who ?", "answer": "ben"}
    assert evaluator_of(data, ["min_k"], [row]).sets["holdout"] == [row]
    assert "holdout" not in evaluator_of(data).sets


def test_lengths_are_those_of_the_wording_that_is_evaluated():
    """A prompt of 4 words and one of 2, each with 3 new tokens, in a context between them."""
    _, tokenizer = toy()
    encoder = Encoder(tokenizer, PROMPTS["plain"], 40)
    tables, reach = {"forget05_perturbed": [ROW]}, len(encoder.prompt_ids("who ?")) + 3
    use = {"generation": {"tokens": 3, "counts": "new"}, "rows": None, "question": "question"}
    use["max_length"] = {"evaluation": 40}
    assert length_problems(encoder, tables, use, reach) != []
    assert length_problems(encoder, tables, use | {"question": "paraphrased_question"}, reach) == []
    assert with_questions([], "paraphrased_question") == []


@pytest.mark.parametrize("counts, refused", [([2, 3], False), ([2, 4], True), ([3, 3], True)])
def test_a_log_of_another_tokenizer(tmp_path, counts, refused):
    """Answers of one and two words, and the end of sequence, are 2 and 3 tokens here."""
    forget = evaluation()["forget"]
    forget = {column: values[:2] for column, values in forget.items()}
    log = write(tmp_path / "rows.json", {"forget": {**forget, "answer_tokens": counts}})
    rows = [ROW, {**ROW, "answer": "ann wrote"}, {**ROW, "answer": "beyond the first rows"}]
    use = {"rows": 2, "question": "question", "generation": {"tokens": 3, "counts": "new"}}
    use |= {"max_length": {"evaluation": 40}, "logs": {"forget05": log}}
    encoder = Encoder(toy()[1], PROMPTS["plain"], 64)
    lines = length_problems(encoder, {"forget05_perturbed": rows}, use, 64)
    assert len(lines) == refused
    assert all("rows.json counts" in line and "another tokenizer" in line for line in lines)


@pytest.mark.parametrize(
    "limits, setting",
    [
        ({"max_length": {"evaluation": 5}}, "evaluation.max_length (5)"),
        ({"max_length": {"evaluation": 6}}, None),
        ({"generation": {"tokens": 5, "counts": "total"}}, "evaluation.generation_tokens (5)"),
        ({"generation": {"tokens": 6, "counts": "total"}}, None),
        ({"generation": {"tokens": 1, "counts": "new"}}, None),
    ],
)
def test_a_question_without_room_for_an_answer_is_named_before_any_job(limits, setting):
    """The prompt of ROW has 5 tokens: with one more there is a label, or a generated token."""
    encoder = Encoder(toy()[1], PROMPTS["plain"], 40)
    assert len(encoder.prompt_ids(ROW["question"])) == 5
    use = {"generation": {"tokens": 3, "counts": "new"}, "rows": None, "question": "question"}
    use |= {"max_length": {"evaluation": 40}, **limits}
    problems = length_problems(encoder, {"forget05_perturbed": [ROW]}, use, 40)
    assert len(problems) == (setting is not None)
    assert all("makes 5 tokens" in problem and setting in problem for problem in problems)
