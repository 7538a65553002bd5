"""The training loop. Methods differ in their objective only."""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch.optim import Optimizer

from unlearning.methods.first_step import check_losses, check_values
from unlearning.methods.objective import Objective, function_name
from unlearning.methods.sequences import Batch
from unlearning.models.agreement import layout_of
from unlearning.models.scorer import Scorer
from unlearning.progress import Progress
from unlearning.training.batches import Pair, score_pairs
from unlearning.training.fit import passes_of
from unlearning.training.history import History
from unlearning.training.optimizers import make_optimizer
from unlearning.training.plan import Fit, Recipe, StepPlan
from unlearning.training.sharding import check_shardable, shard
from unlearning.training.sources import Source
from unlearning.training.state import TrainingState


def micro_batches(
    pairs: list[Pair], rank: int, world: int, size: int
) -> Iterator[tuple[list[Pair], int]]:
    """This process's micro-batches of a global batch, each with the number of pairs that count.

    Pairs go round the processes in order of length, so that micro-batches pad little and all
    processes do the same number of passes; a process that runs out repeats its last pair with
    no weight, because FSDP needs every process in every pass.
    """
    ordered = sorted(pairs, key=lambda pair: max(len(row.ids) for row in pair.values()))
    mine = ordered[rank::world]
    passes = math.ceil(math.ceil(len(pairs) / world) / size)
    for k in range(passes):
        part = mine[k * size : (k + 1) * size]
        yield part or ordered[-1:], len(part)


def train(
    model,
    source: Source,
    objective: Objective,
    plan: StepPlan,
    recipe: Recipe,
    fit: Fit,
    accelerator: Accelerator,
    *,
    teacher=None,
    at_step: Callable[[int], dict | None] = lambda done: None,
    state: TrainingState | None = None,
    sharded: bool = False,
) -> History:
    """Run `plan` on `model` in place.

    The loss of a step is the mean of the objective over the rows of the global batch. teacher: the
    target model, if the objective compares with it. fit: how much is in memory at once; it changes
    no result. at_step(n) is called after n steps, 0 as well; what it returns is a point of the
    history. state: where the run goes on from and what a later one will go on from; raises
    state.Stopped after a signal. sharded: each of several processes holds a share of the model and
    of the teacher only; sharding.full_state_model() puts the model together, in at_step and
    afterwards. A non-finite loss or gradient ends the run before the weights are touched and is
    recorded in the history as a collapse: that is a result, not an error.
    """
    model.train()
    sharded = sharded and accelerator.num_processes > 1
    passes, optimizer = _prepare(
        model, teacher, source, objective, recipe, fit, accelerator, sharded
    )
    history = History()
    first = state.begin(passes.scorer, optimizer, objective, history) if state else 0
    if first == 0:
        _visit(at_step, 0, history)
    progress = Progress("training", plan.steps, enabled=accelerator.is_main_process, start=first)
    for step in range(first, plan.steps):
        lr = recipe.lr * plan.lr_factor(step)
        _compute_gradients(passes, source.step(step), history, lr, checked=step > first)
        norm = accelerator.clip_grad_norm_(passes.scorer.parameters(), recipe.clip_norm or math.inf)
        history.collapsed = _collapse(history, step, float(norm))
        if history.collapsed is not None:
            reason = history.collapsed["reason"]
            accelerator.print(f"step {step}: {reason}: the model has collapsed")
            break
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        optimizer.zero_grad()
        _weigh(passes, source, plan, history.terms[-1], step + 1)
        progress.update(step + 1, f"loss {history.losses[-1]:.4g}, lr {lr:.3g}")
        _visit(at_step, step + 1, history)
        if state:
            state.after_step(step + 1, plan.steps)
    return history


@dataclass(frozen=True)
class Passes:
    """What every pass of a run goes through. scorer: of the model, as its processes share it.
    frozen: of the target model, where the objective compares with it. size: pairs of a
    micro-batch, for a global batch."""

    scorer: Scorer
    frozen: Scorer | None
    objective: Objective
    size: Callable[[list[Pair]], int]
    accelerator: Accelerator
    sharded: bool

    def micro_batches(self, pairs: list[Pair]) -> Iterator[tuple[list[Pair], int]]:
        """This process's micro-batches of a global batch."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        return micro_batches(pairs, rank, world, self.size(pairs))

    def scores(self, pairs: list[Pair]) -> Batch:
        """A micro-batch as losses see it."""
        return score_pairs(self.scorer, pairs, self.objective, self.accelerator.device, self.frozen)


def _prepare(
    model,
    teacher,
    source: Source,
    objective: Objective,
    recipe: Recipe,
    fit: Fit,
    accelerator: Accelerator,
    sharded: bool,
) -> tuple[Passes, Optimizer]:
    """What the run's passes go through, in the layout that its rows allow, and the optimizer."""
    size = passes_of(model, objective, recipe, fit, accelerator, sharded)
    bare = Scorer(model)
    scorer, optimizer = _shared(bare, objective, recipe, fit, accelerator, sharded)
    frozen = _freeze(teacher, accelerator, sharded) if teacher is not None else None
    with accelerator.autocast():
        bare.layout = layout_of(scorer, model, source.all_rows(), "training")
    if sharded:
        scorer.reshard()  # FSDP keeps the root's weights until the backward pass: here is none
    if frozen is not None:
        frozen.layout = bare.layout
    return Passes(scorer, frozen, objective, size, accelerator, sharded), optimizer


def _shared(
    scorer: Scorer,
    objective: Objective,
    recipe: Recipe,
    fit: Fit,
    accelerator: Accelerator,
    sharded: bool,
) -> tuple[Scorer, Optimizer]:
    """The scorer as its processes share it, and the optimizer over what the objective trains."""
    model = scorer.model
    trained = objective.trained(model)
    if sharded:  # before the optimizer is made: the parameters become others
        check_shardable(recipe)
        shard(scorer, accelerator)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if fit.gradient_checkpointing:
        model.activation_checkpointing_enable()
    optimizer = make_optimizer(model, trained, recipe)
    if not sharded:
        return accelerator.prepare(scorer, optimizer)
    # autocast alone: fully_shard has placed the weights and sees to the gradients
    scorer = accelerator.prepare_model(scorer, device_placement=False, evaluation_mode=True)
    return scorer, accelerator.prepare(optimizer)


def _freeze(teacher, accelerator: Accelerator, sharded: bool) -> Scorer:
    """The scorer of the target model, under no autocast."""
    scorer = Scorer(teacher.eval())
    return shard(scorer, accelerator) if sharded else scorer.to(accelerator.device)


def _visit(at_step: Callable[[int], dict | None], done: int, history: History) -> None:
    point = at_step(done)
    if point is not None:
        history.points.append(point)


def _collapse(history: History, step: int, norm: float) -> dict | None:
    """Step and reason, if the last loss or its gradient is no finite number."""
    loss = history.losses[-1]
    if math.isfinite(loss) and math.isfinite(norm):
        return None
    return {"step": step, "reason": f"loss {loss}, gradient norm {norm:g}"}


def _weigh(passes: Passes, source: Source, plan: StepPlan, terms: list[float], done: int) -> None:
    """Let a method that adapts the retain term's weight move it, `done` steps into the run.

    terms: the losses of the last global batch. Upon an epoch's end it is the mean retain loss over
    the epoch's pairs that counts, under the model as it then is.
    """
    objective, epoch = passes.objective, done * plan.batch_size / plan.rows
    if objective.weighed_after("step"):
        objective.weigh(terms[1], epoch)
    ends = sorted(plan.epoch_ends())
    if objective.weighed_after("epoch") and done in ends and done < plan.steps:
        first = max((end for end in ends if end < done), default=0)
        loss = _retain_loss(passes, [source.step(step) for step in range(first, done)])
        if passes.sharded:
            passes.scorer.reshard()  # as before the first step: no backward pass follows
        objective.weigh(loss, epoch)


@torch.no_grad()
def _retain_loss(passes: Passes, steps: list[list[Pair]]) -> float:
    """The mean of the retain term over the pairs of several steps, of all processes."""
    totals = torch.zeros(2, device=passes.accelerator.device)
    for pairs in steps:
        for part, counted in passes.micro_batches(pairs):
            batch = passes.scores(part)
            if counted:
                values = passes.objective.terms[1](batch)
                totals += torch.stack([values.sum(), values.new_tensor(counted)])
    loss, count = passes.accelerator.reduce(totals, "sum").tolist()
    return loss / count


def _compute_gradients(
    passes: Passes, pairs: list[Pair], history: History, lr: float, checked: bool
) -> None:
    """Gradients of one global batch; its loss and its terms over all processes, the terms' weights
    and the learning rate go into the history.

    checked: whether the losses have been found to be such as they must be.

    DDP and FSDP average gradients over processes, so each process's sum is scaled up by their
    number: the total is the mean over the global batch for any split.
    """
    objective, accelerator = passes.objective, passes.accelerator
    parts = list(passes.micro_batches(pairs))
    totals = torch.zeros(1 + len(objective.terms), device=accelerator.device)
    for k, (part, counted) in enumerate(parts):
        last = k == len(parts) - 1
        with nullcontext() if last else accelerator.no_sync(passes.scorer):
            batch = passes.scores(part)
            if not checked:
                check_losses(objective, batch)
                checked = True
            rows = objective.rows(batch)
            for term, values in zip(objective.terms, rows, strict=True):
                check_values(function_name(term), values, batch)
            share = 1 / len(pairs) if counted else 0.0
            sums = [values.sum() * share for values in (objective.total(rows), *rows)]
            accelerator.backward(sums[0] * accelerator.num_processes)
        totals += torch.stack(sums).detach()
    loss, *terms = accelerator.reduce(totals, "sum").tolist()
    history.tokens += sum(len(row.ids) for pair in pairs for row in pair.values())
    history.losses.append(loss)
    history.terms.append(terms)
    history.weights.append(list(objective.weights))
    history.learning_rates.append(lr)
