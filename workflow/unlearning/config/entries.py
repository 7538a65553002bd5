"""Entries KEY=VALUE of the command line, and how one config is laid over another.

Snakemake's command line imports this before the workflow is read, so it imports little.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import yaml

from unlearning.config.strict import UniqueKeys
from unlearning.errors import UserError


class _Text(UniqueKeys, yaml.BaseLoader):
    """Reads scalars as text."""

    def __init__(self, stream: str):
        super().__init__(stream)
        self.problems = []


def merged(config: dict, changes: dict) -> dict:
    """`config` with `changes` laid over it, mapping by mapping, as Snakemake merges configs; but a
    section that names another source starts anew, for what belongs to a source is its own."""
    result = dict(config)
    for key, value in changes.items():
        if not isinstance(value, dict):
            result[key] = value
            continue
        section = result.get(key)
        section = section if isinstance(section, dict) else {}
        # keys of another source would be refused as unknown, though nobody wrote them for this one
        if "source" in value and value["source"] != section.get("source"):
            section = {}
        result[key] = merged(section, value)
    return result


def typed_values(entries: Iterable[str]) -> dict[str, Any]:
    """The values of KEY=VALUE entries: lists and mappings as YAML spells them, all else as text.

    reading.typed() reads text as the schema wants it; Snakemake would make a number of a name such
    as 2026. Raises UserError for an entry that is none.
    """
    values: dict[str, Any] = {}
    for entry in entries:
        key, equals, text = entry.partition("=")
        if not equals or not key.isidentifier():
            section, _, inner = key.partition(".")
            example = f" (a key of a section: '{section}={{{inner}: {text}}}')" if inner else ""
            raise UserError(f"--config: write KEY=VALUE, found '{entry}'{example}")
        value = text or None
        # what is no YAML, such as a pattern, is meant as it stands
        with suppress(yaml.YAMLError):
            loader = _Text(text)
            value = loader.get_single_data()
            if loader.problems:
                raise UserError(f"--config: in '{entry}', {'; '.join(loader.problems)}")
        if repeated := _repeated(values, {key: value}):
            raise UserError(f"--config: {repeated} is stated twice; keep one of the two values")
        values = merged(values, {key: value})
    return values


def _repeated(values: dict, changes: dict) -> str:
    """The first key, such as unlearn.lr, that has a value in both; nothing without one."""
    for key in values.keys() & changes.keys():
        value, change = values[key], changes[key]
        if not (isinstance(value, dict) and isinstance(change, dict)):
            return key
        if inner := _repeated(value, change):
            return f"{key}.{inner}"
    return ""
