"""The section on variance: shares of what was put in, plans, and what one draw cannot tell."""

import numpy
import pytest
from report_world import results_of, run_rows
from unlearning.reporting.frame import AGAINST
from unlearning.reporting.inference import draws_needed
from unlearning.reporting.section import sections

LOG = "log10_forget_quality"
DESIGN = (40, 2, 2)  # draws, retrained models, seeds


def world(method: str, deviations: tuple[float, ...], seed: int) -> list[tuple]:
    """Rows of a method whose log10 FQ varies by draw, retrained model, seed and rest, and whose
    utility by draw and seed alone."""
    generator = numpy.random.default_rng(seed)
    draws, retrained, seeds = DESIGN
    shapes = ((draws, 1, 1), (draws, retrained, 1), (draws, 1, seeds), DESIGN)
    parts = [generator.normal(0, d, shape) for d, shape in zip(deviations, shapes, strict=True)]
    quality, utility = -3 + sum(parts), 0.7 + parts[0][:, 0] / 10 + parts[2][:, 0] / 10
    rows = []
    for draw in range(draws):
        for run in range(seeds):
            where = {"draw": draw + 1, "epoch": 10}
            for reference in range(retrained):
                beside = {"phase": AGAINST, "reference": f"retrain/seed={reference}"}
                value = {LOG: quality[draw, reference, run]}
                rows += run_rows(method, run + 1, **beside, **where, **value)
            means = {LOG: quality[draw, :, run].mean(), "model_utility": utility[draw, run]}
            rows += run_rows(method, run + 1, **where, **means)
    return rows


def content_of(report):
    (section,) = sections("tofu", ("variance",))
    return section.content(report)


@pytest.fixture(scope="module")
def drawn(experiment, report_on):
    rows = world("GA", (1.0, 2.0, 0.5, 0.5), 1) + world("NPO", (3.0, 1.0, 1.0, 0.2), 2)
    return content_of(report_on(results_of(experiment, rows)))


def test_shares_are_those_of_what_was_put_in(drawn):
    table = drawn.csv["variance"]
    quality = table[(table["label"] == "GA") & (table["metric"] == LOG)].set_index("component")
    total = 1 + 4 + 0.25 + 0.25
    expected = {"draw": 1 / total, "retrained": 4 / total, "seed": 0.25 / total}
    assert quality["share"].drop("remainder").to_dict() == pytest.approx(expected, abs=0.12)
    assert quality["share"].sum() == pytest.approx(1)
    assert quality[["draws", "retrained", "seeds"]].drop_duplicates().values.tolist() == [
        [40, 2, 2]
    ]
    utility = table[(table["label"] == "NPO") & (table["metric"] == "model_utility")]
    shares = utility.set_index("component")["share"].to_dict()
    assert shares == pytest.approx({"draw": 0.9, "seed": 0.1}, abs=0.08)


def test_the_table_has_the_deviation_and_the_shares_of_each_metric(drawn):
    (table,) = drawn.tables["variance"]
    assert [column.title for column in table.columns] == [
        *("SD", "draw", "retr.", "seed", "rest"),
        *("SD", "draw", "seed"),
    ]
    ga = dict(zip([column.key for column in table.columns], table.rows[0].cells, strict=True))
    assert ga[f"{LOG}-sd"].value == pytest.approx(5.5**0.5, rel=0.25)
    assert ga[f"{LOG}-retrained"].text.endswith("%")


def test_a_plan_says_how_many_draws_an_order_of_magnitude_takes(drawn):
    keys = ["label", "metric", "component"]
    variance = drawn.csv["variance"].set_index(keys)["variance"].sort_index()
    ga = variance["GA", LOG]
    between = ga["draw"] + ga["retrained"] / 2 + ga["seed"] / 5 + ga["remainder"] / 10
    power = drawn.csv["power"].set_index(["label", "seeds"])["draws"]
    assert power["GA", 5] == draws_needed(between, 1.0)
    pair = next(label for label in power.index.levels[0] if label.startswith("two methods"))
    # independent methods: the variances add up, 1 + 9 + (4 + 1) / 2 + …, about 100 draws
    assert 60 < power[pair, 1] < 180
    (table,) = drawn.tables["power"]
    assert [row.label for row in table.rows] == ["GA", "NPO", pair]


def test_one_draw_tells_models_and_seeds_apart_and_says_what_is_missing(contents, page):
    variance = contents["variance"].csv["variance"]
    assert set(variance["draws"]) == {1} and "draw" not in set(variance["component"])
    quality = variance[variance["metric"] == LOG]
    assert set(quality["component"]) == {"retrained", "seed", "remainder"}
    assert contents["variance"].tables["power"] == []
    section = page.partition('<section id="variance"')[2].partition("</section>")[0]
    assert "cannot be known" in section and "draws: 5" in section
    # of utility the seed is all that varies: nothing to share out
    (table,) = contents["variance"].tables["variance"]
    assert not [column for column in table.columns if column.key.startswith("model_utility")]


def test_one_model_and_one_seed_have_no_section(experiment, report_on):
    content = content_of(report_on(results_of(experiment, run_rows("GA", 1, **{LOG: -2.0}))))
    assert content.empty and content.csv["variance"].empty and content.csv["power"].empty


def test_the_frame_holds_each_comparison_and_their_mean(results):
    frame = results.frame[(results.frame["label"] == "NPO") & (results.frame["seed"] == 1)]
    frame = frame[frame["metric"] == LOG]
    beside = frame[frame["phase"] == AGAINST]
    assert set(beside["reference"]) == {"retrain/seed=1", "retrain/seed=2"}
    assert sorted(set(beside["epoch"])) == [0, 1, 3, 7, 10]
    course = frame[frame["phase"] == "course"].set_index("epoch")["value"]
    means = beside.groupby("epoch")["value"].mean()
    assert means.to_dict() == pytest.approx(course.to_dict())
