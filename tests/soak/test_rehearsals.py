"""Dress rehearsals: every shipped experiment runs to its report, with nothing large or far away."""

import pytest
import yaml
from folders import EXPERIMENTS, ROOT
from project import Project, copied

PATHS = [ROOT / "config" / "config.yaml", *sorted(EXPERIMENTS.glob("*.yaml"))]
SHORT = ("muse-books-iclm-7b",)


def parameters() -> list:
    """Every shipped experiment; one of them also in the short soak."""
    marks = dict.fromkeys(SHORT, pytest.mark.short)
    return [pytest.param(path, id=path.stem, marks=marks.get(path.stem, ())) for path in PATHS]


@pytest.fixture(scope="module")
def rehearsals(tmp_path_factory) -> Project:
    """A copy of the project for all of them: worlds that experiments share are made once."""
    return copied(tmp_path_factory.mktemp("rehearsals"))


@pytest.mark.parametrize("path", parameters())
def test_a_rehearsal_ends_in_its_report(rehearsals, path):
    """All rules run, and a second run has nothing to do."""
    command = ["snakemake", "--profile", "config/profiles/local", "--configfile", path]
    command += ["--config", "rehearsal=true"]
    done = rehearsals.call(*command, timeout=3600)
    assert done.returncode == 0, done.stdout
    name = yaml.safe_load(path.read_text())["experiment"]
    assert (
        "</html>" in (rehearsals.root / f"results/rehearsal-{name}/report/index.html").read_text()
    )
    done = rehearsals.call(*command, "--dry-run")
    assert rehearsals.job_stats(done.stdout) == {}
