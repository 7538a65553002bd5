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
from torch.nn.functional import cross_entropy, log_softmax, logsigmoid
from unlearning.data.encoding import IGNORED, Encoder, Example
from unlearning.evaluation.membership import compressed, min_k, min_k_plus_plus
from unlearning.evaluation.memorization import exact_memorization, extraction_strength
from unlearning.training.batches import Pair
from unlearning.training.optimizers import make_optimizer
from unlearning.training.plan import Recipe

PAD = 1  # the mask hides it
# What open-unlearning's TOFU evaluation computes. table: what the papers' tables need, with both
# measures of memorisation from the likelihoods' own pass. default: configs/eval/tofu.yaml, which
# has extraction strength and min-k (PrivLeak) besides. extended: the list of tofu.yaml at 09aaf40:
# exact memorisation, more attacks, ROUGE of paraphrased and perturbed answers; without the norms of
# gradients, which are a backward pass for each row in every code.
ATTACKS: dict[str, tuple[str, ...]] = {
    "table": (),
    "default": ("min_k",),
    "extended": ("loss", "zlib", "min_k", "min_k_plus_plus"),
}
MEMORIZATION: dict[str, tuple[str, ...]] = {
    "table": (),
    "default": ("extraction_strength",),
    "extended": ("extraction_strength", "exact_memorization"),
}
METRICS = tuple(ATTACKS)
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


def scored(model, batch: dict[str, Tensor], flat: bool = False) -> tuple[Tensor, Tensor, Tensor]:
    """NLL (B,) and tokens (B,) of each row's labels, and the logits (B, T, V).

    As the released code's get_batch_loss (open-unlearning: compute_batch_nll), whose cross-entropy
    goes along the second of three dimensions; `flat`, as transformers' own loss, along the last of
    two, which is several times as fast.
    """
    batch = {key: value.to(model.device) for key, value in batch.items()}
    labels = batch.pop("labels")[:, 1:].contiguous()
    logits = model(**batch, use_cache=False).logits.float()
    shifted = logits[:, :-1].contiguous()
    if flat:
        nll = cross_entropy(
            shifted.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
        ).view_as(labels)
    else:
        nll = cross_entropy(shifted.transpose(1, 2), labels, ignore_index=IGNORED, reduction="none")
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
        retain_nll, tokens, _ = scored(self.model, retain, flat=True)  # its outputs.loss
        return npo + retain_nll / tokens


class Evaluation:
    """TOFU's evaluation of one model, as the papers' code does it."""

    width: int | None = SCORED
    batch = BATCH

    def __init__(self, sets: dict[str, list[dict]], encoder: Encoder):
        self.sets, self.encoder = sets, encoder

    @torch.inference_mode()
    def likelihoods(self, model) -> dict[str, dict[str, list]]:
        """Set -> columns, as evaluation.tofu reads them. The logits of the true answers serve
        memorisation too, which the official code does not look at."""
        columns: dict[str, dict[str, list]] = {}
        for name, rows in self.sets.items():
            columns[name] = {key: [r[key] for r in rows] for key in ("question", "answer")}
            for kind in self.kinds(rows):
                losses, tokens, matches = self._kind(model, rows, kind)
                columns[name] |= {f"{kind}_loss": losses, f"{kind}_tokens": tokens}
                if kind == "answer":
                    columns[name] |= memorization(matches)
            if "paraphrased_answer" not in rows[0]:  # the answer has stood in for it
                columns[name].pop("paraphrase_loss", None)
                columns[name].pop("paraphrase_tokens", None)
        return columns

    def kinds(self, rows: list[dict]) -> list[str]:
        """The kinds of answers that have passes of their own."""
        return ["answer", "paraphrase", "perturbed"]

    def _kind(self, model, rows: list[dict], kind: str) -> tuple[list, list, list]:
        """Losses, tokens and matches of a kind of answers; grouped by row of the perturbed ones."""
        pairs, count = self._pairs(rows, kind)
        if kind == "answer":
            return self._scored(model, pairs, self.batch)
        losses, tokens, matches = self._scored(model, pairs, self.batch // 4 * count)
        if kind == "paraphrase":
            return losses, tokens, matches
        return _grouped(losses, count), _grouped(tokens, count), []

    def _pairs(self, rows: list[dict], kind: str) -> tuple[list[tuple[str, str]], int]:
        """Question and answer, row by row, and how many answers a row has."""
        pairs = []
        for row in rows:
            texts = answers_of(row)[kind]
            pairs += [(row["question"], text) for text in texts]
        return pairs, len(texts)

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
        answers: dict[str, list[str]] = {}
        for name, rows in self.sets.items():
            answers[name] = []
            for batch in _slices(rows, self.batch):
                answers[name] += self._continued(model, batch)
        return answers

    def rouge(self, answers: dict[str, list[str]]) -> dict[str, dict[str, list[float]]]:
        """Set -> columns: ROUGE-L recall of the answers, by rouge_score, ROUGE-1 beside it."""
        columns = {}
        for name, rows in self.sets.items():
            columns[name] = {"rouge_l_recall": recalls(rows, answers[name], "answer")}
        return columns

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


class OpenUnlearning(Evaluation):
    """TOFU's evaluation in open-unlearning: 32 rows a batch, as wide as its longest sequence, a
    pass for each of the perturbed answers, and passes of its own for each further metric
    (src/evals/metrics/utils.py of locuslab/open-unlearning).

    metrics: one of METRICS. holdout: rows that the attacks tell from the forget set's.
    """

    width = None
    batch = 32

    def __init__(
        self, sets: dict[str, list[dict]], encoder: Encoder, metrics: str, holdout: list[dict]
    ):
        super().__init__(sets, encoder)
        self.metrics, self.holdout = metrics, holdout

    def kinds(self, rows: list[dict]) -> list[str]:
        """Where nothing is paraphrased, the truth ratio takes the true answers' pass."""
        paraphrased = ["paraphrase"] if "paraphrased_answer" in rows[0] else []
        return ["answer", *paraphrased, "perturbed"]

    def _kind(self, model, rows: list[dict], kind: str) -> tuple[list, list, list]:
        pairs, count = self._pairs(rows, kind)
        if kind != "perturbed":
            return self._scored(model, pairs, self.batch)
        passes = [self._scored(model, pairs[n::count], self.batch) for n in range(count)]
        losses, tokens, _ = zip(*passes, strict=True)
        return (
            list(map(list, zip(*losses, strict=True))),
            list(map(list, zip(*tokens, strict=True))),
            [],
        )

    @torch.inference_mode()
    def likelihoods(self, model) -> dict[str, dict[str, list]]:
        """Set -> columns; with `holdout` where the metrics have attacks."""
        columns = super().likelihoods(model)
        attacks = ATTACKS[self.metrics]
        if not attacks:
            return columns
        pairs = {name: self._pairs(rows, "answer")[0] for name, rows in self.attacked().items()}
        columns["holdout"] = {}
        for _ in MEMORIZATION[self.metrics]:  # extraction strength and exact memorisation alike
            matches = []
            for row_values in self._of_labels(model, pairs["forget"]):
                matches.append((row_values["logp"].argmax(-1) == row_values["labels"]).tolist())
            columns["forget"] |= memorization(matches)
        for attack in attacks:
            for name in ("forget", "holdout"):
                values = [
                    self._attack(attack, row_values)
                    for row_values in self._of_labels(model, pairs[name])
                ]
                columns[name][f"mia_{attack}"] = values
        return columns

    def attacked(self) -> dict[str, list[dict]]:
        """The sets that membership attacks compare."""
        return {"forget": self.sets["forget"], "holdout": self.holdout}

    def _of_labels(self, model, pairs: list[tuple[str, str]]) -> Iterator[dict]:
        """Of each row the log-distributions (n, V) of its n labels, and the labels (n,)."""
        for batch in _slices(pairs, self.batch):
            inputs = padded([self.encoder.encode(*pair) for pair in batch], self.width)
            labels = inputs.pop("labels")[:, 1:].to(model.device)
            inputs = {key: value.to(model.device) for key, value in inputs.items()}
            logp = log_softmax(model(**inputs, use_cache=False).logits, dim=-1)[:, :-1]
            for row_logp, row_labels in zip(logp, labels, strict=True):
                labelled = row_labels != IGNORED
                yield {"logp": row_logp[labelled], "labels": row_labels[labelled]}

    def _attack(self, attack: str, row_values: dict) -> float:
        """The score of a row."""
        logp, labels = row_values["logp"], row_values["labels"]
        label_logp = logp.gather(1, labels[:, None])[:, 0]
        if attack == "min_k":
            return min_k(label_logp.tolist())
        if attack == "min_k_plus_plus":
            mu = (logp.exp() * logp).sum(-1)
            variance = (logp.exp() * logp.square()).sum(-1) - mu.square()
            sigma = variance.clamp_min(1e-6).sqrt()
            return min_k_plus_plus(label_logp.tolist(), mu.tolist(), sigma.tolist())
        loss = -float(label_logp.mean())
        if attack == "loss":
            return loss
        return compressed(loss, self.encoder.tokenizer.decode(labels, skip_special_tokens=True))

    @torch.inference_mode()
    def answers(self, model) -> dict[str, list[str]]:
        """Set -> greedy answers. Each kind of reference answer is a metric of its own, which
        generates again."""
        answers = super().answers(model)
        if self.metrics == "extended":
            for name in ("forget", "retain"):
                rows = self.sets[name]
                for _ in range(1 + len(rows[0]["perturbed_answer"])):
                    for batch in _slices(rows, self.batch):
                        self._continued(model, batch)
        return answers

    def rouge(self, answers: dict[str, list[str]]) -> dict[str, dict[str, list[float]]]:
        """With those of paraphrased and perturbed answers among the extended metrics."""
        columns = super().rouge(answers)
        if self.metrics == "extended":
            for name in ("forget", "retain"):
                for kind in ("paraphrase", "perturbed"):
                    values = recalls(self.sets[name], answers[name], kind)
                    columns[name][f"rouge_l_recall_{kind}"] = values
        return columns


def memorization(matches: list[list[bool]]) -> dict[str, list]:
    """Columns of rows, of whose labels some are the most likely tokens."""
    return {
        "extraction_strength": [extraction_strength(row) for row in matches],
        "exact_memorization": [exact_memorization(row) for row in matches],
    }


def recalls(rows: list[dict], answers: list[str], kind: str) -> list[float]:
    """Mean ROUGE-L recall of each answer against the row's reference answers of a kind."""
    scorer = RougeScorer(["rouge1", "rougeL"], use_stemmer=True)
    means = []
    for row, answer in zip(rows, answers, strict=True):
        scores = [scorer.score(text, answer)["rougeL"].recall for text in answers_of(row)[kind]]
        means.append(sum(scores) / len(scores))
    return means


def _slices(rows: list[dict], size: int) -> Iterator[list[dict]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


def _grouped(values: list, size: int) -> list[list]:
    return [values[first : first + size] for first in range(0, len(values), size)]
