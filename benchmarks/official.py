"""The arms that ours is timed beside: how the papers' official code trains and evaluates, and how
open-unlearning trains.

Every sequence is padded (to 500 tokens in training, 200 in evaluation), the reference model runs at
each step, forget and retain rows go through the model apart, logits of all positions are computed
and made float32, and each kind of answer has forward passes of its own, in the tables' order
(TOFU/dataloader.py and TOFU/evaluate_util.py of licong-lin/negative-preference-optimization).
open-unlearning differs in training by its padding: to the longest sequence of the batch
(src/data/collators.py and src/trainer/unlearn/npo.py of locuslab/open-unlearning).
Losses are means over rows, and answers greedy, as ours are: otherwise there would be nothing to
compare. Where the released code computes a loss twice, here it is computed once.
"""

from collections.abc import Iterator

import torch
from rouge_score.rouge_scorer import RougeScorer
from tofu_rows import GENERATED, SCORED, TRAINED, answers_of
from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid
from unlearning.data.encoding import IGNORED, Encoder, Example
from unlearning.evaluation.memorization import exact_memorization, extraction_strength
from unlearning.training.batches import Pair
from unlearning.training.optimizers import make_optimizer
from unlearning.training.plan import Recipe

PAD = 1  # the mask hides it
BATCH = 30  # official: batch_size of eval_everything.yaml; a quarter of it for variants


def padded(examples: list[Example], width: int | None) -> dict[str, Tensor]:
    """ids, mask and labels, each (B, width); without a width as wide as the longest sequence."""
    width = width or max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), width), PAD)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, example in enumerate(examples):
        end = len(example.ids)
        ids[row, :end] = torch.tensor(example.ids)
        mask[row, :end] = 1
        labels[row, example.start : end] = ids[row, example.start : end]
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def scored(model, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """NLL (B,) and tokens (B,) of each row's labels, and the logits (B, T, V)."""
    batch = {key: value.to(model.device) for key, value in batch.items()}
    labels = batch.pop("labels")[:, 1:]
    logits = model(**batch, use_cache=False).logits.float()
    shifted = logits[:, :-1].transpose(1, 2).contiguous()
    nll = cross_entropy(shifted, labels.contiguous(), ignore_index=IGNORED, reduction="none")
    return nll.sum(1), (labels != IGNORED).sum(1), logits


class Training:
    """NPO+RT, step by step. width: tokens that every sequence is padded to; None: those of the
    micro-batch's longest."""

    def __init__(
        self,
        model,
        reference,
        recipe: Recipe,
        micro_batch: int,
        beta: float,
        autocast,
        width: int | None = TRAINED,
    ):
        self.width = width
        self.model, self.reference, self.recipe = model.train(), reference.eval(), recipe
        self.micro_batch, self.beta, self.autocast = micro_batch, beta, autocast
        self.optimizer = make_optimizer(model, list(model.parameters()), recipe)

    def step(self, pairs: list[Pair], lr: float) -> float:
        """One update; its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        total = 0.0
        for first in range(0, len(pairs), self.micro_batch):
            part = pairs[first : first + self.micro_batch]
            with self.autocast():
                loss = self._loss(part).sum() / len(pairs)
            loss.backward()
            total += float(loss.detach())
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total

    def _loss(self, part: list[Pair]) -> Tensor:
        """(B,)"""
        forget = padded([pair["forget"] for pair in part], self.width)
        retain = padded([pair["retain"] for pair in part], self.width)
        nll, _, _ = scored(self.model, forget)
        with torch.no_grad():
            known, _, _ = scored(self.reference, forget)
        npo = -2 / self.beta * logsigmoid(self.beta * (nll - known))
        kept, tokens, _ = scored(self.model, retain)
        return npo + kept / tokens


class Evaluation:
    """TOFU's evaluation of one model, as the papers' code does it, or open_unlearning: 32 rows a
    batch, as wide as its longest sequence, and a pass for each of the perturbed answers
    (src/evals/metrics/utils.py of locuslab/open-unlearning)."""

    def __init__(
        self, sets: dict[str, list[dict]], encoder: Encoder, open_unlearning: bool = False
    ):
        self.sets, self.encoder, self.open_unlearning = sets, encoder, open_unlearning
        self.width, self.batch = (None, 32) if open_unlearning else (SCORED, BATCH)

    @torch.inference_mode()
    def likelihoods(self, model) -> dict[str, dict[str, list]]:
        """Set -> columns, as evaluation.tofu reads them. The logits of the true answers serve
        memorisation too, which the official code does not look at."""
        columns = {}
        for name, rows in self.sets.items():
            columns[name] = found = {key: [r[key] for r in rows] for key in ("question", "answer")}
            for kind in ("answer", "paraphrase", "perturbed"):
                losses, tokens, matches = self._kind(model, rows, kind)
                found |= {f"{kind}_loss": losses, f"{kind}_tokens": tokens}
                if kind == "answer":
                    found["extraction_strength"] = [extraction_strength(m) for m in matches]
                    found["exact_memorization"] = [exact_memorization(m) for m in matches]
            if "paraphrased_answer" not in rows[0]:
                del found["paraphrase_loss"], found["paraphrase_tokens"]
        return columns

    def _kind(self, model, rows: list[dict], kind: str) -> tuple[list, list, list]:
        """Losses, tokens and matches of a kind of answers; grouped by row of the perturbed ones."""
        texts = [answers_of(row)[kind] for row in rows]
        count = len(texts[0])
        pairs = [(r["question"], text) for r, own in zip(rows, texts, strict=True) for text in own]
        if kind != "perturbed":
            fewer = kind == "paraphrase" and not self.open_unlearning
            return self._scored(model, pairs, self.batch // 4 if fewer else self.batch)
        if not self.open_unlearning:
            losses, tokens, _ = self._scored(model, pairs, self.batch // 4 * count)
            return _grouped(losses, count), _grouped(tokens, count), []
        passes = [self._scored(model, pairs[n::count], self.batch) for n in range(count)]
        losses, tokens, _ = zip(*passes, strict=True)
        return (
            list(map(list, zip(*losses, strict=True))),
            list(map(list, zip(*tokens, strict=True))),
            [],
        )

    def _scored(self, model, pairs: list[tuple[str, str]], size: int) -> tuple[list, list, list]:
        losses, tokens, matches = [], [], []
        for batch in _slices(pairs, size):
            examples = [self.encoder.encode(*pair) for pair in batch]
            inputs = padded(examples, self.width)
            nll, counts, logits = scored(model, inputs)
            losses += (nll / counts).tolist()
            tokens += counts.tolist()
            same = (logits.argmax(-1).cpu()[:, :-1] == inputs["labels"][:, 1:]).tolist()
            for row, example in zip(same, examples, strict=True):
                matches.append(row[example.start - 1 : len(example.ids) - 1])
        return losses, tokens, matches

    @torch.inference_mode()
    def answers(self, model) -> dict[str, list[str]]:
        """Set -> greedy answers; a batch goes on until its last row has ended."""
        return {
            name: [
                text
                for batch in _slices(rows, self.batch)
                for text in self._continued(model, batch)
            ]
            for name, rows in self.sets.items()
        }

    def rouge(self, answers: dict[str, list[str]]) -> dict[str, list[float]]:
        """Set -> ROUGE-L recall of the answers, by rouge_score, ROUGE-1 beside it."""
        scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=True)
        recall: dict[str, list[float]] = {}
        for name, rows in self.sets.items():
            pairs = zip(rows, answers[name], strict=True)
            recall[name] = [scorer.score(r["answer"], a)["rougeL"].recall for r, a in pairs]
        return recall

    def _continued(self, model, rows: list[dict]) -> list[str]:
        tokenizer = self.encoder.tokenizer
        prompts = [self.encoder.prompt_ids(row["question"]) for row in rows]
        width, eos = max(map(len, prompts)), tokenizer.eos_token_id
        ids = torch.full((len(prompts), width), eos)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        found = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            do_sample=False,
            max_new_tokens=GENERATED - min(map(len, prompts)),
            eos_token_id=eos,
            pad_token_id=eos,
        )
        new = found[:, width:].tolist()
        # as released, padding counts too, and an answer would depend on its batch
        kept = [row[: GENERATED - len(prompt)] for row, prompt in zip(new, prompts, strict=True)]
        return tokenizer.batch_decode(kept, skip_special_tokens=True)


def _slices(rows: list[dict], size: int) -> Iterator[list[dict]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def _grouped(values: list, size: int) -> list[list]:
    return [values[first : first + size] for first in range(0, len(values), size)]
