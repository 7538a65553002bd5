"""Published numbers: their file, and when they stand beside ours."""

import pytest
import yaml
from folders import ROOT
from unlearning.benchmarks.tofu.reporting.published import beside_ours, load_published, same_model
from unlearning.errors import UserError
from unlearning.methods.registry import names
from unlearning.reporting.labels import NAMES

FILE = ROOT / "config" / "published" / "tofu.yaml"
NOT_HERE = {"RMU"}


def test_the_mini_world_is_no_published_model(experiment):
    published = load_published(FILE, experiment)
    assert not any(model.same for model in published.models)
    assert beside_ours(published.models, "forget10", experiment) == {}


def test_numbers_of_the_same_model_stand_beside_ours(llama):
    published = load_published(FILE, llama)
    assert [model.same for model in published.models] == [True, False]
    found = beside_ours(published.models, "forget05", llama)
    assert (found["SimNPO+RT"].fq_text, found["SimNPO+RT"].mu_text) == ("0.99", "0.58")
    assert found["NPO+RT"].source.title.startswith("SimNPO paper")  # the first stated source
    assert "DPO+RT" not in found  # open-unlearning's alone, whose evaluation is another
    assert found["NPO+RT"].note == "lr 1e-5, beta 0.1, forget_coeff 1, retain_coeff 1; n = 200"


def test_folders_and_hub_ids_are_matched_by_their_last_part():
    ids = ["meta-llama/Llama-2-7b-chat-hf"]
    assert same_model("/models/llama-2-7b-chat-hf/", ids)
    assert not same_model("/models/Llama-2-7b-hf", ids)


def test_every_row_names_a_method_of_this_project_or_none_of_it(experiment):
    rows = [row for model in load_published(FILE, experiment).models for row in model.rows]
    assert len(rows) == 57
    assert {row.method for row in rows} <= {*names(), *NAMES, *NOT_HERE}
    assert all(row.fq <= 1 and row.mu <= 1 for row in rows)


def test_an_unknown_source_is_an_error(tmp_path, experiment):
    content = yaml.safe_load(FILE.read_text("utf-8"))
    content["models"][0]["splits"]["forget05"][0]["source"] = "hearsay"
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="unknown source 'hearsay'. Allowed: model-card, npo-paper"):
        load_published(path, experiment)
