"""Every experiment that is shipped is valid and can be planned on any machine."""

import json

import pytest
import yaml
from folders import ROOT
from unlearning.config.experiment import load_experiment
from unlearning.planning.stages import Plan

SHIPPED = [
    ROOT / "config" / "config.yaml",
    *sorted((ROOT / "config" / "experiments").glob("*.yaml")),
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_dry_run(fresh, path):
    """Without data, models or a GPU; the plan holds every run that the config asks for."""
    experiment = load_experiment(yaml.safe_load(path.read_text(encoding="utf-8")), ROOT)
    done = fresh.snakemake(path, "--dry-run")
    assert done.returncode == 0, done.stdout
    jobs = fresh.job_stats(done.stdout)
    if experiment.synthetic:
        assert sum(jobs.values()) == len(experiment.jobs()) + 1
        return
    splits, retrained, cells = experiment.own_splits, experiment.retrain_runs(), experiment.cells()
    assert jobs["unlearn"] == len(cells) > 0
    assert jobs["retrain"] == len(splits) * len(retrained)
    assert jobs["relearn"] == len(experiment.attacks())
    assert jobs["pretrain"] == experiment.from_scratch
    assert jobs["data"] == jobs["report"] == 1
    if experiment.on_wmdp:
        assert jobs["harness"] == 1 + len(cells) and not jobs["evaluate"] + jobs["finetune"]
    else:
        assert jobs["evaluate"] == len(splits) * (1 + len(retrained)) + len(cells)
        assert jobs["finetune"] == 1
    assert Plan(experiment, room=80e9).jobs() == jobs


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_paths_do_not_depend_on_the_order_of_keys(path):
    """The report reads its settings as sorted JSON, and must find what the rules wrote."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    written = load_experiment(config, ROOT)
    read = load_experiment(json.loads(json.dumps(config, sort_keys=True)), ROOT)
    if written.synthetic:
        assert read.jobs() == written.jobs()
        return
    assert read.cells() == written.cells()
    assert read.attacks() == written.attacks()


def test_names_are_those_of_the_files():
    """The report of config/experiments/x.yaml lies in results/x."""
    for path in SHIPPED[1:]:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["experiment"] == path.stem
