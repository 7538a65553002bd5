"""Per-row evaluation values, generations and aggregates against the official code."""

import pytest
from accelerate import Accelerator
from golden_files import read
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.data.tables import read_table
from unlearning.evaluation import forget_quality, tofu
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Limit
from unlearning.models.folder import load_model, load_tokenizer

LOGS = {
    "retain": "eval_log.json",
    "real_authors": "eval_real_author_wo_options.json",
    "world_facts": "eval_real_world_wo_options.json",
    "forget": "eval_log_forget.json",
}
OFFICIAL_PARTS = {
    "rouge": "ROUGE",
    "probability": "Probability",
    "truth_ratio": "Truth Ratio",
}
OFFICIAL_SETS = {
    "retain": "Retain",
    "real_authors": "Real Authors",
    "world_facts": "Real World",
    "forget": "Forget",
}


def from_official(log: dict, questions: int) -> dict:
    """Our columns of an official per-row log."""

    def column(key):
        values = log[key]
        return [values[k] for k in sorted(values, key=int)] if isinstance(values, dict) else values

    return {
        "question": list(range(questions)),
        "answer_loss": column("avg_gt_loss"),
        "perturbed_loss": column("average_perturb_loss"),
        "rouge_l_recall": column("rougeL_recall"),
        # also where it is the answer again: a second bf16 pass that differs in its last digits
        "paraphrase_loss": column("avg_paraphrased_loss"),
    }


@pytest.fixture(scope="module", params=["full", "retain"])
def evaluated(request, golden):
    """(model name, our columns, the official per-row values) at 160 tokens, 40 new tokens."""
    folder = golden / "tofu_eval"
    tokenizer = load_tokenizer(folder / "tokenizer")
    encoder = Encoder(tokenizer, PROMPTS["llama2"], 160)
    sets = {name: read_table(folder / f"{name}_perturbed.json") for name in LOGS}
    evaluator = Evaluator(
        sets, encoder, Accelerator(cpu=True), batch_tokens=4096, limit=Limit(40, "new")
    )
    columns = evaluator(load_model(folder / f"model_{request.param}"))
    return request.param, columns, read(folder / "per_example.json")[request.param]


@pytest.mark.parametrize("name", LOGS)
def test_rows_equal_the_official_ones(evaluated, name):
    _, columns, expected = evaluated
    ours, log = columns[name], expected[LOGS[name]]
    assert ours["answer_tokens"] == log["num_token_gt"]
    assert ours["answer_loss"] == pytest.approx(log["avg_gt_loss"], rel=1e-4)
    assert ours["perturbed_tokens"] == log["num_token_perturb"]
    for a, b in zip(ours["perturbed_loss"], log["average_perturb_loss"], strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    if "paraphrase_loss" in ours:
        assert ours["paraphrase_tokens"] == log["num_token_paraphrased"]
        assert ours["paraphrase_loss"] == pytest.approx(log["avg_paraphrased_loss"], rel=1e-4)
    assert ours["generation"] == [row[1] for row in log["prompt_generation_truth"]]
    assert ours["rouge_l_recall"] == pytest.approx(log["rougeL_recall"], rel=1e-12)


def check_parts(ours: dict, official: dict, rel: float):
    for name, title in OFFICIAL_SETS.items():
        for part, official_part in OFFICIAL_PARTS.items():
            expected = official[f"{title} {official_part}"]
            assert ours[f"{name}_{part}"] == pytest.approx(expected, rel=rel), f"{name}_{part}"
    assert ours["model_utility"] == pytest.approx(official["Model Utility"], rel=rel)


def test_aggregates_equal_the_official_ones(evaluated, golden):
    model, columns, _ = evaluated
    aggregate = read(golden / "tofu_eval" / "aggregate.json")
    check_parts(tofu.summarise(columns), aggregate["model_utility"][model], 1e-4)


def test_forget_quality_of_the_small_models(golden):
    logs = read(golden / "tofu_eval" / "per_example.json")
    forget = [from_official(logs[m][LOGS["forget"]], 40) for m in ("full", "retain")]
    expected = read(golden / "tofu_eval" / "aggregate.json")["forget_quality_full_vs_retain"]
    found = forget_quality.forget_quality(*forget)
    assert found.p_value == pytest.approx(expected["Forget Quality"], rel=1e-4)
    assert found.ks_statistic == pytest.approx(expected["KS Test Forget"], rel=1e-4)


@pytest.fixture(scope="module")
def official(golden):
    """The published logs as our columns, and the values expected of them."""
    folder = golden / "official_logs"
    expected = read(folder / "expected.json")
    logs = {}
    for path in folder.glob("llama*.json"):
        log = read(path)
        logs[path.stem] = {
            name: from_official(log[file], len(log[file]["gt_loss"])) for name, file in LOGS.items()
        }
    return logs, expected


def test_model_utility_of_the_published_logs(official):
    logs, expected = official
    for name, values in expected["model_utility"].items():
        check_parts(tofu.summarise(logs[name]), values, 1e-9)


def test_forget_quality_of_the_published_logs(official):
    logs, expected = official
    for case in expected["forget_quality"]:
        pair = logs[case["model"]]["forget"], logs[case["retain"]]["forget"]
        found = forget_quality.forget_quality(*pair)
        assert found.p_value == pytest.approx(case["p_value"], rel=1e-9)
        assert found.ks_statistic == pytest.approx(case["ks_statistic"], rel=1e-9)
