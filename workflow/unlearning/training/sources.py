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

    def all_rows(self) -> list[Example]:
        """The different rows of all steps."""
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

    def all_rows(self) -> list[Example]:
        """Those to be learnt and those to be replayed."""
        return [*self.rows, *self.replay]


Draw = dict[str, tuple[int, ...]]  # role -> (forget row,), (retain row,) or (forget row, answer)


class UnlearnSource:
    """Each row of the anchor with the row of the other table and the other answers drawn for it.

    anchor: whose rows the plan's epochs visit, `forget` or `retain` (open-unlearning's
    ForgetRetainDataset). pairing `fresh`: a new draw at each visit (locuslab/tofu). `fixed`: the
    draw depends on the anchor's row alone, so a row meets the same partner in every epoch and at
    most N_forget retain rows are ever used (the released NPO and SimNPO code reseeds with the row
    index).

    make: role -> the row of a draw. counts: how many rows of the table that is drawn from, idk
    answers and alternative answers there are; all three are drawn whatever the roles, so that every
    method meets the same rows.
    """

    def __init__(
        self,
        plan: StepPlan,
        seed: int,
        pairing: str,
        counts: dict[str, int],
        make: dict[str, Callable[..., Example]],
        anchor: str = "forget",
    ):
        self.plan, self.seed, self.pairing, self.anchor = plan, seed, pairing, anchor
        self.drawn_table = "retain" if anchor == "forget" else "forget"
        self.counts, self.make = counts, make
        self.shuffle = Shuffle(seed, plan.rows)

    def draws(self, step: int) -> list[Draw]:
        """What is drawn for each pair of the step."""
        draws = []
        for epoch, position in self.plan.positions(step):
            row = self.shuffle(epoch, position)
            key = (row,) if self.pairing == "fixed" else (self.seed, epoch, row)
            stream = generator("pairing", *key)
            partner, idk, alternative = (
                int(stream.integers(max(1, self.counts.get(role, 0))))
                for role in (self.drawn_table, "idk", "alternative")
            )
            draw: Draw = {self.anchor: (row,), self.drawn_table: (partner,)}
            forget = draw["forget"][0]
            draws.append(draw | {"idk": (forget, idk), "alternative": (forget, alternative)})
        return draws

    def step(self, step: int) -> list[Pair]:
        """The step's pairs, with the roles that can be made."""
        return [
            {role: make(*draw[role]) for role, make in self.make.items()}
            for draw in self.draws(step)
        ]

    def all_rows(self) -> list[Example]:
        """The rows of every role that the run draws."""
        drawn: set[tuple[str, tuple]] = set()
        for step in range(self.plan.steps):
            for draw in self.draws(step):
                drawn.update((role, draw[role]) for role in self.make)
        return [self.make[role](*key) for role, key in sorted(drawn)]
