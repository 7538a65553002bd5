"""Teacher-forced likelihoods: one sorted pass over any number of sequences, prompts shared."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from unlearning.data.encoding import Example
from unlearning.data.packing import group_by_prompt
from unlearning.methods.sequences import Sequences
from unlearning.models.agreement import layout_of
from unlearning.models.scorer import PACKED, Scorer

BATCH_TOKENS = 16384  # fits beside any model of these papers
CPU_TOKENS = 2048  # logits of more leave a CPU's cache, which takes half as long again
COLLAPSED_LOSS = 1e4  # per token: what a model whose logits are no numbers is taken to have


@dataclass(frozen=True)
class Tokens:
    """The labelled tokens of a sequence, one value each; see models.scorer.describe()."""

    logp: list[float]
    match: list[bool]
    mu: list[float]
    sigma: list[float]


@dataclass(frozen=True)
class Score:
    """One sequence: summed negative log-likelihood of its labels, and how many they are."""

    nll: float
    tokens: int
    detail: Tokens | None = None

    @classmethod
    def of(cls, nll: float, tokens: float, detail: Tokens | None = None) -> "Score":
        """The score; NaN and infinity, the marks of a collapsed model, become a very large loss."""
        return cls(nll if math.isfinite(nll) else COLLAPSED_LOSS * tokens, int(tokens), detail)

    @property
    def mean(self) -> float:
        """Negative log-likelihood per labelled token."""
        return self.nll / self.tokens


def batches_by_length(lengths: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, each at most batch_tokens wide with padding."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i], reverse=True):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


class Likelihood:
    """Scores sequences under a model, in the order given."""

    def __init__(self, model, batch_tokens: int = BATCH_TOKENS):
        self.scorer, self.batch_tokens = Scorer(model), batch_tokens
        if next(model.parameters()).device.type == "cpu":
            self.batch_tokens = min(batch_tokens, CPU_TOKENS)

    @torch.inference_mode()
    def __call__(
        self, examples: list[Example], detailed: Sequence[bool] | None = None
    ) -> list[Score]:
        """The score of each example, with every token of those that are `detailed`."""
        training = self.scorer.model.training
        self.scorer.model.eval()
        self.scorer.layout = layout_of(self.scorer, self.scorer.model, examples)
        scores: dict[int, Score] = {}
        trees = group_by_prompt(examples, shared=self.scorer.layout == PACKED)
        for batch in batches_by_length([tree.tokens for tree in trees], self.batch_tokens):
            indices = [i for place in batch for i in trees[place].branches]
            flags = None if detailed is None else [detailed[i] for i in indices]
            found = self._batch([examples[i] for i in indices], flags)
            scores.update(zip(indices, found, strict=True))
        self.scorer.model.train(training)
        return [scores[i] for i in range(len(examples))]

    def _batch(self, examples: list[Example], detailed: list[bool] | None) -> list[Score]:
        wanted = None if detailed is None else torch.tensor(detailed)
        found = self.scorer(examples, detail=wanted)
        sequences = Sequences(found["logp"], found["row"], len(examples))
        tokens = sequences.tokens.int().tolist()
        details: list[Tokens | None] = [None] * len(examples)
        if detailed is not None:
            columns = zip(*(v.split(tokens) for v in _finite(found)), strict=True)
            details = [
                Tokens(*(values.tolist() for values in row)) if flag else None
                for row, flag in zip(columns, detailed, strict=True)
            ]
        return [
            Score.of(*score) for score in zip(sequences.nll.tolist(), tokens, details, strict=True)
        ]


def _finite(found: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """logp, match, mu and sigma; those of a collapsed model turned into numbers."""
    worst = -COLLAPSED_LOSS
    logp = found["logp"].nan_to_num(nan=worst, neginf=worst)
    mu, sigma = found["mu"].nan_to_num(0, 0, 0), found["sigma"].nan_to_num(1, 1, 1)
    return logp, found["match"].bool(), mu, sigma
