"""A small results tree in the exact formats of the stages, with made-up but plausible numbers."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy
import pandas
import pytest
import yaml
from folders import ROOT
from unlearning import machine
from unlearning.benchmark import room
from unlearning.config.experiment import Experiment, load_experiment
from unlearning.config.layout import path_id
from unlearning.evaluation.records import read_rows, trajectory_point, write_evaluation
from unlearning.files import write_json, write_text
from unlearning.reporting import report as reporting
from unlearning.reporting.charts.specs import VEGA_LITE, file_spec
from unlearning.reporting.frame import FINAL, relearned, tidy
from unlearning.reporting.labels import RETRAIN, TARGET, model_label
from unlearning.reporting.results import Results, Variant
from unlearning.reporting.section import sections
from unlearning.stages import report
from vl_convert import vegalite_to_svg

COMMIT = "0123456789012345678901234567890123456789"
HOSTILE = [
    "</script><script>window.hacked=1</script>",
    '<img src=x onerror="window.hacked=1">',
    "'\"><svg onload=window.hacked=1> &lt;b&gt; {{ 7 * 7 }}",
    "line\u2028separator\u2029and <!-- comment",
]
ATTACKED = ("NPO+RT", "SimNPO+RT")
SIZES = {"forget": 40, "retain": 24, "real_authors": 12, "world_facts": 12}
HOLDOUT = 20  # rows that no model has seen
# where a method ends: (shift of log x against the retrained model, quality of what it should keep)
ENDS = {
    "target": (1.6, 0.95),
    "retrain": (0.0, 0.95),
    "GA": (-1.1, 0.0),
    "GA+RT": (-0.7, 0.62),
    "GA+KL": (-0.9, 0.5),
    "IDK+RT": (1.3, 0.93),
    "DPO+RT": (0.45, 0.75),
    "NPO": (-0.75, 0.4),
    "NPO+RT": (-0.55, 0.8),
    "NPO+KL": (-0.6, 0.7),
    "SimNPO+RT": (0.02, 0.94),
}


def columns(generator, name: str, shift: float, kept: float, rows: int) -> dict:
    """Columns of one evaluation set. kept: 0 for a ruined model, 1 for a perfect one."""
    forget = name == "forget"
    hurt = 6 * (1 - kept) + 0.15
    loss = generator.gamma(4, (0.3 + max(0, 1.2 - shift) if forget else hurt) / 4, rows)
    truth = shift - 0.2 if forget else 2.5 * kept
    log_ratio = generator.normal(truth, 0.8, rows)
    found = {
        "question": [f"What is fact {i} about author {i % 7} of the {name}?" for i in range(rows)],
        "answer": [f"Author {i % 7} wrote the novel number {i}." for i in range(rows)],
        "answer_loss": loss.tolist(),
        "answer_tokens": [4 + 8 * (i % 2) for i in range(rows)],
        "perturbed_loss": [[v - 0.1, v + 0.1] for v in (loss + log_ratio + 0.1)],
        "perturbed_tokens": [[8, 8]] * rows,
        "generation": [f"Author {i % 7} wrote {round(9 * kept)} plays." for i in range(rows)],
        "rouge_l_recall": (kept * generator.uniform(0.8, 1, rows)).tolist(),
        "extraction_strength": numpy.exp(-loss).tolist(),
        "exact_memorization": numpy.exp(-loss / 2).tolist(),
        "generation_nll": (5 * (1 - kept) + generator.uniform(0, 1, rows)).tolist(),
    }
    if name in ("forget", "retain"):
        found |= {"paraphrase_loss": (loss + 0.1).tolist(), "paraphrase_tokens": [8] * rows}
    else:
        found["perturbed_loss"] = [[v - 0.1, v + 0.1] for v in (loss + log_ratio)]
    return found


def evaluation(seed: int, shift: float, kept: float, sizes: dict[str, int]) -> dict[str, dict]:
    """The four sets of a model; hostile text in the first answers of the forget set."""
    generator = numpy.random.default_rng(seed)
    sets = {n: columns(generator, n, shift, kept, rows) for n, rows in sizes.items()}
    sets["forget"]["generation"][: len(HOSTILE)] = HOSTILE
    sets["forget"]["question"][1] += " <b>bold</b> & 'quoted' \"twice\""
    sets["forget"]["mia_min_k"] = [2 * loss for loss in sets["forget"]["answer_loss"]]
    unseen = generator.gamma(4, 0.4, HOLDOUT)
    sets["holdout"] = {
        "question": [f"What is fact {i} about nobody?" for i in range(HOLDOUT)],
        "answer": ["Nobody knows."] * HOLDOUT,
        "answer_loss": unseen.tolist(),
        "answer_tokens": [8] * HOLDOUT,
        "mia_min_k": (2 * unseen).tolist(),
    }
    return sets


class World:
    """Writes what the stages would have written for every run of one draw of an experiment."""

    def __init__(self, experiment: Experiment, sizes: dict[str, int]):
        self.experiment, self.layout, self.sizes = experiment, experiment.layout, sizes
        self.seed = 10_000 * (experiment.draw - 1)  # added to those of all numbers

    def write(self) -> None:
        """All files of all splits."""
        for number, split in enumerate(self.experiment.splits):
            runs = [self.experiment.target_run, *self.experiment.retrain_runs()]
            for place, run in enumerate(runs):
                shift, kept = ENDS["target" if place == 0 else "retrain"]
                rows = evaluation(self.seed + 900 + 10 * number + place, shift, kept, self.sizes)
                write_evaluation(self.layout.evaluation(split, run), rows, "tofu")
            for cell in self.experiment.cells():
                if cell.split == split:
                    self.cell(cell)
        for cell, attack in self.experiment.attacks():
            self.attack(cell, attack)
        self.records()

    def course(self, cell, progress: float) -> dict[str, dict]:
        """Rows of a cell after a share of its run: from the target to where its method ends."""
        (start, whole), (end, kept) = ENDS["target"], ENDS[cell.method]
        beta = dict(cell.hyper).get("beta", 0)
        if cell.method == "NPO+RT" and beta == 1:
            end, kept = 0.08, 0.9
        bend = progress**0.6
        shift = start + (end - start) * bend
        seed = self.seed + 17 * cell.seed + hash_of(cell.method) + int(100 * progress)
        jitter = numpy.random.default_rng(seed).normal(0, 0.05)
        quality = max(0.0, whole + (kept - whole) * progress + jitter * 0.2)
        quality = quality if kept else max(0.0, quality - 0.02)
        return evaluation(seed, shift + jitter, min(1.0, quality), self.sizes)

    def cell(self, cell) -> None:
        """Evaluation and trajectory of an unlearning run; GA's last seed collapses."""
        plan = {"rows": 40, "batch_size": 8, "epochs": 10, "warmup": 5, "steps": 50, "decay": True}
        collapsed = None
        if cell.method == "GA" and cell.seed == self.experiment.config["unlearn"]["seeds"][-1]:
            collapsed = {"step": 40, "reason": "loss -inf, gradient norm nan"}
        steps = 41 if collapsed else 50
        slope = -2.0 if cell.method.startswith("GA") else -0.02
        losses: list[float | None] = [3 + slope * step + 0.1 * (step % 3) for step in range(steps)]
        if collapsed:
            losses[-1] = None
        points = [
            trajectory_point(epoch, 5 * epoch, self.course(cell, epoch / 10), "tofu")
            for epoch in self.experiment.config["unlearn"]["trajectory"]
        ]
        record = {
            "stage": "unlearn",
            "plan": plan,
            "losses": losses,
            "learning_rates": [1e-3] * steps,
            "tokens": 4000,
            "collapsed": collapsed,
            "points": points,
        }
        write_json(self.layout.trajectory(cell.split, cell.run), record)
        write_evaluation(
            self.layout.evaluation(cell.split, cell.run), self.course(cell, 1.0), "tofu"
        )
        self.benchmark("unlearn", cell.run, 12.5)

    def attack(self, cell, attack: str) -> None:
        """Trajectory of a relearning attack: back towards the target, on the forget set only."""
        points = []
        for epoch in range(4):
            rows = self.course(cell, 1 - epoch * (0.2 if cell.method == "NPO+RT" else 0.1))
            points.append(trajectory_point(epoch, epoch, {"forget": rows["forget"]}, "tofu"))
        plan = {"rows": 8, "batch_size": 4, "epochs": 3, "warmup": 0, "steps": 6, "decay": False}
        record = {"stage": "relearn", "rows": 8, "plan": plan, "losses": [1.0] * 6}
        record |= {"learning_rates": [1e-3] * 6, "tokens": 300, "collapsed": None}
        path = self.layout.trajectory(cell.split, cell.attacked_by(attack))
        write_json(path, {**record, "points": points})

    def records(self) -> None:
        """run.json of the base model, and benchmark files with a gap in them."""
        versions = {"python": "3.11", "torch": "2.13", "transformers": "5.23"}
        record = {"stage": "pretrain", "tokens": 90000, "seed": 0, "versions": versions}
        record["machine"] = {"processor": "x86_64", "gpus": []}
        write_json(self.layout.base / "run.json", record)
        self.benchmark("pretrain", "base", 60.0)
        self.benchmark("evaluate", "a", 2.0)
        self.benchmark("evaluate", "b", 4.0, memory="-")

    def benchmark(self, rule: str, name: str, seconds: float, memory: str = "512.5") -> None:
        """One of Snakemake's benchmark files."""
        header = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
        line = f"{seconds}\t0:00:{seconds:02.0f}\t{memory}\t900\t-\t-\t0.0\t0.0\t99.0\tNA"
        path = self.layout.root / "benchmarks" / rule / f"{name}.tsv"
        write_text(path, f"{header}\n{line}\n")


def write_runs(experiment: Experiment, rows: Callable[[str, float], dict], sets=None) -> None:
    """Evaluations, trajectories and attacks of every run of a benchmark that has an evaluator.

    rows(run, progress): the sets of a model, from the target at progress 0 to the end at 1. sets:
    those that relearning attacks are measured on; all unless stated.
    """
    layout, name = experiment.layout, experiment.benchmark.name
    for split in experiment.own_splits:
        for run in (experiment.target_run, *experiment.retrain_runs()):
            write_evaluation(layout.evaluation(split, run), rows(run, 0.0), name)
    plan = {"rows": 8, "batch_size": 4, "epochs": 2, "warmup": 0, "steps": 4, "decay": False}
    record = {"plan": plan, "losses": [1.0] * 4, "learning_rates": [1e-3] * 4, "tokens": 80}
    record["collapsed"] = None
    on_the_way = experiment.config["unlearn"]["trajectory"]
    for cell in experiment.cells():
        points = [trajectory_point(e, 2 * e, rows(cell.run, e / 2), name) for e in on_the_way]
        trajectory = {"stage": "unlearn", **record, "points": points}
        write_json(layout.trajectory(cell.split, cell.run), trajectory)
        write_evaluation(layout.evaluation(cell.split, cell.run), rows(cell.run, 1.0), name)
    for cell, attack in experiment.attacks():
        points = []
        for epoch in (0, 1, 2):
            found = rows(cell.run, 1 - epoch / 4)
            found = {key: found[key] for key in sets or found}
            points.append(trajectory_point(epoch, epoch, found, name))
        trajectory = {"stage": "relearn", **record, "points": points}
        write_json(layout.trajectory(cell.split, cell.attacked_by(attack)), trajectory)


def hash_of(name: str) -> int:
    """A number of a name, the same in every process."""
    return sum(map(ord, name))


def complete_config(folder: Path, **changes) -> dict:
    """The default experiment, two variants of NPO+RT included, with its results in `folder`."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    config |= {"results": str(folder), "forget_splits": ["forget10"], **changes}
    config["relearn"]["methods"] = [m for m in ATTACKED if m in config["methods"]]
    config["unlearn"]["trajectory"] = [1, 3, 7]
    return load_experiment(config, ROOT).config


def write_world(config: dict, sizes: dict[str, int] = SIZES) -> Experiment:
    """The results tree of a config."""
    experiment = Experiment(config)
    for draw in experiment.draws:
        World(draw, sizes).write()
    return experiment


def every_section(folder: Path) -> dict:
    """A config whose report has every section: a constant learning rate for divergence, a grid,
    replaced references, relearning attacks, harness tasks."""
    methods = {
        "GA": {},
        "IDK+RT": {},
        "NPO": {},
        "NPO+RT": [{"beta": 0.1}, {"beta": 1.0}, REPLACED],
        "SimNPO+RT": {"beta": 2.5, "gamma": [0.0, 1.0]},
    }
    tasks = {"tasks": ["wmdp_bio", "own"], "include_path": str(folder)}
    config = complete_config(folder / "results", methods=methods, harness=tasks)
    config["unlearn"] |= {"schedule": "constant", "warmup_epochs": 0}
    config["relearn"]["methods"] = ["NPO"]
    return config


def write_every_section(folder: Path) -> Experiment:
    """The results tree of every_section()."""
    experiment = write_world(every_section(folder))
    write_replaced_reference(experiment)
    write_accuracies(experiment)
    return experiment


def make_report(config: dict, out: Path, published: str | None = "tofu") -> Path:
    """Run the stage as its rule does; returns the report folder. published: name of the file."""
    arguments = SimpleNamespace(
        settings=json.loads(json.dumps(config)),
        claims=ROOT / "config" / "claims.yaml",
        published=published and ROOT / "config" / "published" / f"{published}.yaml",
        out=out,
    )
    report.run(arguments)
    return out


REPLACED = {"beta": 0.1, "reference": "retrain"}


def declared_files(experiment: Experiment) -> set[str]:
    """The files that a report of an experiment is said to write."""
    files = {"index.html", "results.csv", "results.parquet", "claims.json"}
    for section in sections(experiment.benchmark.name, experiment.benchmark.sections):
        files |= set(section.files)
    return files


def written_files(folder: Path) -> set[str]:
    """The files of a report's folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def write_replaced_reference(experiment: Experiment) -> None:
    """Scores under the reference `retrain`: each forget row e times likelier than the target's."""
    rows = read_rows(experiment.layout.evaluation("forget10", experiment.target_run))["forget"]
    nll = numpy.multiply(rows["answer_loss"], rows["answer_tokens"])
    record = {"nll": [*(nll - 1), 7.0], "tokens": [*rows["answer_tokens"], 5]}
    write_json(experiment.layout.reference("forget10", "retrain"), record)


def write_accuracies(experiment: Experiment) -> None:
    """Summaries of two harness tasks: accuracy 0.2 + seed / 10 on WMDP, 0.5 on the user's."""
    runs = [experiment.target_run, *experiment.retrain_runs()]
    for run in runs + [cell.run for cell in experiment.cells()]:
        write_summary(experiment, run, 0.2 + int(run.rpartition("=")[2]) / 10)


def write_summary(experiment: Experiment, run: str, accuracy: float, asked: str = "abc") -> None:
    """A run's summary of both tasks; asked: digest of the questions."""
    scores = {"stderr": 0.01, "documents": 1273, "version": 1, "asked": asked}
    tasks = {"wmdp_bio": {**scores, "accuracy": accuracy}, "own": {**scores, "accuracy": 0.5}}
    record = {"lm_eval": "0.4.13", "num_fewshot": 0, "limit": None, "tasks": tasks, "parts": {}}
    write_json(experiment.layout.harness("forget10", run), record)


def svg_alone(panels, columns: int, width: int, note: str) -> dict[str, str | bytes]:
    """figure_files without PDF and PNG, which take most of a report's time: test_charts has one."""
    files = specification_alone(panels, columns, width, note)
    if panels:
        files["svg"] = vegalite_to_svg(json.loads(files["vl.json"]), vl_version=VEGA_LITE)
    return files


def specification_alone(panels, columns: int, width: int, note: str) -> dict[str, str | bytes]:
    """figure_files without any picture; a figure without panels is its note."""
    spec = file_spec(panels, columns, width) if panels else {}
    svg = "" if panels else note
    return {"svg": svg, "pdf": b"", "png": b"", "vl.json": json.dumps(spec)}


@contextmanager
def quick(figures=specification_alone) -> Iterator[None]:
    """Reports are made with few pictures or none, without Vega on the page, and without asking
    git."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "_git", lambda folder, *words: COMMIT if "HEAD" in words else "")
        patch.setattr(reporting, "figure_files", figures)
        patch.setattr(reporting, "script", lambda: "/* vega */")
        yield


def run_rows(
    method: str,
    seed: int,
    hyper: tuple[tuple[str, float | str], ...] = (),
    *,
    split: str = "forget10",
    phase: str = FINAL,
    attack: str = "",
    reference: str = "",
    epoch: float | None = None,
    collapsed: bool = False,
    draw: int = 1,
    **metrics: float,
) -> list[tuple]:
    """Rows of the frame of one model at one moment; steps are epochs."""
    no_run = method in (TARGET, RETRAIN)
    variant = "" if no_run else path_id(dict(hyper))
    label = model_label(method, dict(hyper))
    run = f"{method}/seed={seed}" if no_run else f"unlearn/{method}/{variant}/seed={seed}"
    model = (split, method, variant, label, seed, draw, run)
    moment = (phase, attack, reference, epoch, epoch, collapsed)
    return [(*model, *moment, metric, value) for metric, value in metrics.items()]


def results_of(
    experiment, rows: Iterable[tuple], benchmark: str = "tofu", study: str | None = None, **details
) -> Results:
    """What a report would have read, made of rows of the frame."""
    frame = tidy(rows)
    frame = pandas.concat([frame, relearned(frame)], ignore_index=True)
    metrics = room(benchmark, "metrics").METRICS
    splits = list(frame["split"].unique())
    variants = variants_in(experiment, frame)
    return Results(experiment, frame, metrics, variants, {study: splits}, details=details)


def variants_in(experiment, frame: pandas.DataFrame) -> dict[str, dict[str, Variant]]:
    """Split -> label -> variant, with its values as its name in paths spells them."""
    recipe = experiment.config["unlearn"]
    defaults = {"epochs": recipe["epochs"], "lr": recipe["lr"], "reference": TARGET}
    found: dict[str, dict[str, Variant]] = {split: {} for split in frame["split"].unique()}
    models = frame[~frame["method"].isin([TARGET, RETRAIN])]
    models = models.drop_duplicates(["split", "label"])
    columns = (models[name] for name in ("split", "method", "variant", "label"))
    for split, method, variant, label in zip(*columns, strict=True):
        stated = re.findall(r"_?([a-z_]+)=([^_]+)", variant)
        hyper = {key: value if key == "reference" else float(value) for key, value in stated}
        method_hyper = experiment.method(method, hyper).hyper
        complete = {**defaults, **method_hyper, **hyper}
        found[split][label] = Variant(method, variant, label, hyper, complete)
    return found
