"""Methods that a config adds: a loss function in a file of the user's. No torch, nothing is run."""

import ast
import re

from unlearning.methods.registry import FORGET_LOSSES, RETAIN_TERMS, Losses
from unlearning.methods.terms import Hyper, Term
from unlearning.user_code import function_arguments

KEYS = ("function", "roles", "needs")
ROLES = ("forget", "idk", "alternative", "retain")
NEEDS = ("reference", "logits", "teacher")  # what each means: see `terms.Term`
_NAME = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
# what the config, or a run beside its loss, says by these names
_RESERVED = {*KEYS, "epochs", "lr", "max_steps", "schedule", "reference"}
_RESERVED |= {"forget_coeff", "retain_coeff"}
_MODELS = ("target", "retrain", "base")  # what models without unlearning are called


def own_methods(methods: dict) -> tuple[Losses, list[str]]:
    """The registry with the config's own forget losses, and what is wrong with these.

    `methods` is the config's section. Own entries are those that name a function.
    """
    losses, problems = dict(FORGET_LOSSES), []
    for name, stated in methods.items():
        if isinstance(stated, dict) and "function" in stated:
            term, found = _term(name, stated)
            problems += found
            if term is not None and losses.setdefault(name.partition("+")[0], term) != term:
                problems.append(
                    f"methods.{name}: another entry gives '{name.partition('+')[0]}' another "
                    "function, roles or needs; say them once"
                )
    return losses, problems


def hyper_block(stated):
    """A method's hyper-parameters: what its config block says beside KEYS."""
    if not isinstance(stated, dict):
        return stated
    return {key: value for key, value in stated.items() if key not in KEYS}


def _term(name: str, stated: dict) -> tuple[Term | None, list[str]]:
    where, problems = f"methods.{name}", []
    forget, plus, retain = name.partition("+")
    if not _NAME.fullmatch(forget) or (plus and retain not in RETAIN_TERMS):
        problems.append(
            f"{where}: a method of your own is called by letters, digits, '.', '-' and '_', with "
            f"a retain term where wanted: NAME or NAME+{'|'.join(RETAIN_TERMS)}"
        )
    if forget in FORGET_LOSSES or name in FORGET_LOSSES:
        problems.append(f"{where}: '{forget}' is a method of the registry; choose another name")
    if forget in _MODELS:
        problems.append(f"{where}: '{forget}' names a model without unlearning; choose another")
    for key, allowed in (("roles", ROLES), ("needs", NEEDS)):
        listed = stated.get(key, [])
        wrong = [v for v in listed if v not in allowed] if isinstance(listed, list) else [listed]
        if wrong:
            found = ", ".join(map(repr, wrong))
            problems.append(f"{where}.{key}: a list of {', '.join(allowed)}; found {found}")
    if stated.get("roles") == []:
        problems.append(
            f"{where}.roles: a loss needs rows of one role at least, of {', '.join(ROLES)}; found "
            "[]. Without the key it is [forget]"
        )
    hyper, found = _signature(where, stated["function"])
    problems += found
    if problems:
        return None, problems
    needs = stated.get("needs", [])
    roles = tuple(stated.get("roles", ["forget"]))
    return Term(
        stated["function"],
        hyper,
        roles=roles,
        reference="reference" in needs,
        logits={role: "labels" for role in roles} if {"logits", "teacher"} & {*needs} else {},
        teacher=roles if "teacher" in needs else (),
    ), []


def _signature(where: str, function) -> tuple[dict[str, Hyper], list[str]]:
    """The hyper-parameters of "path/to/file.py:name": its arguments after the batch."""
    path, _, name = str(function).rpartition(":")
    arguments, problems = function_arguments(f"{where}.function", function)
    if arguments is None:
        return {}, problems
    named = [*arguments.posonlyargs, *arguments.args]
    if not named:
        return {}, [f"{where}.function: {name} of {path} must take the batch first"]
    given = [None] * (len(named) - len(arguments.defaults)) + arguments.defaults
    pairs = [*zip(named, given, strict=True)][1:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    taken = [argument.arg for argument, _ in pairs if argument.arg in _RESERVED]
    if taken:
        return {}, [
            f"{where}.function: {name} of {path} has an argument called {', '.join(taken)}, which "
            "has a meaning of its own in a config; rename it"
        ]
    return {argument.arg: Hyper(_number(default)) for argument, default in pairs}, []


def _number(default: ast.expr | None) -> float | None:
    """The value of a default that is a plain number; the config must state any other."""
    try:
        value = ast.literal_eval(default) if default is not None else None
    except ValueError:
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
