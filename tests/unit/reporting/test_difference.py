"""What changed between two reports, against a t-test by hand."""

import json
import math

import pytest
from report_world import run_rows
from unlearning.errors import UserError
from unlearning.reporting.difference import differences
from unlearning.reporting.frame import tidy
from unlearning.stages.compare import text


def report(folder, values: dict[str, list[float]], verdicts=None, metric="model_utility"):
    """A report's folder with a frame of methods' values by seed."""
    rows = []
    for method, seeds in values.items():
        for seed, value in enumerate(seeds, 1):
            rows += run_rows(method, seed, **{metric: value})
    folder.mkdir()
    tidy(rows).to_parquet(folder / "results.parquet", index=False)
    claims = [{"id": name, "verdict": verdict} for name, verdict in (verdicts or {}).items()]
    (folder / "claims.json").write_text(json.dumps(claims))
    return folder


def test_numbers_beyond_their_spread_come_first(tmp_path):
    first = report(
        tmp_path / "first",
        {"GA": [0.5, 0.5], "DPO+RT": [0.1], "NPO": [1.0, 2.0, 3.0], "KTO": [1.0, 2.0, 3.0]},
    )
    second = report(
        tmp_path / "second",
        {"GA": [0.5, 0.5], "DPO+RT": [0.2], "NPO": [5.0, 6.0, 7.0], "KTO": [1.5, 2.0, 3.0]},
    )
    numbers = differences(first, second).numbers
    assert numbers[["label", "kind"]].to_numpy().tolist() == [
        ["NPO", "beyond"],
        ["DPO+RT", "single"],
        ["KTO", "within"],
        ["GA", "same"],
    ]
    npo = numbers.iloc[0]
    assert (npo["first"], npo["second"], npo["difference"]) == (2.0, 6.0, 4.0)
    # t = 4 / sqrt(2/3) with 4 degrees of freedom: p = 1 - sin a (1 + cos(a)^2 / 2), tan a = t / 2
    angle = math.atan(4 / math.sqrt(2 / 3) / 2)
    assert npo["p"] == pytest.approx(1 - math.sin(angle) * (1 + math.cos(angle) ** 2 / 2))
    assert (npo["n_first"], npo["n_second"]) == (3, 3)


def test_seeds_in_another_order_are_the_same(tmp_path):
    first = report(tmp_path / "first", {"NPO": [1.0, 2.0, 3.0]})
    second = report(tmp_path / "second", {"NPO": [3.0, 1.0, 2.0]})
    assert differences(first, second).numbers["kind"].tolist() == ["same"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1 / 3, 1 / 3], [1 / 3 + 1e-16, 1 / 3]),  # as another machine rounds
        ([0.1, 0.2], [0.2 + 3e-17, 0.1 - 1e-17]),
        ([1.0, 1.0], [1.0, 1.0, 1.0]),  # a seed more
        ([0.0], [0.0, 0.0]),
    ],
)
def test_rounding_and_a_further_equal_seed_are_no_difference(tmp_path, first, second):
    folders = [
        report(tmp_path / name, {"NPO": v}) for name, v in zip("ab", (first, second), strict=True)
    ]
    assert differences(*folders).numbers["kind"].tolist() == ["same"]


def test_a_side_without_spread_is_tested_against_the_others(tmp_path, recwarn):
    first = report(tmp_path / "first", {"NPO": [1.0, 1.0, 1.0]})
    second = report(tmp_path / "second", {"NPO": [1.0, 2.0, 3.0]})
    numbers = differences(first, second).numbers
    # t = -1 / sqrt(1/3) with 2 degrees of freedom: p = 1 - |t| / sqrt(t^2 + 2) = 1 - sqrt(3/5)
    assert numbers["kind"].tolist() == ["within"] and not recwarn.list
    assert numbers["p"].tolist() == [pytest.approx(1 - math.sqrt(3 / 5))]


def test_values_without_any_spread_differ_beyond_it(tmp_path):
    first = report(tmp_path / "first", {"NPO": [1.0, 1.0]})
    second = report(tmp_path / "second", {"NPO": [2.0, 2.0]})
    assert differences(first, second).numbers["kind"].tolist() == ["beyond"]


def test_p_values_are_compared_by_their_logarithms_alone(tmp_path):
    folders = []
    for name, logs in (("first", (-1.0, -2.0)), ("second", (-9.0, -9.5))):
        rows = []
        for seed, log in enumerate(logs, 1):
            rows += run_rows("NPO", seed, forget_quality=10**log, log10_forget_quality=log)
        folder = report(tmp_path / name, {})
        tidy(rows).to_parquet(folder / "results.parquet", index=False)
        folders.append(folder)
    numbers = differences(*folders).numbers
    assert numbers["metric"].tolist() == ["log10_forget_quality"]
    assert numbers["difference"].tolist() == [pytest.approx(-7.75)]


def test_verdicts_that_turned_and_models_of_one_side_are_named(tmp_path):
    verdicts = {"turned": "supported", "stays": "mixed", "gone": "supported"}
    first = report(tmp_path / "first", {"NPO": [1.0], "GA": [0.0]}, verdicts)
    verdicts = {"turned": "inconclusive", "stays": "mixed", "new": "supported"}
    second = report(tmp_path / "second", {"NPO": [2.0], "RMU": [0.0]}, verdicts)
    found = differences(first, second)
    assert found.verdicts == {"turned": ("supported", "inconclusive")}
    assert found.only == (["forget10, GA"], ["forget10, RMU"])
    lines = text(found, 40).splitlines()
    assert lines[0].startswith("1 numbers that both have: 0 differ beyond")
    assert "1 single values differ" in lines[0]
    assert lines[1] == "  forget10  NPO  model_utility: 1.000 → 2.000 (n 1, 1, one seed)"
    assert lines[2] == "claim turned: supported → inconclusive"
    assert lines[3:] == ["only in the first: forget10, GA", "only in the second: forget10, RMU"]


def test_more_lines_than_asked_for_are_counted(tmp_path):
    names = [f"m{n}" for n in range(5)]
    first = report(tmp_path / "first", {name: [1.0] for name in names})
    second = report(tmp_path / "second", {name: [2.0] for name in names})
    lines = text(differences(first, second), 2).splitlines()
    assert len(lines) == 4 and "3 more" in lines[3] and "--csv" in lines[3]


def test_a_report_equals_itself(report_folder):
    found = differences(report_folder, report_folder)
    assert set(found.numbers["kind"]) == {"same"} and len(found.numbers) > 100
    assert found.verdicts == {} and found.only == ([], [])


def test_folders_without_a_report_are_refused(tmp_path):
    whole = report(tmp_path / "report", {"NPO": [1.0]})
    assert len(differences(tmp_path, whole).numbers) == 1  # a results folder with one report
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=f"{tmp_path / 'empty'} holds no results.parquet"):
        differences(whole, tmp_path / "empty")
    frame = tidy(run_rows("NPO", 1, model_utility=1.0)).drop(columns="attack")
    frame.to_parquet(whole / "results.parquet")
    with pytest.raises(UserError, match="lacks the columns attack.*make that report again"):
        differences(whole, whole)
