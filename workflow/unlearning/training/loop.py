"""The training loop. Methods differ in their objective only."""

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field

import torch
from accelerate import Accelerator

from unlearning.methods.objective import Objective
from unlearning.models.scorer import Scorer
from unlearning.progress import Progress
from unlearning.training.batches import Pair, score_pairs
from unlearning.training.optimizers import make_optimizer
from unlearning.training.plan import Recipe, StepPlan
from unlearning.training.sources import Source


@dataclass
class History:
    """What a run did: per step the loss, its terms with their weights, and the learning rate; the
    tokens seen, and how it ended."""

    losses: list[float] = field(default_factory=list)
    terms: list[list[float]] = field(default_factory=list)
    weights: list[list[float]] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    tokens: int = 0
    collapsed: dict | None = None


def shares(pairs: list[Pair], rank: int, world: int, size: int) -> Iterator[tuple[list[Pair], int]]:
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
    accelerator: Accelerator,
    *,
    teacher=None,
    at_step: Callable[[int], None] = lambda done: None,
) -> History:
    """Run `plan` on `model` in place.

    The loss of a step is the mean of the objective over the rows of the global batch. teacher: the
    target model, if the objective compares with it. at_step(n) is called after n steps. A
    non-finite loss or gradient ends the run before the weights are touched and is recorded in the
    history as a collapse: that is a result, not an error.
    """
    model.train()
    scorer = Scorer(model)
    trained = objective.trained(model)
    optimizer = make_optimizer(model, trained, recipe)
    scorer, optimizer = accelerator.prepare(scorer, optimizer)
    frozen = Scorer(teacher.eval().to(accelerator.device)) if teacher is not None else None
    history = History()
    progress = Progress("training", plan.steps, shown=accelerator.is_main_process)
    for step in range(plan.steps):
        lr = recipe.lr * plan.lr_factor(step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        history.weights.append(list(objective.weights))
        loss, terms = _accumulate(
            scorer, source.step(step), objective, recipe, accelerator, frozen, history
        )
        norm = accelerator.clip_grad_norm_(scorer.parameters(), recipe.clip_norm or math.inf)
        history.losses.append(loss)
        history.terms.append(terms)
        history.learning_rates.append(lr)
        if not (math.isfinite(loss) and math.isfinite(float(norm))):
            history.collapsed = {"step": step, "reason": f"loss {loss}, gradient norm {norm:g}"}
            accelerator.print(
                f"step {step}: {history.collapsed['reason']}: the model has collapsed"
            )
            break
        optimizer.step()
        optimizer.zero_grad()
        objective.after_step(terms, (step + 1) * plan.batch_size / plan.rows)
        progress.update(step + 1, f"loss {loss:.4g}, lr {lr:.3g}")
        at_step(step + 1)
    return history


def _accumulate(
    scorer: Scorer,
    pairs: list[Pair],
    objective: Objective,
    recipe: Recipe,
    accelerator: Accelerator,
    frozen: Scorer | None,
    history: History,
) -> tuple[float, list[float]]:
    """Gradients of one global batch; returns its loss and its terms over all processes.

    DDP and FSDP average gradients over processes, so each process's sum is scaled up by their
    number: the total is the mean over the global batch for any split.
    """
    world = accelerator.num_processes
    parts = list(shares(pairs, accelerator.process_index, world, recipe.micro_batch))
    totals = torch.zeros(1 + len(objective.terms), device=accelerator.device)
    for k, (part, counted) in enumerate(parts):
        last = k == len(parts) - 1
        with nullcontext() if last else accelerator.no_sync(scorer):
            batch = score_pairs(scorer, part, objective, accelerator.device, frozen)
            rows = objective.rows(batch)
            share = 1 / len(pairs) if counted else 0.0
            sums = [values.sum() * share for values in (objective.total(rows), *rows)]
            accelerator.backward(sums[0] * world)
        totals += torch.stack(sums).detach()
    history.tokens += sum(len(row.ids) for pair in pairs for row in pair.values())
    loss, *terms = accelerator.reduce(totals, "sum").tolist()
    return loss, terms
