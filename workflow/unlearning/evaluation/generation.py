"""Generate greedy answers in batches of prompts of similar length.

transformers' `generate` would compute all rows of a batch until the longest answer ends. Here
finished rows leave the batch, and known beginnings of answers are not generated again.
"""

import inspect
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence
from transformers import DynamicCache

from unlearning.data.encoding import Example
from unlearning.evaluation.likelihood import batches_by_length
from unlearning.models.agreement import (
    NOISE,
    agrees,
    distance,
    is_main_process,
    log_once,
    nudged,
    rounding_error,
)
from unlearning.models.context import check_context
from unlearning.progress import Progress

COMPARED = 3  # tokens after the prompt whose logits are compared with those of a plain pass
GENERATION_NOISE = 10  # a cache may round by this many times as much as scoring
UNBATCHED = "answers are generated one at a time and without a cache"
FINISHED = 0.125  # finished rows leave the batch when they are at least this share of it


@dataclass(frozen=True)
class Limit:
    """The longest answer in tokens: `total` counts the prompt too (TOFU), `new` does not
    (open-unlearning)."""

    tokens: int
    counts: str

    def room(self, prompt: int) -> int:
        """New tokens allowed after a prompt of that many tokens."""
        return self.tokens if self.counts == "new" else max(0, self.tokens - prompt)


def end_tokens(model, tokenizer, end: int) -> set[int]:
    """The tokens at which an answer stops: `end`, in which the answers of training end, and what
    else ends one by the model's generation_config.json, as in transformers' `generate`.

    Chat models name several there: Llama-3 <|eot_id|> and <|end_of_text|>, Qwen <|im_end|> and
    <|endoftext|>. Ordinary tokens among them do not count: a configuration that nobody has adapted
    to its tokenizer (Llama's default is 2) would cut answers at a word.
    """
    ids = model.generation_config.eos_token_id
    ids = ids if isinstance(ids, list) else [ids]
    # Llama-3's <|end_of_text|> is an added token without a role such as eos_token
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    return {end, *special.intersection(ids)}


def greedy_beginning(prompt: list[int], example: Example, match: list[bool]) -> list[int]:
    """The first tokens of the true answer that greedy generation would produce too: each is the
    most likely one after those before it.

    example: the prompt with the true answer. match: whether each label is the most likely token.
    """
    # a tokenizer may have joined the prompt's end with the answer's first letters
    if list(example.ids[: example.start]) != prompt:
        return []
    count = match.index(False) if False in match else len(match)
    return list(example.ids[example.start : example.start + count])


class Generator:
    """Answers prompts greedily; a row stops at a token that ends answers or at its limit.

    ends: the tokens that end answers (end_tokens()); by default the tokenizer's end of sequence.
    batched: whether the last prompts were answered in batches.

    The tokens are those of transformers' `generate`. A model whose logits change with padding and a
    cache answers one prompt at a time, without either.
    """

    def __init__(
        self,
        model,
        tokenizer,
        device: torch.device,
        limit: Limit,
        batch_tokens: int,
        ends: Collection[int] | None = None,
    ):
        self.model, self.tokenizer, self.device = model, tokenizer, device
        self.limit, self.batch_tokens, self.batched = limit, batch_tokens, True
        self.ends = {tokenizer.eos_token_id} if ends is None else ends
        # state-space models call the cache cache_params and take a mask in their first pass only
        self.has_states = "cache_params" in inspect.signature(model.forward).parameters

    @torch.inference_mode()
    def __call__(
        self, prompts: list[list[int]], beginnings: list[list[int]] | None = None
    ) -> list[str]:
        """The answer to each prompt, without special tokens.

        beginnings: the first tokens of each answer, where a scoring pass has shown them to be the
        most likely ones (greedy_beginning()); generation goes on after them.
        """
        training = self.model.training
        self.model.eval()
        answers: list[list[int]] = []
        texts: list[list[int]] = []  # prompts with the beginnings of their answers
        room: list[int] = []  # new tokens that each answer may still get
        lengths: list[int] = []  # tokens of each prompt with the longest answer that it may get
        longest = 0  # of the rows that are run
        unfinished: list[int] = []
        for prompt, beginning in zip(prompts, beginnings or [[]] * len(prompts), strict=True):
            new_tokens = self.limit.room(len(prompt))
            # a true answer may be longer than a generated one is allowed to be
            answer = beginning[:new_tokens]
            lengths.append(len(prompt) + new_tokens)
            # a prompt without room for an answer is not run, so it may exceed the model's context
            if new_tokens:
                longest = max(longest, lengths[-1])
            if len(answer) < new_tokens and not self._ends(answer):
                unfinished.append(len(answers))
            answers.append(answer)
            texts.append([*prompt, *answer])
            room.append(new_tokens - len(answer))
        check_context(self.model, longest, "evaluation.generation_tokens")
        # shortest first, and rows of equal length in the prompts' order
        unfinished.sort(key=lambda index: len(texts[index]))
        # rows of one token have no last tokens to compare
        longest_row = max(lengths, default=0)
        compare = partial(self._batch_agrees, prompts, longest_row)
        self.batched = longest_row < 2 or agrees("generation", self.model, longest_row, compare)
        progress = Progress("answering", len(unfinished), is_main_process(), brief=True)
        if self.batched:
            # by the lengths that rows may reach, so that a batch fits until its last token
            batches = batches_by_length([lengths[index] for index in unfinished], self.batch_tokens)
            for batch in batches:
                indices = [unfinished[position] for position in batch]
                generated = self._answer_batch(
                    [texts[index] for index in indices],
                    [room[index] for index in indices],
                    progress,
                )
                for index, tokens in zip(indices, generated, strict=True):
                    answers[index] += tokens
        else:
            for index in unfinished:
                answers[index] += self._answer_one(texts[index], room[index])
                progress.advance(1)
        self.model.train(training)
        # a chat template may end answers with a token that its tokenizer does not call special
        without_end = [answer[:-1] if self._ends(answer) else answer for answer in answers]
        return self.tokenizer.batch_decode(without_end, skip_special_tokens=True)

    def _ends(self, answer: list[int]) -> bool:
        return bool(answer) and answer[-1] in self.ends

    def _answer_batch(
        self, prompts: list[list[int]], room: list[int], progress: Progress
    ) -> list[list[int]]:
        """The new tokens of each prompt of one batch, with the end token if it was generated.

        room: the most new tokens of each, at least one.
        """
        answers: list[list[int]] = [[] for _ in prompts]
        rows = list(range(len(prompts)))  # prompts that are still in the batch
        unfinished, cache = set(rows), DynamicCache(config=self.model.config)
        ids, mask = pad_left(prompts, self.device)
        # positions count from each prompt's first token, whatever padding is before it
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        while unfinished:
            # the first pass takes whole prompts, each later one the last tokens
            before = len(unfinished)
            ids = self._logits(ids, mask, positions, cache).argmax(-1, keepdim=True)
            for row, token in zip(rows, ids[:, 0].tolist(), strict=True):
                if row in unfinished:
                    answers[row].append(token)
                    if token in self.ends or len(answers[row]) == room[row]:
                        unfinished.remove(row)
            progress.advance(before - len(unfinished))
            # Finished rows leave the batch, but not one by one, because selecting rows copies the
            # cache. The states of recurrent layers cannot be selected by row.
            many_finished = len(unfinished) <= (1 - FINISHED) * len(rows)
            if unfinished and many_finished and not any(cache.is_linear):
                indices = [index for index, row in enumerate(rows) if row in unfinished]
                rows = [rows[index] for index in indices]
                selected = torch.tensor(indices).to(self.device)
                ids, mask, positions = ids[selected], mask[selected], positions[selected]
                cache.batch_select_indices(selected)
            # the next pass takes one token a row, which sees all tokens before it
            mask, positions = pad(mask, (0, 1), value=True), positions[:, -1:] + 1
        return answers

    def _logits(self, ids: Tensor, mask: Tensor, positions: Tensor, cache: DynamicCache) -> Tensor:
        """Next-token logits (B, V) after `ids`, whose keys and values are added to the cache."""
        inputs = {"past_key_values": cache, "attention_mask": mask, "position_ids": positions}
        if self.has_states:
            # the mask is for padding, which only the prompts have
            is_prompt = ids.shape == mask.shape
            inputs = {"cache_params": cache, "attention_mask": mask if is_prompt else None}
        output = self.model(input_ids=ids, use_cache=True, logits_to_keep=1, **inputs)
        return output.logits[:, -1]

    def _plain_logits(self, ids: list[int]) -> Tensor:
        """Logits (T, V) of one sequence, without padding and without a cache."""
        output = self.model(input_ids=torch.tensor([ids], device=self.device), use_cache=False)
        return output.logits[0]

    def _answer_one(self, prompt: list[int], room: int) -> list[int]:
        """The new tokens of one prompt, each from a plain pass over all tokens before it."""
        # quadratic in the answer's length, but right for a family whose cache or padding is not
        ids = list(prompt)
        for _ in range(room):
            ids.append(int(self._plain_logits(ids)[-1].argmax()))
            if ids[-1] in self.ends:
                break
        return ids[len(prompt) :]

    def _batch_agrees(self, prompts: list[list[int]], longest: int) -> bool:
        """Whether padded prompts and their answers, with a cache, have the logits of plain passes,
        on two rows; if not, the log says so.

        The rows are one of `longest` tokens and a short prompt, which is padded beside it. Their
        last tokens are given one by one, as in generation.
        """
        steps = min(COMPARED, longest - 1)
        tokens, short = max(prompts, key=len), min(prompts, key=len)
        # which tokens follow the prompts does not matter, so prompts are repeated
        rows = [
            (tokens * longest)[:longest],
            (short + tokens)[: max(len(short), 1) + steps][:longest],
        ]
        try:
            batched = self._batched_logits(rows, steps)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a family without such a cache may raise anything
            log_once(self.model, UNBATCHED, f"{type(error).__name__}: {error}")
            return False
        plain = self._last_logits(rows, steps)
        difference = distance(batched.flatten(0, 1).float(), plain)
        allowed = GENERATION_NOISE * rounding_error(self.model)
        if difference > allowed:  # rounding makes more of it in a deep model of 16 bits
            with nudged(self.model):
                noise = distance(self._last_logits(rows, steps), plain)
            allowed = max(allowed, NOISE * noise)
        if not difference <= allowed:
            reason = f"logits differ by {difference:.1g} of their spread from a plain pass's"
            log_once(self.model, UNBATCHED, f"{reason}, allowed: {allowed:.1g}")
        return difference <= allowed

    def _last_logits(self, rows: list[list[int]], steps: int) -> Tensor:
        """Logits (R (steps + 1), V), each row's after its last tokens, from plain passes."""
        return torch.cat([self._plain_logits(row)[-1 - steps :].float() for row in rows])

    def _batched_logits(self, rows: list[list[int]], steps: int) -> Tensor:
        """(B, steps + 1, V) logits after each of the last tokens of the rows, in one batch."""
        cache = DynamicCache(config=self.model.config)
        ids, mask = pad_left([row[:-steps] for row in rows], self.device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        logits = [self._logits(ids, mask, positions, cache)]
        # as in _answer_batch(), with the rows' tokens in place of the most likely ones
        for step in range(-steps, 0):
            ids = torch.tensor([[row[step]] for row in rows], device=self.device)
            mask, positions = pad(mask, (0, 1), value=True), positions[:, -1:] + 1
            logits.append(self._logits(ids, mask, positions, cache))
        return torch.stack(logits, 1)


def pad_left(prompts: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Token ids (B, T) of prompts that all end in the last column, and the mask (B, T) of those
    that are not padding."""
    rows = [torch.tensor(prompt, dtype=torch.long) for prompt in prompts]
    # any id would do in place of 0, for the mask hides it
    ids = pad_sequence(rows, batch_first=True, padding_side="left")
    padding = ids.shape[1] - torch.tensor(list(map(len, prompts)))  # (B,)
    mask = torch.arange(ids.shape[1]) >= padding[:, None]
    return ids.to(device), mask.to(device)
