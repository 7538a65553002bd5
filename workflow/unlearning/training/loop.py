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
from unlearning.training.fit import micro_batch_sizer
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

    rank, world: number of this process, and of all. size: pairs of a micro-batch.

    Pairs are dealt to the processes in order of length, so that micro-batches pad little. All
    processes do the same number of passes, because FSDP needs every process in every pass: one
    that has no pairs left scores the longest pair, which does not count.
    """
    ordered = sorted(pairs, key=lambda pair: max(len(row.ids) for row in pair.values()))
    of_this_process = ordered[rank::world]
    most_pairs = math.ceil(len(pairs) / world)  # of one process
    for k in range(math.ceil(most_pairs / size)):
        part = of_this_process[k * size : (k + 1) * size]
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
    history. state: saves the run so that a killed one resumes; raises state.Stopped after a signal.
    sharded: each of several processes holds only a share of the model and of the teacher;
    sharding.full_state_model() puts the model together, in at_step and afterwards.

    A non-finite loss or gradient ends the run before the weights are touched and is recorded in the
    history as a collapse: that is a result, not an error.
    """
    model.train()
    sharded = sharded and accelerator.num_processes > 1
    context, optimizer = _prepare(
        model, teacher, source, objective, recipe, fit, accelerator, sharded
    )
    history = History()
    first = state.begin(context.scorer, optimizer, objective, history) if state else 0
    if first == 0:  # a resumed run has this point in its history
        _record_point(at_step, 0, history)
    progress = Progress("training", plan.steps, enabled=accelerator.is_main_process, start=first)
    for step in range(first, plan.steps):
        lr = recipe.lr * plan.lr_factor(step)
        _compute_gradients(context, source.step(step), history, lr, checked=step > first)
        # without a limit this returns the norm and clips nothing
        limit = recipe.clip_norm or math.inf
        norm = accelerator.clip_grad_norm_(context.scorer.parameters(), limit)
        # before the step, for a NaN gradient would make every weight NaN, which cannot be evaluated
        history.collapsed = _collapse(history, step, float(norm))
        if history.collapsed is not None:
            reason = history.collapsed["reason"]
            accelerator.print(f"step {step}: {reason}: the model has collapsed")
            break
        # set here, not by a scheduler: the rate is a function of the step, so a resumed run has it
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.step()
        optimizer.zero_grad()
        _update_retain_weight(context, source, plan, history.terms[-1], step + 1)
        progress.update(step + 1, f"loss {history.losses[-1]:.4g}, lr {lr:.3g}")
        _record_point(at_step, step + 1, history)
        if state:
            state.after_step(step + 1, plan.steps)
    return history


@dataclass(frozen=True)
class PassContext:
    """What every forward pass of a run needs.

    scorer: of the trained model, wrapped for several processes. teacher: of the target model, if
    the objective compares with it. micro_batch_size: gives the pairs of a micro-batch for a global
    batch, whose rows differ in length.
    """

    scorer: Scorer
    teacher: Scorer | None
    objective: Objective
    micro_batch_size: Callable[[list[Pair]], int]
    accelerator: Accelerator
    sharded: bool

    def micro_batches(self, pairs: list[Pair]) -> Iterator[tuple[list[Pair], int]]:
        """This process's micro-batches of a global batch."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        return micro_batches(pairs, rank, world, self.micro_batch_size(pairs))

    def score(self, pairs: list[Pair]) -> Batch:
        """A micro-batch as losses see it."""
        device = self.accelerator.device
        return score_pairs(self.scorer, pairs, self.objective, device, self.teacher)


def _prepare(
    model,
    teacher,
    source: Source,
    objective: Objective,
    recipe: Recipe,
    fit: Fit,
    accelerator: Accelerator,
    sharded: bool,
) -> tuple[PassContext, Optimizer]:
    """The context of the run's passes, in the layout that its rows allow, and the optimizer."""
    micro_batch_size = micro_batch_sizer(model, objective, recipe, fit, accelerator, sharded)
    scorer = Scorer(model)
    wrapped, optimizer = _wrap_for_processes(scorer, objective, recipe, fit, accelerator, sharded)
    teacher_scorer = None
    if teacher is not None:
        # not trained, and without autocast: it computes in the precision of its weights
        teacher_scorer = Scorer(teacher.eval())
        if sharded:
            shard(teacher_scorer, accelerator)
        else:
            teacher_scorer.to(accelerator.device)
    # the layout is tried in the precision and through the wrapper that training will use
    with accelerator.autocast():
        scorer.layout = layout_of(wrapped, model, source.all_rows(), "training")
    if sharded:
        # FSDP frees the root's gathered weights in the backward pass, and there was none
        wrapped.reshard()
    if teacher_scorer is not None:  # it is of the same family
        teacher_scorer.layout = scorer.layout
    context = PassContext(
        wrapped, teacher_scorer, objective, micro_batch_size, accelerator, sharded
    )
    return context, optimizer


def _wrap_for_processes(
    scorer: Scorer,
    objective: Objective,
    recipe: Recipe,
    fit: Fit,
    accelerator: Accelerator,
    sharded: bool,
) -> tuple[Scorer, Optimizer]:
    """The scorer wrapped by DDP or FSDP, and the optimizer of what the objective trains."""
    model = scorer.model
    trained = objective.trained(model)
    if sharded:  # before the optimizer is made, because this replaces the parameters
        check_shardable(recipe)
        shard(scorer, accelerator)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if fit.gradient_checkpointing:
        model.activation_checkpointing_enable()
    optimizer = make_optimizer(model, trained, recipe)
    if not sharded:
        return accelerator.prepare(scorer, optimizer)
    # for autocast only: fully_shard has placed the weights and reduces the gradients
    scorer = accelerator.prepare_model(scorer, device_placement=False, evaluation_mode=True)
    return scorer, accelerator.prepare(optimizer)


def _record_point(at_step: Callable[[int], dict | None], done: int, history: History) -> None:
    """Call `at_step` after `done` steps, and add the evaluation that it returns, if any."""
    point = at_step(done)
    if point is not None:
        history.points.append(point)


def _collapse(history: History, step: int, norm: float) -> dict | None:
    """Step and reason, if the last loss or its gradient is no finite number."""
    loss = history.losses[-1]
    if math.isfinite(loss) and math.isfinite(norm):
        return None
    return {"step": step, "reason": f"loss {loss}, gradient norm {norm:g}"}


def _update_retain_weight(
    context: PassContext, source: Source, plan: StepPlan, terms: list[float], done: int
) -> None:
    """Update the retain term's weight after `done` steps, if the method adapts it (PDU).

    terms: the losses of the last global batch, forget first, retain second. A method that updates
    after each epoch uses the mean retain loss of the epoch's pairs under the model at its end.
    """
    objective, epoch = context.objective, done * plan.batch_size / plan.rows
    if objective.weighed_after("step"):
        objective.weigh(terms[1], epoch)
    ends = sorted(plan.epoch_ends())  # counted in steps done
    # no step would use a weight that is updated at the end of the run
    if objective.weighed_after("epoch") and done in ends and done < plan.steps:
        first = max((end for end in ends if end < done), default=0)
        loss = _retain_loss(context, [source.step(step) for step in range(first, done)])
        if context.sharded:
            context.scorer.reshard()  # as before the first step: no backward pass follows
        objective.weigh(loss, epoch)


@torch.no_grad()
def _retain_loss(context: PassContext, steps: list[list[Pair]]) -> float:
    """The mean of the retain term over the pairs of several steps, of all processes."""
    totals = torch.zeros(2, device=context.accelerator.device)  # summed loss, number of pairs
    for pairs in steps:
        for part, counted in context.micro_batches(pairs):
            batch = context.score(part)
            # one that does not count is scored above all the same: FSDP needs every process's pass
            if counted:
                values = context.objective.terms[1](batch)
                totals += torch.stack([values.sum(), values.new_tensor(counted)])
    loss, count = context.accelerator.reduce(totals, "sum").tolist()
    return loss / count


def _compute_gradients(
    context: PassContext, pairs: list[Pair], history: History, lr: float, checked: bool
) -> None:
    """Compute the gradients of one global batch, and record the step in the history.

    The history gets the loss and its terms over all processes, the terms' weights and the learning
    rate. checked: whether check_losses() has passed on an earlier batch.

    DDP and FSDP average gradients over processes, so each process multiplies its sum by their
    number: the total is then the mean over the global batch for any split.
    """
    objective, accelerator = context.objective, context.accelerator
    parts = list(context.micro_batches(pairs))
    # the loss and each of its terms
    totals = torch.zeros(1 + len(objective.terms), device=accelerator.device)
    for k, (part, counted) in enumerate(parts):
        last = k == len(parts) - 1
        # gradients are summed here first and exchanged once, with the last micro-batch
        with nullcontext() if last else accelerator.no_sync(context.scorer):
            batch = context.score(part)
            if not checked:
                check_losses(objective, batch)
                checked = True
            rows = objective.rows(batch)
            for term, values in zip(objective.terms, rows, strict=True):
                check_values(function_name(term), values, batch)
            # A pair that does not count takes part with no weight: its backward pass is needed, for
            # all processes exchange gradients in the same passes.
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
