"""Sizes of your own tables for `plan`, counted in the files."""

import math
from dataclasses import dataclass, replace
from statistics import fmean

from unlearning.benchmarks.own.data import EVALUATED, is_text
from unlearning.benchmarks.own.metrics import SETS
from unlearning.config.experiment import Experiment
from unlearning.data.build import Tables, build_tables
from unlearning.data.prompts import PROMPTS
from unlearning.planning.texts import CHARACTERS, LIKE_CHAT, Text, Work


@dataclass(frozen=True)
class Sizes:
    """Sizes of rows, with the interface of `texts.Texts`.

    ratio: characters per token. template: tokens of the prompt format. max_length: tokens of a
    sequence of training; texts are cut into such sequences.
    """

    tables: Tables
    ratio: float
    template: int
    max_length: int

    @property
    def texts(self) -> bool:
        """Whether rows are texts."""
        return is_text(self.tables["forget"])

    @property
    def row(self) -> Text:
        """A sequence of training: a row of forget or retain, or a piece of all texts together."""
        if self.texts:
            return Text(self.max_length, self.max_length, self.max_length - 1, self.max_length - 1)
        return self._text(self.tables["full"])

    def _text(self, rows: list[dict]) -> Text:
        """Tokens of questions with answers; the label after an answer ends it."""
        answers, lengths = [], []
        for row in rows:
            answers.append(len(row["answer"]) / self.ratio)
            lengths.append(len(row["question"]) / self.ratio + answers[-1])
        return Text(
            mean=fmean(lengths) + self.template,
            longest=round(max(lengths)) + self.template,
            labels=fmean(answers) + 1,
            most_labels=round(max(answers)) + 1,
        )

    def cut(self, max_length: int) -> "Sizes":
        """The same rows with sequences of another length."""
        return replace(self, max_length=max_length)

    def _rows(self, table: str) -> int:
        """Rows of a table, or the sequences that its texts are cut into."""
        rows = self.tables[table]
        if not self.texts:
            return len(rows)
        # Training joins all texts of a table before it cuts them.
        tokens = sum(len(row["text"]) for row in rows) / self.ratio
        return max(1, math.ceil(round(tokens) / self.max_length))

    @property
    def full(self) -> int:
        """Rows of a fine-tuned target's table."""
        return self._rows("full")

    @property
    def pretrain(self) -> int:
        """Rows that a model from random weights reads."""
        return self._rows("pretrain")

    def retrained(self, split: str) -> int:
        """Rows of a retrained model's table."""
        return self._rows("retain")

    def forget(self, split: str) -> int:
        """Rows to forget."""
        return self._rows("forget")

    def evaluation(self, split: str, limits: dict) -> Work:
        """Likelihoods of the answers in all sets, false answers included, and generated answers."""
        scored, answered, decoded = 0.0, 0.0, 0
        for name in SETS:
            rows = self.tables.get(EVALUATED.format(role=name), [])[: limits["rows"]]
            if not rows:
                continue
            text = self._text(rows)
            sequences = 1 + len(rows[0].get("perturbed_answer", []))
            scored += len(rows) * sequences * text.mean
            # Generated tokens: the limit counts new tokens only, or the prompt's as well.
            prompt, new = round(text.mean - text.labels), limits["generation_tokens"]
            if limits["generation_counts"] != "new":
                new = max(0, new - prompt)
            tokens = len(rows) * (prompt + new)
            answered += tokens
            decoded += math.ceil(tokens / limits["batch_tokens"]) * new
        return Work(scored, answered, decoded)


def sizes(experiment: Experiment) -> Sizes:
    """The sizes of an experiment's files."""
    config = experiment.config
    architecture = config["model"]["architecture"] or {}
    ratio = CHARACTERS[architecture.get("tokenizer")]
    prompt = PROMPTS.get(config["model"]["prompt"], LIKE_CHAT)
    template = round(len(prompt.prompt("") + prompt.answer("").strip()) / ratio) + 1
    tables = build_tables(config["data"], experiment.splits, {})
    return Sizes(tables, ratio, template, config["unlearn"]["max_length"])
