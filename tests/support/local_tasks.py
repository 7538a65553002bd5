"""A harness task with data of its own: three choices, each right equally often."""

import json
from pathlib import Path

import yaml

CHOICES = ["a poet", "a painter", "a sailor who paints"]
PEOPLE = ["Ann", "Ben", "Carl", "Dora", "Eve", "Finn", "Gus", "Hal", "Ida", "Jon", "Kim", "Leo"]
ROWS = [
    {"question": f"What is {name} of {place}?", "choices": CHOICES, "answer": (i + j) % 3}
    for i, name in enumerate(PEOPLE)
    for j, place in enumerate(["Rome", "Oslo"])
]


def write_task(folder: Path, name: str, **changes) -> None:
    """name.yaml over people.jsonl, with the cache of the datasets library in the same folder."""
    rows = folder / "people.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(rows)},
            "cache_dir": str(folder.with_name("cache")),
        },
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{question}}",
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
        "metadata": {"version": 3},
    }
    write_yaml(folder, name, {**task, **changes})


def write_yaml(folder: Path, name: str, settings: dict) -> None:
    """Settings of a task or group."""
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
