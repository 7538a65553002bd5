"""Names, before any job, training runs of no step or without a learning rate, and those that end
before an epoch that is to be evaluated, as far as the number of rows is known."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import ceil

from unlearning.config.experiment import Experiment
from unlearning.config.judged import TrainingRun, training_runs
from unlearning.config.schema import Unjudged
from unlearning.data.build import Tables, build_tables
from unlearning.data.tables import DataError
from unlearning.errors import UserError
from unlearning.training.plan import Recipe, StepPlan


def step_problems(experiment: Experiment) -> list[str]:
    """Messages about all training runs, as far as their rows are known without a tokenizer."""
    problems: list[str] = []
    # the checks of data and schema report what cannot be read
    with suppress(DataError, OSError, Unjudged):
        counts, tables = _known_rows(experiment)
        for run in training_runs(experiment):
            name = run["table"]
            if name in counts:
                problems += run_problems(run, counts[name])
            elif name in tables:
                problems += _too_few_texts(run, [row["text"] for row in tables[name]])
    return list(dict.fromkeys(problems))


def _known_rows(experiment: Experiment) -> tuple[Mapping[str, int], Tables]:
    """Table -> its rows, and the tables of texts, which a tokenizer cuts into rows."""
    data, benchmark = experiment.config["data"], experiment.benchmark
    counts = {} if benchmark.reads_files(data) else dict(benchmark.row_counts(experiment))
    # tables of the hub are not there yet, and those of large miniatures take long to generate
    if counts or not (benchmark.reads_files(data) or data["source"] in benchmark.generated):
        return counts, {}
    texts: Tables = {}
    for name, rows in build_tables(data, experiment.tables, {}).items():
        if "text" in rows[0]:
            texts[name] = rows
        else:
            counts[name] = len(rows)
    return counts, texts


def _too_few_texts(run: TrainingRun, texts: list[str]) -> Iterator[str]:
    """A message if texts make no batch even with a token for each byte, which is the most."""
    size = sum(len(text.encode()) + 2 for text in texts)  # and an empty line between two
    most = size // (run["recipe"]["max_length"] - 1) + 1  # a sequence may start with another token
    for problem in run_problems(run, most):
        if problem.startswith(f"{run['section']}.batch_size"):
            yield f"{problem} (more rows cannot be made of {len(texts)} texts)"


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
    ends = plan.epoch_ends()
    for epoch in run["trajectory"]:
        # of a few rows several epochs end in one step, whose model is that of the last of them
        step = ceil(epoch * rows / plan.batch_size)
        if step < plan.steps and ends.get(step, epoch) != epoch:
            yield (
                f"{section}.trajectory: epoch {epoch} of {rows} rows ends in the same step of "
                f"{plan.batch_size} as epoch {ends[step]}; name that one in its place, or lower "
                f"{section}.batch_size"
            )
    if plan.steps != recipe["max_steps"]:
        return
    # The last epoch may lack rows of a partial batch. Lacking a whole batch, it never ends.
    for epoch in run["trajectory"]:
        if epoch * rows - plan.steps * plan.batch_size >= plan.batch_size:
            yield (
                f"{section}.trajectory: the run ends before epoch {epoch}, after {steps}; remove "
                f"it, or raise max_steps, {recipe['max_steps']}"
            )
