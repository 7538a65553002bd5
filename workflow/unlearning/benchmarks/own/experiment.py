"""Your own data as an experiment: files, models and checks."""

from pathlib import Path

from unlearning.benchmark import Benchmark
from unlearning.benchmarks.own import checks
from unlearning.benchmarks.own.data import ROLES


class Own(Benchmark):
    """Rows to forget and rows to retain. The base model knows both, unless it is fine-tuned."""

    name, title = "own", "your own data"
    split_pattern = "forget"
    sections: tuple[str, ...] = ("overview", "results", "figures", "variance", "answers")
    sections += ("cost", "provenance", "cite")
    files_named_in = ""
    config_checks = checks.CHECKS

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """The same files, with batches of one row because there may be few rows."""
        changes = {"data": config["data"], "pretrain": {"batch_size": 1}}
        for stage in ("finetune", "unlearn", "relearn"):
            if config[stage] is not None:  # a section that is left out stays so
                changes[stage] = {"batch_size": 1}
        # A tiny model is retrained in place of the one that the config names, which is of another
        # architecture than the rehearsal's.
        if config["retrained"] is not None:
            recipe = {"epochs": 1, "batch_size": 1, "lr": 1.0e-3, "warmup_epochs": 0}
            changes["finetune"] = recipe | {"max_length": config["unlearn"]["max_length"]}
            changes["retrain"] = {"seeds": [1]}
        return changes

    def reads_files(self, data: dict) -> bool:
        return True  # all tables are

    def data_files(self, data: dict, splits: list[str]) -> list[Path]:
        return [Path(data[role]) for role in ROLES if data[role] is not None]

    def other_answers(self, data: dict) -> list[str]:
        """Refusals, and plausible false answers if a file has some."""
        return ["refusals"] if data["alternatives"] is None else ["refusals", "alternatives"]

    def file_problems(self, config: dict) -> list[str]:
        """Messages about settings that texts, or as few rows, do not allow."""
        return list(dict.fromkeys(checks.file_problems(config)))

    def fine_tunes(self, config: dict) -> bool:
        return config["finetune"] is not None

    def retrain_seeds(self, config: dict) -> list[int]:
        return config["retrain"]["seeds"] if config["retrain"] is not None else []

    def retrain_table(self, split: str) -> str:
        return "retain"


BENCHMARK = Own()
