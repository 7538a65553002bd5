"""Teacher-forced likelihoods of any number of sequences, in batches sorted by length."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from unlearning.data.encoding import Example
from unlearning.data.packing import group_by_prompt
from unlearning.methods.sequences import Sequences
from unlearning.models.agreement import is_main_process, layout_of
from unlearning.models.scorer import PACKED, Scorer
from unlearning.progress import Progress

BATCH_TOKENS = 16384  # fits beside any model of these papers
CPU_TOKENS = 2048  # the logits of more exceed a CPU's cache, which takes half as long again
COLLAPSED_LOSS = 1e4  # per token, for a model whose logits are NaN


@dataclass(frozen=True)
class TokenScores:
    """One value for each labelled token of a sequence; see models.scorer.describe()."""

    logp: list[float]
    match: list[bool]
    mu: list[float]
    sigma: list[float]


@dataclass(frozen=True)
class Score:
    """The summed negative log-likelihood of one sequence's labels, and their number."""

    nll: float
    tokens: int
    detail: TokenScores | None = None

    @property
    def token_scores(self) -> TokenScores:
        """The values of its labels, for which the caller has asked."""
        assert self.detail is not None, "scored without detail"
        return self.detail

    @classmethod
    def of(cls, nll: float, tokens: float, detail: TokenScores | None = None) -> "Score":
        """The score; a collapsed model's NaN or infinity becomes a very large loss."""
        return cls(nll if math.isfinite(nll) else COLLAPSED_LOSS * tokens, int(tokens), detail)

    @property
    def mean(self) -> float:
        """Negative log-likelihood per labelled token."""
        return self.nll / self.tokens


def batches_by_length(lengths: list[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, each of at most batch_tokens with padding."""
    batch: list[int] = []
    # longest first: what does not fit fails at once, and the first of a batch is its width
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


class Likelihood:
    """Scores sequences under a model."""

    def __init__(self, model, batch_tokens: int = BATCH_TOKENS):
        self.scorer, self.batch_tokens = Scorer(model), batch_tokens
        if next(model.parameters()).device.type == "cpu":
            self.batch_tokens = min(batch_tokens, CPU_TOKENS)

    @torch.inference_mode()
    def __call__(
        self, examples: list[Example], detailed: Sequence[bool] | None = None
    ) -> list[Score]:
        """The score of each example, in their order, with token scores of those that are
        `detailed`."""
        training = self.scorer.model.training  # an evaluation on the way interrupts a training
        self.scorer.model.eval()
        self.scorer.layout = layout_of(self.scorer, self.scorer.model, examples)
        scores: dict[int, Score] = {}
        # answers to one prompt are scored in one row, which computes the prompt once
        trees = group_by_prompt(examples, shared=self.scorer.layout == PACKED)
        progress = Progress("scoring", len(examples), is_main_process(), brief=True)
        for batch in batches_by_length([tree.tokens for tree in trees], self.batch_tokens):
            indices: list[int] = []
            for tree in batch:
                indices += trees[tree].branches
            flags = None if detailed is None else [detailed[index] for index in indices]
            batch_scores = self._score_batch([examples[index] for index in indices], flags)
            scores.update(zip(indices, batch_scores, strict=True))
            progress.advance(len(indices))
        self.scorer.model.train(training)
        return [scores[index] for index in range(len(examples))]

    def _score_batch(self, examples: list[Example], detailed: list[bool] | None) -> list[Score]:
        detail = None if detailed is None else torch.tensor(detailed)
        values = self.scorer(examples, detail=detail)
        sequences = Sequences(values["logp"], values["row"], len(examples))
        tokens = sequences.tokens.int().tolist()
        details: list[TokenScores | None] = [None] * len(examples)
        if detailed is not None:
            # one tensor over all labels each: split it by sequence
            columns = [column.split(tokens) for column in _finite(values)]
            for index, (logp, match, mu, sigma) in enumerate(zip(*columns, strict=True)):
                if detailed[index]:
                    details[index] = TokenScores(
                        logp.tolist(), match.tolist(), mu.tolist(), sigma.tolist()
                    )
        return list(map(Score.of, sequences.nll.tolist(), tokens, details))


def _finite(values: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """logp, match, mu and sigma, with finite numbers in place of a collapsed model's."""
    # JSON has no NaN, and a collapsed model is a result: it is to rank below every other
    worst = -COLLAPSED_LOSS
    logp = values["logp"].nan_to_num(nan=worst, neginf=worst)
    mu, sigma = values["mu"].nan_to_num(0, 0, 0), values["sigma"].nan_to_num(1, 1, 1)
    return logp, values["match"].bool(), mu, sigma
