"""A dress rehearsal: the DAG of a full-size experiment, with nothing that is large or far away.

tests/soak runs them.
"""

import json
from collections import Counter

import pytest
import yaml
from finished import micro_config
from folders import EXPERIMENTS, ROOT
from unlearning.config.experiment import load_experiment
from unlearning.config.judged import assets_of

PATHS = [ROOT / "config" / "config.yaml", *sorted(EXPERIMENTS.glob("*.yaml"))]
WRITTEN = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in PATHS}
SYNTHETIC = [config for config in WRITTEN.values() if "synthetic" in config]
SHIPPED = [config for config in WRITTEN.values() if "synthetic" not in config]


@pytest.mark.parametrize("config", SHIPPED, ids=lambda config: config["experiment"])
def test_every_experiment_can_be_rehearsed_with_the_same_runs_of_one_seed(config):
    whole = load_experiment(config, ROOT)
    rehearsal = load_experiment({**config, "rehearsal": True}, ROOT)

    first = whole.config["unlearn"]["seeds"][0]
    assert rehearsal.cells() == [cell for cell in whole.cells() if cell.seed == first]
    attacks = [(cell, attack) for cell, attack in whole.attacks() if cell.seed == first]
    assert rehearsal.attacks() == attacks
    assert assets_of(rehearsal) == {}  # nothing from the hub
    assert rehearsal.config["resources"]["gpus"] == 0
    assert str(rehearsal.layout.report) == f"results/rehearsal-{config['experiment']}/report"
    assert rehearsal.layout.root != whole.layout.root
    recipe = rehearsal.config["unlearn"]
    # forget01 of ten authors with two questions each has two rows
    assert recipe["batch_size"] <= (2 if recipe["whole_batches"] == "epoch" else 4)
    json.dumps(rehearsal.config)


@pytest.mark.parametrize("config", SYNTHETIC, ids=lambda config: config["experiment"])
def test_synthetic_studies_keep_their_runs(config):
    whole = load_experiment(config, ROOT)
    rehearsal = load_experiment({**config, "rehearsal": True}, ROOT)
    jobs = rehearsal.jobs()
    seeds = {study: section["seeds"][0] for study, section in whole.studies.items()}
    assert jobs == [job for job in whole.jobs() if job.seed == seeds[job.study]]
    for job in jobs:
        assert rehearsal.runs(job.study, job.setting) == whole.runs(job.study, job.setting)
    assert str(rehearsal.curves(jobs[0])).startswith(f"results/rehearsal-{config['experiment']}/")


def test_tiny_models_stand_for_those_that_your_own_data_name(fresh):
    """A method and an attack that need the retrained model have one."""
    config = {key: value for key, value in micro_config("own").items() if key != "pretrain"}
    config["model"] = {"prompt": "plain", "precision": "float32"}
    config |= {"target": {"path": "someone/target"}, "rehearsal": True}
    config |= {"retrained": {"forget": {"path": "someone/retrained"}}}
    config["methods"] = {"NPO": {"reference": ["target", "retrain"]}}
    config["relearn"] = {"methods": []}
    config["evaluation"] = {**config["evaluation"], "membership": ["min_k", "reference"]}
    jobs = {"data": 1, "answers": 1, "pretrain": 1, "finetune": 1, "retrain": 1, "reference": 1}
    jobs |= {"replaced_reference": 1, "unlearn": 2, "evaluate": 4, "report": 1}
    assert fresh.jobs(config) == jobs


def test_its_dag_is_that_of_the_experiment(fresh):
    path = EXPERIMENTS / "tofu-relearning-llama2-7b.yaml"
    done = fresh.dry_run(path, "--config", "rehearsal=true")
    assert done.returncode == 0, done.stdout
    seeds = 1
    assert fresh.job_stats(done.stdout) == Counter(
        data=1,
        answers=2,
        pretrain=1,
        finetune=1,
        retrain=2,
        reference=1,
        report=1,
        unlearn=2 * seeds,
        evaluate=3 + 2 * seeds,
        relearn=2 * 2 * 4 * seeds,
    )
    assert "random/fraction=0.05/trajectory.json" in done.stdout
