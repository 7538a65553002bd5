"""Capitals as an experiment: its models and checks."""

from unlearning.benchmark import Benchmark


class Capitals(Benchmark):
    """Some capitals are to be forgotten. The base model knows all of them."""

    name, title = "capitals", "capitals"
    split_pattern = "forget"
    generated = ("capitals",)
    sections = ("overview", "results", "bars", "cost", "provenance")

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
