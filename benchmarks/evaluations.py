"""TOFU's evaluation of one model, beside the official arm's, as a Markdown table.

    python benchmarks/evaluations.py --data path/to/tofu \\
        --model results/tofu-tiny/forget10/retrain/seed=1/model
    python benchmarks/evaluations.py --data path/to/tofu --device cuda --shape 7b --rounds 1

The arms take turns on the same model: on the CPU in float32, on a GPU in bfloat16. Time on the CPU
is the process's own CPU time, which other work on the machine does not lengthen. A model from
random weights (--shape) seldom ends an answer before its limit, so that generation takes its
longest.
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
from steps import ARMS, SHAPES, Clock, random_model
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
from unlearning.evaluation.rouge import RougeL
from unlearning.models.folder import load_model, load_tokenizer


class Meter:
    """Seconds of calls, and the tokens that they put through the model's layers."""

    def __init__(self, model):
        self.tokens, self.clock = 0, Clock(model.device)
        self.seconds: dict[tuple[str, str], list[float]] = {}
        self.processed: dict[tuple[str, str], int] = {}
        # the decoder itself is called again where the head alone runs
        model.get_input_embeddings().register_forward_pre_hook(self._count)

    def _count(self, module, args) -> None:
        self.tokens += args[0].numel()

    def __call__(self, work: str, arm: str, call: Callable, *args):
        """The call's result."""
        before, since = self.tokens, self.clock.now()
        result = call(*args)
        self.seconds.setdefault((work, arm), []).append(self.clock.now() - since)
        self.processed[work, arm] = self.tokens - before
        return result


def with_answers(columns: dict, answers: dict[str, list[str]], recall: dict) -> dict:
    """The columns with the answers and their ROUGE-L recall."""
    for name, texts in answers.items():
        columns[name]["generation"] = texts
        columns[name]["rouge_l_recall"] = recall[name]
    return columns


def answered(sets: dict[str, list[dict]], generator: Generator, prompts: list) -> dict:
    """Set -> our answers."""
    texts = iter(generator(prompts))
    return {name: [next(texts) for _ in rows] for name, rows in sets.items()}


def recalls(sets: dict[str, list[dict]], rouge, answers: dict[str, list[str]]) -> dict:
    """Set -> our ROUGE-L recall."""
    recall: dict[str, list[float]] = {}
    for name, rows in sets.items():
        pairs = zip(rows, answers[name], strict=True)
        recall[name] = [rouge(row["answer"], text).recall for row, text in pairs]
    return recall


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
    arms = {arm: Evaluation(sets, encoder, arm == "open-unlearning") for arm in args.arms}
    generator = Generator(model, tokenizer, accelerator.device, limit, args.batch_tokens)
    prompts = [encoder.prompt_ids(row["question"]) for rows in sets.values() for row in rows]
    meter = Meter(model)
    columns, answers, recall = {}, {}, {}
    for _ in range(args.rounds):
        for arm, peer in arms.items():
            columns[arm] = meter("likelihoods", arm, peer.likelihoods, model)
            answers[arm] = meter("generation", arm, peer.answers, model)
            recall[arm] = meter("ROUGE", arm, peer.rouge, answers[arm])
        columns["ours"] = meter("likelihoods", "ours", evaluator, model, False)
        texts = meter("generation", "ours", answered, sets, generator, prompts)
        evaluator.rouge = RougeL(stemmer=True)  # as in a new process: no stems are remembered
        recall["ours"] = meter("ROUGE", "ours", recalls, sets, evaluator.rouge, texts)
        answers["ours"] = texts
    texts = [text for texts in answers["ours"].values() for text in texts]
    metrics = {
        arm: summarise(with_answers(columns[arm], answers[arm], recall[arm]), "official")
        for arm in columns
    }
    ours = metrics.pop("ours")
    same, apart = {}, {}
    for arm, values in metrics.items():
        pairs = [zip(answers["ours"][name], answers[arm][name], strict=True) for name in sets]
        same[arm] = sum(a == b for own in pairs for a, b in own)
        apart[arm] = max(abs(ours[key] - value) for key, value in values.items())
    lengths = [len(tokenizer(text)["input_ids"]) for text in texts]
    return {
        "needed": {
            "likelihoods": sum(
                tree.tokens for tree in group_by_prompt(list(dict.fromkeys(evaluator.examples)))
            ),
            "generation": sum(map(len, prompts)) + sum(lengths),
            "ROUGE": 0,
        },
        "seconds": {" ".join(key): values for key, values in meter.seconds.items()},
        "processed": {" ".join(key): tokens for key, tokens in meter.processed.items()},
        "answers": len(texts),
        "same answers": same,
        "metrics": len(ours),
        "metrics apart": apart,
    }


def show(found: dict) -> None:
    """Print the table and how far apart the arms' metrics are."""
    print("| work | arm | seconds | tokens | processed / needed | ratio of seconds |")
    print("|---|---|---|---|---|---|")
    totals = {arm: 0.0 for arm in ("ours", *found["same answers"])}
    for work, needed in found["needed"].items():
        median = {arm: statistics.median(found["seconds"][f"{work} {arm}"]) for arm in totals}
        for arm, seconds in median.items():
            totals[arm] += seconds
            tokens, ratio = found["processed"][f"{work} {arm}"], seconds / median["ours"]
            cells = [work, arm, f"{seconds:.1f}"]
            cells += [f"{tokens:,}", f"{tokens / needed:.2f}"] if needed else ["", ""]
            print("| " + " | ".join([*cells, f"{ratio:.1f}"]) + " |")
    for arm, seconds in totals.items():
        print(f"| all | {arm} | {seconds:.1f} | | | {seconds / totals['ours']:.1f} |")
    print()
    for arm, same in found["same answers"].items():
        print(f"{arm}: {same} of {found['answers']} answers are the same; ", end="")
        print(f"{found['metrics']} metrics differ by at most {found['metrics apart'][arm]:.1e}")


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
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=["official"])
    parser.add_argument("--batch-tokens", type=int, default=16384)
    parser.add_argument("--json", type=Path, help="file to write")
    args = parser.parse_args()
    found = measure(args)
    show(found)
    write(args.json, found)


if __name__ == "__main__":
    main()
