"""Where every result lies. Paths spell the run: split, method, hyper-parameters, seed."""

import hashlib
import itertools
import math
import re
from dataclasses import dataclass
from pathlib import Path

# Run names of models that are taken as they are: the base as the target, a target and a retrained
# model that the config names.
BASE = "base"
NAMED_TARGET = "target/given"
NAMED_RETRAINED = "retrain/given"
WORDS = 40  # letters of a text in a path


@dataclass(frozen=True)
class UnlearnRun:
    """One unlearning run. hyper: the values that the config states for this variant. draw: of what
    is random before it."""

    split: str
    method: str
    variant: str
    hyper: tuple[tuple[str, float | str], ...]
    seed: int
    draw: int = 1

    @property
    def run(self) -> str:
        """Path of the run inside its split's folder."""
        return f"unlearn/{self.method}/{self.variant}/seed={self.seed}"

    def attacked_by(self, attack: str) -> str:
        """Path of a relearning attack on this run, inside its split's folder."""
        return f"relearn/{self.method}/{self.variant}/seed={self.seed}/{attack}"


def seed_of(run: str) -> int:
    """The seed that a run's name ends with; 0 of a model that is taken as it is."""
    name, _, seed = run.rpartition("seed=")
    return int(seed) if name else 0


def path_id(hyper: dict[str, float | str]) -> str:
    """beta=0.1_gamma=0 for the values that the config states; `default` if it states none.

    No commas: Snakemake hands a job's wildcards to its node in a list that commas divide.
    """
    return "_".join(f"{key}={spelled(value)}" for key, value in hyper.items()) or "default"


def spelled(value: float | str) -> str:
    """A value as paths spell it: numbers with six digits; text that no path can hold, such as a
    regular expression, by its letters and digits and a checksum that tells it from others."""
    if not isinstance(value, str):
        return f"{value:g}"  # 1, 1.0 and 1e0 are one value and get one path
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9=.+-]{,39}", value):
        return value
    # the words for a reader, the checksum for texts that differ in other signs alone
    words = "-".join(re.findall(r"[A-Za-z0-9]+", value))[:WORDS]
    return f"{words or 'text'}-{hashlib.sha256(value.encode()).hexdigest()[:8]}"


def blocks(entry: dict | list | None) -> list[dict]:
    """The blocks of hyper-parameters in a method's entry: one mapping, or a list of them."""
    return entry if isinstance(entry, list) else [entry or {}]


def grid(block: dict) -> list[dict[str, float | str]]:
    """Every combination of a block's values; a value that is no list counts as a list of one.

    Keys come out sorted, so that paths do not depend on the order in which a config states them.
    """
    names = sorted(block)
    axes = [block[key] if isinstance(block[key], list) else [block[key]] for key in names]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*axes)]


def points(block: dict) -> int:
    """How many combinations grid() makes of a block, counted without making them."""
    return math.prod(len(value) if isinstance(value, list) else 1 for value in block.values())


def attack_shares(relearn: dict) -> dict[str, float]:
    """random, or random/fraction=0.1 where there are several -> that share of the forget set."""
    if not isinstance(relearn["fraction"], list):
        return dict.fromkeys(relearn["attacks"], relearn["fraction"])
    shares = {}
    for attack in relearn["attacks"]:
        for fraction in relearn["fraction"]:
            shares[f"{attack}/{path_id({'fraction': fraction})}"] = fraction
    return shares


@dataclass(frozen=True)
class Layout:
    """Paths of one draw of an experiment under `results`. draws_tables: whether each draw has
    tables of its own."""

    results: str
    experiment: str
    world: str
    draw: int = 1
    draws_tables: bool = False

    @property
    def shared(self) -> Path:
        """Folder of the world: what all draws have in common, and the first draw."""
        return Path(self.results) / self.world

    @property
    def root(self) -> Path:
        """Folder of the draw: models, evaluations, logs. The first draw's is the world's."""
        return self.shared / f"draw={self.draw}" if self.draw > 1 else self.shared

    @property
    def tables(self) -> Path:
        """Folder of what the tables are in: the draw's, or the world's."""
        return self.root if self.draws_tables else self.shared

    @property
    def data(self) -> Path:
        return self.tables / "data"

    def answers(self, kind: str) -> Path:
        """Folder of answers that are not the truth: refusals, or false answers to all splits."""
        return self.tables / "answers" / kind

    @property
    def base(self) -> Path:
        """Model folder of the pre-trained base."""
        return self.root / "pretrain" / "model"

    @property
    def restored(self) -> Path:
        """Model folder of a base restored from a GGUF file."""
        return self.shared / "restore" / "model"

    @property
    def assets(self) -> Path:
        """Folder of records of what came from the hub."""
        return self.shared / "assets"

    @property
    def report(self) -> Path:
        return Path(self.results) / self.experiment / "report"

    def run(self, split: str, run: str) -> Path:
        """Folder of a run measured on `split`: finetune/…, retrain/…, unlearn/…."""
        return self.root / split / run

    def target(self, seed: int) -> Path:
        """Model folder of the target; all splits share it."""
        return self.root / "finetune" / f"seed={seed}" / "model"

    def model(self, split: str, run: str) -> Path:
        """Model folder of a run."""
        # the target belongs to no split, though it is evaluated on each
        if run.startswith("finetune/"):
            return self.root / run / "model"
        return self.run(split, run) / "model"

    def reference(self, split: str, run: str | None) -> Path:
        """Scores of the forget rows under the target, under what the run goes on from, or under
        a reference of that name."""
        # without a name: the target's, which all first requests of a split share
        folder = self.root / split / "reference"
        if run:
            folder /= run.removeprefix("unlearn/")
        return folder / "forget.json"

    def evaluation(self, split: str, run: str) -> Path:
        """Folder of a run's evaluation: summary.json and rows.json."""
        return self.run(split, run) / "evaluate"

    def harness(self, split: str, run: str) -> Path:
        """Accuracies of a run's model on harness tasks; all splits share the target's."""
        if run in (BASE, NAMED_TARGET):
            return self.root / run / "harness" / "summary.json"
        return self.model(split, run).with_name("harness") / "summary.json"

    def state(self, run: Path) -> Path:
        """What a killed training run, of which `run` is the folder, continues from."""
        return self.root / "state" / run.relative_to(self.root)

    def trajectory(self, split: str, run: str) -> Path:
        """Evaluations during an unlearning or relearning run."""
        return self.run(split, run) / "trajectory.json"
