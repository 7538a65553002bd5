"""Find the options with which a stage fits into a GPU's memory."""

from dataclasses import replace

from unlearning.planning.gpus import GPUS
from unlearning.planning.memory import GIB, HOST_STATES, PAGED, Pass, Step, inference, training
from unlearning.planning.shapes import Shape
from unlearning.planning.stages import StageCost

LORA = {"rank": 8, "modules": "all-linear"}  # the schema's defaults
MIN_TOKENS = 512  # of an evaluation batch: no row is longer


def peak(shape: Shape, stage: StageCost) -> dict[str, float]:
    """Bytes by part at the stage's peak, and their `total`."""
    moments = [inference(shape, batch) for batch in stage.passes]
    if stage.step is not None:
        moments.append(training(shape, stage.step))
    return max(moments, key=lambda parts: parts["total"])


def advice(shape: Shape, stage: StageCost, room: float) -> list[str]:
    """The options with which the stage takes at most `room` bytes; empty if it does already."""
    lines: list[str] = []
    passes = stage.passes
    if stage.step is not None and training(shape, stage.step)["total"] > room:
        line, fitting = _advise_step(shape, stage.step, stage, room)
        lines.append(line)
        if fitting is None:
            return lines
        passes = [_beside_step(batch, stage.step, fitting) for batch in passes]
    for batch in passes:
        if inference(shape, batch)["total"] > room:
            lines.append(_advise_pass(shape, batch, stage.rule, room))
    return lines


def _beside_step(batch: Pass, step: Step, fitting: Step) -> Pass:
    """The batch with the states and shares of the advised step in memory instead of the step's, if
    it is one of an evaluation during the run."""
    if batch.optimizer is None:
        return batch
    ratio = fitting.share / step.share
    # the model that a hook copies is whole on each GPU, of others there may be shares
    copies = 1 if step.copies else 0
    other_models = copies + (batch.other_models - copies) * ratio
    if fitting.sharded and not step.sharded:
        other_models += fitting.share
    return replace(
        batch,
        optimizer=fitting.optimizer,
        adapter=fitting.adapter,
        autocast=fitting.adapter > 0 and fitting.half,
        trained=batch.trained * ratio,
        other_models=other_models,
    )


def _advise_step(
    shape: Shape, step: Step, stage: StageCost, room: float
) -> tuple[str, Step | None]:
    """The first options of a stage's step that fit, and the step with them; None if none fit.

    Options that change no number come first, then those that keep the larger micro-batch.
    """
    smallest = training(shape, step)["total"]
    for changes in _alternatives(shape, step, stage.adaptable):
        for checkpointing in sorted({step.checkpointing, True}):
            micro_batch = step.micro_batch
            while micro_batch:
                candidate = replace(
                    step,
                    micro_batch=micro_batch,
                    accumulates=step.accumulates or micro_batch < step.micro_batch,
                    checkpointing=checkpointing,
                    **changes,
                )
                total = training(shape, candidate)["total"]
                if total <= room:
                    options = _differing_options(shape, step, candidate, stage.section)
                    return f"set {options}: {total / GIB:.1f} GiB", candidate
                smallest, micro_batch = min(smallest, total), micro_batch // 2
    return _no_option(smallest), None


def _alternatives(shape: Shape, step: Step, adaptable: bool) -> list[dict]:
    """Changes of a step's fields to try, from none to the one that changes most. adaptable: LoRA
    can train the stage."""
    alternatives: list[dict] = [{}]
    # training/sharding.py refuses adapters and paged states
    if step.processes > 1 and not (step.sharded or step.adapter):
        alternatives.append({"sharded": True})
    if not step.sharded:
        alternatives.append({"optimizer": PAGED})
    alternatives.append({"optimizer": "adamw8bit"})
    # last, because it is another method: a low-rank change of the weights
    if adaptable and not (step.adapter or step.sharded):
        alternatives.append({"adapter": shape.adapter(LORA)})
    return alternatives


def _differing_options(shape: Shape, step: Step, candidate: Step, section: str) -> str:
    """The options in which a candidate differs from the step, as config keys and values, with a
    note on what they change."""
    options = []
    if candidate.micro_batch != step.micro_batch:
        options.append(f"{section}.micro_batch: {candidate.micro_batch}")
    if candidate.checkpointing != step.checkpointing:
        options.append(f"{section}.gradient_checkpointing: true")
    if candidate.optimizer != step.optimizer:
        options.append(f"{section}.optimizer: {candidate.optimizer}")
    if candidate.adapter != step.adapter:
        options.append(f"{section}.lora: {{}}")
    if candidate.sharded != step.sharded:
        options.append("resources.sharding: shard")
    note = ""
    if candidate.adapter != step.adapter:
        note = " (another experiment: a low-rank adapter learns)"
    elif candidate.optimizer != step.optimizer:
        note = " (it changes the numbers a little)"
        if candidate.optimizer == PAGED:
            states = HOST_STATES[PAGED] * candidate.trained_parameters(shape) / GIB
            note = f" (the same numbers up to rounding, slower; {states:.1f} GiB on the host)"
    return " and ".join(options) + note


def _advise_pass(shape: Shape, batch: Pass, rule: str, room: float) -> str:
    """The option of the largest batch that fits; reference stages have no option."""
    smallest = inference(shape, batch)["total"]
    # their batches have a fixed size, because the stage has no --fit
    if rule in ("reference", "reference_on_the_way", "replaced_reference"):
        return _no_option(smallest)
    share = 0.5
    while batch.tokens * share >= MIN_TOKENS:
        candidate = replace(
            batch,
            tokens=round(batch.tokens * share),
            labels=round(batch.labels * share),
            cached=round(batch.cached * share),
        )
        smallest = inference(shape, candidate)["total"]
        if smallest <= room:
            option = f"evaluation.batch_tokens: {candidate.tokens}"
            if rule == "harness":
                option = f"harness.batch_size: {candidate.tokens // MIN_TOKENS}"
            return f"set {option}: {smallest / GIB:.1f} GiB"
        share /= 2
    return _no_option(smallest)


def _no_option(smallest: float) -> str:
    """The advice if no option helps. smallest: bytes that are needed at least."""
    # what nothing can make smaller decides which GPU to ask for
    names = [name for name, gpu in GPUS.items() if gpu.room >= smallest]
    gpus = f"these GPUs have it: {', '.join(names)}" if names else "no GPU of the table has it"
    return f"no option makes it fit: at least {smallest / GIB:.1f} GiB is needed; {gpus}"
