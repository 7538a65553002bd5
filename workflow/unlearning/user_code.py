"""A function in a file of the user's, named in a config as path/to/file.py:name: looked at before
any job without being run, and loaded where it is called. No torch."""

import ast
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from unlearning.errors import UserError


def load_function(name: str) -> Callable:
    """The function that "package.module:function" or "path/to/file.py:function" names; UserError
    if a user's file cannot be run. Such a file may import helpers that lie beside it."""
    module, _, function = name.rpartition(":")
    if not module.endswith(".py"):
        return getattr(importlib.import_module(module), function)
    spec = importlib.util.spec_from_file_location(module, module)
    assert spec is not None and spec.loader is not None
    own = importlib.util.module_from_spec(spec)
    sys.modules[module] = own  # dataclasses and pickle look a module up there
    sys.path.append(str(Path(module).resolve().parent))  # last, so that it hides no library
    try:
        spec.loader.exec_module(own)
    except Exception as error:
        line = user_line(error, module) or "not loaded"
        raise UserError(f"{module}: {line}: {type(error).__name__}: {error}") from error
    return getattr(own, function)


def user_line(error: Exception, file: str) -> str | None:
    """The last line of `file` that an error went through, as in "line 3 (return x)", or None."""
    path = Path(file).resolve()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).resolve() == path:
            return f"line {frame.lineno} ({frame.line})"
    return None


def defined_function(where: str, function) -> tuple[ast.arguments | None, list[str]]:
    """The arguments of "path/to/file.py:name", or why there is no such function. where: the key of
    the config that names it."""
    path, _, name = str(function).rpartition(":")
    if not path.endswith(".py"):
        return None, [f"{where}: must be path/to/file.py:name, found {function!r}"]
    if not Path(path).is_file():
        return None, [f"{where}: no file '{path}' (seen from {Path.cwd()})"]
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"), filename=path)
    except SyntaxError as error:
        return None, [f"{where}: {path}, line {error.lineno}: {error.msg}"]
    except (OSError, ValueError) as error:
        return None, [f"{where}: {path} cannot be read as Python ({error})"]
    defined = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    if name not in defined:
        known = ", ".join(defined) or "none"
        return None, [f"{where}: {path} has no function '{name}'; it defines {known}"]
    return defined[name], []
