"""Names, before any job, training runs of no step or without a learning rate, and those that end
before an epoch that is to be evaluated, as far as the number of rows is known."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from unlearning.config.experiment import Experiment
from unlearning.config.judged import TrainingRun, training_runs
from unlearning.config.schema import Unjudged
from unlearning.data.build import build_tables
from unlearning.data.tables import DataError
from unlearning.errors import UserError
from unlearning.training.plan import Recipe, StepPlan


def step_problems(experiment: Experiment) -> list[str]:
    """Messages about all training runs on tables whose rows can be counted without a tokenizer."""
    problems: list[str] = []
    # the checks of data and schema report what cannot be read
    with suppress(DataError, OSError, Unjudged):
        counts = _row_counts(experiment)
        for run in training_runs(experiment):
            if run["table"] in counts:
                problems += run_problems(run, counts[run["table"]])
    return list(dict.fromkeys(problems))


def _row_counts(experiment: Experiment) -> Mapping[str, int]:
    """Table -> its rows; none of texts, which a tokenizer cuts into rows."""
    data, counts = experiment.config["data"], {}
    if not experiment.benchmark.reads_files(data):
        return experiment.benchmark.row_counts(experiment)
    for name, rows in build_tables(data, experiment.tables, {}).items():
        if "text" not in rows[0]:
            counts[name] = len(rows)
    return counts


def run_problems(run: TrainingRun, table_rows: int) -> Iterator[str]:
    """Messages about a run on a share of so many rows."""
    section, recipe = run["section"], run["recipe"]
    rows = table_rows
    if run["share"] is not None:
        rows = max(1, round(run["share"] * table_rows))  # as stage relearn counts the attacker's
    try:
        # the other fields change no number of steps
        plan = StepPlan.of(
            Recipe(lr=0, schedule="linear", weight_decay=0, clip_norm=None, **recipe), rows
        )
    except UserError as error:
        yield f"{section}.batch_size: {error}"
        return
    steps = f"{plan.steps} steps of {plan.batch_size} of {rows} rows"
    # the first step of a warm-up has a learning rate of 0
    if not any(map(plan.lr_factor, range(plan.steps))):
        key = "warmup_epochs" if recipe["warmup_steps"] is None else "warmup_steps"
        yield (
            f"{section}.{key}: {recipe[key]:g} are {plan.warmup} steps of warm-up, but the run "
            f"takes {steps}, at a learning rate of 0; set {key} to 0, or raise epochs"
        )
    if plan.steps != recipe["max_steps"]:
        return
    for epoch in run["trajectory"]:
        if epoch * rows - plan.steps * plan.batch_size >= plan.batch_size:
            yield (
                f"{section}.trajectory: the run ends before epoch {epoch}, after {steps}; remove "
                f"it, or raise max_steps, {recipe['max_steps']}"
            )
