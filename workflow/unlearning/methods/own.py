"""Methods that a config adds: a loss function in a user's file. No torch; the file is not run."""

import ast
import re

from unlearning.methods.registry import FORGET_LOSSES, RETAIN_TERMS, Losses
from unlearning.methods.terms import Hyper, Term
from unlearning.user_code import function_arguments

KEYS = ("function", "roles", "needs")
ROLES = ("forget", "idk", "alternative", "retain")
NEEDS = ("reference", "logits", "teacher")  # what each means: see `terms.Term`
_NAME = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
# keys of a method's block that are not hyper-parameters of its loss
_RESERVED = {*KEYS, "epochs", "lr", "max_steps", "schedule", "reference"}
_RESERVED |= {"forget_coeff", "retain_coeff"}  # of composed methods, NAME+RT
# names of models without unlearning, in paths and in the report
_MODELS = ("target", "retrain", "retrained", "base")


def own_methods(methods: dict) -> tuple[Losses, list[str]]:
    """The registry with the losses that a config's section `methods` adds, and the problems.

    Blocks that name a function add a loss.
    """
    losses, problems = dict(FORGET_LOSSES), []
    for name, entry in methods.items():
        for block in function_blocks(entry):
            term, term_problems = _term(name, block)
            problems += term_problems
            # NAME and NAME+RT may both be listed, with the same loss
            forget = name.partition("+")[0]
            if term is not None and losses.setdefault(forget, term) != term:
                problems.append(
                    f"methods.{name}: another entry gives '{forget}' another function, roles or "
                    "needs; say them once"
                )
    return losses, list(dict.fromkeys(problems))


def function_blocks(entry) -> list[dict]:
    """The blocks of a method's entry that name a function."""
    blocks = entry if isinstance(entry, list) else [entry]
    return [block for block in blocks if isinstance(block, dict) and "function" in block]


def hyper_block(block):
    """The hyper-parameters in a method's config block, or in each block of a list."""
    if isinstance(block, list):
        return [hyper_block(part) for part in block]
    if not isinstance(block, dict):
        return block
    return {key: value for key, value in block.items() if key not in KEYS}


def _term(name: str, block: dict) -> tuple[Term | None, list[str]]:
    """The loss that a config block adds, or None and the problems."""
    setting, problems = f"methods.{name}", []
    forget, plus, retain = name.partition("+")
    if not _NAME.fullmatch(forget) or (plus and retain not in RETAIN_TERMS):
        problems.append(
            f"{setting}: a method of your own is called by letters, digits, '.', '-' and '_', with "
            f"a retain term where wanted: NAME or NAME+{'|'.join(RETAIN_TERMS)}"
        )
    # "IDK+RT" is one name there, so "IDK" alone is none
    if forget in FORGET_LOSSES or name in FORGET_LOSSES:
        problems.append(f"{setting}: '{forget}' is a method of the registry; choose another name")
    if forget.lower() in _MODELS:
        problems.append(f"{setting}: '{forget}' names a model without unlearning; choose another")
    for key, allowed in (("roles", ROLES), ("needs", NEEDS)):
        values = block.get(key, [])
        invalid = [v for v in values if v not in allowed] if isinstance(values, list) else [values]
        if invalid:
            listing = ", ".join(map(repr, invalid))
            problems.append(f"{setting}.{key}: a list of {', '.join(allowed)}; found {listing}")
    if block.get("roles") == []:
        problems.append(
            f"{setting}.roles: a loss needs rows of one role at least, of {', '.join(ROLES)}; "
            "found []. Without the key it is [forget]"
        )
    hyper, function_problems = _hyper_parameters(setting, block["function"])
    problems += function_problems
    if problems:
        return None, problems
    needs, roles = block.get("needs", []), tuple(block.get("roles", ["forget"]))
    # a teacher's logits are compared with the model's own
    needs_logits = "logits" in needs or "teacher" in needs
    logits = dict.fromkeys(roles, "labels") if needs_logits else {}
    teacher = roles if "teacher" in needs else ()
    term = Term(block["function"], hyper, roles, "reference" in needs, logits, teacher)
    return term, []


def _hyper_parameters(setting: str, function) -> tuple[dict[str, Hyper], list[str]]:
    """The arguments after the batch of "path/to/file.py:name", and the problems."""
    path, _, name = str(function).rpartition(":")
    arguments, problems = function_arguments(f"{setting}.function", function)
    if arguments is None:
        return {}, problems
    positional = [*arguments.posonlyargs, *arguments.args]
    if not positional:
        return {}, [f"{setting}.function: {name} of {path} must take the batch first"]
    # ast lists the defaults of the last positional arguments only
    defaults = [None] * (len(positional) - len(arguments.defaults)) + arguments.defaults
    pairs = [*zip(positional, defaults, strict=True)][1:]
    pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    reserved = [argument.arg for argument, _ in pairs if argument.arg in _RESERVED]
    if reserved:
        return {}, [
            f"{setting}.function: {name} of {path} has an argument called {', '.join(reserved)}, "
            "which has a meaning of its own in a config; rename it"
        ]
    return {argument.arg: Hyper(_number(default)) for argument, default in pairs}, []


def _number(default: ast.expr | None) -> float | None:
    """The value of a default if it is a plain number; otherwise the config must set it."""
    try:
        value = ast.literal_eval(default) if default is not None else None
    except ValueError:
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
