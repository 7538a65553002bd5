"""Evaluation logs that stand for retrained models."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
from scipy.stats import ks_2samp
from toy_logs import ROWS, evaluation, indexed, official_log, write
from unlearning.benchmarks.tofu import formulas
from unlearning.benchmarks.tofu.logs import open_unlearning
from unlearning.benchmarks.tofu.results import TofuComparison
from unlearning.benchmarks.tofu.retained import evaluation_of, log_problems
from unlearning.errors import UserError
from unlearning.evaluation.records import write_evaluation
from unlearning.reporting.results import Evaluation

EVALUATION = {"rows": None, "variant": "official", "membership": []}
PUBLISHED = Path(__file__).with_name("open_unlearning_forget01.json")


def table(rows: dict) -> list[dict]:
    """The table of the forget rows of an evaluation."""
    forget = rows["forget"]
    false = {"paraphrased_answer": "the same", "perturbed_answer": ["a", "b"]}
    texts = zip(forget["question"], forget["answer"], strict=True)
    return [{"question": question, "answer": answer, **false} for question, answer in texts]


def log_of(kind: str, rows: dict, folder: Path) -> Path:
    """Path of a log of some format of an evaluation."""
    if kind == "ours":
        write_evaluation(folder, rows, "tofu")
        return folder
    content = official_log(rows) if kind == "official" else open_unlearning.write(rows)
    return Path(write(folder / "log.json", content))


class Against:
    """Forget quality of models against a retrained model whose rows came from a log."""

    def __init__(self, retrained: dict, variant: str, target: dict):
        config = {"evaluation": {"variant": variant, "membership": []}}
        experiment = SimpleNamespace(config=config)
        baselines = {"retrain/given": Evaluation("retrain/given", retrained, {})}
        model = Evaluation("target", target, {})
        self.compare = TofuComparison(experiment, "forget10", model, baselines, {})

    def quality(self, rows: dict) -> float:
        """Forget quality of a model's evaluation."""
        return self.compare.model(Evaluation("run", rows, {}))["forget_quality"]

    def quality_of_point(self, point: dict) -> float:
        """Forget quality of a point of a trajectory."""
        return self.compare.point(point, "point")["forget_quality"]


@pytest.mark.parametrize("kind", ["ours", "official"])
def test_logs_of_losses_serve_other_formulas_too(kind, tmp_path):
    ours, theirs = evaluation(), evaluation(0.2)
    rows, summary = evaluation_of(log_of(kind, theirs, tmp_path), table(theirs), None, "forget10")
    for variant in ("official", "paper", "open-unlearning"):
        ratios = [formulas.log_truth_ratio(sides["forget"], variant) for sides in (ours, theirs)]
        expected = ks_2samp(*ratios).pvalue
        assert Against(rows, variant, ours).quality(ours) == pytest.approx(
            expected, rel=1e-12, abs=0
        )
    assert summary["metrics"]["model_utility"] == formulas.summarise(theirs)["model_utility"]
    assert summary["rows"] == dict.fromkeys(formulas.SETS, ROWS)
    assert len(summary["log"]["sha256"]) == 64


def test_perplexity_under_another_target_is_left_out(tmp_path):
    theirs = evaluation()
    theirs["forget"]["generation_nll"] = [1.0] * ROWS
    rows, summary = evaluation_of(log_of("ours", theirs, tmp_path), table(theirs), None, "forget10")
    assert "generation_nll" not in rows["forget"]
    assert "forget_distinct_1" in summary["metrics"]
    assert "forget_perplexity" not in summary["metrics"]


def test_a_log_of_open_unlearning_is_compared_as_there(tmp_path):
    ours, theirs = evaluation(), evaluation(0.2)
    path = log_of("open-unlearning", theirs, tmp_path)
    rows, summary = evaluation_of(path, table(theirs), None, "forget10")
    against = Against(rows, "open-unlearning", ours)
    expected = open_unlearning.write(ours, theirs)["forget_quality"]["agg_value"]
    assert against.quality(ours) == pytest.approx(expected, rel=1e-12, abs=0) and expected < 1
    assert against.quality(theirs) == 1
    ratios = formulas.log_truth_ratio(ours["forget"], "open-unlearning").tolist()
    point = {"log_truth_ratio": {"open-unlearning": ratios}, "metrics": {}, "variants": {}}
    assert against.quality_of_point(point) == pytest.approx(expected, rel=1e-12, abs=0)
    metrics = summary["variants"]["open-unlearning"]
    utility = formulas.summarise(theirs, "open-unlearning")["model_utility"]
    assert metrics["model_utility"] == pytest.approx(utility, rel=1e-12)
    assert not summary["metrics"] and "forget_quality" not in metrics
    assert rows["forget"]["question"] == theirs["forget"]["question"]


def test_forget_quality_as_open_unlearning_has_published_it(tmp_path):
    """Truth ratios of both models from its logs; losses that give the full model's."""
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    retain = published["retain99"]
    log = {"forget_truth_ratio": indexed("score", retain["scores"], retain["agg_value"])}
    count = len(retain["scores"])
    texts = [f"row {row}" for row in range(count)]
    answers = {"question": texts, "answer": texts}
    path = Path(write(tmp_path / "TOFU_EVAL.json", log))
    rows, summary = evaluation_of(path, table({"forget": answers}), None, "forget01")
    assert summary["log"]["rows compared by"] == ["row numbers"]
    full = numpy.array(published["full"]["scores"])
    # wrong/true: a paraphrase of probability 1 - 1e-10, and one perturbed answer
    losses = {"paraphrase_loss": [1e-10] * count, "answer_loss": [1.0] * count}
    losses["perturbed_loss"] = [[float(-numpy.log(ratio))] for ratio in full]
    losses |= {"answer_tokens": [4] * count}
    full = {"forget": {**answers, **losses}}
    quality = Against(rows, "open-unlearning", full).quality(full)
    assert quality == pytest.approx(published["forget_quality"], rel=1e-12, abs=0)


def log_problems_of(path: Path, ours: dict, **changes) -> list[str]:
    """Problems of a log for an experiment that evaluates these rows."""
    tables = {"forget10_perturbed": table(ours)}
    return log_problems(str(path), "forget10", tables, EVALUATION | changes)


def test_a_sound_log_has_no_problem(tmp_path):
    for kind in ("ours", "official"):
        folder = tmp_path / kind
        folder.mkdir()
        assert log_problems_of(log_of(kind, evaluation(), folder), evaluation()) == []


def test_formulas_that_a_log_does_not_serve(tmp_path):
    path = log_of("open-unlearning", evaluation(), tmp_path)
    for variant in ("official", "paper"):
        (problem,) = log_problems_of(path, evaluation(), variant=variant)
        assert variant in problem and "evaluation.variant" in problem and str(path) in problem
    assert log_problems_of(path, evaluation(), variant="open-unlearning") == []
    log = official_log(evaluation())
    path.write_text(json.dumps(log))
    assert "official, open-unlearning" in log_problems_of(path, evaluation(), variant="paper")[0]


def test_other_rows(tmp_path):
    path = log_of("official", evaluation(), tmp_path)
    short = {"forget": {k: v[:4] for k, v in evaluation()["forget"].items()}}
    (problem,) = log_problems_of(path, short)
    assert "6 forget rows" in problem and "4 of forget10" in problem
    (problem,) = log_problems_of(path, evaluation(), rows=5)
    assert "set evaluation.rows to null" in problem
    evaluated = evaluation()
    evaluated["forget"]["answer"][2] = "of another author"
    (problem,) = log_problems_of(path, evaluated)
    assert "row 2" in problem and "of another author" in problem


HOLDOUT = {"question": ["unseen?", "new?"], "answer": ["a", "b"], "answer_loss": [1.0, 2.0]}


def test_other_non_members(tmp_path):
    """Of a file, of the mini world's table or of TOFU's; evaluation.rows of them count."""
    path = log_of("ours", {**evaluation(), "holdout": HOLDOUT}, tmp_path)
    logged = [{"question": "unseen?", "answer": "a"}, {"question": "new?", "answer": "b"}]
    changed = [logged[0], {"question": "newer?", "answer": "b"}]
    tables = {"forget10_perturbed": table(evaluation())}
    settings = EVALUATION | {"membership": ["min_k"]}

    def problems_of(non_members, **rows) -> list[str]:
        return log_problems(str(path), "forget10", tables | rows, settings, non_members)

    assert problems_of(None) == problems_of(logged) == []
    assert problems_of(None, holdout_perturbed=logged) == []
    assert problems_of(None, forget10_holdout=logged, holdout_perturbed=changed) == []
    for problems in (problems_of(changed), problems_of(None, forget10_holdout=changed)):
        (problem,) = problems
        assert "row 1" in problem and "'new?'" in problem and "'newer?'" in problem
        assert "evaluation.holdout" in problem and str(path) in problem
    (problem,) = problems_of([*logged, *changed])
    assert "2 holdout rows" in problem and "score 4" in problem
    assert log_problems(str(path), "forget10", tables, EVALUATION, changed) == []
    with pytest.raises(UserError, match="row 1"):
        evaluation_of(path, table(evaluation()), None, "forget10", changed)


def test_what_forget_quality_needs(tmp_path):
    rows = evaluation()
    path = Path(write(tmp_path / "rows.json", rows | {"forget": {"answer_loss": [1.0]}}))
    assert "perturbed_loss" in log_problems_of(path, rows)[0]
    del rows["forget"]
    path = Path(write(tmp_path / "rows.json", rows))
    assert "lacks forget" in log_problems_of(path, evaluation())[0]
    assert "cannot read" in log_problems_of(tmp_path / "none.json", evaluation())[0]
    rows = evaluation()
    del rows["forget"]["paraphrase_loss"]
    path = Path(write(tmp_path / "rows.json", rows))
    assert "paraphrase" in log_problems_of(path, evaluation())[0]
    rows = evaluation()
    rows["forget"]["perturbed_loss"][3] = [0.1]
    path = Path(write(tmp_path / "rows.json", rows))
    assert "row 3" in log_problems_of(path, evaluation())[0]


def test_membership_by_reference_needs_losses_of_non_members(tmp_path):
    path = log_of("official", evaluation(), tmp_path)
    (problem,) = log_problems_of(path, evaluation(), membership=["loss", "reference"])
    assert "evaluation.membership" in problem and "reference" in problem
