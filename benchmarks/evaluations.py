"""TOFU's evaluation of one model, beside the official arm's, as a Markdown table.

    python benchmarks/evaluations.py --data path/to/tofu \\
        --model results/tofu-tiny/forget10/retrain/seed=1/model

The arms take turns on the same model, in float32, on the CPU. Time is the process's own CPU time,
which other work on the machine does not lengthen; ROUGE, the same in both arms, is left out.
Needed tokens: each question and each distinct answer once; of generation, each prompt and each
token of an answer that another follows.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from official import Evaluation
from tofu_rows import GENERATED, SCORED, encoder_of, evaluated, write
from unlearning.data.packing import grow
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Generator, Limit
from unlearning.evaluation.summary import summarise
from unlearning.models.folder import load_model, load_tokenizer

CPU = torch.device("cpu")


class Meter:
    """CPU seconds of calls, and the tokens that they put through the model's layers."""

    def __init__(self, model):
        self.tokens = 0
        self.seconds: dict[tuple[str, str], list[float]] = {}
        self.processed: dict[tuple[str, str], int] = {}
        model.get_decoder().register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module, args, kwargs) -> None:
        self.tokens += kwargs["input_ids"].numel()

    def __call__(self, work: str, arm: str, call: Callable, *args):
        """The call's result."""
        before, since = self.tokens, time.process_time()
        result = call(*args)
        self.seconds.setdefault((work, arm), []).append(time.process_time() - since)
        self.processed[work, arm] = self.tokens - before
        return result


def with_answers(columns: dict, answers: dict[str, list[str]], rouge) -> dict:
    """The columns with the answers and their ROUGE-L recall."""
    for name, texts in answers.items():
        columns[name]["generation"] = texts
        columns[name]["rouge_l_recall"] = [
            rouge.score(truth, text)["rougeL"].recall
            for truth, text in zip(columns[name]["answer"], texts, strict=True)
        ]
    return columns


def measure(args: argparse.Namespace) -> dict:
    """Seconds, tokens, and metrics of both arms."""
    model, tokenizer = load_model(args.model).eval(), load_tokenizer(args.model)
    encoder = encoder_of(tokenizer, SCORED)
    sets = {name: rows[: args.rows] for name, rows in evaluated(args.data).items()}
    accelerator, limit = Accelerator(cpu=True), Limit(GENERATED, "total")
    evaluator = Evaluator(sets, encoder, accelerator, batch_tokens=args.batch_tokens, limit=limit)
    official = Evaluation(sets, encoder)
    generator = Generator(model, tokenizer, CPU, limit, args.batch_tokens)
    questions = [(name, row["question"]) for name, rows in sets.items() for row in rows]
    prompts = [encoder.prompt_ids(question) for _, question in questions]
    meter = Meter(model)
    for _ in range(args.rounds):
        theirs = meter("likelihoods", "official", official.likelihoods, model)
        ours = meter("likelihoods", "ours", evaluator, model, False)
        their_answers = meter("generation", "official", official.answers, model)
        texts = meter("generation", "ours", generator, prompts)
    answers: dict[str, list[str]] = {name: [] for name in sets}
    for (name, _), text in zip(questions, texts, strict=True):
        answers[name].append(text)
    same = [a == b for k in sets for a, b in zip(answers[k], their_answers[k], strict=True)]
    metrics = [
        summarise(with_answers(columns, found, evaluator.rouge), "official")
        for columns, found in ((ours, answers), (theirs, their_answers))
    ]
    lengths = [len(tokenizer(text)["input_ids"]) for text in texts]
    return {
        "needed": {
            "likelihoods": sum(
                tree.tokens for tree in grow(list(dict.fromkeys(evaluator.examples)))
            ),
            "generation": sum(map(len, prompts)) + sum(lengths),
        },
        "seconds": {" ".join(key): values for key, values in meter.seconds.items()},
        "processed": {" ".join(key): tokens for key, tokens in meter.processed.items()},
        "answers": len(texts),
        "same answers": sum(same),
        "metrics": len(metrics[0]),
        "metrics apart": max(abs(metrics[0][key] - value) for key, value in metrics[1].items()),
    }


def show(found: dict) -> None:
    """Print the table and how far apart the arms' metrics are."""
    print("| work | arm | CPU seconds | tokens | processed / needed | ratio of seconds |")
    print("|---|---|---|---|---|---|")
    totals = {"ours": 0.0, "official": 0.0}
    for work, needed in found["needed"].items():
        median = {arm: statistics.median(found["seconds"][f"{work} {arm}"]) for arm in totals}
        for arm, seconds in median.items():
            totals[arm] += seconds
            tokens, ratio = found["processed"][f"{work} {arm}"], seconds / median["ours"]
            cells = [work, arm, f"{seconds:.1f}", f"{tokens:,}", f"{tokens / needed:.2f}"]
            print("| " + " | ".join([*cells, f"{ratio:.1f}"]) + " |")
    for arm, seconds in totals.items():
        print(f"| both | {arm} | {seconds:.1f} | | | {seconds / totals['ours']:.1f} |")
    print(f"\n{found['same answers']} of {found['answers']} answers are the same; ", end="")
    print(f"{found['metrics']} metrics differ by at most {found['metrics apart']:.1e}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of TOFU's JSON files")
    parser.add_argument("--model", required=True, help="folder of a model of tofu-tiny")
    parser.add_argument("--rows", type=int, help="of each set; without it the official 300")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=16384)
    parser.add_argument("--json", type=Path, help="file to write")
    args = parser.parse_args()
    found = measure(args)
    show(found)
    write(args.json, found)


if __name__ == "__main__":
    main()
