"""Greedy answers, generated in batches of prompts of similar length."""

import inspect
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from unlearning.data.encoding import Example
from unlearning.evaluation.likelihood import batches_by_length
from unlearning.models.agreement import distance, holds, rounding, say
from unlearning.models.context import check_context

COMPARED = 3  # tokens after the prompt whose logits are compared with those of a plain pass
GENERATION_NOISE = 10  # how much more than scoring a cache may round
ALONE = "answers are generated one at a time and without a cache"
ENDED = 0.125  # share of a batch's rows; when as many have ended, they leave it


@dataclass(frozen=True)
class Limit:
    """How long an answer may get: `total` counts the prompt too (TOFU), `new` does not (OU)."""

    tokens: int
    counts: str

    def room(self, prompt: int) -> int:
        """New tokens allowed after a prompt of that many tokens."""
        return self.tokens if self.counts == "new" else max(0, self.tokens - prompt)


def greedy_beginning(prompt: list[int], example: Example, match: list[bool]) -> list[int]:
    """The tokens of an answer to `prompt` with which the model's greedy answer begins, because each
    is the most likely one after those before it.

    example: the prompt with the answer. match: whether each label is the most likely token.
    """
    if list(example.ids[: example.start]) != prompt:  # joined with the answer's first letters
        return []
    count = match.index(False) if False in match else len(match)
    return list(example.ids[example.start : example.start + count])


class Generator:
    """Answers prompts greedily; a row stops at the token that ends answers or at its limit.

    end: that token; by default the tokenizer's end of sequence.

    The tokens are those of transformers' `generate`, which keeps the rows that have ended until
    the last one has. A model that gives padded rows with a cache other logits than one row without
    them answers one prompt at a time, without a cache. batched: how the last prompts were answered.
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
        self.limit, self.batch_tokens, self.batched = limit, batch_tokens, True
        self.end = tokenizer.eos_token_id if end is None else end
        # state-space models take the same cache under a name of their own, and no mask later on
        self.has_states = "cache_params" in inspect.signature(model.forward).parameters

    @torch.inference_mode()
    def __call__(
        self, prompts: list[list[int]], beginnings: list[list[int]] | None = None
    ) -> list[str]:
        """The answer to each prompt, special tokens left out.

        beginnings: the first tokens of each answer, as far as they are known to be the most likely
        ones (greedy_beginning()): generation goes on after them.
        """
        training = self.model.training
        self.model.eval()
        longest = [len(prompt) + self.limit.room(len(prompt)) for prompt in prompts]
        asked = (n for n, p in zip(longest, prompts, strict=True) if n > len(p))
        check_context(self.model, max(asked, default=0), "evaluation.generation_tokens")
        answers = self._begun(prompts, beginnings)
        rooms = [n - len(p) - len(a) for n, p, a in zip(longest, prompts, answers, strict=True)]
        texts = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
        unfinished = [i for i, a in enumerate(answers) if rooms[i] and a[-1:] != [self.end]]
        unfinished.sort(key=lambda i: len(texts[i]))
        self.batched = self._may_batch(prompts)
        batches = [[place] for place in range(len(unfinished))]
        if self.batched:
            batches = batches_by_length([longest[i] for i in unfinished], self.batch_tokens)
        for places in batches:
            indices = [unfinished[place] for place in places]
            batch = [texts[i] for i in indices], [rooms[i] for i in indices]
            tokens = self._continue(*batch) if self.batched else self._alone(*batch)
            for index, new in zip(indices, tokens, strict=True):
                answers[index] += new
        self.model.train(training)
        return self.tokenizer.batch_decode(answers, skip_special_tokens=True)

    def _begun(
        self, prompts: list[list[int]], beginnings: list[list[int]] | None
    ) -> list[list[int]]:
        """The beginning of each answer, as long as its limit allows."""
        if beginnings is None:
            return [[] for _ in prompts]
        pairs = zip(prompts, beginnings, strict=True)
        return [tokens[: self.limit.room(len(prompt))] for prompt, tokens in pairs]

    def _continue(self, prompts: list[list[int]], room: list[int]) -> list[list[int]]:
        """The new tokens after each prompt of one batch, with the end of sequence if it came.

        room: how many there may be, at least one.
        """
        answers: list[list[int]] = [[] for _ in prompts]
        rows = list(range(len(prompts)))  # those in the batch
        going, cache = set(rows), DynamicCache(config=self.model.config)
        ids, seen = (v.to(self.device) for v in left_padded([prompts[row] for row in rows]))
        positions = (seen.cumsum(1) - 1).clamp(min=0)
        while going:
            ids = self._logits(ids, seen, positions, cache).argmax(-1, keepdim=True)
            for row, token in zip(rows, ids[:, 0].tolist(), strict=True):
                if row in going:
                    answers[row].append(token)
                    if token == self.end or len(answers[row]) == room[row]:
                        going.remove(row)
            # the states of recurrent layers cannot leave the cache for a part of the rows
            if going and len(going) <= (1 - ENDED) * len(rows) and not any(cache.is_linear):
                places = [place for place, row in enumerate(rows) if row in going]
                rows, kept = [rows[place] for place in places], torch.tensor(places).to(self.device)
                ids, seen, positions = ids[kept], seen[kept], positions[kept]
                cache.batch_select_indices(kept)
            seen, positions = pad(seen, (0, 1), value=True), positions[:, -1:] + 1
        return answers

    def _logits(self, ids: Tensor, seen: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        """(B, V) of the tokens after `ids`, which go into the cache."""
        inputs = {"past_key_values": cache, "attention_mask": seen, "position_ids": positions}
        if self.has_states:
            first = ids.shape == seen.shape
            inputs = {"cache_params": cache, "attention_mask": seen if first else None}
        output = self.model(input_ids=ids, use_cache=True, logits_to_keep=1, **inputs)
        return output.logits[:, -1]

    def _alone(self, prompts: list[list[int]], room: list[int]) -> list[list[int]]:
        """_continue() of one prompt, each token from a plain pass over all before it."""
        (prompt,) = prompts
        ids = list(prompt)
        for _ in range(room[0]):
            output = self.model(input_ids=torch.tensor([ids], device=self.device), use_cache=False)
            ids.append(int(output.logits[0, -1].argmax()))
            if ids[-1] == self.end:
                break
        return [ids[len(prompt) :]]

    def _may_batch(self, prompts: list[list[int]]) -> bool:
        """Whether padded prompts and what follows them, with a cache, have the logits of plain
        passes; said in the log where they have not."""
        longest = max((len(p) + self.limit.room(len(p)) for p in prompts), default=0)
        if longest < 2:
            return True
        compare = partial(self._batch_agrees, prompts, longest)
        return holds("generation", self.model, longest, compare)

    def _batch_agrees(self, prompts: list[list[int]], longest: int) -> bool:
        """The comparison: a prompt and its answer as long as any may get, beside a short prompt.

        The last tokens of both go in one by one, as if they had been generated.
        """
        steps = min(COMPARED, longest - 1)
        tokens = max(prompts, key=len)
        rows = [(tokens * longest)[:longest], min(prompts, key=len)]
        rows[1] = (rows[1] + tokens)[: max(len(rows[1]), 1) + steps][:longest]
        try:
            batched = self._forced(rows, steps)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # of a family that has no such cache: anything
            say(self.model, ALONE, f"{type(error).__name__}: {error}")
            return False
        plain = []
        for row in rows:
            output = self.model(input_ids=torch.tensor([row], device=self.device), use_cache=False)
            plain.append(output.logits[0, -1 - steps :])
        apart = distance(batched.flatten(0, 1).float(), torch.cat(plain).float())
        allowed = GENERATION_NOISE * rounding(self.model)
        if not apart <= allowed:
            far = f"differ by {apart:.1g} of their spread from a plain pass's"
            say(self.model, ALONE, f"logits {far}, allowed: {allowed:.1g}")
        return apart <= allowed

    def _forced(self, rows: list[list[int]], steps: int) -> Tensor:
        """(B, steps + 1, V) logits after each of the last tokens of the rows, in one batch."""
        cache = DynamicCache(config=self.model.config)
        ids, seen = (v.to(self.device) for v in left_padded([row[:-steps] for row in rows]))
        positions = (seen.cumsum(1) - 1).clamp(min=0)
        logits = [self._logits(ids, seen, positions, cache)]
        for step in range(-steps, 0):
            ids = torch.tensor([[row[step]] for row in rows], device=self.device)
            seen, positions = pad(seen, (0, 1), value=True), positions[:, -1:] + 1
            logits.append(self._logits(ids, seen, positions, cache))
        return torch.stack(logits, 1)


def left_padded(prompts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """ids and what is no padding, both (B, T)."""
    width = max(map(len, prompts), default=0)
    ids = torch.zeros((len(prompts), width), dtype=torch.long)
    seen = torch.zeros_like(ids, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        seen[row, width - len(prompt) :] = True
    return ids, seen
