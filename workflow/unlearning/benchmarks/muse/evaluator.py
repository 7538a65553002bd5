"""MUSE's evaluation of one loaded model: greedy continuations and likelihoods of texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy
from accelerate import Accelerator

from unlearning.benchmarks.muse import formulas as muse
from unlearning.data.build import Tables
from unlearning.data.encoding import Encoder, Example, PrefixTokenizer
from unlearning.data.tables import read_table
from unlearning.errors import UserError
from unlearning.evaluation.generation import Generator, Limit
from unlearning.evaluation.gradnorm import GradientNorms
from unlearning.evaluation.likelihood import Likelihood, Score
from unlearning.evaluation.membership import K, attack_settings, lowest_mean, row_scores
from unlearning.evaluation.memorization import exact_memorization, extraction_strength
from unlearning.evaluation.rouge import RougeL
from unlearning.evaluation.sharing import gather_sharded
from unlearning.models.context import too_long
from unlearning.training.plan import Fit

SHOTS = tuple(f"{name}_icl" for name in muse.KNOWMEM)


def make_evaluator(
    data: Path,
    split: str,
    tokenizer,
    settings: dict,
    fit: Fit,
    accelerator: Accelerator,
    attacks: Sequence[str] = (),
    **_,
) -> "MuseEvaluator":
    """The evaluator of a MUSE world: the same for every forget split, as released.

    attacks: membership inference attacks on the texts of PrivLeak.
    """
    rows = settings["evaluation"]["rows"]
    tables = {}
    for name in (muse.VERBMEM, *muse.KNOWMEM, *muse.PRIVLEAK):
        tables[name] = read_table(data / f"{name}.json")[:rows]
    for name in SHOTS:
        tables[name] = read_table(data / f"{name}.json")
    attacked = attack_settings(settings["evaluation"]) if attacks else {}
    limits = {"batch_tokens": fit.batch_tokens}
    return MuseEvaluator(tables, tokenizer, accelerator, attacks=attacks, **limits, **attacked)


def length_problems(encoder: Encoder, tables: Tables, use: dict, reach: int) -> list[str]:
    """Why prompts with their answers are longer than a context of `reach` tokens; those of
    PrivLeak, which MUSE never cuts, are no matter here."""
    new = {row["prompt"]: muse.VERBMEM_TOKENS for row in tables.get(muse.VERBMEM, [])}
    for name, shots in zip(muse.KNOWMEM, SHOTS, strict=True):
        for row in tables.get(name, []):
            prompt = muse.few_shot_prompt(row["question"], tables.get(shots, []))
            new[prompt] = muse.KNOWMEM_TOKENS
    prompts = encoder.prefix_tokenizer(list(new)) if new else []
    longest = 0
    for ids, tokens in zip(prompts, new.values(), strict=True):
        longest = max(longest, len(ids) + tokens)
    return [too_long(longest, reach, "evaluation.generation_tokens")] if longest > reach else []


class MuseEvaluator:
    """Evaluates models on MUSE's tables. Every prompt is tokenised with the special tokens that the
    tokenizer puts before a text.

    Under several processes each does its share, and every process returns all rows, in row order.
    """

    def __init__(
        self,
        tables: dict[str, list[dict]],
        tokenizer,
        accelerator: Accelerator,
        *,
        batch_tokens: int,
        attacks: Sequence[str] = (),
        k: float = K,
        norm: float = 2,
    ):
        self.tables, self.tokenizer, self.accelerator = tables, tokenizer, accelerator
        self.batch_tokens, self.attacks, self.k, self.norm = batch_tokens, attacks, k, norm
        self.rouge = RougeL(stemmer=False)  # as released
        self.prefix_tokenizer = PrefixTokenizer(tokenizer)

    def __call__(self, model) -> dict[str, dict[str, list]]:
        """Table -> columns, as muse.summarise reads them."""
        found = {muse.VERBMEM: self._verbmem(model)}
        found |= {name: self._knowmem(model, name) for name in muse.KNOWMEM}
        return found | {name: self._texts(model, name) for name in muse.PRIVLEAK}

    def _verbmem(self, model) -> dict[str, list]:
        """The true continuation is cut to as many tokens (BOS among them) as are generated."""
        rows = self.tables[muse.VERBMEM]
        prompts = [row["prompt"] for row in rows]
        cut = [self._ids(row["gt"])[: muse.VERBMEM_TOKENS] for row in rows]
        truths = [self._cleaned(self.tokenizer.decode(i, skip_special_tokens=True)) for i in cut]
        generations = self._continue(model, prompts, muse.VERBMEM_TOKENS)
        columns = self._columns(prompts, truths, generations)
        scores = self._scores(model, [self.continuation(**row) for row in rows])
        for measure in (extraction_strength, exact_memorization):
            columns[measure.__name__] = [measure(score.detail.match) for score in scores]
        return columns

    def continuation(self, prompt: str, gt: str) -> Example:
        """A prompt with the start of its true continuation, whose tokens are labelled.

        As in open-unlearning (src/data/utils.py, preprocess_pretraining_instance): both are
        tokenised as one text with a space between them, and what follows the prompt's tokens is
        cut after as many as VerbMem generates.
        """
        start = len(self._ids(prompt))
        return Example(tuple(self._ids(f"{prompt} {gt}")[: start + muse.VERBMEM_TOKENS]), start)

    def _knowmem(self, model, name: str) -> dict[str, list]:
        rows, shots = self.tables[name], self.tables[f"{name}_icl"]
        prompts = [muse.few_shot_prompt(row["question"], shots) for row in rows]
        generations = self._continue(model, prompts, muse.KNOWMEM_TOKENS)
        answers = [muse.first_answer(text) for text in generations]
        questions, truths = ([row[key] for row in rows] for key in ("question", "answer"))
        return self._columns(questions, truths, answers)

    def _columns(self, questions: list[str], truths: list[str], answers: list[str]) -> dict:
        scores = [
            self.rouge(truth, answer).fmeasure
            for truth, answer in zip(truths, answers, strict=True)
        ]
        columns = {"question": questions, "answer": truths, "generation": answers}
        return {**columns, "rouge_l_f1": scores}

    def _texts(self, model, name: str) -> dict[str, list]:
        """Min-40% of each text, and what the attacks say of it, as open-unlearning takes them."""
        texts = [row["text"] for row in self.tables[name]]
        examples = [self.example(name, text) for text in texts]
        scores = self._scores(model, examples)
        columns = {"question": texts, "answer_loss": [score.mean for score in scores]}
        columns["min_k"] = [lowest_mean(numpy.array(score.detail.logp)) for score in scores]
        for example, score in zip(examples, scores, strict=True) if self.attacks else ():
            labels = self.tokenizer.decode(example.ids[1:], skip_special_tokens=True)
            for attack, value in row_scores(score.mean, score.detail, labels, self.k).items():
                if attack in self.attacks:
                    columns.setdefault(f"mia_{attack}", []).append(value)
        if "gradnorm" in self.attacks:
            norms = GradientNorms(model, self.norm)
            columns["mia_gradnorm"] = gather_sharded(self.accelerator, examples, norms)
        return columns

    def _scores(self, model, examples: list[Example]) -> list[Score]:
        """The likelihoods of sequences, token by token."""
        likelihood = Likelihood(model, self.batch_tokens)

        def score(share: list[Example]) -> list[Score]:
            return likelihood(share, [True] * len(share))

        return gather_sharded(self.accelerator, examples, score)

    def example(self, name: str, text: str) -> Example:
        """A text of a table with every token labelled that has one before it; it is never cut."""
        ids = self._ids(text)
        if len(ids) < 2:
            raise UserError(f"{name}: a text of fewer than two tokens has no likelihood: {text!r}")
        return Example(tuple(ids), 1)

    def _continue(self, model, prompts: list[str], tokens: int) -> list[str]:
        generator = Generator(
            model,
            self.tokenizer,
            self.accelerator.device,
            Limit(tokens, "new"),
            self.batch_tokens,
        )
        found = gather_sharded(
            self.accelerator, [self._ids(prompt) for prompt in prompts], generator
        )
        return [self._cleaned(text) for text in found]

    def _ids(self, text: str) -> list[int]:
        return self.prefix_tokenizer([text])[0]

    def _cleaned(self, text: str) -> str:
        """The release decodes with clean_up_tokenization_spaces."""
        return self.tokenizer.clean_up_tokenization(text)
