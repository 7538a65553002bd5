"""Published numbers (config/published/tofu.yaml), and which of them are of this model."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from unlearning.config.experiment import Experiment
from unlearning.errors import UserError
from unlearning.reporting.comparison import Source, same_model
from unlearning.reporting.labels import NAMES, compact, scientific
from unlearning.reporting.made_with import made_alike

_ROW = {"method", "fq", "mu", "published_as", "truth_ratio", "source", "note", "hyper"}


@dataclass(frozen=True)
class Published:
    """Published numbers of one method on one model and split."""

    model: str
    split: str
    method: str
    published_as: str
    fq: float
    mu: float
    truth_ratio: float | None
    source: Source
    note: str
    hyper: tuple[tuple[str, float], ...] = ()  # as the source states them; empty if it does not
    n: int | None = None  # rows of the test of forget quality

    @property
    def fq_text(self) -> str:
        """Forget quality with as many digits as are published."""
        return f"{self.fq:.2f}" if self.fq == 0 or self.fq >= 0.01 else scientific(self.fq, 2)

    @property
    def mu_text(self) -> str:
        """Model utility as printed: two decimals."""
        return f"{self.mu:.2f}"

    @property
    def truth_ratio_text(self) -> str:
        """Forget truth ratio, or a dash."""
        return "–" if self.truth_ratio is None else compact(self.truth_ratio)

    @property
    def name(self) -> str:
        """The method as this project names it."""
        return NAMES.get(self.method, self.method)


@dataclass(frozen=True)
class Model:
    """A base model with published numbers. same: whether this experiment uses that very model."""

    name: str
    same: bool
    rows: list[Published]
    notes: list[str]


@dataclass(frozen=True)
class PublishedNumbers:
    """Numbers by model, and what a paper says in words."""

    models: list[Model]
    statements_source: Source
    statements: list[str]


def load_published(path: Path, experiment: Experiment) -> PublishedNumbers:
    """The file's content; UserError for an unknown source or key."""
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    sources = {key: Source(**stated) for key, stated in content["sources"].items()}
    models = [_model(entry, sources, experiment, path) for entry in content["models"]]
    stated = content["statements"]
    return PublishedNumbers(models, sources[stated["source"]], stated["items"])


def beside_ours(models: list[Model], split: str, experiment: Experiment) -> dict[str, Published]:
    """Method -> published numbers of this experiment's own model that were made as its runs are; of
    several the first stated."""
    found: dict[str, Published] = {}
    for row in (row for model in models if model.same for row in model.rows):
        if row.split == split and made_alike(row.source.config, row.method, {}, experiment.config):
            found.setdefault(row.method, row)
    return found


def _model(entry: dict, sources: dict[str, Source], experiment: Experiment, path: Path) -> Model:
    rows = [
        _row(entry["name"], split, row, sources, path)
        for split, stated in entry["splits"].items()
        for row in stated
    ]
    base = experiment.config["model"]["path"]
    from_tofu = experiment.config["data"]["source"] == "tofu"
    same = bool(base) and from_tofu and same_model(base, entry["hub_ids"])
    return Model(entry["name"], same, rows, entry.get("notes", []))


def _row(model: str, split: str, row: dict, sources: dict[str, Source], path: Path) -> Published:
    where = f"{path}: {model}, {split}, {row.get('method')}"
    if unknown := set(row) - _ROW:
        raise UserError(
            f"{where}: unknown key {sorted(unknown)}. Allowed: {', '.join(sorted(_ROW))}"
        )
    if row.get("source") not in sources:
        known = ", ".join(sources)
        raise UserError(f"{where}: unknown source {row.get('source')!r}. Allowed: {known}")
    source = sources[row["source"]]
    values = source.hyper.get(row["method"], {}) | row.get("hyper", {})
    hyper, n = ", ".join(f"{key} {compact(v)}" for key, v in values.items()), source.n.get(split)
    parts = (hyper, f"n = {n}" if n else "", row.get("note", ""))
    note = "; ".join(text for text in parts if text)
    return Published(
        model,
        split,
        row["method"],
        row.get("published_as", row["method"]),
        row["fq"],
        row["mu"],
        row.get("truth_ratio"),
        source,
        note,
        tuple(values.items()),
        n,
    )
