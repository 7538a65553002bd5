"""An experiment without a language model: its studies, runs, paths and settings."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from unlearning.benchmark import module_name, schema_file
from unlearning.config.checks import MOST_RUNS, block_problems
from unlearning.config.layout import Layout, grid, points
from unlearning.config.rehearsal import PREFIX
from unlearning.config.schema import ConfigError, Unjudged, did_you_mean, read_schema, validated
from unlearning.methods.registry import FORGET_LOSSES, Losses, code_of, hyper_parameters
from unlearning.methods.terms import AnyHyper, Hyper

GAUSSIAN, MARKOV = ("logistic", "divergence"), "markov"
STUDIES = (*GAUSSIAN, MARKOV)
DRAWS = "draws"  # a key of experiments that train a language model
# Sizes of a rehearsal, of the studies on Gaussian points and of those on Markov chains.
_REHEARSAL_STEPS = {"steps": 20, "every": 5}
_REHEARSAL_CHAINS = {
    "sequences": {"retain": 40, "forget1": 20, "forget2": 20},
    "test_share": 0.5,
    "model": {"layers": 1, "width": 16},
    "pretrain": {"epochs": 1, "batch_size": 4, "lr": 1.0e-3},
    "unlearn": {"iterations": 3, "batch_size": 2, "lr": 1.0e-3},
}
# Methods whose losses a study can compute: they need log-probabilities of labels, and on Gaussian
# points those of both classes.
_ON_POINTS: tuple[str, ...] = ("GA", "GA+RT", "GA+KL", "IDK+RT", "DPO", "DPO+RT", "DPO+KL")
_ON_POINTS += ("NPO", "NPO+RT", "NPO+KL")
_ON_CHAINS = ("GA", "GA+RT", "NPO", "NPO+RT", "SimNPO", "SimNPO+RT")
METHODS = {**dict.fromkeys(GAUSSIAN, _ON_POINTS), MARKOV: _ON_CHAINS}
# Keys of section synthetic.markov that a job gets as they are.
_MARKOV_KEYS: tuple[str, ...] = ("states", "leakage", "sequences", "test_share", "test_rows")
_MARKOV_KEYS += ("model", "pretrain", "unlearn")


def study_hyper(study: str, method: str) -> dict[str, AnyHyper]:
    """A method's hyper-parameters in a study; on Gaussian points its learning rate is one."""
    hyper = dict(hyper_parameters(method))
    if study in GAUSSIAN:
        hyper["lr"] = Hyper(above=0)
    return hyper


@dataclass(frozen=True)
class Job:
    """All methods of one study in one setting with one seed."""

    study: str
    setting: str
    seed: int


@dataclass(frozen=True)
class SyntheticExperiment:
    """A complete, valid config and what follows from it."""

    config: dict
    on_language_model = False
    table_entries = ()
    draws_tables = False

    @property
    def draws(self) -> list["SyntheticExperiment"]:
        return [self]  # each of its seeds draws all of a job anew

    @property
    def benchmark(self) -> "Synthetic":
        return BENCHMARK

    def code_of(self, *rooms: str) -> list[str]:
        """Full names of modules of this folder, or of definitions in them, for digests of code."""
        return [module_name("synthetic", name) for name in rooms]

    @property
    def layout(self) -> Layout:
        name = self.config["experiment"]
        return Layout(self.config["results"], name, name)

    @property
    def losses(self) -> Losses:
        return FORGET_LOSSES  # methods of the user's do not run here

    @property
    def studies(self) -> dict[str, dict]:
        """Study -> its section of the config, for the studies that the config has."""
        sections = self.config["synthetic"]
        return {name: sections[name] for name in STUDIES if name in sections}

    def settings_of(self, study: str) -> dict[str, dict]:
        """Name of a study's setting in paths (alpha=1, or length) -> its block in the config."""
        section = self.studies[study]
        # Settings of Markov chains share methods and recipes; job_settings says where they differ.
        if study == MARKOV:
            return dict.fromkeys(section["studies"], section)
        return {setting_name(setting): setting for setting in section["settings"]}

    def jobs(self) -> list[Job]:
        """A job for each study, setting and seed."""
        jobs = []
        for study, section in self.studies.items():
            for setting in self.settings_of(study):
                jobs += [Job(study, setting, seed) for seed in section["seeds"]]
        return jobs

    def curves(self, job: Job) -> Path:
        """The file that a job writes."""
        return self.layout.root / job.study / job.setting / f"seed={job.seed}" / "curves.json"

    def runs(self, study: str, setting: str) -> list[dict]:
        """The unlearning runs of a job: method, and the hyper-parameters that the config states."""
        runs = []
        for method, block in self.settings_of(study)[setting]["methods"].items():
            runs += [{"method": method, "hyper": hyper} for hyper in grid(block)]
        return runs

    def methods_code(self, study: str, setting: str) -> list[str]:
        """Full names of the definitions of a job's methods, for its digest of code."""
        names = set()  # runs of one method share its definitions
        for run in self.runs(study, setting):
            names.update(code_of(run["method"]))
        return sorted(names)

    def job_settings(self, study: str, setting: str) -> dict:
        """Settings of the jobs of a study and setting."""
        section, runs = self.studies[study], self.runs(study, setting)
        if study != MARKOV:
            return {
                "gaussian": self.config["synthetic"]["gaussian"],
                "alpha": self.settings_of(study)[setting]["alpha"],
                "steps": section["steps"],
                "every": section["every"],
                "runs": runs,
            }
        # Setting `length` makes forget2 short; `memorization` hides it from the target.
        lengths = dict.fromkeys(("retain", "forget1", "forget2"), section["long"])
        learnt = ["retain", "forget1"]
        if setting == "length":
            lengths["forget2"] = section["short"]
            learnt.append("forget2")
        # other keys are of other settings or of the experiment: they must rerun nothing here
        settings = {key: section[key] for key in _MARKOV_KEYS}
        return {**settings, "lengths": lengths, "learnt": learnt, "runs": runs}


def rehearsal(config: dict) -> dict:
    """The rehearsal of a complete synthetic config: its studies, settings and methods, one seed."""
    config = deepcopy(config)
    config["experiment"] = PREFIX + config["experiment"]
    sections = config["synthetic"]
    for study in STUDIES:
        if study in sections:
            sections[study] |= _REHEARSAL_STEPS if study in GAUSSIAN else _REHEARSAL_CHAINS
            sections[study]["seeds"] = sections[study]["seeds"][:1]
    sections["gaussian"]["steps"] = 100  # of the target and the retrained model
    return config


def setting_name(setting: dict) -> str:
    """Name of a setting of Gaussian points in paths: alpha=0.5."""
    return f"alpha={setting['alpha']:g}"


def _problems(experiment: SyntheticExperiment) -> Iterator[str]:
    """Problems of a config that the schema does not see."""
    if not experiment.studies:
        yield f"synthetic: names no study. Allowed: {', '.join(STUDIES)}"
    for study, section in experiment.studies.items():
        with suppress(Unjudged):
            yield from _study_problems(study, section)


def _study_problems(study: str, section: dict) -> Iterator[str]:
    key = f"synthetic.{study}"
    if study == MARKOV:
        yield from _method_problems(study, f"{key}.methods", section["methods"])
        yield from _markov_problems(key, section)
        return
    for number, setting in enumerate(section["settings"]):
        yield from _method_problems(study, f"{key}.settings.{number}.methods", setting["methods"])
    # alpha 1 and 1.0 would write into the same folder.
    counts = Counter(map(setting_name, section["settings"]))
    for name, count in sorted(counts.items()):
        if count > 1:
            yield f"{key}.settings: {name} is listed twice"
    # The quantities of a curve need its half and its end.
    if section["every"] > section["steps"] // 2:
        yield (
            f"{key}.every: must be at most half of the {section['steps']} steps, found "
            f"{section['every']}"
        )


def _method_problems(study: str, key: str, methods: dict[str, dict]) -> Iterator[str]:
    allowed = METHODS[study]
    for name, block in methods.items():
        if name in allowed:
            yield from block_problems(f"{key}.{name}", block, study_hyper(study, name))
        else:
            yield (
                f"{key}: unknown method '{name}'{did_you_mean(name, list(allowed))} Allowed: "
                f"{', '.join(allowed)}"
            )
    runs = sum(map(points, methods.values()))
    if runs > MOST_RUNS:
        yield f"{key}: their grids make {runs:,} runs; at most {MOST_RUNS:,}. Shorten the lists"


def _markov_problems(key: str, section: dict) -> Iterator[str]:
    if "length" in section["studies"] and section["short"] >= section["long"]:
        yield (
            f"{key}.short: study length shortens forget2, so it must be less than long, "
            f"{section['long']}; found {section['short']}"
        )
    for name, count in section["sequences"].items():
        held_out = round(section["test_share"] * count)
        if not 0 < held_out < count:
            yield (
                f"{key}.sequences.{name}: test_share {section['test_share']:g} of {count} leaves "
                "none to test on, or none to train on"
            )


class Synthetic:
    """The papers' studies without a language model, as a benchmark."""

    name, title = "synthetic", "Synthetic studies"
    split_pattern = "-"  # matches no name: there are no forget splits
    sections = ("overview", "studies", "results", "claims", "cost", "provenance", "cite")

    def study_methods(self, study: str) -> dict[str, set[str]]:
        """Method -> its hyper-parameters, in a study that a claim names."""
        return {method: set(study_hyper(study, method)) for method in METHODS[study]}

    def experiment(self, config: dict) -> SyntheticExperiment:
        return SyntheticExperiment(config)

    def load(self, config: dict) -> SyntheticExperiment:
        """The experiment that `config` describes; ConfigError with all problems otherwise."""
        # without `draws`, whose refusal by the schema would not say what to do instead
        section = {key: value for key, value in config.items() if key != DRAWS}
        complete, problems = validated(section, read_schema(schema_file("synthetic")))
        if DRAWS in config:
            problems.append(
                f"{DRAWS}: found {config[DRAWS]!r}, but a synthetic study draws data, model and "
                "training anew with each of its seeds; remove it and list more seeds, as in "
                "synthetic.logistic.seeds"
            )
        experiment = SyntheticExperiment(complete)
        # A check that meets a value that the schema refused stops; problems found before it count.
        with suppress(Unjudged):
            problems += _problems(experiment)
        if problems:
            raise ConfigError(problems, experiment)
        if experiment.config["rehearsal"]:
            return SyntheticExperiment(rehearsal(experiment.config))
        return experiment


BENCHMARK = Synthetic()
