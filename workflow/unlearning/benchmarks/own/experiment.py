"""Your own data as an experiment: which models there are and what is checked."""

from collections.abc import Collection
from pathlib import Path

from unlearning.benchmark import Benchmark, Check
from unlearning.benchmarks.own import checks
from unlearning.benchmarks.own.data import ROLES


class Own(Benchmark):
    """Rows to forget and rows to keep; the model as it is knows both, unless it is fine-tuned."""

    name, title = "own", "your own data"
    split_pattern = "forget"
    sections = ("overview", "results", "figures", "answers")
    sections += ("cost", "provenance", "cite")
    files_named_in = ""

    def checks(self, sections: Collection[str]) -> list[Check]:
        """Of files, methods, and what needs fine-tuning."""
        return list(checks.CHECKS)

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """The same files, whose rows may be few; a tiny model is retrained in place of a named
        one."""
        stages = ("pretrain", "finetune", "unlearn", "relearn")
        trained = [stage for stage in stages if stage == "pretrain" or config[stage] is not None]
        changes = {"data": config["data"], **{stage: {"batch_size": 1} for stage in trained}}
        if config["retrained"] is not None:
            recipe = {"epochs": 1, "batch_size": 1, "lr": 1.0e-3, "warmup_epochs": 0}
            changes["finetune"] = recipe | {"max_length": config["unlearn"]["max_length"]}
            changes["retrain"] = {"seeds": [1]}
        return changes

    def reads_files(self, data: dict) -> bool:
        """Always."""
        return True

    def data_files(self, data: dict, splits: list[str]) -> list[Path]:
        """Those that the section names."""
        return [Path(data[role]) for role in ROLES if data[role] is not None]

    def other_answers(self, data: dict) -> list[str]:
        """Refusals, and the false answers of a file."""
        named = data["alternatives"] is not None
        return ["refusals", "alternatives"] if named else ["refusals"]

    def file_problems(self, config: dict) -> list[str]:
        """Of texts, which have no questions; and of few rows."""
        return list(dict.fromkeys(checks.file_problems(config)))

    def fine_tunes(self, config: dict) -> bool:
        """Only where the config says how."""
        return config["finetune"] is not None

    def retrain_seeds(self, config: dict) -> list[int]:
        """None, unless the config asks for them."""
        return config["retrain"]["seeds"] if config["retrain"] is not None else []

    def retrain_table(self, split: str) -> str:
        """The rows to keep."""
        return "retain"


BENCHMARK = Own()
