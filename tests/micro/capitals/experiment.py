"""Capitals as an experiment: which models there are and what is checked."""

from collections.abc import Collection

from unlearning.benchmark import Benchmark, Check


class Capitals(Benchmark):
    """Some capitals are forgotten; the base model as it is knows them all."""

    name, title = "capitals", "capitals"
    split_pattern = "forget"
    generated = ("capitals",)

    def checks(self, sections: Collection[str]) -> list[Check]:
        """Nothing beside the schema."""
        return []

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """The same rows."""
        return {"data": config["data"]}

    def fine_tunes(self, config: dict) -> bool:
        """Never."""
        return False

    def retrain_seeds(self, config: dict) -> list[int]:
        """None."""
        return []

    def retrain_table(self, split: str) -> str:
        """What unlearning regularises on."""
        return "retain"

    def report_files(self, experiment) -> dict[str, list[str]]:
        """The main table and a figure."""
        return {"tables": [], "figures": ["bars"]}


BENCHMARK = Capitals()
