"""Log-probabilities of labels from logits, accurate for vocabularies of any size."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CACHED = 64  # positions that a CPU handles at once, so that their logits stay in its cache


def label_log_probabilities(logits: Tensor, index: Tensor, labels: Tensor) -> Tensor:
    """(N,) log-probabilities of labels (N,). Label n is predicted by logits[index[n]].

    logits: (U, V) at U positions. index: (N,).

    torch's log_softmax adds up the exponentials of the vocabulary one after another, which in
    float32 on a CPU errs by 8e-6 at 128,256 words. Here torch.sum adds them up pairwise. The
    backward pass uses the exponentials of the forward pass instead of computing them again.
    """
    return _LogProbabilities.apply(logits, index, labels)


def log_distribution(logits: Tensor) -> Tensor:
    """(U, V) log-probabilities of all words, with the same accuracy."""
    # the largest logit becomes 0, so that no exponential overflows
    shifted = logits - logits.amax(-1, keepdim=True)
    return shifted - shifted.exp().sum(-1, keepdim=True).log()


class _LogProbabilities(torch.autograd.Function):
    """log p(label) = logit(label) - log Σ exp(logit), with an explicit gradient."""

    @staticmethod
    def forward(ctx, logits: Tensor, index: Tensor, labels: Tensor) -> Tensor:
        # exponentials are kept for the backward pass only; scoring overwrites them part by part
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
        # d log p(label) / d logit(v) = [v = label] - exp(logit(v)) / sum; a position may predict
        # several labels, whose gradients add up
        factors = -torch.zeros_like(sums).index_add_(0, index, gradient) / sums
        result = exponentials * factors[:, None]
        return result.index_put_((index, labels), gradient, accumulate=True), None, None


def _parts(logits: Tensor) -> Iterator[slice]:
    """Slices of the positions that are handled at once."""
    size = CACHED if logits.device.type == "cpu" else max(len(logits), 1)
    for first in range(0, len(logits), size):
        yield slice(first, first + size)
