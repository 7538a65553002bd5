"""Text of models inside the page's data blocks."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest
from report_world import HOSTILE, results_of, run_rows
from unlearning.reporting.embed import content_policy, inline_script, json_block
from unlearning.reporting.frame import tidy
from unlearning.reporting.report import page, write_files
from unlearning.reporting.results import Variant
from unlearning.reporting.section import sections
from unlearning.reporting.sections import answers


def test_json_blocks_hold_nothing_that_could_end_them():
    block = str(json_block({"texts": HOSTILE}))
    assert not set(block) & set("<>&\u2028\u2029")
    assert json.loads(block) == {"texts": HOSTILE}


def test_numbers_that_are_no_json_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_block([float("nan")])


def test_a_script_that_could_end_its_block_is_refused():
    with pytest.raises(ValueError, match="</script"):
        inline_script("const tag = '</SCRIPT>'")
    assert inline_script("a\r\nb") == "a\nb"


def test_the_policy_admits_these_scripts_only():
    digest = base64.b64encode(hashlib.sha256(b"run()").digest()).decode()
    policy = content_policy(["run()"])
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy


def test_the_browser_has_questions_truths_and_answers(contents):
    data = contents["answers"].data["splits"]["forget10"]
    assert data["sets"]["forget"][0] == "Forget set"
    assert data["sets"]["forget"][1][0][1] == "Author 0 wrote the novel number 0."
    assert len(data["sets"]["retain"][1]) == answers.OTHER_ROWS
    assert list(data["seeds"]) == ["1", "2", "3"]
    models = data["seeds"]["2"]
    assert [model["label"] for model in models[:3]] == ["Retrained", "Target", "GA"]
    assert models[0]["note"] == "never saw the forget set"
    found = models[2]["answers"]["forget"]
    assert [text for text, *_ in found[: len(HOSTILE)]] == HOSTILE
    assert 0 <= found[0][2] <= 1
    assert found[0][4] > 100  # GA's answers: unlikely under the target model


def test_answers_keep_to_their_budget(report, monkeypatch):
    whole = len(json.dumps(answers.content(report).data))
    monkeypatch.setattr(answers, "BUDGET", whole // 2)
    one = answers.content(report).data
    assert list(one["splits"]["forget10"]["seeds"]) == ["1"]
    monkeypatch.setattr(answers, "BUDGET", whole // 8)
    few = answers.content(report).data
    assert len(json.dumps(few)) < whole // 4
    assert len(few["splits"]["forget10"]["sets"]["forget"][1]) < 40
    assert answers.LONGEST < 5000


def test_answers_in_any_script_have_the_same_budget(report, monkeypatch):
    """Characters count as the page holds them, not as escapes of six."""
    read_rows = answers.read_rows

    def in_chinese(folder) -> dict:
        sets = read_rows(folder)
        for columns in sets.values():
            for name in {"question", "answer", "generation"} & columns.keys():
                columns[name] = ["\u5b57" * len(text) for text in columns[name]]
        return sets

    monkeypatch.setattr(answers, "read_rows", in_chinese)
    monkeypatch.setattr(answers, "BUDGET", 10**9)
    whole = answers.content(report).data
    monkeypatch.setattr(answers, "BUDGET", len(json.dumps(whole, ensure_ascii=False)))
    assert answers.content(report).data == whole


def hostile_results(experiment, rows):
    """Results whose methods no registry knows."""
    results = results_of(experiment, [row for row in rows if row[1] == "target"])
    frame = tidy(rows)
    labels = [label for label in frame["label"].unique() if label in HOSTILE]
    variants = {label: Variant(label, "default", label, {}, {}) for label in labels}
    details = {"lead": HOSTILE[1], "notes": HOSTILE}
    return replace(results, frame=frame, variants={"forget10": variants}, details=details)


def test_labels_cannot_end_what_they_stand_in(experiment, report_on, tmp_path, quickly):
    """A method of one's own has any name: it reaches tables, chips, figures and BibTeX."""
    rows = []
    for text in HOSTILE:
        rows += run_rows(text, 1, model_utility=0.5, forget_quality=0.1, log10_forget_quality=-1.0)
    rows += run_rows("target", 42, model_utility=0.5) + run_rows("retrain", 1, model_utility=0.5)
    report = report_on(hostile_results(experiment, rows))
    found = []
    for name in ("brief", "results", "fq_mu", "claims", "cite"):
        (section,) = sections("tofu", (name,))
        content = section.content(report)
        write_files(section, content, tmp_path)
        found.append((section, content))
    (overview,) = sections("tofu", ("overview",))
    markup = page(report, [(overview, overview.content(report)), *found], tmp_path)
    assert "<svg onload" not in markup and "<img src=x" not in markup
    assert markup.count("</script>") == markup.count("<script")
    assert re.search(r"\{\{ 7 \* 7 \}\}", markup)  # no template ran
