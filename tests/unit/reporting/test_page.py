"""The page as a file: size, safety, what it says."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from report_world import HOSTILE
from unlearning.benchmarks.tofu.metrics import METRICS
from unlearning.benchmarks.tofu.reporting.overview import overview


@pytest.fixture(scope="session")
def page(report_folder):
    return (report_folder / "index.html").read_text("utf-8")


def without_scripts(page):
    return re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_it_stays_small(page):
    assert len(page.encode()) < 5_000_000


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


def test_it_says_what_was_run(page):
    markup = re.sub(r"\s+", " ", without_scripts(page))
    assert "10 variants of 9 unlearning methods" in markup
    assert "3 seeds each" in markup
    assert "forget set 40, retain set 24, real authors 12, world facts 12" in markup
    assert "30 of 30 unlearning runs are in" in markup
    assert "collapsed in 3 of 3" in markup
    assert "FQ = noise floor" in markup


def test_it_shows_memorisation_membership_and_fluency(page):
    markup = re.sub(r"\s+", " ", without_scripts(page))
    assert "each FQ test compares n = 40 forget rows" in markup
    assert "Memorisation, membership and fluency on forget10" in markup
    table = markup.partition("Memorisation, membership and fluency on")[2]
    for key in ("forget_extraction_strength", "forget_one_minus_rouge", "forget_perplexity"):
        assert f'data-key="{key}" data-better="{METRICS[key].better}"' in table
    assert (
        'data-key="privleak" data-better="zero" title="PrivLeak (min-k), percent (-100 to ∞).'
        in table
    )
    assert '<span aria-label="nearer to 0 is better">→0</span>' in table
    assert 'data-key="mia_zlib_auc"' not in table  # not measured here


def test_published_numbers_of_another_model_stand_apart(page):
    assert "Published (Llama-2-7b-chat; other model than here)" in page
    assert '<td class="number published"' not in page


def test_published_numbers_of_the_same_model_stand_beside_ours(
    tmp_path, config_of, world_of, report_of
):
    config = config_of(tmp_path / "results", methods={"NPO": {}, "NPO+RT": {}})
    config["relearn"]["methods"] = []
    world_of(config)
    config["data"] = {"source": "tofu", "data_dir": None, "retain_authors": None}
    config["model"] |= {"path": "meta-llama/Llama-2-7b-chat-hf", "architecture": None}
    page = (report_of(config, tmp_path / "report") / "index.html").read_text("utf-8")
    assert "Published (Llama-2-7b-chat; the model of this experiment)" in page
    assert re.search(r'<td class="number published" data-value="0.29"[^>]*>0.29</td>', page)
    assert "set relearn.methods to the methods to attack" in page


def test_a_part_of_an_experiment_makes_a_page_that_says_so(
    tmp_path, config_of, world_of, report_of
):
    config = config_of(tmp_path / "results", methods={"GA": {}, "NPO": {}})
    config["unlearn"]["trajectory"], config["relearn"]["methods"] = [], []
    world = world_of(config)
    for cell in world.cells():
        shutil.rmtree(world.layout.run(cell.split, cell.run))
    shutil.rmtree(world.layout.root / "benchmarks")
    page = (report_of(config, tmp_path / "report") / "index.html").read_text("utf-8")
    assert "12 files missing: this report is of a part of the experiment" in page
    assert "0 of 6 unlearning runs are in" in page
    assert "No benchmark files were found" in page


def test_overview_places_variants_by_both_metrics(results):
    brief = overview(results.splits[0])
    assert [placed.label for placed in brief.groups[True, True]] == [
        "NPO+RT β=1",
        "SimNPO+RT β=2.5 forget ×1",
    ]
    assert "IDK+RT" in [placed.label for placed in brief.groups[False, True]]
    assert "GA" in [placed.label for placed in brief.groups[False, False]]


def test_the_report_needs_no_torch():
    code = "import sys, unlearning.stages.report; sys.exit('torch' in sys.modules)"
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=path).returncode == 0
