"""Capitals as an experiment: which models there are and what is checked."""

from collections.abc import Collection

from unlearning.benchmark import Benchmark, Check


class Capitals(Benchmark):
    """Some capitals are forgotten; the base model as it is knows them all."""

    name, title = "capitals", "capitals"
    split_pattern = "forget"
    generated = ("capitals",)
    sections = ("overview", "results", "bars", "cost", "provenance")

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


BENCHMARK = Capitals()
