"""Results of whole experiments, and reports of them, without a run."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from folders import ROOT
from project import merged
from report_world import (
    REPLACED,
    complete_config,
    make_report,
    write_accuracies,
    write_replaced_reference,
    write_summary,
    write_world,
)
from unlearning.benchmarks.tofu import report as tofu_report
from unlearning.benchmarks.tofu.reporting.results import read_results
from unlearning.config.experiment import Experiment


@pytest.fixture(scope="session")
def experiment(tmp_path_factory) -> Experiment:
    """An experiment with results of every run, on one split."""
    return write_world(complete_config(tmp_path_factory.mktemp("results")))


@pytest.fixture(scope="session")
def report_folder(experiment, tmp_path_factory) -> Path:
    """The report of that experiment."""
    return make_report(experiment.config, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def results(experiment):
    """Everything that the report reads of that experiment."""
    return read_results(experiment)


@dataclass(frozen=True)
class Report:
    """An experiment and the folder of its report."""

    experiment: Experiment
    folder: Path

    @property
    def page(self) -> str:
        """The page's HTML."""
        return (self.folder / "index.html").read_text("utf-8")


@pytest.fixture(scope="session")
def sections_report(tmp_path_factory) -> Report:
    """A report with the sections that the default experiment lacks: harness tasks, replaced
    references, divergence at a constant learning rate."""
    folder = tmp_path_factory.mktemp("sections")
    methods = {"GA": {}, "NPO": {}, "NPO+RT": [{"beta": 0.1}, REPLACED]}
    tasks = {"tasks": ["wmdp_bio", "own"], "include_path": str(folder)}
    config = complete_config(folder / "results", methods=methods, harness=tasks)
    config["unlearn"] |= {"schedule": "constant", "warmup_epochs": 0}
    experiment = write_world(config)
    write_replaced_reference(experiment)
    write_accuracies(experiment)
    return Report(experiment, make_report(config, folder / "report"))


@pytest.fixture
def llama(tmp_path, config_of, on_llama):
    """The experiment with Llama-2-7B-chat on TOFU."""
    return Experiment(on_llama(config_of(tmp_path)))


@pytest.fixture(scope="session")
def on_llama():
    """A config as of the SimNPO paper's TOFU table: model, data, recipe, evaluation."""
    published = yaml.safe_load((ROOT / "config/published/tofu.yaml").read_text(encoding="utf-8"))
    base = {"path": "meta-llama/Llama-2-7b-chat-hf", "architecture": None}
    stated = published["sources"]["simnpo-paper"]["config"]
    return lambda config: merged(config, {**stated, "model": base})


@pytest.fixture
def config_of():
    """complete_config(folder, **changes)."""
    return complete_config


@pytest.fixture
def world_of():
    """write_world(config, sizes)."""
    return write_world


@pytest.fixture
def report_of(monkeypatch):
    """make_report(config, out) without the SVG files, which take half of its time."""
    monkeypatch.setattr(tofu_report, "svg_figures", lambda *_: {})
    return make_report


@pytest.fixture
def replaced(tmp_path) -> Experiment:
    """Results with NPO+RT from two references."""
    methods = {"NPO+RT": [{"beta": 0.1}, REPLACED]}
    experiment = write_world(complete_config(tmp_path, methods=methods))
    write_replaced_reference(experiment)
    return experiment


@pytest.fixture
def with_tasks(tmp_path) -> Experiment:
    """Results of an experiment that asks for two harness tasks."""
    tasks = {"tasks": ["wmdp_bio", "own"], "include_path": str(tmp_path)}
    config = complete_config(tmp_path / "results", methods={"NPO": {}}, harness=tasks)
    experiment = write_world(config)
    write_accuracies(experiment)
    return experiment


@pytest.fixture
def summary_of():
    """write_summary(experiment, run, accuracy, asked)."""
    return write_summary
