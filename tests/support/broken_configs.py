"""Configs that must be refused, with what the refusal must name.

`BROKEN` holds mistakes that people make. `schema_mistakes` makes mistakes of its own, a few for
each key of a schema, whatever keys it has. Both are laid over a config that is right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import yaml
from unlearning.config.reading import merged


@dataclass(frozen=True)
class Broken:
    """A mistake. changes: laid over the config. edit: what is done to the file's text then.
    expected: parts of the message: the key, the value, the advice."""

    name: str
    expected: tuple[str, ...]
    changes: dict = field(default_factory=dict)
    edit: Callable[[str], str] = lambda text: text

    def config(self, right: dict) -> dict:
        """The broken config, as far as a mapping can be."""
        return merged(right, self.changes)

    def write(self, right: dict, folder: Path) -> Path:
        """The broken config file."""
        path = folder / f"{self.name.replace('/', '-')}.yaml"
        text = yaml.safe_dump(self.config(right), sort_keys=False, allow_unicode=True)
        path.write_text(self.edit(text), encoding="utf-8")
        return path


def _value(name: str, changes: dict, *expected: str) -> Broken:
    return Broken(name, expected, changes)


def _added(name: str, text: str, *expected: str) -> Broken:
    return Broken(name, expected, edit=lambda before: before + text)


_LONG = [0.1 + k / 1000 for k in range(300)]
_KNOWN = "did you mean 'NPO+RT'?"
_RUNS = ("methods:", "at most 10,000", "Shorten the lists")

BROKEN = [
    # several at once
    _value(
        "unknown method and wrong type",
        {"methods": {"NPO+TR": {}}, "unlearn": {"lr": "1e-5"}},
        *("methods: unknown method 'NPO+TR'", _KNOWN, "unlearn.lr", "write 1.0e-5"),
    ),
    _value(
        "attacks with equal shares",
        {"relearn": {"fraction": [0.2, 0.20000001]}},
        *("relearn.fraction", "distinct", "[0.2, 0.20000001]"),
    ),
    _value(
        "six at once",
        {
            "data": {"mini": {"authors": "ten"}},
            "unlearn": {"seeds": 3, "trajectory": [99]},
            "methods": {"GA": {"beta": 2}, "NPO+TR": {}},
            "relearn": {"methods": ["GB"]},
        },
        *("data.mini.authors", "unlearn.seeds", "write [3]", "epoch 99", "'beta'", _KNOWN, "'GB'"),
    ),
    _value(
        "a method beside an unknown source",
        {"data": {"source": "mni"}, "methods": {"NPO+TR": {}}},
        *("data.source", "'mni'", _KNOWN),
    ),
    _value(
        "a method beside a section of another type",
        {"model": 3, "data": None, "methods": {"NPO+TR": {}}},
        *("model: must be a mapping, found 3", "data: must be a mapping, found None", _KNOWN),
    ),
    # keys
    _value("number as method", {"methods": {5: {}}}, "methods: the key 5 is no text", "quotes"),
    _value("truth value as key", {True: 1}, "the key True is no text", "quotes"),
    _value("null as key", {"unlearn": {None: 1}}, "unlearn: the key None is no text"),
    _added("a section twice", "unlearn: {seeds: [1]}\n", "'unlearn' stands in line", "keep one"),
    _added(
        "a key twice in a nested mapping",
        "resources:\n  mem_mb: 1000\n  mem_mb: 2000\n",
        *("the key 'mem_mb' stands in line", "keep one of the two"),
    ),
    _added(
        "a key twice in one line",
        "resources: {mem_mb: 1000, mem_mb: 1000}\n",
        *("the key 'mem_mb' stands in line", "keep one of the two"),
    ),
    _added(
        "a method twice",
        "world: null\n'world': null\n",
        "the key 'world' stands in line",
    ),
    # names
    Broken(
        "no experiment",
        ("'experiment' is missing", "Name of the report folder"),
        edit=lambda text: text.replace("experiment: micro\n", ""),
    ),
    _value("experiment with a newline", {"experiment": "micro\n"}, "experiment", "'micro\\n'"),
    _value("experiment with other digits", {"experiment": "run１"}, "experiment", "lower-case"),
    _value("experiment of another folder", {"experiment": "../x"}, "experiment", "lower-case"),
    _value("a very long name", {"experiment": "x" * 300}, "experiment", "at most 100 letters"),
    _value("a number as name", {"experiment": 2024}, "experiment", "text", "write '2024'"),
    _value("world with a newline", {"world": "micro\n"}, "world", "'micro\\n'"),
    _value("empty world", {"world": ""}, "world", "lower-case letters", "found ''"),
    _value("empty results", {"results": ""}, "results", "path of a folder", "found ''"),
    _value("results of blanks", {"results": "  "}, "results", "path of a folder"),
    _value("results with a newline", {"results": "a\nb"}, "results", "control characters"),
    _value("a path with braces", {"model": {"path": "a{b}"}}, "model.path", "braces"),
    _value("results with a null", {"results": "a\0b"}, "results", "control characters"),
    _value("results with braces", {"results": "{x}"}, "results", "no braces"),
    _value("results like an option", {"results": "-x"}, "results", "no '-'"),
    _value("results in a home", {"results": "~/results"}, "results", "'~'"),
    _value("empty file", {"data": {"idontknow": ""}}, "data.idontknow", "one letter at least"),
    _value("a folder with a null", {"harness": {"include_path": "a\0"}}, "harness.include_path"),
    # splits
    _value(
        "other digits", {"forget_splits": ["forget１０"]}, "'forget１０'", "forget01 to forget99"
    ),
    _value("split with a newline", {"forget_splits": ["forget10\n"]}, "forget_splits", "forget01"),
    _value("no splits", {"forget_splits": []}, "forget_splits", "at least 1"),
    # types and hints
    _value("yes", {"keep_models": "yes"}, "keep_models", "write true or false"),
    _value("a truth value as text", {"rehearsal": "true"}, "rehearsal", "write true or false"),
    _value("one as truth value", {"keep_models": 1}, "keep_models: must be true or false, found 1"),
    _value("quoted number", {"unlearn": {"lr": "0.1"}}, "unlearn.lr", "write 0.1, without quotes"),
    _value("exponent", {"unlearn": {"lr": "2E-5"}}, "unlearn.lr", "write 2.0e-5"),
    _value("whole float", {"unlearn": {"batch_size": 4.0}}, "unlearn.batch_size", "write 4"),
    _value("none as text", {"evaluation": {"rows": "none"}}, "evaluation.rows", "write null"),
    _value("no list", {"relearn": {"methods": "NPO+RT"}}, "relearn.methods", "write [NPO+RT]"),
    _value("infinite", {"unlearn": {"lr": float("inf")}}, "unlearn.lr", "a number", "inf"),
    _value("a huge seed", {"unlearn": {"seeds": [2**40]}}, "unlearn.seeds.0", "4294967295"),
    _value("a date", {"unlearn": {"lr": "2024-01-01"}}, "unlearn.lr", "a number", "2024-01-01"),
    _value("exponent in a grid", {"methods": {"NPO+RT": {"beta": "1e-2"}}}, "beta", "write 0.01"),
    _value("truth value in a grid", {"methods": {"NPO+RT": {"beta": [True]}}}, "beta", "True"),
    _value("mapping in a grid", {"methods": {"NPO+RT": {"beta": {}}}}, "beta", "must be a number"),
    _value("a number of 400 digits", {"unlearn": {"lr": 10**400}}, "unlearn.lr", "a number"),
    _value("many digits in a grid", {"methods": {"NPO+RT": {"beta": 10**400}}}, "a number"),
    _value("many digits of a count", {"unlearn": {"batch_size": 10**400}}, "unlearn.batch_size"),
    _added("octal", "harness: {limit: 010}\n", "YAML reads 010 as 8", "decimal digits"),
    _added("minutes", "harness: {limit: 1:30}\n", "YAML reads 1:30 as 90", "decimal digits"),
    _added("an alias in itself", "world_splits: &a [*a]\n", "an alias stands in itself"),
    _value("no blank", {"unlearn": {"lr:1e-4": None}}, "unknown key 'lr:1e-4'", "a blank after"),
    _value("a count with an exponent", {"unlearn": {"batch_size": "1e3"}}, "write 1000)"),
    _value("learning_rate", {"unlearn": {"learning_rate": 0.1}}, "'learning_rate'", "mean 'lr'?"),
    _value(
        "a range as text", {"unlearn": {"seeds": "1-5"}}, "unlearn.seeds", "a list, found '1-5'"
    ),
    _value("methods listed", {"methods": ["GA", "NPO"]}, "methods", "write {GA: {}, NPO: {}}"),
    _value("one method as text", {"methods": "GA"}, "methods", "write {GA: {}}"),
    _value("a date as name", {"experiment": date(2026, 1, 2)}, "experiment", "in quotes"),
    _value("a yes as name", {"experiment": True}, "experiment", "text, found True", "in quotes"),
    _value("a key of a section", {"batch_size": 3}, "'batch_size'", "a key of pretrain, finetune"),
    _value(
        "a key of another one", {"retrain": {"seed": 3}}, "retrain", "of finetune; did", "'seeds'"
    ),
    _value("a key of the config", {"data": {"methods": {}}}, "data", "a key of the config itself"),
    _added("minutes with a point", "harness: {limit: 1:30.5}\n", "YAML reads 1:30.5 as 90.5"),
    # no effect
    _value("folds of TOFU", {"folds": {"methods": ["NPO+RT"]}}, "folds.methods", "muse"),
    _value(
        "a revision of a folder",
        {"data": {"source": "tofu", "data_dir": "x", "hub_revision": "v2", "retain_authors": 20}},
        *("data.hub_revision", "'v2'", "'x'"),
    ),
    _value(
        "a layer that there is not",
        {"unlearn": {"lora": {"modules": ["q_proj", "query"]}}, "relearn": {"methods": []}},
        *("unlearn.lora.modules", "'query'", "q_proj, k_proj"),
    ),
    # two variants that are one run
    _value(
        "a default beside itself", {"methods": {"NPO": [{}, {"beta": 0.1}]}}, "default and beta"
    ),
    _value("the recipe's rate", {"methods": {"GA": [{}, {"lr": 0.001}]}}, "methods.GA", "lr=0.001"),
    _value(
        "the target as reference",
        {"methods": {"NPO": {"reference": ["target", "base"]}, "GA": [{"epochs": 2}, {}]}},
        *("methods.GA: the variants epochs=2 and default are one run", "remove one"),
    ),
    # grids
    _value(
        "three lists of 300",
        {"methods": {"SimNPO+RT": {"beta": _LONG, "gamma": _LONG, "lr": _LONG}}},
        *_RUNS,
    ),
    _value("many seeds", {"unlearn": {"seeds": [*range(9000)]}}, *_RUNS),
    _value(
        "attacks of many",
        {
            "methods": {"SimNPO+RT": {"beta": _LONG}},
            "unlearn": {"seeds": [*range(30)]},
            "relearn": {"fraction": [0.1, 0.2, 0.5]},
        },
        *_RUNS,
    ),
]


def schema_mistakes(schema: dict, path: tuple[str, ...] = ()) -> Iterator[Broken]:
    """Mistakes at every key of a schema: another type, a value out of bounds, an unknown word, an
    unknown key, a missing one."""
    for key, rule in schema.get("properties", {}).items():
        here = (*path, key)
        for kind, value in _wrong_values(rule):
            yield Broken(f"{'.'.join(here)} {kind}", (".".join(here),), _nested(here, value))
        yield from schema_mistakes(rule, here)
    if path and schema.get("additionalProperties") is False:
        name = ".".join(path)
        changes = _nested((*path, "no such key"), 1)
        yield Broken(f"{name} unknown key", (name, "'no such key'", "Allowed:"), changes)


def _wrong_values(rule: dict) -> Iterator[tuple[str, object]]:
    types = rule.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "object" not in types:  # a mapping laid over a section is no mistake
        yield "mapping", {"some": "thing"}
    if types and not {"string"} & {*types}:
        yield "word", "no such word"
    if types and not {"array"} & {*types} or "enum" in rule:
        yield "list", [["nested"]]
    if types and "boolean" not in types:
        yield "truth value", True
    if types and "null" not in types or "enum" in rule and None not in rule["enum"]:
        yield "null", None
    if "enum" in rule:
        yield "unknown word", "no such word"
    for bound, step in (("minimum", -1), ("maximum", 1), ("exclusiveMinimum", 0)):
        if bound in rule:
            yield bound, rule[bound] + step
    if "exclusiveMaximum" in rule:
        yield "exclusiveMaximum", rule["exclusiveMaximum"]
    if types == ["integer"]:
        yield "fraction", 1.5
    if "array" in types and rule.get("minItems"):
        yield "empty list", []
    if "array" in types and rule.get("uniqueItems"):
        yield "repeated", ["same", "same"]


def _nested(path: tuple[str, ...], value) -> dict:
    for key in reversed(path):
        value = {key: value}
    return value
