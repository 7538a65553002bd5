"""Sections on forget rows: halves of the forget set, gradient weights, other references."""

import numpy
import pandas
import pytest
from report_world import REPLACED, results_of, run_rows
from unlearning.benchmarks.tofu.sections import reference, strata, weights
from unlearning.benchmarks.tofu.weights import RowWeights, WeightReader, early
from unlearning.config.experiment import Experiment
from unlearning.config.layout import UnlearnRun
from unlearning.evaluation.records import read_rows
from unlearning.files import read_json, write_json
from unlearning.reporting.charts.specs import log_fq_axis
from unlearning.reporting.frame import finals


@pytest.fixture(scope="module")
def target(experiment):
    return read_rows(experiment.layout.evaluation("forget10", experiment.target_run))["forget"]


def course_of(results, label, seed=1):
    courses = results.details["weights"]
    return next(c for c in courses if c[0].label == label and c[0].cell.seed == seed)


def test_weights_follow_the_run(experiment, results, target):
    course = course_of(results, "NPO+RT β=0.1")
    assert [weights.epoch for weights in course] == [0, 1, 3, 7, 10]
    assert (course[0].values == 1).all()
    point = read_json(experiment.layout.trajectory("forget10", course[0].cell.run))["points"][0]
    nll = [numpy.multiply(r["answer_loss"], target["answer_tokens"]) for r in (target, point)]
    ratio = numpy.exp(0.1 * (nll[0] - nll[1]))  # (p / p_ref)^β
    numpy.testing.assert_allclose(course[1].values, 2 * ratio / (1 + ratio))
    models = finals(results.frame)
    found = models[(models["run"] == course[0].cell.run) & (models["metric"] == "early_weight")]
    assert found["value"].item() == pytest.approx(course[1].values.mean())
    assert early([course[0], course[2], course[-1]]) == {}  # two epochs on is no longer early


def test_losses_without_such_weights_have_none(results):
    assert [*weights.by_variant(results.details["weights"])] == [
        "NPO",
        "NPO+RT β=0.1",
        "NPO+RT β=1",
        "NPO+RT β=0.1 ref. retrain",
        "SimNPO+RT β=2.5 γ=0",
        "SimNPO+RT β=2.5 γ=1",
    ]


def test_only_epochs_that_every_seed_reached_are_pooled(results):
    whole = course_of(results, "NPO", 1)
    short = course_of(results, "NPO", 2)[:3]
    found = weights.by_variant([whole, short])["NPO"]
    assert [*found] == [0, 1, 3]
    assert [len(seeds) for seeds in found.values()] == [2, 2, 2]
    moments = weights.moments(found)
    assert {name: epoch for name, (epoch, _) in moments.items()} == {
        "start": 0,
        "early": 1,
        "end": 3,
    }


def test_the_table_of_weights_has_start_early_and_end(contents, results):
    (table,) = contents["weights"].tables["weights"]
    rows = [row for row in table.rows if row.label == "NPO+RT β=0.1"]
    assert [row.cells[0].text for row in rows] == ["0", "1", "10"]
    assert rows[0].cells[1].text == "1.000" and rows[0].cells[2].text == "0.000"
    means = [course_of(results, "NPO+RT β=0.1", seed)[1].values.mean() for seed in (1, 2, 3)]
    assert rows[1].cells[1].value == pytest.approx(sum(means) / 3)


def test_another_reference_has_its_own_weights(results):
    # its scores are those of a model that finds each row e times likelier than the target
    course = course_of(results, "NPO+RT β=0.1 ref. retrain")
    numpy.testing.assert_allclose(course[0].values, 2 / (1 + numpy.exp(0.1)))


def test_a_reference_of_other_rows_gives_no_weights(experiment, target, tmp_path):
    moved = Experiment({**experiment.config, "results": str(tmp_path)})
    cells = [cell for cell in moved.cells() if cell.seed == 1]
    (cell,) = [cell for cell in cells if dict(cell.hyper) == REPLACED]
    record = read_json(experiment.layout.trajectory("forget10", cell.run))
    reader = WeightReader(moved, target)
    assert reader.trajectory(cell, record, target) == []  # it is not there
    write_json(moved.layout.reference("forget10", "retrain"), {"nll": [1.0, 2.0], "tokens": [3, 4]})
    assert reader.trajectory(cell, record, target) == []


def test_references_stand_side_by_side(report, contents):
    found = reference.groups(report, "forget10")
    assert found == {
        "NPO+RT β=0.1": {"target": "NPO+RT β=0.1", "retrain": "NPO+RT β=0.1 ref. retrain"}
    }
    (table,) = contents["reference"].tables["reference"]
    assert [(row.label, row.cells[0].text) for row in table.rows] == [
        ("NPO+RT β=0.1", "target"),
        ("NPO+RT β=0.1", "retrain"),
    ]
    spreads = report.spreads["forget10", "NPO+RT β=0.1 ref. retrain"]
    assert table.rows[1].cells[1].value == spreads["forget_quality"].mean
    assert table.rows[1].cells[-1].text == "3"
    quality, _ = contents["reference"].figures["reference"].panels
    drawn = quality.chart.layer[1].data.values
    assert {(mark["reference"], mark["seed"]) for mark in drawn} == {
        (name, seed) for name in ("target", "retrain") for seed in ("1", "2", "3")
    }


def test_more_methods_than_the_palette_of_a_paper_have_colours_of_their_own(report):
    marks = []
    for number in range(9):
        mark = {"method": f"NPO β={number}", "reference": "base", "seed": "1", "log10_fq": -1.0}
        marks.append(mark)
    chart = reference._chart(marks, marks, log_fq_axis([-1.0]))
    scale = chart.to_dict(validate=False)["layer"][0]["encoding"]["color"]["scale"]
    assert len(scale["domain"]) == len(set(scale["range"])) == 9


def row_weights(values: list[float], split="forget10", seed=1, draw=1) -> RowWeights:
    cell = UnlearnRun(split, "NPO", "default", (), seed, draw)
    return RowWeights(cell, 0.0, numpy.array(values), numpy.array([1, 2]), numpy.array([1, 2]))


def test_mean_weights_count_each_draw_once():
    runs = [row_weights([1.0, 1.0], seed=seed) for seed in (1, 2, 3)]
    table = weights._table("forget10", {"NPO": {0.0: [*runs, row_weights([2.0, 2.0], draw=2)]}})
    assert table.rows[0].cells[1].value == 1.5


def test_panels_of_weights_name_their_split_where_there_are_several(experiment, report_on):
    rows, courses = [], []
    for split in ("forget05", "forget10"):
        rows += run_rows("NPO", 1, split=split, model_utility=0.5)
        courses.append([row_weights([1.0, 2.0], split)])
    content = weights.content(report_on(results_of(experiment, rows, weights=courses)))
    for figure in content.figures.values():
        assert [panel.title for panel in figure.panels] == ["forget05: NPO", "forget10: NPO"]


def test_without_other_references_there_is_no_section(experiment, report_on):
    rows = run_rows("NPO+RT", 1, (("beta", 0.1),), log10_forget_quality=-1.0, model_utility=0.5)
    rows += run_rows("NPO+RT", 1, (("beta", 1.0),), log10_forget_quality=-1.0, model_utility=0.5)
    content = reference.content(report_on(results_of(experiment, rows)))
    assert content.empty and "mini-reference-bias" in content.figures["reference"].note


def test_strata_are_averaged_as_the_whole_set(report, contents, results):
    table = contents["strata"].csv["strata"]
    row = table[(table["label"] == "NPO") & (table["stratum"] == "short")]
    row = row.set_index("metric")
    models = finals(results.frame)
    seeds = models[models["label"] == "NPO"].set_index("metric")["value"]
    logs = seeds["log10_forget_quality@short"]
    assert len(logs) == 3
    assert row.loc["log10_forget_quality", "mean"] == pytest.approx(logs.mean())
    assert row.loc["forget_quality", "mean"] == pytest.approx(10 ** logs.mean(), rel=1e-9, abs=0)
    assert set(table["rows"]) == {20}
    (shown,) = contents["strata"].tables["strata"]
    first = next(row for row in shown.rows if row.label == "NPO").cells[0]
    assert first.value == pytest.approx(10 ** logs.mean(), rel=1e-9, abs=0)


def test_marks_of_strata_are_seeds_and_their_means(contents, results):
    length, memorisation = contents["strata"].figures["strata"].panels
    assert length.title == "forget10: short ○ and long ● answers"
    assert "memorised" in memorisation.title
    marks = [mark for layer in length.chart.layer[2:] for mark in layer.data.values]
    npo = [mark for mark in marks if (mark["label"], mark["stratum"]) == ("NPO", "long")]
    assert [mark["seed"] for mark in npo] == ["1", "2", "3", "mean"]
    assert npo[3]["log10_fq"] == pytest.approx(sum(m["log10_fq"] for m in npo[:3]) / 3)


def test_rows_that_are_all_alike_have_no_strata(experiment, report_on):
    rows = run_rows("NPO", 1, log10_forget_quality=-1.0, forget_quality=0.1)
    content = strata.content(report_on(results_of(experiment, rows, strata={"forget10": {}})))
    assert content.empty and "alike" in content.figures["strata"].note
    assert content.csv["strata"].empty and isinstance(content.csv["strata"], pandas.DataFrame)
    assert content.tables["strata"] == []


def unequal_draws(hyper: tuple = (), **metrics: float) -> list[tuple]:
    """Three seeds of a first draw, and one of a second with three times each number."""
    rows = []
    for seed in (1, 2, 3):
        rows += run_rows("NPO", seed, hyper, **metrics)
    tripled = {name: 3 * value for name, value in metrics.items()}
    return rows + run_rows("NPO", 1, hyper, draw=2, **tripled)


def test_means_of_strata_count_each_draw_once(experiment, report_on):
    metrics = {}
    for half in ("short", "long"):
        metrics |= {f"forget_quality@{half}": 0.1, f"log10_forget_quality@{half}": -1.0}
    sizes = {"forget10": {"short": 20, "long": 20}}
    rows = unequal_draws(**metrics)
    content = strata.content(report_on(results_of(experiment, rows, strata=sizes)))
    (panel,) = content.figures["strata"].panels
    marks = [mark for layer in panel.chart.layer[2:] for mark in layer.data.values]
    assert [m["log10_fq"] for m in marks if m["seed"] == "mean"] == [-2.0, -2.0]


def test_means_by_reference_count_each_draw_once(experiment, report_on):
    numbers = {"forget_quality": 0.1, "log10_forget_quality": -1.0, "model_utility": 0.2}
    rows = unequal_draws(**numbers) + unequal_draws((("reference", "base"),), **numbers)
    content = reference.content(report_on(results_of(experiment, rows)))
    quality, utility = content.figures["reference"].panels
    means = quality.chart.layer[2].data.values
    assert [(m["reference"], m["log10_fq"], m["seed"]) for m in means] == [
        ("target", -2.0, "mean of 2 draws"),
        ("base", -2.0, "mean of 2 draws"),
    ]
    assert [m["mu"] for m in utility.chart.layer[1].data.values] == [0.4, 0.4]
