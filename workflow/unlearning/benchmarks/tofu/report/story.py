"""The headline: what was run, in numbers and in the field's words."""

from dataclasses import dataclass

from unlearning.assets.gguf import is_gguf
from unlearning.benchmarks.tofu.report.results import Results
from unlearning.reporting.labels import SETS


@dataclass(frozen=True)
class Story:
    """What the opening paragraph says."""

    experiment: str
    base: str
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


def tell(results: Results) -> Story:
    """The experiment in brief."""
    experiment, config = results.experiment, results.experiment.config
    cells = experiment.cells()
    return Story(
        experiment=config["experiment"],
        base=base_model(config["model"]),
        data=data_source(config["data"]),
        splits=experiment.splits,
        methods=experiment.methods,
        variants=len({(cell.method, cell.variant) for cell in cells}),
        seeds=len(config["unlearn"]["seeds"]),
        retrained=len(config["retrain"]["seeds"]),
        evaluated=sum(len(split.unlearned) for split in results.splits),
        planned=len(cells),
        rows=[row_counts(split.rows) for split in results.splits],
        recipe=recipe(config["unlearn"]),
    )


def base_model(model: dict) -> str:
    """The base model in words."""
    shape = model["architecture"]
    if shape is None:
        name = model["path"].rstrip("/").rpartition("/")[2]
        return f"{name}, quantised and restored to full weights" if is_gguf(name) else name
    return (
        f"a Llama from random weights ({shape['layers']} layers, {shape['width']} wide, "
        f"{shape['heads']} heads)"
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


def recipe(unlearn: dict) -> str:
    """The shared recipe of the unlearning runs."""
    return (
        f"{unlearn['epochs']:g} epochs, batch {unlearn['batch_size']}, learning rate "
        f"{unlearn['lr']:g}".replace("e-0", "e-")
    )
