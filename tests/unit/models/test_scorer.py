"""Training computes logits where labels are, and nowhere else."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from unlearning.data.encoding import Example
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model
from unlearning.models.scorer import Scorer, describe
from unlearning.training.batches import score_pairs

ROWS, TOKENS, LABELS, VOCABULARY = 6, 40, 5, 5000
SHAPE = {"layers": 1, "width": 8, "heads": 2, "feed_forward": 8, "context": 64}


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that any operation returns, backward ones too."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self.numbers = max(self.numbers, value.numel())
        return result


@pytest.mark.parametrize("method", ["NPO+RT", "SimNPO+RT", "DPO+RT"])
def test_no_logits_beside_those_of_labels(method):
    objective = build_objective(resolve(method, {}).settings())
    ids = torch.randint(2, VOCABULARY, (ROWS, len(objective.roles), TOKENS)).tolist()
    pairs = []
    for rows in ids:  # rows that are alike would share their logits
        examples = [Example(tuple(row), TOKENS - LABELS, 10.0) for row in rows]
        pairs.append(dict(zip(objective.roles, examples, strict=True)))
    scorer = Scorer(build_model(SHAPE, VOCABULARY, 0))
    with Largest() as largest:
        batch = score_pairs(scorer, pairs, objective, torch.device("cpu"))
        objective.total(objective.rows(batch)).mean().backward()
    labelled = len(objective.roles) * ROWS * LABELS * VOCABULARY
    assert largest.numbers == labelled < len(objective.roles) * ROWS * TOKENS * VOCABULARY / 7


def test_sigma_of_a_model_that_is_unsure():
    """Where all words are nearly alike, E[x²] - mu² has no digits left in float32."""
    generator = torch.Generator().manual_seed(0)
    logits = 0.01 * torch.randn(3, 50_000, generator=generator)
    every = torch.arange(3)
    sigma = describe(logits, every, every, torch.ones(3, dtype=torch.bool))["sigma"]
    logp = logits.double().log_softmax(-1)
    mean = (logp.exp() * logp).sum(-1, keepdim=True)
    expected = (logp.exp() * (logp - mean) ** 2).sum(-1).sqrt()
    assert sigma.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
