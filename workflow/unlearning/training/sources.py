"""Choose the rows of each step's global batch, as a function of (seed, step) alone.

A resumed run and a run on any number of processes therefore see the same rows.
"""

from collections.abc import Callable

from unlearning.data.encoding import Example
from unlearning.training.batches import Pair
from unlearning.training.plan import Shuffle, StepPlan, generator


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
        pairs: list[Pair] = []
        for epoch, position in self.plan.positions(step):
            pairs.append({"train": self.rows[self.shuffle(epoch, position)]})
        if self.replayed:  # from a stream of their own: the rows to be learnt keep their order
            stream = generator(self.seed, "replay", step)
            for index in stream.integers(len(self.replay), size=self.replayed):
                pairs.append({"train": self.replay[index]})
        return pairs

    def all_rows(self) -> list[Example]:
        """The rows to be learnt and the rows that may be replayed."""
        return [*self.rows, *self.replay]


Draw = dict[str, tuple[int, ...]]  # role -> (forget row,), (retain row,) or (forget row, answer)


class UnlearnSource:
    """Pairs of rows for unlearning: a row of one table, the anchor, with a random row of the other.

    anchor: the table whose rows the plan's epochs visit, `forget` or `retain` (as anchor of
        open-unlearning's ForgetRetainDataset).
    pairing: `fresh` draws a partner at each visit (locuslab/tofu). `fixed` draws by the anchor's
        row alone, so a row has the same partner in every epoch, and at most N_forget retain rows
        are ever used (the released NPO and SimNPO code seeds with the row index).
    counts: numbers of rows of the partner's table, of `idk` answers and of `alternative` answers.
    make: role -> function from a draw of that role to its row.
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
        self.partner_table = "retain" if anchor == "forget" else "forget"
        self.counts, self.make = counts, make
        self.shuffle = Shuffle(seed, plan.rows)

    def draws(self, step: int) -> list[Draw]:
        """The draw of each pair of the step."""
        draws = []
        for epoch, position in self.plan.positions(step):
            row = self.shuffle(epoch, position)
            # without the seed, as released: all seeds of a fixed pairing share their partners
            key = (row,) if self.pairing == "fixed" else (self.seed, epoch, row)
            stream = generator("pairing", *key)
            # always all three, whatever the method's roles, so that all methods get the same rows
            drawn: dict[str, int] = {}
            for role in (self.partner_table, "idk", "alternative"):
                drawn[role] = int(stream.integers(max(1, self.counts.get(role, 0))))
            partner = drawn[self.partner_table]
            forget = row if self.anchor == "forget" else partner
            draws.append(
                {
                    self.anchor: (row,),
                    self.partner_table: (partner,),
                    "idk": (forget, drawn["idk"]),
                    "alternative": (forget, drawn["alternative"]),
                }
            )
        return draws

    def step(self, step: int) -> list[Pair]:
        """The step's pairs, with the roles that can be made."""
        pairs = []
        for draw in self.draws(step):
            pairs.append({role: make(*draw[role]) for role, make in self.make.items()})
        return pairs

    def all_rows(self) -> list[Example]:
        """The rows of every role that the run draws."""
        # known before the first step, so that the layout can be tried on the longest of them
        drawn: set[tuple[str, tuple]] = set()
        for step in range(self.plan.steps):
            for draw in self.draws(step):
                drawn.update((role, draw[role]) for role in self.make)
        return [self.make[role](*key) for role, key in sorted(drawn)]


Source = LearnSource | UnlearnSource  # what the training loop takes its rows from
