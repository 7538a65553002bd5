"""A kept adapter through the stages as the rules call them: it stands for a whole model."""

import json

import pytest
import torch
from folders import ROOT
from unlearning.config.experiment import load_experiment
from unlearning.models.folder import load_model

FIT = ("--fit", json.dumps({"micro_batch": 3}))
ONE = ("python", "-m", "unlearning")
TWO = ("torchrun", "--standalone", "--nproc_per_node", "2", "-m", "unlearning")


def settings_of(experiment):
    cell = experiment.cells()[0]
    return experiment.method_settings(cell.method, cell.variant, cell.split)


def test_a_kept_adapter_is_evaluated_and_attacked_as_the_merged_model_is(
    project, micro_with, tmp_path
):
    """Two processes keep the adapter that one process merges, to rounding; from then on the folder
    is a model like any other."""
    world, data = project.world, project.world / "data"
    common = ("--data", data, "--split", "forget10", "--seed", "1")
    for way, launch in (("keep", TWO), ("merge", ONE)):
        lora = {"unlearn": {"lora": {"adapter": way}, "epochs": 4, "lr": 1.0e-2}}
        config = load_experiment(micro_with(**lora), ROOT)
        done = project.call(
            *(*launch, "unlearn", *common, "--model", world / "finetune/seed=42/model"),
            *("--retain", "retain90", "--reference", world / "forget10/reference/forget.json"),
            *("--out", tmp_path / way, "--trajectory", tmp_path / f"{way}.json", *FIT),
            *("--settings", json.dumps(settings_of(config))),
        )
        assert done.returncode == 0, done.stdout
    assert not (tmp_path / "keep" / "model.safetensors").exists()
    target, kept, merged = (
        dict(load_model(str(path)).named_parameters())
        for path in (world / "finetune/seed=42/model", tmp_path / "keep", tmp_path / "merge")
    )
    assert distance(merged, target) > 1e-3
    assert distance(kept, merged) < 1e-5

    own = json.dumps(config.evaluate_settings())
    for way in ("keep", "merge"):
        done = project.call(
            *(*ONE, "evaluate", *common[:4], "--model", tmp_path / way, *FIT),
            *("--out", tmp_path / "evaluate" / way, "--settings", own),
        )
        assert done.returncode == 0, done.stdout
    scores = [
        json.loads((tmp_path / "evaluate" / way / "summary.json").read_text())
        for way in ("keep", "merge")
    ]
    assert flat(scores[0]) == pytest.approx(flat(scores[1]), rel=1e-4, nan_ok=True)

    attacker = load_experiment(micro_with(relearn={"lora": {}}), ROOT)
    done = project.call(
        *(*ONE, "relearn", *common, "--attack", "random", "--model", tmp_path / "keep", *FIT),
        *("--out", tmp_path / "attack.json", "--settings"),
        json.dumps(attacker.relearn_settings("random")),
    )
    assert done.returncode == 0, done.stdout
    assert len(json.loads((tmp_path / "attack.json").read_text())["points"]) == 2


def distance(ours, theirs) -> float:
    """Relative to each tensor's largest weight, in all but one of a thousand weights: see
    test_stages."""
    differences = [(ours[k] - theirs[k]).abs() / theirs[k].abs().max() for k in ours]
    return float(torch.cat([d.flatten() for d in differences]).quantile(0.999))


def flat(value) -> list[float]:
    """All numbers in nested mappings, in order."""
    if isinstance(value, dict):
        return [number for key in sorted(value) for number in flat(value[key])]
    return [float(value)] if isinstance(value, int | float) else []
