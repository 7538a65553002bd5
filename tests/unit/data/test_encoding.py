"""Labels follow from lengths; the official rules for EOS and truncation."""

import pytest
from tokenizers import processors
from toy import toy
from unlearning.data.encoding import Encoder, drop_appended_tokens
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
    no_eos = toy()[1]
    no_eos.eos_token = None
    with pytest.raises(UserError, match="no end-of-sequence token"):
        Encoder(no_eos, PROMPTS["plain"], 64)


@pytest.fixture(params=["$A <eos>", "<unk> $A", "<unk> $A <eos>", "<unk> $A <eos> <unk>"])
def adding_tokenizer(request):
    """A tokenizer that puts special tokens around each text by itself, and its prefix."""
    tokenizer = toy()[1]
    special = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<eos>", "<unk>")]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=request.param, special_tokens=special
    )
    return tokenizer, ["<unk>"] if request.param.startswith("<unk>") else []


def test_a_tokenizer_that_adds_special_tokens_by_itself(adding_tokenizer):
    """Those after a text would stand between prompt and answer, or end it twice."""
    tokenizer, prefix = adding_tokenizer
    encoder = Encoder(tokenizer, PROMPTS["plain"], 64)
    assert tokenizer.decode(tokenizer(QUESTION)["input_ids"]) != QUESTION
    words = tokenizer.convert_ids_to_tokens(encoder.prompt_ids(QUESTION))
    assert words == [*prefix, "▁who", "▁wrote", "▁this", "▁book", "?"]
    example = encoder.encode(QUESTION, "ann wrote it")
    assert labelled(tokenizer, example) == "ann wrote it<eos>"
    assert example.start == len(words) and example.ids[: example.start].count(1) == 0
    document = encoder.document("ann wrote it")
    ids = [*prefix, "▁ann", "▁wrote", "▁it"]
    assert tokenizer.convert_ids_to_tokens(document.ids) == ids


def test_a_tokenizer_for_others_appends_nothing(adding_tokenizer):
    tokenizer, prefix = adding_tokenizer
    ids = drop_appended_tokens(tokenizer)("ann wrote")["input_ids"]
    words = tokenizer.convert_ids_to_tokens(ids)
    assert words == [*prefix, "▁ann", "▁wrote"]


def test_a_tokenizer_that_appends_nothing_stays_as_it_is():
    tokenizer = toy()[1]
    before = tokenizer.backend_tokenizer.to_str()
    assert drop_appended_tokens(tokenizer).backend_tokenizer.to_str() == before


def test_a_row_longer_than_the_context_is_named(tokenizer):
    encoder = Encoder(tokenizer, PROMPTS["plain"], 64, context=8)
    assert len(encoder.encode("who wrote it ?", "ann").ids) == 7
    with pytest.raises(UserError, match="reads 8 tokens.*a row has 9: lower max_length .found 64"):
        encoder.encode(QUESTION, "ann wrote it")


def test_a_prompt_without_room_for_an_answer_is_refused(tokenizer):
    """Its last token would be the row's only label: a loss of the question, not of the answer."""
    encoder = Encoder(tokenizer, PROMPTS["plain"], 5)
    assert labelled(tokenizer, encoder.encode("who wrote it?", "ann wrote it")) == "ann"
    with pytest.raises(UserError, match=r"5 tokens.*cut at max_length .5..*who wrote this book"):
        encoder.encode(QUESTION, "ann wrote it")


@pytest.mark.parametrize("text", ["", " ", "ann"])
def test_a_document_without_a_label_is_refused(tokenizer, text):
    """Its loss would be NaN, which training takes for a collapse."""
    encoder = Encoder(tokenizer, PROMPTS["plain"], 5)
    with pytest.raises(UserError, match="the first has no label.*leave out the row"):
        encoder.encode_rows([{"document": "ann wrote it"}, {"document": text}])


def test_official_prompts():
    assert PROMPTS["llama2"].prompt("Q?") + PROMPTS["llama2"].answer("A.") == "[INST] Q? [/INST]A."
    phi = PROMPTS["phi"]
    assert phi.prompt("Q?") == "Question: Q?\n"  # generation starts before "Answer: "
    assert phi.answer("A.") == "Answer: A."


def test_a_document_is_one_sequence_of_its_own(tokenizer):
    """Cut at max_length; without EOS; all but the first token are labelled."""
    rows = [{"document": "ann wrote this book"}, {"document": "ann wrote it"}]
    long, short = Encoder(tokenizer, PROMPTS["plain"], 3).encode_rows(rows)
    assert tokenizer.decode(long.ids) == "ann wrote this" and long.start == 1
    assert (
        tokenizer.decode(short.ids) == "ann wrote it" and labelled(tokenizer, short) == "wrote it"
    )
