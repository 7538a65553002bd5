"""ROUGE-L of answers in any script, by rouge_score. No torch.

rouge_score's tokenizer only has a to z and digits: a Chinese answer, repeated word for word, would
score 0. It is used unless it would drop more than a quarter of the true answer's words (never for
TOFU's 4,000 answers, of which two name books in Ukrainian). Then words of other scripts are tokens
too, and each letter of scripts without spaces (evaluation.words). A true answer without any token
(only accented letters, emoji or punctuation) is compared by its words and signs. The true answer
decides for both texts. Only words of a to z are stemmed.
"""

from functools import cached_property, lru_cache, partial

from unlearning.evaluation.words import ANY, LATIN_OR_OTHER, OTHER, normalise

CACHED_STEMS = 2**16
MAX_DROPPED = 0.25  # share of words; rouge_score's tokenizer is not used if it drops more


class RougeL:
    """ROUGE-L with rouge_score's Porter stemmer, as TOFU has it, or without, as MUSE has it."""

    def __init__(self, stemmer: bool):
        self.stemmer = stemmer

    def __call__(self, truth: str, answer: str):
        """Precision, recall and fmeasure of an answer against the true one."""
        from rouge_score.scoring import Score, fmeasure

        tokenize = self._choose_tokenizer(truth)
        true_tokens, tokens = tokenize(truth), tokenize(answer)
        if not true_tokens or not tokens:
            return Score(precision=0, recall=0, fmeasure=0)
        common = common_length(true_tokens, tokens)
        precision, recall = common / len(tokens), common / len(true_tokens)
        return Score(precision, recall, fmeasure(precision, recall))

    def _choose_tokenizer(self, truth: str):
        latin = len(self._latin_words(truth))
        dropped = len(OTHER.findall(normalise(truth)))
        if dropped > MAX_DROPPED * (latin + dropped):
            return self._words
        return self._latin_words if latin else lambda text: ANY.findall(normalise(text))

    @cached_property
    def _latin_words(self):
        """rouge_score's tokenizer, imported when it is first used: its nltk takes a second."""
        from rouge_score import tokenize

        return partial(tokenize.tokenize, stemmer=CachedStemmer() if self.stemmer else None)

    def _words(self, text: str) -> list[str]:
        tokens = LATIN_OR_OTHER.findall(normalise(text))
        # rouge_score's tokenizer returns the stem of a word of a to z, and nothing for others
        return [(self._latin_words(token) or [token])[0] for token in tokens]


class CachedStemmer:
    """rouge_score's Porter stemmer with a cache: answers repeat the same words."""

    def __init__(self):
        from nltk.stem.porter import PorterStemmer

        self.stem = lru_cache(CACHED_STEMS)(PorterStemmer().stem)


def common_length(a: list[str], b: list[str]) -> int:
    """Length of the longest common subsequence.

    A row of the usual dynamic-programming table is one number, whose bit i is 0 where the length
    grows at a[i]. Source: Hyyrö, Bit-parallel LCS-length computation revisited (AWOCA 2004).
    """
    positions: dict[str, int] = {}
    for index, token in enumerate(a):
        positions[token] = positions.get(token, 0) | 1 << index
    # Python's integers are as long as they need to be, so a row is one addition instead of len(a)
    ones = (1 << len(a)) - 1
    row = ones
    for token in b:
        matches = row & positions.get(token, 0)
        row = (row + matches | row - matches) & ones
    return len(a) - row.bit_count()
