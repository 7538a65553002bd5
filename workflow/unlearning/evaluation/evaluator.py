"""Evaluate a loaded model on questions: likelihoods, greedy answers, values of each row."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, groupby, islice

from accelerate import Accelerator

from unlearning.data.encoding import Encoder, Example
from unlearning.errors import UserError
from unlearning.evaluation.fluency import is_empty
from unlearning.evaluation.generation import Generator, Limit, end_tokens, greedy_beginning
from unlearning.evaluation.gradnorm import gradient_norms
from unlearning.evaluation.likelihood import Likelihood, Score
from unlearning.evaluation.membership import HOLDOUT, K, attack_settings, row_scores
from unlearning.evaluation.memorization import exact_memorization, extraction_strength
from unlearning.evaluation.processes import gather_sharded
from unlearning.evaluation.rouge import RougeL
from unlearning.models.context import check_context
from unlearning.models.encoder import make_encoder
from unlearning.training.plan import Fit

# entry of evaluation.rouge -> the column of a row that has its reference answers, one or several
REFERENCE_COLUMNS = {"paraphrase": "paraphrased_answer", "perturbed": "perturbed_answer"}


class Evaluator:
    """Evaluates models on sets of questions and answers (set name -> rows).

    Rows may have perturbed answers and a paraphrased one, as TOFU's do: these are scored too. The
    set `holdout` has rows that no model was trained on; only its true answers are scored, and
    compared with those of the set `forget` by membership inference.

    batch_tokens: tokens of a batch. limit: of generated answers. attacks: membership attacks that
    are scored. k: share of a text's tokens that min_k and min_k_plus_plus use. norm: p of the
    gradient norm that gradnorm takes. further_rouge: answers beside the true one that generations
    are compared with, keys of REFERENCE_COLUMNS.

    Texts are encoded once. Every call scores all sequences of all sets in one pass. With several
    processes each scores its share, and every process returns all rows, in row order.
    """

    def __init__(
        self,
        sets: dict[str, list[dict]],
        encoder: Encoder,
        accelerator: Accelerator,
        *,
        batch_tokens: int,
        limit: Limit,
        attacks: Sequence[str] = (),
        k: float = K,
        norm: float = 2,
        further_rouge: Sequence[str] = (),
    ):
        self.sets, self.encoder, self.accelerator = sets, encoder, accelerator
        self.batch_tokens, self.limit = batch_tokens, limit
        self.attacks, self.k, self.norm, self.further_rouge = attacks, k, norm, further_rouge
        self.generated = [name for name in sets if name != HOLDOUT]
        # sources[n], (set, row, kind of answer), says what the sequence examples[n] is
        self.sources: list[tuple[str, int, str]] = []
        texts: list[tuple[str, str]] = []
        for name, rows in sets.items():
            for index, row in enumerate(rows):
                answers = answers_of(row)
                # of non-members the true answer alone is compared
                for kind, text in answers[:1] if name == HOLDOUT else answers:
                    self.sources.append((name, index, kind))
                    texts.append((row["question"], text))
        # once: evaluations on the way score the same sequences many times
        self.examples: list[Example] = encoder.encode_all(texts)
        self.rouge = RougeL(stemmer=True)

    @classmethod
    def of(
        cls,
        sets: dict[str, list[dict]],
        tokenizer,
        settings: dict,
        fit: Fit,
        accelerator: Accelerator,
        attacks: Sequence[str] = (),
    ) -> "Evaluator":
        """The evaluator that a stage's settings ask for, over the first rows of each set."""
        limits = settings["evaluation"]
        attacked = attack_settings(limits) if attacks else {}
        return cls(
            {name: rows[: limits["rows"]] for name, rows in sets.items()},
            make_encoder(tokenizer, settings, limits["max_length"]),
            accelerator,
            batch_tokens=fit.batch_tokens,
            limit=Limit(limits["generation_tokens"], limits["generation_counts"]),
            attacks=attacks,
            **attacked,
            further_rouge=limits["rouge"],
        )

    def __call__(self, model, generate: bool = True) -> dict[str, dict[str, list]]:
        """Set -> column -> a value for each row; with generated answers and their ROUGE if
        `generate`."""
        scores = self._scores(model)
        columns = self._likelihood_columns(scores)
        if "gradnorm" in self.attacks:
            self._add_gradient_norms(model, columns)
        if generate:
            for name, answers in self._answers(model, scores).items():
                recalls: list[float] = []
                for row, answer in zip(self.sets[name], answers, strict=True):
                    recalls.append(self.rouge(row["answer"], answer).recall)
                columns[name]["generation"] = answers
                columns[name]["rouge_l_recall"] = recalls
                columns[name] |= self._further_rouge(self.sets[name], answers)
        return columns

    def _further_rouge(self, rows: list[dict], answers: list[str]) -> dict[str, list[float]]:
        """Mean ROUGE-L recall of each answer against reference answers that are not the true one.

        A set without such a column gets none. Reference: Q_A_PARA_ROUGE, Q_A_PERT_ROUGE in
        open-unlearning.
        """
        columns = {}
        for kind in self.further_rouge:
            if REFERENCE_COLUMNS[kind] not in rows[0]:
                continue
            means = []
            for row, answer in zip(rows, answers, strict=True):
                texts = row[REFERENCE_COLUMNS[kind]]
                texts = [texts] if isinstance(texts, str) else texts
                means.append(sum(self.rouge(text, answer).recall for text in texts) / len(texts))
            columns[f"rouge_l_recall_{kind}"] = means
        return columns

    def add_fluency(self, target, columns: dict[str, dict[str, list]]) -> None:
        """Add the column generation_nll: NLL per token of each generated answer under the target.

        None for an empty answer. The end of sequence does not count: an answer cut at its limit has
        none.
        """
        rows_of_examples: list[tuple[str, int]] = []
        examples: list[Example] = []
        for name in self.generated:
            answers = columns[name]["generation"]
            columns[name]["generation_nll"] = [None] * len(answers)
            texts: list[tuple[str, str]] = []
            for row, answer in zip(self.sets[name], answers, strict=True):
                texts.append((row["question"], answer.strip()))
            for index, example in enumerate(self.encoder.encode_all(texts)):
                if example.ids[-1] == self.encoder.end:
                    example = replace(example, ids=example.ids[:-1])
                # a tokenizer may join a short answer with the prompt's last letter
                if not is_empty(answers[index]) and len(example.ids) > example.start:
                    rows_of_examples.append((name, index))
                    examples.append(example)
        # in one pass over all sets, so that batches are full
        likelihood = Likelihood(target, self.batch_tokens)
        scores = gather_sharded(self.accelerator, examples, likelihood)
        for (name, index), score in zip(rows_of_examples, scores, strict=True):
            columns[name]["generation_nll"][index] = score.mean

    def _scores(self, model) -> list[Score]:
        """The score of every sequence, for true answers with values of each token."""
        longest = max(len(example.ids) for example in self.examples)
        check_context(model, longest, "evaluation.max_length")
        likelihood = Likelihood(model, self.batch_tokens)
        # The answers to one question stay in one process, which packs them with their prompt once.
        answers = zip(self.sources, self.examples, strict=True)
        questions = [list(group) for _, group in groupby(answers, lambda answer: answer[0][:2])]

        def score(share: list[list[tuple]]) -> list[list[Score]]:
            # one list of all, so that sequences of similar length share a batch
            examples: list[Example] = []
            detailed: list[bool] = []
            for (_, _, kind), example in chain.from_iterable(share):
                examples.append(example)
                detailed.append(kind == "answer")
            scores = iter(likelihood(examples, detailed))
            return [list(islice(scores, len(question))) for question in share]

        return list(chain.from_iterable(gather_sharded(self.accelerator, questions, score)))

    def _likelihood_columns(self, scores: list[Score]) -> dict[str, dict[str, list]]:
        """Set -> column -> the rows' values that follow from the scores of all sequences."""
        columns: dict[str, dict[str, list]] = {}
        for name, rows in self.sets.items():
            # the texts too, so that a report can show them and tell rows of two models apart
            columns[name] = {key: [row[key] for row in rows] for key in ("question", "answer")}
            if name != HOLDOUT and "perturbed_answer" in rows[0]:
                # a row has several perturbed answers, so a list of values
                columns[name]["perturbed_loss"] = [[] for _ in rows]
                columns[name]["perturbed_tokens"] = [[] for _ in rows]
        for example, (name, index, kind), score in zip(
            self.examples, self.sources, scores, strict=True
        ):
            if kind == "perturbed":
                columns[name]["perturbed_loss"][index].append(score.mean)
                columns[name]["perturbed_tokens"][index].append(score.tokens)
            else:
                scores_of_answer = {f"{kind}_loss": score.mean, f"{kind}_tokens": score.tokens}
                if kind == "answer":
                    scores_of_answer |= self._token_values(name, example, score)
                    scores_of_answer |= self._cuts(name, example)
                for key, value in scores_of_answer.items():
                    columns[name].setdefault(key, []).append(value)
        return columns

    def _cuts(self, name: str, example: Example) -> dict[str, bool]:
        """Whether the limits of evaluation cut a row: `answer_cut`, its true answer, whose
        likelihoods are then of its beginning; `generation_cut`, a greedy answer, which then ends
        before the true one, so that its ROUGE-L recall cannot be 1."""
        has_end = example.ids[-1] == self.encoder.end
        cuts = {"answer_cut": not has_end}
        if name in self.generated:
            tokens = len(example.ids) - example.start - has_end
            cuts["generation_cut"] = self.limit.room(example.start) < tokens
        return cuts

    def _token_values(self, name: str, example: Example, score: Score) -> dict:
        """Memorisation and membership scores of a true answer."""
        scores: dict[str, float | None] = {}
        if name != HOLDOUT:
            scores["extraction_strength"] = extraction_strength(score.token_scores.match)
            scores["exact_memorization"] = exact_memorization(score.token_scores.match)
        if self.attacks and name in ("forget", HOLDOUT):
            labels = list(example.ids[example.start :])
            text = self.encoder.tokenizer.decode(labels, skip_special_tokens=True)
            attacks = row_scores(score.mean, score.token_scores, text, self.k)
            scores |= {f"mia_{a}": value for a, value in attacks.items() if a in self.attacks}
        return scores

    def _add_gradient_norms(self, model, columns: dict[str, dict[str, list]]) -> None:
        """Add the column mia_gradnorm to the sets that membership inference compares."""
        names: list[str] = []
        examples: list[Example] = []
        for (name, _, kind), example in zip(self.sources, self.examples, strict=True):
            if kind == "answer" and name in ("forget", HOLDOUT):
                names.append(name)
                examples.append(example)
        work = partial(gradient_norms, model, self.norm)
        norms = gather_sharded(self.accelerator, examples, work)
        for name, norm in zip(names, norms, strict=True):
            columns[name].setdefault("mia_gradnorm", []).append(norm)

    def _answers(self, model, scores: list[Score]) -> dict[str, list[str]]:
        """Set -> greedy answers.

        The scoring pass says which first tokens of the true answer are each the most likely one.
        Greedy generation would produce just these, so it goes on after them.
        """
        generator = Generator(
            model,
            self.encoder.tokenizer,
            self.accelerator.device,
            self.limit,
            self.batch_tokens,
            end_tokens(model, self.encoder.tokenizer, self.encoder.end),
        )
        names: list[str] = []
        starts: list[tuple] = []  # prompt and beginning of the answer, as tokens
        for (name, index, kind), example, score in zip(
            self.sources, self.examples, scores, strict=True
        ):
            if kind == "answer" and name in self.generated:
                question = self.sets[name][index]["question"]
                prompt = self.encoder.prompt_ids(question)
                if not self.limit.room(len(prompt)):  # every answer would be empty, its ROUGE 0
                    raise UserError(
                        f"evaluation.generation_tokens: {self.limit.tokens} tokens of prompt and "
                        f"answer, but a prompt alone has {len(prompt)}: raise it, or set "
                        f"evaluation.generation_counts to new. The question: {question[:200]!r}"
                    )
                beginning = greedy_beginning(prompt, example, score.token_scores.match)
                names.append(name)
                starts.append((prompt, beginning))
        answers: dict[str, list[str]] = {name: [] for name in self.generated}

        def generate(share: list[tuple]) -> list[str]:
            prompts = [prompt for prompt, _ in share]
            return generator(prompts, [beginning for _, beginning in share])

        texts = gather_sharded(self.accelerator, starts, generate)
        for name, text in zip(names, texts, strict=True):
            answers[name].append(text)
        return answers


def answers_of(row: dict) -> list[tuple[str, str]]:
    """Kind and text of each answer of a row that is scored; the true answer first."""
    answers = [("answer", row["answer"])]
    if "paraphrased_answer" in row:
        answers.append(("paraphrase", row["paraphrased_answer"]))
    return answers + [("perturbed", text) for text in row.get("perturbed_answer", [])]
