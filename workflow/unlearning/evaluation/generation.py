"""Greedy answers, generated in batches of prompts of similar length."""

from dataclasses import dataclass

import torch

from unlearning.evaluation.likelihood import batches_by_length


@dataclass(frozen=True)
class Limit:
    """How long an answer may get: `total` counts the prompt too (TOFU), `new` does not (OU)."""

    tokens: int
    counts: str

    def room(self, prompt: int) -> int:
        """New tokens allowed after a prompt of that many tokens."""
        return self.tokens if self.counts == "new" else max(0, self.tokens - prompt)


class Generator:
    """Answers prompts greedily; a row stops at the end-of-sequence token or at its limit."""

    def __init__(self, model, tokenizer, device: torch.device, limit: Limit, batch_tokens: int):
        self.model, self.tokenizer, self.device = model, tokenizer, device
        self.limit, self.batch_tokens = limit, batch_tokens

    @torch.inference_mode()
    def __call__(self, prompts: list[list[int]]) -> list[str]:
        """The answer to each prompt, special tokens left out."""
        training = self.model.training
        self.model.eval()
        answers: dict[int, str] = {}
        longest = [len(prompt) + self.limit.room(len(prompt)) for prompt in prompts]
        by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for places in batches_by_length([longest[i] for i in by_length], self.batch_tokens):
            chosen = [by_length[place] for place in places]
            found = self._continue([prompts[i] for i in chosen])
            answers.update(zip(chosen, found, strict=True))
        self.model.train(training)
        return [answers[i] for i in range(len(prompts))]

    def _continue(self, prompts: list[list[int]]) -> list[str]:
        """One batch, padded on the left."""
        width = max(map(len, prompts))
        room = [self.limit.room(len(prompt)) for prompt in prompts]
        if max(room) == 0:
            return [""] * len(prompts)
        eos = self.tokenizer.eos_token_id
        pad = eos if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id
        ids = torch.full((len(prompts), width), pad)
        mask = torch.zeros_like(ids)
        for i, prompt in enumerate(prompts):
            ids[i, width - len(prompt) :] = torch.tensor(prompt)
            mask[i, width - len(prompt) :] = 1
        generated = self.model.generate(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            do_sample=False,
            num_beams=1,
            max_new_tokens=max(room),
            eos_token_id=eos,
            pad_token_id=pad,
        )[:, width:].tolist()
        kept = [row[:n] for row, n in zip(generated, room, strict=True)]
        return self.tokenizer.batch_decode(kept, skip_special_tokens=True)
