"""Follow names through the modules of this package and through a user's Python files."""

import builtins
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from unlearning.code.cache import read_statements
from unlearning.code.statements import Code, Import, Statement

PACKAGE = Path(__file__).resolve().parents[1]
ALL = "*"  # as the name of a reference: every statement of its module
BUILTIN = {*dir(builtins), "__file__", "__path__"}  # defined in every module
OPAQUE = {"globals", "eval", "exec", "__import__"}  # reach names that no parser sees
IMPORTERS = {"__import__", "import_module", "spec_from_file_location"}  # reach files by name


class Reference(NamedTuple):
    """A top-level definition that code uses.

    name: of the definition; ALL for the whole module, "" for the effects of importing it alone.
    message_only: the definition is used only for messages to the user.
    """

    path: Path
    name: str
    message_only: bool = False


class Module(NamedTuple):
    """A parsed file. bindings: name -> indices of the statements that bind it. imports: name ->
    the imports that bind it."""

    statements: list[Statement]
    bindings: dict[str, list[int]]
    imports: dict[str, list[Import]]


class Use(NamedTuple):
    """A statement of a module, by its position, and how it is used.

    message_only: used only for messages, so its texts do not count. keys: if the statement is a
    table, the entries that are looked up; None for all.
    """

    path: Path
    position: int
    message_only: bool = False
    keys: frozenset[str] | None = None

    @property
    def statement(self) -> Statement:
        return parse_module(self.path).statements[self.position]

    def codes(self) -> list[Code]:
        """The code of the statement, or of the table entries that are looked up."""
        entries = self.statement.entries
        if self.keys is None or entries is None:
            return [self.statement.code]
        return [code for key, code in entries.items() if key in self.keys]

    def line(self) -> str:
        """One line for a fingerprint: names, digests, and the definitions that are referred to."""
        if self.message_only:
            digests = [self.statement.digest_without_texts]
        else:
            digests = [code.digest for code in self.codes()]
        targets = {f"{label(path)}:{name}" for path, name, _ in references(self)}
        return " ".join([*self.statement.names, *digests, *sorted(targets)])


@cache
def parse_module(path: Path) -> Module:
    """The module of a file; SyntaxError if it is not Python."""
    module = Module(read_statements(path), {}, {})
    # a name may be bound several times, as in two branches: all of its statements count
    for index, statement in enumerate(module.statements):
        for name in statement.names:
            module.bindings.setdefault(name, []).append(index)
        for entry in statement.imports:
            module.imports.setdefault(entry[0], []).append(entry)
    return module


@cache
def effects(path: Path) -> list[int]:
    """Indices of the statements that do something when a module is imported.

    An import whose name nothing uses is one of them, unless it imports from this package.
    """
    indices = []
    for index, statement in enumerate(parse_module(path).statements):
        local = any(module_file(name, path, level) for _, name, _, level in statement.imports)
        if statement.has_effect and (statement.code.lookups or not local):
            indices.append(index)
    return indices


@cache
def references(use: Use) -> frozenset[Reference]:
    """What a statement refers to in this package, or next to a user's file."""
    path, module = use.path, parse_module(use.path)
    targets: set[Reference | None] = set()
    for code in use.codes():
        # imports inside the code: each runs a module and binds a name for the lookups below
        inner_imports: dict[str, list[Import]] = {}
        for entry in code.imports:
            inner_imports.setdefault(entry[0], []).append(entry)
            targets.add(_imported_module(entry, path))
        # code without lookups is an import statement, which passes its names on
        if not code.lookups:
            for entry in code.imports:
                targets.add(_resolve(entry, (), path, use.message_only))
        names = {*module.bindings, *code.bound_names, *BUILTIN}
        for (root, *attributes), in_message in code.lookups:
            message_only = use.message_only or in_message
            # a user's file that imports by name may import any file beside it
            if not IMPORTERS.isdisjoint({root, *attributes}) and not path.is_relative_to(PACKAGE):
                targets |= {Reference(helper, ALL) for helper in path.parent.glob("*.py")}
            # the root may be bound by several imports, for example in two branches
            imports = inner_imports.get(root, []) + module.imports.get(root, [])
            resolved = {_resolve(entry, attributes, path, message_only) for entry in imports}
            targets |= resolved
            # a name that is bound nowhere could be anything: the whole module counts
            if root in OPAQUE or root not in names:
                targets.add(Reference(path, ALL, message_only))
            elif root in module.bindings and (not imports or None in resolved):
                targets.add(Reference(path, root, message_only))
    return frozenset(target for target in targets if target is not None)


def imported_modules(path: Path) -> set[Reference]:
    """The modules that run when a module is imported."""
    # also those that no statement in use looks up: their effects run all the same
    targets: set[Reference] = set()
    for imports in parse_module(path).imports.values():
        for entry in imports:
            if (module := _imported_module(entry, path)) is not None:
                targets.add(module)
    parent = path.with_name("__init__.py")  # Python runs a package before the modules in it
    if parent.is_file():
        targets.add(Reference(parent, ""))
    return targets


@cache
def label(path: Path) -> str:
    """A file's name in fingerprints, which does not depend on where the project lies."""
    for folder in (PACKAGE, Path.cwd()):
        if path.is_relative_to(folder):
            return path.relative_to(folder).as_posix()
    return path.name


@cache
def module_file(module: str, importer: Path, level: int = 0) -> Path | None:
    """The file of a module that the file `importer` imports.

    None outside this package and, for a user's file, outside its folder and the working directory.
    """
    names = [name for name in module.split(".") if name]
    # where the search starts: a relative import, this package, or a user's helpers
    if level:
        roots = [importer.parents[level - 1]]
    elif names[0] == PACKAGE.name:
        roots = [PACKAGE.parent]
    elif importer.is_relative_to(PACKAGE):
        return None
    else:
        roots = [importer.parent, Path.cwd()]
    for root in roots:
        base = root.joinpath(*names)
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
    return None


def _resolve(
    entry: Import, attributes: Iterable[str], importer: Path, message_only: bool
) -> Reference | None:
    """The definition that attributes of an imported name stand for; None outside this package."""
    _, module, name, level = entry
    names = [*([name] if name else []), *attributes]
    path = module_file(module, importer, level)
    # a name that the module does not bind may be a submodule: package.module.function
    while names and (path is None or names[0] not in parse_module(path).bindings):
        submodule = ".".join(filter(None, (module, names[0])))
        submodule_path = module_file(submodule, importer, level)
        if submodule_path is None:
            break
        module, path, names = submodule, submodule_path, names[1:]
    return None if path is None else Reference(path, names[0] if names else ALL, message_only)


def _imported_module(entry: Import, importer: Path) -> Reference | None:
    """The module that runs because of an import."""
    target = _resolve(entry, (), importer, False)
    return target and target._replace(name="")
