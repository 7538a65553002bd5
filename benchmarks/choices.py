"""What single choices cost in CPU time, on tofu-tiny and on the mini world, as a Markdown table.

    python benchmarks/choices.py --data path/to/tofu --mini results/mini/data

Training: one step of NPO+RT, packing included, in passes of sixteen pairs. Evaluation: the
likelihoods of twelve rows of each set. The choices take turns; medians of the process's own CPU
time on one thread, which other work on the machine does not lengthen, and, of two threads, of time
on the clock, for which the machine must be quiet. What is not named is as shipped.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import torch
import yaml
from tofu_rows import (
    ARCHITECTURE,
    OBJECTIVE,
    ROOT,
    SCORED,
    SETS,
    answers_of,
    encoder_of,
    forget10,
    recipe_of,
    source_of,
    table,
    tokenizer_of,
    write,
)
from unlearning.data import packing
from unlearning.data.encoding import Example
from unlearning.evaluation.likelihood import Likelihood
from unlearning.models.build import build_model, train_tokenizer
from unlearning.models.scorer import Scorer
from unlearning.training.batches import Pair, score_pairs
from unlearning.training.loop import micro_batches
from unlearning.training.optimizers import make_optimizer

MINI = yaml.safe_load((ROOT / "config" / "config.yaml").read_text("utf-8"))
CPU = torch.device("cpu")
MICRO_BATCH = 16


@dataclass
class World:
    """What is trained and scored."""

    architecture: dict
    vocabulary: int
    steps: list[list[Pair]]
    scored: list[Example]
    packed: list[int] = field(default_factory=lambda: [0, 0])  # tokens needed, processed


@dataclass
class Choice:
    """within: what is different while it is measured."""

    name: str
    within: Callable = nullcontext
    fused: bool = False
    half: bool = False
    threads: int = 1


CHOICES = [
    *(
        Choice(f"rows of at most {n} tokens", lambda n=n: patch.object(packing, "LONGEST", n))
        for n in (256, 512, 1024)
    ),
    Choice("fused AdamW", fused=True),
    Choice("bfloat16 autocast", half=True),
    Choice("two threads", threads=2),
]


@contextmanager
def counted(world: World) -> Iterator[None]:
    """Count the tokens of rows packed, and those needed."""
    pack, world.packed = packing.pack, [0, 0]

    def counting(examples: list[Example], shared: bool = True) -> packing.Packed:
        found = pack(examples, shared)
        world.packed[0] += sum(tree.tokens for tree in packing.group_by_prompt(examples))
        world.packed[1] += found.ids.numel()
        return found

    with patch("unlearning.models.scorer.pack", counting):
        yield


class Case:
    """A choice in a world, with a model of its own."""

    def __init__(self, choice: Choice, world: World):
        self.choice, self.world = choice, world
        self.model = build_model(world.architecture, world.vocabulary, 0)
        self.optimizer = make_optimizer(self.model, list(self.model.parameters()), recipe_of())
        if choice.fused:
            self.optimizer = torch.optim.AdamW(self.model.parameters(), fused=True)
        self.seconds: dict[str, list[float]] = {"training": [], "evaluation": []}
        self.ratio: dict[str, float] = {}

    def measure(self, work: str, index: int) -> None:
        """Once more."""
        half = torch.autocast("cpu", torch.bfloat16) if self.choice.half else nullcontext()
        now = time.process_time if self.choice.threads == 1 else time.perf_counter
        torch.set_num_threads(self.choice.threads)
        with self.choice.within(), counted(self.world), half:
            since = now()
            self._train(index) if work == "training" else self._score()
            self.seconds[work].append(now() - since)
        self.ratio[work] = self.world.packed[1] / self.world.packed[0]

    def _train(self, index: int) -> None:
        pairs = self.world.steps[index % len(self.world.steps)]
        for part, _ in micro_batches(pairs, 0, 1, MICRO_BATCH):
            batch = score_pairs(Scorer(self.model.train()), part, OBJECTIVE, CPU)
            (OBJECTIVE.total(OBJECTIVE.rows(batch)).sum() / len(pairs)).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _score(self) -> None:
        Likelihood(self.model)(self.world.scored)


def world_of(data: Path, tokenizer, architecture: dict, batch: int) -> World:
    """Steps of NPO+RT on forget10, and sequences to score."""
    examples = forget10(data, tokenizer)
    examples["forget"] = [example.with_reference(60.0) for example in examples["forget"]]
    source = source_of(examples, recipe_of(batch_size=batch))
    encoder = encoder_of(tokenizer, SCORED)
    rows = [row for name in SETS for row in table(data, f"{name}_perturbed")[:12]]
    texts = [(r["question"], t) for r in rows for own in answers_of(r).values() for t in own]
    scored = [encoder.encode(*pair) for pair in dict.fromkeys(texts)]
    steps = [source.step(step) for step in range(4)]
    return World(architecture, len(tokenizer), steps, scored)


def mini(data: Path) -> World:
    """The default config's world."""
    rows = [row for name in ("full", "pretrain") for row in table(data, name)]
    texts = [f"{row['question']} {row['answer']}" for row in rows]
    architecture = MINI["model"]["architecture"]
    tokenizer = train_tokenizer("word", texts, architecture["vocabulary"])
    return world_of(data, tokenizer, architecture, MINI["unlearn"]["batch_size"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of TOFU's JSON files")
    parser.add_argument(
        "--mini", type=Path, required=True, help="folder of the mini world's tables"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file to write")
    args = parser.parse_args()
    tiny = tokenizer_of(args.data, ARCHITECTURE["vocabulary"])
    worlds = {
        "tofu-tiny": world_of(args.data, tiny, ARCHITECTURE, 32),
        "mini": mini(args.mini),
    }
    print("| world | choice | step, ms | padding | evaluation, ms | padding |")
    print("|---|---|---|---|---|---|")
    record = []
    for name, world in worlds.items():
        cases = [Case(choice, world) for choice in CHOICES]
        for index in range(args.rounds + 1):
            for case in cases:
                case.measure("training", index)
                case.measure("evaluation", index)
        for case in cases:
            cells = [name, case.choice.name]
            for work, seconds in case.seconds.items():
                cells.append(f"{1000 * statistics.median(seconds[1:]):.0f}")
                cells.append(f"{case.ratio[work] - 1:.1%}")
            record.append({"cells": cells, "seconds": case.seconds})
            print("| " + " | ".join(cells) + " |", flush=True)
    write(args.json, {"choices": record})


if __name__ == "__main__":
    main()
