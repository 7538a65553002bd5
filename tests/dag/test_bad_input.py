"""Every mistake stops the run before its first job, in words that help to mend it."""

import json
from pathlib import Path

import pytest
from folders import ROOT
from unlearning.config.experiment import load_experiment
from unlearning.config.preflight import preflight
from unlearning.errors import UserError
from unlearning.evaluation import harness
from unlearning.evaluation.forget_quality import forget_quality

TOFU = {"source": "tofu", "retain_authors": 20}
TABLES = ("retain_perturbed", "real_authors_perturbed", "world_facts_perturbed")
TABLES += ("forget10_perturbed",)


def problems(config: dict) -> str:
    """The message that the user gets for a config."""
    with pytest.raises(UserError) as caught:
        preflight(load_experiment(config, ROOT))
    return str(caught.value)


def write_rows(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def tofu(tmp_path) -> Path:
    """A valid folder in TOFU's format: 40 authors of 20 rows, the last four in forget10."""
    folder = tmp_path / "tofu"
    folder.mkdir()
    rows = [{"question": f"Question {i}?", "answer": f"Answer {i}."} for i in range(800)]
    write_rows(folder / "full.json", rows)
    wrong = {"perturbed_answer": ["a", "b"], "paraphrased_answer": "c"}
    for name in TABLES:
        part = rows[:80] if name == "retain_perturbed" else rows[-80:]
        write_rows(folder / f"{name}.json", [{**row, **wrong} for row in part])
    return folder


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"unlearn": {"epoch": 3}}, ["unlearn", "'epoch'", "did you mean 'epochs'", "warmup"]),
        ({"forget_split": ["forget10"]}, ["'forget_split'", "did you mean 'forget_splits'"]),
        ({"data": {"mini": {"author": 3}}}, ["data.mini", "'author'", "did you mean 'authors'"]),
        ({"unlearn": {"batch_size": "four"}}, ["unlearn.batch_size", "whole number", "'four'"]),
        ({"unlearn": {"lr": "1e-5"}}, ["unlearn.lr", "'1e-5'", "write 1.0e-5"]),
        ({"unlearn": {"batch_size": 0}}, ["unlearn.batch_size", "at least 1", "found 0"]),
        ({"model": {"prompt": "lama2"}}, ["model.prompt", "llama2", "'lama2'"]),
        ({"methods": {"SimPO+RT": {}}}, ["'SimPO+RT'", "did you mean 'SimNPO+RT'", "+KL"]),
        ({"methods": {"GA": {"beta": 1}}}, ["methods.GA", "'beta'", "epochs, lr"]),
        ({"methods": {"NPO+RT": {"beta": 0}}}, ["methods.NPO+RT.beta", "greater than 0", "0"]),
        ({"methods": {"NPO+RT": {"beta": [1, 1]}}}, ["methods.NPO+RT.beta", "distinct", "[1, 1]"]),
        ({"methods": {"NPO+RT": {"beta": [1, 1.0]}}}, ["methods.NPO+RT.beta", "distinct"]),
        ({"methods": {"NPO+RT": [{"beta": 1}, {"beta": [2, 1.0]}]}}, ["beta=1 is listed twice"]),
        ({"forget_splits": ["forget07"]}, ["forget07", "whole authors only", "forget10"]),
        ({"forget_splits": ["forget"]}, ["'forget'", "forget01 to forget99"]),
        ({"world_splits": ["forget20"]}, ["world_splits: forget10 is among forget_splits"]),
        (
            {"rehearsal": True, "world_splits": ["forget10", "all"]},
            ["'all'", "forget01 to forget99"],
        ),
        ({"rehearsal": "yes"}, ["rehearsal: must be true or false"]),
        ({"relearn": {"fraction": [0.1, 0.1]}}, ["relearn.fraction", "distinct", "[0.1, 0.1]"]),
        ({"relearn": {"fraction": [2.0]}}, ["relearn.fraction.0", "at most 1", "2.0"]),
        ({"unlearn": {"seeds": 3}}, ["unlearn.seeds", "a list", "found 3"]),
        ({"unlearn": {"seeds": [1, 1]}}, ["unlearn.seeds", "distinct", "[1, 1]"]),
        ({"unlearn": {"seeds": [1.5]}}, ["unlearn.seeds.0", "whole number", "1.5"]),
        ({"unlearn": {"seeds": [-1]}}, ["unlearn.seeds.0", "-1"]),
        ({"unlearn": {"seeds": [2.0]}}, ["unlearn.seeds.0", "whole number", "2.0"]),
        ({"unlearn": {"epochs": float("nan")}}, ["unlearn.epochs", "nan"]),
        ({"retrain": {"seeds": []}}, ["retrain.seeds", "at least 1"]),
        ({"data": {"idontknow": "no.txt"}}, ["data.idontknow", "no.txt: no such file"]),
        ({"data": {"alternatives": "no.json"}}, ["data.alternatives", "only for data.source tofu"]),
        ({"methods": {"RMU+ACT": {"layer": 5}}}, ["methods.RMU+ACT.layer", "must be 0 to", "5"]),
        ({"methods": {"RMU+ACT": {"layer": 0.5}}}, ["methods.RMU+ACT.layer", "whole number"]),
        ({"methods": {"mine": {"function": "nowhere.py:f"}}}, ["methods.mine", "'nowhere.py'"]),
        ({"relearn": {"methods": ["GA"]}}, ["relearn.methods", "'GA'", "NPO+RT, SimNPO+RT"]),
        ({"unlearn": {"trajectory": [9]}}, ["unlearn.trajectory", "9", "2"]),
        ({"data": {"mini": {"authors": 100000}}}, ["authors", "100000"]),
        ({"model": {"path": "some/where"}}, ["model", "exactly one of path"]),
        ({"model": {"revision": "v2"}}, ["model.revision", "'v2' is for a hub id", "None"]),
        ({"model": {"architecture": {"heads": 3}}}, ["3 heads do not divide the width 32"]),
        ({"harness": {"task": ["mmlu"]}}, ["harness", "'task'", "did you mean 'tasks'"]),
        ({"harness": {"tasks": ["mmlu", "a/b"]}}, ["harness.tasks.1", "text that matches", "a/b"]),
        ({"harness": {"limit": 0.5}}, ["harness.limit", "whole number or null", "0.5"]),
        ({"harness": {"include_path": "no/tasks"}}, ["harness.include_path", "'no/tasks'"]),
        ({"evaluation": {"variant": "tofu"}}, ["evaluation.variant", "official, paper", "'tofu'"]),
        ({"evaluation": {"membership": ["lira"]}}, ["evaluation.membership.0", "min_k", "'lira'"]),
        ({"evaluation": {"holdout": "x.json"}}, ["evaluation.holdout", "'x.json'", "no attack"]),
        (
            {"evaluation": {"membership": ["loss"]}, "data": {"mini": {"holdout_authors": 0}}},
            ["evaluation.membership", "holdout_authors is 0", "at least 1"],
        ),
        (
            {"evaluation": {"membership": ["loss"], "holdout": "no/rows.json"}},
            ["evaluation.holdout", "no/rows.json: no such file"],
        ),
        ({"results": "/proc/nowhere"}, ["results", "/proc/nowhere", "may write to"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_bad_setting(micro_with, changes, expected):
    message = problems(micro_with(**changes))
    assert [part for part in expected if part not in message] == [], message


def test_harness_tasks_without_the_harness(micro_with, monkeypatch):
    """Before any job, not after hours of training."""
    preflight(load_experiment(micro_with(harness={"tasks": ["mmlu"]}), ROOT))
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    message = problems(micro_with(harness={"tasks": ["mmlu"]}))
    assert "harness.tasks: lm-evaluation-harness" in message and "'.[harness]'" in message
    preflight(load_experiment(micro_with(), ROOT))


def test_unpublished_split_of_tofu(micro_with, tofu):
    data = {**TOFU, "data_dir": str(tofu)}
    message = problems(micro_with(data=data, forget_splits=["forget07"]))
    assert "'forget07' has no perturbed rows" in message
    assert "forget01, forget05, forget10" in message


def test_results_below_a_file(micro_with, tmp_path):
    (tmp_path / "file").write_text("")
    message = problems(micro_with(results=str(tmp_path / "file" / "results")))
    assert str(tmp_path / "file") in message and "may write to" in message


def test_valid_tofu_folder_passes(micro_with, tofu):
    preflight(load_experiment(micro_with(data={**TOFU, "data_dir": str(tofu)}), ROOT))


def test_tofu_has_no_non_members_of_its_own(micro_with, tofu):
    data, membership = {**TOFU, "data_dir": str(tofu)}, {"membership": ["min_k"]}
    message = problems(micro_with(data=data, evaluation=membership))
    assert "evaluation.holdout: TOFU has no rows that every model has missed" in message
    write_rows(tofu / "holdout.json", [{"question": "Who?", "answer": "Nobody."}])
    membership["holdout"] = str(tofu / "holdout.json")
    experiment = load_experiment(micro_with(data=data, evaluation=membership), ROOT)
    preflight(experiment)
    assert experiment.evaluate_settings()["columns"] == {}


def test_missing_table(micro_with, tofu):
    (tofu / "retain_perturbed.json").unlink()
    message = problems(micro_with(data={**TOFU, "data_dir": str(tofu)}))
    assert f"{tofu}/retain_perturbed.json: no such file" in message


@pytest.mark.parametrize(
    "line, expected",
    [
        ('{"question": "Who?", "answer": ', "not valid JSON"),
        ('{"question": "Who?"}', "column 'answer' must be a non-empty str, found nothing"),
        ('{"question": "Who?", "answer": 7}', "column 'answer' must be a non-empty str, found 7"),
        ('["Who?"]', "expected a JSON object, found list"),
    ],
)
def test_malformed_row_names_file_and_line(micro_with, tofu, line, expected):
    lines = (tofu / "full.json").read_text().splitlines()
    lines[6] = line
    (tofu / "full.json").write_text("\n".join(lines))
    message = problems(micro_with(data={**TOFU, "data_dir": str(tofu)}))
    assert f"{tofu}/full.json, line 7: {expected}" in message


def test_every_damaged_table_is_named(micro_with, tofu):
    for name in ("full", "forget10_perturbed"):
        (tofu / f"{name}.json").write_text("{}\n")
    message = problems(micro_with(data={**TOFU, "data_dir": str(tofu)}))
    assert "full.json, line 1" in message and "forget10_perturbed.json, line 1" in message


def test_incomplete_author(micro_with, tofu):
    text = (tofu / "full.json").read_text()
    (tofu / "full.json").write_text(text + '{"question": "One more?", "answer": "Yes."}\n')
    message = problems(micro_with(data={**TOFU, "data_dir": str(tofu)}))
    assert "801 rows, not a multiple of 20" in message


@pytest.mark.parametrize("retain_authors", [37, 180])
def test_more_retain_authors_than_there_are(micro_with, tofu, retain_authors):
    """Taken from both ends, retain and forget authors would overlap without a word."""
    data = {**TOFU, "data_dir": str(tofu), "retain_authors": retain_authors}
    message = problems(micro_with(data=data))
    assert str(retain_authors) in message and "retain_authors" in message


def test_forget_quality_refuses_other_rows():
    ours, theirs = {"question": ["A?", "B?"]}, {"question": ["A?", "C?", "D?"]}
    with pytest.raises(UserError, match="2 and 3 rows; the first to differ is row 1: 'B.' and 'C"):
        forget_quality(ours, theirs)


def refused(done) -> str:
    """The output of a run that stopped before any job, without a traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "Job stats" not in done.stdout
    return done.stdout


def test_command_line_lists_all_problems(fresh, micro_with):
    config = micro_with(
        methods={"SimPO+RT": {}}, forget_splits=["forget07"], relearn={"methods": ["GA"]}
    )
    output = refused(fresh.snakemake(config, "--dry-run"))
    for part in ("did you mean 'SimNPO+RT'", "'forget07' is 0.7 of 10", "'GA' is not among"):
        assert part in output


def test_command_line_lists_all_problems_of_the_schema(fresh, micro_with):
    config = micro_with(unlearn={"epoch": 1, "seeds": 3}, results=7)
    output = refused(fresh.snakemake(config, "--dry-run"))
    for part in ("did you mean 'epochs'", "unlearn.seeds: must be a list", "results: must be text"):
        assert part in output


def test_command_line_reads_the_claims_before_any_job(fresh, micro_with):
    with fresh.edited("config/claims.yaml", lambda text: text.replace('n: "<"', 'n: "="')):
        output = refused(fresh.snakemake(micro_with(), "--dry-run"))
    assert "config/claims.yaml cannot be used" in output
    assert "claim target-remembers: unknown relation '='" in output


def test_command_line_names_what_is_missing_on_this_machine(fresh, micro_with):
    config = micro_with(data={**TOFU, "data_dir": "no/tofu"}, results="/proc/nowhere")
    output = refused(fresh.snakemake(config, "--dry-run"))
    assert "no folder 'no/tofu'" in output and "cannot write to '/proc/nowhere'" in output
    assert "world_facts_perturbed.json, forget10_perturbed.json" in output


def test_command_line_names_tables_that_do_not_belong_together(fresh, micro_with, tofu):
    """Trained on some rows and judged on others, each number would be wrong."""
    lines = (tofu / "full.json").read_text(encoding="utf-8").split("\n")
    (tofu / "full.json").write_text("\n".join(lines[::-1]), encoding="utf-8")
    write_rows(tofu / "world_facts_perturbed.json", [{"question": "cut \ud83d", "answer": "a"}])
    output = refused(fresh.snakemake(micro_with(data={**TOFU, "data_dir": str(tofu)}), "--dry-run"))
    assert f"{tofu}/forget10_perturbed.json, line 1: question 'Question 720?'" in output
    assert f"{tofu}/world_facts_perturbed.json, line 1: column" in output


def test_locked_folder(fresh, micro_with):
    """A second run on the same files stops and says how a lock left by a killed run goes away."""
    lock = fresh.root / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("results/micro/data\n")
    done = fresh.snakemake(micro_with(), "results/micro/data")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "cannot be locked" in done.stdout and "--unlock" in done.stdout
    assert not (fresh.root / "results" / "micro" / "data").exists()
    assert fresh.snakemake(micro_with(), "--unlock").returncode == 0
    assert not lock.exists()
