"""Markov chains on disjoint groups of states, and sequences of states drawn from them.

Paper: SimNPO (arXiv 2410.07163). Reference: synthetic/ in OPTML-Group/Unlearn-Simple.
"""

from dataclasses import dataclass

import numpy

from unlearning.training.plan import generator

CHAINS = ("retain", "forget1", "forget2")


@dataclass(frozen=True)
class Chain:
    """initial: (S,) probabilities of the first state. transition: (S, S), rows sum to 1."""

    initial: numpy.ndarray
    transition: numpy.ndarray


def make_chain(place: int, states: int, leakage: float) -> Chain:
    """The chain on the `place`-th third of the states (0, 1, 2; each states // 3 of them).

    From a state of its group it stays with 1 - leakage, evenly, and leaves with leakage, evenly;
    from any other state it goes anywhere alike, and it starts as if from its group.
    """
    size = states // 3
    own = slice(place * size, (place + 1) * size)
    inside = numpy.full(states, leakage / (states - size))
    inside[own] = (1 - leakage) / size
    transition = numpy.full((states, states), 1 / states)
    transition[own] = inside
    return Chain(inside, transition)


def sample(chain: Chain, count: int, length: int, stream: numpy.random.Generator) -> numpy.ndarray:
    """(count, length) states."""
    found = numpy.empty((count, length), dtype=int)
    found[:, 0] = stream.choice(len(chain.initial), size=count, p=chain.initial)
    cumulative = chain.transition.cumsum(axis=1)
    for t in range(1, length):
        passed = stream.random((count, 1)) >= cumulative[found[:, t - 1], :-1]
        found[:, t] = passed.sum(axis=1)
    return found


def draw_sets(settings: dict, lengths: dict[str, int], seed: int) -> dict[str, tuple]:
    """Chain name -> (train, test) arrays of states; settings: synthetic.markov of the config."""
    sets = {}
    for place, name in enumerate(CHAINS):
        chain = make_chain(place, settings["states"], settings["leakage"])
        count = settings["sequences"][name]
        found = sample(chain, count, lengths[name], generator(seed, "chain", name))
        held_out = round(settings["test_share"] * count)
        sets[name] = found[held_out:], found[:held_out][: settings["test_rows"]]
    return sets
