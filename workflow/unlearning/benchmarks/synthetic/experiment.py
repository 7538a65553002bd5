"""An experiment without a language model: its studies, runs, paths and settings."""

from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from unlearning.benchmark import module_name, schema_file
from unlearning.config.checks import MOST_RUNS, block_problems
from unlearning.config.layout import Layout, grid, points
from unlearning.config.rehearsal import PREFIX
from unlearning.config.schema import (
    ConfigError,
    Unjudged,
    did_you_mean,
    read_schema,
    validated,
)
from unlearning.methods.registry import FORGET_LOSSES, Losses, code_of, hyper_parameters
from unlearning.methods.terms import Hyper

GAUSSIAN, MARKOV = ("logistic", "divergence"), "markov"
STUDIES = (*GAUSSIAN, MARKOV)
DRAWS = "draws"  # a key of experiments that train a language model
# sizes of a rehearsal, on Gaussian points and of Markov chains
_STEPS = {"steps": 20, "every": 5}
_CHAINS = {
    "sequences": {"retain": 40, "forget1": 20, "forget2": 20},
    "test_share": 0.5,
    "model": {"layers": 1, "width": 16},
    "pretrain": {"epochs": 1, "batch_size": 4, "lr": 1.0e-3},
    "unlearn": {"iterations": 3, "batch_size": 2, "lr": 1.0e-3},
}
# whose losses need what the study has: log-probabilities of labels, on points also of both classes
METHODS = {
    **dict.fromkeys(
        GAUSSIAN,
        (
            *("GA", "GA+RT", "GA+KL", "IDK+RT", "DPO", "DPO+RT", "DPO+KL"),
            *("NPO", "NPO+RT", "NPO+KL"),
        ),
    ),
    MARKOV: ("GA", "GA+RT", "NPO", "NPO+RT", "SimNPO", "SimNPO+RT"),
}


def study_hyper(study: str, method: str) -> dict[str, Hyper]:
    """What may be stated of a method; on Gaussian points each has a learning rate of its own."""
    own = {"lr": Hyper(above=0)} if study in GAUSSIAN else {}
    return {**hyper_parameters(method), **own}


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
        """One: each of its seeds draws all of a job anew."""
        return [self]

    @property
    def benchmark(self) -> "Synthetic":
        """What the shared rooms know of it."""
        return BENCHMARK

    def code_of(self, *rooms: str) -> list[str]:
        """Code of its folder that a stage finds by name: rooms, or definitions in them."""
        return [module_name("synthetic", name) for name in rooms]

    @property
    def layout(self) -> Layout:
        """Paths of its results."""
        return Layout(self.config["results"], *[self.config["experiment"]] * 2)

    @property
    def assets(self) -> dict[str, dict]:
        """Nothing comes from the hub."""
        return {}

    @property
    def losses(self) -> Losses:
        """The registry's: no method of one's own runs here."""
        return FORGET_LOSSES

    @property
    def studies(self) -> dict[str, dict]:
        """Study -> its section of the config, of those that are run."""
        return {name: self.config["synthetic"][name] for name in STUDIES if self._has(name)}

    def _has(self, study: str) -> bool:
        return study in self.config["synthetic"]

    def settings_of(self, study: str) -> list[str]:
        """The settings of a study, as paths spell them: alpha=1, or length."""
        section = self.studies[study]
        if study == MARKOV:
            return section["studies"]
        return [spell_alpha(setting) for setting in section["settings"]]

    def jobs(self) -> list[Job]:
        """One for each study, setting and seed."""
        return [
            Job(study, setting, seed)
            for study, section in self.studies.items()
            for setting in self.settings_of(study)
            for seed in section["seeds"]
        ]

    def curves(self, job: Job) -> Path:
        """What a job writes."""
        return self.layout.root / job.study / job.setting / f"seed={job.seed}" / "curves.json"

    def runs(self, study: str, setting: str) -> list[dict]:
        """The unlearning runs of a job: method, and the values that the config states."""
        section = self.studies[study]
        if study != MARKOV:
            section = next(s for s in section["settings"] if spell_alpha(s) == setting)
        return [
            {"method": method, "hyper": hyper}
            for method, stated in section["methods"].items()
            for hyper in grid(stated)
        ]

    def methods_code(self, study: str, setting: str) -> list[str]:
        """The code of the methods that a job runs, for its digest."""
        methods = {run["method"] for run in self.runs(study, setting)}
        return sorted({entry for method in methods for entry in code_of(method)})

    def job_settings(self, study: str, setting: str) -> dict:
        """What the jobs of a setting are told."""
        section, runs = self.studies[study], self.runs(study, setting)
        if study == MARKOV:
            lengths = dict.fromkeys(("retain", "forget1", "forget2"), section["long"])
            learnt = ["retain", "forget1"]
            if setting == "length":
                lengths["forget2"] = section["short"]
                learnt.append("forget2")
            kept = ("states", "leakage", "sequences", "test_share", "test_rows", "model")
            kept += ("pretrain", "unlearn")
            own = {key: section[key] for key in kept}
            return {**own, "lengths": lengths, "learnt": learnt, "runs": runs}
        alpha = next(s["alpha"] for s in section["settings"] if spell_alpha(s) == setting)
        own = {"alpha": alpha, "steps": section["steps"], "every": section["every"]}
        return {"gaussian": self.config["synthetic"]["gaussian"], **own, "runs": runs}


def rehearsed(config: dict) -> dict:
    """The rehearsal of a complete synthetic config: its studies, settings and methods, one seed."""
    found = deepcopy(config)
    found["experiment"] = PREFIX + found["experiment"]
    studies = found["synthetic"]
    small = {"logistic": _STEPS, "divergence": _STEPS, "markov": _CHAINS}
    for study in small.keys() & studies.keys():
        studies[study] |= {**small[study], "seeds": studies[study]["seeds"][:1]}
    studies["gaussian"] |= {"steps": 100}
    return found


def spell_alpha(setting: dict) -> str:
    """alpha=0.5."""
    return f"alpha={setting['alpha']:g}"


def load(config: dict) -> SyntheticExperiment:
    """The experiment that `config` describes; ConfigError with all problems otherwise."""
    stated = {key: value for key, value in config.items() if key != DRAWS}
    complete, problems = validated(stated, read_schema(schema_file("synthetic")))
    if DRAWS in config:
        problems.append(
            f"{DRAWS}: found {config[DRAWS]!r}, but a synthetic study draws data, model and "
            "training anew with each of its seeds; remove it and list more seeds, as in "
            "synthetic.logistic.seeds"
        )
    experiment = SyntheticExperiment(complete)
    with suppress(Unjudged):
        for problem in _problems(experiment):
            problems.append(problem)
    if problems:
        raise ConfigError(problems, experiment)
    if experiment.config["rehearsal"]:
        return SyntheticExperiment(rehearsed(experiment.config))
    return experiment


def _problems(experiment: SyntheticExperiment) -> Iterator[str]:
    """What the schema cannot say."""
    if not experiment.studies:
        yield f"synthetic: names no study. Allowed: {', '.join(STUDIES)}"
    for study, section in experiment.studies.items():
        with suppress(Unjudged):
            yield from _study_problems(experiment, study, section)


def _study_problems(experiment: SyntheticExperiment, study: str, section: dict) -> Iterator[str]:
    place = f"synthetic.{study}"
    if study == MARKOV:
        yield from _method_problems(study, f"{place}.methods", section["methods"])
        yield from _markov_problems(place, section)
        return
    for number, setting in enumerate(section["settings"]):
        yield from _method_problems(study, f"{place}.settings.{number}.methods", setting["methods"])
    spelled = experiment.settings_of(study)
    for twice in sorted({s for s in spelled if spelled.count(s) > 1}):
        yield f"{place}.settings: {twice} is listed twice"
    if section["every"] > section["steps"] // 2:
        yield (
            f"{place}.every: must be at most half of the {section['steps']} steps, found "
            f"{section['every']}"
        )


def _method_problems(study: str, place: str, methods: dict[str, dict]) -> Iterator[str]:
    allowed = METHODS[study]
    for name, stated in methods.items():
        if name in allowed:
            yield from block_problems(f"{place}.{name}", stated, study_hyper(study, name))
        else:
            yield (
                f"{place}: unknown method '{name}'{did_you_mean(name, list(allowed))} Allowed: "
                f"{', '.join(allowed)}"
            )
    runs = sum(map(points, methods.values()))
    if runs > MOST_RUNS:
        yield f"{place}: their grids make {runs:,} runs; at most {MOST_RUNS:,}. Shorten the lists"


def _markov_problems(place: str, section: dict) -> Iterator[str]:
    for name, count in section["sequences"].items():
        held_out = round(section["test_share"] * count)
        if not 0 < held_out < count:
            yield (
                f"{place}.sequences.{name}: test_share {section['test_share']:g} of {count} leaves "
                "none to test on, or none to train on"
            )


class Synthetic:
    """The papers' studies without a language model."""

    name, title = "synthetic", "Synthetic studies"
    split_pattern = "-"  # there is none
    sections = ("overview", "studies", "results", "claims")
    sections += ("cost", "provenance", "cite")

    def study_methods(self, study: str) -> dict[str, set[str]]:
        """Method -> its hyper-parameters, in a study that claims name."""
        return {method: set(study_hyper(study, method)) for method in METHODS[study]}

    def experiment(self, config: dict) -> SyntheticExperiment:
        """The experiment of a complete, valid config."""
        return SyntheticExperiment(config)

    def load(self, config: dict) -> SyntheticExperiment:
        """The experiment that `config` describes; ConfigError with all problems otherwise."""
        return load(config)


BENCHMARK = Synthetic()
