"""The evaluator of a forget split; apart from common, so that training depends on no metric."""

from collections.abc import Sequence
from pathlib import Path

from accelerate import Accelerator

from unlearning.benchmarks.muse import formulas as muse
from unlearning.benchmarks.muse.scoring import MuseEvaluator
from unlearning.data.tables import read_table
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.generation import Limit
from unlearning.evaluation.membership import HOLDOUT
from unlearning.stages.common import make_encoder
from unlearning.training.plan import Fit

EVALUATION_SETS = {
    "forget": "{split}_perturbed",
    "retain": "retain_perturbed",
    "real_authors": "real_authors_perturbed",
    "world_facts": "world_facts_perturbed",
}


MUSE_SHOTS = tuple(f"{name}_icl" for name in muse.KNOWMEM)


def make_evaluator(
    data: Path,
    split: str,
    tokenizer,
    settings: dict,
    fit: Fit,
    accelerator: Accelerator,
    sets=None,
    attacks: Sequence[str] = (),
    holdout: list[dict] | None = None,
) -> Evaluator | MuseEvaluator:
    """The evaluator of a forget split, over all of its sets or, on TOFU, the named ones.

    attacks: membership inference attacks; holdout: their rows of non-members.
    """
    chosen = settings["evaluation"]
    if chosen["benchmark"] == "muse":
        return muse_evaluator(data, tokenizer, chosen["rows"], fit, accelerator)
    names = EVALUATION_SETS if sets is None else {name: EVALUATION_SETS[name] for name in sets}
    tables = {
        name: read_table(data / f"{table.format(split=split)}.json")[: chosen["rows"]]
        for name, table in names.items()
    }
    if holdout is not None:
        tables[HOLDOUT] = holdout[: chosen["rows"]]
    return Evaluator(
        tables,
        make_encoder(tokenizer, settings, chosen["max_length"]),
        accelerator,
        batch_tokens=fit.batch_tokens,
        limit=Limit(chosen["generation_tokens"], chosen["generation_counts"]),
        attacks=attacks,
    )


def muse_evaluator(
    data: Path, tokenizer, rows: int | None, fit: Fit, accelerator: Accelerator
) -> MuseEvaluator:
    """The evaluator of a MUSE world: the same for every forget split, as released."""
    names = (muse.VERBMEM, *muse.KNOWMEM, *muse.PRIVLEAK)
    tables = {name: read_table(data / f"{name}.json")[:rows] for name in names}
    tables |= {name: read_table(data / f"{name}.json") for name in MUSE_SHOTS}
    return MuseEvaluator(tables, tokenizer, accelerator, batch_tokens=fit.batch_tokens)
