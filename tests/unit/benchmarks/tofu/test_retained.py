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
    """The forget rows that an evaluation is of."""
    forget = rows["forget"]
    return [
        {
            "question": question,
            "answer": answer,
            "paraphrased_answer": "the same",
            "perturbed_answer": ["a", "b"],
        }
        for question, answer in zip(forget["question"], forget["answer"], strict=True)
    ]


def log_of(kind: str, rows: dict, folder: Path) -> Path:
    """A log of each origin of the same evaluation."""
    if kind == "ours":
        write_evaluation(folder, rows, "tofu")
        return folder
    written = official_log(rows) if kind == "official" else open_unlearning.write(rows)
    return Path(write(folder / "log.json", written))


class Against:
    """Forget quality of models beside one retrained model, whose rows came from a log."""

    def __init__(self, retrained: dict, variant: str, target: dict):
        config = {"evaluation": {"variant": variant, "membership": []}}
        experiment = SimpleNamespace(config=config)
        others = {"retrain/given": Evaluation("retrain/given", retrained, {})}
        model = Evaluation("target", target, {})
        self.compare = TofuComparison(experiment, "forget10", model, others, {})

    def quality(self, rows: dict) -> float:
        """Of a model's evaluation."""
        return self.compare.model(Evaluation("run", rows, {}))["forget_quality"]

    def quality_of_point(self, point: dict) -> float:
        """Of a point of a trajectory."""
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
    found = Against(rows, "open-unlearning", full).quality(full)
    assert found == pytest.approx(published["forget_quality"], rel=1e-12, abs=0)


def refused(path: Path, ours: dict, **changes) -> list[str]:
    """What is wrong with a log for an experiment that evaluates these rows."""
    tables = {"forget10_perturbed": table(ours)}
    return log_problems(str(path), "forget10", tables, EVALUATION | changes)


def test_a_sound_log_has_no_problem(tmp_path):
    for kind in ("ours", "official"):
        folder = tmp_path / kind
        folder.mkdir()
        assert refused(log_of(kind, evaluation(), folder), evaluation()) == []


def test_formulas_that_a_log_does_not_serve(tmp_path):
    path = log_of("open-unlearning", evaluation(), tmp_path)
    for variant in ("official", "paper"):
        (problem,) = refused(path, evaluation(), variant=variant)
        assert variant in problem and "evaluation.variant" in problem and str(path) in problem
    assert refused(path, evaluation(), variant="open-unlearning") == []
    log = official_log(evaluation())
    path.write_text(json.dumps(log))
    assert "official, open-unlearning" in refused(path, evaluation(), variant="paper")[0]


def test_other_rows(tmp_path):
    path = log_of("official", evaluation(), tmp_path)
    short = {"forget": {k: v[:4] for k, v in evaluation()["forget"].items()}}
    (problem,) = refused(path, short)
    assert "6 forget rows" in problem and "4 of forget10" in problem
    (problem,) = refused(path, evaluation(), rows=5)
    assert "set evaluation.rows to null" in problem
    others = evaluation()
    others["forget"]["answer"][2] = "of another author"
    (problem,) = refused(path, others)
    assert "row 2" in problem and "of another author" in problem


HOLDOUT = {"question": ["unseen?", "new?"], "answer": ["a", "b"], "answer_loss": [1.0, 2.0]}


def test_other_non_members(tmp_path):
    """Of a file, of the mini world's table or of TOFU's; as many as evaluation.rows says."""
    path = log_of("ours", {**evaluation(), "holdout": HOLDOUT}, tmp_path)
    seen = [{"question": "unseen?", "answer": "a"}, {"question": "new?", "answer": "b"}]
    others = [seen[0], {"question": "newer?", "answer": "b"}]
    tables = {"forget10_perturbed": table(evaluation())}
    attacked = EVALUATION | {"membership": ["min_k"]}

    def named(non_members, **rows) -> list[str]:
        return log_problems(str(path), "forget10", tables | rows, attacked, non_members)

    assert named(seen) == named(None, holdout_perturbed=seen) == named(None) == []
    assert named(None, forget10_holdout=seen, holdout_perturbed=others) == []
    for problems in (named(others), named(None, forget10_holdout=others)):
        (problem,) = problems
        assert "row 1" in problem and "'new?'" in problem and "'newer?'" in problem
        assert "evaluation.holdout" in problem and str(path) in problem
    (problem,) = named([*seen, *others])
    assert "2 holdout rows" in problem and "score 4" in problem
    assert log_problems(str(path), "forget10", tables, EVALUATION, others) == []
    with pytest.raises(UserError, match="row 1"):
        evaluation_of(path, table(evaluation()), None, "forget10", others)


def test_what_forget_quality_needs(tmp_path):
    rows = evaluation()
    path = Path(write(tmp_path / "rows.json", rows | {"forget": {"answer_loss": [1.0]}}))
    assert "perturbed_loss" in refused(path, rows)[0]
    del rows["forget"]
    path = Path(write(tmp_path / "rows.json", rows))
    assert "lacks forget" in refused(path, evaluation())[0]
    assert "cannot read" in refused(tmp_path / "none.json", evaluation())[0]
    rows = evaluation()
    del rows["forget"]["paraphrase_loss"]
    path = Path(write(tmp_path / "rows.json", rows))
    assert "paraphrase" in refused(path, evaluation())[0]
    rows = evaluation()
    rows["forget"]["perturbed_loss"][3] = [0.1]
    path = Path(write(tmp_path / "rows.json", rows))
    assert "row 3" in refused(path, evaluation())[0]


def test_membership_by_reference_needs_losses_of_non_members(tmp_path):
    path = log_of("official", evaluation(), tmp_path)
    (problem,) = refused(path, evaluation(), membership=["loss", "reference"])
    assert "evaluation.membership" in problem and "reference" in problem
