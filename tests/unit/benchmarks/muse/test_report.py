"""MUSE's report: the stopping rule, folds, PrivLeak, published numbers, its files."""

import pandas
import pytest
from finished import micro_config
from folders import EXPERIMENTS, ROOT
from project import shipped
from report_world import (
    declared_files,
    make_report,
    quick,
    results_of,
    run_rows,
    write_runs,
    written_files,
)
from unlearning.benchmarks.muse.formulas import privleak, summarise
from unlearning.benchmarks.muse.metrics import METRICS
from unlearning.benchmarks.muse.results import MuseComparison
from unlearning.benchmarks.muse.sections.folds import NOTE
from unlearning.benchmarks.muse.sections.selected import first_to_forget
from unlearning.config.experiment import load_experiment
from unlearning.errors import UserError
from unlearning.reporting.frame import COURSE, tidy
from unlearning.reporting.published.numbers import PublishedNumbers, compared, load_published
from unlearning.reporting.report import Report
from unlearning.reporting.results import Evaluation
from unlearning.reporting.section import sections

PUBLISHED = ROOT / "config" / "published" / "muse.yaml"
NEWS = EXPERIMENTS / "muse-news-llama2-7b.yaml"


@pytest.fixture(scope="module")
def experiment():
    return load_experiment(shipped(EXPERIMENTS / "mini-muse.yaml"), ROOT)


def model(split: str, seed: int, method: str = "NPO", **changes):
    metrics = {"verbmem_f": 1.0, "knowmem_f": 2.0, "knowmem_r": 3.0, "min_k_auc": 0.5}
    return run_rows(method, seed, split=split, **{**metrics, **changes})


def report_of(experiment, rows, published=None) -> Report:
    results = results_of(experiment, rows, "muse", "muse")
    return Report(experiment, results, [], published or PublishedNumbers(), [])


def content_of(report, name: str):
    (section,) = sections("muse", (name,))
    return section.content(report)


def test_selection_takes_the_first_epoch_that_is_not_above_the_retrained_model():
    rows = []
    for epoch, value in enumerate((60, 40, 30, 12, 31)):
        rows += model("forget", 1, phase=COURSE, epoch=epoch, knowmem_f=float(value))
    trajectory = tidy(rows)

    def selected(threshold: float) -> list[float]:
        return first_to_forget(trajectory, pandas.Series({1: threshold}))["epoch"].unique().tolist()

    assert selected(30.0) == [2]
    assert selected(20.0) == [3]
    assert selected(5.0) == [4]  # none forgets: the last
    assert selected(90.0) == [1]  # the target itself is no choice
    rows_at = first_to_forget(trajectory, pandas.Series({1: 30.0}))
    assert set(rows_at["metric"]) == {*METRICS} & set(trajectory["metric"])


def test_selection_compares_a_run_with_the_retrained_models_of_its_draw():
    rows = []
    for epoch, value in enumerate((60, 40, 30, 12)):
        rows += model("forget", 1, phase=COURSE, epoch=epoch, knowmem_f=float(value))
    first = tidy(rows)
    trajectories = pandas.concat([first, first.assign(draw=2)])
    epochs = first_to_forget(trajectories, pandas.Series({1: 30.0, 2: 45.0}))
    scores = epochs[epochs["metric"] == "knowmem_f"]
    assert dict(zip(scores["draw"], scores["epoch"], strict=True)) == {1: 2.0, 2: 1.0}


def test_the_selected_epoch_has_a_table_with_the_references(experiment):
    rows = model("forget", 42, "target", knowmem_f=60.0)
    for seed, value in ((1, 10.0), (2, 30.0)):  # the threshold is their mean, 20
        rows += model("forget", seed, "retrain", knowmem_f=value)
    for seed, values in ((1, (60.0, 25.0, 19.0, 5.0)), (2, (60.0, 20.0, 3.0, 1.0))):
        for epoch, value in enumerate(values):
            rows += model("forget", seed, phase=COURSE, epoch=epoch, knowmem_f=value)
        rows += model("forget", seed, epoch=3, knowmem_f=values[-1])
    content = content_of(report_of(experiment, rows), "selected")
    (table,) = content.tables["selected"]
    cells = {row.label: [cell.text for cell in row.cells[:3]] for row in table.rows}
    assert cells == {
        "Target": ["–", "1.0", "60.0"],
        "Retrained": ["–", "1.0", "20.0"],
        "NPO": ["2, 1", "1.0", "19.5"],
    }
    assert content.csv["selected"][["seed", "epoch"]].to_numpy().tolist() == [[1, 2], [2, 1]]


def test_fold_tables_start_with_forget_of_the_same_seeds(experiment):
    rows = model("forget", 42, "target") + model("forget", 1, "retrain")
    rows += model("forget", 1, knowmem_r=50.0) + model("forget", 2, knowmem_r=90.0)
    rows += model("forget", 1, "GA") + model("sust2", 1, knowmem_r=40.0)
    rows += model("sust3", 1, knowmem_r=20.0, collapsed=True)
    report = report_of(experiment, rows)
    (main, *_) = content_of(report, "results").tables["main"]
    seeds = {row.label: row.cells[-1].text for row in main.rows}
    assert seeds == {"Target": "1", "Retrained": "1", "NPO": "2", "GA": "1"}
    content = content_of(report, "folds")
    assert content.tables["scalability"] == []
    (sustainability,) = content.tables["sustainability"]
    index = [column.key for column in sustainability.columns].index("knowmem_r")
    lines = [(row.cells[0].text, row.cells[index].text, row.badge) for row in sustainability.rows]
    assert [line[:2] for line in lines] == [("1", "50.0"), ("2", "40.0"), ("3", "20.0")]
    assert [bool(badge) for *_, badge in lines] == [False, False, True]
    assert content.figures["scalability"].note == NOTE


def test_figures_show_each_label_over_its_folds(experiment):
    rows = model("forget", 42, "target", knowmem_r=66.0) + model("forget", 1, "retrain")
    for seed in (1, 2, 3):
        rows += model("forget", seed, knowmem_r=50.0 + seed)
    for fold in (2, 3):
        for seed in (1, 2):
            rows += model(f"scal{fold}", seed, knowmem_r=50.0 - 9 * fold + seed)
    content = content_of(report_of(experiment, rows), "folds")
    panels = content.figures["scalability"].panels
    assert [panel.title for panel in panels][0].startswith("Scalability: ")
    (panel,) = [panel for panel in panels if panel.title == "Scalability: KnowMem_r"]
    references, bars, line, points, seeds = panel.chart.layer
    levels = {mark["label"]: mark["value"] for mark in references.data.values}
    assert levels == {"Target": 66, "Retrained": 3}
    means = bars.data.values
    assert [(m["fold"], m["value"]) for m in means] == [(1, 51.5), (2, 33.5), (3, 24.5)]
    assert means[0]["high"] == pytest.approx(51.5 + 0.5**0.5, abs=1e-3)
    assert len(seeds.data.values) == 6  # the third seed of the forget run has no folds
    panel.chart.to_dict(validate=True)


def test_csv_has_mean_and_spread_of_every_metric(experiment):
    rows = model("forget", 1, privleak=-90.0) + model("forget", 2, privleak=-70.0)
    table = content_of(report_of(experiment, rows), "results").csv["main"]
    (row,) = table[table["metric"] == "privleak"].to_dict("records")
    assert (row["mean"], row["n"]) == (-80, 2)
    assert row["sd"] == pytest.approx(200**0.5)
    # t(0.975, 1) = 12.706205, half = 12.706205 sqrt(200) / sqrt(2)
    assert row["low"] == pytest.approx(-80 - 127.06205, abs=1e-4)
    assert "privleak_published" not in set(table["metric"])


def test_published_numbers_stand_beside_the_same_model_corpus_method_and_values_alone():
    """The card's SimNPO: 47.09 lies between our 46 and 48, 12.90 not between 13 and 14."""
    news = load_experiment(shipped(NEWS), ROOT)
    published = load_published(PUBLISHED, news)
    assert [(m.name, m.same) for m in published.models] == [
        ("Llama-2-7b, MUSE-News", True),
        ("ICLM-7b, MUSE-Books", False),
    ]
    hyper = {cell.method: cell.hyper for cell in news.cells() if cell.split == "forget"}
    seeds = (
        {"knowmem_f": 46.0, "verbmem_f": 13.0, "privleak": 1.0},
        {"knowmem_f": 48.0, "verbmem_f": 14.0, "privleak": 2.0},
    )
    rows = []
    for method in ("retrain", "SimNPO-MUSE+RT", "SimNPO+RT", "NPO+RT"):
        for seed, metrics in enumerate(seeds):
            rows += run_rows(method, seed, hyper.get(method, ()), split="forget", **metrics)
    results = results_of(news, rows, "muse", "muse")
    methods = dict(zip(results.models["label"], results.models["method"], strict=False))
    cells = compared(published, results)
    verdicts = {}
    for cell in cells:
        key = (methods[cell.label], cell.metric, cell.text)
        verdicts[key] = (round(cell.difference, 2), cell.inside)
    assert verdicts["SimNPO-MUSE+RT", "knowmem_f", "47.09"] == (-0.09, True)
    assert verdicts["SimNPO-MUSE+RT", "verbmem_f", "12.90"] == (0.6, False)
    assert verdicts["SimNPO-MUSE+RT", "privleak", "72.93"] == (-71.43, False)  # no values stated
    assert verdicts["NPO+RT", "knowmem_f", "56"] == (-9, False)
    assert not any(c.label == "Retrained" and c.metric == "privleak" for c in cells)
    report = Report(news, results, [], published, [])
    (table,) = content_of(report, "results").tables["main"]
    (row,) = [row for row in table.rows if row.method == "SimNPO-MUSE+RT"]
    index = [column.key for column in table.columns].index("knowmem_f")
    assert row.cells[index].note == "published 47.09 (-0.1, inside)"
    news.config["unlearn"]["lr"] = 2.0e-5  # the card's was 1e-5; open-unlearning states none
    cells = compared(published, results_of(news, rows, "muse", "muse"))
    assert not any(cell.hyper_stated for cell in cells)


def test_a_miniature_has_no_published_numbers(experiment, tmp_path):
    published = load_published(PUBLISHED, experiment)
    assert not any(model.same for model in published.models)
    broken = tmp_path / "muse.yaml"
    broken.write_text(PUBLISHED.read_text().replace("verbmem_f: 58.29", "verbmem: 58.29"))
    with pytest.raises(UserError, match=r"MUSE-News, forget, target: unknown key \['verbmem'\]"):
        load_published(broken, experiment)


# seed of a retrained model, 0 for every other model -> losses of PrivLeak's texts
LOSSES = {
    0: ([1.0, 2.0, 3.0, 4.0], 3.0),
    1: ([2.0, 2.0, 2.0, 2.0], 2.5),
    2: ([1.0, 1.0, 1.0, 1.0], 1.0),
}


def rows_of(run: str, progress: float) -> dict[str, dict]:
    """What an evaluator writes; retrained models differ by their seed."""
    seed = int(run.rpartition("seed=")[2] or 0)
    remembered = 0.1 * seed if run.startswith("retrain") else 0.9 - 0.6 * progress
    columns = {
        "question": ["a", "b"],
        "answer": ["c", "d"],
        "generation": ["e", "f"],
        "rouge_l_f1": [remembered, remembered / 2],
    }
    memory = {"extraction_strength": [0.1, 0.2], "exact_memorization": [0.3, 0.4]}
    forget = [remembered + n / 10 for n in range(4)]
    # losses of a text to forget, and of each one held out
    forget_losses, holdout_loss = LOSSES[seed] if run.startswith("retrain") else LOSSES[0]
    texts = {"question": [*"ghij"], "answer_loss": forget_losses}
    others = {"question": [*"klmn"], "answer_loss": [holdout_loss] * 4}
    return {
        "verbmem": {**columns, **memory},
        "knowmem_forget": columns,
        "knowmem_retain": columns,
        "privleak_forget": {**texts, "min_k": forget, "mia_loss": forget},
        "privleak_holdout": {**others, "min_k": [0.25 + n / 10 for n in range(4)]}
        | {"mia_loss": [0.25 + n / 10 for n in range(4)]},
    }


@pytest.fixture(scope="module")
def report_folder(tmp_path_factory):
    """The report of a micro experiment whose runs were written by hand."""
    folder = tmp_path_factory.mktemp("muse")
    config = micro_config("muse") | {"results": str(folder / "results")}
    config["evaluation"] = {"membership": ["loss", "reference"]}
    experiment = load_experiment(config, ROOT)
    write_runs(experiment, rows_of)
    with quick():
        return make_report(experiment.config, folder / "report", "muse")


def test_a_report_has_the_files_that_its_sections_declare(report_folder, experiment):
    assert written_files(report_folder) == declared_files(experiment)


def test_privleak_is_the_mean_over_retrained_models(report_folder):
    frame = pandas.read_parquet(report_folder / "results.parquet")
    finals = frame[(frame["phase"] == "final") & (frame["split"] == "forget")]
    aucs = finals[finals["metric"] == "min_k_auc"].set_index("label")["value"]
    leaks = finals[finals["metric"] == "privleak"].set_index(["label", "seed"])["value"]
    first, second = aucs["Retrained"]
    expected = [privleak(aucs["Target"], auc) for auc in (first, second)]
    assert leaks["Target"].item() == pytest.approx(sum(expected) / 2)
    # the second retrained model is judged by the first, which has no judge
    (floor,) = leaks["Retrained"]
    assert floor == pytest.approx(privleak(second, first))


def test_the_reference_attack_is_the_mean_over_retrained_models(report_folder):
    """Losses less the first retrained model's are -1, 0, 1, 2 of texts to forget and 0.5 of others,
    which is higher than two: 2 / 4. Less the second's, 0, 1, 2, 3 and 2: (2 + 1 / 2) / 4."""
    frame = pandas.read_parquet(report_folder / "results.parquet")
    attacks = frame[(frame["metric"] == "mia_reference_auc") & (frame["phase"] == "final")]
    values = attacks.groupby(["split", "label"])["value"].unique().map(list).to_dict()
    assert values == {
        ("forget", "Target"): [0.5625],
        # of the second one alone: -1 of texts to forget, -1.5 of others
        ("forget", "Retrained"): [0.0],
        ("forget", "NPO+RT"): [0.5625],
        ("scal2", "NPO+RT"): [0.5625],
        ("sust2", "NPO+RT"): [0.5625],
    }
    each = frame[(frame["metric"] == "mia_reference_auc") & (frame["phase"] == "against")]
    beside = each[each["split"] == "forget"].groupby("reference")["value"].unique().map(list)
    assert beside.to_dict() == {"retrain/seed=1": [0.5], "retrain/seed=2": [0.625]}
    page = (report_folder / "index.html").read_text("utf-8")
    assert 'data-key="mia_reference_auc"' in page and "less a retrained model" in page


def test_other_texts_are_not_compared(experiment, monkeypatch):
    rows = {run: rows_of(run, 0) for run in ("finetune/seed=42", "retrain/seed=1")}
    models = {run: Evaluation(run, sets, summarise(sets)) for run, sets in rows.items()}
    monkeypatch.setitem(experiment.config["evaluation"], "membership", ["reference"])
    target, retrained = models.values()
    retrained.rows["privleak_holdout"]["question"] = [*"opqr"]
    comparison = MuseComparison(experiment, "forget", target, {retrained.run: retrained}, {})
    with pytest.raises(UserError, match="privleak_holdout sets differ"):
        comparison.model(target)


def test_later_requests_have_no_references_of_their_own(report_folder):
    frame = pandas.read_parquet(report_folder / "results.parquet")
    methods = frame.groupby("split", sort=False)["method"].unique().map(set).to_dict()
    assert methods == {
        "forget": {"target", "retrain", "NPO+RT"},
        "scal2": {"NPO+RT"},
        "sust2": {"NPO+RT"},
    }
    points = frame[(frame["split"] == "sust2") & (frame["phase"] == "course")]
    assert points["epoch"].unique().tolist() == [0, 1, 2]


def test_the_page_shows_folds_and_the_selected_epoch(report_folder):
    page = (report_folder / "index.html").read_text("utf-8")
    for name in ("selected", "folds", "answers", "claims", "published", "cite"):
        assert f'<section id="{name}"' in page
    citations = page.partition('<section id="cite"')[2]
    assert "@misc{muse," in citations and "@misc{npo," in citations
