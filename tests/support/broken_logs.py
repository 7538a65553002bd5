"""Evaluation logs of three origins with random mistakes in them, and what must follow of each.

A mutation is drawn at random: which log, which place in it, and what is written there. `fatal` ones
must be refused with the file named; all others leave every score as it was.
"""

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from toy_logs import attacked, evaluation, foreign, official_log

ORIGINS = {
    "unlearning": attacked,
    "official": lambda: official_log(evaluation()),
    "open-unlearning": foreign,
}
# no number, or none that a loss, probability, ROUGE or truth ratio can be
NO_NUMBER = (None, True, "0.5", "", [], {}, [[0.5]], float("nan"), float("inf"), -3.5, 10**400)
NO_SECTION = (None, True, 1, "text", [], {}, [1.0])


@dataclass(frozen=True)
class BrokenLog:
    """text: the file's content. fatal: whether it must be refused."""

    name: str
    origin: str
    text: bytes
    fatal: bool


def numbers(node, path: tuple = ()) -> list[tuple]:
    """Paths of all numbers of a JSON value."""
    if isinstance(node, dict):
        return [p for key, value in node.items() for p in numbers(value, (*path, key))]
    if isinstance(node, list):
        return [p for place, value in enumerate(node) for p in numbers(value, (*path, place))]
    return [] if isinstance(node, str | bool) or node is None else [path]


def parent(log: dict, path: tuple):
    """The container of a path's last step."""
    for step in path[:-1]:
        log = log[step]
    return log


def spoilt_number(log: dict, draw: random.Random) -> str:
    """A number that a score is made of becomes none."""
    # an attack's score may be any number, also a negative one
    paths = [path for path in numbers(log) if not any("mia" in str(step) for step in path)]
    path, value = draw.choice(paths), draw.choice(NO_NUMBER)
    parent(log, path)[path[-1]] = value
    return f"{'/'.join(map(str, path))} = {value!r:.20}"


def spoilt_section(log: dict, draw: random.Random) -> str:
    """A set or metric becomes something else."""
    name, value = draw.choice(list(log)), draw.choice(NO_SECTION)
    log[name] = value
    return f"{name} = {value!r}"


def lost_section(log: dict, draw: random.Random) -> str:
    """A set or metric that utility needs is missing; without its own utility a log is still one."""
    optional = {"holdout", "model_utility"}
    name = draw.choice([name for name in log if name not in optional])
    del log[name]
    return f"without {name}"


def lost_row(log: dict, draw: random.Random) -> str:
    """One column is a row shorter than those beside it."""
    paths = [path for path in numbers(log) if "agg_value" not in path and "holdout" not in path]
    path = draw.choice(paths)
    if "perturb" in str(path[-2]) or (len(path) > 2 and "perturb" in str(path[-3])):
        path = path[:-1] if isinstance(path[-1], int) and len(path) > 2 else path
    del parent(log, path)[path[-1]]
    return f"without {'/'.join(map(str, path))}"


def added_key(log: dict, draw: random.Random) -> str:
    """A further entry that nobody asks for."""
    log["notes"] = draw.choice(["a text", 3, None, [1, 2], {"by": "hand"}])
    return "a further entry"


def reordered(log: dict, draw: random.Random) -> str:
    """The entries in another order."""
    names = list(log)
    draw.shuffle(names)
    content = {name: log[name] for name in names}
    log.clear()
    log.update(content)
    return "another order"


def nothing(log: dict, draw: random.Random) -> str:
    """The log as it is."""
    return "as it is"


IN_CONTENT: list[tuple[Callable, bool]] = [
    (spoilt_number, True),
    (spoilt_section, True),
    (lost_section, True),
    (lost_row, True),
    (added_key, False),
    (reordered, False),
]


def cut(text: bytes, draw: random.Random) -> bytes:
    """The file ends too early."""
    return text[: draw.randrange(1, len(text) - 1)]


def flipped(text: bytes, draw: random.Random) -> bytes:
    """A byte that is no UTF-8."""
    position = draw.randrange(len(text))
    return text[:position] + b"\xff" + text[position + 1 :]


def twice(text: bytes, draw: random.Random) -> bytes:
    """The first entry stands twice."""
    key = text[: text.index(b":")].lstrip(b"{ \n")
    return b"{" + key + b": {}, " + text.lstrip()[1:]


def with_mark(text: bytes, draw: random.Random) -> bytes:
    """A byte order mark, as some editors write it."""
    return b"\xef\xbb\xbf" + text


def indented(text: bytes, draw: random.Random) -> bytes:
    """Written for people."""
    return json.dumps(json.loads(text), indent=draw.randrange(1, 5)).encode()


IN_TEXT: list[tuple[Callable, bool]] = [
    (cut, True),
    (flipped, True),
    (twice, True),
    (with_mark, False),
    (indented, False),
]


def broken_log(draw: random.Random) -> BrokenLog:
    """One log with one mistake, or with a change that is none."""
    origin = draw.choice(list(ORIGINS))
    log = copy.deepcopy(ORIGINS[origin]())
    change, fatal = draw.choice(IN_CONTENT + IN_TEXT)
    if (change, fatal) in IN_CONTENT:
        name = change(log, draw)
        return BrokenLog(name, origin, json.dumps(log).encode(), fatal)
    text = change(json.dumps(log).encode(), draw)
    return BrokenLog(change.__name__, origin, text, fatal)
