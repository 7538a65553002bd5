"""ROUGE-L of answers in any script, by rouge_score. No torch.

rouge_score's tokenizer knows a to z and digits alone: a Chinese answer, repeated word for word,
would score 0. It is used unless it would leave out more than a quarter of the true answer's words
(never for TOFU's 4,000 answers, of which two name books in Ukrainian). Then words of other scripts
are tokens too; of scripts without spaces, each letter is (evaluation.words). A true answer without
any token, accented letters, emoji or punctuation alone, is compared by its words and signs. The
true answer decides for both texts. Stemming is of a to z alone.
"""

from functools import cached_property

from unlearning.evaluation.words import ANY, LATIN_OR_OTHER, OTHER, normalised

LEFT_OUT = 0.25  # share of words beyond which rouge_score's own tokenizer is not used


class RougeL:
    """ROUGE-L with rouge_score's Porter stemmer, as TOFU has it, or without, as MUSE has it."""

    def __init__(self, stemmer: bool):
        self.stemmer = stemmer

    def __call__(self, truth: str, answer: str):
        """precision, recall and fmeasure of an answer against the true one."""
        return self._scorer(truth).score(truth, answer)["rougeL"]

    def _scorer(self, truth: str):
        official = len(self._official.tokenize(truth))
        others = len(OTHER.findall(normalised(truth)))
        if others > LEFT_OUT * (official + others):
            return self._of_all_scripts
        return self._of_latin if official else self._of_signs

    @cached_property
    def _official(self):
        # when first used: its nltk takes a second
        from rouge_score.tokenizers import DefaultTokenizer

        return DefaultTokenizer(self.stemmer)

    @cached_property
    def _of_latin(self):
        return _scorer(self._official.tokenize)

    @cached_property
    def _of_all_scripts(self):
        def tokenize(text: str) -> list[str]:
            tokens = LATIN_OR_OTHER.findall(normalised(text))
            # of a word from a to z its stem, of others nothing
            return [(self._official.tokenize(token) or [token])[0] for token in tokens]

        return _scorer(tokenize)

    @cached_property
    def _of_signs(self):
        return _scorer(lambda text: ANY.findall(normalised(text)))


def _scorer(tokenize):
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.tokenizers import Tokenizer

    class Words(Tokenizer):
        def tokenize(self, text: str) -> list[str]:
            return tokenize(text)

    return RougeScorer(["rougeL"], tokenizer=Words())
