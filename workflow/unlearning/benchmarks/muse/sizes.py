"""How much text a MUSE world holds, in chunks, and what its evaluation reads and writes."""

from dataclasses import dataclass, replace

from unlearning.benchmarks.muse.formulas import (
    KNOWMEM,
    KNOWMEM_TOKENS,
    PRIVLEAK,
    VERBMEM,
    VERBMEM_TOKENS,
    few_shot_prompt,
)
from unlearning.config.experiment import Experiment
from unlearning.data.build import build_tables
from unlearning.planning.texts import CHARACTERS, Text, Work

# Bytes of the texts on the hub (dataset cards of muse-bench/MUSE-News and MUSE-Books).
NEWS = {"forget": 3281546, "retain": 12894207, "full": 26113818}
NEWS |= {"scal2": 6551494, "scal3": 9874079, "scal4": 13219611}
NEWS |= {"sust2": 3269948, "sust3": 3322585, "sust4": 3345532}
BOOKS = {"forget": 4096855, "retain": 2806550, "full": 6903405}
HUB = {"News": NEWS, "Books": BOOKS}
# Rows of each set there, and characters of a KnowMem and a PrivLeak row with its prompt; those of
# VerbMem's prompts are an estimate.
ROWS, SHOTS, LEAK, VERBATIM = 100, 1450, 8062, 1000


@dataclass(frozen=True)
class MuseTexts:
    """Texts as `texts.Texts` tells of questions: every row is a chunk of max_length tokens.

    characters: of each table of texts. asked: for VerbMem, both KnowMem and both PrivLeak sets,
    the rows and the characters of one. ratio: characters of a token.
    """

    characters: dict[str, int]
    asked: dict[str, tuple[int, float]]
    ratio: float
    max_length: int

    @property
    def row(self) -> Text:
        """A chunk; all but its first token are labelled."""
        length = self.max_length
        return Text(length, length, length - 1, length - 1)

    def cut(self, max_length: int) -> "MuseTexts":
        """The same texts in chunks of another length."""
        return replace(self, max_length=max_length)

    def rows(self, table: str) -> int:
        """Chunks of a table."""
        return -(-round(self.characters[table] / self.ratio) // self.max_length)

    @property
    def full(self) -> int:
        """Chunks of the target's table."""
        return self.rows("full")

    @property
    def pretrain(self) -> int:
        """Chunks that a base model from random weights reads."""
        return self.rows("pretrain")

    def retrained(self, _: str) -> int:
        """Chunks of a retrained model's table: the same for every split."""
        return self.rows("retain")

    def forget(self, split: str) -> int:
        """Chunks of a forget split."""
        return self.rows(split)

    def evaluation(self, _: str, chosen: dict) -> Work:
        """Likelihoods of the PrivLeak texts, which are never cut, and of VerbMem's continuations;
        answers to VerbMem and KnowMem. The same for every split."""
        scored, answered, decoded = 0.0, 0.0, 0
        for name, (rows, characters) in self.asked.items():
            rows, tokens = min(rows, chosen["rows"] or rows), characters / self.ratio
            if name in PRIVLEAK:
                scored += rows * tokens
                continue
            new = KNOWMEM_TOKENS
            if name == VERBMEM:
                new = VERBMEM_TOKENS
                scored += rows * (tokens + new)
            answered += rows * (tokens + new)
            decoded += -(-round(rows * (tokens + new)) // chosen["batch_tokens"]) * new
        return Work(scored, answered, decoded)


def sizes(experiment: Experiment) -> MuseTexts:
    """The texts of a MUSE experiment: counted where they are at hand, the hub's as published."""
    data, splits = experiment.config["data"], experiment.splits
    architecture = experiment.config["model"]["architecture"] or {}
    ratio, length = CHARACTERS[architecture.get("tokenizer")], experiment.config["unlearn"]
    if data["source"] == "muse" and data["data_dir"] is None:
        knowmem = {name: (ROWS, float(SHOTS)) for name in KNOWMEM}
        asked = {name: (ROWS, float(LEAK)) for name in PRIVLEAK} | knowmem
        asked |= {VERBMEM: (ROWS, float(VERBATIM))}
        return MuseTexts(HUB[data["corpus"]], asked, ratio, length["max_length"])
    tables = build_tables(data, splits, {})
    texts = {name: rows for name, rows in tables.items() if "text" in rows[0]}
    characters = {name: sum(len(row["text"]) for row in rows) for name, rows in texts.items()}
    prompts = {name: [row["text"] for row in tables[name]] for name in PRIVLEAK}
    prompts[VERBMEM] = [row["prompt"] for row in tables[VERBMEM]]
    for name in KNOWMEM:
        shots = tables[f"{name}_icl"]
        prompts[name] = [few_shot_prompt(row["question"], shots) for row in tables[name]]
    asked = {n: (len(found), sum(map(len, found)) / len(found)) for n, found in prompts.items()}
    return MuseTexts(characters, asked, ratio, length["max_length"])
