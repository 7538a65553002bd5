"""Makes the evaluator of a TOFU forget split, and checks that rows fit a model's context."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from accelerate import Accelerator

from unlearning.benchmarks.tofu.logs import ours
from unlearning.benchmarks.tofu.logs.reading import read_log
from unlearning.benchmarks.tofu.splits import holdout_name, holdout_tables
from unlearning.data.build import Tables
from unlearning.data.encoding import Encoder
from unlearning.data.tables import read_table
from unlearning.errors import UserError
from unlearning.evaluation.evaluator import Evaluator
from unlearning.evaluation.lengths import question_answering_problems
from unlearning.evaluation.membership import HOLDOUT
from unlearning.training.plan import Fit

EVALUATION_SETS = {
    "forget": "{split}_perturbed",
    "retain": "retain_perturbed",
    "real_authors": "real_authors_perturbed",
    "world_facts": "world_facts_perturbed",
}


def length_problems(encoder: Encoder, tables: Tables, use: dict, reach: int) -> list[str]:
    """Messages about rows that are longer than a context of `reach` tokens.

    use: the result of config.judged.model_use, whose `question` is the column of questions.
    """
    evaluated = {name: with_questions(rows, use["question"]) for name, rows in tables.items()}
    problems = question_answering_problems(encoder, evaluated, use, reach)
    # Here, because only a loaded tokenizer can tell whether it is that of a log.
    for split, path in use.get("logs", {}).items():
        rows = evaluated.get(EVALUATION_SETS["forget"].format(split=split), [])[: use["rows"]]
        limit = use["max_length"]["evaluation"]
        evaluating = Encoder(encoder.tokenizer, encoder.prompt, limit)
        problems += _log_of_another_tokenizer(evaluating, rows, Path(path))
    return problems


def _log_of_another_tokenizer(encoder: Encoder, rows: list[dict], path: Path) -> Iterator[str]:
    """A message if the answers of forget rows have other numbers of tokens in a log of this
    project: losses per token under two tokenizers do not compare."""
    if not rows:
        return  # of the hub, not fetched yet
    try:
        log = read_log(path, ("forget",))
    except UserError:
        return  # the check of logs reports it
    counts = log.columns.get("forget", {}).get("answer_tokens")
    if log.format != ours.NAME or counts is None:
        return  # other programs count in other ways
    examples = encoder.encode_all([(row["question"], row["answer"]) for row in rows])
    for row, (example, count) in enumerate(zip(examples, counts, strict=False)):
        tokens = len(example.ids) - example.start  # of the answer, end of sequence included
        if tokens != count:
            yield (
                f"makes {tokens} tokens of the answer of forget row {row}, but {log.path} counts "
                f"{count}: the log is of a model with another tokenizer or prompt, with which "
                "forget quality does not compare. Give a log of a model of this family"
            )
            return


def with_questions(rows: list[dict], column: str) -> list[dict]:
    """The rows with the questions of a column, e.g. paraphrased ones, if they have it."""
    # Real authors and world facts have no paraphrases; checks.py refuses tables that have a few.
    if column == "question" or not all(column in row for row in rows):
        return rows
    return [{**row, "question": row[column]} for row in rows]


def non_members(data: Path, split: str) -> list[dict]:
    """A split's rows that no model has seen, in a folder of tables; UserError if it has none."""
    for name in holdout_tables(split):  # a world has one of them
        path = data / f"{name}.json"
        if path.is_file():
            return read_table(path)
    raise UserError(
        f"{data}: membership inference needs rows that no model has seen, but the data hold no "
        f"{holdout_name(split)}; name a file of such rows in evaluation.holdout, or set "
        "evaluation.membership to []"
    )


def make_evaluator(
    data: Path,
    split: str,
    tokenizer,
    settings: dict,
    fit: Fit,
    accelerator: Accelerator,
    sets: Collection[str] | None = None,
    attacks: Sequence[str] = (),
    holdout: list[dict] | None = None,
) -> Evaluator:
    """The evaluator on all four sets of a split, or on the named ones.

    attacks: membership inference attacks. holdout: their non-members, by default the rows of the
    data.
    """
    tables = {}
    # A relearning attack asks for the forget set alone: it is judged by forget quality.
    for name in EVALUATION_SETS if sets is None else sets:
        table = EVALUATION_SETS[name].format(split=split)
        rows = read_table(data / f"{table}.json")
        tables[name] = with_questions(rows, settings["evaluation"]["question"])
    if attacks:
        tables[HOLDOUT] = holdout or non_members(data, split)
    return Evaluator.of(tables, tokenizer, settings, fit, accelerator, attacks)
