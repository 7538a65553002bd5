"""Read claims (config/claims.yaml) and check them: all problems of a file at once."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from unlearning.benchmark import SOURCES, WITHOUT_DATA, room
from unlearning.config.own_metrics import NAME
from unlearning.config.runs import OVERRIDES
from unlearning.config.schema import Unjudged, did_you_mean, read_schema, validated
from unlearning.config.strict import read_file
from unlearning.errors import UserError
from unlearning.evaluation.metrics import LOG10, Metric
from unlearning.methods.references import can_be_replaced
from unlearning.methods.registry import FORGET_LOSSES, Losses, hyper_parameters, names, terms
from unlearning.methods.terms import AnyHyper, Hyper
from unlearning.reporting.labels import RETRAIN, TARGET, model_label

CONFIG = Path(__file__).parents[4] / "config"
SCHEMA = CONFIG / "schemas" / "claims.schema.yaml"
_CHOICES = ("at", "pick", "attack")  # keys of a selection that are no hyper-parameters


@cache
def _benchmark_of_study() -> dict[str | None, str]:
    """Study -> the benchmark that judges its claims. None is the study of claims that name none."""
    benchmarks: dict[str | None, str] = {}
    for name in (*SOURCES, *WITHOUT_DATA):
        for study in room(name, "metrics").STUDIES:
            benchmarks[study] = name
    return benchmarks


class _Metrics(dict):
    """A study's metrics; any other name may be a metric of a config's own, which has a title."""

    def __missing__(self, name: str) -> Metric:
        return Metric(name, "", "a metric of a config's own")


def metrics_of(study: str | None) -> dict[str, Metric]:
    """The metrics that claims about a study may name."""
    return _Metrics(room(_benchmark_of_study()[study], "metrics").STUDIES[study])


def _methods_of(study: str | None) -> dict[str, set[str]] | None:
    """Method -> its hyper-parameters in a study; None if the registry's methods run in it."""
    return room(_benchmark_of_study()[study], "experiment").BENCHMARK.study_methods(study)


@dataclass(frozen=True)
class Selection:
    """Models that a claim is about: a method and, if stated, values of its hyper-parameters.

    at: `last` epoch, or `peak`: that of the variant's peak FQ (peaks.py). pick: `tuned` takes only
    the variant that the rule of grids.py chooses. attack: only models after that relearning attack.
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
        attack = self.attack and f"attack with {self.attack} rows"
        at_peak = self.at == "peak" and "at peak FQ"
        words = [model_label(self.method, dict(self.hyper)), self.pick, at_peak, attack]
        return ", ".join(word for word in words if word)


@dataclass(frozen=True)
class Claim:
    """A claim: metric(of) is greater or less (`relation`) than a bound, both on `scale`.

    The bound is one of: `value`; factor * metric(than) + margin, with the same metric of other
    models; factor * than_metric(of) + margin, with another metric of the same models.

    study: the synthetic study or the benchmark (muse, wmdp) in which it is judged; None for TOFU
    and the mini world. experiment: kind of experiment that has the data. configs: the shipped
    experiments of that kind, mini first. splits: those it is judged on; all if empty.
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
    configs: tuple[str, ...] = ()


def load_claims(path: Path) -> list[Claim]:
    """The claims of a file; UserError with all problems otherwise.

    Methods are not checked here, because they may be a config's own: see unknown_methods().
    """
    content, problems = read_file(Path(path))
    # the file's own keys first: without them there are no claims to look at
    valid, refused = validated(content, read_schema(SCHEMA))
    if refused:
        raise _unusable(path, problems + refused)
    experiments = valid["experiments"]
    for kind, files in experiments.items():
        missing = [file for file in files if not (CONFIG / file).is_file()]
        problems += [f"experiments.{kind}: no file {CONFIG / file}" for file in missing]
    # Claims are checked one by one, so that a problem names its claim by the id
    ids: Counter[str] = Counter()
    for number, entry in enumerate(valid["claims"], start=1):
        if not isinstance(entry, dict):
            problems.append(f"claim {number}: must be a mapping, found {entry!r}")
            continue
        name = entry.get("id", number)
        problems += [f"claim {name}: {problem}" for problem in _problems(entry, [*experiments])]
        ids[str(name)] += 1
    problems += [f"claim {name}: the id is used {n} times" for name, n in ids.items() if n > 1]
    if problems:
        raise _unusable(path, problems)
    return [_claim(entry, experiments) for entry in valid["claims"]]


def _unusable(path: Path, problems: list[str]) -> UserError:
    """The error that lists a file's problems."""
    return UserError("\n".join([f"{path} cannot be used:", *(f"- {line}" for line in problems)]))


def experiments_with(claim: Claim) -> list[str]:
    """The shipped experiments of a claim's kind that have one of its splits, mini first."""
    fitting = []
    for name in claim.configs:
        if not claim.splits or set(claim.splits) & _splits_of(name):
            fitting.append(f"config/{name}")
    return fitting


@cache
def _splits_of(name: str) -> frozenset[str]:
    """The forget splits of a shipped experiment; many claims ask for the same few files."""
    content, _ = read_file(CONFIG / name)
    return frozenset(content["forget_splits"])


def unknown_methods(claims: list[Claim], losses: Losses) -> list[str]:
    """A line for each claim with a metric, method or hyper-parameter that this experiment lacks.

    It is no error, because other experiments may have them. losses: of the experiment.
    """
    lines = []
    for claim in claims:
        for metric in (claim.metric, claim.than_metric):
            if metric is not None and metric not in metrics_of(claim.study):
                lines.append(f"claim {claim.id}: not run here: the config has no metric '{metric}'")
        for selection in (claim.of, claim.than):
            # methods of studies with a table of their own were checked when the file was read
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


def _claim(entry: dict, experiments: dict[str, list[str]]) -> Claim:
    """The claim of a checked entry. experiments: kind -> shipped configs."""
    selections = {key: _selection(entry[key]) for key in ("of", "than") if key in entry}
    configs = tuple(experiments[entry.get("experiment", Claim.experiment)])
    splits = tuple(entry.get("splits", ()))
    return Claim(**{**entry, **selections, "splits": splits, "configs": configs})


def _selection(entry: str | dict) -> Selection:
    """The selection of an entry: a method's name, or a mapping with `method`."""
    if isinstance(entry, str):
        return Selection(entry)
    hyper = dict(entry)
    method = hyper.pop("method")
    choices = {key: hyper.pop(key) for key in _CHOICES if key in hyper}
    return Selection(method, tuple(hyper.items()), **choices)


def _problems(entry: dict, kinds: list[str]) -> list[str]:
    """Problems of a claim by the schema and by its study. kinds: of experiments."""
    valid, problems = validated(entry, read_schema(SCHEMA)["$defs"]["claim"])
    checks = [
        _side_problems(valid),
        _name_problems("experiment", valid.get("experiment", Claim.experiment), kinds),
        _scale_problems(valid),
        _metric_problems(valid),
        _split_problems(valid),
    ]
    for side in ("of", "than"):
        if side in valid:
            checks += [_method_problems(side, valid), _result_problems(side, valid)]
    for check in checks:
        # a check that needs a value that the schema has refused stops there; its earlier messages
        # stay, because a generator has yielded them
        with suppress(Unjudged):
            problems += check
    return problems


def _name_problems(key: str, name: str, allowed: list[str], where: str = "") -> Iterator[str]:
    """A name that is not among those allowed."""
    if name not in allowed:
        hint = did_you_mean(name, allowed)
        yield f"{where}unknown {key} {name!r}{hint} Allowed: {', '.join(allowed)}"


def _study(entry: dict) -> str | None:
    """The study that a claim names; None also for one that does not exist, which is reported by
    _metric_problems()."""
    study = entry.get("study")
    return study if study in _benchmark_of_study() else None


def _side_problems(entry: dict) -> Iterator[str]:
    """A bound that is missing, stated twice, or has values that do not belong to it."""
    if len({"value", "than", "than_metric"} & set(entry)) != 1:
        yield "state exactly one of value, than and than_metric"
    # a number is written as it is meant, without a factor or a margin
    if "value" in entry and ("factor" in entry or "margin" in entry):
        yield "factor and margin apply to `than` and than_metric, not value"
    if entry.get("than") == entry["of"] or entry.get("than_metric") == entry["metric"]:
        yield "both sides are the same; compare with other models, another metric or a value"


def _scale_problems(entry: dict) -> Iterator[str]:
    """A scale that does not fit the metric or the value."""
    scale, metric = entry.get("scale", Claim.scale), entry["metric"]
    if scale == "log10" and entry.get("value", 1) <= 0:
        yield f"value must be positive on scale log10, found {entry['value']}"
    if scale == "log10" and (entry.get("factor", 1) <= 0 or entry.get("margin", 0) < 0):
        yield "scale log10 takes positive bounds: state a factor above 0 and no margin below 0"
    # an arithmetic mean of p-values is about that of the luckiest seed (frame.geometric)
    if f"{LOG10}{metric}" in metrics_of(_study(entry)) and scale != "log10":
        yield (
            f"{metric} is averaged on the log scale, like every p-value: state `scale: log10`, "
            f"found {scale!r}"
        )


def _metric_problems(entry: dict) -> Iterator[str]:
    """An unknown study or metric.

    Configs can add metrics to the registry's studies, so there an unknown name is a mistake only if
    it is no valid name, or is similar to a metric's.
    """
    study = _study(entry)
    if "study" in entry:
        known_studies = [name for name in _benchmark_of_study() if name is not None]
        yield from _name_problems("study", entry["study"], known_studies)
    metrics = list(metrics_of(study))
    for key in ("metric", "than_metric"):
        name = entry.get(key)
        if name is None or name in metrics:
            continue
        # a name that is nearly a metric's is a slip, another one a metric of the user's
        extensible = _methods_of(study) is None
        if extensible and NAME.fullmatch(name) and not did_you_mean(name, metrics):
            continue
        yield from _name_problems(key, name, metrics)


def _split_problems(entry: dict) -> Iterator[str]:
    """Splits that the study's benchmark does not have."""
    pattern = room(_benchmark_of_study()[_study(entry)], "experiment").BENCHMARK.split_pattern
    for split in entry.get("splits", []):
        if not re.fullmatch(pattern, split):
            yield f"splits: '{split}' is no forget split; they are called {pattern}"


def _method_problems(side: str, entry: dict) -> Iterator[str]:
    """An unknown method or hyper-parameter of one side of a claim.

    A method that the registry does not have may be a config's own, so unknown_methods() reports it.
    """
    # an unknown method has no list of hyper-parameters to check the others against
    selection, methods = _selection(entry[side]), _methods_of(_study(entry))
    if methods is not None and selection.method not in methods:
        yield from _name_problems("method", selection.method, list(methods), f"{side}: ")
        return
    if methods is None and not selection.constant and selection.method not in names():
        return
    allowed = _hyper_of(selection.method, _study(entry))
    for key in entry[side] if isinstance(entry[side], dict) else ():
        if key != "method" and key not in allowed:
            yield (
                f"{side}: unknown hyper-parameter '{key}' of {selection.method}. Allowed: "
                f"{', '.join(sorted(allowed)) or 'none'}"
            )
    # a value that no variant can have would match none, without a word
    parameters: dict[str, AnyHyper] = {}
    if methods is None and not selection.constant:
        parameters = {"lr": Hyper(above=0), "epochs": Hyper(above=0)}
        parameters |= hyper_parameters(selection.method)
    for key, value in selection.hyper:
        if key in parameters and (problem := parameters[key].problem(value)) is not None:
            yield f"{side}: {key} {problem}, found {value!r}"


def _result_problems(side: str, entry: dict) -> Iterator[str]:
    """Keys `at`, `pick` and `attack` that do not apply to the metric."""
    # a metric of a config's own is none of these: relearning attacks have only the benchmark's
    metric = metrics_of(_study(entry)).get(entry["metric"])
    attacked = metric is not None and metric.of_attack
    selection = _selection(entry[side])
    if attacked and (selection.at != "last" or selection.pick):
        yield f"{side}: at and pick do not go with the metric '{entry['metric']}'"
    if not attacked and selection.attack:
        yield f"{side}: attack does not go with the metric '{entry['metric']}'"


def _hyper_of(method: str, study: str | None, losses: Losses = FORGET_LOSSES) -> set[str]:
    """Keys that a selection of a method may have in a study."""
    if (methods := _methods_of(study)) is not None:
        return methods[method]
    if method in (TARGET, RETRAIN):
        return set()
    replaced = {"reference"} if can_be_replaced(terms(method, losses)[0]) else set()
    return {*hyper_parameters(method, losses), *OVERRIDES, *replaced, *_CHOICES}
