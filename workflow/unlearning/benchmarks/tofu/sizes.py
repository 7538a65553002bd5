"""How many rows a world has and how long they are, before its tables are made."""

from unlearning.benchmarks.tofu.splits import TOFU_ROWS_PER_AUTHOR, evaluated_on, forget_rows
from unlearning.config.experiment import Experiment
from unlearning.data.prompts import PROMPTS
from unlearning.planning.texts import CHARACTERS, LIKE_CHAT, SEQUENCES, Text, Work

TOFU_ROWS, TOFU_GENERAL = 4000, (100, 117)  # real authors, world facts
MINI_GENERAL = (36, 35)
GENERAL_SEQUENCES = 4  # answer, three perturbed ones


class Texts:
    """Rows and tokens of an experiment's tables. Characters are counted on TOFU's and the mini
    world's own tables; tokens are estimates."""

    def __init__(self, experiment: Experiment):
        config = experiment.config
        self.mini, self.data = config["data"]["source"] == "mini", config["data"]
        self.splits = experiment.tables
        architecture = config["model"]["architecture"] or {}
        self.ratio = CHARACTERS[architecture.get("tokenizer")]
        # a chat template is known when its tokenizer is loaded, which takes seconds
        prompt = PROMPTS.get(config["model"]["prompt"], LIKE_CHAT)
        template = len(prompt.prompt("") + prompt.answer("").strip()) / self.ratio
        self.template = round(template) + 1  # and the end of sequence
        self.row = self._text(42, 54, 135, 95) if self.mini else self._text(70, 170, 619, 418)
        self.general = self._text(30, 8, 50, 16) if self.mini else self._text(57, 12, 140, 41)

    def _text(self, question: int, answer: int, longest: int, longest_answer: int) -> Text:
        """From characters: means of question and answer, longest row, longest answer."""
        more, ratio = self.template, self.ratio
        return Text(
            (question + answer) / ratio + more,
            round(longest / ratio) + more,
            answer / ratio + 1,
            round(longest_answer / ratio) + 1,
        )

    def cut(self, max_length: int) -> "Texts":
        """Rows are rows, whatever the longest sequence."""
        return self

    @property
    def full(self) -> int:
        """Rows of the target's table."""
        if self.mini:
            return self.data["mini"]["authors"] * self.data["mini"]["questions_per_author"]
        if self.data["retain_authors"] is None:
            return TOFU_ROWS
        forgotten = max(self.forget(split) for split in self.splits)
        return self.data["retain_authors"] * TOFU_ROWS_PER_AUTHOR + forgotten

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
        """Rows of the sets in the forget split's style, and of real authors and world facts."""
        most = most or TOFU_ROWS
        measured = self.forget(split if self.mini else evaluated_on(split))
        general = MINI_GENERAL if self.mini else TOFU_GENERAL
        kept = self.full // 10 if self.mini else TOFU_ROWS // 10  # the set retain_perturbed
        authors = min(most, measured) + min(most, max(1, kept))
        return authors, sum(min(most, rows) for rows in general)

    def evaluation(self, split: str, chosen: dict) -> Work:
        """Scoring and answering the four sets of a split."""
        authors, general = self.evaluated(split, chosen["rows"])
        scored = authors * SEQUENCES * self.row.mean
        scored += general * GENERAL_SEQUENCES * self.general.mean
        prompt = round(self.row.mean - self.row.labels)
        limit = chosen["generation_tokens"]
        room = limit if chosen["generation_counts"] == "new" else max(0, limit - prompt)
        answered = (authors + general) * (prompt + room)
        return Work(scored, answered, -(-answered // chosen["batch_tokens"]) * room)


sizes = Texts
