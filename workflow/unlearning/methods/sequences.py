"""The input of a loss: log-probabilities of the labels of each row, without padding."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# A role or score that the method's Term does not ask for is None. Its type does not say so, because
# each loss would have to assert that it has what it asked for.
ABSENT: Any = None


@dataclass
class View:
    """Logits or activations at P positions of one role's rows, for losses that need them.

    row: (P,) which of the B rows the position belongs to, ascending.
    values: (P, V) next-token logits in float32, or (P, H) activations of a layer.
    teacher: the same under the target model, without gradient, if needed.
    labels: (P,) the label that each position predicts, IGNORED where it predicts none.
    """

    row: Tensor
    values: Tensor
    labels: Tensor
    teacher: Tensor = ABSENT


@dataclass
class Sequences:
    """One role's B rows as a model scores them: N labelled positions in all.

    logp: (N,) natural log-probability of each label given its prefix.
    row: (N,) which of the B rows the label belongs to, ascending.
    size: B.
    reference_nll: (B,) summed negative log-likelihood under the reference model, if needed.
    logits, activations: see View; if needed.
    """

    logp: Tensor
    row: Tensor
    size: int
    reference_nll: Tensor = ABSENT
    logits: View = ABSENT
    activations: View = ABSENT

    def sum_rows(self, values: Tensor, row: Tensor | None = None) -> Tensor:
        """(B,) sums of per-position `values` over each row."""
        row = self.row if row is None else row
        return values.new_zeros(self.size).index_add(0, row, values)

    @property
    def nll(self) -> Tensor:
        """(B,) negative log-likelihood of the labels, summed over tokens; L in the papers."""
        return -self.sum_rows(self.logp)

    @property
    def tokens(self) -> Tensor:
        """(B,) number of labelled tokens, end-of-sequence included; |y| in the papers."""
        return torch.bincount(self.row, minlength=self.size).to(self.logp.dtype)


@dataclass
class Batch:
    """The rows of each role that a loss is called with; row i of every role forms pair i.

    train: rows to learn. forget: rows to unlearn. idk: the forget questions with "I don't know"
    answers. alternative: the forget questions with plausible false answers. retain: rows whose
    answers must stay.

    pool: take token means over the whole batch, as the released code does if its micro-batch has
    more than one row. The training loop never pools: a mean over rows does not depend on how the
    rows are split into micro-batches and over processes.
    """

    train: Sequences = ABSENT
    forget: Sequences = ABSENT
    idk: Sequences = ABSENT
    alternative: Sequences = ABSENT
    retain: Sequences = ABSENT
    pool: bool = False

    def token_mean(self, *sequences: Sequences) -> Tensor:
        """(B,) mean cross-entropy per labelled token of these roles' rows; (1,) if pooled."""
        # numerator and denominator apart, so that a long answer weighs more than a short one
        nll = sum(s.nll for s in sequences)
        tokens = sum(s.tokens for s in sequences)
        return self.ratio(nll, tokens)

    def mean_over(self, sequences: Sequences, values: Tensor, row: Tensor) -> Tensor:
        """(B,) mean of per-position `values` (P,) over each row's positions; (1,) if pooled."""
        # counted from `row`, because a loss may leave out positions (CE-U)
        ones = torch.ones_like(values)
        return self.ratio(sequences.sum_rows(values, row), sequences.sum_rows(ones, row))

    def ratio(self, total: Tensor, count: Tensor) -> Tensor:
        """total / count per row (B,), or over the whole batch (1,) if pooled."""
        if self.pool:
            return total.sum(0, keepdim=True) / count.sum(0, keepdim=True)
        return total / count
