"""Digest of the code that a stage really uses, so that an edit reruns its stages and no others.

Snakemake sees a rule's own text only. Each rule therefore has one param with the digest of the
package modules that its stage reaches through imports, comments and docstrings left out. Method
functions are named in the settings, not imported, so a stage that runs a method adds that module,
or the user's file: its own text only, not what it imports beside the package.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# What a job says, and how it is laid out in memory, changes no result.
NO_RESULT = [PACKAGE / "progress.py", PACKAGE / "training" / "fit.py", PACKAGE / "planning"]


@cache
def _path_of(module: str) -> Path | None:
    """The file of a module of this package, or of a method in a file of the user's; else None."""
    if module.endswith(".py"):
        return Path(module).resolve()
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*parts[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _read(path: Path) -> tuple[set[str], str]:
    """Modules that a file imports, and its code without comments, docstrings and layout."""
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports.add(node.module)
            imports.update(f"{node.module}.{alias.name}" for alias in node.names)
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)] or [ast.Pass()]
    return imports, ast.unparse(tree)


@cache
def reached(*modules: str) -> tuple[Path, ...]:
    """Files of the package that the modules reach through their imports, sorted."""
    seen: set[Path] = set()
    waiting = list(modules)
    while waiting:
        path = _path_of(waiting.pop())
        if path is None or any(path.is_relative_to(other) for other in NO_RESULT):
            continue
        if path not in seen:
            seen.add(path)
            waiting += _read(path)[0]
    return tuple(sorted(seen))


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@cache
def fingerprint(*modules: str) -> str:
    """Twelve hex digits over the code of `modules` and all they reach."""
    digest = hashlib.sha256()
    for path in reached(*modules):
        inside = path.is_relative_to(PACKAGE)
        digest.update(str(path.relative_to(PACKAGE) if inside else path.name).encode())
        digest.update(_read(path)[1].encode())
    return digest.hexdigest()[:12]
