"""Teacher-forced likelihoods: one sorted pass over any number of sequences."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from unlearning.data.encoding import Example, collate
from unlearning.methods.sequences import Sequences
from unlearning.models.scorer import Scorer

BATCH_TOKENS = 16384  # fits beside any model of these papers


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

    def __init__(self, model, device: torch.device, batch_tokens: int = BATCH_TOKENS):
        self.scorer, self.device, self.batch_tokens = Scorer(model), device, batch_tokens

    @torch.inference_mode()
    def __call__(
        self, examples: list[Example], detailed: Sequence[bool] | None = None
    ) -> list[Score]:
        """The score of each example, with every token of those that are `detailed`."""
        training = self.scorer.model.training
        self.scorer.model.eval()
        scores: dict[int, Score] = {}
        for batch in batches_by_length([len(e.ids) for e in examples], self.batch_tokens):
            chosen = [examples[i] for i in batch]
            flags = None if detailed is None else [detailed[i] for i in batch]
            scores.update(zip(batch, self._batch(chosen, flags), strict=True))
        self.scorer.model.train(training)
        return [scores[i] for i in range(len(examples))]

    def _batch(self, examples: list[Example], detailed: list[bool] | None) -> list[Score]:
        ids, labels = (t.to(self.device) for t in collate(examples))
        wanted = None if detailed is None else torch.tensor(detailed, device=self.device)
        found = self.scorer(ids, labels, detail=wanted)
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
