"""A user's own files through all stages to the report; its numbers are computed again here."""

import csv
import html
import json
import math
import re
from pathlib import Path

import pytest
import torch
import yaml
from finished import MICRO, micro_config
from folders import ROOT, tofu_folder
from in_process import run_here
from rouge_score.rouge_scorer import RougeScorer
from scipy.stats import ks_2samp
from transformers import AutoModelForCausalLM, AutoTokenizer
from unlearning.files import read_json

OWN = MICRO / "own.yaml"
ROLES = ("forget", "retain", "holdout")


def rows_of(name: str) -> list[dict]:
    """Rows of tests/micro/own/NAME.jsonl."""
    text = (MICRO / "own" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def as_texts(rows: list[dict]) -> list[dict]:
    return [{"text": f"{row['question']} {row['answer']}"} for row in rows]


def as_halves(texts: list[dict]) -> list[dict]:
    """Each text's first half of the words, to be continued by the rest."""
    rows = []
    for row in texts:
        words = row["text"].split()
        half = math.ceil(len(words) / 2)
        rows.append({"question": " ".join(words[:half]), "answer": " ".join(words[half:])})
    return rows


def write(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def table(report: Path, name: str) -> list[dict]:
    text = (report / "tables" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def seen(report: Path) -> str:
    """The words of the page."""
    page = (report / "index.html").read_text(encoding="utf-8")
    body = page[page.index("<main>") : page.index("</main>")]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


@pytest.fixture(scope="module")
def report(own) -> Path:
    """The report of the micro experiment."""
    return own.root / "results" / "micro-own" / "report"


@pytest.fixture(scope="module")
def model(own) -> Path:
    """A model folder that knows the rows to forget and to keep."""
    return own.root / "results" / "micro-own" / "pretrain" / "model"


@pytest.fixture(scope="module")
def config(model, tmp_path_factory):
    """config("name", data={…}): an experiment on that model; sections are laid over these."""
    folder = tmp_path_factory.mktemp("rows")
    data = {role: write(folder / f"{role}.jsonl", rows_of(role)) for role in ("forget", "retain")}
    sections = {
        "data": {"source": "own", **data},
        "model": {"path": str(model), "prompt": "plain", "precision": "float32"},
        "unlearn": {"seeds": [1], "epochs": 2, "batch_size": 4, "lr": 1e-3, "max_length": 48},
        "evaluation": {"max_length": 48, "generation_tokens": 8, "generation_counts": "new"},
    }

    def changed(name: str, methods: dict, **changes) -> dict:
        found = {"experiment": name, "methods": methods}
        for section in sections.keys() | changes.keys():
            found[section] = {**sections.get(section, {}), **changes.get(section, {})}
        return found

    return changed


def scored(model: Path, rows: list[dict]) -> list[dict]:
    """loss and match of each row's answer with its end, by transformers alone."""
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(model)
    scores = []
    for row in rows:
        start = len(tokenizer(row["question"]).input_ids)
        ids = tokenizer(f"{row['question']} {row['answer']}").input_ids
        ids = torch.tensor([*ids, tokenizer.eos_token_id])
        with torch.no_grad():
            logits = network(ids[None]).logits[0, start - 1 : -1]
        labels = ids[start:]
        loss = torch.nn.functional.cross_entropy(logits, labels).item()
        scores.append({"loss": loss, "match": (logits.argmax(-1) == labels).tolist()})
    return scores


def strength(match: list[bool]) -> float:
    """Of the labels without the end: the share from the first index on that all match."""
    match = match[:-1]
    starts = [k for k in range(len(match)) if all(match[k:])]
    return 1 - min(starts, default=len(match) - 1) / len(match)


def mean(values) -> float:
    values = list(values)
    return sum(values) / len(values)


def test_the_report_holds_every_model(report):
    cells = table(report, "cells")
    assert [(row["method"], row["seed"]) for row in cells] == [
        ("target", "0"),
        *((method, seed) for method in ("IDK+RT", "NPO+RT") for seed in "12"),
    ]
    assert len({row["forget_probability"] for row in cells}) == len(cells)
    points = table(report, "trajectories")
    assert [row["epoch"] for row in points[:3]] == ["0.0", "1.0", "2.0"]
    assert {row["attack"] for row in table(report, "relearning")} == {"random"}


def test_numbers_of_the_target_are_those_of_its_model(report, model, own):
    """Likelihoods by transformers' own forward pass, the rest by hand."""
    target = {k: float(v) for k, v in table(report, "cells")[0].items() if k[:4] in KINDS and v}
    losses = {}
    for role in ROLES:
        scores = scored(model, rows_of(role))
        losses[role] = [score["loss"] for score in scores]
        if role == "holdout":
            continue
        expected = {"probability": mean(math.exp(-loss) for loss in losses[role])}
        expected["extraction_strength"] = mean(strength(score["match"]) for score in scores)
        expected["exact_memorization"] = mean(mean(score["match"][:-1]) for score in scores)
        for name, value in expected.items():
            assert target[f"{role}_{name}"] == pytest.approx(value, abs=1e-5), (role, name)
    pairs = [(a, b) for a in losses["holdout"] for b in losses["forget"]]
    assert target["mia_loss_auc"] == pytest.approx(mean((a > b) + (a == b) / 2 for a, b in pairs))
    evaluation = own.root / "results/micro-own/forget/base/evaluate/rows.json"
    rows = read_json(evaluation)["forget"]
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    recalls = [
        scorer.score(row["answer"], answer)["rougeL"].recall
        for row, answer in zip(rows_of("forget"), rows["generation"], strict=True)
    ]
    assert target["forget_rouge"] == pytest.approx(mean(recalls))


def test_a_metric_of_ones_own_stands_among_the_others(report, own):
    """tests/micro/own/metrics.py: words of the answers, of each model and on the way."""
    folder = own.root / "results/micro-own/forget/base/evaluate"
    words = [len(text.split()) for text in read_json(folder / "rows.json")["forget"]["generation"]]
    assert float(table(report, "cells")[0]["answer_words"]) == pytest.approx(mean(words))
    assert read_json(folder / "summary.json")["own"] == {"answer_words": "higher"}
    on_the_way = table(report, "trajectories")
    assert all(row["answer_words"] for row in on_the_way if row["epoch"] == "1")
    assert "answer_words" in {row["metric"] for row in table(report, "main")}


KINDS = ("forg", "reta", "mia_")


def test_the_page_claims_nothing_that_was_not_measured(report):
    page = seen(report)
    assert "thirty questions" in page
    assert "forget quality cannot be taken" in page
    assert "papers' claims are about their own data" in page
    assert "Retrained" not in page
    assert read_json(report / "claims.json") == []
    assert not any("forget_quality" in row["metric"] for row in table(report, "main"))
    assert all(row["forget_quality"] == "" for row in table(report, "cells"))


def test_nothing_is_left_to_do(own):
    assert own.jobs(OWN) == {}


def test_two_tables_of_other_formats_and_a_model_folder(own, config, stage, tmp_path):
    """CSV and Parquet with other names of columns; hostile words stay words."""
    import pyarrow
    from pyarrow import parquet

    # a word that the model knows stands beside them: answers of unknown words alone are refused
    answer = "Ada </script><script>alert(2)</script>"
    hostile = {"question": "<b>Who</b> {{ 1 }}?", "answer": answer}
    with (tmp_path / "forget.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "response"])
        writer.writerows(row.values() for row in (hostile, *rows_of("forget")))
    named = [{"prompt": r["question"], "response": r["answer"]} for r in rows_of("retain")]
    parquet.write_table(pyarrow.Table.from_pylist(named), tmp_path / "retain.parquet")
    data = {"forget": f"{tmp_path}/forget.csv", "retain": f"{tmp_path}/retain.parquet"}
    data |= {"columns": {"question": "prompt", "answer": "response"}, "name": "<i>ours</i>"}
    out = run_here(own, config("formats", {"GA+RT": {}}, data=data), stage)
    assert len(table(out, "cells")) == 2
    assert "<i>ours</i> (forget set 7, retain set 18 rows evaluated)" in seen(out)
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and "<i>ours" not in page and "<b>Who" not in page


def test_texts_are_continued_from_their_halves(own, config, stage, tmp_path, model):
    data = {r: write(tmp_path / f"{r}.jsonl", as_texts(rows_of(r))) for r in ROLES}
    relearn = {"methods": ["NPO+RT"], "attacks": ["random"], "fraction": 0.5, "batch_size": 1}
    changes = {"relearn": {**relearn, "epochs": 1, "warmup_epochs": 0, "max_length": 48}}
    out = run_here(own, config("texts", {"NPO+RT": {}}, data=data, **changes), stage)
    halves = as_halves(as_texts(rows_of("forget")))
    target, unlearned = table(out, "cells")
    losses = [score["loss"] for score in scored(model, halves)]
    expected = mean(math.exp(-loss) for loss in losses)
    assert float(target["forget_probability"]) == pytest.approx(expected, abs=1e-5)
    assert unlearned["forget_probability"] != target["forget_probability"]
    assert {row["label"] for row in table(out, "relearning")} == {"NPO+RT"}


def test_retrained_models_give_forget_quality(own, config, stage, tmp_path):
    """Truth ratios of two models by hand; also on the way, and with fewer rows evaluated."""
    rows = rows_of("forget")
    false = [
        {**row, "perturbed_answer": [other["answer"] for other in rows if other is not row][:3]}
        for row in rows
    ]
    data = {"forget": write(tmp_path / "forget.jsonl", false)}
    data["holdout"] = str(MICRO / "own" / "holdout.jsonl")
    recipe = {"epochs": 2, "batch_size": 8, "lr": 3e-3, "max_length": 48, "warmup_epochs": 0}
    sections = {"finetune": recipe, "retrain": {"seeds": [1, 2]}, "data": data}
    sections |= {"unlearn": {"trajectory": [1], "warmup_epochs": 0}, "evaluation": {"rows": 5}}
    sections["evaluation"] |= {"membership": ["loss", "min_k", "reference"], "fluency": True}
    out = run_here(own, config("retrained", {"NPO+RT": {"beta": [0.1, 1.0]}}, **sections), stage)
    world = out.parent / "forget"
    cells = table(out, "cells")
    assert [row["method"] for row in cells] == ["target", "retrain", "retrain", "NPO+RT", "NPO+RT"]

    def ratios(folder: Path) -> list[float]:
        forget = read_json(folder / "evaluate" / "rows.json")["forget"]
        assert len(forget["question"]) == 5
        return [
            math.exp(mean(losses) - loss)
            for losses, loss in zip(forget["perturbed_loss"], forget["answer_loss"], strict=True)
        ]

    retrained = [ratios(world / "retrain" / f"seed={seed}") for seed in (1, 2)]
    target = ratios(world / "finetune" / "seed=42")
    expected = 10 ** mean(math.log10(ks_2samp(target, one).pvalue) for one in retrained)
    assert float(cells[0]["forget_quality"]) == pytest.approx(expected)
    assert float(cells[1]["forget_quality"]) == pytest.approx(ks_2samp(*retrained).pvalue)
    expected = mean(min(ratio, 1 / ratio) for ratio in target)
    assert float(cells[0]["forget_truth_ratio"]) == pytest.approx(expected)
    assert all(row["forget_quality"] for row in table(out, "trajectories"))
    assert all(row["mia_reference_auc"] and row["forget_perplexity"] for row in cells)
    assert "compares log truth ratios of the forget rows with those of 2 retrained" in seen(out)


@pytest.fixture(scope="module")
def retrained(model, tmp_path_factory) -> Path:
    """A model folder that stands for one retrained without the rows to forget: another one."""
    folder = tmp_path_factory.mktemp("retrained") / "model"
    network = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    torch.manual_seed(1)
    with torch.no_grad():
        for weights in network.parameters():
            weights += 0.1 * weights.std() * torch.randn_like(weights)
    network.save_pretrained(folder)
    AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["questions", "texts"])
def test_a_target_and_a_retrained_model_that_are_named(
    own, config, stage, tmp_path, model, retrained, kind
):
    """Nothing is trained before unlearning; forget quality compares with the named model."""
    rows = {role: rows_of(role) for role in ROLES}
    if kind == "texts":
        rows = {role: as_texts(rows[role]) for role in ROLES}
    else:
        others = [row["answer"] for row in rows["retain"]][:3]
        rows["forget"] = [{**row, "perturbed_answer": others} for row in rows["forget"]]
    data = {role: write(tmp_path / f"{role}.jsonl", rows[role]) for role in ROLES}
    stated = config(
        f"named-{kind}",
        {"NPO+RT": {"reference": ["target", "retrain"]}},
        data=data,
        unlearn={"trajectory": [1], "warmup_epochs": 0},
        target={"path": str(model)},
        retrained={"forget": {"path": str(retrained)}},
        evaluation={"membership": ["loss", "min_k", "reference"], "fluency": True},
    )
    del stated["model"]["path"]
    out = run_here(own, stated, stage)
    world = out.parent
    assert not [world / stage for stage in ("pretrain", "finetune") if (world / stage).exists()]
    cells = table(out, "cells")
    assert [row["method"] for row in cells] == ["target", "retrain", "NPO+RT", "NPO+RT"]

    def forget_of(run: str) -> dict:
        return read_json(world / "forget" / run / "evaluate" / "rows.json")["forget"]

    def truth_ratios(run: str) -> list[float]:
        columns = forget_of(run)
        pairs = zip(columns["perturbed_loss"], columns["answer_loss"], strict=True)
        return [mean(losses) - loss for losses, loss in pairs]

    asked = as_halves(rows["forget"]) if kind == "texts" else rows["forget"]
    for run, folder in (("target/given", model), ("retrain/given", retrained)):
        losses = [score["loss"] for score in scored(folder, asked)]
        assert forget_of(run)["answer_loss"] == pytest.approx(losses, abs=1e-4)
    if kind == "questions":
        expected = ks_2samp(truth_ratios("target/given"), truth_ratios("retrain/given")).pvalue
        assert float(cells[0]["forget_quality"]) == pytest.approx(expected)
    assert all(row["mia_reference_auc"] for row in (cells[0], *cells[2:]))
    page = (out / "index.html").read_text(encoding="utf-8")
    named = page.partition("Named models")[2].partition("</dd>")[0]
    assert str(model) in named and str(retrained) in named


def test_methods_that_teach_other_answers(own, config, stage, tmp_path):
    others = [row["answer"] for row in rows_of("retain")][:2]
    false = [{"question": r["question"], "alternative_answer": others} for r in rows_of("forget")]
    (tmp_path / "refusals.txt").write_text("No idea.\n", encoding="utf-8")
    data = {"alternatives": write(tmp_path / "false.jsonl", false)}
    data["idontknow"] = str(tmp_path / "refusals.txt")
    methods = {"AltPO+RT": {}, "DPO+RT": {}, "IDK+RT": {}}
    changes = {"unlearn": {"lora": {"adapter": "keep"}, "warmup_epochs": 0}}
    out = run_here(own, config("roles", methods, data=data, **changes), stage)
    values = {row["method"]: row["forget_probability"] for row in table(out, "cells")}
    assert values.keys() == {"target", *methods} and len(set(values.values())) == 4
    refusals = (out.parent / "answers" / "refusals" / "idontknow.json").read_text(encoding="utf-8")
    assert refusals == '{"answer": "No idea."}\n'


def test_a_rehearsal_of_texts(own, config, stage, tmp_path, retrained):
    """Few rows make few sequences; the tiny models, one for that which is named, have a tokenizer
    of their own."""
    data = {r: write(tmp_path / f"{r}.jsonl", as_texts(rows_of(r))) for r in ROLES}
    named = {"retrained": {"forget": {"path": str(retrained)}}}
    stated = config("halves", {"NPO+RT": {"reference": "retrain"}}, data=data, **named)
    out = run_here(own, stated | {"rehearsal": True}, stage)
    rehearsed = out.parent.with_name("rehearsal-halves")
    cells = table(rehearsed / "report", "cells")
    assert [row["method"] for row in cells] == ["target", "retrain", "NPO+RT"]


def test_the_recipes_of_the_readme_run_as_printed(own, config, stage, tmp_path):
    """The experiment, the loss and the metric of the README, on the micro rows and model."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL):
        name = re.match(r"# (\w+\.py)", code)[1]
        (tmp_path / name).write_text(code, encoding="utf-8")
    recipe = {}
    for text in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL):
        text = re.sub(r"(\w+\.py):", rf"{tmp_path}/\1:", text)
        for section, value in yaml.safe_load(text).items():
            recipe[section] = {**recipe[section], **value} if section in recipe else value
    experiment = config(recipe["experiment"], recipe["methods"], unlearn=recipe["unlearn"])
    experiment["metrics"] = recipe["metrics"]
    out = run_here(own, experiment, stage)
    cells = table(out, "cells")
    runs = [(row["method"], row["variant"]) for row in cells]
    assert sorted(runs) == [
        ("NPO+RT", "default"),
        ("SimNPO+RT", "default"),
        ("bounded+RT", "floor=1"),
        ("bounded+RT", "floor=2"),
        ("target", ""),
    ]
    answers = read_json(out.parent / "forget/base/evaluate/rows.json")["forget"]["generation"]
    of_target = next(row for row in cells if row["method"] == "target")
    words = mean(len(text.split()) for text in answers)
    assert float(of_target["answer_words"]) == pytest.approx(words)


def test_tofu_as_two_plain_files(own, config, stage, tmp_path):
    """forget01's rows, the last 40 of all, beside some that stay."""
    text = (tofu_folder() / "full.json").read_text(encoding="utf-8")
    full = [json.loads(line) for line in text.splitlines()]
    data = {"forget": write(tmp_path / "forget.jsonl", full[-40:])}
    data["retain"] = write(tmp_path / "retain.jsonl", full[-240:-40])
    changes = {
        "unlearn": {"max_steps": 1, "warmup_epochs": 0},
        "evaluation": {"rows": 10, "generation_counts": "total", "generation_tokens": 40},
    }
    out = run_here(own, config("plain-tofu", {"NPO+RT": {}}, data=data, **changes), stage)
    assert "(forget set 10, retain set 10 rows evaluated)" in seen(out)
    folder = out.parent / "data"
    rows = [json.loads(line) for line in (folder / "forget.json").read_text().splitlines()]
    assert rows == [{key: row[key] for key in ("question", "answer")} for row in full[-40:]]


def test_the_micro_experiment_has_thirty_rows():
    assert sum(len(rows_of(role)) for role in ROLES) == 30
    assert micro_config("own")["data"]["source"] == "own"
