"""Training computes logits where labels are, and nowhere else."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from unlearning.data.encoding import Example
from unlearning.methods.objective import build_objective
from unlearning.methods.registry import resolve
from unlearning.models.build import build_model
from unlearning.models.scorer import Scorer
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
