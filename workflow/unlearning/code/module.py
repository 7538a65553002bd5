"""A Python file as its top-level statements: what each binds, does and refers to. Nothing runs."""

import ast
import builtins
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from unlearning.code.words import FUNCTIONS, Said, is_text, meaning, without_texts

PACKAGE = Path(__file__).resolve().parents[1]
WHOLE = "*"
# found in every module
BUILTIN = {*dir(builtins), "__file__", "__path__"}
OPAQUE = {"globals", "eval", "exec", "__import__"}  # they reach names that no reader sees
# Decorators that do nothing but to what they decorate, by module or by name.
DECORATORS = {"functools", "contextlib", "dataclasses", "abc", "typing", "enum", "torch"}
DECORATORS |= {"property", "staticmethod", "classmethod"}
ACCESSORS = {"setter", "getter", "deleter"}
FOR_OTHERS = {"TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Reference(NamedTuple):
    """A top-level definition that code uses. name: WHOLE is all of its module, and "" only what
    the module does when it is imported. said: used by nothing but what is said to the user."""

    path: Path
    name: str
    said: bool = False


class Origin(NamedTuple):
    """What an import binds: a module (name None) or a name in it; level as in ast.ImportFrom."""

    module: str
    name: str | None
    level: int


@dataclass
class Module:
    """bindings: name -> numbers of the statements that bind it. effects: numbers of those that do
    something when the module is imported. origins: name -> what imports bind it to."""

    path: Path
    statements: list[ast.stmt] = field(default_factory=list)
    bindings: dict[str, list[int]] = field(default_factory=dict)
    effects: list[int] = field(default_factory=list)
    origins: dict[str, list[Origin]] = field(default_factory=dict)

    def add(self, statement: ast.stmt, acts: bool) -> None:
        """Take a top-level statement in."""
        number = len(self.statements)
        self.statements.append(statement)
        for name in set(_bound([statement])):
            self.bindings.setdefault(name, []).append(number)
        for name, origin in _imports(statement):
            self.origins.setdefault(name, []).append(origin)
        if acts:
            self.effects.append(number)

    def plain(self, decorator: ast.expr) -> bool:
        """Whether a decorator is known to do nothing but to what it decorates."""
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        root, *attributes = _chain(function) or ("",)
        modules = {origin.module.partition(".")[0] for origin in self.origins.get(root, ())}
        return bool({root, *modules} & DECORATORS or {*attributes} & ACCESSORS)


@cache
def parsed(path: Path) -> Module:
    """The module of a file; SyntaxError if it is no Python."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    module = Module(path)
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for one in _one_by_one(statement):
                ours = any(located(o.module, path, o.level) for _, o in _imports(one))
                module.add(one, acts=not ours and not used.intersection(_binds(one)))
        elif not is_text(statement) and not _is_for_others(statement):
            acts = _acts(statement, module)
            module.add(meaning(statement, module.plain), acts)
    return module


class Use(NamedTuple):
    """A statement of a module, by its number, as something uses it. said: for nothing but what is
    said, so that its texts do not count. keys: of a table, the entries that are looked up."""

    path: Path
    number: int
    said: bool = False
    keys: frozenset[str] | None = None

    def statement(self) -> ast.stmt:
        """What counts of it."""
        statement = parsed(self.path).statements[self.number]
        match statement:
            case ast.Assign(targets, ast.Dict(keys, values)) if self.keys is not None:
                if all(isinstance(key, ast.Constant) for key in keys):
                    pairs = zip(keys, values, strict=True)
                    chosen = [(key, value) for key, value in pairs if key.value in self.keys]
                    table = ast.Dict([key for key, _ in chosen], [value for _, value in chosen])
                    return ast.Assign(targets, table)
        return without_texts(statement) if self.said else statement


@cache
def content(use: Use) -> str:
    """A statement's syntax tree in one spelling, whatever its layout."""
    return ast.dump(use.statement())


@cache
def references(use: Use) -> frozenset[Reference]:
    """What a statement refers to in this package, or beside a file of the user's."""
    path, said = use.path, use.said
    module, statement = parsed(path), use.statement()
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return frozenset(_resolved(o, (), path, said) for _, o in _imports(statement)) - {None}
    inside: dict[str, list[Origin]] = {}
    bound: set[str] = set()
    shared: set[str] = set()  # names that no function has for its own: global ones, imports
    for node in ast.walk(statement):
        bound.update(_binds(node))
        if isinstance(node, ast.Global):
            shared.update(node.names)
        for name, origin in _imports(node, deep=False):
            inside.setdefault(name, []).append(origin)
    shared.update(inside)
    found = {_imported(origin, path) for origins in inside.values() for origin in origins}
    for names, only_said in _chains(statement, frozenset(), shared, said):
        root, *attributes = names
        origins = inside.get(root, []) + module.origins.get(root, [])
        targets = {_resolved(origin, attributes, path, only_said) for origin in origins}
        found |= targets
        if root in OPAQUE or (root not in module.bindings and root not in {*bound, *BUILTIN}):
            found.add(Reference(path, WHOLE, only_said))
        elif root in module.bindings and (not origins or None in targets):
            found.add(Reference(path, root, only_said))
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


def _resolved(
    origin: Origin, attributes: Iterable[str], near: Path, said: bool
) -> Reference | None:
    """The definition that attributes of an imported name stand for; None if it is not ours."""
    names = [*([origin.name] if origin.name else []), *attributes]
    module, path = origin.module, located(origin.module, near, origin.level)
    while names and (path is None or names[0] not in parsed(path).bindings):
        below = ".".join(filter(None, (module, names[0])))
        deeper = located(below, near, origin.level)
        if deeper is None:
            break
        module, path, names = below, deeper, names[1:]
    return path and Reference(path, names[0] if names else WHOLE, said)


def _imported(origin: Origin, near: Path) -> Reference | None:
    """The module that an import runs."""
    found = _resolved(origin, (), near, False)
    return found and found._replace(name="")


def _one_by_one(statement: ast.Import | ast.ImportFrom) -> Iterator[ast.stmt]:
    """The same imports, a statement for each name."""
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            yield ast.Import([alias])
        else:
            yield ast.ImportFrom(statement.module, [alias], statement.level)


def _imports(node: ast.AST, deep: bool = True) -> Iterator[tuple[str, Origin]]:
    """What imports bind: those of a node, or of all that runs with it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            yield name, Origin(alias.name if alias.asname else name, None, 0)
            if not alias.asname and alias.name != name:
                yield "", Origin(alias.name, None, 0)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, Origin(node.module or "", alias.name, node.level)
    elif deep and not isinstance(node, (*FUNCTIONS, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _imports(child)


def _is_for_others(statement: ast.stmt) -> bool:
    """Whether it is a block for type checkers, or for the file as a program."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) in FOR_OTHERS


def _acts(statement: ast.stmt, module: Module) -> bool:
    """Whether a statement does more than bind names."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return not all(map(module.plain, statement.decorator_list))
        case ast.ClassDef():
            plain = all(map(module.plain, statement.decorator_list)) and not statement.keywords
            inner = [s for s in statement.body if isinstance(s, (*FUNCTIONS, ast.ClassDef))]
            return not plain or any(_acts(s, module) for s in inner)
        case ast.Assign(targets):
            return any(map(_changes, targets))
        case ast.AnnAssign(target):
            return _changes(target)
        case ast.AugAssign(target=ast.Name("__all__")) | ast.Pass():
            return False
    return True


def _changes(target: ast.expr) -> bool:
    """Whether an assignment changes something in place."""
    return any(isinstance(node, ast.Attribute | ast.Subscript) for node in ast.walk(target))


def _binds(node: ast.AST) -> list[str]:
    """The names that a node by itself binds in its scope."""
    match node:
        case ast.Name(name, ast.Store() | ast.Del()):
            return [name]
        case ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name):
            return [name]
        case ast.arg(name):
            return [name]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
            return [name]
        case ast.MatchStar(str(name)) | ast.MatchMapping(rest=str(name)):
            return [name]
        case ast.Import(names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
    return []


def _bound(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that nodes bind in the scope that they stand in."""
    for node in nodes:
        yield from _binds(node)
        if isinstance(node, COMPREHENSIONS):
            walrus = [n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr)]
            yield from _bound(walrus)
        elif not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from _bound(ast.iter_child_nodes(node))


def _chain(node: ast.AST) -> tuple[str, ...] | None:
    """(a, b, c) of a.b.c; None if it does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def _chains(
    node: ast.AST, local: frozenset[str], shared: set[str], said: bool
) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The names that a node looks up in its module, with their attributes and whether they are
    only said. local: names of the functions around it; shared: names that are never local."""
    if isinstance(node, Said):
        said = True
    elif (names := _chain(node)) is not None:
        if names[0] not in local:
            yield names, said
        return
    outside, inside = _parts(node)
    for part in outside:
        yield from _chains(part, local, shared, said)
    if inside:
        local |= {*_bound(inside)} - shared
        for part in inside:
            yield from _chains(part, local, shared, said)


def _parts(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """What of a node is evaluated in the scope around it, and what in a scope of its own."""
    if isinstance(node, (*FUNCTIONS, ast.Lambda)):
        arguments = node.args
        defaults = [d for d in (*arguments.defaults, *arguments.kw_defaults) if d is not None]
        if isinstance(node, ast.Lambda):
            return defaults, [arguments, node.body]
        returns = [node.returns] if node.returns else []
        return [*defaults, *node.decorator_list, *returns], [arguments, *node.body]
    if isinstance(node, COMPREHENSIONS):
        first = node.generators[0]
        return [first.iter], list(ast.iter_child_nodes(node))
    return list(ast.iter_child_nodes(node)), []
