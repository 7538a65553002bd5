"""Markov chains on disjoint groups of states, and sequences of states drawn from them.

Paper: SimNPO (arXiv 2410.07163). Reference: synthetic/ in OPTML-Group/Unlearn-Simple.
"""

from dataclasses import dataclass

import numpy

from unlearning.training.plan import generator

CHAINS = ("retain", "forget1", "forget2")


@dataclass(frozen=True)
class Chain:
    """A Markov chain on S states.

    initial: (S,) probabilities of the first state. transition: (S, S), rows sum to 1.
    """

    initial: numpy.ndarray
    transition: numpy.ndarray


def make_chain(group: int, states: int, leakage: float) -> Chain:
    """The chain whose group is the first, second or third third of the states (group 0, 1 or 2).

    From a state of its group, the next state is in the group with probability 1 - leakage and
    outside with probability leakage, each time uniformly. From any other state, the next state is
    uniform over all. The first state is drawn as if the chain came from its group.
    """
    # One or two states may be left over, as of the paper's 10: they belong to no group.
    size = states // 3
    group_states = slice(group * size, (group + 1) * size)
    from_group = numpy.full(states, leakage / (states - size))
    from_group[group_states] = (1 - leakage) / size
    transition = numpy.full((states, states), 1 / states)  # (from, to)
    transition[group_states] = from_group
    return Chain(from_group, transition)


def sample(chain: Chain, count: int, length: int, stream: numpy.random.Generator) -> numpy.ndarray:
    """(count, length) states of sequences drawn from a chain."""
    states: numpy.ndarray = numpy.empty((count, length), dtype=int)
    states[:, 0] = stream.choice(len(chain.initial), size=count, p=chain.initial)
    cumulative = chain.transition.cumsum(axis=1)
    for t in range(1, length):
        # Inverse transform: the next state is the number of cumulative probabilities not above the
        # uniform draw. The last of them is 1 up to rounding and left out.
        exceeded = stream.random((count, 1)) >= cumulative[states[:, t - 1], :-1]  # (count, S - 1)
        states[:, t] = exceeded.sum(axis=1)
    return states


def draw_sets(settings: dict, lengths: dict[str, int], seed: int) -> dict[str, tuple]:
    """Chain name -> (train, test) arrays of states; settings: synthetic.markov of the config."""
    sets = {}
    for group, name in enumerate(CHAINS):
        chain = make_chain(group, settings["states"], settings["leakage"])
        count = settings["sequences"][name]
        # a stream of its own: another number of sequences of one chain changes no other chain
        states = sample(chain, count, lengths[name], generator(seed, "chain", name))
        # Sequences are independent, so the first ones can be held out. test_rows limits them, since
        # divergences are measured after every step.
        held_out = round(settings["test_share"] * count)
        sets[name] = states[held_out:], states[:held_out][: settings["test_rows"]]
    return sets
