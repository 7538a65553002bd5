"""MUSE metrics by hand, and the evaluator's released details on a toy model."""

import numpy
import pytest
import torch
from accelerate import Accelerator
from toy import toy
from unlearning.benchmarks.muse import formulas as muse
from unlearning.benchmarks.muse.evaluator import MuseEvaluator, length_problems
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
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
    memorised = {"extraction_strength": [0.5, 0.25], "exact_memorization": [1.0, 0.0]}
    rows[muse.VERBMEM] = rouge | memorised
    rows |= {"privleak_forget": {"question": ["a"], "min_k": [1.0], "mia_loss": [0.5]}}
    rows |= {"privleak_holdout": {"question": ["b"], "min_k": [2.0], "mia_loss": [0.75]}}
    assert records.write_evaluation(tmp_path, rows, "muse") == {
        "verbmem_f": 75,
        "knowmem_f": 75,
        "knowmem_r": 75,
        "min_k_auc": 0,
        "forget_extraction_strength": 0.375,
        "forget_exact_memorization": 0.5,
        "mia_loss_auc": 1.0,  # the holdout text is the less likely one
    }
    point = records.trajectory_point(1, 2, rows, "muse")
    assert set(point) == {"epoch", "step", "metrics", "variants"}


@pytest.fixture(scope="module")
def evaluator():
    _, tokenizer = toy()
    return MuseEvaluator(TABLES, tokenizer, Accelerator(cpu=True), batch_tokens=4096)


def reaching(model, tokenizer):
    """A toy model that reads prompts with 128 tokens behind them."""
    model.config.max_position_embeddings = 256
    return model, tokenizer


def test_rows_of_a_model(evaluator):
    model, tokenizer = reaching(*toy())
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
    model, tokenizer = reaching(*toy(seed=3))
    columns = evaluator(model)["privleak_forget"]
    for text, min_k in zip(columns["question"], columns["min_k"], strict=True):
        ids = torch.tensor(tokenizer(text)["input_ids"])
        logp = model(ids[None]).logits[0].log_softmax(-1)
        all_prob = [logp[i, token].item() for i, token in enumerate(ids[1:])]
        k_length = max(1, int(len(all_prob) * 0.4))
        assert min_k == pytest.approx(-numpy.mean(numpy.sort(all_prob)[:k_length]), rel=1e-5)


def test_a_text_without_predictions_is_named(evaluator):
    with pytest.raises(UserError, match="privleak_forget: a text of fewer than two.*'ben'"):
        evaluator.example("privleak_forget", "ben")


def test_only_evaluated_rows_have_to_fit(evaluator):
    """A prompt of one token and 128 behind it fit into 130; one of five does not."""
    encoder = Encoder(evaluator.tokenizer, PROMPTS["plain"], 40)
    tables = {"verbmem": [{"prompt": "ben"}, {"prompt": "ben ben ben ben ben"}]}
    (problem,) = length_problems(encoder, tables, {"rows": None}, 130)
    assert "133" in problem and "130" in problem
    assert length_problems(encoder, tables, {"rows": 1}, 130) == []


def test_a_collapsed_model_has_a_very_large_value(evaluator):
    model, _ = reaching(*toy())
    with torch.no_grad():
        for weight in model.parameters():
            weight.fill_(float("nan"))
    assert evaluator(model)["privleak_forget"]["min_k"] == [COLLAPSED_LOSS] * 2


def test_verbmem_is_scored_token_by_token(evaluator):
    """Prompt and continuation as one text; of the first 128 tokens after the prompt the last is no
    matter of memorisation, as in open-unlearning."""
    model, tokenizer = reaching(*toy(seed=3))
    row = TABLES["verbmem"][0]
    prompt = tokenizer(row["prompt"])["input_ids"]
    ids = tokenizer(f"{row['prompt']} {row['gt']}")["input_ids"][: len(prompt) + 128]
    example = evaluator.continuation(**row)
    assert (example.ids, example.start) == (tuple(ids), len(prompt))
    best = model(torch.tensor([ids])).logits[0].argmax(-1)
    match = [int(best[i]) == token for i, token in enumerate(ids[1:])][len(prompt) - 1 : -1]
    columns = evaluator(model)["verbmem"]
    assert columns["exact_memorization"] == [pytest.approx(sum(match) / 127)]
    suffix = next((i for i, matches in enumerate(reversed(match)) if not matches), 127)
    assert columns["extraction_strength"] == [pytest.approx(max(1, suffix) / 127)]


def test_attacks_score_the_texts_of_privleak():
    model, tokenizer = reaching(*toy(seed=3))
    attacks = ["loss", "zlib", "min_k", "min_k_plus_plus", "gradnorm"]
    options = {"batch_tokens": 4096, "attacks": attacks, "k": 0.7, "norm": 1.0}
    evaluator = MuseEvaluator(TABLES, tokenizer, Accelerator(cpu=True), **options)
    rows = evaluator(model)["privleak_forget"]
    text = TABLES["privleak_forget"][0]["text"]
    ids = torch.tensor(tokenizer(text)["input_ids"])
    logp = model(ids[None]).logits[0].log_softmax(-1)
    label_logp = [logp[i, token].item() for i, token in enumerate(ids[1:])]
    assert rows["mia_loss"][0] == pytest.approx(-numpy.mean(label_logp))
    lowest = sorted(label_logp[:-1])[: max(1, int(0.7 * (len(label_logp) - 1)))]
    assert rows["mia_min_k"][0] == pytest.approx(-numpy.mean(lowest), rel=1e-5)
    assert {f"mia_{attack}" for attack in attacks} < rows.keys()
    (-logp[torch.arange(len(label_logp) - 1), ids[1:-1]].mean()).backward()
    norms = [p.grad.abs().sum().item() for p in model.parameters() if p.grad is not None]
    assert rows["mia_gradnorm"][0] == pytest.approx(numpy.mean(norms), rel=1e-4)
