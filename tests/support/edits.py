"""Edits of a project that a test takes back: of code, data and outputs.

with inside("training/loop.py:train")(project): what is planned then
"""

import ast
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from project import Project
from safetensors.numpy import load, save

PACKAGE = "workflow/unlearning"
Edit = Callable[[Project], AbstractContextManager[None]]


def changed(file: str, before: str, after: str) -> Edit:
    """A file of the project in which `before`, which stands in it, gives way to `after`."""

    def edit(project: Project) -> AbstractContextManager[None]:
        return project.edited(file, lambda text: _replaced(text, before, after, file))

    return edit


def code(file: str, before: str, after: str) -> Edit:
    """The same of a file of the package."""
    return changed(f"{PACKAGE}/{file}", before, after)


def inside(place: str) -> Edit:
    """A line that does something in a function or method of the package: file.py:name."""
    file, _, name = place.partition(":")

    def edit(project: Project) -> AbstractContextManager[None]:
        return project.edited(f"{PACKAGE}/{file}", lambda text: _longer(text, name.split(".")))

    return edit


def beside(file: str) -> Edit:
    """A function that nothing calls, and a constant, in a file of the package."""

    def edit(project: Project) -> AbstractContextManager[None]:
        more = "\n\nEDITED = True\n\n\ndef edited():\n    return EDITED\n"
        return project.edited(f"{PACKAGE}/{file}", lambda text: text + more)

    return edit


def deleted(pattern: str) -> Edit:
    """Files or folders of the project that are gone."""

    @contextmanager
    def edit(project: Project) -> Iterator[None]:
        aside = Path(tempfile.mkdtemp(dir=project.root.parent))
        paths = list(project.root.glob(pattern))
        assert paths, f"nothing is called {pattern}"
        for number, path in enumerate(paths):
            shutil.move(path, aside / str(number))
        try:
            yield
        finally:
            for number, path in enumerate(paths):
                shutil.move(aside / str(number), path)
            aside.rmdir()

    return edit


def touched(*patterns: str) -> Edit:
    """Files of the project with another time; a fresh checkout or a copy is no change."""

    @contextmanager
    def edit(project: Project) -> Iterator[None]:
        note = ".snakemake_timestamp"  # Snakemake's of when it made a folder
        files = []
        for pattern in patterns:
            for path in project.root.glob(pattern):
                if path.is_file() and path.name != note:
                    files.append(path)
        assert files, f"nothing is called {patterns}"
        times = {file: file.stat() for file in files}
        for file in files:
            os.utime(file)
        try:
            yield
        finally:
            for file, before in times.items():
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    return edit


def added(file: str, text: str = "Words.\n") -> Edit:
    """A file of the project that was not there."""

    @contextmanager
    def edit(project: Project) -> Iterator[None]:
        path = project.root / file
        path.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            path.unlink()

    return edit


def scaled(file: str, factor: float) -> Edit:
    """Every tensor of a safetensors file times a factor."""

    def times(content: bytes) -> bytes:
        tensors = {name: factor * tensor for name, tensor in load(content).items()}
        return save(tensors, {"format": "pt"})

    return _rewritten(file, times)


def grown(file: str) -> Edit:
    """A byte more at the end of a file."""
    return _rewritten(file, lambda content: content + b"\0")


def _rewritten(file: str, change: Callable[[bytes], bytes]) -> Edit:
    @contextmanager
    def edit(project: Project) -> Iterator[None]:
        path = project.root / file
        before, times = path.read_bytes(), path.stat()
        path.write_bytes(change(before))
        try:
            yield
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    return edit


def both(*edits: Edit) -> Edit:
    """Several edits at once."""

    @contextmanager
    def edit(project: Project) -> Iterator[None]:
        with ExitStack() as stack:
            for one in edits:
                stack.enter_context(one(project))
            yield

    return edit


def _replaced(text: str, before: str, after: str, file: str) -> str:
    assert before in text, f"{file} does not hold {before!r}"
    return text.replace(before, after, 1)


def _longer(text: str, names: list[str]) -> str:
    """`text` with a line before the first statement of a function, after its docstring."""
    scope: ast.AST = ast.parse(text)
    for name in names:
        (scope,) = [node for node in scope.body if getattr(node, "name", None) == name]
    words = isinstance(scope.body[0], ast.Expr) and isinstance(scope.body[0].value, ast.Constant)
    lines = text.splitlines(keepends=True)
    if words:  # the line after the docstring, whatever follows
        return _inserted(lines, scope.body[0].end_lineno, scope.body[0].col_offset)
    return _inserted(lines, scope.body[0].lineno - 1, scope.body[0].col_offset)


def _inserted(lines: list[str], number: int, indent: int) -> str:
    return "".join([*lines[:number], " " * indent + "edited = True\n", *lines[number:]])
