"""Sizes of your own tables for `plan`, counted in the files."""

import math
from dataclasses import dataclass, replace

from unlearning.benchmarks.own.data import EVALUATED, is_text
from unlearning.benchmarks.own.metrics import SETS
from unlearning.config.experiment import Experiment
from unlearning.data.build import Tables, build_tables
from unlearning.planning.texts import Text, Work, bytes_per_token, generated, question_text, size


@dataclass(frozen=True)
class Sizes:
    """Sizes of rows, with the interface of tofu/sizes.py:Texts.

    model: that section of the config. max_length: tokens of a sequence of training; texts are cut
    into such sequences.
    """

    tables: Tables
    model: dict
    max_length: int

    @property
    def texts(self) -> bool:
        return is_text(self.tables["forget"])  # all files are of one kind

    @property
    def row(self) -> Text:
        """A sequence of training: a row of forget or retain, or a piece of all texts together."""
        if self.texts:  # pieces of max_length tokens, all but the first labelled
            return Text(self.max_length, self.max_length, self.max_length - 1, self.max_length - 1)
        return question_text(self.tables["full"], self.model)

    def cut(self, max_length: int) -> "Sizes":
        """The same rows with sequences of another length."""
        return replace(self, max_length=max_length)

    def _rows(self, table: str) -> int:
        """Rows of a table, or the sequences that its texts are cut into."""
        rows = self.tables[table]
        if not self.texts:
            return len(rows)
        # Training joins all texts of a table before it cuts them.
        tokens = sum(size(row["text"]) for row in rows) / bytes_per_token(self.model)
        return max(1, math.ceil(round(tokens) / self.max_length))

    @property
    def full(self) -> int:
        return self._rows("full")

    @property
    def pretrain(self) -> int:
        return self._rows("pretrain")

    def retrained(self, split: str) -> int:
        return self._rows("retain")

    def forget(self, split: str) -> int:
        return self._rows("forget")

    def evaluation(self, split: str, settings: dict) -> Work:
        """Likelihoods of the answers in all sets, false answers included, and generated answers."""
        scored, answered, decoded = 0.0, 0.0, 0
        for name in SETS:
            rows = self.tables.get(EVALUATED.format(role=name), [])[: settings["rows"]]
            if not rows:
                continue
            # Each set is counted by itself: its file may hold longer rows than others.
            text = question_text(rows, self.model)
            sequences = 1 + len(rows[0].get("perturbed_answer", []))  # the first row's, for all
            scored += len(rows) * sequences * text.mean
            tokens, passes = generated(len(rows), round(text.mean - text.labels), settings)
            answered += tokens
            decoded += passes
        return Work(scored, answered, decoded)


def sizes(experiment: Experiment) -> Sizes:
    config = experiment.config
    tables = build_tables(config["data"], experiment.splits, {})
    return Sizes(tables, config["model"], config["unlearn"]["max_length"])
