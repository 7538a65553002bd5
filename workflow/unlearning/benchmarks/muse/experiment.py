"""MUSE and its miniature as experiments: requests, models and what is checked."""

from unlearning.assets.needs import Repository
from unlearning.benchmark import Benchmark
from unlearning.benchmarks.muse import checks, files

_REHEARSAL_NEWS = {"persons": 2, "questions": 4, "pretrain_persons": 4, "seed": 1}


class Muse(Benchmark):
    """Texts to forget, measured by VerbMem, KnowMem and PrivLeak."""

    name, title = "muse", "MUSE"
    split_pattern = r"forget|(scal|sust)\d"
    sections = (
        *("overview", "results", "selected", "folds", "variance", "answers", "claims"),
        *("published", "cost", "provenance", "cite"),
    )
    generated = ("mini-muse",)
    data_seeds = (("mini_muse", "seed"),)
    longest_rehearsed = 128  # so that a few texts make several rows
    read_by = ("finetune", "unlearn")  # the lengths of its evaluation are constants
    config_checks = checks.CHECKS

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """The miniature with few persons: MUSE has no text for a model from random weights."""
        evaluation = config["evaluation"] | {"rows": 4}  # its other limits are the release's
        data = {"source": "mini-muse", "mini_muse": _REHEARSAL_NEWS}
        return {"data": data, "evaluation": evaluation}

    def repositories(self, config: dict) -> dict[str, Repository]:
        """The hub's repository of the corpus, unless a folder has its files."""
        data = config["data"]
        # Without a corpus there is no repository to name; checks.py refuses such a config.
        if data["source"] in self.generated or data["data_dir"] or data["corpus"] is None:
            return {}
        name = f"muse-bench/MUSE-{data['corpus']}"
        return {"data": Repository("data.data_dir", "dataset", name, data["hub_revision"])}

    def retrain_table(self, split: str) -> str:
        return "retain"  # all retain texts, the same for every request

    def retain_table(self, split: str) -> str:
        return "retain1"  # as released: KnowMem and PrivLeak ask about other texts

    def split_before(self, split: str) -> str | None:
        return files.split_before(split)


BENCHMARK = Muse()
