"""MUSE's evaluation of one loaded model: greedy continuations and likelihoods of texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy
from accelerate import Accelerator

from unlearning.benchmarks.muse import formulas as muse
from unlearning.data.build import Tables
from unlearning.data.encoding import Encoder, Example, PrefixTokenizer
from unlearning.data.tables import read_table
from unlearning.errors import UserError
from unlearning.evaluation.generation import Generator, Limit, end_tokens
from unlearning.evaluation.gradnorm import gradient_norms
from unlearning.evaluation.likelihood import Likelihood, Score
from unlearning.evaluation.membership import K, attack_settings, lowest_mean, row_scores
from unlearning.evaluation.memorization import exact_memorization, extraction_strength
from unlearning.evaluation.processes import gather_sharded
from unlearning.evaluation.rouge import RougeL
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
    """The evaluator of MUSE's tables; it is the same for every forget split, as released.

    attacks: membership inference attacks on the texts of PrivLeak.
    """
    rows = settings["evaluation"]["rows"]
    tables = {}
    for name in (muse.VERBMEM, *muse.KNOWMEM, *muse.PRIVLEAK):
        tables[name] = read_table(data / f"{name}.json")[:rows]
    for name in SHOTS:  # all of them, however few rows are evaluated: they are part of each prompt
        tables[name] = read_table(data / f"{name}.json")
    options = attack_settings(settings["evaluation"]) if attacks else {}
    return MuseEvaluator(
        tables, tokenizer, accelerator, batch_tokens=fit.batch_tokens, attacks=attacks, **options
    )


def length_problems(encoder: Encoder, tables: Tables, use: dict, reach: int) -> list[str]:
    """A message if a prompt with its answer is longer than a context of `reach` tokens.

    PrivLeak's texts do not count: MUSE scores them whole, however long they are. use: the result of
    config.judged.model_use.
    """
    new_tokens = {}  # prompt -> tokens that are generated after it
    for row in tables.get(muse.VERBMEM, [])[: use["rows"]]:
        new_tokens[row["prompt"]] = muse.VERBMEM_TOKENS
    for name, shots in zip(muse.KNOWMEM, SHOTS, strict=True):
        for row in tables.get(name, [])[: use["rows"]]:
            prompt = muse.few_shot_prompt(row["question"], tables.get(shots, []))
            new_tokens[prompt] = muse.KNOWMEM_TOKENS
    if not new_tokens:
        return []
    prompts = encoder.prefix_tokenizer(list(new_tokens))
    longest = 0
    for ids, new in zip(prompts, new_tokens.values(), strict=True):
        longest = max(longest, len(ids) + new)
    return [too_long(longest, reach, "evaluation.generation_tokens")] if longest > reach else []


@dataclass
class MuseEvaluator:
    """Evaluates models on MUSE's tables.

    Every prompt is tokenised with the special tokens that the tokenizer puts before a text. Several
    processes share the rows; each returns all of them, in row order.
    """

    tables: dict[str, list[dict]]
    tokenizer: Any
    accelerator: Accelerator
    batch_tokens: int
    attacks: Sequence[str] = ()
    k: float = K
    norm: float = 2

    def __post_init__(self):
        self.rouge = RougeL(stemmer=False)  # as released
        self.prefix_tokenizer = PrefixTokenizer(self.tokenizer)

    def __call__(self, model) -> dict[str, dict[str, list]]:
        """Table -> columns, as muse.summarise reads them."""
        columns = {muse.VERBMEM: self._verbmem(model)}
        columns |= {name: self._knowmem(model, name) for name in muse.KNOWMEM}
        return columns | {name: self._privleak(model, name) for name in muse.PRIVLEAK}

    def _verbmem(self, model) -> dict[str, list]:
        """Greedy continuations of VerbMem's prompts, and how well the true ones are memorised."""
        prompts, truths, examples = [], [], []
        for row in self.tables[muse.VERBMEM]:
            prompts.append(row["prompt"])
            # As released, the truth has as many tokens (BOS among them) as are generated.
            ids = self._ids(row["gt"])[: muse.VERBMEM_TOKENS]
            truths.append(self._clean_up(self.tokenizer.decode(ids, skip_special_tokens=True)))
            examples.append(self.continuation(row["prompt"], row["gt"]))
        generations = self._generate(model, prompts, muse.VERBMEM_TOKENS)
        columns = self._answer_columns(prompts, truths, generations)
        # teacher-forced, unlike the generations: memorisation measures compare token by token
        scores = self._scores(model, examples)
        for measure in (extraction_strength, exact_memorization):
            columns[measure.__name__] = [measure(score.token_scores.match) for score in scores]
        return columns

    def continuation(self, prompt: str, gt: str) -> Example:
        """A prompt with the start of its true continuation, whose tokens are labelled.

        As in open-unlearning (src/data/utils.py, preprocess_pretraining_instance), both are
        tokenised as one text with a space between them, and the tokens after the prompt's are cut
        to as many as VerbMem generates.
        """
        start = len(self._ids(prompt))
        ids = self._ids(f"{prompt} {gt}")[: start + muse.VERBMEM_TOKENS]
        return Example(tuple(ids), start)  # labels from `start` on

    def _knowmem(self, model, name: str) -> dict[str, list]:
        """Greedy answers to a table's questions, each asked after the table's shots."""
        shots = self.tables[f"{name}_icl"]
        questions, truths, prompts = [], [], []
        for row in self.tables[name]:
            questions.append(row["question"])
            truths.append(row["answer"])
            prompts.append(muse.few_shot_prompt(row["question"], shots))
        generations = self._generate(model, prompts, muse.KNOWMEM_TOKENS)
        # A base model goes on with questions of its own after the answer.
        answers = [muse.first_answer(text) for text in generations]
        return self._answer_columns(questions, truths, answers)

    def _answer_columns(self, questions: list[str], truths: list[str], answers: list[str]) -> dict:
        columns: dict[str, list] = {"question": questions, "answer": truths, "generation": answers}
        pairs = zip(truths, answers, strict=True)
        columns["rouge_l_f1"] = [self.rouge(truth, answer).fmeasure for truth, answer in pairs]
        return columns

    def _privleak(self, model, name: str) -> dict[str, list]:
        """Min-40% of each text of a table, and its scores in open-unlearning's attacks."""
        texts = [row["text"] for row in self.tables[name]]
        examples = [self.example(name, text) for text in texts]
        columns = {"question": texts, "answer_loss": [], "min_k": []}
        for example, score in zip(examples, self._scores(model, examples), strict=True):
            columns["answer_loss"].append(score.mean)
            # As released: the last label counts here, but not in open-unlearning's attacks.
            columns["min_k"].append(lowest_mean(numpy.array(score.token_scores.logp)))
            if not self.attacks:
                continue
            # zlib compresses the labelled text, which lacks the first token.
            labels = self.tokenizer.decode(example.ids[1:], skip_special_tokens=True)
            for attack, value in row_scores(score.mean, score.token_scores, labels, self.k).items():
                if attack in self.attacks:
                    columns.setdefault(f"mia_{attack}", []).append(value)
        if "gradnorm" in self.attacks:  # a backward pass for each text, which others do not need
            norms = partial(gradient_norms, model, self.norm)
            columns["mia_gradnorm"] = gather_sharded(self.accelerator, examples, norms)
        return columns

    def _scores(self, model, examples: list[Example]) -> list[Score]:
        """The likelihoods of sequences, token by token."""
        likelihood = Likelihood(model, self.batch_tokens)

        def score(share: list[Example]) -> list[Score]:
            return likelihood(share, detailed=[True] * len(share))

        # each process scores its share, and has all scores afterwards
        return gather_sharded(self.accelerator, examples, score)

    def example(self, name: str, text: str) -> Example:
        """A whole text of a table; every token but the first is labelled. Raises UserError if
        there is no such token."""
        ids = self._ids(text)
        if len(ids) < 2:
            raise UserError(f"{name}: a text of fewer than two tokens has no likelihood: {text!r}")
        return Example(tuple(ids), 1)

    def _generate(self, model, prompts: list[str], tokens: int) -> list[str]:
        """Greedy continuations of prompts, of so many new tokens at most."""
        generator = Generator(
            model,
            self.tokenizer,
            self.accelerator.device,
            Limit(tokens, "new"),
            self.batch_tokens,
            end_tokens(model, self.tokenizer, self.tokenizer.eos_token_id),
        )
        prompt_ids = [self._ids(prompt) for prompt in prompts]
        texts = gather_sharded(self.accelerator, prompt_ids, generator)
        return [self._clean_up(text) for text in texts]

    def _ids(self, text: str) -> list[int]:
        return self.prefix_tokenizer([text])[0]

    def _clean_up(self, text: str) -> str:
        """The text without spaces before punctuation: the release decodes with
        clean_up_tokenization_spaces."""
        return self.tokenizer.clean_up_tokenization(text)
