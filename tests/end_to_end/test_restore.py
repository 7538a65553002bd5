"""The DAG from a base model that is a GGUF file."""

import pytest
from folders import ROOT
from unlearning.config.experiment import load_experiment
from unlearning.files import read_json
from unlearning.reporting.provenance import base_origin

pytest.importorskip("gguf", reason="the package gguf writes the file that is restored")
from toy_gguf import changes, write_gguf


def test_the_target_is_fine_tuned_from_what_was_restored(fresh, micro_with, complete, tmp_path):
    """And the report's provenance names the file."""
    source = tmp_path / "tiny.Q8_0.gguf"
    write_gguf(source)
    config = micro_with(**changes(source), world="from-gguf")
    world = fresh.root / "results" / "from-gguf"
    complete(fresh, config, "results/from-gguf/finetune/seed=1/model")
    assert read_json(world / "restore" / "model" / "run.json")["stage"] == "restore"
    assert "quantization_config" not in read_json(world / "finetune/seed=1/model/config.json")
    experiment = load_experiment({**config, "results": str(world.parent)}, ROOT)
    assert base_origin(experiment)["file"] == source.name
