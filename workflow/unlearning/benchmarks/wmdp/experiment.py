"""WMDP and its miniature as experiments: corpora, models and what is checked."""

from collections.abc import Collection
from pathlib import Path

from unlearning.assets.needs import Repository
from unlearning.benchmark import Benchmark, Check
from unlearning.benchmarks.wmdp import checks, files
from unlearning.benchmarks.wmdp.mini import TASKS

_REHEARSED = {"names": 4, "documents": 4, "pretrain_rows": 64, "seed": 1}
TASK_FOLDER = "tasks"  # of the miniature, inside the folder of tables


class Wmdp(Benchmark):
    """Hazardous documents to forget: the base model is unlearned as it is, nothing is retrained,
    and accuracies on harness tasks are all that is evaluated."""

    name, title = "wmdp", "WMDP"
    split_pattern = "|".join(files.FORGET)
    sections = ("overview", "results", "claims", "published")
    sections += ("cost", "provenance", "cite")
    generated = ("mini-wmdp",)
    data_seeds = (("mini_wmdp", "seed"),)
    longest_rehearsed = 128
    read_by = ("unlearn",)

    def checks(self, sections: Collection[str]) -> list[Check]:
        """Of the data, corpora and tasks, and of sections that it has no use for."""
        return list(checks.CHECKS)

    def unused(self, config: dict) -> dict[str, str]:
        """All that is about fine-tuned, retrained or attacked models, and about evaluation."""
        source = config["data"]["source"]
        return {s: f"not for data.source {source} ({why})" for s, why in checks.UNUSED.items()}

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """Germs and worms; their world brings its own tasks."""
        data = {"source": "mini-wmdp", "mini_wmdp": _REHEARSED}
        return {"data": data, "harness": {"tasks": [], "include_path": None}}

    def repositories(self, config: dict) -> dict[str, Repository]:
        """The corpora asked for, unless a folder has their files."""
        data = config["data"]
        if data["source"] in self.generated or data["data_dir"] is not None:
            return {}
        repositories = {}
        for table in (*config["forget_splits"], files.RETAIN):
            name, part = files.HUB[table]
            hub = Repository("data.data_dir", "dataset", name, "main", part)
            repositories[files.ASSETS[table]] = hub
        return repositories

    def fine_tunes(self, config: dict) -> bool:
        """Never: the base model knows the hazards."""
        return False

    def retrain_seeds(self, config: dict) -> list[int]:
        """None: no model without the knowledge is to be had."""
        return []

    def data_files(self, data: dict, splits: list[str]) -> list[Path]:
        """Tables of the folder."""
        return files.read_from(Path(data["data_dir"]), splits) if self.reads_files(data) else []

    def retrain_table(self, split: str) -> str:
        """No model learns it; unlearning regularises on it, whatever is forgotten."""
        return files.RETAIN

    def evaluates(self, config: dict) -> bool:
        """Not beside the harness tasks."""
        return False

    def brings_tasks(self, data: dict) -> bool:
        """The miniature does."""
        return data["source"] in self.generated

    def tasks(self, config: dict, data: Path) -> dict:
        """The miniature's tasks, or those of the config."""
        if self.brings_tasks(config["data"]):
            return {"tasks": list(TASKS.values()), "include_path": str(data / TASK_FOLDER)}
        return super().tasks(config, data)


BENCHMARK = Wmdp()
