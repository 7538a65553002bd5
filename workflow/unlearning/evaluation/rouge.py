"""ROUGE-L of answers in any script, by rouge_score. No torch.

rouge_score's tokenizer knows a to z and digits alone: a Chinese answer, repeated word for word,
would score 0. It is used unless it would leave out more than a quarter of the true answer's words
(never for TOFU's 4,000 answers, of which two name books in Ukrainian). Then words of other scripts
are tokens too; of scripts without spaces, each letter is (evaluation.words). A true answer without
any token, accented letters, emoji or punctuation alone, is compared by its words and signs. The
true answer decides for both texts. Stemming is of a to z alone.
"""

from functools import cached_property, lru_cache, partial

from unlearning.evaluation.words import ANY, LATIN_OR_OTHER, OTHER, normalised

STEMS = 2**16  # words whose stems are remembered
LEFT_OUT = 0.25  # share of words beyond which rouge_score's own tokenizer is not used


class RougeL:
    """ROUGE-L with rouge_score's Porter stemmer, as TOFU has it, or without, as MUSE has it."""

    def __init__(self, stemmer: bool):
        self.stemmer = stemmer

    def __call__(self, truth: str, answer: str):
        """precision, recall and fmeasure of an answer against the true one."""
        from rouge_score.scoring import Score, fmeasure

        tokenize = self._tokenizer(truth)
        true, tokens = tokenize(truth), tokenize(answer)
        if not true or not tokens:
            return Score(precision=0, recall=0, fmeasure=0)
        common = common_length(true, tokens)
        precision, recall = common / len(tokens), common / len(true)
        return Score(precision, recall, fmeasure(precision, recall))

    def _tokenizer(self, truth: str):
        official = len(self._of_latin(truth))
        others = len(OTHER.findall(normalised(truth)))
        if others > LEFT_OUT * (official + others):
            return self._of_all_scripts
        return self._of_latin if official else _of_signs

    @cached_property
    def _words(self):
        # when first used: its nltk takes a second
        from rouge_score import tokenize

        return partial(tokenize.tokenize, stemmer=CachedStemmer() if self.stemmer else None)

    def _of_latin(self, text: str) -> list[str]:
        return self._words(text)

    def _of_all_scripts(self, text: str) -> list[str]:
        tokens = LATIN_OR_OTHER.findall(normalised(text))
        # of a word from a to z its stem, of others nothing
        return [(self._of_latin(token) or [token])[0] for token in tokens]


class CachedStemmer:
    """rouge_score's Porter stemmer, which meets the same words again and again."""

    def __init__(self):
        from nltk.stem.porter import PorterStemmer

        self.stem = lru_cache(STEMS)(PorterStemmer().stem)


def _of_signs(text: str) -> list[str]:
    return ANY.findall(normalised(text))


def common_length(one: list[str], other: list[str]) -> int:
    """Length of the longest common subsequence.

    A row of the usual table as the bits of one number: bit i is 0 where the length grows at
    one[i]. Source: Hyyrö, Bit-parallel LCS-length computation revisited (AWOCA 2004).
    """
    positions: dict[str, int] = {}
    for index, token in enumerate(one):
        positions[token] = positions.get(token, 0) | 1 << index
    ones = (1 << len(one)) - 1
    row = ones
    for token in other:
        matches = row & positions.get(token, 0)
        row = (row + matches | row - matches) & ones
    return len(one) - row.bit_count()
