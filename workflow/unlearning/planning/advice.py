"""Which options would make a stage fit into a GPU's memory."""

from dataclasses import replace

from unlearning.planning.gpus import GPUS
from unlearning.planning.memory import (
    GIB,
    HOST_STATES,
    PAGED,
    Pass,
    Step,
    inference,
    training,
)
from unlearning.planning.shapes import Shape
from unlearning.planning.stages import StageCost

LORA = {"rank": 8, "modules": "all-linear"}  # the schema's defaults
LEAST_TOKENS = 512  # of an evaluation batch: no row is longer


def peak(shape: Shape, stage: StageCost) -> dict[str, float]:
    """Bytes by part at the stage's peak."""
    found = [inference(shape, held) for held in stage.passes]
    if stage.step is not None:
        found.append(training(shape, stage.step))
    return max(found, key=lambda parts: parts["total"])


def advice(shape: Shape, stage: StageCost, room: float) -> list[str]:
    """What to set so that the stage takes at most `room` bytes; empty if it does already."""
    lines: list[str] = []
    chosen = None
    if stage.step is not None and training(shape, stage.step)["total"] > room:
        line, chosen = _for_step(shape, stage, room)
        lines.append(line)
        if chosen is None:
            return lines
    for held in stage.passes:
        if chosen and held.optimizer:
            fewer = chosen.share / stage.step.share
            copied = chosen.share * (chosen.sharded and not stage.step.sharded)
            held = replace(
                held,
                optimizer=chosen.optimizer,
                adapter=chosen.adapter,
                autocast=bool(chosen.adapter) and chosen.half,
                trained=held.trained * fewer,
                others=held.others * fewer + copied,
            )
        if inference(shape, held)["total"] > room:
            lines.append(_for_pass(shape, held, stage.rule, room))
    return lines


def _for_step(shape: Shape, stage: StageCost, room: float) -> tuple[str, Step | None]:
    """The first options that fit, and the step with them, or None: those that change no number
    come first, then those that keep the larger micro-batch."""
    step, least = stage.step, training(shape, stage.step)["total"]
    for changes in _alternatives(shape, stage):
        for checkpointing in sorted({step.checkpointing, True}):
            micro_batch = step.micro_batch
            while micro_batch:
                tried = replace(
                    step,
                    micro_batch=micro_batch,
                    accumulates=step.accumulates or micro_batch < step.micro_batch,
                    checkpointing=checkpointing,
                    **changes,
                )
                total = training(shape, tried)["total"]
                if total <= room:
                    spelled = _changed(shape, step, tried, stage.section)
                    return f"set {spelled}: {total / GIB:.1f} GiB", tried
                least, micro_batch = min(least, total), micro_batch // 2
    return _nothing(least), None


def _alternatives(shape: Shape, stage: StageCost) -> list[dict]:
    """What else a step may be tried with, the options that change least first."""
    step, found = stage.step, [{}]
    if step.processes > 1 and not (step.sharded or step.adapter):
        found.append({"sharded": True})
    if not step.sharded:
        found.append({"optimizer": PAGED})
    found.append({"optimizer": "adamw8bit"})
    if stage.adaptable and not (step.adapter or step.sharded):
        found.append({"adapter": shape.adapter(LORA)})
    return found


def _changed(shape: Shape, step: Step, tried: Step, section: str) -> str:
    """The options that differ from the step's, as a config spells them."""
    options = {
        f"{section}.micro_batch": (step.micro_batch, tried.micro_batch),
        f"{section}.gradient_checkpointing": (step.checkpointing, tried.checkpointing),
        f"{section}.optimizer": (step.optimizer, tried.optimizer),
        f"{section}.lora": (step.adapter, "{}" if tried.adapter != step.adapter else step.adapter),
        "resources.sharding": (step.sharded, tried.sharded),
    }
    spelled = [
        f"{key}: {'shard' if key == 'resources.sharding' else str(value).lower()}"
        for key, (now, value) in options.items()
        if value != now
    ]
    note = ""
    if tried.adapter != step.adapter:
        note = " (another experiment: a low-rank adapter learns)"
    elif tried.optimizer != step.optimizer:
        note = " (it changes the numbers a little)"
        if tried.optimizer == PAGED:
            states = HOST_STATES[PAGED] * tried.numbers(shape) / GIB
            note = f" (the same numbers up to rounding, slower; {states:.1f} GiB on the host)"
    return " and ".join(spelled) + note


def _for_pass(shape: Shape, held: Pass, rule: str, room: float) -> str:
    key = {
        "reference": None,
        "reference_on_the_way": None,
        "harness": "harness.batch_size",
    }.get(rule, "evaluation.batch_tokens")
    share, least = 1.0, inference(shape, held)["total"]
    while key is not None and held.tokens * share / 2 >= LEAST_TOKENS:
        share /= 2
        tried = replace(
            held,
            tokens=round(held.tokens * share),
            labels=round(held.labels * share),
            cached=round(held.cached * share),
        )
        least = inference(shape, tried)["total"]
        if least <= room:
            unit = LEAST_TOKENS if rule == "harness" else 1
            return f"set {key}: {tried.tokens // unit}: {least / GIB:.1f} GiB"
    return _nothing(least)


def _nothing(least: float) -> str:
    """What to say where no option helps."""
    fitting = [name for name, gpu in GPUS.items() if gpu.room >= least]
    other = f"these GPUs have it: {', '.join(fitting)}" if fitting else "no GPU of the table has it"
    return f"no option makes it fit: at least {least / GIB:.1f} GiB is needed; {other}"
