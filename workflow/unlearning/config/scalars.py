"""Scalars as YAML 1.2's core schema reads them. PyYAML follows YAML 1.1, where 1e-5 is text."""

import re

_CORE = (
    ("~|null|Null|NULL", lambda text: None),
    ("true|True|TRUE", lambda text: True),
    ("false|False|FALSE", lambda text: False),
    ("[-+]?[0-9]+", int),
    (r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", float),
    (r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", lambda text: float(text.lower().replace(".", ""))),
)


def core(text: str):
    """The null, truth value or number that `text` spells; else `text` itself."""
    for pattern, read in _CORE:
        if re.fullmatch(pattern, text):
            return read(text)
    return text
