"""TOFU and its miniature, the mini world, as experiments: splits, models and what is checked."""

import math
from collections.abc import Collection
from functools import partial
from pathlib import Path

from unlearning.assets.needs import Repository
from unlearning.benchmark import Benchmark, Check
from unlearning.benchmarks.tofu import checks, files
from unlearning.benchmarks.tofu.files import read_from, refusal_files
from unlearning.benchmarks.tofu.splits import percentage, retain_name

REPOSITORY = "locuslab/TOFU"  # on the hub
_FEWEST_RETAIN_AUTHORS = 20  # by the schema
_REHEARSED = {"questions_per_author": 2, "holdout_authors": 2, "known_persons": 4}
_REHEARSED |= {"pretrain_rows": 64, "replay_rows": 16, "seed": 1}


class Tofu(Benchmark):
    """Questions about fictitious authors; forgetting is judged against retrained models."""

    name, title = "tofu", "TOFU"
    split_pattern = r"forget\d\d"
    generated = ("mini",)
    data_seeds = (("mini", "seed"),)
    sections = ("overview", "brief", "results", "fq_mu", "trajectories", "peaks", "grids")
    sections += ("relearning", "strata", "weights", "reference", "divergence", "variance")
    sections += ("limits",)
    sections += ("harness", "answers", "claims", "published", "losses", "cost", "provenance")
    sections += ("cite",)
    reads_logs = True

    def checks(self, sections: Collection[str]) -> list[Check]:
        """Of the data, the splits and membership inference."""
        return list(checks.CHECKS)

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """The user's folder with few retain authors, or a mini world of few authors."""
        data = config["data"]
        if data["source"] == "tofu" and data["data_dir"] is not None:
            return {"data": {**data, "retain_authors": _FEWEST_RETAIN_AUTHORS}}
        splits = [*config["forget_splits"], *(config["world_splits"] or [])]
        # the fewest authors of which every split is a whole number, ten at least
        authors = max(10, *(100 // math.gcd(100, percentage(split)) for split in splits))
        kept = {"idontknow": data["idontknow"]}
        return {"data": {**kept, "source": "mini", "mini": {"authors": authors, **_REHEARSED}}}

    def repositories(self, config: dict) -> dict[str, Repository]:
        """locuslab/TOFU, unless a folder has its files."""
        data = config["data"]
        if data["source"] == "mini" or data["data_dir"] is not None:
            return {}
        hub = partial(Repository, "data.data_dir", "dataset")
        return {"data": hub(REPOSITORY, data["hub_revision"])}

    def data_files(self, data: dict, splits: list[str]) -> list[Path]:
        """Tables of the folder."""
        return read_from(Path(data["data_dir"]), splits) if self.reads_files(data) else []

    def other_answers(self, data: dict) -> list[str]:
        """Refusals; false answers where they are made here or come in a file."""
        made = data["source"] in self.generated or data["alternatives"] is not None
        return ["refusals", "alternatives"] if made else ["refusals"]

    def answer_files(self, data: dict, kind: str) -> list[Path]:
        """The named file, or the folder's own refusals."""
        files = super().answer_files(data, kind)
        if kind == "refusals" and not files and self.reads_files(data):
            files = refusal_files(Path(data["data_dir"]))
        return files

    def holdout_files(self, config: dict, split: str) -> list[Path]:
        """Of a folder its holdout split, unless the config names a file."""
        evaluation, data = config["evaluation"], config["data"]
        named = super().holdout_files(config, split)
        if named or not evaluation["membership"] or not self.reads_files(data):
            return named
        return files.holdout_files(Path(data["data_dir"]), split)[:1]

    def file_problems(self, config: dict) -> list[str]:
        """Of non-members and of other words for the questions, where these are asked for."""
        return list(checks.file_problems(config))

    def retrain_table(self, split: str) -> str:
        """The retain split: retain90 for forget10."""
        return retain_name(split)


BENCHMARK = Tofu()
