"""TOFU's evaluation of one model, beside the official arm's, as a Markdown table.

    python benchmarks/evaluations.py --data path/to/tofu \\
        --model results/tofu-tiny/forget10/retrain/seed=1/model
    python benchmarks/evaluations.py --data path/to/tofu --shape 4m --train 1000 --rows 100 \\
        --arms open-unlearning
    python benchmarks/evaluations.py --data path/to/tofu --device cuda --shape 7b --rounds 1

The arms take turns on the same model: on the CPU in float32, each in a process of its own, on a GPU
in bfloat16. Time on the CPU is the process's own CPU time, which other work on the machine does not
lengthen by much. A model from
random weights (--shape) seldom ends an answer before its limit, so that generation takes its
longest; --train teaches it the evaluated rows and others first.
Needed tokens: each question and each distinct answer once; of generation, each prompt and each
token of an answer that another follows.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from child import in_child
from official import ATTACKS, METRICS, Evaluation, OpenUnlearning
from steps import ARMS, SHAPES, SMALL, Clock, random_model
from tofu_rows import (
    ARCHITECTURE,
    EVALUATED_ROWS,
    GENERATED,
    SCORED,
    encoder_of,
    evaluated,
    table,
    tokenizer_of,
    write,
)
from unlearning.benchmarks.tofu.metrics import summarise
from unlearning.data.packing import group_by_prompt
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Limit
from unlearning.evaluation.rouge import RougeL
from unlearning.models.folder import load_model, load_tokenizer
from unlearning.models.scorer import Scorer


class Meter:
    """Seconds of calls, and the tokens that they put through the model's layers."""

    def __init__(self, model):
        self.tokens, self.clock = 0, Clock(model.device)
        self.seconds: dict[str, float] = {}
        self.processed: dict[str, int] = {}
        # the decoder itself is called again where the head alone runs
        model.get_input_embeddings().register_forward_pre_hook(self._count)

    def _count(self, module, args) -> None:
        self.tokens += args[0].numel()

    def __call__(self, work: str, call: Callable, *args):
        """The call's result."""
        before, since = self.tokens, self.clock.now()
        result = call(*args)
        self.seconds[work] = self.seconds.get(work, 0) + self.clock.now() - since
        self.processed[work] = self.processed.get(work, 0) + self.tokens - before
        return result


def with_answers(columns: dict, answers: dict[str, list[str]], rouge: dict[str, dict]) -> dict:
    """The columns with the answers and their ROUGE-L recall."""
    for name, texts in answers.items():
        columns[name]["generation"] = texts
        columns[name] |= rouge[name]
    return columns


def our_rouge(evaluator: Evaluator, answers: dict[str, list[str]]) -> dict[str, dict]:
    """Set -> columns: our ROUGE-L recall."""
    columns: dict[str, dict] = {}
    for name in evaluator.generated:
        rows = evaluator.sets[name]
        pairs = zip(rows, answers[name], strict=True)
        columns[name] = {
            "rouge_l_recall": [evaluator.rouge(row["answer"], text).recall for row, text in pairs]
        }
        columns[name] |= evaluator._further_rouge(rows, answers[name])
    return columns


def our_evaluation(model, evaluator: Evaluator) -> dict:
    """An evaluation as stage `evaluate` makes it, step by step."""
    meter = Meter(model)
    scores = meter("likelihoods", evaluator._scores, model)
    columns = meter("likelihoods", evaluator._likelihood_columns, scores)
    answers = meter("generation", evaluator._answers, model, scores)
    evaluator.rouge = RougeL(stemmer=True)  # as in a new process: no stems are remembered
    rouge = meter("ROUGE", our_rouge, evaluator, answers)
    columns = with_answers(columns, answers, rouge)
    return {"columns": columns, "seconds": meter.seconds, "processed": meter.processed}


def other_evaluation(model, evaluation: Evaluation) -> dict:
    """The same of another arm."""
    meter = Meter(model)
    columns = meter("likelihoods", evaluation.likelihoods, model)
    answers = meter("generation", evaluation.answers, model)
    rouge = meter("ROUGE", evaluation.rouge, answers)
    columns = with_answers(columns, answers, rouge)
    return {"columns": columns, "seconds": meter.seconds, "processed": meter.processed}


def teach(model, tokenizer, data: Path, steps: int, lr: float) -> None:
    """Train a model from random weights on a part of TOFU that holds the evaluated rows."""
    rows = table(data, "full")[-1200:]  # forget10 and the retain rows before it
    for name in ("retain_perturbed", "real_authors", "world_facts"):
        rows += table(data, name)[:EVALUATED_ROWS]
    examples = encoder_of(tokenizer, 256).encode_rows(rows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / 50) * (1 - step / (steps + 1))
    )
    scorer, generator = Scorer(model.train()), torch.Generator().manual_seed(0)
    for _ in range(steps):
        drawn = torch.randint(len(examples), (16,), generator=generator).tolist()
        loss = -scorer([examples[index] for index in drawn])["logp"].mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()


def evaluated_model(args: argparse.Namespace, device: torch.device):
    """(model, tokenizer): of the folder, or of a shape from random weights; bfloat16 on a GPU."""
    if args.model is not None:
        model, tokenizer = load_model(args.model), load_tokenizer(args.model)
    else:
        tokenizer = tokenizer_of(args.data, SMALL.get(args.shape, ARCHITECTURE)["vocabulary"])
        model, _ = random_model(args.shape, len(tokenizer), device)
        teach(model, tokenizer, args.data, args.train, args.lr)
    return (model if args.device == "cpu" else model.bfloat16()).to(device).eval(), tokenizer


def measure(args: argparse.Namespace) -> dict:
    """Seconds, tokens, and metrics of both arms."""
    accelerator = Accelerator(cpu=args.device == "cpu")
    torch.backends.cuda.enable_cudnn_sdp(False)  # as in the stages (training/session.py)
    model, tokenizer = evaluated_model(args, accelerator.device)
    encoder = encoder_of(tokenizer, SCORED)
    sets = {name: rows[: args.rows] for name, rows in evaluated(args.data).items()}
    holdout = table(args.data, "retain90")[-len(sets["forget"]) :]  # TOFU's own is not among these
    further = ("paraphrase", "perturbed") if args.metrics == "extended" else ()
    evaluator = Evaluator(
        {**sets, "holdout": holdout} if ATTACKS[args.metrics] else sets,
        encoder,
        accelerator,
        batch_tokens=args.batch_tokens,
        limit=Limit(GENERATED, "total"),
        attacks=ATTACKS[args.metrics],
        further_rouge=further,
    )
    calls: dict[str, Callable] = {"ours": partial(our_evaluation, model, evaluator)}
    for arm in args.arms:
        evaluation = Evaluation(sets, encoder)
        if arm == "open-unlearning":
            evaluation = OpenUnlearning(sets, encoder, args.metrics, holdout)
        calls[arm] = partial(other_evaluation, model, evaluation)
    seconds: dict[str, list[float]] = {}
    results, peaks = {}, {}
    for _ in range(args.rounds):
        for arm, call in reversed(calls.items()):
            if args.device == "cpu":
                results[arm], peaks[arm] = in_child(call, keep=arm == "ours")
            else:
                results[arm] = call()
            for work, value in results[arm]["seconds"].items():
                seconds.setdefault(f"{work} {arm}", []).append(value)
    prompts = [encoder.prompt_ids(row["question"]) for rows in sets.values() for row in rows]
    texts = [text for name in sets for text in results["ours"]["columns"][name]["generation"]]
    lengths = [len(tokenizer(text)["input_ids"]) for text in texts]
    trees = group_by_prompt(list(dict.fromkeys(evaluator.examples)))
    needed = {
        "likelihoods": sum(tree.tokens for tree in trees),
        "generation": sum(map(len, prompts)) + sum(lengths),
        "ROUGE": 0,
    }
    processed = {}
    for arm, result in results.items():
        processed |= {f"{work} {arm}": tokens for work, tokens in result["processed"].items()}
    measured = {"needed": needed, "seconds": seconds, "processed": processed, "peak MB": peaks}
    return measured | {"answers": len(texts)} | differences(results, list(sets))


def differences(results: dict, names: list[str]) -> dict:
    """Answers of each arm that are ours, and how far its metrics are from ours."""
    columns = {arm: result["columns"] for arm, result in results.items()}
    metrics = {arm: summarise(values, "official") for arm, values in columns.items()}
    ours = metrics.pop("ours")
    same, apart = {}, {}
    for arm, values in metrics.items():
        same[arm] = 0
        for name in names:
            pair = (columns[a][name]["generation"] for a in ("ours", arm))
            same[arm] += sum(a == b for a, b in zip(*pair, strict=True))
        apart[arm] = max(abs(ours[key] - values[key]) for key in values)
    return {"same answers": same, "metrics": len(ours), "metrics apart": apart}


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
    for arm, peak in found["peak MB"].items():
        print(f"{arm}: {peak:,.0f} MB at most")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of TOFU's JSON files")
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--model", help="folder of a model of tofu-tiny")
    model.add_argument("--shape", choices=[*SMALL, *SHAPES], help="a model of ours instead")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--train", type=int, default=0, help="steps of training before, with --shape"
    )
    parser.add_argument("--lr", type=float, default=1.5e-3, help="of that training, at its peak")
    parser.add_argument("--rows", type=int, help="of each set; without it the official 300")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=["official"])
    parser.add_argument(
        "--metrics",
        choices=METRICS,
        default="table",
        help="beside open-unlearning: which of its lists",
    )
    parser.add_argument("--batch-tokens", type=int, default=16384)
    parser.add_argument("--json", type=Path, help="file to write")
    args = parser.parse_args()
    found = measure(args)
    show(found)
    write(args.json, found)


if __name__ == "__main__":
    main()
