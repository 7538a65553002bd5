"""Every mistake stops the run before its first job, in words that help to mend it."""

import json
from pathlib import Path

import pytest
from folders import ROOT
from refusals import assert_named, problems
from unlearning.benchmarks.tofu.forget_quality import forget_quality
from unlearning.config.experiment import load_experiment
from unlearning.config.preflight import preflight
from unlearning.errors import UserError
from unlearning.evaluation import harness

TOFU = {"source": "tofu", "retain_authors": 20}
TABLES = ("retain_perturbed", "real_authors_perturbed", "world_facts_perturbed")
TABLES += ("forget10_perturbed",)


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
    "changes, key, parts",
    [
        ({"unlearn": {"epoch": 3}}, "unlearn", ["'epoch'", "'epochs'?", "warmup_epochs"]),
        ({"forget_split": ["forget10"]}, "the config", ["'forget_split'", "'forget_splits'?"]),
        ({"data": {"mini": {"author": 3}}}, "data.mini", ["'author'", "'authors'?"]),
        ({"unlearn": {"batch_size": "four"}}, "unlearn.batch_size", ["'four'", "whole number"]),
        ({"unlearn": {"lr": "1e-5"}}, "unlearn.lr", ["'1e-5'", "1.0e-5"]),
        ({"unlearn": {"batch_size": 0}}, "unlearn.batch_size", ["found 0", "at least 1"]),
        ({"model": {"prompt": "lama2"}}, "model.prompt", ["'lama2'", "plain, llama2"]),
        ({"methods": {"SimPO+RT": {}}}, "methods", ["'SimPO+RT'", "'SimNPO+RT'?", "NPO", "+KL"]),
        ({"methods": {"GA": {"beta": 1}}}, "methods.GA", ["'beta'", "epochs, lr"]),
        ({"methods": {"NPO+RT": {"beta": 0}}}, "methods.NPO+RT.beta", ["found 0", "than 0"]),
        ({"methods": {"PDU": {}}}, "methods.PDU", ["weight of a retain term", "PDU+RT"]),
        ({"methods": {"NPO+RT": {"beta": [1, 1]}}}, "methods.NPO+RT.beta", ["[1, 1]", "distinct"]),
        (
            {"methods": {"NPO+RT": {"beta": [1, 1.0]}}},
            "methods.NPO+RT.beta",
            ["[1, 1.0]", "distinct"],
        ),
        (
            {"methods": {"NPO+RT": [{"beta": 1}, {"beta": [2, 1.0]}]}},
            "methods.NPO+RT",
            ["beta=1", "twice"],
        ),
        ({"forget_splits": ["forget07"]}, "forget_splits", ["'forget07'", "forget10, forget20"]),
        ({"forget_splits": ["forget"]}, "forget_splits", ["'forget'", "forget01 to forget99"]),
        ({"world_splits": ["forget20"]}, "world_splits", ["forget10", "add it", "null"]),
        (
            {"rehearsal": True, "world_splits": ["forget10", "all"]},
            "world_splits",
            ["'all'", "forget01 to forget99"],
        ),
        ({"rehearsal": "yes"}, "rehearsal", ["'yes'", "true or false"]),
        ({"relearn": {"fraction": [0.1, 0.1]}}, "relearn.fraction", ["[0.1, 0.1]", "distinct"]),
        ({"relearn": {"fraction": [2.0]}}, "relearn.fraction.0", ["2.0", "at most 1"]),
        ({"unlearn": {"seeds": 3}}, "unlearn.seeds", ["found 3", "a list"]),
        ({"unlearn": {"seeds": [1, 1]}}, "unlearn.seeds", ["[1, 1]", "distinct"]),
        ({"unlearn": {"seeds": [1.5]}}, "unlearn.seeds.0", ["1.5", "whole number"]),
        ({"unlearn": {"seeds": [-1]}}, "unlearn.seeds.0", ["-1", "at least 0"]),
        ({"unlearn": {"seeds": [2.0]}}, "unlearn.seeds.0", ["2.0", "whole number"]),
        ({"unlearn": {"epochs": float("nan")}}, "unlearn.epochs", ["nan", "a number"]),
        ({"retrain": {"seeds": []}}, "retrain.seeds", ["[]", "at least 1"]),
        ({"data": {"idontknow": "no.txt"}}, "data.idontknow", ["no.txt"]),
        ({"data": {"alternatives": "no.json"}}, "data", ["unknown key 'alternatives'", "Allowed:"]),
        ({"methods": {"RMU+ACT": {"layer": 5}}}, "methods.RMU+ACT.layer", ["found 5", "1 layer"]),
        (
            {"methods": {"RMU+ACT": {"layer": 0.5}}},
            "methods.RMU+ACT.layer",
            ["0.5", "whole number"],
        ),
        (
            {"methods": {"mine": {"function": "nowhere.py:f"}}},
            "methods.mine.function",
            ["'nowhere.py'", str(ROOT)],
        ),
        (
            {"methods": {"RMU+ACT": {"layer": 0, "trained": "layers.(0"}}},
            "methods.RMU+ACT.trained",
            ["'layers.(0'", "regular expression"],
        ),
        (
            {"methods": {"RMU+ACT": {"layer": 0, "trained": 7}}},
            "methods.RMU+ACT.trained",
            ["found 7", "text"],
        ),
        (
            {"methods": {"PDU+RT": {"dual_update_upon": "batch"}}},
            "methods.PDU+RT.dual_update_upon",
            ["'batch'", "step, epoch"],
        ),
        ({"unlearn": {"anchor": "idk"}}, "unlearn.anchor", ["'idk'", "forget, retain"]),
        ({"unlearn": {"weight_decay_on": "norms"}}, "unlearn.weight_decay_on", ["matrices, all"]),
        ({"relearn": {"methods": ["GA"]}}, "relearn.methods", ["'GA'", "NPO+RT, SimNPO+RT"]),
        ({"unlearn": {"trajectory": [9]}}, "unlearn.trajectory", ["9", "2"]),
        ({"data": {"mini": {"authors": 100000}}}, "data.mini", ["authors", "100000", "1 to "]),
        ({"model": {"path": "some/where"}}, "model", ["one of path", "architecture"]),
        ({"model": {"revision": "v2"}}, "model.revision", ["'v2'", "model.path", "remove it"]),
        ({"model": {"architecture": {"heads": 3}}}, "model.architecture", ["3 heads", "32"]),
        ({"harness": {"task": ["mmlu"]}}, "harness", ["'task'", "'tasks'?"]),
        ({"harness": {"tasks": ["mmlu", "a/b"]}}, "harness.tasks.1", ["'a/b'"]),
        ({"harness": {"limit": 0.5}}, "harness.limit", ["0.5", "whole number or null"]),
        (
            {"harness": {"include_path": "no/tasks"}},
            "harness.include_path",
            ["'no/tasks'", "YAML", "null"],
        ),
        ({"evaluation": {"variant": "tofu"}}, "evaluation.variant", ["'tofu'", "official, paper"]),
        ({"evaluation": {"membership": ["lira"]}}, "evaluation.membership.0", ["'lira'", "min_k"]),
        (
            {"evaluation": {"holdout": "x.json"}},
            "evaluation.holdout",
            ["'x.json'", "evaluation.membership"],
        ),
        (
            {"evaluation": {"membership": ["loss"]}, "data": {"mini": {"holdout_authors": 0}}},
            "evaluation.membership",
            ["holdout_authors is 0", "at least 1"],
        ),
        (
            {"evaluation": {"membership": ["loss"], "holdout": "no/rows.json"}},
            "evaluation.holdout",
            ["no/rows.json"],
        ),
        ({"results": "/proc/nowhere"}, "results", ["'/proc/nowhere'", "may write to"]),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_bad_setting(micro_with, changes, key, parts):
    assert_named(problems(micro_with(**changes)), key, *parts)


def test_harness_tasks_without_the_harness(micro_with, monkeypatch):
    """Before any job, not after hours of training."""
    preflight(load_experiment(micro_with(harness={"tasks": ["mmlu"]}), ROOT))
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    lines = problems(micro_with(harness={"tasks": ["mmlu"]}))
    assert_named(lines, "harness.tasks", "lm_eval", "pip install", "'.[harness]'")
    preflight(load_experiment(micro_with(), ROOT))


def test_unpublished_split_of_tofu(micro_with, tofu):
    data = {**TOFU, "data_dir": str(tofu)}
    lines = problems(micro_with(data=data, forget_splits=["forget07"]))
    assert_named(lines, "forget_splits", "'forget07'", "forget01, forget05, forget10")


def test_results_below_a_file(micro_with, tmp_path):
    (tmp_path / "file").write_text("")
    lines = problems(micro_with(results=str(tmp_path / "file" / "results")))
    assert_named(lines, "results", str(tmp_path / "file"), "may write to")


def test_valid_tofu_folder_passes(micro_with, tofu):
    preflight(load_experiment(micro_with(data={**TOFU, "data_dir": str(tofu)}), ROOT))


def test_non_members_of_a_tofu_folder(micro_with, tofu):
    """Its holdout split is taken where the folder holds it, or a file of one's own."""
    data, membership = {**TOFU, "data_dir": str(tofu)}, {"membership": ["min_k"]}
    lines = problems(micro_with(data=data, evaluation=membership))
    assert_named(lines, "evaluation.membership", f"{tofu} holds no holdout10", "set []")
    write_rows(tofu / "rows.json", [{"question": "Who?", "answer": "Nobody."}])
    named = {**membership, "holdout": str(tofu / "rows.json")}
    experiment = load_experiment(micro_with(data=data, evaluation=named), ROOT)
    preflight(experiment)
    assert experiment.evaluate_settings()["columns"] == {}
    (tofu / "rows.json").rename(tofu / "holdout10.json")
    experiment = load_experiment(micro_with(data=data, evaluation=membership), ROOT)
    preflight(experiment)
    assert experiment.holdout_files("forget10") == [tofu / "holdout10.json"]
    learnt = json.loads((tofu / "full.json").read_text().splitlines()[3])
    write_rows(tofu / "holdout10.json", [{"question": "Who?", "answer": "Nobody."}, learnt])
    lines = problems(micro_with(data=data, evaluation=membership))
    parts = ("holdout10.json, line 2", "is a row of", learnt["question"])
    assert_named(lines, "evaluation.membership", *parts)


def test_other_words_for_the_questions_must_be_there(micro_with, tofu):
    data, asked = {**TOFU, "data_dir": str(tofu)}, {"question": "paraphrased_question"}
    lines = problems(micro_with(data=data, evaluation=asked))
    for table in ("forget10_perturbed", "retain_perturbed"):
        parts = (f"{tofu}/{table}.json has no column 'paraphrased_question'", "set question")
        assert_named(lines, "evaluation.question", *parts)
    # in every row: a set in which some had none would be asked in the words that were learnt
    for table in ("forget10_perturbed", "retain_perturbed"):
        lines = (tofu / f"{table}.json").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        others = [{**row, "paraphrased_question": f"Which {i}?"} for i, row in enumerate(rows[1:])]
        write_rows(tofu / f"{table}.json", [{**rows[0], "paraphrased_question": ""}, *others])
        parts = (f"{tofu}/{table}.json, line 1", "'paraphrased_question'", "''", "set question")
        assert_named(
            problems(micro_with(data=data, evaluation=asked)), "evaluation.question", *parts
        )


def test_missing_table(micro_with, tofu):
    (tofu / "retain_perturbed.json").unlink()
    lines = problems(micro_with(data={**TOFU, "data_dir": str(tofu)}))
    assert_named(lines, "data.data_dir", f"{tofu}/retain_perturbed.json")


@pytest.mark.parametrize(
    "line, parts",
    [
        ('{"question": "Who?", "answer": ', ["JSON", "column 32"]),
        ('{"question": "Who?"}', ["'answer'", "nothing"]),
        ('{"question": "Who?", "answer": 7}', ["'answer'", "found 7"]),
        ('["Who?"]', ["object", "list"]),
    ],
)
def test_malformed_row_names_file_and_line(micro_with, tofu, line, parts):
    lines = (tofu / "full.json").read_text().splitlines()
    lines[6] = line
    (tofu / "full.json").write_text("\n".join(lines))
    refused = problems(micro_with(data={**TOFU, "data_dir": str(tofu)}))
    assert_named(refused, "data.data_dir", f"{tofu}/full.json, line 7: ", *parts)


def test_every_damaged_table_is_named(micro_with, tofu):
    for name in ("full", "forget10_perturbed"):
        (tofu / f"{name}.json").write_text("{}\n")
    lines = problems(micro_with(data={**TOFU, "data_dir": str(tofu)}))
    for name in ("full", "forget10_perturbed"):
        assert_named(lines, "data.data_dir", f"{name}.json, line 1")


def test_incomplete_author(micro_with, tofu):
    text = (tofu / "full.json").read_text()
    (tofu / "full.json").write_text(text + '{"question": "One more?", "answer": "Yes."}\n')
    lines = problems(micro_with(data={**TOFU, "data_dir": str(tofu)}))
    assert_named(lines, "data.data_dir", "full.json", "801 rows", "20")


@pytest.mark.parametrize("retain_authors", [37, 180])
def test_more_retain_authors_than_there_are(micro_with, tofu, retain_authors):
    """Taken from both ends, retain and forget authors would overlap without a word."""
    data = {**TOFU, "data_dir": str(tofu), "retain_authors": retain_authors}
    lines = problems(micro_with(data=data))
    parts = (f"{retain_authors} retain", "data.retain_authors", "4 forget", "the 40 of")
    assert_named(lines, "data.data_dir", *parts)


def test_forget_quality_refuses_other_rows():
    ours, theirs = {"question": ["A?", "B?"]}, {"question": ["A?", "C?", "D?"]}
    with pytest.raises(UserError, match=r"2 and 3 rows.*row 1\b.*'B\?' and 'C\?'"):
        forget_quality(ours, theirs)


def refused(done) -> str:
    """The output of a run that stopped before any job, without a traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "Job stats" not in done.stdout
    return done.stdout


def test_snakemake_lists_all_problems(fresh, micro_with):
    config = micro_with(
        methods={"SimPO+RT": {}}, forget_splits=["forget07"], relearn={"methods": ["GA"]}
    )
    output = refused(fresh.dry_run(config))
    for part in ("'SimNPO+RT'?", "forget_splits: 'forget07'", "relearn.methods: 'GA'"):
        assert part in output


def test_snakemake_lists_all_problems_of_the_schema(fresh, micro_with):
    output = refused(fresh.dry_run(micro_with(unlearn={"epoch": 1, "seeds": 3}, results=7)))
    for part in ("'epochs'?", "unlearn.seeds: must be a list", "results: must be text"):
        assert part in output


def test_snakemake_reads_the_claims_before_any_job(fresh, micro_with):
    with fresh.edited("config/claims.yaml", lambda text: text.replace('n: "<"', 'n: "="')):
        output = refused(fresh.dry_run(micro_with()))
    for part in ("config/claims.yaml", "target-remembers", "relation: must be one of"):
        assert part in output


def test_snakemake_names_what_is_missing_on_this_machine(fresh, micro_with):
    config = micro_with(data={**TOFU, "data_dir": "no/tofu"}, results="/proc/nowhere")
    output = refused(fresh.dry_run(config))
    for part in ("data.data_dir: no folder 'no/tofu'", "forget10_perturbed.json"):
        assert part in output
    assert "results: cannot write to '/proc/nowhere'" in output


def test_snakemake_names_tables_that_do_not_belong_together(fresh, micro_with, tofu):
    """Trained on some rows and judged on others, each number would be wrong."""
    lines = (tofu / "full.json").read_text(encoding="utf-8").split("\n")
    (tofu / "full.json").write_text("\n".join(lines[::-1]), encoding="utf-8")
    write_rows(tofu / "world_facts_perturbed.json", [{"question": "cut \ud83d", "answer": "a"}])
    output = refused(fresh.dry_run(micro_with(data={**TOFU, "data_dir": str(tofu)})))
    assert f"{tofu}/forget10_perturbed.json, line 1: question 'Question 720?'" in output
    assert f"{tofu}/world_facts_perturbed.json, line 1: column" in output


def test_locked_folder(fresh, micro_with):
    """A second run on the same files stops and says how a lock left by a killed run goes away."""
    lock = fresh.root / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("results/micro/data\n")
    done = fresh.ask_snakemake(micro_with(), "results/micro/data")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "cannot be locked" in done.stdout and "--unlock" in done.stdout
    assert not (fresh.root / "results" / "micro" / "data").exists()
    assert fresh.ask_snakemake(micro_with(), "--unlock").returncode == 0
    assert not lock.exists()
