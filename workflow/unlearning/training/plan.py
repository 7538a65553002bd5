"""Plan a run: its number of steps, and each step's learning rate and rows, from (seed, step)."""

import math
from dataclasses import asdict, dataclass

import numpy

from unlearning.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. Field meanings and defaults: config/schemas/config.schema.yaml."""

    epochs: float
    batch_size: int
    lr: float
    warmup_epochs: float
    schedule: str
    weight_decay: float
    clip_norm: float | None
    max_length: int
    optimizer: str = "adamw"
    lora: dict | None = None
    max_steps: int | None = None
    warmup_steps: int | None = None
    weight_decay_on: str = "matrices"
    whole_batches: str = "run"


@dataclass(frozen=True)
class Fit:
    """How a run fits into memory: it changes results only by rounding.

    Field meanings and defaults: config/schemas/config.schema.yaml.
    """

    micro_batch: int | None = None
    gradient_checkpointing: bool = False
    batch_tokens: int = 16384


@dataclass(frozen=True)
class StepPlan:
    """The steps of a run over `rows` rows.

    With whole_batches `run` there are int(epochs * rows) // batch_size steps, as in the official
    code: 125 / 62 / 12 for forget10 / 05 / 01 at batch 32 and 10 epochs. A batch may have rows of
    two epochs, and only the last partial batch of the whole run is dropped. With `epoch` there are
    epochs times the full batches of one epoch, as in transformers' Trainer 4.45 under
    open-unlearning: 120 / 60 / 10. max_steps is an upper limit.

    epochs: those that the steps complete. warmup: steps of the learning rate's warm-up.
    """

    rows: int
    batch_size: int
    epochs: float
    warmup: int
    steps: int
    schedule: str = "linear"

    @classmethod
    def of(cls, recipe: Recipe, rows: int) -> "StepPlan":
        """The plan of `recipe` over `rows` rows; UserError if it has no step."""
        if recipe.whole_batches == "epoch":
            steps = math.ceil(recipe.epochs * (rows // recipe.batch_size))
        else:
            steps = int(recipe.epochs * rows) // recipe.batch_size
        if steps < 1:
            raise UserError(
                f"{recipe.epochs:g} epochs of {rows} rows give no full batch of "
                f"{recipe.batch_size}: lower batch_size or raise epochs"
            )
        # where fewer rows are visited than epochs x rows, the epochs are those that are completed
        epochs, warmup = recipe.epochs, recipe.warmup_steps
        if recipe.max_steps is not None and recipe.max_steps < steps:
            steps = recipe.max_steps
            epochs = steps * recipe.batch_size / rows
        elif recipe.whole_batches == "epoch":
            epochs = steps * recipe.batch_size / rows
        # of the batches that an epoch fills, whatever max_steps cuts off
        if warmup is None:
            warmup = int(recipe.warmup_epochs * rows) // recipe.batch_size
        return cls(rows, recipe.batch_size, epochs, warmup, steps, recipe.schedule)

    def lr_factor(self, step: int) -> float:
        """Linear warm-up from 0, then linear or cosine decay to 0 or constant: transformers'
        schedules."""
        if step < self.warmup:
            return step / self.warmup
        if self.schedule == "constant":
            return 1.0
        # share of the decay that is left; a run that ends in its warm-up has none
        left = (self.steps - step) / max(1, self.steps - self.warmup)
        if self.schedule == "cosine":
            return (1 - math.cos(math.pi * left)) / 2
        return left

    def epoch_ends(self) -> dict[int, float]:
        """Number of steps done -> epochs completed by then. The last step ends the run, after a
        fraction of an epoch if `epochs` is one."""
        ends: dict[int, float] = {}
        for epoch in range(1, int(self.epochs) + 1):
            # the step that has the epoch's last row, and may have rows of the next epoch too
            step = math.ceil(epoch * self.rows / self.batch_size)
            ends[min(step, self.steps)] = epoch
        # Rows of the last partial batch are not visited, and still the last epoch has ended. A run
        # that ends within an epoch has its end there: int() would put it at the epoch before.
        whole = float(self.epochs).is_integer()
        ends[self.steps] = int(self.epochs) if whole else self.epochs
        return ends

    def positions(self, step: int) -> list[tuple[int, int]]:
        """(epoch, position within the epoch) of each row of a step's global batch."""
        first = step * self.batch_size  # rows run on from one epoch into the next
        return [divmod(p, self.rows) for p in range(first, first + self.batch_size)]

    @property
    def left_out(self) -> int:
        """Rows of the last epoch that are not visited, because they make no full batch."""
        return max(0, int(self.epochs * self.rows) - self.steps * self.batch_size)

    def describe(self) -> dict:
        """The plan as JSON, for run.json."""
        return {**asdict(self), "left_out": self.left_out}


def generator(*words: int | str) -> numpy.random.Generator:
    """A random number generator seeded by words, so that each purpose has a stream of its own."""
    # bytes of the words, because hash() of a text differs from process to process
    entropy = [w if isinstance(w, int) else int.from_bytes(w.encode(), "big") for w in words]
    return numpy.random.default_rng(entropy)


class Shuffle:
    """Row order: a fresh permutation of `rows` for each epoch of a seed."""

    def __init__(self, seed: int, rows: int):
        self.seed, self.rows = seed, rows
        self._epoch = -1
        self._order: numpy.ndarray = numpy.empty(0, dtype=int)

    def __call__(self, epoch: int, position: int) -> int:
        """The row at a position of an epoch."""
        # visits go epoch by epoch, so the order of one is enough
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = generator(self.seed, "order", epoch).permutation(self.rows)
        return int(self._order[position])
