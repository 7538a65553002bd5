"""The sizes of a benchmark's texts and evaluations, which `plan` needs before they exist."""

from dataclasses import dataclass

from unlearning.data.prompts import PROMPTS

CHARACTERS = {"word": 5.2, "bpe": 3.0, None: 4.2}  # of a token; 4.2: in the released Llama-2 logs
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
