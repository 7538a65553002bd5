"""Sizes of TOFU's tables and the mini world's for `plan`: rows, and tokens of a row."""

import math

from unlearning.benchmarks.tofu.splits import (
    RETAIN_SHARE,
    TOFU_ROWS_PER_AUTHOR,
    evaluated_on,
    forget_rows,
)
from unlearning.config.experiment import Experiment
from unlearning.data.prompts import PROMPTS
from unlearning.planning.texts import CHARACTERS, LIKE_CHAT, SEQUENCES, Text, Work

TOFU_ROWS = 4000
# Rows of real authors and world facts, and the sequences scored for one: answer, three perturbed.
TOFU_GENERAL = (100, 117)
MINI_GENERAL = (36, 35)
GENERAL_SEQUENCES = 4


class Texts:
    """Rows and tokens of an experiment's tables.

    Characters were counted in TOFU's tables and the mini world's; tokens are estimates.
    """

    def __init__(self, experiment: Experiment):
        config = experiment.config
        self.data = config["data"]
        self.mini = self.data["source"] == "mini"
        self.splits = experiment.tables
        architecture = config["model"]["architecture"] or {}
        self.ratio = CHARACTERS[architecture.get("tokenizer")]
        # Reading a chat template would load the tokenizer, which takes seconds.
        prompt = PROMPTS.get(config["model"]["prompt"], LIKE_CHAT)
        template = len(prompt.prompt("") + prompt.answer("").strip()) / self.ratio
        self.template = round(template) + 1  # and the end of sequence
        if self.mini:
            self.row, self.general = self._text(42, 54, 135, 95), self._text(30, 8, 50, 16)
        else:
            self.row, self.general = self._text(70, 170, 619, 418), self._text(57, 12, 140, 41)

    def _text(self, question: int, answer: int, longest: int, longest_answer: int) -> Text:
        """Tokens from characters: means of question and answer, longest row, longest answer."""
        return Text(
            mean=(question + answer) / self.ratio + self.template,
            longest=round(longest / self.ratio) + self.template,
            labels=answer / self.ratio + 1,
            most_labels=round(longest_answer / self.ratio) + 1,
        )

    def cut(self, max_length: int) -> "Texts":
        """The same sizes: another longest sequence changes no number of rows."""
        return self

    @property
    def full(self) -> int:
        """Rows of the target's table."""
        if self.mini:
            return self.data["mini"]["authors"] * self.data["mini"]["questions_per_author"]
        if self.data["retain_authors"] is None:
            return TOFU_ROWS
        forget = max(map(self.forget, self.splits))
        return self.data["retain_authors"] * TOFU_ROWS_PER_AUTHOR + forget

    def forget(self, split: str) -> int:
        """Rows of a forget split."""
        if self.mini:
            return forget_rows(split, self.full, self.data["mini"]["questions_per_author"])
        return forget_rows(split, TOFU_ROWS, TOFU_ROWS_PER_AUTHOR)

    def retrained(self, split: str) -> int:
        """Rows of a retrained model's table."""
        return self.full - self.forget(split)

    @property
    def pretrain(self) -> int:
        """Rows that a base model from random weights reads."""
        if self.mini:
            return self.data["mini"]["pretrain_rows"]
        return TOFU_ROWS - self.full + sum(TOFU_GENERAL)

    def evaluated(self, split: str, most: int | None) -> tuple[int, int]:
        """Evaluated rows of the forget and retain sets, and of real authors and world facts.

        most: evaluation.rows.
        """
        most = most or TOFU_ROWS
        forget = self.forget(split if self.mini else evaluated_on(split))
        rows = self.full if self.mini else TOFU_ROWS
        retain = max(1, rows * RETAIN_SHARE // 100)
        general = MINI_GENERAL if self.mini else TOFU_GENERAL
        return min(most, forget) + min(most, retain), sum(min(most, rows) for rows in general)

    def evaluation(self, split: str, settings: dict) -> Work:
        """Likelihoods and generated answers of the four sets of a split."""
        authors, general = self.evaluated(split, settings["rows"])
        scored = authors * SEQUENCES * self.row.mean
        scored += general * GENERAL_SEQUENCES * self.general.mean
        # Generated tokens: the limit counts new tokens only, or the prompt's as well.
        prompt, new = round(self.row.mean - self.row.labels), settings["generation_tokens"]
        if settings["generation_counts"] != "new":
            new = max(0, new - prompt)
        answered = (authors + general) * (prompt + new)
        return Work(scored, answered, math.ceil(answered / settings["batch_tokens"]) * new)


sizes = Texts
