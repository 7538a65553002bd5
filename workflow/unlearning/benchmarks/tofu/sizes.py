"""Sizes of TOFU's tables and the mini world's for `plan`: rows, and tokens of a row."""

from pathlib import Path

from unlearning.benchmarks.tofu.files import GENERAL
from unlearning.benchmarks.tofu.splits import (
    RETAIN_SHARE,
    TOFU_ROWS_PER_AUTHOR,
    evaluated_on,
    forget_rows,
)
from unlearning.config.experiment import Experiment
from unlearning.data.build import build_tables
from unlearning.planning.texts import (
    SEQUENCES,
    Text,
    Work,
    bytes_per_token,
    generated,
    question_text,
    template_tokens,
)

TOFU_ROWS = 4000
# Rows of real authors and world facts, and the sequences scored for one: answer, three perturbed.
TOFU_GENERAL = (100, 117)
MINI_GENERAL = (36, 35)
GENERAL_SEQUENCES = 4


class Texts:
    """Rows and tokens of an experiment's tables, TOFU's as published or the mini world's.

    Characters were counted in these tables; tokens are estimates.
    """

    def __init__(self, experiment: Experiment):
        self.model, self.data = experiment.config["model"], experiment.config["data"]
        self.mini = self.data["source"] == "mini"
        self.splits = experiment.tables
        # bytes, counted in the tables: rows on authors, then real authors and world facts
        if self.mini:
            self.row, self.general = self._text(42, 54, 135, 95), self._text(30, 8, 50, 16)
        else:
            self.row, self.general = self._text(70, 170, 619, 418), self._text(57, 12, 140, 41)

    def _text(self, question: int, answer: int, longest: int, longest_answer: int) -> Text:
        """Tokens from bytes: means of question and answer, longest row, longest answer."""
        ratio, template = bytes_per_token(self.model), template_tokens(self.model)
        return Text(
            mean=(question + answer) / ratio + template,
            longest=round(longest / ratio) + template,
            labels=answer / ratio + 1,  # 1: the end of sequence
            most_labels=round(longest_answer / ratio) + 1,
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
        forget = max(map(self.forget, self.splits))  # the largest split holds the others
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
        rows = self.full if self.mini else TOFU_ROWS
        most = most or rows  # null evaluates all
        # The mini world has perturbed answers for every row, TOFU up to forget10.
        forget = self.forget(split if self.mini else evaluated_on(split))
        retain = max(1, rows * RETAIN_SHARE // 100)
        general = MINI_GENERAL if self.mini else TOFU_GENERAL
        return min(most, forget) + min(most, retain), sum(min(most, rows) for rows in general)

    def evaluation(self, split: str, settings: dict) -> Work:
        """Likelihoods and generated answers of the four sets of a split."""
        authors, general = self.evaluated(split, settings["rows"])
        scored = authors * SEQUENCES * self.row.mean
        scored += general * GENERAL_SEQUENCES * self.general.mean
        prompt = round(self.row.mean - self.row.labels)
        return Work(scored, *generated(authors + general, prompt, settings))


class FolderTexts(Texts):
    """The same of a folder of the user's, which may hold other rows than TOFU's: counted in it."""

    def __init__(self, experiment: Experiment):
        super().__init__(experiment)
        self.tables = build_tables(self.data, self.splits, {})
        self.row = question_text(self.tables["full"], self.model)
        general = self.tables[GENERAL[0]] + self.tables[GENERAL[1]]
        self.general = question_text(general, self.model)

    @property
    def full(self) -> int:
        return len(self.tables["full"])

    def forget(self, split: str) -> int:
        return len(self.tables[split])

    @property
    def pretrain(self) -> int:
        return len(self.tables["pretrain"])

    def evaluated(self, split: str, most: int | None) -> tuple[int, int]:
        authors = (f"{split}_perturbed", "retain_perturbed")
        return self._rows(authors, most), self._rows(GENERAL, most)

    def _rows(self, names: tuple[str, str], most: int | None) -> int:
        return sum(len(self.tables[name][:most]) for name in names)


def sizes(experiment: Experiment) -> Texts:
    folder = experiment.config["data"].get("data_dir")
    # A plan may be made where the data are not yet: the folder is TOFU's then, as far as we know.
    if folder is not None and Path(folder).is_dir():
        return FolderTexts(experiment)
    return Texts(experiment)
