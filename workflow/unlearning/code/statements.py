"""A Python file as its top-level statements: what each says in short, binds, does and looks up.

Nothing is run. What is found is plain data, which files keep (`memory`).
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from unlearning.code.words import FUNCTIONS, Said, is_text, meaning, without_texts

# Decorators that do nothing but to what they decorate, by module or by name.
DECORATORS = {"functools", "contextlib", "dataclasses", "abc", "typing", "enum", "torch"}
DECORATORS |= {"property", "staticmethod", "classmethod"}
ACCESSORS = {"setter", "getter", "deleter"}
FOR_OTHERS = {"TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Origin = tuple[str, str, str, int]  # bound name; module, name in it or "", level of an import


@dataclass
class Content:
    """Code. digest: of its syntax tree. chains: the names that it looks up outside itself, with
    the attributes that follow, and whether it does so for nothing but what is said to the user.
    imports: those in it. bound: every name that it binds anywhere."""

    digest: str
    chains: list[tuple[list[str], bool]] = field(default_factory=list)
    imports: list[Origin] = field(default_factory=list)
    bound: list[str] = field(default_factory=list)


@dataclass
class Statement:
    """A top-level statement. binds: its names. imports: what it imports while its module is.
    acts: whether it does more than bind. defines: whether it is a function or class. unsaid: digest
    of its code without texts. entries: of a table, key -> value."""

    content: Content
    unsaid: str
    binds: list[str]
    imports: list[Origin]
    acts: bool
    defines: bool
    entries: dict[str, Content] | None = None


def statements(source: str, filename: str) -> list[Statement]:
    """The top-level statements of a module; each imported name is a statement of its own.
    SyntaxError if it is no Python."""
    tree = ast.parse(source, filename=filename)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    origins: dict[str, set[str]] = {}
    found = []
    for statement in tree.body:
        if is_text(statement) or _is_for_others(statement):
            continue
        one_by_one = isinstance(statement, ast.Import | ast.ImportFrom)
        for one in _one_by_one(statement) if one_by_one else [statement]:
            for name, module, _, _ in _imports(one):
                origins.setdefault(name, set()).add(module.partition(".")[0])
            plain = Plain(origins)
            acts = not used.intersection(_binds(one)) if one_by_one else _acts(one, plain)
            found.append(_statement(one if one_by_one else meaning(one, plain), acts))
    return found


def _statement(statement: ast.stmt, acts: bool) -> Statement:
    defines = isinstance(statement, (*FUNCTIONS, ast.ClassDef))
    result = Statement(
        _content(statement),
        "",
        sorted(set(_bound([statement]))),
        list(_imports(statement)),
        acts,
        defines,
        _entries(statement),
    )
    result.unsaid = _digest(without_texts(statement))  # changes it, so it comes last
    return result


def _content(node: ast.AST) -> Content:
    imports: list[Origin] = []
    bound: set[str] = set()
    shared: set[str] = set()  # names that no function has for its own: global ones, imports
    for part in ast.walk(node):
        bound.update(_binds(part))
        imports += _imports(part, deep=False)
        if isinstance(part, ast.Global):
            shared.update(part.names)
    shared.update(name for name, *_ in imports)
    chains = {(tuple(names), said) for names, said in _chains(node, frozenset(), shared, False)}
    return Content(_digest(node), sorted(chains), imports, sorted(bound))


def _entries(statement: ast.stmt) -> dict[str, Content] | None:
    """Key -> value of a table that a statement writes out."""
    match statement:
        case ast.Assign(value=ast.Dict(keys, values)):
            if all(isinstance(key, ast.Constant) for key in keys):
                pairs = zip(keys, values, strict=True)
                return {str(key.value): _content(value) for key, value in pairs}
    return None


def _digest(node: ast.AST) -> str:
    return hashlib.sha256(ast.dump(node).encode()).hexdigest()


class Plain:
    """Whether a decorator is known to do nothing but to what it decorates. origins: name -> the
    packages that imports bind it to."""

    def __init__(self, origins: dict[str, set[str]]):
        self.origins = origins

    def __call__(self, decorator: ast.expr) -> bool:
        function = decorator.func if isinstance(decorator, ast.Call) else decorator
        root, *attributes = _chain(function) or ("",)
        known = {root, *self.origins.get(root, ())} & DECORATORS
        return bool(known or {*attributes} & ACCESSORS)


def _one_by_one(statement: ast.Import | ast.ImportFrom) -> Iterator[ast.stmt]:
    """The same imports, a statement for each name."""
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            yield ast.Import([alias])
        else:
            yield ast.ImportFrom(statement.module, [alias], statement.level)


def _imports(node: ast.AST, deep: bool = True) -> Iterator[Origin]:
    """What imports bind: those of a node, or of all that runs with it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            yield name, alias.name if alias.asname else name, "", 0
            if not alias.asname and alias.name != name:
                yield "", alias.name, "", 0
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, node.module or "", alias.name, node.level
    elif deep and not isinstance(node, (*FUNCTIONS, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _imports(child)


def _is_for_others(statement: ast.stmt) -> bool:
    """Whether it is a block for type checkers, or for the file as a program."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) in FOR_OTHERS


def _acts(statement: ast.stmt, plain: Plain) -> bool:
    """Whether a statement does more than bind names."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return not all(map(plain, statement.decorator_list))
        case ast.ClassDef():
            inner = [s for s in statement.body if isinstance(s, (*FUNCTIONS, ast.ClassDef))]
            known = all(map(plain, statement.decorator_list)) and not statement.keywords
            return not known or any(_acts(s, plain) for s in inner)
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
