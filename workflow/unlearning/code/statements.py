"""Parse a Python file into top-level statements: digest, names, effects and lookups of each.

Nothing is run. The statements are plain data, which `cache` keeps in a file.
"""

import ast
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from unlearning.code.normalise import FUNCTIONS, Message, Normaliser, TextRemover, is_text

# decorators, by module or by name, that change nothing but what they decorate
DECORATORS = {"functools", "contextlib", "dataclasses", "abc", "typing", "enum", "torch"}
DECORATORS |= {"property", "staticmethod", "classmethod"}
ACCESSORS = {"setter", "getter", "deleter"}
UNUSED_BLOCKS = {"TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'"}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

Import = tuple[str, str, str, int]  # bound name; module, name in it or "", level of the import


@dataclass
class Code:
    """What a piece of code refers to.

    digest: of its syntax tree. lookups: names from outside it with the attributes that follow, and
    whether only a message to the user needs them. imports: those inside it. bound_names: every name
    that it binds, in any scope.
    """

    digest: str
    lookups: list[tuple[tuple[str, ...], bool]] = field(default_factory=list)
    imports: list[Import] = field(default_factory=list)
    bound_names: list[str] = field(default_factory=list)


@dataclass
class Statement:
    """A top-level statement.

    names: those that it binds. imports: those that run when its module is imported. has_effect:
    whether it does more than bind names. is_definition: whether it is a function or class.
    entries: key -> value if it is a table.
    """

    code: Code
    digest_without_texts: str
    names: list[str]
    imports: list[Import]
    has_effect: bool
    is_definition: bool
    entries: dict[str, Code] | None = None


def statements(source: str | bytes, filename: str) -> list[Statement]:
    """The top-level statements of a module, with one statement for each imported name.
    SyntaxError if it is not Python."""
    # of bytes Python finds the encoding itself, by a mark or a comment at their beginning
    tree = ast.parse(source, filename=filename)
    used_names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    origins: dict[str, set[str]] = {}  # imported name -> the packages that it may come from
    result = []
    for statement in tree.body:
        # a block for type checkers, or for running the file as a program, is unused here
        test = ast.unparse(statement.test) if isinstance(statement, ast.If) else ""
        if is_text(statement) or test in UNUSED_BLOCKS:
            continue
        is_import = isinstance(statement, ast.Import | ast.ImportFrom)
        # one statement a name: what uses one of the names does not follow the others
        for part in _split_import(statement):
            for name, module, _, _ in _imports(part):
                origins.setdefault(name, set()).add(module.partition(".")[0])
            if is_import:  # an import whose name nothing uses is there for its effect
                has_effect = used_names.isdisjoint(_binds(part))
            else:
                is_known = partial(_is_known, origins)
                has_effect = _has_effect(part, is_known)
                part = Normaliser(is_known).visit(part)
            result.append(_statement(part, has_effect))
    return result


def _statement(statement: ast.stmt, has_effect: bool) -> Statement:
    # keyword arguments are evaluated in order: removing the texts changes the tree and comes last
    return Statement(
        code=_code(statement),
        names=sorted(set(_bound_names([statement]))),
        imports=list(_imports(statement)),
        has_effect=has_effect,
        is_definition=isinstance(statement, (*FUNCTIONS, ast.ClassDef)),
        entries=_entries(statement),
        digest_without_texts=_digest(TextRemover().visit(statement)),
    )


def _code(node: ast.AST) -> Code:
    # scopes are not told apart here: a name that is bound in any of them is no unknown one
    imports: list[Import] = []
    bound_names: set[str] = set()
    shared: set[str] = set()  # names that are local to no function: global ones, imports
    for part in ast.walk(node):
        bound_names.update(_binds(part))
        imports += _imports(part, deep=False)
        if isinstance(part, ast.Global):
            shared.update(part.names)
    # what an import binds is looked up, so that it leads to the imported module
    shared.update(name for name, *_ in imports)
    lookups = sorted(set(_lookups(node, frozenset(), shared, False)))
    return Code(_digest(node), lookups, imports, sorted(bound_names))


def _entries(statement: ast.stmt) -> dict[str, Code] | None:
    """Key -> value if a statement assigns a dict display whose keys are constants."""
    match statement:
        case ast.Assign(value=ast.Dict(keys, values)):
            entries = {}
            for key, value in zip(keys, values, strict=True):
                if not isinstance(key, ast.Constant):
                    return None
                entries[str(key.value)] = _code(value)
            return entries
    return None


def _digest(node: ast.AST) -> str:
    return hashlib.sha256(ast.dump(node).encode()).hexdigest()


def _is_known(origins: dict[str, set[str]], decorator: ast.expr) -> bool:
    """Whether a decorator is known to change nothing but what it decorates. origins: name -> the
    packages that imports bind it to."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    root, *attributes = _dotted_name(function) or ("",)
    names = {root, *origins.get(root, ())}
    return not DECORATORS.isdisjoint(names) or not ACCESSORS.isdisjoint(attributes)


def _split_import(statement: ast.stmt) -> Iterator[ast.stmt]:
    """An import as one statement for each name; any other statement as it is."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield ast.Import([alias])
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            yield ast.ImportFrom(statement.module, [alias], statement.level)
    else:
        yield statement


def _imports(node: ast.AST, deep: bool = True) -> Iterator[Import]:
    """The imports of a node; deep: also those of the nodes in it that run with it."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            yield name, alias.name if alias.asname else name, "", 0
            # `import a.b` binds a, and runs a.b without a name of its own
            if not alias.asname and alias.name != name:
                yield "", alias.name, "", 0
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name, node.module or "", alias.name, node.level
    elif deep and not isinstance(node, (*FUNCTIONS, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _imports(child)


def _has_effect(statement: ast.stmt, is_known: Callable[[ast.expr], bool]) -> bool:
    """Whether a statement does more than bind names."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return not all(map(is_known, statement.decorator_list))
        case ast.ClassDef():
            # a keyword such as metaclass runs code with the class
            if statement.keywords or not all(map(is_known, statement.decorator_list)):
                return True
            for part in statement.body:
                is_definition = isinstance(part, (*FUNCTIONS, ast.ClassDef))
                if is_definition and _has_effect(part, is_known):
                    return True
            return False
        case ast.Assign(targets):
            return any(map(_is_in_place, targets))
        case ast.AnnAssign(target):
            return _is_in_place(target)
        case ast.AugAssign(target=ast.Name("__all__")) | ast.Pass():
            return False
    return True


def _is_in_place(target: ast.expr) -> bool:
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


def _bound_names(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The names that nodes bind in the scope that they stand in."""
    for node in nodes:
        yield from _binds(node)
        if isinstance(node, COMPREHENSIONS):
            # of a comprehension's names only those of := belong to the scope around it
            walrus_targets = [n.target for n in ast.walk(node) if isinstance(n, ast.NamedExpr)]
            yield from _bound_names(walrus_targets)
        elif not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            yield from _bound_names(ast.iter_child_nodes(node))


def _dotted_name(node: ast.AST) -> tuple[str, ...] | None:
    """(a, b, c) of a.b.c; None if it does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else None


def _lookups(
    node: ast.AST, local: frozenset[str], shared: set[str], in_message: bool
) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The names that a node looks up in its module, with their attributes and whether only a
    message needs them. local: names of the functions around it; shared: names never local."""
    if isinstance(node, Message):
        in_message = True
    elif (names := _dotted_name(node)) is not None:
        if names[0] not in local:
            yield names, in_message
        return
    outer_parts, inner_parts = _split_scopes(node)
    for part in outer_parts:
        yield from _lookups(part, local, shared, in_message)
    # an inner function sees its own names and those of the functions around it
    if inner_parts:
        local |= {*_bound_names(inner_parts)} - shared
        for part in inner_parts:
            yield from _lookups(part, local, shared, in_message)


def _split_scopes(node: ast.AST) -> tuple[list[ast.AST], list[ast.AST]]:
    """The parts of a node that are evaluated in the scope around it, and those in its own scope."""
    if isinstance(node, (*FUNCTIONS, ast.Lambda)):
        arguments = node.args
        # defaults, decorators and return annotations are evaluated at the definition
        defaults: list[ast.AST] = [*arguments.defaults, *filter(None, arguments.kw_defaults)]
        if isinstance(node, ast.Lambda):
            return defaults, [arguments, node.body]
        returns = [node.returns] if node.returns else []
        return [*defaults, *node.decorator_list, *returns], [arguments, *node.body]
    # a comprehension evaluates only its first iterable in the scope around it
    if isinstance(node, COMPREHENSIONS):
        return [node.generators[0].iter], list(ast.iter_child_nodes(node))
    return list(ast.iter_child_nodes(node)), []
