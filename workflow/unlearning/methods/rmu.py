"""RMU: push the forget set's activations to a random direction, keep the retain set's in place."""

import torch
from torch import Tensor

from unlearning.errors import UserError
from unlearning.methods.patterns import matching, no_match
from unlearning.methods.sequences import Batch, Sequences, View


def _distance(batch: Batch, sequences: Sequences, view: View, goal: Tensor) -> Tensor:
    """(B,) squared difference, mean over the width, then over a row's answer tokens."""
    return batch.mean_over(sequences, ((view.values - goal) ** 2).mean(-1), view.row)


def steer(batch: Batch, steering: float, seed: int) -> Tensor:
    """RMU: mean squared distance of a layer's activations to steering · u. Returns (B,).

    u: one random direction for the whole run, uniform in [0, 1) in each entry and then of length 1.
    Paper: WMDP (arXiv 2403.03218) §4. Reference: `rmu/unlearn.py` in centerforaisafety/wmdp; answer
    tokens only, as `RMU` in locuslab/open-unlearning. The published method is RMU+ACT.
    """
    view = batch.forget.activations
    # drawn on the CPU at each step: a generator on a GPU gives other numbers for the same seed
    direction = torch.rand(view.values.shape[-1], generator=torch.Generator().manual_seed(seed))
    goal = (steering * direction / direction.norm()).to(view.values)
    return _distance(batch, batch.forget, view, goal)


def keep_activations(batch: Batch) -> Tensor:
    """ACT: mean squared distance of the retain activations to the target model's. Returns (B,).

    Paper: WMDP (arXiv 2403.03218) §4. Reference: `EMBED_DIFF` of `RMU` in locuslab/open-unlearning.
    """
    view = batch.retain.activations
    return _distance(batch, batch.retain, view, view.teacher)


def trained_parameters(model, layer: int, trained: str) -> list[torch.nn.Parameter]:
    """The parameters whose name matches the regular expression `trained` as a whole.

    {layers} in it stands for the numbers layer-2 … layer. Reference: `trainable_params_regex` of
    `RMU` in locuslab/open-unlearning. UserError if no parameter matches.
    """
    names = [name for name, _ in model.named_parameters()]
    matched = set(matching(trained, layer, names))
    if not matched:
        raise UserError(f"trained: {no_match(trained, names)}")
    return [parameter for name, parameter in model.named_parameters() if name in matched]
