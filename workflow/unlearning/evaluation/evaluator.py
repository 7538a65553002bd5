"""One evaluation of one loaded model: likelihoods, greedy answers, per-row values."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, groupby, islice

from accelerate import Accelerator

from unlearning.data.encoding import Encoder, Example
from unlearning.evaluation.fluency import is_empty
from unlearning.evaluation.generation import Generator, Limit, greedy_beginning
from unlearning.evaluation.gradnorm import GradientNorms
from unlearning.evaluation.likelihood import Likelihood, Score
from unlearning.evaluation.membership import HOLDOUT, K, attack_settings, row_scores
from unlearning.evaluation.memorization import exact_memorization, extraction_strength
from unlearning.evaluation.processes import gather_sharded
from unlearning.evaluation.rouge import RougeL
from unlearning.models.context import check_context
from unlearning.models.encoder import make_encoder
from unlearning.training.plan import Fit

# kind of further ROUGE -> the column of the answers, one or several, that it compares with
OTHER_ANSWERS = {"paraphrase": "paraphrased_answer", "perturbed": "perturbed_answer"}


class Evaluator:
    """Evaluates models on sets of questions and answers (set name -> rows).

    Rows may hold perturbed answers and a paraphrased one, as TOFU's do: these are scored too. Of a
    set `holdout` only the true answers are scored, for membership
    inference by `attacks`, which the set `forget` is scored for too; k is the share of tokens of
    min_k and min_k_plus_plus, norm that of gradnorm. further_rouge: `paraphrase`, `perturbed`, the
    other answers that generations are also compared with. Encodes once; every call
    scores all sequences of all sets in one sorted pass. Under several processes each scores its
    share, and every process returns all rows, in row order.
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
        self.slots: list[tuple[str, int, str]] = []  # (set, row, kind of answer)
        texts: list[tuple[str, str]] = []
        for name, rows in sets.items():
            for index, row in enumerate(rows):
                for kind, text in _answers_of(row, name):
                    self.slots.append((name, index, kind))
                    texts.append((row["question"], text))
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
        """Columns of each set (see evaluation.tofu), with the answers in words if `generate`."""
        scores = self._scores(model)
        columns = self._likelihood_columns(scores)
        if "gradnorm" in self.attacks:
            self._add_gradient_norms(model, columns)
        if generate:
            for name, answers in self._answers(model, scores).items():
                columns[name]["generation"] = answers
                columns[name]["rouge_l_recall"] = [
                    self.rouge(row["answer"], answer).recall
                    for row, answer in zip(self.sets[name], answers, strict=True)
                ]
                columns[name] |= self._further_rouge(self.sets[name], answers)
        return columns

    def _further_rouge(self, rows: list[dict], answers: list[str]) -> dict[str, list[float]]:
        """ROUGE-L recall against other answers than the true one, the mean over these, for each
        row of a set that has them. Reference: Q_A_PARA_ROUGE, Q_A_PERT_ROUGE in open-unlearning."""
        columns = {}
        for kind in self.further_rouge:
            if OTHER_ANSWERS[kind] not in rows[0]:
                continue
            means = []
            for row, answer in zip(rows, answers, strict=True):
                texts = row[OTHER_ANSWERS[kind]]
                texts = [texts] if isinstance(texts, str) else texts
                means.append(sum(self.rouge(text, answer).recall for text in texts) / len(texts))
            columns[f"rouge_l_recall_{kind}"] = means
        return columns

    def add_fluency(self, target, columns: dict[str, dict[str, list]]) -> None:
        """Add generation_nll: NLL per token of each answer under the target; None if empty.

        The end of sequence does not count: an answer cut at its limit has none.
        """
        places, examples = [], []
        for name in self.generated:
            answers = columns[name]["generation"]
            columns[name]["generation_nll"] = [None] * len(answers)
            said = [
                (r["question"], a.strip()) for r, a in zip(self.sets[name], answers, strict=True)
            ]
            for index, (example, text) in enumerate(
                zip(self.encoder.encode_all(said), answers, strict=True)
            ):
                if example.ids[-1] == self.encoder.end:
                    example = replace(example, ids=example.ids[:-1])
                if not is_empty(text) and len(example.ids) > example.start:
                    places.append((name, index))
                    examples.append(example)
        likelihood = Likelihood(target, self.batch_tokens)
        scores = gather_sharded(self.accelerator, examples, likelihood)
        for (name, index), score in zip(places, scores, strict=True):
            columns[name]["generation_nll"][index] = score.mean

    def _scores(self, model) -> list[Score]:
        """Of every sequence; of true answers token by token. A question stays in one process."""
        longest = max(len(example.ids) for example in self.examples)
        check_context(model, longest, "evaluation.max_length")
        likelihood = Likelihood(model, self.batch_tokens)
        detailed = [kind == "answer" for _, _, kind in self.slots]
        items = zip(self.slots, self.examples, detailed, strict=True)
        questions = [list(group) for _, group in groupby(items, key=lambda item: item[0][:2])]

        def score(share: list[list[tuple]]) -> list[list[Score]]:
            # one list for the batches, then back into questions
            sequences = list(chain.from_iterable(share))
            scores = iter(likelihood([e for _, e, _ in sequences], [d for *_, d in sequences]))
            return [list(islice(scores, len(question))) for question in share]

        return list(chain.from_iterable(gather_sharded(self.accelerator, questions, score)))

    def _likelihood_columns(self, scores: list[Score]) -> dict[str, dict[str, list]]:
        columns: dict[str, dict[str, list]] = {}
        for name, rows in self.sets.items():
            columns[name] = {key: [row[key] for row in rows] for key in ("question", "answer")}
            if name != HOLDOUT and "perturbed_answer" in rows[0]:
                columns[name]["perturbed_loss"] = [[] for _ in rows]
                columns[name]["perturbed_tokens"] = [[] for _ in rows]
        for example, (name, index, kind), score in zip(
            self.examples, self.slots, scores, strict=True
        ):
            if kind == "perturbed":
                columns[name]["perturbed_loss"][index].append(score.mean)
                columns[name]["perturbed_tokens"][index].append(score.tokens)
            else:
                scores_of_answer = {f"{kind}_loss": score.mean, f"{kind}_tokens": score.tokens}
                if kind == "answer":
                    scores_of_answer |= self._token_values(name, example, score)
                for key, value in scores_of_answer.items():
                    columns[name].setdefault(key, []).append(value)
        return columns

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
        examples = [
            (name, example)
            for (name, _, kind), example in zip(self.slots, self.examples, strict=True)
            if kind == "answer" and name in ("forget", HOLDOUT)
        ]
        norms = gather_sharded(
            self.accelerator,
            [example for _, example in examples],
            GradientNorms(model, self.norm),
        )
        for (name, _), norm in zip(examples, norms, strict=True):
            columns[name].setdefault("mia_gradnorm", []).append(norm)

    def _answers(self, model, scores: list[Score]) -> dict[str, list[str]]:
        """Set -> greedy answers. Where the scoring pass found the true answer's first tokens to be
        the most likely ones, generation goes on after them."""
        generator = Generator(
            model,
            self.encoder.tokenizer,
            self.accelerator.device,
            self.limit,
            self.batch_tokens,
            self.encoder.end,
        )
        names, prompts, beginnings = [], [], []
        for (name, index, kind), example, score in zip(
            self.slots, self.examples, scores, strict=True
        ):
            if kind == "answer" and name in self.generated:
                prompt = self.encoder.prompt_ids(self.sets[name][index]["question"])
                names.append(name)
                prompts.append(prompt)
                beginnings.append(greedy_beginning(prompt, example, score.token_scores.match))
        answers: dict[str, list[str]] = {name: [] for name in self.generated}

        def generate(share: list[tuple]) -> list[str]:
            return generator([prompt for prompt, _ in share], [tokens for _, tokens in share])

        items = list(zip(prompts, beginnings, strict=True))
        texts = gather_sharded(self.accelerator, items, generate)
        for name, text in zip(names, texts, strict=True):
            answers[name].append(text)
        return answers


def _answers_of(row: dict, name: str) -> list[tuple[str, str]]:
    """(kind, text) of what is scored of a row of that set; the true answer first."""
    answers = [("answer", row["answer"])]
    if name == HOLDOUT:
        return answers
    if "paraphrased_answer" in row:
        answers.append(("paraphrase", row["paraphrased_answer"]))
    return answers + [("perturbed", text) for text in row.get("perturbed_answer", [])]
