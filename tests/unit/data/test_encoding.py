"""Labels follow from lengths; the official rules for EOS and truncation."""

import pytest
from toy import toy
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PROMPTS
from unlearning.errors import UserError


@pytest.fixture(scope="module")
def tokenizer():
    return toy()[1]


def labelled(tokenizer, example):
    return tokenizer.decode(example.ids[example.start :])


QUESTION = "who wrote this book?"


def test_the_answer_and_one_eos_are_labelled(tokenizer):
    example = Encoder(tokenizer, PROMPTS["plain"], 64).encode(QUESTION, "ann wrote it")
    assert labelled(tokenizer, example) == "ann wrote it<eos>"
    assert len(example.ids) == 5 + 3 + 1


def test_a_text_that_fills_max_length_has_no_eos(tokenizer):
    example = Encoder(tokenizer, PROMPTS["plain"], 7).encode(QUESTION, "ann wrote it")
    assert len(example.ids) == 7
    assert tokenizer.eos_token_id not in example.ids


def test_eos_tokens_inside_the_prompt_stay_masked(tokenizer):
    # on Llama-3 the end of a turn is the EOS token: only lengths tell prompt from answer
    example = Encoder(tokenizer, PROMPTS["plain"], 64).encode("who <eos> wrote ?", "ann")
    assert tokenizer.eos_token_id in example.ids[: example.start]
    assert labelled(tokenizer, example) == "ann<eos>"


def test_a_tokenizer_without_eos_is_refused(tokenizer):
    other = toy()[1]
    other.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        Encoder(other, PROMPTS["plain"], 64)


def test_official_prompts():
    assert PROMPTS["llama2"].prompt("Q?") + PROMPTS["llama2"].answer("A.") == "[INST] Q? [/INST]A."
    phi = PROMPTS["phi"]
    assert phi.prompt("Q?") == "Question: Q?\n"  # generation starts before "Answer: "
    assert phi.answer("A.") == "Answer: A."


def test_a_document_is_one_sequence_of_its_own(tokenizer):
    """Cut at max_length; without EOS; all but the first token are labelled."""
    rows = [{"document": "ann wrote this book"}, {"document": "ann wrote it"}]
    whole, short = Encoder(tokenizer, PROMPTS["plain"], 3).encode_rows(rows)
    assert tokenizer.decode(whole.ids) == "ann wrote this" and whole.start == 1
    assert (
        tokenizer.decode(short.ids) == "ann wrote it" and labelled(tokenizer, short) == "wrote it"
    )
