"""How many rows your files hold and how long they are, counted in the files themselves."""

from dataclasses import dataclass, replace

from unlearning.benchmarks.own.data import EVALUATED, is_text
from unlearning.benchmarks.own.metrics import SETS
from unlearning.config.experiment import Experiment
from unlearning.data.build import Tables, build_tables
from unlearning.data.prompts import PROMPTS
from unlearning.planning.texts import CHARACTERS, LIKE_CHAT, Text, Work


@dataclass(frozen=True)
class Sizes:
    """Rows and tokens of the tables. ratio: characters of a token. template: tokens of the prompt
    format. max_length: of a sequence; texts are cut into such."""

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
        questions = [len(row["question"]) / self.ratio for row in rows]
        answers = [len(row["answer"]) / self.ratio for row in rows]
        longest = max(map(sum, zip(questions, answers, strict=True)))
        labels = sum(answers) / len(rows)
        return Text(
            sum(questions) / len(rows) + labels + self.template,
            round(longest) + self.template,
            labels + 1,
            round(max(answers)) + 1,
        )

    def cut(self, max_length: int) -> "Sizes":
        """The same rows, at another longest sequence."""
        return replace(self, max_length=max_length)

    def _rows(self, table: str) -> int:
        rows = self.tables[table]
        if not self.texts:
            return len(rows)
        tokens = sum(len(row["text"]) for row in rows) / self.ratio
        return max(1, -(-round(tokens) // self.max_length))

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
        """Scoring and answering the sets that there are."""
        scored, answered, decoded = 0.0, 0.0, 0
        for name in SETS:
            rows = self.tables.get(EVALUATED.format(role=name), [])[: limits["rows"]]
            if not rows:
                continue
            text, sequences = self._text(rows), 1 + len(rows[0].get("perturbed_answer", []))
            scored += len(rows) * sequences * text.mean
            prompt, room = round(text.mean - text.labels), limits["generation_tokens"]
            room = room if limits["generation_counts"] == "new" else max(0, room - prompt)
            answered += len(rows) * (prompt + room)
            decoded += -(-len(rows) * (prompt + room) // limits["batch_tokens"]) * room
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
