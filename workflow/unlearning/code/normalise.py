"""Remove from a syntax tree what changes no result: docstrings, annotations, texts for the user.

Layout and comments are not in the tree at all. The arguments of exceptions, messages of `assert`
and helps of command-line arguments are messages: all their texts go, and the expressions that are
left are wrapped in a `Message` node. Calls that print, log or append to a list named `problems`
(this project's name for messages) lose the texts that stand in them directly; whatever they call
runs each time and stays.
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


class Message(ast.expr):
    """An expression that is evaluated only for a message to the user."""

    _fields = ("value",)

    def __init__(self, value: ast.expr):
        super().__init__()
        self.value = value


class TextRemover(ast.NodeTransformer):
    """Empties every text, of a definition that only messages use; of an f-string the values stay.
    Changes the tree in place, as the other one does."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        return ast.Tuple(list(map(self.visit, _formatted_values(node))), ast.Load())


class Normaliser(ast.NodeTransformer):
    """Removes what changes no result. is_known: whether a decorator ignores annotations."""

    def __init__(self, is_known: Callable[[ast.expr], bool]):
        self.is_known = is_known
        self.in_class = False

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list):  # of a lambda or conditional expression it is one expression
            statements = [s for s in body if not is_text(s)] or [ast.Pass()]
            setattr(node, "body", statements)  # noqa: B010 (ast.AST declares no body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        outer, self.in_class = self.in_class, True
        self.generic_visit(node)
        self.in_class = outer
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        # variables of a function in a class are no fields of it
        outer, self.in_class = self.in_class, False
        # an unknown decorator may read annotations, as those of validating libraries do
        if all(map(self.is_known, node.decorator_list)):
            node.returns = None
            for argument in ast.walk(node.args):
                if isinstance(argument, ast.arg):
                    argument.annotation = None
        self.generic_visit(node)
        self.in_class = outer
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        self.generic_visit(node)
        if self.in_class or not isinstance(node.target, ast.Name):
            return node  # dataclasses read annotations
        return ast.Assign([node.target], node.value) if node.value else ast.Pass()

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        self.generic_visit(node)
        # which error is raised decides who catches it, so the class stays
        if isinstance(call := node.exc, ast.Call):
            call.args = list(map(_message, call.args))
            for keyword in call.keywords:
                keyword.value = _message(keyword.value)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        self.generic_visit(node)
        node.msg = node.msg and _message(node.msg)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if _last_name(node.target) in LISTS:
            node.value = _remove_direct_texts(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if _is_message_call(node):
            node.args = list(map(_remove_direct_texts, node.args))
        elif _last_name(node.func) in PARSERS:
            for keyword in node.keywords:
                if keyword.arg in HELPS:
                    keyword.value = _message(keyword.value)
        return node


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a constant by itself, as docstrings are."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _is_message_call(call: ast.Call) -> bool:
    """Whether a call shows its arguments to the user."""
    name = _last_name(call.func)
    # print to another file than these streams writes a result
    if name == "print":
        for keyword in call.keywords:
            if keyword.arg == "file":
                return ast.unparse(keyword.value) in STREAMS
        return True
    if not isinstance(call.func, ast.Attribute):
        return False
    owner = (_last_name(call.func.value) or "").lower().strip("_")
    if name in ("append", "extend"):
        return owner in LISTS
    return (name in LEVELS and owner in LOGGERS) or (name == "warn" and owner == "warnings")


def _last_name(node: ast.expr) -> str | None:
    """`print` of print and accelerator.print."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _message(node: ast.expr) -> ast.expr:
    """The expression without texts, in a Message node."""
    return Message(TextRemover().visit(node))


def _formatted_values(node: ast.JoinedStr) -> list[ast.expr]:
    """The expressions in the braces of an f-string."""
    return [part.value for part in node.values if isinstance(part, ast.FormattedValue)]


def _remove_direct_texts(node: ast.expr) -> ast.expr:
    """Empty the texts that an expression consists of; those in calls, keys and indices stay."""
    match node:
        case ast.Constant(str()):
            return ast.Constant("")
        case ast.JoinedStr():
            return ast.Tuple(_formatted_values(node), ast.Load())
        case ast.BinOp():  # texts that are joined by +
            node.left = _remove_direct_texts(node.left)
            node.right = _remove_direct_texts(node.right)
        case ast.IfExp():
            node.body = _remove_direct_texts(node.body)
            node.orelse = _remove_direct_texts(node.orelse)
        case ast.List() | ast.Tuple():
            node.elts = list(map(_remove_direct_texts, node.elts))
        case ast.ListComp() | ast.GeneratorExp():
            node.elt = _remove_direct_texts(node.elt)
    return node
