"""Text of models inside the page's data blocks."""

import base64
import hashlib
import json

import pytest
from report_world import HOSTILE
from unlearning.benchmarks.tofu.reporting.generations import LONGEST, browser_data
from unlearning.reporting.embed import content_policy, inline_script, json_block


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


def test_browser_data_holds_questions_truths_and_answers(results):
    data = browser_data(results)["splits"]["forget10"]
    assert data["sets"]["forget"][0][1] == "Author 0 wrote the novel number 0."
    assert len(data["sets"]["retain"]) == 20
    assert list(data["seeds"]) == ["1", "2", "3"]
    models = data["seeds"]["2"]
    assert [model["label"] for model in models[:3]] == ["Retrained", "Target", "GA"]
    answers = models[2]["answers"]["forget"]
    assert [text for text, *_ in answers[: len(HOSTILE)]] == HOSTILE
    assert 0 <= answers[0][2] <= 1
    assert answers[0][4] > 100  # GA's answers: unlikely under the target model


def test_browser_data_keeps_to_its_budget(results):
    whole = len(json.dumps(browser_data(results)))
    one = browser_data(results, budget=whole // 2)
    assert list(one["splits"]["forget10"]["seeds"]) == ["1"]
    few = browser_data(results, budget=whole // 8)
    assert len(json.dumps(few)) < whole // 4
    assert len(few["splits"]["forget10"]["sets"]["forget"]) < 40
    assert LONGEST < 5000
