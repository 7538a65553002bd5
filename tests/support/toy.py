"""A model of a few hundred parameters and a word tokenizer, for tests that need one."""

from unlearning.models.build import build_model, train_tokenizer

WORDS = [
    "who",
    "wrote",
    "this",
    "book",
    "?",
    "ann",
    "ben",
    "carl",
    "wrote",
    "it",
    "i",
    "do",
    "not",
    "know",
]
ARCHITECTURE = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 16, "context": 64}


def toy(seed: int = 0):
    """(model, tokenizer)."""
    tokenizer = train_tokenizer("word", [" ".join(WORDS)], 64)
    return build_model(ARCHITECTURE, len(tokenizer), seed), tokenizer
