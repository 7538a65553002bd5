"""One experiment with every section and its report, read by all tests of this folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from folders import ROOT
from report_world import make_report, write_every_section
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.reporting import provenance
from unlearning.reporting import report as reporting
from unlearning.reporting.charts.specs import file_spec
from unlearning.reporting.claims.file import load_claims
from unlearning.reporting.claims.judge import judge
from unlearning.reporting.cost import read_costs
from unlearning.reporting.published.numbers import load_published
from unlearning.reporting.report import Report
from unlearning.benchmarks.tofu.results import read

COMMIT = "0123456789012345678901234567890123456789"


def undrawn(panels, columns: int, width: int, note: str) -> dict[str, str | bytes]:
    """figure_files without pictures, which take most of a report's time: test_charts draws them."""
    spec = file_spec(panels, columns, width) if panels else {"note": note}
    return dict.fromkeys(("svg", "pdf", "png"), b"") | {"vl.json": json.dumps(spec)}


@contextmanager
def quick() -> Iterator[None]:
    """Reports are made without pictures, without Vega on the page, and without asking git."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provenance, "_git", lambda folder, *words: COMMIT if "HEAD" in words else "")
        patch.setattr(reporting, "figure_files", undrawn)
        patch.setattr(reporting, "script", lambda: "/* vega */")
        yield


@pytest.fixture
def quickly():
    """Within it reports are made as in quick()."""
    with quick():
        yield


@pytest.fixture(scope="session")
def experiment(tmp_path_factory) -> Experiment:
    """An experiment with results of every run, on one split."""
    return write_every_section(tmp_path_factory.mktemp("experiment"))


@pytest.fixture(scope="session")
def results(experiment):
    """Everything that the report reads of that experiment."""
    return read(experiment)


@pytest.fixture(scope="session")
def report_folder(experiment, tmp_path_factory) -> Path:
    """The files of its report."""
    with quick():
        return make_report(experiment.config, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def page(report_folder) -> str:
    """Its page."""
    return (report_folder / "index.html").read_text("utf-8")


@pytest.fixture(scope="session")
def claims():
    """The shipped claims."""
    return load_claims(ROOT / "config" / "claims.yaml")


@pytest.fixture(scope="session")
def report(experiment, results, claims) -> Report:
    """What its sections are made from."""
    published = ROOT / "config" / "published" / "tofu.yaml"
    return Report(
        experiment,
        results,
        judge(claims, results),
        load_published(published, experiment, results.metrics),
        read_costs(experiment),
    )


@pytest.fixture(scope="session")
def report_on():
    """report_on(results): a report on results of one's own, without claims."""

    def made(results) -> Report:
        published = load_published(None, results.experiment, results.metrics)
        return Report(results.experiment, results, [], published, [])

    return made


@pytest.fixture
def llama(experiment):
    """The experiment with Llama-2-7B-chat on TOFU."""
    config = load_experiment(experiment.config, ROOT).config
    config["data"] = {**config["data"], "source": "tofu"}
    config["model"] |= {"path": "meta-llama/Llama-2-7b-chat-hf", "architecture": None}
    return Experiment(config)
