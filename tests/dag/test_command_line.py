"""What Snakemake makes of configs and values, wherever it is started."""

import os
import subprocess
from collections import Counter

import pytest
import yaml
from broken_configs import BROKEN
from folders import ROOT
from project import MICRO, micro
from snakemake.cli import parse_config
from snakemake.settings.types import ConfigSettings
from unlearning.config.entries import typed_values
from unlearning.config.reading import typed
from unlearning.config.schema import schema_for

PLANNED = Counter(data=1, pretrain=1, finetune=1, retrain=2, reference=1, unlearn=2, relearn=1)
PLANNED += Counter(answers=2, evaluate=5, report=1)


def refusal(done) -> str:
    """The output of a run that stopped before any job, without a traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stdout and "Job stats" not in done.stdout
    assert "The configuration cannot be run" in done.stdout
    return done.stdout


def test_values_of_any_type(fresh):
    values = ['unlearn={"lr": 1e-4, "seeds": [1, 2, 3]}', "rehearsal=false", "keep_models=false"]
    values += ['retrain={"seeds": [5]}', 'methods={"NPO+RT": {"beta": [0.1, 1.0e-1, 2e-1]}}']
    output = refusal(fresh.dry_run(MICRO, "--config", *values))
    # of all these one is wrong: the grid lists 0.1 twice
    assert "methods.NPO+RT.beta: a grid is a list of distinct values" in output
    assert "found [0.1, 0.1, 0.2]" in output and output.count("\n- ") == 1
    values[-1] = 'methods={"NPO+RT": {"beta": [1.0e-1, 2e-1]}}'
    done = fresh.dry_run(MICRO, "--config", *values)
    jobs = fresh.job_stats(done.stdout)
    assert (jobs["unlearn"], jobs["retrain"], jobs["relearn"]) == (9, 1, 3)


def test_a_job_of_a_cluster_reads_what_its_run_has_read():
    """Snakemake hands values on in spellings of its own."""
    entries = ["unlearn={lr: 1e-4, seeds: [1, 2]}", "keep_models=false", "world=", "results=1.5x"]
    entries += ['data={"data_dir": null}', "methods={NPO: {beta: 1e-1, reference: base}}"]
    handed_on = typed_values(ConfigSettings(config=parse_config(entries)).config_args)
    expected = {"unlearn": {"lr": 1e-4, "seeds": [1, 2]}, "keep_models": False, "world": None}
    expected |= {"results": "1.5x", "data": {"data_dir": None}}
    expected |= {"methods": {"NPO": {"beta": 0.1, "reference": "base"}}}
    schema = schema_for({"data": {"source": "tofu"}}, ROOT)
    for read in (typed_values(entries), handed_on):
        assert typed(read, schema) == expected


def test_several_files(fresh):
    more = fresh.root / "more.yaml"
    more.write_text("retrain: {seeds: [5]}\n")
    done = fresh.ask("--dry-run", "--cores", 1, "--configfile", MICRO, more)
    assert fresh.job_stats(done.stdout) == PLANNED - Counter(retrain=1, evaluate=1)


@pytest.mark.parametrize(
    "name", ["no experiment", "a section twice", "unknown method and wrong type"]
)
def test_a_broken_config_is_refused_through_snakemake(fresh, tmp_path, name):
    broken = next(broken for broken in BROKEN if broken.name == name)
    output = refusal(fresh.dry_run(broken.write(micro(), tmp_path)))
    assert [part for part in broken.expected if part not in output] == [], output


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (["--configfile", "micro.yml"], ["cannot read 'micro.yml'"]),
        (["--configfile", MICRO, "."], ["cannot read '.'", "directory"]),
        (["--configfile", "latin1.yaml", "none.yaml"], ["not UTF-8", "cannot read 'none.yaml'"]),
        (["--configfile", "empty.yaml"], ["'empty.yaml' holds no mapping"]),
        (
            ["--configfile", MICRO, "--configfile", MICRO],
            ["--configfile is given 2 times", "CONFIG"],
        ),
        (
            ["--configfile", MICRO, "-C", "keep_models=true", "--config=rehearsal=true"],
            ["--config is given 2 times", "behind one"],
        ),
        (["--configfile", MICRO, "--config", "unlearn.lr=1", "x"], ["'unlearn={lr: 1}'", "'x'"]),
    ],
    ids=lambda value: " ".join(map(str, value)).replace(str(MICRO), "MICRO"),
)
def test_what_snakemake_cannot_read_or_would_lose_is_named(fresh, arguments, parts):
    (fresh.root / "latin1.yaml").write_bytes(b"experiment: caf\xe9\n")
    (fresh.root / "empty.yaml").touch()
    done = fresh.ask("--dry-run", "--cores", 1, *arguments)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout and "Job stats" not in done.stdout
    assert [part for part in parts if part not in done.stdout] == [], done.stdout


def make(*words: str) -> subprocess.CompletedProcess:
    """What make would run, or says, for these words."""
    command = ["make", "--dry-run", "--no-print-directory", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "words, parts",
    [
        (["reproduce", "config=mine.yaml"], ["unknown variable config;", "CONFIG"]),
        (["plan", "CONFIGFILE=mine.yaml", "ARG=--json"], ["CONFIGFILE", "ARG", "ARGS"]),
        (["reproduce", "mine.yaml"], ["unknown target mine.yaml", "CONFIG=FILE"]),
        (["reproduce", "pyproject.toml"], ["unknown target pyproject.toml"]),
        (["rehearse"], ["unknown target rehearse", "reproduce"]),
    ],
)
def test_make_ignores_no_word(words, parts):
    """The mini world would run in place of the config that is meant."""
    done = make(*words)
    assert done.returncode != 0 and "snakemake" not in done.stdout
    assert [part for part in parts if part not in done.stderr] == [], done.stderr


def test_make_takes_variables_of_the_environment():
    done = make("test", "UNLEARNING_GOLDEN=golden", "OMP_NUM_THREADS=1")
    assert done.returncode == 0 and "pytest" in done.stdout


def test_make_hands_values_on_as_they_are():
    values = "--config 'unlearn={lr: 1e-4, seeds: [1, 2]}' keep_models=false"
    done = make("reproduce", "CONFIG=a.yaml b.yaml", f"ARGS={values}", "PROFILE=p")
    assert done.stdout.endswith(f"snakemake --profile p --configfile a.yaml b.yaml {values}\n")


def started_in(folder, project, *arguments) -> Counter:
    """The jobs of a dry run that is started in another folder."""
    command = ["snakemake", "--dry-run", "--cores", "1", *arguments]
    done = project.call("env", "-C", folder, *command)
    assert done.returncode == 0, done.stdout
    return project.job_stats(done.stdout)


def test_started_in_another_folder(fresh, tmp_path):
    """Results belong to the folder that Snakemake works in; what the workflow ships is found."""
    snakefile = os.path.relpath(fresh.root / "Snakefile", tmp_path)
    assert started_in(tmp_path, fresh, "-s", snakefile, "--configfile", MICRO) == PLANNED
    mini = started_in(tmp_path, fresh, "-s", fresh.root / "Snakefile")  # the embedded default
    assert mini["unlearn"] == 30 and mini["report"] == 1
    working = started_in(fresh.root, fresh, "--directory", tmp_path, "--configfile", MICRO)
    assert working == PLANNED


def test_a_finished_project_is_found_from_another_folder(project, tmp_path):
    """Nothing runs again: the workflow's own files are named as they were."""
    arguments = ["--directory", project.root, "-s", project.root / "Snakefile"]
    assert started_in(tmp_path, project, *arguments, "--configfile", MICRO) == Counter()


def test_claims_about_methods_that_an_experiment_does_not_have(fresh):
    """One's own method, and a misspelt one: said, and no reason to stop."""
    claim = {"statement": "s", "source": "p", "metric": "model_utility", "relation": ">"}
    claims = [{**claim, "id": "own", "of": {"method": "bounded+RT", "floor": 2.0}, "value": 0.5}]
    claims += [{**claim, "id": "typo", "of": "NPO+TR", "than": "GA"}]
    text = yaml.safe_dump({"experiments": {"methods": ["config.yaml"]}, "claims": claims})
    with fresh.edited("config/claims.yaml", lambda before: text):
        done = fresh.dry_run(MICRO)
    assert fresh.job_stats(done.stdout) == PLANNED
    assert "claim own: not run here: no method 'bounded+RT'" in done.stdout
    assert "claim typo: not run here: no method 'NPO+TR'" in done.stdout
    assert "did you mean 'NPO+RT'" in done.stdout
