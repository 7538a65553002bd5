"""Draws: everything that is random before unlearning, anew.

Draw 1 is the config as it is stated. Draw d is the same config in which SPACING · (d - 1) is added
to every seed of what comes before unlearning: those of generated tables, of random weights and
pre-training, of the target's fine-tuning and of the retrained models. The seeds of unlearning stay:
they count runs within a draw.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from unlearning.benchmark import benchmark_of
from unlearning.config.named import trains_target

SPACING = 1_000_000  # further apart than the seeds that one config states
LARGEST_SEED = 2**32 - 1
# keys of a config that hold such seeds, beside those that a benchmark names in its `data` section
SEEDS = (("model", "architecture", "seed"), ("finetune", "seed"), ("retrain", "seeds"))


def draw_numbers(config: dict) -> list[int]:
    """The draws of a complete config: those that it lists, or 1 to the number that it states."""
    draws = config["draws"]
    return draws if isinstance(draws, list) else [*range(1, draws + 1)]


def config_of_draw(config: dict, draw: int) -> dict:
    """The complete config of a draw, which has no draws of its own. config: as it is stated."""
    config = deepcopy(config)
    del config["draws"]  # so that nothing asks one draw for others
    for *path, key in seed_keys(config):
        section = _section(config, path)
        if isinstance(section[key], list):
            section[key] = [seed_of_draw(seed, draw) for seed in section[key]]
        else:
            section[key] = seed_of_draw(section[key], draw)
    return config


def seed_of_draw(seed: int, draw: int) -> int:
    """What becomes in a draw of a seed that the config states."""
    return seed + SPACING * (draw - 1)


def seed_keys(config: dict) -> list[tuple[str, ...]]:
    """The keys of a complete config that hold seeds of what comes before unlearning."""
    keys = [*SEEDS, *table_seed_keys(config)]
    return [key for key in keys if _section(config, key[:-1]) is not None]


def table_seed_keys(config: dict) -> list[tuple[str, ...]]:
    """Those of generated tables; none where every draw has the same tables."""
    keys = [("data", *key) for key in benchmark_of(config["data"]["source"]).data_seeds]
    return [key for key in keys if _section(config, key[:-1]) is not None]


def _section(config: dict, path: Sequence[str]) -> Any:
    """The section at a path of keys; None where it is absent or null."""
    section: dict | None = config
    for key in path:
        section = section.get(key) if section is not None else None
    return section


def draw_problems(config: dict) -> Iterator[str]:
    """Draws that would be alike, or whose seeds would."""
    numbers = draw_numbers(config)
    if numbers == [1]:
        return
    # each of these would give draws that look independent and share the model they start from
    beginning = f"draws: found {config['draws']}, but"
    if config["target"] is not None:
        yield (
            f"{beginning} target.path '{config['target']['path']}' is the target of every draw, so "
            "nothing before unlearning would differ; remove draws, or target so that one is "
            "fine-tuned in each draw"
        )
    elif config["model"]["architecture"] is None and not trains_target(config):
        yield (
            f"{beginning} the base model is unlearned as it is, so nothing before unlearning would "
            "differ between draws; remove draws (unlearn.seeds repeats unlearning)"
        )
    if config["retrained"] is not None:
        yield (
            f"{beginning} every draw would share the models that retrained names; remove draws, or "
            "retrained so that models are retrained in each draw"
        )
    yield from _seed_problems(config, numbers)


def _seed_problems(config: dict, numbers: list[int]) -> Iterator[str]:
    for *path, key in seed_keys(config):
        value = _section(config, path)[key]
        seeds = value if isinstance(value, list) else [value]
        problem = _seed_problem(seeds, numbers)
        if problem:
            yield f"{'.'.join((*path, key))}: {problem}"


def _seed_problem(seeds: list[int], numbers: list[int]) -> str:
    """What is wrong with the seeds of one key in these draws; only the first of it."""
    # A draw whose seed is another one's would count the same run twice as two independent ones.
    origins: dict[int, str] = {}
    for draw in numbers:
        for seed in seeds:
            seed_here, origin = seed_of_draw(seed, draw), f"seed {seed} in draw {draw}"
            if seed_here > LARGEST_SEED:
                return (
                    f"{origin} would be {seed_here}, and the largest seed is {LARGEST_SEED}; state "
                    f"a smaller seed ({SPACING:,} are added for each draw)"
                )
            if seed_here in origins:
                return (
                    f"{origin} would be that of {origins[seed_here]}; state seeds that do not "
                    f"differ by a multiple of {SPACING:,}, which are added for each draw"
                )
            origins[seed_here] = origin
    return ""
