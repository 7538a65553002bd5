"""Digest of the code that a stage really runs, so that an edit reruns its stages and no others.

Snakemake sees a rule's own text only. Each rule therefore has one param with a digest of the
definitions that its stage reaches. From an entry, such as a stage's `run`, every name is followed
to the top-level definition of this package that it stands for: a function, a class (whole, with
all its methods), an assignment, an import. What a module does when it is imported (calls, loops,
conditions, changes of something in place) counts for every module that is reached at all.

Left out: layout, comments, docstrings, annotations of functions, texts for the user (`code.words`).
What cannot be followed takes its module whole: a name that is bound nowhere, a module handed on as
a value, a star import, `globals()`. What settings name and stages find by that name while running
is not followed: rules name it beside the stage. Files of the user's are followed into helpers that
lie in the same folder, and under the folder that runs start from.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from unlearning.code.memory import remember
from unlearning.code.module import (
    PACKAGE,
    WHOLE,
    Reference,
    Use,
    effects,
    imports,
    label,
    located,
    parsed,
    references,
)

# What a job says, how it is laid out in memory, and how its digests are made, changes no result.
NO_RESULT = [PACKAGE / "progress.py", PACKAGE / "training" / "fit.py", PACKAGE / "planning"]
NO_RESULT += [PACKAGE / "code", PACKAGE / "fingerprint.py"]
STAGE = ("run", "add_arguments")  # entries of a stage's module
SUBCLASSES = {"__subclasses__", "__init_subclass__"}  # which no name leads to
ENTRY = re.compile(r"(?P<module>[^:]+)(:(?P<name>\w+)(\[(?P<key>.*)\])?)?")


@cache
def fingerprint(*entries: str) -> str:
    """Twelve hex digits over the code that entries reach.

    An entry is "package.module" (its `run` and `add_arguments`, or all of a module without),
    "package.module:name" or "path/to/file.py:name"; or "package.module:TABLE[key]": of that table,
    where something reaches it, the entries count that are named so, and no others.
    """
    lines = sorted(Walk(entries).lines())
    remember()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


class Walk:
    """The definitions that entries reach.

    reached: modules that are imported. used: (file, number of a statement) -> how it is used.
    tables: the statements of tables whose entries are named -> the keys of these.
    """

    def __init__(self, entries: tuple[str, ...]):
        self.reached: set[Path] = set()
        self.used: dict[tuple[Path, int], Use] = {}
        self.tables: dict[tuple[Path, int], frozenset[str]] = {}
        self._follow([start for entry in entries for start in self._starts(entry)])
        if any(map(_gathers, self.used.values())):
            self._follow([Reference(path, WHOLE) for path in self.reached])

    def lines(self) -> list[str]:
        """All that counts: of each file its functions and classes, in any order, and its other
        statements, in theirs."""
        lines: list[str] = []
        others: dict[Path, list[str]] = {}
        for (path, _), use in sorted(self.used.items()):
            line = f"{label(path)} {use.line()}"
            if use.statement.defines:
                lines.append(line)
            else:
                others.setdefault(path, []).append(line)
        return lines + ["\n".join(block) for block in others.values()]

    def _starts(self, entry: str) -> list[Reference]:
        parts = ENTRY.fullmatch(entry)
        assert parts, entry
        module, name, key = parts["module"], parts["name"], parts["key"]
        here = PACKAGE / "fingerprint.py"
        path = Path(module).resolve() if module.endswith(".py") else located(module, here)
        assert path is not None, f"no module {module}"
        if name is None:
            stage = [Reference(path, name) for name in STAGE if name in parsed(path).bindings]
            return stage or [Reference(path, WHOLE)]
        if key is None:
            return [Reference(path, name)]
        for number in parsed(path).bindings[name]:
            self.tables[path, number] = self.tables.get((path, number), frozenset()) | {key}
        return []

    def _follow(self, waiting: list[Reference]) -> None:
        while waiting:
            path, name, said = waiting.pop()
            if _changes_nothing(path):
                continue
            module = parsed(path)
            if path not in self.reached:
                self.reached.add(path)
                waiting += imports(path)
                waiting += self._use(path, effects(path), False)
            if name:
                everything = range(len(module.statements))
                waiting += self._use(path, module.bindings.get(name, everything), said)

    def _use(self, path: Path, numbers: Iterable[int], said: bool) -> list[Reference]:
        """What statements refer to that are not used yet, or were only said."""
        found: list[Reference] = []
        for number in numbers:
            keys = self.tables.get((path, number))
            before = self.used.get((path, number))
            if (said and keys is not None) or (before and (said or not before.said)):
                continue
            self.used[path, number] = use = Use(path, number, said, keys)
            found += references(use)
        return found


@cache
def _changes_nothing(path: Path) -> bool:
    return any(path.is_relative_to(part) for part in NO_RESULT)


def _gathers(use: Use) -> bool:
    """Whether code finds classes by what they inherit from."""
    contents = use.contents()
    names = {name for content in contents for names, _ in content.chains for name in names}
    return bool(SUBCLASSES & names.union(*(content.bound for content in contents)))
