"""The figures of the report: panels for the page, and SVG files."""

from unlearning.benchmarks.tofu.reporting import (
    divergence_view,
    reference_view,
    strata_view,
    weights_view,
)
from unlearning.benchmarks.tofu.reporting.curves import relearning_panels, trajectory_panels
from unlearning.benchmarks.tofu.reporting.grids import grids
from unlearning.benchmarks.tofu.reporting.losses import loss_panels
from unlearning.benchmarks.tofu.reporting.maps import grid_panels, peak_panel
from unlearning.benchmarks.tofu.reporting.results import Results
from unlearning.benchmarks.tofu.reporting.scatter import scatter_panel
from unlearning.reporting.charts import Panel, notice_svg, svg
from unlearning.reporting.palette import REFERENCE_STYLES, Style, variant_styles

NO_TRAJECTORY = (
    "Only the start and the end of each run are known: set unlearn.trajectory to the epochs to "
    "evaluate."
)
NO_RUNS = "No unlearning run has been evaluated yet."
NO_PEAK = "Peaks need evaluations on the way: set unlearn.trajectory to the epochs to evaluate."
NO_GRID = "No method has a grid: give one of its hyper-parameters a list of values."
NO_ATTACK = "No relearning attack was run: set relearn.methods to the methods to attack."
NO_STRATA = "All forget rows are alike in length and in memorisation: there are no strata."
NO_WEIGHTS = "No NPO or SimNPO run has been evaluated yet."
NO_DIVERGENCE = (
    "No method without a retain term was run at a constant learning rate with evaluations on the "
    "way: see mini-divergence."
)
NO_REFERENCE = "No run has another reference than the target: see mini-reference-bias."


def styles(results: Results) -> dict[str, Style]:
    """Label -> style of every model of the experiment, references first."""
    unlearned = {
        label: models[0].method
        for split in results.splits
        for label, models in split.variants().items()
    }
    return REFERENCE_STYLES | variant_styles(unlearned)


def page_figures(results: Results, styles: dict[str, Style]) -> dict[str, list[Panel]]:
    """Figure name -> its panels on the page."""
    return {
        "fq_mu": [scatter_panel(split, styles) for split in results.splits],
        "trajectories": [
            panel
            for split in results.splits
            if split.courses
            for panel in trajectory_panels(split, styles)
        ],
        "peaks": [panel for split in results.splits for panel in peak_panel(split, styles)],
        "grids": [panel for split in results.splits for panel in grid_panels(split, styles)],
        "relearning": [
            panel for split in results.splits for panel in relearning_panels(split, styles)
        ],
        **{f"losses_{split.split}": loss_panels(split, styles) for split in results.splits},
        **analyses(results, styles),
        "divergence": [p for s in results.splits for p in divergence_view.panels(s, styles)],
    }


def analyses(results: Results, styles: dict[str, Style]) -> dict[str, list[Panel]]:
    """The figures of the SimNPO paper's analyses of NPO; the same on the page and as SVG."""
    splits = results.splits
    return {
        "strata": [panel for split in splits for panel in strata_view.panels(split, styles)],
        "reference": [panel for split in splits for panel in reference_view.panels(split)],
        "weights": [p for split in splits for p in weights_view.epoch_panels(split, styles)],
        "weights_length": [p for split in splits for p in weights_view.length_panels(split)],
    }


def svg_figures(results: Results, styles: dict[str, Style]) -> dict[str, str]:
    """File name -> SVG. Always all of them: a figure without data says what to set."""
    splits = results.splits
    scatter = [scatter_panel(split, styles, legend=True) for split in splits]
    trajectories = [
        p for s in splits if s.courses for p in trajectory_panels(s, styles, legend=True)
    ]
    attacks = [panel for split in splits for panel in relearning_panels(split, styles, legend=True)]
    at_peak = [panel for split in splits for panel in peak_panel(split, styles, legend=True)]
    fallen = [p for s in splits for p in divergence_view.panels(s, styles, legend=True)]
    over_grid = [panel for split in splits for panel in grid_panels(split, styles)]
    return {
        **_analyses_svg(results, styles),
        "peaks.svg": svg(at_peak, columns=2, width=420) if at_peak else notice_svg(NO_PEAK),
        "grids.svg": svg(over_grid, columns=2) if over_grid else notice_svg(NO_GRID),
        "divergence.svg": svg(fallen, columns=3) if fallen else notice_svg(NO_DIVERGENCE),
        "fq_mu.svg": svg(scatter, columns=2, width=420),
        "trajectories.svg": svg(trajectories, columns=3) if trajectories else notice_svg(NO_RUNS),
        "relearning.svg": svg(attacks, columns=2) if attacks else notice_svg(NO_ATTACK),
    }


def _analyses_svg(results: Results, styles: dict[str, Style]) -> dict[str, str]:
    found = analyses(results, styles)
    both = zip(found["weights"], found["weights_length"], strict=True)
    weights = [panel for pair in both for panel in pair]
    return {
        "strata.svg": svg(found["strata"], 2) if found["strata"] else notice_svg(NO_STRATA),
        "weights.svg": svg(weights, 4, 220) if weights else notice_svg(NO_WEIGHTS),
        "reference.svg": svg(found["reference"], 2)
        if found["reference"]
        else notice_svg(NO_REFERENCE),
    }


def notes(results: Results) -> dict[str, str]:
    """Figure name -> what is missing from it and what to set; only where something is."""
    found = {}
    if not results.experiment.config["unlearn"]["trajectory"]:
        found |= {"trajectories": NO_TRAJECTORY, "peaks": NO_PEAK}
    if not any(grids(split) for split in results.splits):
        found["grids"] = NO_GRID
    if not any(split.attacks for split in results.splits):
        found["relearning"] = NO_ATTACK
    return found
