"""Teacher-forced likelihoods: one sorted pass over any number of sequences."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from unlearning.data.encoding import Example, collate
from unlearning.methods.sequences import Sequences
from unlearning.models.scorer import Scorer

BATCH_TOKENS = 16384  # fits beside any model of these papers


COLLAPSED_LOSS = 1e4  # per token: what a model whose logits are no numbers is taken to have


@dataclass(frozen=True)
class Score:
    """One sequence: summed negative log-likelihood of its labels, and how many they are."""

    nll: float
    tokens: int

    @classmethod
    def of(cls, nll: float, tokens: float) -> "Score":
        """The score; NaN and infinity, the marks of a collapsed model, become a very large loss."""
        return cls(nll if math.isfinite(nll) else COLLAPSED_LOSS * tokens, int(tokens))

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
    def __call__(self, examples: list[Example]) -> list[Score]:
        """The score of each example."""
        training = self.scorer.model.training
        self.scorer.model.eval()
        scores: dict[int, Score] = {}
        for batch in batches_by_length([len(e.ids) for e in examples], self.batch_tokens):
            ids, labels = (t.to(self.device) for t in collate([examples[i] for i in batch]))
            found = self.scorer(ids, labels)
            sequences = Sequences(found["logp"], found["row"], len(batch))
            values = zip(batch, sequences.nll.tolist(), sequences.tokens.tolist(), strict=True)
            scores.update({i: Score.of(nll, tokens) for i, nll, tokens in values})
        self.scorer.model.train(training)
        return [scores[i] for i in range(len(examples))]
