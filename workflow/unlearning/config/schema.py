"""Validation of a config against the JSON Schema: every problem, in words, and the defaults."""

import difflib
import math
from copy import deepcopy
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from unlearning.errors import UserError

SCHEMA_FILE = Path("config/schemas/config.schema.yaml")
_TYPES = {"integer": "a whole number", "number": "a number", "object": "a mapping", "null": "null"}
_TYPES |= {"array": "a list", "string": "text", "boolean": "true or false"}


def _is_integer(_, value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_, value) -> bool:
    return _is_integer(_, value) or (isinstance(value, float) and math.isfinite(value))


# Stricter than JSON Schema: 2.0 is no seed (paths spell seeds), and NaN is no number.
_Validator = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


class ConfigError(UserError):
    """Problems of a config, all of them; str() is a list with one line for each."""

    def __init__(self, problems: list[str]):
        self.problems = problems
        super().__init__("\n".join(f"- {problem}" for problem in problems))


def load_schema(root: Path, file: Path = SCHEMA_FILE) -> dict:
    """A schema of the project at `root`."""
    # each start of Snakemake reads it, and libyaml does so in an eighth of the time
    return yaml.load((root / file).read_text(encoding="utf-8"), yaml.CSafeLoader)


def schema_problems(config: dict, schema: dict) -> list[str]:
    """What the schema says against `config`, worded for a person."""
    errors = sorted(_Validator(schema).iter_errors(config), key=lambda e: list(e.path))
    return [line for error in errors for line in _worded(error)]


def nearest(word: str, known: list[str]) -> str:
    """' (did you mean X?)' or ''."""
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean '{by_lower[found[0]]}'?" if found else ""


def _worded(error) -> list[str]:
    place = ".".join(str(part) for part in error.path) or "the config"
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [key for key in error.instance if key not in known]
        return [
            f"{place}: unknown key '{key}'{nearest(str(key), known)} Allowed: {', '.join(known)}"
            for key in unknown
        ]
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return [f"{place}: '{key}' is missing" for key in missing[:1]]
    allowed = {
        "type": lambda v: " or ".join(_TYPES[t] for t in ([v] if isinstance(v, str) else v)),
        "enum": lambda v: "one of " + ", ".join(map(str, v)),
        "minimum": lambda v: f"at least {v}",
        "maximum": lambda v: f"at most {v}",
        "exclusiveMinimum": lambda v: f"greater than {v}",
        "uniqueItems": lambda v: "a list of distinct values",
        "minItems": lambda v: f"a list of at least {v}",
        "minProperties": lambda v: f"a mapping of at least {v}",
        "pattern": lambda v: f"text that matches {v}",
    }
    if error.validator not in allowed:
        return [f"{place}: {error.message}"]
    hint = ""
    if error.validator == "type" and isinstance(error.instance, str) and "e" in error.instance:
        hint = " (YAML reads 1e-5 as text: write 1.0e-5)"
    return [
        f"{place}: must be {allowed[error.validator](error.validator_value)}, "
        f"found {error.instance!r}{hint}"
    ]


def with_defaults(config: dict, schema: dict) -> dict:
    """A copy of `config` in which every key of the schema has a value."""
    filled = deepcopy(config)
    for key, rule in schema.get("properties", {}).items():
        if key not in filled and "default" in rule:
            filled[key] = deepcopy(rule["default"])
        if isinstance(filled.get(key), dict) and "properties" in rule:
            filled[key] = with_defaults(filled[key], rule)
    return filled
