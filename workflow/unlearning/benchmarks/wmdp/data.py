"""The tables of WMDP's corpora and of their miniature, and the miniature's harness tasks."""

from pathlib import Path

import yaml

from unlearning.benchmarks.wmdp.experiment import TASK_FOLDER
from unlearning.benchmarks.wmdp.files import RETAIN, folder_reader, snapshot_reader, wmdp_tables
from unlearning.benchmarks.wmdp.mini import generate_hazards
from unlearning.data.build import Tables
from unlearning.data.tables import ColumnNames, write_table


def mini_tables(
    data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames
) -> Tables:
    """The miniature's forget corpora, retain corpus and pre-training table."""
    tables, _ = generate_hazards(**data["mini_wmdp"])
    # a corpus that is not to be forgotten is no table, but the base model reads of it
    return {name: tables[name] for name in (*splits, RETAIN, "pretrain")}


def corpora(data: dict, splits: list[str], snapshots: dict[str, str], names: ColumnNames) -> Tables:
    """Forget corpora and retain corpus, from a folder of the user's or the hub's snapshots."""
    if data["data_dir"] is not None:
        reader = folder_reader(Path(data["data_dir"]), names)
    else:
        reader = snapshot_reader(snapshots, names)
    return wmdp_tables(reader, splits)


def write_tasks(folder: Path, final: Path, data: dict) -> None:
    """Write a YAML and a JSON-lines file for each of the miniature's harness tasks below `folder`.

    final: the name that `folder` gets once it is complete. Task files name their data by this
    path, so tasks have to be written anew when the results are moved.
    """
    task_folder = folder / TASK_FOLDER  # written aside, and renamed with the tables
    task_folder.mkdir()
    # Generated a second time: no table of the world holds the questions.
    _, questions = generate_hazards(**data["mini_wmdp"])
    for name, rows in questions.items():
        write_table(task_folder / f"{name}.jsonl", rows)
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


TABLES = {"mini-wmdp": mini_tables, "wmdp": corpora}
