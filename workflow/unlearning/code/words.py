"""A statement's syntax tree without what changes no result: layout, docstrings, annotations of
functions, and texts for the user.

What stands in `raise`, in the message of an `assert` and in the helps of arguments is only said:
its texts go, wherever in it, and what it computes stands in a node `Said`. Of what is printed,
logged or added to a list called `problems` (this project's name for messages) the texts go that
stand there directly; what it calls is run each time, and stays.
"""

import ast
from collections.abc import Callable

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
LOGGERS = {"logging", "logger", "log"}
PARSERS = {"ArgumentParser", "add_parser", "add_subparsers", "add_argument", "add_argument_group"}
HELPS = {"help", "description", "epilog", "metavar"}
STREAMS = {"sys.stdout", "sys.stderr"}
LISTS = {"problems"}


class Said(ast.expr):
    """An expression that is evaluated for nothing but what is said."""

    _fields = ("value",)


class _Textless(ast.NodeTransformer):
    """Empties every text; of a formatted one its values stay."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
        return ast.Tuple([self.visit(value) for value in values], ast.Load())


def without_texts(statement: ast.stmt) -> ast.stmt:
    """A definition that is used in what is said alone: its code without any text, changed in
    place."""
    return _Textless().visit(statement)


class _Meaning(ast.NodeTransformer):
    """Leaves out what is not meant. plain: whether a decorator leaves annotations alone."""

    def __init__(self, plain: Callable[[ast.expr], bool]):
        self.plain = plain
        self.in_class = False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not is_text(s)] or [ast.Pass()]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outside, self.in_class = self.in_class, True
        self.generic_visit(node)
        self.in_class = outside
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        outside, self.in_class = self.in_class, False
        if all(map(self.plain, node.decorator_list)):
            node.returns = None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
        self.generic_visit(node)
        self.in_class = outside
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if self.in_class or not isinstance(node.target, ast.Name):
            return node  # a dataclass reads them
        return ast.Assign([node.target], node.value) if node.value else ast.Pass()

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        if isinstance(call := node.exc, ast.Call):
            call.args = [_said(argument) for argument in call.args]
            for keyword in call.keywords:
                keyword.value = _said(keyword.value)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self.generic_visit(node)
        node.msg = node.msg and _said(node.msg)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if _last(node.target) in LISTS:
            node.value = _worded(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _tells(node):
            node.args = [_worded(argument) for argument in node.args]
        elif _last(node.func) in PARSERS:
            for keyword in node.keywords:
                if keyword.arg in HELPS:
                    keyword.value = _said(keyword.value)
        return node


def meaning(statement: ast.stmt, plain: Callable[[ast.expr], bool]) -> ast.stmt:
    """The statement without what changes no result, changed in place; plain: see `_Meaning`."""
    return _Meaning(plain).visit(statement)


def is_text(statement: ast.stmt) -> bool:
    """Whether it is a text or another constant that stands alone, as docstrings do."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _tells(call: ast.Call) -> bool:
    """Whether a call hands its arguments on to the user."""
    name = _last(call.func)
    if name == "print":
        files = [ast.unparse(k.value) for k in call.keywords if k.arg == "file"]
        return STREAMS.issuperset(files)
    if not isinstance(call.func, ast.Attribute):
        return False
    of = (_last(call.func.value) or "").lower().strip("_")
    if name in ("append", "extend"):
        return of in LISTS
    return (name in LEVELS and of in LOGGERS) or (name == "warn" and of == "warnings")


def _last(node: ast.expr) -> str | None:
    """`print` of print and accelerator.print."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _said(node: ast.expr) -> ast.expr:
    """Without any text, and marked."""
    return Said(_Textless().visit(node))


def _worded(node: ast.expr) -> ast.expr:
    """Without the texts that it consists of; arguments of calls, keys and indices stay."""
    match node:
        case ast.Constant(str()):
            return ast.Constant("")
        case ast.JoinedStr():
            values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            return ast.Tuple(values, ast.Load())
        case ast.BinOp():
            node.left, node.right = _worded(node.left), _worded(node.right)
        case ast.IfExp():
            node.body, node.orelse = _worded(node.body), _worded(node.orelse)
        case ast.List() | ast.Tuple():
            node.elts = [_worded(element) for element in node.elts]
        case ast.ListComp() | ast.GeneratorExp():
            node.elt = _worded(node.elt)
    return node
