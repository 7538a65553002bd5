"""What a run did, as far as it is told afterwards."""

from dataclasses import dataclass, field


@dataclass
class History:
    """What a run did: per step the loss, its terms with their weights, and the learning rate; the
    tokens seen, the evaluations on the way, and how it ended."""

    losses: list[float] = field(default_factory=list)
    terms: list[list[float]] = field(default_factory=list)
    weights: list[list[float]] = field(default_factory=list)
    learning_rates: list[float] = field(default_factory=list)
    tokens: int = 0
    points: list[dict] = field(default_factory=list)
    collapsed: dict | None = None
