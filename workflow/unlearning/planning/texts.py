"""What `plan` must know of a benchmark's tables, before they are made."""

from dataclasses import dataclass

from unlearning.data.prompts import PROMPTS

CHARACTERS = {"word": 5.2, "bpe": 3.0, None: 4.2}  # a token; 4.2: the released Llama-2 logs
LIKE_CHAT = PROMPTS["llama3"]  # as long as chat templates are
SEQUENCES = 7  # scored for a row: answer, paraphrase, five perturbed answers


@dataclass(frozen=True)
class Text:
    """Tokens of a kind of row: mean and most, in all and of the answer."""

    mean: float
    longest: int
    labels: float
    most_labels: int


@dataclass(frozen=True)
class Work:
    """Of evaluating one model: tokens scored, tokens answered with their prompts, and the passes
    that generate one token of a batch."""

    scored: float
    answered: float
    decoded: int
