"""One evaluation of one loaded model: likelihoods, greedy answers, per-row values."""

from functools import cached_property

from accelerate import Accelerator
from accelerate.utils import gather_object

from unlearning.data.encoding import Encoder, Example
from unlearning.evaluation.generation import Generator, Limit
from unlearning.evaluation.likelihood import Likelihood, Score

KINDS = {"answer": "answer", "paraphrase": "paraphrased_answer"}


class Evaluator:
    """Evaluates models on TOFU-format sets (set name -> rows with perturbed answers).

    Encodes once; every call scores all sequences of all sets in one sorted pass. Under several
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
    ):
        self.sets, self.encoder, self.accelerator = sets, encoder, accelerator
        self.batch_tokens, self.limit = batch_tokens, limit
        self.examples: list[Example] = []
        self.slots: list[tuple[str, int, str]] = []  # (set, row, kind of answer)
        for name, rows in sets.items():
            for index, row in enumerate(rows):
                self._add(name, index, row)

    @cached_property
    def rouge(self):
        """ROUGE-L as published; imported when first used, because its nltk takes a second."""
        from rouge_score.rouge_scorer import RougeScorer

        return RougeScorer(["rougeL"], use_stemmer=True)

    def _add(self, name: str, index: int, row: dict) -> None:
        answers = [(kind, row[column]) for kind, column in KINDS.items() if column in row]
        answers += [("perturbed", text) for text in row["perturbed_answer"]]
        for kind, text in answers:
            self.examples.append(self.encoder.encode(row["question"], text))
            self.slots.append((name, index, kind))

    def __call__(self, model, generate: bool = True) -> dict[str, dict[str, list]]:
        """Columns of each set (see evaluation.tofu), with the answers in words if `generate`."""
        columns = self._likelihood_columns(self._scores(model))
        if generate:
            for name, answers in self._answers(model).items():
                columns[name]["generation"] = answers
                columns[name]["rouge_l_recall"] = [
                    self.rouge.score(row["answer"], answer)["rougeL"].recall
                    for row, answer in zip(self.sets[name], answers, strict=True)
                ]
        return columns

    def _shared(self, items: list, work) -> list:
        """work() on this process's share of items; the results of all, in the items' order."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        mine = list(zip(range(rank, len(items), world), work(items[rank::world]), strict=True))
        return [value for _, value in sorted(gather_object(mine), key=lambda pair: pair[0])]

    def _scores(self, model) -> list[Score]:
        likelihood = Likelihood(model, self.accelerator.device, self.batch_tokens)
        return self._shared(self.examples, likelihood)

    def _likelihood_columns(self, scores: list[Score]) -> dict[str, dict[str, list]]:
        columns: dict[str, dict[str, list]] = {}
        for name, rows in self.sets.items():
            columns[name] = {
                "question": [row["question"] for row in rows],
                "answer": [row["answer"] for row in rows],
                "perturbed_loss": [[] for _ in rows],
                "perturbed_tokens": [[] for _ in rows],
            }
        for (name, index, kind), score in zip(self.slots, scores, strict=True):
            if kind == "perturbed":
                columns[name]["perturbed_loss"][index].append(score.mean)
                columns[name]["perturbed_tokens"][index].append(score.tokens)
            else:
                columns[name].setdefault(f"{kind}_loss", []).append(score.mean)
                columns[name].setdefault(f"{kind}_tokens", []).append(score.tokens)
        return columns

    def _answers(self, model) -> dict[str, list[str]]:
        generator = Generator(
            model,
            self.encoder.tokenizer,
            self.accelerator.device,
            self.limit,
            self.batch_tokens,
        )
        places = [(name, row["question"]) for name, rows in self.sets.items() for row in rows]
        prompts = [self.encoder.prompt_ids(question) for _, question in places]
        answers: dict[str, list[str]] = {name: [] for name in self.sets}
        for (name, _), answer in zip(places, self._shared(prompts, generator), strict=True):
            answers[name].append(answer)
        return answers
