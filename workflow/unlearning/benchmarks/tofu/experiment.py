"""TOFU and its miniature, the mini world, as experiments: splits, models and checks."""

import math
from pathlib import Path

from unlearning.assets.needs import Repository
from unlearning.benchmark import Benchmark, room
from unlearning.benchmarks.tofu import checks, files
from unlearning.benchmarks.tofu.splits import percentage, retain_name

REPOSITORY = "locuslab/TOFU"  # on the hub
_FEWEST_RETAIN_AUTHORS = 20  # the schema's minimum
_REHEARSAL_SIZES = {"questions_per_author": 2, "holdout_authors": 2, "known_persons": 4}
_REHEARSAL_SIZES |= {"pretrain_rows": 64, "replay_rows": 16, "seed": 1}


class Tofu(Benchmark):
    """Questions about fictitious authors. Retrained models are the standard of forgetting."""

    name, title = "tofu", "TOFU"
    split_pattern = r"forget\d\d"
    generated = ("mini",)
    data_seeds = (("mini", "seed"),)
    sections = (
        *("overview", "brief", "results", "fq_mu", "trajectories", "peaks", "grids", "relearning"),
        *("strata", "weights", "reference", "divergence", "variance", "limits", "harness"),
        *("answers", "claims", "published", "losses", "cost", "provenance", "cite"),
    )
    reads_logs = True
    config_checks = checks.CHECKS

    def rehearsal(self, config: dict) -> dict[str, dict]:
        """The user's folder with few retain authors, or the mini world with few authors."""
        data = config["data"]
        # The user's rows are rehearsed, because they may be what the run would stumble over.
        if data["source"] == "tofu" and data["data_dir"] is not None:
            return {"data": {**data, "retain_authors": _FEWEST_RETAIN_AUTHORS}}
        splits = [*config["forget_splits"], *(config["world_splits"] or [])]
        # The fewest authors of which every split is a whole number, but at least ten: the mini
        # world measures what is retained on a tenth of them.
        divisor = math.lcm(*(100 // math.gcd(100, percentage(split)) for split in splits))
        authors = divisor * math.ceil(10 / divisor)
        mini = {"authors": authors, **_REHEARSAL_SIZES}
        return {"data": {"source": "mini", "mini": mini, "idontknow": data["idontknow"]}}

    def repositories(self, config: dict) -> dict[str, Repository]:
        """The hub's locuslab/TOFU, unless a folder has its files."""
        data = config["data"]
        if data["source"] == "mini" or data["data_dir"] is not None:
            return {}
        return {"data": Repository("data.data_dir", "dataset", REPOSITORY, data["hub_revision"])}

    def row_counts(self, experiment) -> dict[str, int]:
        """The rows of the hub's tables and of the mini world."""
        # Loaded when it is asked: Snakemake imports this module for every run.
        texts = room(self.name, "sizes").sizes(experiment)
        counts = {"full": texts.full, "pretrain": texts.pretrain}
        for split in experiment.tables:
            counts |= {split: texts.forget(split), retain_name(split): texts.retrained(split)}
        return counts

    def other_answers(self, data: dict) -> list[str]:
        """Refusals, and plausible false answers if they are generated or in a file."""
        has_alternatives = data["source"] in self.generated or data["alternatives"] is not None
        return ["refusals", "alternatives"] if has_alternatives else ["refusals"]

    def answer_files(self, data: dict, kind: str) -> list[Path]:
        """The file that the config names, or the refusals in the user's folder."""
        named = super().answer_files(data, kind)
        if named or kind != "refusals" or not self.reads_files(data):
            return named
        return files.refusal_files(Path(data["data_dir"]))

    def holdout_files(self, config: dict, split: str) -> list[Path]:
        """The file that the config names, or the holdout split in the user's folder."""
        named = super().holdout_files(config, split)
        attacks, data = config["evaluation"]["membership"], config["data"]
        if named or not attacks or not self.reads_files(data):
            return named
        # No table of the world, so that a holdout split put into the folder trains nothing again.
        return files.holdout_files(Path(data["data_dir"]), split)[:1]

    def file_problems(self, config: dict) -> list[str]:
        """Messages about missing non-members or paraphrased questions, if the config uses them."""
        return list(checks.file_problems(config))

    def retrain_table(self, split: str) -> str:
        """The retain split: retain90 for forget10."""
        return retain_name(split)


BENCHMARK = Tofu()
