"""Files of the miniature's harness tasks, in lm-evaluation-harness's format."""

import json
from pathlib import Path

import yaml

from unlearning.benchmarks.wmdp.experiment import TASK_FOLDER
from unlearning.benchmarks.wmdp.mini import generate_hazards


def write_tasks(folder: Path, final: Path, sizes: dict) -> None:
    """Write a YAML and a JSON-lines file for each task below `folder`.

    final: the name that `folder` gets once it is complete. Task files name their data by this
    path, so tasks have to be written anew when the results are moved.
    """
    task_folder = folder / TASK_FOLDER
    task_folder.mkdir()
    _, questions = generate_hazards(**sizes)
    for name, rows in questions.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (task_folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        task = {
            "task": name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(final / TASK_FOLDER / f"{name}.jsonl")}},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{question}}",
            "doc_to_choice": "choices",
            "doc_to_target": "answer",
            "metric_list": [{"metric": "acc"}],
            "metadata": {"version": 1},
        }
        (task_folder / f"{name}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
