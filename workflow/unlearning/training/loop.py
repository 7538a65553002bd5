"""The training loop. Methods differ in their objective only."""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from torch.optim import Optimizer

from unlearning.methods.first_step import check_losses, check_values
from unlearning.methods.objective import Objective, function_name
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
    size = passes_of(model, objective, recipe, fit, accelerator, sharded)
    bare = Scorer(model)
    scorer, optimizer = _prepare(bare, objective, recipe, fit, accelerator, sharded)
    frozen = _freeze(teacher, accelerator, sharded) if teacher is not None else None
    with accelerator.autocast():
        bare.layout = layout_of(scorer, model, source.all_rows(), "training")
    if sharded:
        scorer.reshard()  # FSDP keeps the root's weights until the backward pass: here is none
    if frozen is not None:
        frozen.layout = bare.layout
    history = History()
    first = state.begin(scorer, optimizer, objective, history) if state else 0
    if first == 0:
        _visit(at_step, 0, history)
    progress = Progress("training", plan.steps, shown=accelerator.is_main_process, first=first)
    for step in range(first, plan.steps):
        lr = recipe.lr * plan.lr_factor(step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        history.weights.append(list(objective.weights))
        loss, terms = _accumulate(
            scorer,
            source.step(step),
            objective,
            size,
            accelerator,
            frozen,
            history,
            checked=step > first,
        )
        norm = float(accelerator.clip_grad_norm_(scorer.parameters(), recipe.clip_norm or math.inf))
        history.losses.append(loss)
        history.terms.append(terms)
        history.learning_rates.append(lr)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            reason = f"loss {loss}, gradient norm {norm:g}"
            history.collapsed = {"step": step, "reason": reason}
            accelerator.print(f"step {step}: {reason}: the model has collapsed")
            break
        optimizer.step()
        optimizer.zero_grad()
        _weigh(scorer, source, objective, plan, size, accelerator, frozen, terms, step + 1, sharded)
        progress.update(step + 1, f"loss {loss:.4g}, lr {lr:.3g}")
        _visit(at_step, step + 1, history)
        if state:
            state.after_step(step + 1, plan.steps)
    return history


def _prepare(
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


def _weigh(
    scorer: Scorer,
    source: Source,
    objective: Objective,
    plan: StepPlan,
    size: Callable[[list[Pair]], int],
    accelerator: Accelerator,
    frozen: Scorer | None,
    terms: list[float],
    done: int,
    sharded: bool,
) -> None:
    """Let a method that adapts the retain term's weight move it, `done` steps into the run.

    terms: the losses of the last global batch. Upon an epoch's end it is the mean retain loss over
    the epoch's pairs that counts, under the model as it then is.
    """
    epoch = done * plan.batch_size / plan.rows
    if objective.weighed_after("step"):
        objective.weigh(terms[1], epoch)
    ends = sorted(plan.epoch_ends())
    if objective.weighed_after("epoch") and done in ends and done < plan.steps:
        first = max((end for end in ends if end < done), default=0)
        visited = [source.step(step) for step in range(first, done)]
        loss = _retain_loss(scorer, visited, objective, size, accelerator, frozen)
        if sharded:
            scorer.reshard()  # as before the first step: no backward pass follows
        objective.weigh(loss, epoch)


@torch.no_grad()
def _retain_loss(
    scorer: Scorer,
    steps: list[list[Pair]],
    objective: Objective,
    size: Callable[[list[Pair]], int],
    accelerator: Accelerator,
    frozen: Scorer | None,
) -> float:
    """The mean of the retain term over the pairs of several steps, of all processes."""
    totals = torch.zeros(2, device=accelerator.device)
    rank, world = accelerator.process_index, accelerator.num_processes
    for pairs in steps:
        for part, counted in micro_batches(pairs, rank, world, size(pairs)):
            batch = score_pairs(scorer, part, objective, accelerator.device, frozen)
            if counted:
                values = objective.terms[1](batch)
                totals += torch.stack([values.sum(), values.new_tensor(counted)])
    loss, count = accelerator.reduce(totals, "sum").tolist()
    return loss / count


def _accumulate(
    scorer: Scorer,
    pairs: list[Pair],
    objective: Objective,
    size: Callable[[list[Pair]], int],
    accelerator: Accelerator,
    frozen: Scorer | None,
    history: History,
    checked: bool,
) -> tuple[float, list[float]]:
    """Gradients of one global batch; returns its loss and its terms over all processes.

    checked: whether the losses have been found to be such as they must be.

    DDP and FSDP average gradients over processes, so each process's sum is scaled up by their
    number: the total is the mean over the global batch for any split.
    """
    world = accelerator.num_processes
    parts = list(micro_batches(pairs, accelerator.process_index, world, size(pairs)))
    totals = torch.zeros(1 + len(objective.terms), device=accelerator.device)
    for k, (part, counted) in enumerate(parts):
        last = k == len(parts) - 1
        with nullcontext() if last else accelerator.no_sync(scorer):
            batch = score_pairs(scorer, part, objective, accelerator.device, frozen)
            if not checked:
                check_losses(objective, batch)
                checked = True
            rows = objective.rows(batch)
            for term, values in zip(objective.terms, rows, strict=True):
                check_values(function_name(term), values, batch)
            share = 1 / len(pairs) if counted else 0.0
            sums = [values.sum() * share for values in (objective.total(rows), *rows)]
            accelerator.backward(sums[0] * world)
        totals += torch.stack(sums).detach()
    history.tokens += sum(len(row.ids) for pair in pairs for row in pair.values())
    loss, *terms = accelerator.reduce(totals, "sum").tolist()
    return loss, terms
