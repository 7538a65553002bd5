"""One experiment with every section and its report, read by all tests of this folder."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from folders import ROOT
from project import merged
from report_world import make_report, quick, svg_alone, write_every_section
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.reporting import report as reporting
from unlearning.reporting.published.numbers import load_published
from unlearning.reporting.report import Report
from unlearning.reporting.section import Content


@pytest.fixture
def quickly():
    """Within it reports are made as in quick()."""
    with quick():
        yield


@pytest.fixture(scope="session")
def experiment(tmp_path_factory) -> Experiment:
    """An experiment with results of every run, on one split."""
    return write_every_section(tmp_path_factory.mktemp("experiment"))


@dataclass(frozen=True)
class Made:
    """A report and its folder. contents: section -> what it shows."""

    report: Report
    folder: Path
    contents: dict[str, Content]


@pytest.fixture(scope="session")
def made(experiment, tmp_path_factory) -> Made:
    """The report of that experiment, as the stage makes it."""
    folder, rendered = tmp_path_factory.mktemp("report"), []
    whole = reporting.page

    def page(report, parts, out) -> str:
        rendered.append((report, {section.id: content for section, content in parts}))
        return whole(report, parts, out)

    with quick(svg_alone), pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "page", page)
        make_report(experiment.config, folder)
    ((report, contents),) = rendered
    return Made(report, folder, contents)


@pytest.fixture(scope="session")
def report(made) -> Report:
    """What its sections are made from."""
    return made.report


@pytest.fixture(scope="session")
def results(report):
    """Everything that it reads."""
    return report.results


@pytest.fixture(scope="session")
def contents(made) -> dict[str, Content]:
    """Section -> what it shows."""
    return made.contents


@pytest.fixture(scope="session")
def report_folder(made) -> Path:
    """Its files."""
    return made.folder


@pytest.fixture(scope="session")
def page(report_folder) -> str:
    """Its page."""
    return (report_folder / "index.html").read_text("utf-8")


@pytest.fixture(scope="session")
def report_on():
    """report_on(results): a report on results of one's own, without claims."""

    def bare(results) -> Report:
        published = load_published(None, results.experiment)
        return Report(results.experiment, results, [], published, [])

    return bare


@pytest.fixture
def llama(experiment):
    """The experiment as of the SimNPO paper's TOFU table: model, data, recipe, evaluation."""
    published = yaml.safe_load((ROOT / "config/published/tofu.yaml").read_text(encoding="utf-8"))
    base = {"path": "meta-llama/Llama-2-7b-chat-hf", "architecture": None}
    stated = published["sources"]["simnpo-paper"]["config"]
    config = load_experiment(experiment.config, ROOT).config
    return Experiment(merged(config, {**stated, "model": base}))
