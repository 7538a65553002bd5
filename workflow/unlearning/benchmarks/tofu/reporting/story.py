"""The headline: what was run, in numbers and in the field's words."""

from dataclasses import dataclass

from unlearning.benchmarks.tofu.reporting.results import Results
from unlearning.reporting.labels import SETS
from unlearning.reporting.setup import models, recipe


@dataclass(frozen=True)
class Story:
    """What the opening paragraph says."""

    experiment: str
    models: str
    data: str
    splits: list[str]
    methods: list[str]
    variants: int
    seeds: int
    retrained: int
    evaluated: int
    planned: int
    rows: list[str]
    recipe: str


def summarise_experiment(results: Results) -> Story:
    """The experiment in brief."""
    experiment, config = results.experiment, results.experiment.config
    cells = experiment.cells()
    return Story(
        experiment=config["experiment"],
        models=models(config),
        data=data_source(config["data"]),
        splits=experiment.splits,
        methods=experiment.methods,
        variants=len({(cell.method, cell.variant) for cell in cells}),
        seeds=len(config["unlearn"]["seeds"]),
        retrained=len(experiment.retrain_runs()),
        evaluated=sum(len(split.unlearned) for split in results.splits),
        planned=len(cells),
        rows=[row_counts(split.rows) for split in results.splits],
        recipe=recipe(config["unlearn"]),
    )


def data_source(data: dict) -> str:
    """The data in words."""
    if data["source"] == "mini":
        mini = data["mini"]
        return (
            f"the generated mini world ({mini['authors']} fictitious authors, "
            f"{mini['questions_per_author']} questions each)"
        )
    kept = data["retain_authors"]
    return "TOFU" if kept is None else f"TOFU with {kept} retain authors"


def row_counts(rows: dict[str, int]) -> str:
    """Forget set 96, retain set 300, …: numbers of questions."""
    return ", ".join(f"{SETS.get(name, name).lower()} {count}" for name, count in rows.items())
