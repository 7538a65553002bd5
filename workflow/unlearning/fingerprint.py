"""Digest of the code that a stage can run, so that an edit reruns the stages it concerns only.

Snakemake sees only a rule's own text. Each rule therefore has one param with a digest of the
definitions that its stage reaches. Starting at an entry, such as a stage's `run`, every name is
followed to its top-level definition in this package: a function, a class (with all its methods),
an assignment, an import. Statements that act when a module is imported (calls, loops, conditions,
changes in place) count for every module that is reached at all.

Left out: layout, comments, docstrings, annotations of functions, texts for the user
(`code.normalise`). Where a name cannot be followed, all of its module counts: a name that is bound
nowhere, a module used as a value, a star import, `globals()`. Functions that a stage finds by a
name in its settings are not followed: rules name them as further entries. A user's file is followed
into helpers in its folder and under the working directory.
"""

import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from unlearning.code.cache import save_cache
from unlearning.code.module import (
    ALL,
    PACKAGE,
    Reference,
    Use,
    effects,
    imported_modules,
    label,
    module_file,
    parse_module,
    references,
)

# progress messages, memory layout and fingerprints themselves change no result
WITHOUT_EFFECT = [PACKAGE / "progress.py", PACKAGE / "training" / "fit.py", PACKAGE / "planning"]
WITHOUT_EFFECT += [PACKAGE / "code", PACKAGE / "fingerprint.py"]
STAGE_FUNCTIONS = ("run", "add_arguments")
SUBCLASS_LOOKUPS = {"__subclasses__", "__init_subclass__"}  # reach classes that no name leads to
ENTRY = re.compile(r"(?P<module>[^:]+)(:(?P<name>\w+)(\[(?P<key>.*)\])?)?")


@cache
def fingerprint(*entries: str) -> str:
    """Twelve hex digits over the code that entries reach.

    An entry is "package.module" (its `run` and `add_arguments`, or everything in a module without
    them), "package.module:name" or "path/to/file.py:name". "package.module:TABLE[key]" restricts a
    table: where something reaches it, only the entries that are named so count.
    """
    lines = sorted(ReachedCode(entries).lines())
    save_cache()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


class ReachedCode:
    """The definitions that entries reach.

    modules: files that are imported. uses: (file, index of a statement) -> how it is used.
    table_keys: (file, index of a table's statement) -> the keys that entries name.
    """

    def __init__(self, entries: tuple[str, ...]):
        self.modules: set[Path] = set()
        self.uses: dict[tuple[Path, int], Use] = {}
        self.table_keys: dict[tuple[Path, int], frozenset[str]] = {}
        # all table keys must be known before a table is reached
        queue: list[Reference] = []
        for entry in entries:
            queue += self._read_entry(entry)
        self._follow(queue)
        # no name leads to a subclass that is found through its base, so all of each module counts
        if any(map(_looks_up_subclasses, self.uses.values())):
            self._follow([Reference(path, ALL) for path in self.modules])

    def lines(self) -> list[str]:
        """One line for each function and class that is used, and for each file one block with its
        other statements, whose order matters."""
        lines: list[str] = []
        blocks: dict[Path, list[str]] = {}
        for (path, _), use in sorted(self.uses.items()):
            line = f"{label(path)} {use.line()}"
            # lines are sorted in the end, so a definition may move within its file
            if use.statement.is_definition:
                lines.append(line)
            else:
                blocks.setdefault(path, []).append(line)
        return lines + ["\n".join(block) for block in blocks.values()]

    def _read_entry(self, entry: str) -> list[Reference]:
        """The definitions that an entry names; the keys of a table are added to table_keys."""
        parts = ENTRY.fullmatch(entry)
        assert parts, entry
        module, name, key = parts["module"], parts["name"], parts["key"]
        if module.endswith(".py"):
            path: Path | None = Path(module).resolve()
        else:
            path = module_file(module, PACKAGE / "fingerprint.py")
        assert path is not None, f"no module {module}"
        bindings = parse_module(path).bindings
        if name is None:
            functions = [Reference(path, name) for name in STAGE_FUNCTIONS if name in bindings]
            return functions or [Reference(path, ALL)]
        if key is None:
            return [Reference(path, name)]
        for index in bindings[name]:
            keys = self.table_keys.get((path, index), frozenset())
            self.table_keys[path, index] = keys | {key}
        return []

    def _follow(self, queue: list[Reference]) -> None:
        """Use what the queue refers to, and all that this refers to in turn."""
        while queue:
            path, name, message_only = queue.pop()
            if _is_without_effect(path):
                continue
            module = parse_module(path)
            # whatever is used of a module, importing it runs its effects and its imports
            if path not in self.modules:
                self.modules.add(path)
                queue += imported_modules(path)
                queue += self._use(path, effects(path), False)
            if name:
                all_statements = range(len(module.statements))
                indices = module.bindings.get(name, all_statements)
                queue += self._use(path, indices, message_only)

    def _use(self, path: Path, indices: Iterable[int], message_only: bool) -> list[Reference]:
        """Record the use of statements; returns what the newly used ones refer to."""
        targets: list[Reference] = []
        for index in indices:
            keys = self.table_keys.get((path, index))
            earlier = self.uses.get((path, index))
            # a message that lists a table's keys must not make all of its entries count
            if message_only and keys is not None:
                continue
            # a statement is looked at again if only messages used it so far
            if earlier is not None and (message_only or not earlier.message_only):
                continue
            use = Use(path, index, message_only, keys)
            self.uses[path, index] = use
            targets += references(use)
        return targets


@cache
def _is_without_effect(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in WITHOUT_EFFECT)


def _looks_up_subclasses(use: Use) -> bool:
    """Whether code finds classes by the class that they inherit from."""
    names: set[str] = set()
    for code in use.codes():
        names.update(code.bound_names)
        for lookup, _ in code.lookups:
            names.update(lookup)
    return not SUBCLASS_LOOKUPS.isdisjoint(names)
