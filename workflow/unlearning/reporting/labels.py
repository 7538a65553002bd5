"""What runs and numbers are called on the page: NPO+RT β=0.1, 1.2e-13."""

import re

TARGET, RETRAIN = "target", "retrain"
ARROWS = {"higher": "↑", "lower": "↓", "zero": "→0", "": ""}
NAMES = {TARGET: "Target", RETRAIN: "Retrained"}
SETS = {
    "forget": "Forget set",
    "retain": "Retain set",
    "real_authors": "Real authors",
    "world_facts": "World facts",
}
ATTACKS = {"random": "random forget rows", "shortest": "the shortest answers"}
_HYPER = {
    "beta": "β=",
    "gamma": "γ=",
    "forget_coeff": "forget ×",
    "retain_coeff": "retain ×",
    "lr": "lr ",
    "epochs": "epochs ",
    "reference": "ref. ",
}
_PADDED_EXPONENT = re.compile(r"e([+-])0*(\d)")


def model_label(method: str, hyper: dict[str, float | str]) -> str:
    """NPO+RT β=0.1 for the hyper-parameters that the config states."""
    return " ".join([NAMES.get(method, method), *hyper_words(hyper)])


def hyper_words(hyper: dict[str, float | str]) -> list[str]:
    """β=0.1, lr 0.005: a word for each hyper-parameter."""
    return [f"{_HYPER.get(key, f'{key}=')}{compact(value)}" for key, value in hyper.items()]


def counted(number: int, noun: str) -> str:
    """1 model, 2 models."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def run_title(draw: int, seed: int) -> str:
    """A run among those of its variant: its seed, and its draw unless that is the first."""
    return str(seed) if draw == 1 else f"{seed}, draw {draw}"


def run_titles(rows) -> list[str]:
    """That of each row of the frame."""
    return [run_title(*run) for run in zip(rows["draw"], rows["seed"], strict=True)]


def compact(value: float | str) -> str:
    """0.1, 2.5, 1e-5: as short as it can be; words as they are."""
    if isinstance(value, str):
        return value
    # six digits, as in the paths of runs: no two variants of a config differ in less
    return _PADDED_EXPONENT.sub(r"e\1\2", f"{value:g}")


def scientific(value: float, digits: int = 1) -> str:
    """1.2e-13."""
    return _PADDED_EXPONENT.sub(r"e\1\2", f"{value:.{digits}e}")


def p_value(value: float) -> str:
    """A p-value: three decimals, or its order of magnitude where those would be zeros."""
    if value == 0:  # an underflow: no test gives a p-value of 0
        return "< 5e-324"  # the smallest double
    return scientific(value) if value < 0.001 else f"{value:.3f}"


def decimal(value: float) -> str:
    """A number near 1 with three decimals, others with about three digits."""
    size = abs(value)
    if size >= 1e5 or 0 < size < 5e-4:
        return scientific(value)
    digits = 3 if size < 10 else 1 if size < 1000 else 0
    return f"{value:z.{digits}f}"


def metric_text(metric: str, value: float | None, digits: int | None = None) -> str:
    """A metric's value in words; a dash where there is none. digits: decimals, where declared."""
    if value is None:
        return "–"
    if is_p_value(metric):
        return p_value(value)
    if digits is not None:
        return f"{value:z.{digits}f}"  # z: no minus before a zero
    return f"{value:z.2f}" if "log10" in metric else decimal(value)


def spread_text(metric: str, sd: float | None, digits: int | None = None) -> str:
    """A standard deviation with its sign: ± 0.02, or × ÷ 3.1 around a geometric mean."""
    if sd is None:
        return ""
    if is_p_value(metric):
        return f"×÷ {compact(float(f'{sd:.2g}'))}"
    return f"± {metric_text(metric, sd, digits)}"


def is_p_value(metric: str) -> bool:
    """Whether a metric, also of a stratum, is a p-value; those are averaged geometrically."""
    return metric.partition("@")[0] == "forget_quality"


def attack_title(attack: str) -> str:
    """An attack in words: random/fraction=0.1 is "random forget rows, 10%"."""
    kind, _, share = attack.partition("/fraction=")
    words = ATTACKS.get(kind, kind)
    return f"{words}, {100 * float(share):g}%" if share else words
