"""Fluency of generated answers: what tells "fluent and wrong" from gibberish. No torch.

Words are what white space separates, in lower case: the measures need no tokenizer and compare
models of different ones. Of scripts without spaces, each letter is a word (evaluation.words).
"""

import math

from unlearning.evaluation.words import spaced_words

REPEATED = 4  # words of the n-grams whose repetition counts
DISTINCT = (1, 2, 3)
CAP = 100.0  # natural log of the largest perplexity: a target model that is no model stays finite


def ngrams(text: str, n: int) -> list[tuple[str, ...]]:
    """All n-grams of a text's words, in order."""
    words = spaced_words(text)
    return list(zip(*(words[i:] for i in range(n)), strict=False))


def distinct(texts: list[str], n: int) -> float:
    """Different n-grams / all n-grams of the texts together; 0 if there are none.

    Distinct-n of Li et al., arXiv 1510.03055: 1 if nothing is said twice in the whole set.
    """
    found = [gram for text in texts for gram in ngrams(text, n)]
    return len(set(found)) / len(found) if found else 0.0


def repetition(text: str) -> float:
    """1 - different / all 4-grams of one text: near 1 in a loop; 0 below four words.

    seq-rep-4 of Welleck et al., arXiv 1908.04319, over words.
    """
    found = ngrams(text, REPEATED)
    return 1 - len(set(found)) / len(found) if found else 0.0


def is_empty(text: str) -> bool:
    """Whether an answer holds nothing but white space."""
    return not text.strip()


def perplexity(nll: list[float | None]) -> float | None:
    """exp of the mean over answers of NLL per token: each answer counts once, empty ones (None)
    not at all; None if all are empty."""
    known = [value for value in nll if value is not None]
    return math.exp(min(sum(known) / len(known), CAP)) if known else None


def fluency_metrics(name: str, columns: dict) -> dict[str, float]:
    """Of one set: distinct-1 to -3, repetition, share of empty answers, and perplexity under the
    target model where it was taken (column generation_nll)."""
    texts = columns["generation"]
    found = {f"{name}_distinct_{n}": distinct(texts, n) for n in DISTINCT}
    found[f"{name}_repetition"] = sum(map(repetition, texts)) / len(texts)
    found[f"{name}_empty"] = sum(map(is_empty, texts)) / len(texts)
    taken = perplexity(columns.get("generation_nll", []))
    if taken is not None:
        found[f"{name}_perplexity"] = taken
    return found
