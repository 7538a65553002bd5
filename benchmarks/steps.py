"""A step of NPO+RT on forget10 in batches of 32, beside the arms of the official code and of
open-unlearning, as a Markdown table.

    python benchmarks/steps.py --data path/to/tofu                        # tofu-tiny on the CPU
    python benchmarks/steps.py --data path/to/tofu --device cuda --shape 1b
    python benchmarks/steps.py --data path/to/tofu --device cuda --shape 7b \\
        --gradient-checkpointing --optimizer paged_adamw_32bit

Random weights, TOFU's own rows. One arm runs after the other: on the CPU in a process of its own,
in float32, by the process's own CPU time, which other work on the machine hardly lengthens; on a
GPU under bfloat16 autocast. A run is 125 steps and, of ours, the reference's
log-probabilities once. Tokens a second and model FLOP/s utilisation (MFU) count what is needed:
no padding, no reference, no logits without a label.
"""

import argparse
import statistics
import time
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from child import in_child
from official import TRAINED, Training
from tofu_rows import ARCHITECTURE, OBJECTIVE, forget10, recipe_of, source_of, tokenizer_of, write
from transformers import LlamaConfig, LlamaForCausalLM
from unlearning.data.encoding import Example
from unlearning.evaluation.likelihood import Likelihood
from unlearning.models import agreement
from unlearning.models.build import build_model
from unlearning.planning.gpus import GPUS
from unlearning.planning.shapes import KNOWN, Shape, shape_of
from unlearning.training.loop import train
from unlearning.training.plan import Fit

SHAPES = {"135m": KNOWN["SmolLM2-135M"], "1b": KNOWN["Llama-3.2-1B"], "7b": KNOWN["Llama-2-7b"]}
SMALL = {  # the CPU's: tofu-tiny's, and one of 4.1 M parameters
    "tiny": ARCHITECTURE,
    "4m": ARCHITECTURE | {"layers": 4, "width": 256, "feed_forward": 512, "vocabulary": 6000},
}
ARMS = {"official": TRAINED, "open-unlearning": None}  # tokens that sequences are padded to
WARM = 1  # steps that are not timed
RUN = 125
HEAD = "| arm | step, s | needed tokens/s | run, s | peak GiB | MFU |\n|---|---|---|---|---|---|"


def random_model(name: str, vocabulary: int, device: torch.device):
    """A small model, or a Llama of a known shape, from random weights; and its shape."""
    if name in SMALL:
        shape = shape_of({"architecture": {**SMALL[name], "vocabulary": vocabulary}})
        return build_model(SMALL[name], vocabulary, 0).to(device), shape
    shape = SHAPES[name]
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        num_hidden_layers=shape.layers,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads * shape.key_value // shape.hidden,
        tie_word_embeddings=shape.tied,
    )
    torch.manual_seed(0)
    with device:
        return LlamaForCausalLM(config), shape


class Clock:
    """Seconds and peak memory on a device."""

    def __init__(self, device: torch.device):
        self.device = device

    def now(self) -> float:
        """Of the process on the CPU; once all that was launched is done, on a GPU."""
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    def peak(self) -> float | None:
        """GiB since the last call; None on the CPU."""
        if self.device.type == "cpu":
            return None
        found = torch.cuda.max_memory_allocated() / 2**30
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return found


def ours(model, source, recipe, fit: Fit, accelerator) -> tuple[list, list]:
    """Seconds and loss of each step."""
    clock, seconds = Clock(accelerator.device), []
    since = 0.0

    def at_step(done: int) -> None:
        nonlocal since
        if done:
            seconds.append(clock.now() - since)
        since = clock.now()

    history = train(
        model, source, OBJECTIVE, source.plan, recipe, fit, accelerator, at_step=at_step
    )
    return seconds, history.losses


def flops(shape: Shape, pairs: list[dict[str, Example]]) -> float:
    """Model FLOPs of a step: 6 for each weight a token meets, the vocabulary's at labels alone,
    and 6 x width for each pair of tokens, layer by layer, of which causal attention sees half."""
    rows = [row for pair in pairs for row in pair.values()]
    body = shape.multiplied - shape.embedding
    tokens = sum(len(row.ids) for row in rows)
    labels = sum(len(row.ids) - row.start for row in rows)
    attention = shape.layers * shape.hidden * sum(len(row.ids) ** 2 for row in rows)
    return 6 * (body * tokens + shape.embedding * labels + attention)


class Official:
    """An arm of ARMS: its own model and reference, the seconds and the loss of each step."""

    def __init__(
        self, arm: str, args: argparse.Namespace, recipe, vocabulary: int, accelerator: Accelerator
    ):
        device = accelerator.device
        reference, _ = random_model(args.shape, vocabulary, device)
        if device.type == "cuda":
            reference.bfloat16()  # as released
        self.model, _ = random_model(args.shape, vocabulary, device)
        if args.gradient_checkpointing:
            self.model.gradient_checkpointing_enable()
        size = args.official_micro_batch
        self.training = Training(
            self.model, reference, recipe, size, 0.1, accelerator.autocast, ARMS[arm]
        )
        self.clock, self.lr = Clock(device), recipe.lr
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def step(self, pairs: list[dict[str, Example]]) -> None:
        """One step on a batch."""
        since = self.clock.now()
        self.losses.append(self.training.step(pairs, self.lr))
        self.seconds.append(self.clock.now() - since)


def measure(args: argparse.Namespace) -> dict:
    """All arms on the same batches."""
    half = args.device == "cuda"
    accelerator = Accelerator(cpu=not half, mixed_precision="bf16" if half else "no")
    torch.backends.cuda.enable_cudnn_sdp(False)  # as in the stages (training/session.py)
    tokenizer = tokenizer_of(args.data, SMALL.get(args.shape, ARCHITECTURE)["vocabulary"])
    examples = forget10(args.data, tokenizer)
    constant = {"lr": args.lr, "schedule": "constant", "warmup_epochs": 0}
    recipe = recipe_of(args.steps + WARM, optimizer=args.optimizer, **constant)
    fit = Fit(args.micro_batch, args.gradient_checkpointing)
    clock = Clock(accelerator.device)
    model, shape = random_model(args.shape, len(tokenizer), accelerator.device)
    since = clock.now()
    with accelerator.autocast():
        scores = Likelihood(model)(examples["forget"])
    results = {"steps": args.steps, "shape": args.shape, "reference": clock.now() - since}
    clock.peak()
    examples["forget"] = [
        e.with_reference(s.nll) for e, s in zip(examples["forget"], scores, strict=True)
    ]
    source = source_of(examples, recipe)
    batches = [source.step(step) for step in range(args.steps + WARM)]
    results["tokens"] = statistics.mean(
        sum(len(row.ids) for pair in pairs for row in pair.values()) for pairs in batches[WARM:]
    )
    results["flops"] = statistics.mean(flops(shape, pairs) for pairs in batches[WARM:])

    setting = args, recipe, len(tokenizer), accelerator
    if not half:
        (seconds, losses, weights), peak = in_child(
            partial(our_steps, model, source, recipe, fit, accelerator), keep=True
        )
        results["ours"] = {"seconds": seconds[WARM:], "peak": peak / 1024, "losses": losses}
        for name in args.arms:
            call = partial(steps_of, name, setting, batches)
            (arm_seconds, arm_losses, arm_weights), peak = in_child(call, keep=False)
            results[name] = record(arm_seconds, arm_losses, peak / 1024, losses)
            results[name]["weights apart"] = weights_apart(weights, arm_weights)
        return results
    seconds, losses = ours(model, source, recipe, fit, accelerator)
    results["ours"] = {"seconds": seconds[WARM:], "peak": clock.peak(), "losses": losses}
    del model  # each arm has the GPU's memory to itself
    accelerator.free_memory()
    clock.peak()
    return results | {arm: alone(arm, setting, batches, losses, clock) for arm in args.arms}


def our_steps(model, *setting) -> tuple[list, list, list]:
    """Seconds and losses of our steps, and the weights."""
    return *ours(model, *setting), weights_of(model)


def steps_of(name: str, setting: tuple, batches: list) -> tuple[list, list, list]:
    """Seconds and losses of an arm's steps, and its weights."""
    arm = Official(name, *setting)
    for pairs in batches:
        arm.step(pairs)
    return arm.seconds, arm.losses, weights_of(arm.model)


def weights_of(model) -> list:
    """The parameters as arrays, which go from one process to another as they are."""
    return [parameter.detach().numpy() for parameter in model.parameters()]


def alone(name: str, setting: tuple, batches: list, losses: list[float], clock: Clock):
    """The record of an arm that has the GPU to itself; None if its memory does not suffice."""
    try:
        arm = Official(name, *setting)
        for pairs in batches:
            arm.step(pairs)
    except torch.cuda.OutOfMemoryError:
        arm = None
    found = arm and record(arm.seconds, arm.losses, clock.peak(), losses)
    del arm
    clock.peak()
    return found


def record(seconds: list, arm_losses: list, peak: float, losses: list) -> dict:
    """What an arm took, and how far its losses are from ours, relative."""
    apart = max(abs(a - b) / abs(b) for a, b in zip(losses, arm_losses, strict=True))
    cost = {"seconds": seconds[WARM:], "peak": peak, "losses": arm_losses}
    return {**cost, "losses apart": apart, "weights apart": None}


def weights_apart(ours: list, theirs: list) -> float:
    """The largest difference of a weight, in parts of its tensor's largest."""
    pairs = zip(ours, theirs, strict=True)
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in pairs)


def row(arm: str, found: dict, whole: float, peak_flops: float | None) -> None:
    """Print one arm."""
    step = statistics.median(found[arm]["seconds"])
    memory = found[arm]["peak"]
    cells = [arm, f"{step:.3f}", f"{found['tokens'] / step:,.0f}", f"{whole:.0f}"]
    cells += ["" if memory is None else f"{memory:.1f}"]
    cells += ["" if peak_flops is None else f"{found['flops'] / step / peak_flops:.1%}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def show(results: dict, arms: list[str], peak_flops: float | None) -> None:
    """Print the table, the ratios, and how far apart the arms end."""
    print(HEAD)
    own = statistics.median(results["ours"]["seconds"])
    run = RUN * own + results["reference"]
    row("ours", results, run, peak_flops)
    notes = []
    for arm in arms:
        if results[arm] is None:
            print(f"| {arm} | out of memory | | | | |")
            continue
        step = statistics.median(results[arm]["seconds"])
        row(arm, results, RUN * step, peak_flops)
        note = f"{arm} / ours: {step / own:.1f} a step, {RUN * step / run:.1f} a run"
        note += f"; losses apart by at most {results[arm]['losses apart']:.1e}, relative"
        if (weights := results[arm]["weights apart"]) is not None:
            note += f"; weights {weights:.1e} of their tensor's largest"
        notes.append(note)
    print("", *notes, sep="\n")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of TOFU's JSON files")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--shape", choices=[*SMALL, *SHAPES], default="tiny")
    parser.add_argument("--arms", nargs="*", choices=ARMS, default=["official"])
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--micro-batch", type=int, help="pairs; without it as memory allows")
    parser.add_argument("--official-micro-batch", type=int, default=4, help="pairs; released: 4")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--padded", action="store_true", help="ours without packing its rows")
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("--gpu", choices=GPUS, default="H100-80", help="whose peak MFU is of")
    parser.add_argument("--json", type=Path, help="file to write")
    args = parser.parse_args()
    if args.padded:  # as if packed rows of this model did not score as plain ones do
        agreement.agrees = lambda *_: False
    results = measure(args)
    show(results, args.arms, GPUS[args.gpu].half if args.device == "cuda" else None)
    write(args.json, results)


if __name__ == "__main__":
    main()
