"""Greedy answers, generated in batches of prompts of similar length."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from unlearning.evaluation.likelihood import batches_by_length
from unlearning.models.context import check_context

ENDED = 0.125  # share of a batch's rows; when as many have ended, they leave it


@dataclass(frozen=True)
class Limit:
    """How long an answer may get: `total` counts the prompt too (TOFU), `new` does not (OU)."""

    tokens: int
    counts: str

    def room(self, prompt: int) -> int:
        """New tokens allowed after a prompt of that many tokens."""
        return self.tokens if self.counts == "new" else max(0, self.tokens - prompt)


class Generator:
    """Answers prompts greedily; a row stops at the token that ends answers or at its limit.

    end: that token; by default the tokenizer's end of sequence.

    The tokens are those of transformers' `generate`, which keeps the rows that have ended until
    the last one has.
    """

    def __init__(
        self,
        model,
        tokenizer,
        device: torch.device,
        limit: Limit,
        batch_tokens: int,
        end: int | None = None,
    ):
        self.model, self.tokenizer, self.device = model, tokenizer, device
        self.limit, self.batch_tokens = limit, batch_tokens
        self.end = tokenizer.eos_token_id if end is None else end

    @torch.inference_mode()
    def __call__(self, prompts: list[list[int]]) -> list[str]:
        """The answer to each prompt, special tokens left out."""
        training = self.model.training
        self.model.eval()
        answers: dict[int, list[int]] = {}
        longest = [len(prompt) + self.limit.room(len(prompt)) for prompt in prompts]
        asked = (n for n, p in zip(longest, prompts, strict=True) if n > len(p))
        check_context(self.model, max(asked, default=0), "evaluation.generation_tokens")
        by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for places in batches_by_length([longest[i] for i in by_length], self.batch_tokens):
            chosen = [by_length[place] for place in places]
            found = self._continue([prompts[i] for i in chosen])
            answers.update(zip(chosen, found, strict=True))
        self.model.train(training)
        kept = [answers[i] for i in range(len(prompts))]
        return self.tokenizer.batch_decode(kept, skip_special_tokens=True)

    def _continue(self, prompts: list[list[int]]) -> list[list[int]]:
        """The new tokens of each prompt of one batch, with the end of sequence if it came."""
        room = [self.limit.room(len(prompt)) for prompt in prompts]
        answers: list[list[int]] = [[] for _ in prompts]
        rows = [row for row in range(len(prompts)) if room[row]]  # those in the batch
        going, cache = set(rows), DynamicCache(config=self.model.config)
        ids, seen = (v.to(self.device) for v in left_padded([prompts[row] for row in rows]))
        positions = (seen.cumsum(1) - 1).clamp(min=0)
        while going:
            ids = self._next(ids, seen, positions, cache)
            for row, token in zip(rows, ids[:, 0].tolist(), strict=True):
                if row in going:
                    answers[row].append(token)
                    if token == self.end or len(answers[row]) == room[row]:
                        going.remove(row)
            if going and len(going) <= (1 - ENDED) * len(rows):
                places = [place for place, row in enumerate(rows) if row in going]
                rows, kept = [rows[place] for place in places], torch.tensor(places).to(self.device)
                ids, seen, positions = ids[kept], seen[kept], positions[kept]
                cache.batch_select_indices(kept)
            seen, positions = pad(seen, (0, 1), value=True), positions[:, -1:] + 1
        return answers

    def _next(self, ids: Tensor, seen: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        """(B, 1) the most likely token after `ids`, which go into the cache."""
        output = self.model(
            input_ids=ids,
            attention_mask=seen,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return output.logits.argmax(-1)


def left_padded(prompts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """ids and what is no padding, both (B, T)."""
    width = max(map(len, prompts), default=0)
    ids = torch.zeros((len(prompts), width), dtype=torch.long)
    seen = torch.zeros_like(ids, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        seen[row, width - len(prompt) :] = True
    return ids, seen
