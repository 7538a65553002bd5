"""Log-probabilities of labels from logits, accurate at any vocabulary."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CACHED = 64  # positions at once on a CPU: their logits stay in its cache


def label_log_probabilities(logits: Tensor, index: Tensor, labels: Tensor) -> Tensor:
    """(N,) log-probabilities of labels (N,), of which each is predicted by the logits at `index`
    (N,) of U positions (U, V).

    torch's log_softmax adds up the vocabulary's exponentials one after the other, which in float32
    on a CPU is 8e-6 off at 128,256 words; here torch.sum adds them up pairwise. Nor does the
    backward pass compute exponentials again.
    """
    return _LogProbabilities.apply(logits, index, labels)


def log_distribution(logits: Tensor) -> Tensor:
    """(U, V) log-probabilities of all words, as accurate."""
    shifted = logits - logits.amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


class _LogProbabilities(torch.autograd.Function):
    """A label's log-probability is its logit less the log of the sum of all exponentials."""

    @staticmethod
    def forward(ctx, logits: Tensor, index: Tensor, labels: Tensor) -> Tensor:
        training = ctx.needs_input_grad[0]
        exponentials = torch.empty_like(logits) if training else None
        largest, sums = logits.new_empty(len(logits)), logits.new_empty(len(logits))
        for part in _parts(logits):
            largest[part] = logits[part].amax(-1)
            out = None if exponentials is None else exponentials[part]
            shifted = torch.sub(logits[part], largest[part, None], out=out)
            sums[part] = shifted.exp_().sum(-1)
        if training:
            ctx.save_for_backward(exponentials, sums, index, labels)
        return logits[index, labels] - largest[index] - sums.log()[index]

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        exponentials, sums, index, labels = ctx.saved_tensors
        factors = -torch.zeros_like(sums).index_add_(0, index, gradient) / sums
        result = exponentials * factors[:, None]
        return result.index_put_((index, labels), gradient, accumulate=True), None, None


def _parts(logits: Tensor) -> Iterator[slice]:
    """Positions that are worked on at once."""
    size = CACHED if logits.device.type == "cpu" else max(len(logits), 1)
    for first in range(0, len(logits), size):
        yield slice(first, first + size)
