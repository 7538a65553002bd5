"""Real TOFU, forget10, as the speed benchmarks take it."""

import json
from pathlib import Path

import yaml
from unlearning.data.encoding import Encoder, Example
from unlearning.data.prompts import PROMPTS
from unlearning.data.tables import read_table
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import train_tokenizer
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.sources import UnlearnSource

ROOT = Path(__file__).resolve().parents[1]
TINY = yaml.safe_load((ROOT / "config" / "experiments" / "tofu-tiny.yaml").read_text("utf-8"))
ARCHITECTURE = TINY["model"]["architecture"]
SETS = ("forget10", "retain", "real_authors", "world_facts")
EVALUATED_ROWS = 300  # official: the first of each set
TRAINED, SCORED, GENERATED = 500, 200, 200  # most tokens, official
OBJECTIVE = build_objective(resolve("NPO+RT", {"beta": 0.1}).settings())


def tokenizer_of(data: Path, vocabulary: int):
    """Byte-level BPE, trained on TOFU itself."""
    rows = [row for name in ("full", "real_authors", "world_facts") for row in table(data, name)]
    texts = [f"{row['question']} {row['answer']}" for row in rows]
    return train_tokenizer("bpe", texts, vocabulary)


def table(data: Path, name: str) -> list[dict]:
    """A table of TOFU."""
    return read_table(data / f"{name}.json")


def encoder_of(tokenizer, longest: int, prompt: str = TINY["model"]["prompt"]) -> Encoder:
    """Rows as sequences of at most `longest` tokens."""
    return Encoder(tokenizer, PROMPTS[prompt], longest)


def forget10(data: Path, tokenizer, prompt: str = TINY["model"]["prompt"]) -> dict:
    """Role -> its examples, for unlearning forget10."""
    encoder = encoder_of(tokenizer, TRAINED, prompt)
    names = {"forget": "forget10", "retain": "retain90"}
    return {role: encoder.encode_rows(table(data, name)) for role, name in names.items()}


def source_of(
    examples: dict[str, list[Example]], recipe: Recipe, rows: int | None = None
) -> UnlearnSource:
    """What unlearning meets, step by step."""
    make = {role: examples[role].__getitem__ for role in OBJECTIVE.roles}
    plan = StepPlan.of(recipe, rows or len(examples["forget"]))
    return UnlearnSource(plan, 1, "fresh", {"retain": len(examples["retain"])}, make)


def recipe_of(steps: int | None = None, **more) -> Recipe:
    """The papers': ten epochs in batches of 32; with `steps` no more than that."""
    own = {"lr": 1e-5, "warmup_epochs": 1, "schedule": "linear", "weight_decay": 0.01}
    own |= {"clip_norm": None, "max_length": TRAINED, "max_steps": steps}
    return Recipe(**{"epochs": 10, "batch_size": 32, **own, **more})


def evaluated(data: Path) -> dict[str, list[dict]]:
    """The rows of each evaluation set, by the names of evaluation.tofu."""
    names = dict.fromkeys(SETS) | {"forget10": "forget"}
    rows = {name: table(data, f"{name}_perturbed")[:EVALUATED_ROWS] for name in SETS}
    return {names[name] or name: found for name, found in rows.items()}


def answers_of(row: dict) -> dict[str, list[str]]:
    """What the official evaluation scores of a row, each kind in a forward pass of its own: where
    nothing is paraphrased, the answer stands in once more."""
    paraphrase = row.get("paraphrased_answer", row["answer"])
    return {
        "answer": [row["answer"]],
        "paraphrase": [paraphrase],
        "perturbed": row.get("perturbed_answer", []),
    }


def write(path: Path | None, found: dict) -> None:
    """The measurements as JSON, where asked for."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
