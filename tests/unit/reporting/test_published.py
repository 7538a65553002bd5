"""Published numbers: their file, and when and how they stand beside ours."""

import math
import re

import pytest
import yaml
from folders import ROOT
from report_world import results_of, run_rows
from unlearning.benchmark import room
from unlearning.errors import UserError
from unlearning.methods.registry import names
from unlearning.reporting.labels import NAMES
from unlearning.reporting.published.comparison import half_unit
from unlearning.reporting.published.numbers import (
    PublishedNumbers,
    beside,
    compared,
    load_published,
)
from unlearning.reporting.report import Report, page, write_files
from unlearning.reporting.section import sections

FILES = sorted((ROOT / "config" / "published").glob("*.yaml"))
TOFU = ROOT / "config" / "published" / "tofu.yaml"


def test_the_mini_world_is_no_published_model(report):
    assert report.published.models and not any(model.same for model in report.published.models)
    assert report.beside == []


def test_models_are_known_by_the_last_part_of_their_path_and_by_their_data(llama):
    same = {(m.name, m.split): m.same for m in load_published(TOFU, llama).models}
    assert {name for (name, _), found in same.items() if found} == {"Llama-2-7b-chat"}
    for path, expected in (
        ("/models/llama-2-7b-chat-hf/", True),
        ("/models/Llama-2-7b-hf", False),
        (None, False),
    ):
        llama.config["model"]["path"] = path
        models = load_published(TOFU, llama).models
        assert any(model.same for model in models) == expected
    llama.config["model"]["path"] = "meta-llama/Llama-2-7b-chat-hf"
    llama.config["data"] = {"source": "mini"}
    assert not any(model.same for model in load_published(TOFU, llama).models)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_row_names_a_method_and_metrics_of_this_project(path, experiment):
    metrics = room(path.stem, "metrics").METRICS
    published = load_published(path, experiment)
    rows = [row for model in published.models for row in model.rows]
    assert rows and set(published.metrics) <= set(metrics)
    assert {row.method for row in rows} <= {*names(), *NAMES}
    for row in rows:
        assert row.values and row.source.url.startswith("https://")
        for metric, value in row.values.items():
            low, high = metrics[metric].range
            assert low <= value <= high, (row, metric)


def test_tofu_has_as_many_rows_as_its_sources():
    content = yaml.safe_load(TOFU.read_text("utf-8"))
    rows = [row for model in content["models"] for row in model["rows"]]
    counts = {}
    for row in rows:
        counts[row["source"]] = counts.get(row["source"], 0) + 1
    assert counts == {"simnpo-paper": 6, "model-card": 3, "open-unlearning": 48}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "hearsay"}, "unknown source 'hearsay'. Allowed: .*simnpo-paper"),
        ({"method": "NPO+TR"}, "unknown method 'NPO\\+TR'. Allowed: target, retrain, "),
        ({"utility": 0.5}, r"unknown key \['utility'\]. Allowed: .*model_utility"),
    ],
)
def test_errors_name_the_file_the_value_and_what_is_allowed(tmp_path, experiment, change, message):
    content = yaml.safe_load(TOFU.read_text("utf-8"))
    content["models"][0]["rows"][0] |= change
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=f"{path}: Llama-2-7b-chat, forget01.*{message}"):
        load_published(path, experiment)


def test_without_a_file_there_is_nothing_beside(experiment):
    assert load_published(None, experiment) == PublishedNumbers()


def test_half_a_unit_of_the_last_printed_digit():
    assert half_unit(0.62, 2) == pytest.approx(0.005)
    assert half_unit(47.09, 2) == pytest.approx(0.005)
    assert half_unit(58, 0) == 0.5
    assert half_unit(0.0, 2) == pytest.approx(0.005)
    assert half_unit(4.02e-6, 2) == pytest.approx(0.005e-6, rel=1e-9, abs=0)


def test_numbers_are_printed_as_published(llama):
    rows = {}
    for model in load_published(TOFU, llama).models:
        if (model.name, model.split) == ("Llama-2-7b-chat", "forget05"):
            rows = {(row.method, row.source.title[:4]): row for row in model.rows}
    row = rows["SimNPO+RT", "Mode"]
    assert (row.text("forget_quality"), row.text("model_utility")) == ("0.99", "0.58")
    assert row.text("forget_truth_ratio") == "–"
    assert row.note == "lr 1e-5, beta 2.5, gamma 0, forget_coeff 0.1375; n = 200"
    assert rows["DPO+RT", "locu"].text("forget_quality") == "4.02e-6"


def model(method, seed, hyper, quality=-1.0, utility=0.6):
    metrics = {"log10_forget_quality": quality, "forget_quality": 10**quality}
    metrics["forget_quality_rows"] = 200
    return run_rows(method, seed, hyper, split="forget05", **metrics, model_utility=utility)


RELEASED = (("beta", 2.5), ("gamma", 0.0), ("forget_coeff", 0.1375))


@pytest.fixture
def ours(llama):
    """Rows of the released variant, of another one, and of NPO+RT, of two seeds each."""
    llama.config["unlearn"]["lr"] = 1.0e-5
    rows = model("target", 42, (), -9.0, 0.62) + model("retrain", 1, ())
    for seed in (1, 2):
        rows += model("SimNPO+RT", seed, RELEASED, -0.004 * seed, 0.60 + seed / 100)
        rows += model("SimNPO+RT", seed, (("beta", 3.0),), -0.01 * seed, 0.1)
    for seed, utility in ((1, 0.5), (2, 0.6)):
        rows += model("NPO+RT", seed, (("beta", 0.1),), -3.0, utility)
    return rows


def test_published_cells_stand_beside_the_variants_that_they_speak_of(llama, ours):
    published = load_published(TOFU, llama)
    cells = compared(published, results_of(llama, ours))
    card = [c for c in cells if c.source.title.startswith("Model cards")]
    assert {c.label for c in card} == {"SimNPO+RT β=2.5 γ=0 forget ×0.1375"}
    quality, utility = card
    assert quality.inside and quality.hyper_stated  # 0.991 and 0.982 against 0.99
    # the geometric mean of both seeds, 10^-0.006
    assert quality.mean == pytest.approx(10**-0.006)
    assert not utility.inside  # 0.61 and 0.62 against 0.58
    assert utility.difference == pytest.approx(0.035)
    assert utility.note == "published 0.58 (+0.035, outside)"
    paper = [c for c in cells if c.label.startswith("NPO") and "SimNPO" in c.source.title]
    assert [(c.metric, c.inside, c.hyper_stated) for c in paper] == [
        ("forget_quality", False, True),
        ("model_utility", True, True),  # 0.57 between 0.5 and 0.6
    ]
    # open-unlearning's runs are evaluated in another way
    assert {c.source.title for c in cells} == {card[0].source.title, paper[0].source.title}
    assert not any(c.metric == "forget_quality" for c in cells if c.label == "Retrained")
    first = beside(cells)["forget05", "NPO+RT β=0.1", "forget_quality"]
    assert first.source.title.startswith("SimNPO paper")  # the first stated source
    assert (first.text, first.value) == ("0.79", 0.79)


def test_the_range_of_draws_is_of_their_geometric_means(llama):
    """Seeds of a draw at 1e-1 and 1e-3 are 1e-2 together, not the half of 1e-1."""
    llama.config["unlearn"]["lr"] = 1.0e-5
    rows = []
    for draw in (1, 2):
        for seed, quality in ((1, -1.0), (2, -3.0)):
            metrics = {"log10_forget_quality": quality, "forget_quality": 10**quality}
            metrics |= {"forget_quality_rows": 200, "model_utility": 0.6}
            of_draw = {"split": "forget05", "draw": draw}
            rows += run_rows("SimNPO+RT", seed, RELEASED, **of_draw, **metrics)
    cells = compared(load_published(TOFU, llama), results_of(llama, rows))
    cell = next(cell for cell in cells if cell.metric == "forget_quality")
    assert cell.values == pytest.approx([0.01, 0.01]) and cell.mean == pytest.approx(0.01)


def test_forget_quality_of_another_number_of_rows_stands_apart(llama, ours):
    """The p-values of tests of 100 and of 200 rows are no match; utilities are."""
    fewer = [(*row[:-1], 100) if row[-2] == "forget_quality_rows" else row for row in ours]
    cells = compared(load_published(TOFU, llama), results_of(llama, fewer))
    assert {cell.metric for cell in cells} == {"model_utility"}


def test_numbers_of_another_learning_rate_or_split_stand_apart(llama, ours):
    published = load_published(TOFU, llama)
    llama.config["unlearn"]["lr"] = 2.0e-5
    assert not any(cell.hyper_stated for cell in compared(published, results_of(llama, ours)))
    elsewhere = [("forget20", *row[1:]) for row in ours]
    assert compared(published, results_of(llama, elsewhere)) == []


def test_the_section_and_the_main_table_hold_the_same_comparison(llama, ours, tmp_path, quickly):
    results = results_of(llama, ours)
    report = Report(llama, results, [], load_published(TOFU, llama), [])
    published, main = (s.content(report) for s in sections("tofu", ("published", "results")))
    table = published.csv["published"]
    row = table[table["label"].str.startswith("SimNPO+RT β=2.5") & table["hyper_stated"]]
    row = row.set_index("metric").loc["model_utility"]
    assert (row["published"], row["n"], bool(row["inside_spread"])) == (0.58, 2, False)
    assert (row["mean"], row["difference"]) == (pytest.approx(0.615), pytest.approx(0.035))
    lines = main.csv["main"].set_index(["label", "metric"])
    line = lines.loc["SimNPO+RT β=2.5 γ=0 forget ×0.1375", "model_utility"]
    assert (line["published"], line["difference"]) == (0.58, pytest.approx(0.035))
    assert math.isnan(lines.loc["SimNPO+RT β=3", "model_utility"]["published"])  # other values
    (shown,) = main.tables["main"]
    (found,) = [r for r in shown.rows if r.label.startswith("SimNPO+RT β=2.5")]
    notes = [cell.note for cell in found.cells if cell.note]
    assert notes == ["published 0.99 (-0.004, inside)", "published 0.58 (+0.035, outside)"]


def test_the_page_shows_them_below_ours_and_by_themselves(llama, ours, tmp_path, quickly):
    details = {"lead": "", "notes": []}
    results = results_of(llama, ours, **details)
    report = Report(llama, results, [], load_published(TOFU, llama), [])
    parts = []
    for section in sections("tofu", ("overview", "results", "published")):
        content = section.content(report)
        write_files(section, content, tmp_path)
        parts.append((section, content))
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page(report, parts, tmp_path)))
    assert "published 0.58 (+0.035, outside)" in text
    assert "Stopping epochs are those of each source; ours are of the last epoch" in text
    assert "Llama-2-7b-chat, forget05: the model and data of this experiment" in text
    assert "Llama-3.2-1B-Instruct, forget05: another model or other data than here" in text
