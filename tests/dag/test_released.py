"""Jobs of experiments that start from models, or from a log, that the config names."""

from pathlib import Path

from finished import micro_config
from folders import ROOT
from toy_logs import evaluation, indexed, write
from unlearning.config.experiment import load_experiment
from unlearning.data.build import build_tables
from unlearning.planning.stages import CostEstimate

TARGET = {"path": "someone/tofu_Llama-3.2-1B_full"}
RETAINED = {"path": "someone/tofu_Llama-3.2-1B_retain90"}
UNUSED = ("pretrain", "finetune", "retrain")


def config(name: str, **changes) -> dict:
    """A micro experiment without a base model."""
    stated = {key: value for key, value in micro_config(name).items() if key not in UNUSED}
    return stated | {"model": {"prompt": "plain", "precision": "float32"}} | changes


def table_of(stated: dict) -> list[dict]:
    """The forget rows that an experiment evaluates."""
    data = load_experiment(stated, ROOT).config["data"]
    return build_tables(data, ["forget10"], {})["forget10_perturbed"]


def open_unlearning_log(table: list[dict]) -> dict:
    """A log of truth ratios of 1 for these rows, without texts."""
    return {"forget_truth_ratio": indexed("score", [1.0] * len(table), 1 / (1 + 1e-10))}


def planned(stated: dict) -> dict[str, int]:
    """Jobs as `python -m unlearning plan` counts them."""
    return CostEstimate(load_experiment(stated, ROOT), room=8e10).jobs()


def test_nothing_is_fine_tuned_where_both_are_named(fresh):
    stated = config("tofu", target=TARGET, retrained={"forget10": RETAINED})
    jobs = {"fetch": 2, "data": 1, "reference": 1, "unlearn": 2, "relearn": 1, "evaluate": 4}
    assert fresh.jobs(stated) == planned(stated) == jobs | {"report": 1}


def test_retrained_models_of_a_base_beside_a_target(fresh):
    model = {"path": "someone/Llama-3.2-1B", "prompt": "plain"}
    stated = config("tofu", target=TARGET, model=model, retrain={"seeds": [1, 2]})
    jobs = fresh.jobs(stated)
    assert jobs == planned(stated)
    assert (jobs["finetune"], jobs["retrain"], jobs["fetch"], jobs["evaluate"]) == (0, 2, 2, 5)


def test_muse_and_own_data(fresh):
    for name in ("muse", "own"):
        stated = config(name, target=TARGET, retrained={"forget": RETAINED})
        for path in ("forget", "retain", "holdout"):
            if name == "own":
                stated["data"][path] = str(ROOT / stated["data"][path])
        jobs = fresh.jobs(stated)
        assert jobs == planned(stated)
        assert not jobs.keys() & {"pretrain", "finetune", "retrain"}
        assert jobs["fetch"] == 2


def test_retrained_models_as_reference(fresh):
    methods = {"NPO": {"reference": ["retrain", "noise=0.05"]}}
    changes = {"methods": methods, "relearn": {"methods": []}}
    stated = config("tofu", target=TARGET, retrained={"forget10": RETAINED}, **changes)
    jobs = fresh.jobs(stated)
    assert jobs == planned(stated) and jobs["replaced_reference"] == 2


def test_harness_tasks_are_asked_of_models_alone(fresh):
    changes = {"harness": {"tasks": ["mmlu"]}, "target": TARGET}
    stated = config("tofu", retrained={"forget10": RETAINED}, **changes)
    jobs = fresh.jobs(stated)
    assert jobs == planned(stated) and jobs["harness"] == 4
    write(fresh.root / "TOFU_EVAL.json", open_unlearning_log(table_of(stated)))
    changes |= {"evaluation": {"variant": "open-unlearning", "rows": None}}
    stated = config("tofu", retrained={"forget10": {"log": "TOFU_EVAL.json"}}, **changes)
    jobs = fresh.jobs(stated)
    assert jobs == planned(stated)
    assert (jobs["harness"], jobs["evaluate"], jobs["import_log"]) == (3, 3, 1)


def test_a_log_of_other_rows_is_refused_before_any_job(fresh):
    write(fresh.root / "rows.json", evaluation())
    stated = config("tofu", target=TARGET, retrained={"forget10": {"log": "rows.json"}})
    done = fresh.dry_run(stated)
    assert done.returncode != 0
    message = done.stdout.partition("retrained.forget10.log: ")[2].partition("\n")[0]
    assert "rows.json" in message and "forget10" in message and "6 forget rows" in message
    assert not Path(fresh.root, "results", stated["experiment"]).exists()


def test_a_log_of_other_non_members_is_refused_before_any_job(fresh):
    """They are those of evaluation.holdout, which the experiment's own attacks score."""
    stated = config("tofu", target=TARGET, retrained={"forget10": {"log": "rows.json"}})
    rows = table_of(stated)[: stated["evaluation"]["rows"]]
    forget = {
        "question": [row["question"] for row in rows],
        "answer": [row["answer"] for row in rows],
        "answer_loss": [1.0 for _ in rows],
        "paraphrase_loss": [1.0 for _ in rows],
        "rouge_l_recall": [1.0 for _ in rows],
        "perturbed_loss": [[2.0] * len(row["perturbed_answer"]) for row in rows],
    }
    unseen = {"question": ["Who?"], "answer": ["Nobody."], "answer_loss": [3.0]}
    write(fresh.root / "rows.json", {"forget": forget, "holdout": unseen})
    holdout = fresh.root / "holdout.jsonl"
    stated["evaluation"] |= {"holdout": "holdout.jsonl", "membership": ["loss"]}
    holdout.write_text('{"question": "Who?", "answer": "Nobody."}\n', encoding="utf-8")
    assert fresh.jobs(stated)["import_log"] == 1
    holdout.write_text('{"question": "Who else?", "answer": "Nobody."}\n', encoding="utf-8")
    done = fresh.dry_run(stated)
    assert done.returncode != 0
    message = done.stdout.partition("retrained.forget10.log: ")[2].partition("\n")[0]
    assert "'Who?'" in message and "'Who else?'" in message and "evaluation.holdout" in message
