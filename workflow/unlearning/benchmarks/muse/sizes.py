"""Sizes of MUSE's tables for `plan`: chunks to train on, tokens to evaluate."""

import math
from dataclasses import dataclass, replace
from statistics import fmean

from unlearning.benchmarks.muse.formulas import (
    KNOWMEM,
    KNOWMEM_TOKENS,
    PRIVLEAK,
    VERBMEM,
    VERBMEM_TOKENS,
    few_shot_prompt,
)
from unlearning.config.experiment import Experiment
from unlearning.data.build import Tables, build_tables
from unlearning.planning.texts import Text, Work, bytes_per_token, size

# Bytes of the texts on the hub (dataset cards of muse-bench/MUSE-News and MUSE-Books).
NEWS = {"forget": 3281546, "retain": 12894207, "full": 26113818}
NEWS |= {"scal2": 6551494, "scal3": 9874079, "scal4": 13219611}
NEWS |= {"sust2": 3269948, "sust3": 3322585, "sust4": 3345532}
BOOKS = {"forget": 4096855, "retain": 2806550, "full": 6903405}
HUB = {"News": NEWS, "Books": BOOKS}
# Evaluation set there -> its rows, and bytes that a model reads of one: with KnowMem's shots;
# those of VerbMem are an estimate.
HUB_EVALUATED = {
    **dict.fromkeys(PRIVLEAK, (100, 8062.0)),
    **dict.fromkeys(KNOWMEM, (100, 1450.0)),
    VERBMEM: (100, 1000.0),
}


@dataclass(frozen=True)
class MuseTexts:
    """Sizes of texts, as tofu/sizes.py:Texts has them; a row is a chunk of max_length tokens.

    lengths: bytes of each table of texts. evaluated: for VerbMem, both KnowMem and both PrivLeak
    sets, the number of rows and the mean bytes of a row. ratio: bytes per token.
    """

    lengths: dict[str, int]
    evaluated: dict[str, tuple[int, float]]
    ratio: float
    max_length: int

    @property
    def row(self) -> Text:
        """A chunk; all but its first token are labelled."""
        return Text(self.max_length, self.max_length, self.max_length - 1, self.max_length - 1)

    def cut(self, max_length: int) -> "MuseTexts":
        """The same texts in chunks of another length."""
        return replace(self, max_length=max_length)

    def rows(self, table: str) -> int:
        """Chunks of a table."""
        # texts are joined before they are cut, so that a table has one chunk that is not full
        return math.ceil(round(self.lengths[table] / self.ratio) / self.max_length)

    @property
    def full(self) -> int:
        return self.rows("full")

    @property
    def pretrain(self) -> int:
        return self.rows("pretrain")

    def retrained(self, _: str) -> int:
        return self.rows("retain")  # the same for every request

    def forget(self, split: str) -> int:
        return self.rows(split)

    def evaluation(self, _: str, settings: dict) -> Work:
        """Likelihoods of the PrivLeak texts, which are never cut, and of VerbMem's continuations;
        answers to VerbMem and KnowMem. The same for every split."""
        scored, answered, decoded = 0.0, 0.0, 0
        for name, (rows, length) in self.evaluated.items():
            rows = min(rows, settings["rows"] or rows)
            tokens = rows * length / self.ratio
            # PrivLeak generates nothing; VerbMem's true continuations are scored as well.
            if name not in PRIVLEAK:
                new = VERBMEM_TOKENS if name == VERBMEM else KNOWMEM_TOKENS
                tokens += rows * new
                answered += tokens
                decoded += math.ceil(round(tokens) / settings["batch_tokens"]) * new
            if name not in KNOWMEM:
                scored += tokens
        return Work(scored, answered, decoded)


def sizes(experiment: Experiment) -> MuseTexts:
    """Sizes of the texts of an experiment: of the hub's as published, of others as counted."""
    config = experiment.config
    data, max_length = config["data"], config["unlearn"]["max_length"]
    ratio = bytes_per_token(config["model"])
    # Counting the hub's texts would need them here; a plan is made before `fetch`.
    if data["source"] == "muse" and data["data_dir"] is None:
        return MuseTexts(HUB[data["corpus"]], HUB_EVALUATED, ratio, max_length)
    tables = build_tables(data, experiment.splits, {})
    lengths = {}
    for name, rows in tables.items():
        if "text" in rows[0]:
            lengths[name] = sum(size(row["text"]) for row in rows)
    return MuseTexts(lengths, _count_evaluated(tables), ratio, max_length)


def _count_evaluated(tables: Tables) -> dict[str, tuple[int, float]]:
    """Evaluation set -> rows and mean bytes of a row, in tables that are at hand."""
    prompts = {VERBMEM: [row["prompt"] for row in tables[VERBMEM]]}
    for name in PRIVLEAK:
        prompts[name] = [row["text"] for row in tables[name]]
    for name in KNOWMEM:
        shots = tables[f"{name}_icl"]  # part of every prompt, and most of its length
        prompts[name] = [few_shot_prompt(row["question"], shots) for row in tables[name]]
    return {name: (len(texts), fmean(map(size, texts))) for name, texts in prompts.items()}
