"""Functions in a user's Python files, named in a config as path/to/file.py:name. No torch.

Before any job their arguments are read without running the file; a stage loads the function.
"""

import ast
import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from unlearning.errors import UserError, seen_from


def load_function(name: str) -> Callable:
    """The function that "package.module:function" or "path/to/file.py:function" names.

    A user's file may import helpers from its own folder. UserError if it cannot be run.
    """
    path, _, function = name.rpartition(":")
    if not path.endswith(".py"):
        return getattr(importlib.import_module(path), function)
    spec = importlib.util.spec_from_file_location(path, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path] = module  # dataclasses and pickle look a module up there
    sys.path.append(str(Path(path).resolve().parent))  # last, so that it hides no library
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        line = user_line(error, path) or "not loaded"
        raise UserError(f"{path}: {line}: {type(error).__name__}: {error}") from error
    return getattr(module, function)


def user_line(error: Exception, file: str) -> str | None:
    """The last line of `file` that an error went through, as in "line 3 (return x)", or None."""
    path = Path(file).resolve()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).resolve() == path:
            return f"line {frame.lineno} ({frame.line})"
    return None


def function_arguments(setting: str, function) -> tuple[ast.arguments | None, list[str]]:
    """The arguments of the function "path/to/file.py:name", or None and the problems.

    setting: the config key that names the function, for the messages. The file is not run.
    """
    path, _, name = str(function).rpartition(":")
    if not path.endswith(".py"):
        return None, [f"{setting}: must be path/to/file.py:name, found {function!r}"]
    if not Path(path).is_file():
        return None, [f"{setting}: no file '{path}'{seen_from(path)}"]
    try:
        # utf-8-sig: editors of Windows begin a file with a mark that Python skips and ast refuses
        tree = ast.parse(Path(path).read_text(encoding="utf-8-sig"), filename=path)
    except SyntaxError as error:
        return None, [f"{setting}: {path}, line {error.lineno}: {error.msg}"]
    except (OSError, ValueError) as error:
        return None, [f"{setting}: {path} cannot be read as Python ({error})"]
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    if name not in functions:
        names = ", ".join(functions) or "none"
        return None, [f"{setting}: {path} has no function '{name}'; it defines {names}"]
    return functions[name], []
