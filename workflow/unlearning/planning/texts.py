"""The sizes of a benchmark's texts and evaluations, which `plan` needs before they exist."""

import math
from dataclasses import dataclass
from statistics import fmean

from unlearning.data.prompts import PROMPTS

BYTES = {"word": 5.2, "bpe": 3.0, None: 4.2}  # of a token; 4.2: in the released Llama-2 logs
LIKE_CHAT = PROMPTS["llama3"]  # about as long as other chat templates
SEQUENCES = 7  # scored for each row: answer, paraphrase, five perturbed answers


@dataclass(frozen=True)
class Text:
    """Tokens of one kind of row: mean and maximum, of the whole row and of its labels."""

    mean: float
    longest: int
    labels: float
    most_labels: int


@dataclass(frozen=True)
class Work:
    """The work of evaluating one model.

    scored: tokens of scored sequences. answered: tokens of answers with their prompts. decoded:
    passes that generate one token for a batch.
    """

    scored: float
    answered: float
    decoded: int


def bytes_per_token(model: dict) -> float:
    """An estimate for the tokenizer of the config's section `model`."""
    return BYTES[(model["architecture"] or {}).get("tokenizer")]


def size(text: str) -> int:
    """Bytes of a text, which tokens are estimated from."""
    # Not characters: the tokenizers of Llama-2, Llama-3.1 and Qwen3 make a token of 2.1 to 5.6
    # bytes in seven languages, but of 0.75 (Japanese) to 4.9 (English) characters.
    return len(text.encode("utf-8"))


def template_tokens(model: dict) -> int:
    """Tokens of the prompt format of the config's section `model`, and the end of sequence."""
    # Reading a chat template would load the tokenizer, which takes seconds.
    prompt = PROMPTS.get(model["prompt"], LIKE_CHAT)
    empty = prompt.prompt("") + prompt.answer("").strip()
    return round(size(empty) / bytes_per_token(model)) + 1


def question_text(rows: list[dict], model: dict) -> Text:
    """Tokens of rows of questions with answers; the label after an answer ends it."""
    ratio, template = bytes_per_token(model), template_tokens(model)
    answers, lengths = [], []
    for row in rows:
        answers.append(size(row["answer"]) / ratio)
        lengths.append(size(row["question"]) / ratio + answers[-1])
    return Text(
        mean=fmean(lengths) + template,
        longest=round(max(lengths)) + template,
        labels=fmean(answers) + 1,
        most_labels=round(max(answers)) + 1,
    )


def generated(rows: int, prompt: int, settings: dict) -> tuple[int, int]:
    """Tokens of the answers to `rows` questions with their prompts, and passes that generate a
    token for a batch. prompt: tokens of one. settings: the config's section evaluation."""
    # The limit counts new tokens only, or the prompt's as well.
    new = settings["generation_tokens"]
    if settings["generation_counts"] != "new":
        new = max(0, new - prompt)
    tokens = rows * (prompt + new)
    return tokens, math.ceil(tokens / settings["batch_tokens"]) * new
