"""MUSE metrics by hand, and the evaluator's released details on a toy model."""

import numpy
import pytest
import torch
from accelerate import Accelerator
from toy import toy
from unlearning.benchmarks.muse import formulas as muse
from unlearning.benchmarks.muse.evaluator import MuseEvaluator
from unlearning.errors import UserError
from unlearning.evaluation import records
from unlearning.evaluation.likelihood import COLLAPSED_LOSS
from unlearning.evaluation.membership import lowest_mean

TABLES = {
    "verbmem": [{"prompt": "who wrote", "gt": "this book " + "ann " * 200}],
    "knowmem_forget": [{"question": "who wrote it ?", "answer": "ann"}],
    "knowmem_retain": [{"question": "who wrote it ?", "answer": "ben"}] * 3,
    "knowmem_forget_icl": [{"question": "who ?", "answer": "carl"}],
    "knowmem_retain_icl": [{"question": "who ?", "answer": "carl"}],
    "privleak_forget": [{"text": "ann wrote this book"}, {"text": "ben wrote it"}],
    "privleak_holdout": [{"text": "carl wrote this book ?"}],
}


def test_prompt_is_the_released_one():
    shots = [{"question": "A?", "answer": "a"}, {"question": "B?", "answer": "b"}]
    expected = "Question: A?\nAnswer: a\n\nQuestion: B?\nAnswer: b\n\nQuestion: C?\nAnswer: "
    assert muse.few_shot_prompt("C?", shots) == expected


@pytest.mark.parametrize(
    "text, answer",
    [
        ("ann\n\nQuestion: more", "ann"),
        ("ann\nQuestion: more", "ann"),
        ("ann Question: more", "ann "),
        ("ann\nben", "ann\nben"),
        ("\n\nann", ""),
    ],
)
def test_an_answer_ends_where_the_next_question_starts(text, answer):
    assert muse.first_answer(text) == answer


def test_min_k_by_hand():
    # n = 7: the int(2.8) = 2 lowest are -9 and -4
    assert lowest_mean(numpy.array([-1, -9, -2, -4, -3, -0.5, -1])) == pytest.approx(6.5)
    assert lowest_mean(numpy.array([-3.0, -1.0])) == 3.0  # int(0.8) would be none


def test_auc_by_hand():
    # (forget, holdout) Min-40% values; a lower value is a likelier text
    assert muse.auc([1, 2], [3, 4]) == 0  # all forget texts likelier: all is remembered
    assert muse.auc([3, 4], [1, 2]) == 1
    assert muse.auc([1, 3], [2, 3]) == pytest.approx((0 + 0 + 1 + 0.5) / 4)


def test_auc_is_the_area_of_the_released_roc_curve():
    """Forget rows are 0, holdout rows are 1, minus the value is the score; trapezoids."""
    random = numpy.random.default_rng(0)
    forget, holdout = random.integers(0, 9, 40).tolist(), random.integers(2, 12, 30).tolist()
    thresholds = sorted({*forget, *holdout})
    rates = [(0.0, 0.0)] + [
        (numpy.mean([v <= t for v in forget]), numpy.mean([v <= t for v in holdout]))
        for t in thresholds
    ]
    steps = zip(rates, rates[1:], strict=False)
    area = sum((f1 - f0) * (t0 + t1) / 2 for (f0, t0), (f1, t1) in steps)
    assert muse.auc(forget, holdout) == pytest.approx(area)


def test_privleak_of_the_published_target_is_near_minus_100():
    assert muse.privleak(0.0, muse.PUBLISHED_AUC["News"]) == -100
    assert muse.privleak(0.4772, muse.PUBLISHED_AUC["News"]) == pytest.approx(0)
    assert muse.privleak(0.5, 0.4) == pytest.approx(25)


def test_summary_is_in_percent(tmp_path):
    rouge = {"question": ["a", "b"], "rouge_l_f1": [0.5, 1.0]}
    rows = {name: rouge for name in (muse.VERBMEM, *muse.KNOWMEM)}
    rows |= {"privleak_forget": {"question": ["a"], "min_k": [1.0]}}
    rows |= {"privleak_holdout": {"question": ["b"], "min_k": [2.0]}}
    assert records.write_evaluation(tmp_path, rows, "muse") == {
        "verbmem_f": 75,
        "knowmem_f": 75,
        "knowmem_r": 75,
        "min_k_auc": 0,
    }
    point = records.trajectory_point(1, 2, rows, "muse")
    assert set(point) == {"epoch", "step", "metrics", "variants"}


@pytest.fixture(scope="module")
def evaluator():
    _, tokenizer = toy()
    return MuseEvaluator(TABLES, tokenizer, Accelerator(cpu=True), batch_tokens=4096)


def test_rows_of_a_model(evaluator):
    model, tokenizer = toy()
    model.config.max_position_embeddings = 256
    rows = evaluator(model)
    assert {name: len(columns["question"]) for name, columns in rows.items()} == {
        "verbmem": 1,
        "knowmem_forget": 1,
        "knowmem_retain": 3,
        "privleak_forget": 2,
        "privleak_holdout": 1,
    }
    truth = rows["verbmem"]["answer"][0]
    assert len(tokenizer(truth)["input_ids"]) == muse.VERBMEM_TOKENS
    assert len(set(rows["knowmem_retain"]["generation"])) == 1  # greedy


def test_min_k_is_that_of_the_models_own_log_probabilities(evaluator):
    """Against the release's loop: log-softmax of all logits, one text at a time."""
    model, tokenizer = toy(seed=3)
    texts = ["ann wrote this book", "who wrote it ?"]
    for text, found in zip(
        texts,
        evaluator._min_k_of(model, [evaluator.example("t", text) for text in texts]),
        strict=True,
    ):
        ids = torch.tensor(tokenizer(text)["input_ids"])
        logp = model(ids[None]).logits[0].log_softmax(-1)
        all_prob = [logp[i, token].item() for i, token in enumerate(ids[1:])]
        k_length = int(len(all_prob) * 0.4)
        assert found == pytest.approx(-numpy.mean(numpy.sort(all_prob)[:k_length]), rel=1e-5)


def test_a_text_without_predictions_is_named(evaluator):
    with pytest.raises(UserError, match="privleak_forget: a text of fewer than two.*'ben'"):
        evaluator.example("privleak_forget", "ben")


def test_a_collapsed_model_has_a_very_large_value(evaluator):
    model, _ = toy()
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(float("nan"))
    (value,) = evaluator._min_k_of(model, [evaluator.example("t", "ann wrote this book")])
    assert value == COLLAPSED_LOSS
