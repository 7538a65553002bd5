"""Split texts of any script into words. No torch.

Chinese, Japanese, Thai, Lao, Khmer and Burmese put no space between words: in their scripts each
letter with its marks counts as a word.
"""

import unicodedata

import regex  # of nltk, which rouge_score needs: knows Unicode's scripts and line breaks

# Letters at which Unicode allows a line break without a space (classes ID, CJ, SA of UAX 14).
_UNSPACED = r"[[\p{lb=ID}\p{lb=CJ}\p{lb=SA}]&&[\p{L}\p{N}]]\p{M}*"
_LETTER = r"[[\p{L}\p{N}]--\p{Latin}--[0-9]]"  # or digit, of another script than Latin
_OTHER = rf"{_UNSPACED}|(?:(?!{_UNSPACED}){_LETTER}\p{{M}}*)+"
PIECE = regex.compile(rf"{_UNSPACED}|(?:(?!{_UNSPACED}).)+", regex.V1 | regex.DOTALL)
OTHER = regex.compile(_OTHER, regex.V1)
LATIN_OR_OTHER = regex.compile(rf"[a-z0-9]+|{_OTHER}", regex.V1)
ANY = regex.compile(r"[\p{L}\p{M}\p{N}]+|\S", regex.V1)


def spaced_words(text: str) -> list[str]:
    """The words between white space, in lower case; each letter of a script without spaces is a
    word of its own."""
    words = []
    for chunk in text.lower().split():
        words += PIECE.findall(chunk)
    return words


def normalise(text: str) -> str:
    """The text in lower case, with full-width digits, half-width kana and split Hangul in their
    usual form (NFKC)."""
    return unicodedata.normalize("NFKC", text).lower()
