"""Capitals as an experiment: its models and checks."""

from collections.abc import Collection

from unlearning.benchmark import Benchmark, Check


class Capitals(Benchmark):
    """Some capitals are to be forgotten. The base model knows all of them."""

    name, title = "capitals", "capitals"
    split_pattern = "forget"
    generated = ("capitals",)
    sections = ("overview", "results", "bars", "cost", "provenance")

    def checks(self, sections: Collection[str]) -> list[Check]:
        """None: the schema checks everything."""
        return []

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """The same rows."""
        return {"data": config["data"]}

    def fine_tunes(self, config: dict) -> bool:
        """False: the base model is the target."""
        return False

    def retrain_seeds(self, config: dict) -> list[int]:
        """None: no model is retrained."""
        return []

    def retrain_table(self, split: str) -> str:
        """The table that unlearning regularises on."""
        return "retain"


BENCHMARK = Capitals()
