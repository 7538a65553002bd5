"""The page as a file: size, safety, what it says, and one forget quality everywhere on it."""

import json
import re
import shutil
from html import unescape

import pandas
import pytest
from report_world import (
    HOSTILE,
    complete_config,
    make_report,
    results_of,
    run_rows,
    write_world,
)
from unlearning.benchmarks.tofu.metrics import METRICS
from unlearning.benchmarks.tofu.sections import brief
from unlearning.reporting import report as reporting
from unlearning.reporting.charts.specs import MEANINGFUL
from unlearning.reporting.frame import finals
from unlearning.reporting.labels import metric_text, p_value


def without_scripts(page: str) -> str:
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def text_of(markup: str) -> str:
    """What a reader sees, on one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", markup)))


def section_of(page: str, name: str) -> str:
    """The markup of one section."""
    return page.partition(f'<section id="{name}"')[2].partition("</section>")[0]


@pytest.fixture(scope="module")
def data(page) -> dict:
    """The page's data block."""
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    return json.loads(block)


def test_it_stays_small(page):
    # beside Vega's 0.8 MB, which tests/end_to_end has on its pages
    assert len(page.encode()) < 1_700_000


def test_it_loads_nothing_from_elsewhere(page):
    markup = without_scripts(page)
    assert not re.findall(
        r"""(?:src|srcset|data|poster|action)\s*=\s*["']?\s*(?:https?:)?//""", markup
    )
    assert not re.findall(r"<(?:link|iframe|object|embed|base)\b", markup)
    assert not re.findall(r"url\(|@import", markup)
    assert "Content-Security-Policy" in markup


def test_text_of_models_is_data_only(page):
    for text in HOSTILE:
        assert text not in page
    assert "window.hacked=1" not in without_scripts(page)
    assert page.count("</script>") == page.count("<script")


def test_every_section_has_its_place_and_its_link(page, contents):
    ids = re.findall(r'<(?:header|section) id="([\w-]+)"', page)
    assert ids == [*contents]
    nav = page.partition("<nav")[2].partition("</nav>")[0]
    assert re.findall(r'href="#([\w-]+)"', nav) == ids
    anchors = set(re.findall(r'\bid="([^"]+)"', page))
    assert len(anchors) == len(re.findall(r'\bid="([^"]+)"', without_scripts(page))) + 1  # data
    assert {link for link in re.findall(r'href="#([^"]+)"', page)} <= anchors


def test_it_says_what_was_run(page):
    text = text_of(without_scripts(page))
    assert "8 variants of 5 unlearning methods" in text
    assert "3 seeds each" in text
    assert "forget set 40, retain set 24, real authors 12, world facts 12" in text
    assert "24 of 24 unlearning runs are in" in text
    assert "collapsed in 3 of 3" in text
    assert "FQ = noise floor" in text
    assert "missing: this report" not in text


def test_it_shows_memorisation_membership_and_fluency(page):
    results = section_of(page, "results")
    assert "n = 40 forget rows" in text_of(results)
    table = results.partition("Further metrics on forget10")[2]
    for key in ("forget_extraction_strength", "forget_one_minus_rouge", "forget_perplexity"):
        assert f'data-key="{key}" data-better="{METRICS[key].better}"' in table
    assert (
        'data-key="privleak" data-better="zero" title="PrivLeak (min-k), percent (-100 to ∞).'
        in table
    )
    assert 'aria-label="nearer to 0 is better">→0</span>' in table
    assert 'data-key="mia_zlib_auc"' not in table  # not measured here


def test_published_numbers_of_another_model_stand_apart(page):
    section = text_of(section_of(page, "published"))
    assert "None is of the model and data of this experiment" in section
    assert "Llama-2-7b-chat, forget05: another model or other data than here" in section
    assert "published" not in text_of(section_of(page, "results"))


def small_config(folder) -> dict:
    """NPO alone, of two seeds, not evaluated on the way."""
    config = complete_config(folder, methods={"NPO": {}})
    config["unlearn"] |= {"seeds": [1, 2], "trajectory": []}
    config["relearn"]["methods"] = []
    return config


def test_a_part_of_an_experiment_makes_a_page_that_says_so(tmp_path, quickly):
    config = small_config(tmp_path / "results")
    world = write_world(config)
    for cell in world.cells():
        shutil.rmtree(world.layout.run(cell.split, cell.run))
    shutil.rmtree(world.layout.root / "benchmarks")
    out = make_report(config, tmp_path / "report")
    page = (out / "index.html").read_text("utf-8")
    text = text_of(without_scripts(page))
    assert "6 files missing: this report is of a part of the experiment" in text
    assert "0 of 2 unlearning runs are in" in text
    assert "No benchmark files were found" in text
    # sections without anything are left out, their files are written and say what to set
    for name in ("relearning", "peaks", "grids", "weights", "reference", "divergence", "harness"):
        assert f'id="{name}"' not in page and f'href="#{name}"' not in page
    for name, advice in (
        ("relearning", "set relearn.methods to the methods to attack"),
        ("peaks", "set unlearn.trajectory to the epochs to evaluate"),
        ("grids", "give one of its hyper-parameters a list of values"),
        ("weights", "No NPO or SimNPO run has been evaluated yet"),
        ("trajectories", "set unlearn.trajectory to the epochs to evaluate"),
    ):
        assert advice in (out / "figures" / f"{name}.svg").read_text("utf-8")
    assert (out / "tables" / "harness.csv").read_text("utf-8").startswith("split,method")


# --- files that the page carries along ---


def test_short_files_are_embedded_and_links_say_their_names(page, data, report_folder):
    files = data["files"]
    linked = set(re.findall(r'<a href="([^"]+)" data-file="([^"]+)"', page))
    assert all(one == other for one, other in linked)
    names = {name for name, _ in linked}
    assert names >= {"tables/main.csv", "tables/main.tex", "figures/fq_mu.pdf", "claims.json"}
    for name in names:
        assert (report_folder / name).is_file()
    for name, text in files.items():
        assert text == (report_folder / name).read_text("utf-8")
        assert len(text) <= reporting.EMBEDDED and name.endswith((".csv", ".md", ".tex"))
    assert "tables/main.tex" in files and "tables/main.csv" in files
    copied = set(re.findall(r'class="copy" data-file="([^"]+)"', page))
    assert {"tables/main.md", "tables/main.tex"} <= copied <= set(files)


def test_long_files_lie_beside_the_page(report_folder, monkeypatch):
    path = report_folder / "tables" / "main.csv"
    size = path.stat().st_size
    monkeypatch.setattr(reporting, "EMBEDDED", size)
    assert reporting._embedded(path) is not None
    monkeypatch.setattr(reporting, "EMBEDDED", size - 1)
    assert reporting._embedded(path) is None
    script = (reporting.PAGE / "page.js").read_text("utf-8")
    assert "beside" in script  # what the page says of files that it does not carry


# --- one forget quality everywhere ---


def geometric_means(results) -> dict[str, float]:
    """Label -> 10 to the mean of log10 FQ over finished models, by hand."""
    found: dict[str, list[float]] = {}
    models = finals(results.frame)
    logs = models[models["metric"] == "log10_forget_quality"]
    for label, value in zip(logs["label"], logs["value"], strict=True):
        found.setdefault(label, []).append(value)
    return {label: 10 ** (sum(values) / len(values)) for label, values in found.items()}


def in_the_brief(page: str) -> dict[str, str]:
    chips = re.findall(
        r'data-label="([^"]+)"[^>]*>(?:(?!</button>).)*?<small>FQ (.+?) · MU',
        section_of(page, "brief"),
        re.S,
    )
    return {unescape(label): unescape(text) for label, text in chips}


def in_the_table(page: str) -> dict[str, str]:
    table = section_of(page, "results").partition("<table")[2].partition("</table>")[0]
    keys = re.findall(r'data-key="([^"]+)"', table)
    place = keys.index("forget_quality")
    found = {}
    for row in re.findall(r"<tr data-label.*?</tr>", table, re.S):
        label = unescape(re.search(r'data-label="([^"]+)"', row)[1])
        cell = re.findall(r"<td[^>]*>(.*?)</td>", row, re.S)[place]
        found[label] = unescape(cell.partition(" <small>")[0])
    return found


def in_the_figure(data: dict) -> dict[str, str]:
    means = data["specs"]["fq_mu-0"]["layer"][2]["data"]["values"]
    return {mark["label"]: mark["fq_text"] for mark in means}


def in_the_claims(page: str, report) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for judged in report.claims:
        claim = judged.claim
        if claim.metric != "forget_quality" or claim.of.at != "last":
            continue
        article = page.partition(f'id="claim-{claim.id}"')[2].partition("</article>")[0]
        sides = re.findall(r'<td class="number">([^<]+) vs ([^<]+)</td>', article)
        run = [part for part in judged.parts if part.numbers]
        assert len(sides) == len(run)
        for part, (ours, theirs) in zip(run, sides, strict=True):
            found.setdefault(part.variant, set()).add(unescape(ours))
            if claim.than is not None and (claim.than.at, claim.factor) == ("last", 1):
                found.setdefault(part.against, set()).add(unescape(theirs))
    return found


def test_one_forget_quality_is_printed_everywhere(page, data, report, report_folder):
    expected = {label: p_value(value) for label, value in geometric_means(report.results).items()}
    assert len(expected) == 10
    assert in_the_table(page) == expected
    assert in_the_brief(page) == expected
    assert in_the_figure(data) == expected
    claimed = in_the_claims(page, report)
    assert len(claimed) >= 6
    assert claimed == {label: {expected[label]} for label in claimed}
    latex = (report_folder / "tables" / "main.tex").read_text("utf-8")
    markdown = (report_folder / "tables" / "main.md").read_text("utf-8")
    for label, text in expected.items():
        row = next(line for line in markdown.splitlines() if line.startswith(f"| {label} "))
        assert row.split(" | ")[1].strip("*").startswith(text)
        assert text.replace("<", "$<$") in latex
    (block,) = re.findall(r"<p>Mean ± standard.*?</p>", section_of(page, "results"), re.S)
    assert f"forget10 {expected['Retrained']}" in unescape(block)  # the noise floor


def test_means_in_csv_are_those_of_the_page(report, report_folder):
    expected = geometric_means(report.results)
    main = pandas.read_csv(report_folder / "tables" / "main.csv")
    rows = main[main["metric"] == "forget_quality"].set_index("label")
    assert rows["mean"].to_dict() == pytest.approx(expected, rel=1e-9, abs=0)
    assert set(rows["average"]) == {"geometric"}


# --- the quadrants of the brief section ---


def test_variants_are_placed_by_both_metrics(contents):
    (split,) = contents["brief"].words["splits"]
    places = {place: [p["label"] for p in placed] for place, placed in split["quadrants"].items()}
    assert "NPO+RT β=1" in places[True, True]
    assert "IDK+RT" in places[False, True]
    assert "GA" in places[False, False]
    assert sum(map(len, places.values())) == split["variants"] == 8


def test_a_variant_whose_interval_includes_a_border_is_open(report, contents):
    (split,) = contents["brief"].words["splits"]
    target = report.spreads["forget10", "Target"]["model_utility"].mean
    assert split["kept_from"] == metric_text("model_utility", 0.9 * target)
    for (forgets, keeps), placed in split["quadrants"].items():
        for one in placed:
            spreads = report.spreads["forget10", one["label"]]
            quality, utility = spreads["log10_forget_quality"], spreads["model_utility"]
            assert (quality.mean > MEANINGFUL, utility.mean > 0.9 * target) == (forgets, keeps)
            sure = quality.low > MEANINGFUL or quality.high < MEANINGFUL
            sure &= utility.low > 0.9 * target or utility.high < 0.9 * target
            assert one["open"] != sure


def test_one_seed_leaves_a_variant_open(experiment, report_on):
    rows = run_rows("target", 42, model_utility=0.5, log10_forget_quality=-9.0)
    rows += run_rows("retrain", 1, model_utility=0.5)
    rows += run_rows("NPO", 1, model_utility=0.5, log10_forget_quality=-0.1, forget_quality=0.79)
    (split,) = brief.content(report_on(results_of(experiment, rows))).words["splits"]
    (placed,) = split["quadrants"][True, True]
    assert placed["open"] and placed["numbers"] == "FQ 0.794 · MU 0.500"
    assert split["references"][1] == ("Retrained", "MU 0.500")


# --- claims on the page ---


def test_claims_have_one_verdict_link_filter_and_fold(page, report):
    section = section_of(page, "claims")
    articles = re.findall(
        r'<article class="claim" id="claim-([^"]+)" data-verdict="([^"]+)"', section
    )
    verdicts = {judged.claim.id: judged.verdict for judged in report.claims}
    assert dict(articles) == verdicts and len(articles) == len(verdicts)
    for name in verdicts:
        assert f'href="#claim-{name}"' in section
    folded = section.partition('<details id="claims-not-run">')[2]
    assert set(re.findall(r'data-verdict="([^"]+)"', folded)) == {"not run"}
    shown = dict(
        re.findall(
            r'<button type="button" class="filter" data-verdict="([^"]+)"'
            r".*?<b>(\d+)</b>",
            section,
        )
    )
    assert shown == {
        name: str(count)
        for name in ("supported", "not supported", "mixed", "inconclusive", "not run")
        if (count := [*verdicts.values()].count(name))
    }


def test_claims_json_holds_what_the_page_says(report_folder, report):
    records = json.loads((report_folder / "claims.json").read_text("utf-8"))
    assert [record["id"] for record in records] == [judged.claim.id for judged in report.claims]
    (found,) = [record for record in records if record["id"] == "ga-destroys-utility"]
    assert found["verdict"] == "supported" and found["method"] == "GA"
    (part,) = found["parts"]
    assert (part["split"], part["seeds"], part["variant"]) == ("forget10", 3, "GA")
    assert set(part["numbers"]) == {"of", "than", "difference", "low", "high", "p"}
    assert part["holm"] >= part["numbers"]["p"]
