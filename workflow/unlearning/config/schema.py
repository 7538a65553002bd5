"""Validate a config against its JSON Schema: list every problem in words, and add the defaults."""

import difflib
import math
import re
from copy import deepcopy
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from unlearning.benchmark import SOURCES, WITHOUT_DATA, folder_of, schema_file
from unlearning.config.scalars import core
from unlearning.errors import UserError

LARGEST = 2**53  # whole numbers up to here are exact as floats too
LONGEST = 10_000  # values of a list, so that checking takes no longer than a second
SCHEMA_FILE = Path("config/schemas/config.schema.yaml")  # all but what benchmarks add
_TYPES = {"integer": "a whole number", "number": "a number", "object": "a mapping", "null": "null"}
_TYPES |= {"array": "a list", "string": "text", "boolean": "true or false"}
# rule of a schema -> what it allows, in words; _allowed() has the others
_ALLOWED = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "greater than {}",
    "exclusiveMaximum": "less than {}",
    "uniqueItems": "a list of distinct values",
    "minItems": "a list of at least {}",
    "minLength": "text of at least {} letter",
    "maxLength": "text of at most {} letters",
    "minProperties": "a mapping of at least {}",
}


# Stricter than JSON Schema: 2.0 is no integer (paths spell seeds), NaN is no number, and a pattern
# must match the whole text ($ alone lets a newline follow) with ASCII digits only.
def _is_integer(_, value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_number(_, value) -> bool:
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


def _pattern(validator, pattern: str, value, schema: dict):
    if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
        yield ValidationError("does not match")


_Validator = extend(
    Draft202012Validator,
    validators={"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


class ConfigError(UserError):
    """All problems of a config; str() is a list with one line for each.

    experiment: that of the config, with REFUSED in place of wrong values, for further checks.
    """

    def __init__(self, problems: list[str], experiment=None):
        self.problems, self.experiment = problems, experiment
        super().__init__("\n".join(f"- {problem}" for problem in problems))


class Unjudged(Exception):
    """A check needs a value that the schema has refused, so it cannot say anything."""


class _Refused:
    """Replaces a value that the schema refuses in a completed config.

    Any use of it raises Unjudged, so that no check reports what only follows from a wrong value.
    """

    # Python looks operators up in the class, so each has to be named
    def _raise(self, *_: Any) -> NoReturn:
        raise Unjudged

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __getattr__ = _raise
    __hash__ = __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __repr__ = __format__ = _raise
    __float__ = __int__ = __index__ = __round__ = __neg__ = __abs__ = __fspath__ = _raise


for _operation in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor"):
    for _side in (f"__{_operation}__", f"__r{_operation}__"):
        setattr(_Refused, _side, _Refused._raise)

REFUSED = _Refused()


@cache
def read_schema(path: Path) -> dict:
    """The content of a schema's file, which is shared: do not change it."""
    # every start of Snakemake reads it, and libyaml takes an eighth of the time
    return yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)


def schema_for(config: dict, root: Path) -> dict:
    """The schema of a config; parts of it are shared: do not change it.

    It is the shared schema of the project at `root` with the keys that the config's benchmark adds,
    or that of a study without data.
    """
    for folder in WITHOUT_DATA:
        if folder in config:
            return read_schema(schema_file(folder))
    shared = read_schema(root / SCHEMA_FILE)
    data = config.get("data")
    source = data.get("source") if isinstance(data, dict) else None
    sources: list[str] = []
    for names in SOURCES.values():
        sources += names
    choice = {"source": {"enum": sources, "description": "The benchmark's data, or its miniature."}}
    if source not in sources:
        # the benchmark is not known, so no other key of the section can be checked
        section = {**shared["properties"]["data"], "properties": choice}
        return {**shared, "properties": {**shared["properties"], "data": section}}
    more = read_schema(schema_file(folder_of(source)))
    section = {"additionalProperties": False, **more["sources"][source]}
    section["properties"] = choice | section["properties"]
    section = {**shared["properties"]["data"], **section}
    properties = {**shared["properties"], "data": section}
    for name, changes in more.get("sections", {}).items():
        properties[name] = {**properties[name], **changes}
    return {**shared, "properties": properties}


def validated(config: dict, schema: dict) -> tuple[dict, list[str]]:
    """A copy of `config` with all defaults, and its problems in words.

    Values that the schema refuses are REFUSED in the copy, or left out of it.
    """
    try:
        clean, problems = _cleaned(config, ())
    except RecursionError:  # YAML's aliases can make a mapping that contains itself
        raise ConfigError(["the config: nested too deeply, or an alias stands in itself"]) from None
    # The defaults are filled in before the errors, which then replace what is wrong by REFUSED: the
    # checks beyond the schema find every key, and run even if one value is wrong.
    complete = with_defaults(clean, schema)
    errors = sorted(_Validator(schema).iter_errors(clean), key=lambda error: list(error.path))
    for error in errors:
        problems += _explain_error(error, schema)
        _refuse(complete, error)
    return complete, list(dict.fromkeys(problems))


def _cleaned(value, path: tuple[str, ...]) -> tuple[Any, list[str]]:
    """`value` without keys that are not text and with long lists cut, and a problem for each.

    path: keys that lead to the value. The validator would fail at such keys and take long over
    such lists.
    """
    if isinstance(value, list) and len(value) > LONGEST:
        line = f"{_spelled(path)}: a list of {len(value):,} values; at most {LONGEST:,} are taken"
        return value[:1], [line]
    if isinstance(value, list):
        clean_list: list = []
        problems: list[str] = []
        for number, part in enumerate(value):
            clean_part, part_problems = _cleaned(part, (*path, str(number)))
            clean_list.append(clean_part)
            problems += part_problems
        return clean_list, problems
    if not isinstance(value, dict):
        return value, []
    clean, problems = {}, []
    for key, part in value.items():
        if isinstance(key, str):
            clean[key], part_problems = _cleaned(part, (*path, key))
            problems += part_problems
        else:
            problems.append(
                f"{_spelled(path)}: the key {key!r} is no text; if it is a name, write it in quotes"
            )
    return clean, problems


def _spelled(path) -> str:
    """A path of keys as messages write it, such as unlearn.lr."""
    return ".".join(map(str, path)) or "the config"


def _missing(error: ValidationError) -> list[str]:
    """Required keys that a section lacks."""
    return [key for key in error.validator_value if key not in error.instance]


def _unknown(error: ValidationError) -> list[str]:
    """Keys of a section that the schema does not have."""
    return [key for key in error.instance if key not in error.schema.get("properties", {})]


def _refuse(complete: dict, error: ValidationError) -> None:
    """Replace the value that an error is about by REFUSED in a completed config, in place."""
    path = list(error.path)
    section: dict | _Refused = complete
    for depth, key in enumerate(path):
        if isinstance(section, _Refused):
            return  # by an earlier error
        # an error in a list refuses the whole list
        last = depth == len(path) - 1 or isinstance(path[depth + 1], int)
        if last and error.validator not in ("required", "additionalProperties"):
            section[key] = REFUSED
            return
        section = section[key]
    if isinstance(section, _Refused):
        return
    if error.validator == "required":
        section |= dict.fromkeys(_missing(error), REFUSED)
    if error.validator == "additionalProperties":
        for key in _unknown(error):
            del section[key]
            # The value is probably meant for the key with a similar name. That one has its default
            # now, which is not what the user wants, so nothing should be judged by it.
            meant = _alike(key, list(error.schema.get("properties", {})))
            if meant is not None and meant not in error.instance:
                section[meant] = REFUSED


def _alike(word: str, names: list[str]) -> str | None:
    """The most similar name, or None if none is similar."""
    by_lower = {name.lower(): name for name in names}
    initials = re.sub(r"([a-z])[a-z0-9]*_?", r"\1", word.lower())
    if "_" in word and initials in by_lower:  # learning_rate is lr
        return by_lower[initials]
    matches = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[matches[0]] if matches else None


def did_you_mean(word: str, names: list[str]) -> str:
    """' (did you mean X?)' or ''."""
    match = _alike(word, names)
    return f"; did you mean '{match}'?" if match is not None else ""


def _elsewhere(key: str, path: list, schema: dict) -> str:
    """', which is a key of …' for a key that other sections of the schema have; '' for others."""
    sections = []
    for name, rule in schema["properties"].items():
        if key in rule.get("properties", {}) and [name] != path:
            sections.append(name)
    if path and key in schema["properties"]:
        sections.insert(0, "the config itself")
    return f", which is a key of {', '.join(sections)}" if sections else ""


def _explain_error(error: ValidationError, schema: dict) -> list[str]:
    """An error in words: a message for each unknown or missing key, or for the value.

    schema: the whole schema of the config.
    """
    setting = _spelled(error.path)
    if error.validator == "additionalProperties":
        names = list(error.schema.get("properties", {}))
        problems = []
        for key in _unknown(error):
            meant = _elsewhere(key, list(error.path), schema) + did_you_mean(key, names)
            if ":" in key:
                meant = " (YAML wants a blank after the ':' of a key)"
            problems.append(f"{setting}: unknown key '{key}'{meant} Allowed: {', '.join(names)}")
        return problems
    if error.validator == "required":
        rules = error.schema["properties"]
        problems = []
        for key in _missing(error):
            description = rules[key].get("description", "")
            problems.append(f"{setting}: '{key}' is missing. {description}".rstrip())
        return problems
    # a misspelt word calls for the right one, a value of another type for its spelling in YAML
    if error.validator == "enum" and isinstance(error.instance, str):
        words = [value for value in error.validator_value if isinstance(value, str)]
        advice = did_you_mean(error.instance, words)
    else:
        types = _listed(error.validator_value) if error.validator == "type" else []
        advice = hint(error.instance, types, error.schema)
    # a list of thousands of values would hide the other problems
    value = repr(error.instance)
    value = value if len(value) <= 200 else f"{value[:200]}…"
    return [f"{setting}: must be {_allowed(error)}, found {value}{advice}"]


def _allowed(error: ValidationError) -> str:
    """What the rule that a value breaks allows, in words."""
    value, comment = error.validator_value, error.schema.get("$comment")
    match error.validator:
        case "enum":
            return "one of " + ", ".join(map(spelled_in_yaml, value))
        case "pattern":  # a schema says in words what a pattern means
            return comment or f"text that matches {value}"
        case "type":
            names = " or ".join(_TYPES[name] for name in _listed(value))
            return comment if comment and value == "object" else names
    return _ALLOWED[error.validator].format(value)


def _listed(types: str | list[str]) -> list[str]:
    """A schema's type or types as a list."""
    return [types] if isinstance(types, str) else types


def spelled_in_yaml(value) -> str:
    """A scalar as a config spells it: true, null, 1.0e-5."""
    mantissa, exponent, power = repr(value).partition("e")
    if isinstance(value, float) and exponent:  # YAML 1.1 wants a point and a sign
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{int(power):+d}"
    return yaml.safe_dump(value).removesuffix("...\n").strip()


def hint(value, types: list[str], schema: dict | None = None) -> str:
    """Advice in brackets on how to write a value of one of the `types`; '' without advice.

    schema: of the value, for what a list or a mapping may hold.
    """
    schema = schema or {}
    # what YAML 1.2 would read: people write 1e-5, which YAML 1.1 takes for text
    meant = core(value) if isinstance(value, str) else value
    if "number" not in types and isinstance(meant, float) and meant.is_integer():
        meant = int(meant)  # 1e3 seeds
    if "boolean" in types and isinstance(value, str):
        return " (write true or false, without quotes)"
    if isinstance(value, str) and {"integer", "number"} & {*types} and _is_number(None, meant):
        quoted = isinstance(yaml.safe_load(value), int | float)
        why = "" if quoted else f"YAML reads {value} as text: "
        return f" ({why}write {spelled_in_yaml(meant)}{', without quotes' if quoted else ''})"
    if "null" in types and isinstance(value, str) and value.lower() in ("none", "null", "nil"):
        return " (write null, without quotes)"
    if "integer" in types and isinstance(value, float) and value.is_integer():
        return f" (write {int(value)})"
    if types == ["array"] and _Validator(schema.get("items", {})).is_valid(value):
        return f" (write [{value}])"
    # methods: [NPO, SimNPO] where a mapping is wanted; advised only if the schema takes the result
    names = value if isinstance(value, list) else [value]
    mapping: dict[str, dict] = {name: {} for name in names if isinstance(name, str)}
    if types == ["object"] and len(mapping) == len(names) and _Validator(schema).is_valid(mapping):
        return f" (write {{{', '.join(f'{name}: {{}}' for name in mapping)}}})"
    if "string" in types and _is_number(None, value):
        return f" (write '{value}', in quotes)"
    if "string" in types and isinstance(value, bool | date):
        return " (YAML reads some words and dates as other than text: write it in quotes)"
    return ""


def with_defaults(config: dict, schema: dict) -> dict:
    """A copy of `config` in which every key of the schema has a value."""
    filled = deepcopy(config)
    for key, rule in schema.get("properties", {}).items():
        if key not in filled and "default" in rule:
            filled[key] = deepcopy(rule["default"])
        if isinstance(filled.get(key), dict):
            filled[key] = with_defaults(filled[key], rule)
    rule = schema.get("additionalProperties")
    if isinstance(rule, dict):  # keys that the user chooses, such as methods, each with a section
        for key, value in filled.items():
            if isinstance(value, dict):
                filled[key] = with_defaults(value, rule)
    return filled
