"""Picks judged on the data that they were made on, and on data left out."""

import numpy
import pandas
import pytest
from report_world import results_of, run_rows
from unlearning.reporting.frame import AGAINST, COURSE, finals, tidy
from unlearning.reporting.grids import best, tuned
from unlearning.reporting.peaks import QUALITY, at_peak
from unlearning.reporting.selection import CELL, by_cell, choice, peak_choices


def highest(means):
    return means["x"].idxmax()


def table(values: dict[tuple, list[float]]) -> pandas.DataFrame:
    """(draw, reference, seed) -> a value for each of the candidates a, b, …"""
    index = pandas.MultiIndex.from_tuples(values, names=CELL)
    columns = list("abcdefghijkl"[: len(next(iter(values.values())))])
    return pandas.DataFrame(list(values.values()), index=index, columns=columns)


def test_one_draw_is_left_out_and_judges_what_the_others_pick():
    values = {(1, "", 1): [4, 0.1], (2, "", 1): [0, 2], (3, "", 1): [3, 1.2]}
    picked = choice({"x": table(values)}, highest)
    # means of a and b: 7/3 and 1.1; without draw 1 1.5 and 1.6, so b judges it; else a is picked
    assert (picked.candidate, picked.naive) == ("a", {"x": pytest.approx(7 / 3)})
    assert picked.corrected == {"x": pytest.approx((0.1 + 0 + 3) / 3)}
    assert picked.left_out == "one draw"


def test_of_one_draw_a_seed_is_judged_beside_a_retrained_model_that_had_no_part():
    values = {
        (1, "r1", 1): [5, 0],
        (1, "r1", 2): [1, 2],
        (1, "r2", 1): [0, 3],
        (1, "r2", 2): [2, 1],
    }
    picked = choice({"x": table(values)}, highest)
    # r1, seed 1 is judged by the pick of r2, seed 2 (a): 5; r1, 2 by r2, 1 (b): 2; r2, 1 by r1, 2
    # (b): 3; r2, 2 by r1, 1 (a): 2
    assert picked.corrected == {"x": pytest.approx((5 + 2 + 3 + 2) / 4)}
    assert picked.left_out == "one retrained model and one seed"


def test_a_single_run_has_no_corrected_number():
    picked = choice({"x": table({(1, "", 1): [1, 2]})}, highest)
    assert (picked.candidate, picked.naive, picked.corrected) == ("b", {"x": 2.0}, {})


@pytest.mark.parametrize(
    "cells",
    [
        [(draw, "", 1) for draw in range(4)],
        [(1, reference, seed) for reference in ("r1", "r2") for seed in (1, 2, 3)],
        [(1, "", seed) for seed in range(4)],
    ],
    ids=["draws", "retrained models and seeds", "seeds"],
)
def test_the_best_of_equals_looks_better_than_it_is_and_corrected_it_does_not(cells):
    generator = numpy.random.default_rng(1)
    naive, corrected = [], []
    for _ in range(150):
        values = generator.normal(-2, 1, (len(cells), 10))
        picked = choice({"x": table(dict(zip(cells, values.tolist(), strict=True)))}, highest)
        naive.append(picked.naive["x"])
        corrected.append(picked.corrected["x"])
    # ten candidates of mean -2: the highest of ten means of n is 1.54 / sqrt(n) above it
    assert numpy.mean(naive) == pytest.approx(-2 + 1.54 / len(cells) ** 0.5, abs=0.1)
    assert numpy.mean(corrected) == pytest.approx(-2, abs=0.15)


def courses(values: dict[tuple[int, str, int], list[float]]) -> list[tuple]:
    """log10 FQ by epoch of a run beside each retrained model, and their means."""
    rows = []
    for (draw, reference, seed), logs in values.items():
        for epoch, log in enumerate(logs):
            where = {"epoch": epoch, "draw": draw}
            beside = {"phase": AGAINST, "reference": reference}
            rows += run_rows("GA", seed, **beside, **where, **{QUALITY: log})
    runs = dict.fromkeys((draw, seed) for draw, _, seed in values)
    for draw, seed in runs:
        logs = [v for (d, _, s), v in values.items() if (d, s) == (draw, seed)]
        for epoch, log in enumerate(numpy.mean(logs, axis=0)):
            where = {"epoch": epoch, "draw": draw}
            rows += run_rows("GA", seed, phase=COURSE, **where, **{QUALITY: log})
    return rows


def test_a_peak_is_corrected_beside_other_models_and_its_naive_number_is_the_tables():
    frame = tidy(
        courses(
            {
                (1, "r1", 1): [-9, -1.0, -5.0],
                (1, "r1", 2): [-9, -4.0, -3.0],
                (1, "r2", 1): [-9, -6.0, -2.0],
                (1, "r2", 2): [-9, -3.0, -4.0],
            }
        )
    )
    (picked,) = peak_choices(frame).values()
    # epoch 1: -3.5 either way; epoch 2: -3.5; the earliest of equals, as in the figure
    assert picked.candidate == 1 and picked.naive[QUALITY] == pytest.approx(-3.5)
    assert at_peak(frame)["value"].mean() == pytest.approx(picked.naive[QUALITY])
    # picks of the opposite cells: (r2, 2) 1, (r2, 1) 2, (r1, 2) 2, (r1, 1) 1
    assert picked.corrected[QUALITY] == pytest.approx((-1 - 3 - 2 - 3) / 4)


def test_the_rule_of_grids_is_judged_on_other_seeds(experiment):
    rows = []
    for label, (logs, utilities) in {
        1.0: ((-1.0, -1.0), (0.9, 0.3)),
        2.0: ((-1.0, -1.0), (0.5, 0.6)),
    }.items():
        for seed, (log, utility) in enumerate(zip(logs, utilities, strict=True), 1):
            metrics = {QUALITY: log, "model_utility": utility}
            rows += run_rows("NPO", seed, (("beta", label),), **metrics)
    frame = tidy(rows)
    picked = choice(by_cell(frame, [QUALITY, "model_utility"]), best)
    # utilities 0.6 and 0.55: β 1 on all; by seed 2 alone β 2 (0.5 of seed 1), by seed 1 β 1 (0.3)
    assert picked.candidate == tuned(finals(frame)) == "NPO β=1"
    assert picked.naive["model_utility"] == pytest.approx(0.6)
    assert picked.corrected["model_utility"] == pytest.approx((0.5 + 0.3) / 2)
    assert picked.left_out == "one seed"


def test_both_sections_show_both_numbers(contents, page):
    peaks = contents["peaks"].csv["peak_choice"]
    assert len(peaks) == 8 and set(peaks["left_out"]) == {"one retrained model and one seed"}
    assert (peaks["corrected_log10_fq"] <= peaks["naive_log10_fq"] + 1e-9).mean() > 0.6
    (grid,) = contents["grids"].csv["grids"].to_dict("records")
    assert grid["left_out"] == "one retrained model and one seed"
    section = page.partition('<section id="grids"')[2].partition("</section>")[0]
    assert "corrected" in section and "as chosen" in section


def test_utilities_stand_beside_every_retrained_model(experiment):
    rows = courses({(1, "r1", 1): [-9, -1.0], (1, "r2", 1): [-9, -3.0]})
    rows += run_rows("GA", 1, model_utility=0.4, **{QUALITY: -2.0})
    frame = results_of(experiment, rows).frame
    tables = by_cell(frame, [QUALITY, "model_utility"])
    assert tables[QUALITY]["GA"].tolist() == [-1.0, -3.0]
    assert tables["model_utility"]["GA"].tolist() == [0.4, 0.4]
