"""Greedy answers are those of transformers' generate, from fewer tokens."""

import itertools
import random
from types import SimpleNamespace

import pytest
import torch
from toy import toy
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    RwkvConfig,
    RwkvForCausalLM,
)
from unlearning.data.encoding import Example
from unlearning.evaluation.generation import Generator, Limit, end_tokens, greedy_beginning

SHAPE = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
SHAPE |= {"num_attention_heads": 4, "initializer_range": 0.4, "bos_token_id": 1, "eos_token_id": 1}
GROUPED = {**SHAPE, "num_key_value_heads": 2}
MODELS = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**GROUPED)),
    "phi": lambda: PhiForCausalLM(PhiConfig(**SHAPE)),
    "window": lambda: MistralForCausalLM(MistralConfig(**GROUPED, sliding_window=6)),
}
RECURRENT = {**SHAPE, "initializer_range": 0.8}
OTHERS = {
    "gemma2": lambda: Gemma2ForCausalLM(
        Gemma2Config(**GROUPED, head_dim=8, sliding_window=6, final_logit_softcapping=2.0)
    ),
    "mamba": lambda: MambaForCausalLM(MambaConfig(**RECURRENT)),
    "rwkv": lambda: RwkvForCausalLM(RwkvConfig(**RECURRENT)),
}
PROMPTS = [random.Random(k).choices(range(2, 40), k=1 + k % 7) for k in range(24)]


def tokenizer(eos):
    """Answers as numbers of tokens, none of which is special: the end is left out before."""

    def batch_decode(rows, skip_special_tokens):
        assert skip_special_tokens
        return rows

    return SimpleNamespace(eos_token_id=eos, batch_decode=batch_decode)


def generated(model, prompt, room, eos):
    """One prompt alone, which needs no padding."""
    answer = model.generate(
        torch.tensor([prompt]),
        do_sample=False,
        max_new_tokens=room,
        eos_token_id=eos,
        pad_token_id=0,
    )
    return [token for token in answer[0, len(prompt) :].tolist() if token != eos]


def cut(answer, room, eos):
    """What is left of a greedy answer in less room, and with an end of sequence."""
    return list(itertools.takewhile(lambda token: token != eos, answer[:room]))


@pytest.fixture(params=MODELS, scope="module")
def world(request):
    """A model from random weights, its endless answers to PROMPTS, and an end of sequence that is
    its first token after one of the prompts and comes later after others."""
    torch.manual_seed(0)
    model = MODELS[request.param]().double().eval()
    answers = [generated(model, prompt, 12, -1) for prompt in PROMPTS]
    for eos, *_ in answers:
        lengths = [len(cut(answer, 12, eos)) for answer in answers]
        if 0 in lengths and 12 in lengths and len(set(lengths)) > 5:
            late = PROMPTS[lengths.index(max(n for n in lengths if n < 12))]
            assert generated(model, late, 12, eos) == cut(answers[PROMPTS.index(late)], 12, eos)
            return model, answers, eos
    raise AssertionError("no such token")


@pytest.mark.parametrize("limit", [Limit(12, "new"), Limit(7, "total")], ids=["new", "total"])
@pytest.mark.parametrize("batch_tokens", [30, 10_000])
def test_answers_are_those_of_generate(world, limit, batch_tokens):
    model, answers, eos = world
    rooms = [limit.room(len(prompt)) for prompt in PROMPTS]
    expected = [cut(answer, room, eos) for answer, room in zip(answers, rooms, strict=True)]
    assert limit.counts == "new" or [] in expected  # a prompt that leaves no room
    generator = Generator(model, tokenizer(eos), torch.device("cpu"), limit, batch_tokens)
    assert generator(PROMPTS) == expected
    assert generator([]) == []


def test_answers_stop_at_each_end_that_the_model_names(world):
    """As generate does with a list of end tokens (Llama-3, Qwen: end of turn and end of text)."""
    model, answers, eos = world
    second = next(token for answer in answers for token in answer[1:] if token != eos)
    expected = []
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        tokens = generated(model, prompt, 12, [eos, second])
        expected.append(list(itertools.takewhile(lambda t: t not in (eos, second), tokens)))
        assert expected[-1] == answer[: len(expected[-1])]
    assert expected != [cut(answer, 12, eos) for answer in answers]
    limit, cpu = Limit(12, "new"), torch.device("cpu")
    generator = Generator(model, tokenizer(eos), cpu, limit, 10_000, {eos, second})
    assert generator(PROMPTS) == expected
    complete = [[*answer, second] for answer in expected]
    assert generator(PROMPTS, [answer[:12] for answer in complete]) == expected


def test_ends_are_special_tokens_of_the_tokenizer():
    model, words = toy()
    words.add_tokens(["<turn>"])
    turn, word = words.convert_tokens_to_ids(["<turn>", "▁wrote"])
    assert word not in words.all_special_ids
    for ids, ends in ((None, {1}), (1, {1}), ([1, turn], {1, turn}), ([word, turn], {1, turn})):
        model.generation_config.eos_token_id = ids
        assert end_tokens(model, words, 1) == ends


@pytest.mark.parametrize("limit", [Limit(12, "new"), Limit(7, "total")], ids=["new", "total"])
def test_answers_go_on_after_their_beginnings(world, limit):
    model, answers, eos = world
    generator = Generator(model, tokenizer(eos), torch.device("cpu"), limit, 10_000)
    expected = generator(PROMPTS)
    whole = [[*answer, eos] for answer in expected]
    lengths = [k % (len(answer) + 1) for k, answer in enumerate(whole)]
    beginnings = [answer[:n] for answer, n in zip(whole, lengths, strict=True)]
    assert len(set(lengths)) > 3 and lengths != list(map(len, whole))
    assert generator(PROMPTS, beginnings) == expected


def test_answers_that_are_complete_take_no_pass(world):
    model, answers, eos = world
    generator = Generator(model, tokenizer(eos), torch.device("cpu"), Limit(12, "new"), 10_000)
    generator(PROMPTS)  # with the comparison that comes before the first batch
    complete = [[*cut(answer, 12, eos), eos] for answer in answers]
    passes = []
    hook = model.get_decoder().register_forward_pre_hook(lambda *call: passes.append(call))
    assert generator(PROMPTS, complete) == [cut(answer, 12, eos) for answer in answers]
    hook.remove()
    assert not passes


@pytest.mark.parametrize(
    "prompt, match, tokens",
    [
        ([5, 6], [True, True, False, True], [7, 8]),
        ([5, 6], [False, True, True, True], []),
        ([5, 6], [True, True, True, True], [7, 8, 9, 2]),
        ([5, 4], [True, True, True, True], []),  # joined with the answer's first letters
    ],
)
def test_a_greedy_answer_begins_as_far_as_labels_are_most_likely(prompt, match, tokens):
    assert greedy_beginning(prompt, Example((5, 6, 7, 8, 9, 2), 2), match) == tokens


@pytest.mark.parametrize("name", OTHERS)
def test_other_kinds_of_layers_answer_as_generate_does(name):
    """Windows and caps in eager attention, states in the cache, states without one."""
    torch.manual_seed(0)
    model, prompts = OTHERS[name]().eval(), PROMPTS[:6]
    eos = generated(model, prompts[0], 6, -1)[5]
    expected = [generated(model, prompt, 9, eos) for prompt in prompts]
    assert len({len(answer) for answer in expected}) > 1
    generator = Generator(model, tokenizer(eos), torch.device("cpu"), Limit(9, "new"), 10_000)
    assert generator(prompts) == expected
    assert generator.batched == (name != "rwkv")


def test_rows_that_have_ended_leave_the_batch(world):
    model, _, eos = world
    generator = Generator(model, tokenizer(eos), torch.device("cpu"), Limit(12, "new"), 10_000)
    generator(PROMPTS)  # with the comparison that comes before the first batch
    seen = []
    hook = model.get_decoder().register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    answers = generator(PROMPTS)
    hook.remove()
    decoded = sum(rows for rows, tokens in seen if tokens == 1)
    needed = sum(min(len(answer), 11) for answer in answers)
    assert seen[0] == (len(PROMPTS), 7)
    assert needed <= decoded <= 1.15 * needed < 11 * len(PROMPTS)
