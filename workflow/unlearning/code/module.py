"""Modules of this package, and files of the user's: where names lead from one to another."""

import builtins
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from unlearning.code.memory import remembered
from unlearning.code.statements import Content, Origin, Statement

PACKAGE = Path(__file__).resolve().parents[1]
WHOLE = "*"
BUILTIN = {*dir(builtins), "__file__", "__path__"}  # found in every module
OPAQUE = {"globals", "eval", "exec", "__import__"}  # they reach names that no reader sees


class Reference(NamedTuple):
    """A top-level definition that code uses. name: WHOLE is all of its module, and "" only what
    the module does when it is imported. said: used by nothing but what is said to the user."""

    path: Path
    name: str
    said: bool = False


class Module(NamedTuple):
    """bindings: name -> numbers of the statements that bind it. origins: what imports bind."""

    statements: list[Statement]
    bindings: dict[str, list[int]]
    origins: dict[str, list[Origin]]


class Use(NamedTuple):
    """A statement of a module, by its number, as something uses it. said: for nothing but what is
    said, so that its texts do not count. keys: of a table, the entries that are looked up."""

    path: Path
    number: int
    said: bool = False
    keys: frozenset[str] | None = None

    @property
    def statement(self) -> Statement:
        """What is used."""
        return parsed(self.path).statements[self.number]

    def contents(self) -> list[Content]:
        """What counts of it."""
        entries = self.statement.entries
        if self.keys is None or entries is None:
            return [self.statement.content]
        return [content for key, content in entries.items() if key in self.keys]

    def line(self) -> str:
        """Its digest, and where it leads."""
        contents = self.contents()
        own = [self.statement.unsaid] if self.said else [content.digest for content in contents]
        leads = sorted({f"{label(path)}:{name}" for path, name, _ in references(self)})
        return " ".join([*self.statement.binds, *own, *leads])


@cache
def parsed(path: Path) -> Module:
    """The module of a file; SyntaxError if it is no Python."""
    module = Module(remembered(path), {}, {})
    for number, statement in enumerate(module.statements):
        for name in statement.binds:
            module.bindings.setdefault(name, []).append(number)
        for origin in statement.imports:
            module.origins.setdefault(origin[0], []).append(origin)
    return module


@cache
def effects(path: Path) -> list[int]:
    """Numbers of the statements that do something when a module is imported; an import whose name
    nothing uses is one, if it is not of this package."""
    return [
        number
        for number, statement in enumerate(parsed(path).statements)
        if statement.acts and (statement.content.chains or not _ours(statement, path))
    ]


@cache
def references(use: Use) -> frozenset[Reference]:
    """What a statement refers to in this package, or beside a file of the user's."""
    path, module = use.path, parsed(use.path)
    found: set[Reference | None] = set()
    for content in use.contents():
        inside: dict[str, list[Origin]] = {}
        for origin in content.imports:
            inside.setdefault(origin[0], []).append(origin)
            found.add(_imported(origin, path))
        if not content.chains:  # an import by itself, which hands its name on
            found |= {_resolved(origin, (), path, use.said) for origin in content.imports}
        for (root, *attributes), only_said in content.chains:
            said = use.said or only_said
            origins = inside.get(root, []) + module.origins.get(root, [])
            targets = {_resolved(origin, attributes, path, said) for origin in origins}
            found |= targets
            known = {*module.bindings, *content.bound, *BUILTIN}
            if root in OPAQUE or root not in known:
                found.add(Reference(path, WHOLE, said))
            elif root in module.bindings and (not origins or None in targets):
                found.add(Reference(path, root, said))
    return frozenset(found - {None})


def imports(path: Path) -> set[Reference]:
    """The modules that are imported with a module."""
    origins = [origin for origins in parsed(path).origins.values() for origin in origins]
    found = {_imported(origin, path) for origin in origins}
    above = path.with_name("__init__.py")
    if above.is_file():
        found.add(Reference(above, ""))
    return found - {None}


@cache
def label(path: Path) -> str:
    """A file as digests spell it, wherever the project lies."""
    for folder in (PACKAGE, Path.cwd()):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return path.name


@cache
def located(module: str, near: Path, level: int = 0) -> Path | None:
    """The file of a module as code in the file `near` imports it; None outside this package and,
    for a file of the user's, outside its folder and the one that runs start from."""
    names = [name for name in module.split(".") if name]
    if level:
        roots = (near.parents[level - 1],)
    elif names[0] == PACKAGE.name:
        roots = (PACKAGE.parent,)
    elif near.is_relative_to(PACKAGE):
        return None
    else:
        roots = (near.parent, Path.cwd())
    for root in roots:
        base = root.joinpath(*names)
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
    return None


def _ours(statement: Statement, near: Path) -> bool:
    """Whether a statement imports from this package, or from beside a file of the user's."""
    return any(located(module, near, level) for _, module, _, level in statement.imports)


def _resolved(
    origin: Origin, attributes: Iterable[str], near: Path, said: bool
) -> Reference | None:
    """The definition that attributes of an imported name stand for; None if it is not ours."""
    _, module, name, level = origin
    names = [*([name] if name else []), *attributes]
    path = located(module, near, level)
    while names and (path is None or names[0] not in parsed(path).bindings):
        below = ".".join(filter(None, (module, names[0])))
        deeper = located(below, near, level)
        if deeper is None:
            break
        module, path, names = below, deeper, names[1:]
    return path and Reference(path, names[0] if names else WHOLE, said)


def _imported(origin: Origin, near: Path) -> Reference | None:
    """The module that an import runs."""
    found = _resolved(origin, (), near, False)
    return found and found._replace(name="")
