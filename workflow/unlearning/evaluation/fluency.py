"""Fluency of generated answers, which tells "fluent and wrong" from gibberish. No torch.

Words are separated by white space and in lower case: the measures need no tokenizer, so they
compare models with different ones. In scripts without spaces each letter is a word
(evaluation.words).
"""

import math

from unlearning.evaluation.words import spaced_words

REPETITION_N = 4  # words of the n-grams whose repetition counts
DISTINCT_N = (1, 2, 3)
MAX_LOG = 100.0  # natural log of the largest perplexity: it stays finite under a collapsed target


def ngrams(words: list[str], n: int) -> list[tuple[str, ...]]:
    """All n-grams of a text's words, in order."""
    return list(zip(*(words[i:] for i in range(n)), strict=False))


def distinct(words_of_texts: list[list[str]], n: int) -> float:
    """Distinct n-grams / all n-grams of the texts together; 0 if there are none.

    Distinct-n of Li et al., arXiv 1510.03055: 1 if no n-gram occurs twice in the whole set.
    """
    grams = []
    for words in words_of_texts:
        grams += ngrams(words, n)
    return len(set(grams)) / len(grams) if grams else 0.0


def repetition(words: list[str]) -> float:
    """1 - distinct / all 4-grams of one text: near 1 in a loop; 0 below four words.

    seq-rep-4 of Welleck et al., arXiv 1908.04319, over words.
    """
    grams = ngrams(words, REPETITION_N)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def is_empty(text: str) -> bool:
    """Whether an answer is only white space."""
    return not text.strip()


def perplexity(nll: list[float | None]) -> float | None:
    """exp of the mean over answers of NLL per token: each answer counts once, empty ones (None)
    do not count; None if all are empty."""
    values = [value for value in nll if value is not None]
    return math.exp(min(sum(values) / len(values), MAX_LOG)) if values else None


def fluency_metrics(name: str, columns: dict) -> dict[str, float]:
    """Fluency of one set: distinct-1 to -3, repetition, share of empty answers, and, where the
    evaluation has the column generation_nll, perplexity under the target model."""
    texts = columns["generation"]
    # split once for all measures: this takes longer than counting
    words = [spaced_words(text) for text in texts]
    metrics = {f"{name}_distinct_{n}": distinct(words, n) for n in DISTINCT_N}
    metrics[f"{name}_repetition"] = sum(map(repetition, words)) / len(texts)
    metrics[f"{name}_empty"] = sum(map(is_empty, texts)) / len(texts)
    target_perplexity = perplexity(columns.get("generation_nll", []))
    if target_perplexity is not None:
        metrics[f"{name}_perplexity"] = target_perplexity
    return metrics
