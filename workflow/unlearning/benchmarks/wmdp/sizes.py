"""Sizes of WMDP's tables for `plan`: documents, and tokens of a document."""

from dataclasses import dataclass, replace
from statistics import fmean

from unlearning.benchmarks.wmdp.files import RETAIN
from unlearning.config.experiment import Experiment
from unlearning.data.build import build_tables
from unlearning.planning.texts import Text, bytes_per_token, size

# Documents of each table on the hub, and mean bytes of one. Both are estimates, which do for
# runs of some hundred steps.
HUB = {"bio": 24000, "cyber": 1000, RETAIN: 2400}
HUB_BYTES = 20000


@dataclass(frozen=True)
class WmdpTexts:
    """Sizes of documents, with the interface of tofu/sizes.py:Texts.

    documents: number in each table. tokens: mean of one, before it is cut at max_length.
    """

    documents: dict[str, int]
    tokens: float
    max_length: int

    @property
    def row(self) -> Text:
        """A document; all but its first token are labelled."""
        # all documents as of the mean length: of the hub's no more is known
        mean = min(self.tokens, self.max_length)
        return Text(mean, self.max_length, mean - 1, self.max_length - 1)

    def cut(self, max_length: int) -> "WmdpTexts":
        """The same documents, cut at another length."""
        return replace(self, max_length=max_length)

    @property
    def pretrain(self) -> int:
        return self.documents["pretrain"]

    def forget(self, split: str) -> int:
        return self.documents[split]

    def retrained(self, _: str) -> int:
        return self.documents[RETAIN]  # no model is retrained on it, but unlearning reads it


def sizes(experiment: Experiment) -> WmdpTexts:
    """Sizes of the documents of an experiment: of the hub's as estimated, of others as counted."""
    data, length = experiment.config["data"], experiment.config["unlearn"]["max_length"]
    ratio = bytes_per_token(experiment.config["model"])
    if data["source"] == "wmdp" and data["data_dir"] is None:
        return WmdpTexts(HUB, HUB_BYTES / ratio, length)
    tables = build_tables(data, experiment.splits, {})
    counts = {table: len(rows) for table, rows in tables.items()}
    lengths = []
    for split in experiment.splits:
        lengths += [size(row["document"]) for row in tables[split]]
    return WmdpTexts(counts, fmean(lengths) / ratio, length)
