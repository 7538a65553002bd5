"""TOFU's evaluation of one model, beside the official arm's, as a Markdown table.

    python benchmarks/evaluations.py --data path/to/tofu \\
        --model results/tofu-tiny/forget10/retrain/seed=1/model
    python benchmarks/evaluations.py --data path/to/tofu --device cuda --shape 7b --rounds 1

The arms take turns on the same model: on the CPU in float32, on a GPU in bfloat16. Time on the CPU
is the process's own CPU time, which other work on the machine does not lengthen; ROUGE, the same in
both arms, is left out. A model from random weights (--shape) seldom ends an answer before its
limit, so that generation takes its longest.
Needed tokens: each question and each distinct answer once; of generation, each prompt and each
token of an answer that another follows.
"""

import argparse
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import Accelerator
from official import Evaluation
from steps import SHAPES, Clock, random_model
from tofu_rows import (
    ARCHITECTURE,
    GENERATED,
    SCORED,
    encoder_of,
    evaluated,
    tokenizer_of,
    write,
)
from unlearning.benchmarks.tofu.metrics import summarise
from unlearning.data.packing import group_by_prompt
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Generator, Limit
from unlearning.models.folder import load_model, load_tokenizer


class Meter:
    """Seconds of calls, and the tokens that they put through the model's layers."""

    def __init__(self, model):
        self.tokens, self.clock = 0, Clock(model.device)
        self.seconds: dict[tuple[str, str], list[float]] = {}
        self.processed: dict[tuple[str, str], int] = {}
        model.get_decoder().register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module, args, kwargs) -> None:
        self.tokens += kwargs["input_ids"].numel()

    def __call__(self, work: str, arm: str, call: Callable, *args):
        """The call's result."""
        before, since = self.tokens, self.clock.now()
        result = call(*args)
        self.seconds.setdefault((work, arm), []).append(self.clock.now() - since)
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


def evaluated_model(args: argparse.Namespace, device: torch.device):
    """(model, tokenizer): of the folder, or of a shape from random weights; bfloat16 on a GPU."""
    if args.model is not None:
        model, tokenizer = load_model(args.model), load_tokenizer(args.model)
    else:
        tokenizer = tokenizer_of(args.data, ARCHITECTURE["vocabulary"])
        model, _ = random_model(args.shape, len(tokenizer), device)
    return (model if args.device == "cpu" else model.bfloat16()).to(device).eval(), tokenizer


def measure(args: argparse.Namespace) -> dict:
    """Seconds, tokens, and metrics of both arms."""
    accelerator = Accelerator(cpu=args.device == "cpu")
    model, tokenizer = evaluated_model(args, accelerator.device)
    encoder = encoder_of(tokenizer, SCORED)
    sets = {name: rows[: args.rows] for name, rows in evaluated(args.data).items()}
    limit = Limit(GENERATED, "total")
    evaluator = Evaluator(sets, encoder, accelerator, batch_tokens=args.batch_tokens, limit=limit)
    official = Evaluation(sets, encoder)
    generator = Generator(model, tokenizer, accelerator.device, limit, args.batch_tokens)
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
                tree.tokens for tree in group_by_prompt(list(dict.fromkeys(evaluator.examples)))
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
    print("| work | arm | seconds | tokens | processed / needed | ratio of seconds |")
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
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--model", help="folder of a model of tofu-tiny")
    model.add_argument("--shape", choices=["tiny", *SHAPES], help="random weights instead")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
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
