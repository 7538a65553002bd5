"""Which rows make the global batch of a step."""

from collections.abc import Callable
from typing import Protocol

from unlearning.data.encoding import Example
from unlearning.training.batches import Pair
from unlearning.training.plan import Shuffle, StepPlan, generator


class Source(Protocol):
    """The global batch of each step, whatever the number of processes."""

    def step(self, step: int) -> list[Pair]:
        """The pairs of the step's global batch."""
        ...


class LearnSource:
    """Rows to be learnt, in shuffled epochs, with a few replayed rows beside each batch."""

    def __init__(
        self, plan: StepPlan, seed: int, rows: list[Example], replay: list[Example], replayed: int
    ):
        self.plan, self.seed, self.rows = plan, seed, rows
        self.replay, self.replayed = replay, replayed
        self.shuffle = Shuffle(seed, plan.rows)

    def step(self, step: int) -> list[Pair]:
        """batch_size rows and `replayed` rows drawn from the replay table."""
        pairs = [{"train": self.rows[self.shuffle(*p)]} for p in self.plan.positions(step)]
        if self.replayed:
            drawn = generator(self.seed, "replay", step).integers(
                len(self.replay), size=self.replayed
            )
            pairs += [{"train": self.replay[i]} for i in drawn]
        return pairs


class UnlearnSource:
    """Each forget row with the retain row and the "I don't know" answer drawn for it.

    pairing `fresh`: a new draw at each visit (locuslab/tofu). `fixed`: the draw depends on the
    forget row alone, so a row meets the same partner in every epoch and at most N_forget retain
    rows are ever used (the released NPO and SimNPO code reseeds with the row index).
    """

    def __init__(
        self,
        plan: StepPlan,
        seed: int,
        pairing: str,
        roles: list[str],
        forget: list[Example],
        retain: list[Example],
        idk: Callable[[int, int], Example] | None,
        idk_answers: int,
    ):
        self.plan, self.seed, self.pairing, self.roles = plan, seed, pairing, roles
        self.forget, self.retain, self.idk, self.idk_answers = forget, retain, idk, idk_answers
        self.shuffle = Shuffle(seed, plan.rows)

    def draws(self, step: int) -> list[tuple[int, int, int]]:
        """(forget row, retain row, idk answer) of each pair of the step."""
        chosen = []
        for epoch, place in self.plan.positions(step):
            row = self.shuffle(epoch, place)
            key = (row,) if self.pairing == "fixed" else (self.seed, epoch, row)
            draw = generator("pairing", *key)
            retain = int(draw.integers(len(self.retain)))
            chosen.append((row, retain, int(draw.integers(max(1, self.idk_answers)))))
        return chosen

    def step(self, step: int) -> list[Pair]:
        """The step's pairs, with the roles that the method asks for."""
        return [self.pair(*draw) for draw in self.draws(step)]

    def pair(self, forget: int, retain: int, answer: int) -> Pair:
        """The rows of one draw."""
        make = {
            "forget": lambda: self.forget[forget],
            "retain": lambda: self.retain[retain],
            "idk": lambda: self.idk(forget, answer),
        }
        return {role: make[role]() for role in self.roles}
