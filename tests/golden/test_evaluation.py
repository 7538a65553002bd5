"""Per-row evaluation values, generations and aggregates against the official code."""

import json

import pytest
from accelerate import Accelerator
from golden_files import read
from unlearning.__main__ import main
from unlearning.benchmarks.tofu import formulas as tofu
from unlearning.benchmarks.tofu.logs.official import SECTION_OF
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.data.tables import read_table
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Limit
from unlearning.models.folder import load_model, load_tokenizer

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


@pytest.fixture(scope="module", params=["full", "retain"])
def evaluated(request, golden):
    """(model name, our columns, the official per-row values) at 160 tokens, 40 new tokens."""
    folder = golden / "tofu_eval"
    tokenizer = load_tokenizer(folder / "tokenizer")
    encoder = Encoder(tokenizer, PROMPTS["llama2"], 160)
    sets = {name: read_table(folder / f"{name}_perturbed.json") for name in SECTION_OF}
    evaluator = Evaluator(
        sets, encoder, Accelerator(cpu=True), batch_tokens=4096, limit=Limit(40, "new")
    )
    columns = evaluator(load_model(folder / f"model_{request.param}"))
    return request.param, columns, read(folder / "per_example.json")[request.param]


@pytest.mark.parametrize("name", SECTION_OF)
def test_rows_equal_the_official_ones(evaluated, name):
    _, columns, expected = evaluated
    ours, log = columns[name], expected[SECTION_OF[name]]
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


@pytest.fixture
def score(capsys):
    """`python -m unlearning score` of two logs: (metrics, forget quality)."""

    def run(log, retained):
        assert main(["score", "--logs", str(log), "--retain", str(retained)]) == 0
        found = json.loads(capsys.readouterr().out)
        metrics = {**found["parts"], **found["forget"], "model_utility": found["model_utility"]}
        return metrics, found["forget_quality"]

    return run


def test_scores_of_the_small_models(score, golden, tmp_path):
    for model, log in read(golden / "tofu_eval" / "per_example.json").items():
        (tmp_path / f"{model}.json").write_text(json.dumps(log), encoding="utf-8")
    metrics, quality = score(tmp_path / "full.json", tmp_path / "retain.json")
    aggregate = read(golden / "tofu_eval" / "aggregate.json")
    check_parts(metrics, aggregate["model_utility"]["full"], 1e-4)
    expected = aggregate["forget_quality_full_vs_retain"]
    assert quality["p_value"] == pytest.approx(expected["Forget Quality"], rel=1e-4)
    assert quality["ks_statistic"] == pytest.approx(expected["KS Test Forget"], rel=1e-4)


def test_model_utility_of_the_published_logs(score, golden):
    folder = golden / "official_logs"
    for name, values in read(folder / "expected.json")["model_utility"].items():
        metrics, _ = score(folder / f"{name}.json", folder / f"{name}.json")
        check_parts(metrics, values, 1e-9)


def test_forget_quality_of_the_published_logs(score, golden):
    folder = golden / "official_logs"
    for case in read(folder / "expected.json")["forget_quality"]:
        _, found = score(*(folder / f"{case[model]}.json" for model in ("model", "retain")))
        assert found["p_value"] == pytest.approx(case["p_value"], rel=1e-9)
        assert found["ks_statistic"] == pytest.approx(case["ks_statistic"], rel=1e-9)
