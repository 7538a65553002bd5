"""Published MUSE numbers (config/published/muse.yaml)."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from unlearning.errors import UserError
from unlearning.reporting.labels import compact
from unlearning.reporting.published import Source

METRICS = ("verbmem_f", "knowmem_f", "privleak", "knowmem_r")
_ROW = {"method", *METRICS, "source", "note", "hyper"}


@dataclass(frozen=True)
class PublishedRow:
    """A method's published numbers, None where the source has none."""

    method: str
    values: list[str]
    source: Source
    note: str


@dataclass(frozen=True)
class PublishedCorpus:
    """Numbers on one corpus. same: whether this experiment is on that corpus."""

    name: str
    model: str
    same: bool
    rows: list[PublishedRow]


def load_muse_published(path: Path, corpus: str | None) -> list[PublishedCorpus]:
    """The file's content; UserError for an unknown source or key."""
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    sources = {key: Source(**stated) for key, stated in content["sources"].items()}
    return [
        PublishedCorpus(
            name,
            entry["model"],
            name == corpus,
            [_row(row, sources, f"{path}: {name}, {row.get('method')}") for row in entry["rows"]],
        )
        for name, entry in content["corpora"].items()
    ]


def _row(row: dict, sources: dict[str, Source], where: str) -> PublishedRow:
    if unknown := set(row) - _ROW:
        raise UserError(
            f"{where}: unknown key {sorted(unknown)}. Allowed: {', '.join(sorted(_ROW))}"
        )
    if row.get("source") not in sources:
        raise UserError(
            f"{where}: unknown source {row.get('source')!r}. Allowed: {', '.join(sources)}"
        )
    hyper = ", ".join(f"{key} {compact(value)}" for key, value in row.get("hyper", {}).items())
    note = "; ".join(text for text in (hyper, row.get("note", "")) if text)
    values = [f"{row[name]:.2f}" if name in row else "–" for name in METRICS]
    return PublishedRow(row["method"], values, sources[row["source"]], note)
