"""Functions in a user's Python files, named in a config as path/to/file.py:name. No torch.

Before any job their arguments are read without running the file; a stage loads the function.
"""

import ast
import importlib
import importlib.util
import sys
import tokenize
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from types import ModuleType

from unlearning.code.module import module_file
from unlearning.errors import UserError, seen_from

_HELPERS: dict[Path, dict[str, ModuleType]] = {}  # folder -> the modules imported from it


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
    folder = Path(path).resolve().parent
    try:
        with _helpers_of(folder):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        line = user_line(error, path) or "not loaded"
        raise UserError(f"{path}: {line}: {type(error).__name__}: {error}") from error
    user_function = getattr(module, function)

    @wraps(user_function)
    def call(*arguments, **keywords):
        with _helpers_of(folder):  # it may import more of them
            return user_function(*arguments, **keywords)

    # a decorator may have given it another name, or none
    call.__module__, call.__qualname__ = path, function
    return call


@contextmanager
def _helpers_of(folder: Path) -> Iterator[None]:
    """Within, imports find the modules of a user's folder, after all others; then these are set
    aside, so that a file in another folder gets its own helper of the same name."""
    helpers = _HELPERS.setdefault(folder, {})
    before = dict(sys.modules)
    # the same module objects again, so that a helper's state lasts from call to call
    sys.modules.update(helpers)
    sys.path.append(str(folder))  # last, so that it hides no library
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        imported = {*sys.modules.keys() - before.keys(), *helpers}
        tops = {name for name in imported if "." not in name}
        tops = {name for name in tops if _lies_in(sys.modules[name], folder)}
        for name in imported:
            if name.partition(".")[0] in tops:
                helpers[name] = sys.modules.pop(name)
                if name in before:  # a library's
                    sys.modules[name] = before[name]


def _lies_in(module: ModuleType, folder: Path) -> bool:
    """Whether a module is a file, or a package a folder, of this folder."""
    spec = module.__spec__
    if spec is None:
        return False
    paths = spec.submodule_search_locations or [spec.origin or ""]
    return any(Path(path).parent == folder for path in paths)


def user_line(error: BaseException, file: str) -> str | None:
    """The last line of `file` that an error went through, as in "line 3 (return x)", or None."""
    path = Path(file).resolve()
    # from the innermost frame on: those inside a library say nothing to the file's author
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
    tree, problems = _parse(Path(path))
    if tree is None:
        return None, [f"{setting}: {problem}" for problem in problems]
    functions = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
    if name not in functions:
        names = ", ".join(functions) or "none"
        return None, [f"{setting}: {path} has no function '{name}'; it defines {names}"]
    problems = [f"{setting}: {problem}" for problem in _import_problems(Path(path), tree)]
    return (None if problems else functions[name]), problems


def _parse(path: Path) -> tuple[ast.Module | None, list[str]]:
    """The syntax tree of a file, or None and why it is no Python."""
    try:
        # as Python reads it: with a byte order mark, or in the encoding that its first lines name
        with tokenize.open(path) as file:
            return ast.parse(file.read(), filename=str(path)), []
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, SyntaxError) and error.lineno:  # none of a wrong encoding
            return None, [f"{path}, line {error.lineno}: {error.msg}"]
        return None, [f"{path} cannot be read as Python ({error})"]


def _import_problems(path: Path, tree: ast.Module) -> list[str]:
    """The imports of a user's file, and of its helpers, that will fail: of helpers that are no
    Python and, at the head of a file, of modules that are nowhere."""
    problems, queue, seen = [], [(path, tree)], {path.resolve()}
    while queue:
        file, tree = queue.pop(0)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names = [(alias.name, 0) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "", node.level)]
            else:
                continue
            for name, level in names:
                where = f"{file}, line {node.lineno}"
                if level and file == path:
                    problems.append(
                        f"{where}: a relative import, but the file is no part of a package; write "
                        f"import {name or 'NAME'}"
                    )
                    continue
                helper = module_file(name, file.resolve(), level)
                if helper is None:
                    # imports within `try`, `if` and functions may do without
                    at_head = node in tree.body and not level
                    if at_head and not _is_installed(name.partition(".")[0], file):
                        problems.append(
                            f"{where}: imports {name}, which is neither installed nor in the "
                            "file's folder; install it, or put it there"
                        )
                elif helper not in seen:
                    seen.add(helper)
                    helper_tree, helper_problems = _parse(helper)
                    problems += helper_problems
                    if helper_tree is not None:
                        queue.append((helper, helper_tree))
    return problems


def _is_installed(name: str, importer: Path) -> bool:
    """Whether a module can be imported in jobs, as far as this machine knows: where torch is
    missing, jobs run in another environment."""
    folders = [parent / name for parent in (importer.parent, Path.cwd())]
    if any(map(Path.is_dir, folders)) or importlib.util.find_spec("torch") is None:
        return True
    return importlib.util.find_spec(name) is not None
