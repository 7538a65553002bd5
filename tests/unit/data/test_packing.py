"""Packed sequences are scored as if each stood alone, prompts once and with hardly any padding."""

import json
import random

import pytest
import torch
from folders import tofu_folder
from toy import toy
from transformers.masking_utils import find_packed_sequence_indices
from unlearning.data.encoding import Encoder, Example
from unlearning.data.packing import LONGEST, PADDED, Tree, group_by_prompt, pack, pack_rows
from unlearning.data.prompts import PROMPTS
from unlearning.evaluation.likelihood import BATCH_TOKENS, CPU_TOKENS, batches_by_length
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model, train_tokenizer
from unlearning.models.scorer import Scorer
from unlearning.training.loop import micro_batches
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.sources import UnlearnSource

PROMPT = (5, 6, 7)


def questions(rng, count):
    """`count` questions with one to seven answers, some of which begin alike; and a text."""
    found = [Example(tuple(rng.choices(range(3, 14), k=9)), 1)]
    for _ in range(count):
        prompt = tuple(rng.choices(range(3, 14), k=rng.randint(2, 9)))
        for _ in range(rng.randint(1, 7)):
            answer = (4, 4, *rng.choices(range(3, 14), k=rng.randint(1, 9)))
            found.append(Example(prompt + answer, len(prompt)))
    rng.shuffle(found)
    return found


def test_scores_are_those_of_sequences_alone():
    _, tokenizer = toy()
    shape = {"layers": 3, "width": 32, "heads": 2, "feed_forward": 32, "context": 128}
    scorer = Scorer(build_model(shape, len(tokenizer), 0).double())
    examples = questions(random.Random(1), 12)
    assert len(group_by_prompt(examples)) == 13
    assert len(pack(examples).ids) < 13
    every = torch.ones(len(examples), dtype=torch.bool)
    spans = [(i, 0, len(e.ids)) for i, e in enumerate(examples)]
    together = scorer(examples, detail=every, full=spans, layer=0, answers=spans)
    seen = 0
    for index, example in enumerate(examples):
        own = [(0, 0, len(example.ids))]
        expected = scorer([example], detail=every[:1], full=own, layer=0, answers=own)
        for key in ("logp", "match", "mu", "sigma"):
            assert torch.allclose(together[key][together["row"] == index], expected[key])
        for key in ("logits", "activations"):
            found = together[key][seen : seen + len(example.ids)]
            assert torch.allclose(found, expected[key], atol=1e-12)
        seen += len(example.ids)


def test_a_row_by_hand():
    examples = [Example((*PROMPT, 8, 2), 3), Example((9, 2), 1), Example((*PROMPT, 10, 11, 2), 3)]
    assert group_by_prompt(examples) == [Tree((0, 2), 8), Tree((1,), 2)]
    packed = pack(examples)
    assert packed.ids.tolist() == [[5, 6, 7, 8, 2, 10, 11, 2, 9, 2]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 4, 3, 4, 5, 0, 1]]
    labels = packed.labels()
    rows, columns = labels.before
    assert rows.tolist() == [0] * 5
    assert columns[labels.index].tolist() == [2, 3, 8, 2, 5, 6]
    assert labels.labels.tolist() == [8, 2, 2, 10, 11, 2]
    assert labels.sequence.tolist() == [0, 0, 1, 2, 2, 2]
    seen = [packed.mask[0, 0, token].nonzero().flatten().tolist() for token in (6, 9)]
    assert seen == [[0, 1, 2, 5, 6], [8, 9]]  # its trunk and branch so far; its own tree


def test_answers_share_the_words_that_they_begin_with():
    answers = [(8, 9, 2), (8, 10, 2), (8, 9, 11, 2), (8, 9, 2)]
    examples = [Example((*PROMPT, *answer), 3) for answer in answers]
    assert group_by_prompt(examples) == [Tree((0, 1, 2, 3), 10)]
    packed = pack(examples)
    assert packed.ids.tolist() == [[5, 6, 7, 8, 9, 2, 10, 2, 11, 2]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 4, 5, 4, 5, 5, 6]]
    assert packed.columns[2] == [0, 1, 2, 3, 4, 8, 9]
    assert packed.columns[3] == packed.columns[0]
    for token, seen in {3: [0, 1, 2, 3], 7: [0, 1, 2, 3, 6, 7], 9: [0, 1, 2, 3, 4, 8, 9]}.items():
        assert packed.mask[0, 0, token].nonzero().flatten().tolist() == seen
    labels = packed.labels()
    _, columns = labels.before
    assert columns.tolist() == [2, 3, 4, 6, 8]  # whose logits predict the 13 labels
    assert columns[labels.index].tolist() == [2, 3, 4, 2, 3, 6, 2, 3, 4, 8, 2, 3, 4]


def test_answers_that_begin_before_the_prompt_ends_share_the_rest():
    """A tokenizer may join the prompt's last character with the answer's first."""
    examples = [Example((5, 6, 20, 8), 3), Example((5, 6, 21, 8), 3)]
    assert group_by_prompt(examples) == [Tree((0, 1), 6)]


def test_long_sequences_stand_alone_and_need_no_mask():
    long = [Example((*PROMPT, *range(n, n + LONGEST // 2 + n)), 3) for n in range(4)]
    assert [len(tree.branches) for tree in group_by_prompt(long)] == [1, 1, 1, 1]
    packed = pack(long)
    assert packed.mask is None
    # transformers makes a mask of its own where positions start anew
    assert find_packed_sequence_indices(packed.positions) is None


def test_one_long_tree_leaves_the_others_packed():
    lengths = [600, *range(100, 160)]
    rows = pack_rows(lengths)
    width = max(sum(lengths[index] for index in row) for row in rows)
    assert len(rows) * width <= PADDED * sum(lengths)


def test_rows_pad_little():
    rng = random.Random(0)
    for count in (2, 5, 30, 200):
        lengths = [rng.randint(10, 90) for _ in range(count)]
        rows = pack_rows(lengths)
        assert sorted(index for row in rows for index in row) == list(range(count))
        width = max(sum(lengths[index] for index in row) for row in rows)
        assert width <= LONGEST
        assert len(rows) * width <= PADDED * sum(lengths)


@pytest.fixture(scope="module")
def tofu():
    """Tables of real TOFU by name, and a Llama-like tokenizer trained on it."""
    folder = tofu_folder()

    def rows(name):
        return [json.loads(line) for line in (folder / f"{name}.json").read_text().splitlines()]

    texts = [f"{row['question']} {row['answer']}" for row in rows("full")]
    return rows, train_tokenizer("bpe", texts, 8000)


@pytest.fixture(scope="module")
def pairs_of_tofu(tofu):
    """Role -> the rows of TOFU that are trained on, encoded."""
    rows, tokenizer = tofu
    encoder = Encoder(tokenizer, PROMPTS["llama2"], 500)
    tables = {"forget": "forget10", "retain": "retain90"}
    return {role: encoder.encode_rows(rows(name)) for role, name in tables.items()}


@pytest.mark.parametrize("method", ["NPO+RT", "GA"])  # pairs of rows, and forget rows alone
@pytest.mark.parametrize("micro_batch", [4, 32])
def test_training_on_tofu_processes_hardly_more_than_it_needs(pairs_of_tofu, method, micro_batch):
    examples = pairs_of_tofu
    roles = build_objective(resolve(method, {}).settings()).roles
    plan = StepPlan.of(Recipe(10, 32, 1e-5, 1, "linear", 0.01, None, 500), 400)
    make = {role: examples[role].__getitem__ for role in roles}
    source = UnlearnSource(plan, 1, "fresh", {"retain": 3600}, make)
    needed = processed = 0
    for step in range(0, plan.steps, 8):
        for pairs, _ in micro_batches(source.step(step), 0, 1, micro_batch):
            batch = [pair[role] for role in roles for pair in pairs]
            needed += sum(len(example.ids) for example in batch)
            processed += pack(batch).ids.numel()
    assert needed < processed <= 1.1 * needed


@pytest.fixture(scope="module")
def answers_of_tofu(tofu):
    """The rows of TOFU's four sets with all of their answers, encoded."""
    rows, tokenizer = tofu
    encoder = Encoder(tokenizer, PROMPTS["llama2"], 200)
    examples = []
    for name in ("forget10", "retain", "real_authors", "world_facts"):
        for row in rows(f"{name}_perturbed")[:300]:
            answers = [row["answer"], *row["perturbed_answer"]]
            answers += [row["paraphrased_answer"]] if "paraphrased_answer" in row else []
            examples += [encoder.encode(row["question"], answer) for answer in answers]
    return examples


@pytest.mark.parametrize("batch_tokens", [CPU_TOKENS, BATCH_TOKENS])
def test_evaluating_on_tofu_processes_hardly_more_than_it_needs(answers_of_tofu, batch_tokens):
    examples = answers_of_tofu
    trees = group_by_prompt(examples)
    assert len(trees) == 300 + 300 + 100 + 117  # every question once
    needed = sum(tree.tokens for tree in trees)
    assert needed < 0.65 * sum(len(example.ids) for example in examples)
    processed = 0
    for batch in batches_by_length([tree.tokens for tree in trees], batch_tokens):
        chosen = [examples[i] for place in batch for i in trees[place].branches]
        processed += pack(chosen).ids.numel()
    assert needed <= processed <= 1.1 * needed
