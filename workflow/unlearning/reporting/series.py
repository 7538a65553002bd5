"""What a claim compares: a metric of one variant, seed by seed."""

from dataclasses import dataclass, field

from unlearning.reporting.claims_file import Selection

CONSTANT = None  # the "seed" of a value that no unlearning seed changes


@dataclass(frozen=True)
class Series:
    """A metric of one variant: seed -> value. attack: the relearning attack, or "". unstated: the
    hyper-parameters that the claim leaves open."""

    label: str
    attack: str
    values: dict[int | None, float]
    unstated: dict[str, float] = field(default_factory=dict)

    @property
    def constant(self) -> bool:
        """Whether this is one number without seeds."""
        return CONSTANT in self.values


def comparable(of: Selection, side: Series, than: Selection, other: Series) -> bool:
    """Whether two series may be compared: attacks with equal shares of the forget set, by equal
    rows unless `than` names its own; of one method, variants that differ in what is stated."""
    if other.constant:
        return True
    attacks = [one.attack.partition("/") for one in (side, other)]
    same_attack = attacks[0] == attacks[1] or (than.attack and attacks[0][2] == attacks[1][2])
    if of.method != than.method:
        return bool(same_attack)
    stated = {key for key, _ in (*of.hyper, *than.hyper)}
    ours, theirs = (
        {key: value for key, value in one.unstated.items() if key not in stated}
        for one in (side, other)
    )
    return bool(same_attack) and (ours == theirs or "tuned" in (of.pick, than.pick))
