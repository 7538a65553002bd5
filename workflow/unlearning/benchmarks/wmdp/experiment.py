"""WMDP and its miniature as experiments: corpora, models and what is checked."""

from pathlib import Path

from unlearning.assets.needs import Repository
from unlearning.benchmark import Benchmark
from unlearning.benchmarks.wmdp import checks, files
from unlearning.benchmarks.wmdp.mini import TASKS

_REHEARSAL_SIZES = {"names": 4, "documents": 4, "pretrain_rows": 64, "seed": 1}
TASK_FOLDER = "tasks"  # of the miniature, inside the folder of tables


class Wmdp(Benchmark):
    """Hazardous documents to forget. The base model is unlearned as it is, no model is retrained,
    and models are evaluated by accuracies on harness tasks only."""

    name, title = "wmdp", "WMDP"
    split_pattern = "|".join(files.FORGET)
    sections: tuple[str, ...] = ("overview", "results", "variance", "claims", "published")
    sections += ("cost", "provenance", "cite")
    generated = ("mini-wmdp",)
    data_seeds = (("mini_wmdp", "seed"),)
    longest_rehearsed = 128
    read_by = ("unlearn",)
    config_checks = checks.CHECKS

    def unused(self, config: dict) -> dict[str, str]:
        """Sections on fine-tuned, retrained and attacked models and on other evaluations."""
        where = f"not for data.source {config['data']['source']}"
        return {section: f"{where} ({reason})" for section, reason in checks.UNUSED.items()}

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """The miniature with few names; it brings its own harness tasks."""
        data = {"source": "mini-wmdp", "mini_wmdp": _REHEARSAL_SIZES}
        return {"data": data, "harness": {"tasks": [], "include_path": None}}

    def repositories(self, config: dict) -> dict[str, Repository]:
        """The hub's repositories of the corpora, unless a folder has their files."""
        data = config["data"]
        if data["source"] in self.generated or data["data_dir"] is not None:
            return {}
        repositories = {}
        # one for each corpus: bio is gated, and a config without it must not ask for access
        for table in (*config["forget_splits"], files.RETAIN):
            name, part = files.HUB[table]
            hub = Repository("data.data_dir", "dataset", name, "main", part)
            repositories[files.ASSETS[table]] = hub
        return repositories

    def fine_tunes(self, config: dict) -> bool:
        return False  # the base model knows the hazards

    def retrain_seeds(self, config: dict) -> list[int]:
        return []  # there is no model without the knowledge

    def row_counts(self, experiment) -> dict[str, int]:
        """The documents of the miniature, but for those of its retain corpus."""
        data = experiment.config["data"]
        if data["source"] not in self.generated:
            return {}
        sizes = data["mini_wmdp"]
        documents = sizes["names"] * sizes["documents"]
        return {**dict.fromkeys(files.FORGET, documents), "pretrain": sizes["pretrain_rows"]}

    def retrain_table(self, split: str) -> str:
        return files.RETAIN  # no model is retrained on it, but unlearning reads it

    def evaluates(self, config: dict) -> bool:
        return False  # harness tasks are all

    def brings_tasks(self, data: dict) -> bool:
        return data["source"] in self.generated

    def tasks(self, config: dict, data: Path) -> dict:
        if self.brings_tasks(config["data"]):
            return {"tasks": list(TASKS.values()), "include_path": str(data / TASK_FOLDER)}
        return super().tasks(config, data)


BENCHMARK = Wmdp()
