"""The claims as the user writes them (config/claims.yaml): read and check, all problems at once."""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unlearning.benchmark import SOURCES, WITHOUT_DATA, room
from unlearning.config.own_metrics import NAME
from unlearning.config.schema import did_you_mean
from unlearning.config.strict import read_file
from unlearning.errors import UserError
from unlearning.evaluation.metrics import LOG10, Metric
from unlearning.methods.references import can_be_replaced
from unlearning.methods.registry import (
    FORGET_LOSSES,
    Losses,
    hyper_parameters,
    known,
    names,
    terms,
)
from unlearning.reporting.labels import RETRAIN, TARGET, model_label

_REQUIRED = {"id", "statement", "source", "metric", "of", "relation"}
_OPTIONAL = {"study", "value", "than", "than_metric", "factor", "margin", "scale"}
_OPTIONAL |= {"seeds_at_least", "explanation"}
_OPTIONAL |= {"experiment", "splits"}
_OVERRIDES = {"epochs", "lr"}
CONFIG = Path(__file__).parents[4] / "config"
# Kind of experiment that holds what a claim is about -> the shipped ones, mini and full size.
EXPERIMENTS = {
    "methods": ("config.yaml", "experiments/tofu-llama2-7b.yaml"),
    "splits": ("experiments/mini-splits.yaml", "experiments/tofu-llama2-7b.yaml"),
    "large-splits": (
        "experiments/mini-large-splits.yaml",
        "experiments/tofu-large-splits-llama2-7b.yaml",
    ),
    "retain-weight": (
        "experiments/mini-retain-weight.yaml",
        "experiments/tofu-retain-weight-llama2-7b.yaml",
    ),
    "divergence": (
        "experiments/mini-divergence.yaml",
        "experiments/tofu-divergence-llama2-7b.yaml",
    ),
    "map": ("experiments/mini-map-npo.yaml", "experiments/tofu-map-npo-llama2-7b.yaml"),
    "reference-bias": (
        "experiments/mini-reference-bias.yaml",
        "experiments/tofu-reference-bias-llama2-7b.yaml",
    ),
    "relearning": (
        "experiments/mini-relearning.yaml",
        "experiments/tofu-relearning-llama2-7b.yaml",
    ),
}
# Which of a method's results: besides hyper-parameters, what a selection may say.
_CHOICES = {"at": ["last", "peak"], "pick": ["tuned"], "attack": ["random", "shortest"]}


@cache
def _homes() -> dict[str | None, str]:
    """Study of a claim -> the benchmark that judges it; None: of a claim that names no study."""
    names = (*SOURCES, *WITHOUT_DATA)
    return {study: name for name in names for study in room(name, "metrics").STUDIES}


class _Metrics(dict):
    """A study's metrics; any other name may be a metric of a config's own, which has a title."""

    def __missing__(self, name: str) -> Metric:
        return Metric(name, "", "a metric of a config's own")


def metrics_of(study: str | None) -> dict[str, Metric]:
    """The metrics that claims about a study may name."""
    return _Metrics(room(_homes()[study], "metrics").STUDIES[study])


def _methods_of(study: str | None) -> dict[str, set[str]] | None:
    """Method -> its hyper-parameters in a study; None where the registry's methods run."""
    return room(_homes()[study], "experiment").BENCHMARK.study_methods(study)


@dataclass(frozen=True)
class Selection:
    """Models: a method and, where stated, values of its hyper-parameters.

    at: the last epoch, or that of the variant's peak FQ (peaks.py). pick: tuned takes the one
    variant that the rule of grids.py chooses. attack: only that relearning attack.
    """

    method: str
    hyper: tuple[tuple[str, float], ...] = ()
    at: str = "last"
    pick: str = ""
    attack: str = ""

    @property
    def constant(self) -> bool:
        """Whether these models have no unlearning seed."""
        return self.method in (TARGET, RETRAIN)

    @property
    def label(self) -> str:
        """Its name on the page."""
        attack = self.attack and f"attack with {self.attack} rows"
        at_peak = self.at == "peak" and "at peak FQ"
        words = [model_label(self.method, dict(self.hyper)), self.pick, at_peak, attack]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True)
class Claim:
    """metric(of) `relation` value, or factor * metric(than) + margin; both sides on `scale`.

    than_metric: compares each variant with another metric of its own: factor * than_metric(of) +
    margin. study: the synthetic study or the benchmark (muse, wmdp) that it is judged in; None for
    TOFU and the mini world.
    experiment: kind of experiment that has the data. splits: where it is judged; all if empty.
    """

    id: str
    statement: str
    source: str
    metric: str
    of: Selection
    relation: str
    value: float | None = None
    than: Selection | None = None
    than_metric: str | None = None
    factor: float = 1.0
    margin: float = 0.0
    scale: str = "linear"
    seeds_at_least: int = 3
    explanation: str = ""
    experiment: str = "methods"
    splits: tuple[str, ...] = ()
    study: str | None = None


def load_claims(path: Path) -> list[Claim]:
    """The claims of a file; UserError that names claim, value and what is allowed otherwise.

    A method that the registry does not have may be a config's own: unknown_methods() says so.
    """
    content, repeated = read_file(Path(path))
    entries = content.get("claims")
    if not isinstance(entries, list):
        raise UserError(f"{path}: must be a mapping with a list of `claims`")
    problems = [p for number, entry in enumerate(entries) for p in _problems(entry, number)]
    ids = Counter(str(entry.get("id")) for entry in entries if isinstance(entry, dict))
    problems += [f"claim {i}: the id is used {n} times" for i, n in ids.items() if n > 1]
    problems += repeated
    if problems:
        raise UserError("\n".join([f"{path} cannot be used:", *(f"- {p}" for p in problems)]))
    return [_claim(entry) for entry in entries]


def experiments_with(claim: Claim) -> list[str]:
    """The shipped experiments of a claim's kind that have one of its splits, mini first."""
    fitting = []
    for name in EXPERIMENTS[claim.experiment]:
        if not claim.splits or set(claim.splits) & _splits_of(name):
            fitting.append(f"config/{name}")
    return fitting


@cache
def _splits_of(name: str) -> frozenset[str]:
    """The forget splits of a shipped experiment; many claims ask for the same few files."""
    content, _ = read_file(CONFIG / name)
    return frozenset(content["forget_splits"])


def unknown_methods(claims: list[Claim], losses: Losses) -> list[str]:
    """A line for each claim that an experiment with these losses cannot judge for want of a metric,
    a method or a hyper-parameter; other experiments may have them."""
    lines = []
    for claim in claims:
        for metric in (claim.metric, claim.than_metric):
            if metric is not None and metric not in metrics_of(claim.study):
                lines.append(f"claim {claim.id}: not run here: the config has no metric '{metric}'")
        for selection in (claim.of, claim.than):
            if selection is None or selection.constant or _methods_of(claim.study) is not None:
                continue
            method = selection.method
            where, known_names = f"claim {claim.id}: not run here:", names(losses)
            if method not in known_names:
                meant = did_you_mean(method, known_names)
                lines.append(f"{where} no method '{method}' in the registry or the config{meant}")
                continue
            allowed = _hyper_of(method, None, losses)
            for key, _ in selection.hyper:
                if key not in allowed:
                    meant = did_you_mean(key, sorted(allowed))
                    lines.append(f"{where} {method} has no hyper-parameter '{key}'{meant}")
    return lines


def _claim(entry: dict) -> Claim:
    selections = {key: _selection(entry[key]) for key in ("of", "than") if key in entry}
    return Claim(**{**entry, **selections, "splits": tuple(entry.get("splits", ()))})


def _selection(stated: str | dict) -> Selection:
    if isinstance(stated, str):
        return Selection(stated)
    chosen = {key: value for key, value in stated.items() if key in ("method", *_CHOICES)}
    hyper = {key: value for key, value in stated.items() if key not in chosen}
    return Selection(hyper=tuple(hyper.items()), **chosen)


def _problems(entry, number: int) -> list[str]:
    if not isinstance(entry, dict):
        return [f"claim {number + 1}: must be a mapping, found {entry!r}"]
    where = f"claim {entry.get('id', number + 1)}"
    problems = [f"{where}: '{key}' is missing" for key in sorted(_REQUIRED - set(entry))]
    known = sorted(_REQUIRED | _OPTIONAL)
    problems += [
        f"{where}: unknown key '{key}'{did_you_mean(str(key), known)} Allowed: {', '.join(known)}"
        for key in entry
        if key not in known
    ]
    if len({"value", "than", "than_metric"} & set(entry)) != 1:
        problems.append(f"{where}: state exactly one of value, than and than_metric")
    if "value" in entry and ("factor" in entry or "margin" in entry):
        problems.append(f"{where}: factor and margin apply to `than` and than_metric, not value")
    problems += _choice_problems(where, entry)
    problems += _number_problems(where, entry)
    problems += _split_problems(where, entry.get("splits", []), _study(entry))
    for key in ("of", "than"):
        if key in entry:
            problems += _selection_problems(f"{where}: {key}", entry[key], _study(entry))
            metric = metrics_of(_study(entry)).get(str(entry.get("metric")))
            problems += _result_problems(f"{where}: {key}", entry[key], metric)
    return problems


def _study(entry: dict) -> str | None:
    """The study named; one that does not exist is reported as such and counts as none here."""
    study = entry.get("study")
    return study if isinstance(study, str) and study in _homes() else None


def _choice_problems(where: str, entry: dict) -> list[str]:
    metrics = list(metrics_of(_study(entry)))
    allowed = {
        "study": [study for study in _homes() if study is not None],
        "metric": metrics,
        "than_metric": metrics,
        "relation": ["<", ">"],
        "scale": ["linear", "log10", "absolute"],
        "experiment": [*EXPERIMENTS],
    }
    return [
        f"{where}: unknown {key} {entry[key]!r}{did_you_mean(str(entry[key]), values)} "
        f"Allowed: {', '.join(values)}"
        for key, values in allowed.items()
        if key in entry and entry[key] not in values and not _may_be_own(key, entry[key], entry)
    ]


def _may_be_own(key: str, name, entry: dict) -> bool:
    """Whether a name can be that of a metric of a config's own: it is spelt like one, like none of
    the study's, and the study is of models that configs add metrics to."""
    study = _study(entry)
    if key not in ("metric", "than_metric") or _methods_of(study) is not None:
        return False
    own = isinstance(name, str) and NAME.fullmatch(name) is not None
    return own and not did_you_mean(name, list(metrics_of(study)))


def _split_problems(where: str, splits, study: str | None) -> list[str]:
    if not isinstance(splits, list):
        return [f"{where}: splits must be a list of forget splits, found {splits!r}"]
    pattern = room(_homes()[study], "experiment").BENCHMARK.split_pattern
    return [
        f"{where}: splits: '{split}' is no forget split; they are called {pattern}"
        for split in splits
        if not re.fullmatch(pattern, str(split))
    ]


def _number_problems(where: str, entry: dict) -> list[str]:
    problems = []
    for key in ("value", "factor", "margin"):
        if key in entry and not _is_number(entry[key]):
            problems.append(f"{where}: {key} must be a number, found {entry[key]!r}")
    seeds = entry.get("seeds_at_least", 3)
    if not isinstance(seeds, int) or seeds < 2:
        problems.append(f"{where}: seeds_at_least must be a whole number from 2, found {seeds!r}")
    if entry.get("scale") == "log10" and _is_number(entry.get("value")) and entry["value"] <= 0:
        problems.append(f"{where}: value must be positive on scale log10, found {entry['value']}")
    metric = str(entry.get("metric"))
    if f"{LOG10}{metric}" in metrics_of(_study(entry)) and entry.get("scale") != "log10":
        problems.append(
            f"{where}: {metric} is averaged on the log scale, like every p-value: state "
            f"`scale: log10`, found {entry.get('scale', 'linear')!r}"
        )
    return problems


def _selection_problems(where: str, stated, study: str | None) -> list[str]:
    method = stated.get("method") if isinstance(stated, dict) else stated
    if not isinstance(method, str):
        return [f"{where}: names no method, but {method!r}. {TARGET}, {RETRAIN}, {known()}"]
    methods = _methods_of(study)
    if methods is not None and method not in methods:
        hint = did_you_mean(method, list(methods))
        return [f"{where}: unknown method {method!r}{hint} Allowed: {', '.join(methods)}"]
    # of the registry's others: unknown_methods()
    checked = [TARGET, RETRAIN, *names()] if methods is None else methods
    if not isinstance(stated, dict) or method not in checked:
        return []
    allowed = _hyper_of(method, study)
    return [
        f"{where}: unknown hyper-parameter '{key}' of {method}. Allowed: "
        f"{', '.join(sorted(allowed)) or 'none'}"
        for key in stated
        if key != "method" and key not in allowed
    ]


def _result_problems(where: str, stated, metric: Metric | None) -> list[str]:
    """Which results: unknown choices, and those that the metric does not have."""
    if not isinstance(stated, dict):
        return []
    problems = [
        f"{where}: unknown {key} {stated[key]!r}. Allowed: {', '.join(allowed)}"
        for key, allowed in _CHOICES.items()
        if key in stated and stated[key] not in allowed
    ]
    attacked = metric is not None and metric.of_attack
    misplaced = ("at", "pick") if attacked else ("attack",)
    return problems + [
        f"{where}: {key} does not go with the metric '{metric.title if metric else None}'"
        for key in misplaced
        if key in stated
    ]


def _hyper_of(method: str, study: str | None, losses: Losses = FORGET_LOSSES) -> set[str]:
    if (methods := _methods_of(study)) is not None:
        return methods[method]
    if method in (TARGET, RETRAIN):
        return set()
    replaced = {"reference"} if can_be_replaced(terms(method, losses)[0]) else set()
    return {*hyper_parameters(method, losses), *_OVERRIDES, *replaced, *_CHOICES}


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
