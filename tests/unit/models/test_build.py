"""Tokenizers of models from random weights."""

import pytest
from unlearning.errors import UserError
from unlearning.models.build import train_tokenizer

TEXTS = ["ann wrote it", "ben wrote it", "who wrote this book ?"]  # 8 words, "?" after a space


def test_words_that_a_vocabulary_leaves_out_are_counted():
    """ "ann" and "ben" would both be <unk>: two people with one answer."""
    tokenizer = train_tokenizer("word", TEXTS, 64)
    ids = tokenizer(TEXTS)["input_ids"]
    assert tokenizer.batch_decode(ids) == TEXTS
    size = len(tokenizer)
    assert len(train_tokenizer("word", TEXTS, size)) == size
    with pytest.raises(UserError, match=rf"vocabulary: {size - 1} entries.* 1 of the 3 texts.*bpe"):
        train_tokenizer("word", TEXTS, size - 1)


def test_pieces_of_bytes_leave_nothing_out():
    assert (
        train_tokenizer("bpe", TEXTS, 300).decode(
            train_tokenizer("bpe", TEXTS, 300)("漢字 é")["input_ids"]
        )
        == "漢字 é"
    )
