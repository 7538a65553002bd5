"""Whether an experiment's rows are longer than a model's context, before the first job."""

from unlearning.benchmark import benchmark_of, room
from unlearning.data.build import Tables, build_tables
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PromptFormat
from unlearning.data.tables import DataError
from unlearning.evaluation.lengths import EVALUATED_SUFFIXES
from unlearning.models.context import too_long

OF_SCRATCH = ("pretrain", "replay")  # tables that only models from random weights read


def length_problems(tokenizer, prompt: PromptFormat, reach: int | None, use: dict) -> list[str]:
    """What of an experiment's rows exceeds a context of `reach` tokens (config.judged.model_use).

    Tables of the hub are not there yet: the first stage that meets a row too long names it.
    """
    if reach is None:
        return []
    limits = {stage: n for stage, n in use["max_length"].items() if n > reach}
    problems, tables = [], _tables(use)
    for stage, limit in limits.items():
        encoder = Encoder(tokenizer, prompt, limit)
        longest = max((_longest(encoder, rows) for rows in _read_by(stage, tables)), default=0)
        if longest > reach:
            problems.append(too_long(longest, reach, f"{stage}.max_length"))
    encoder = Encoder(tokenizer, prompt, reach)
    return problems + room(use["benchmark"], "evaluator").length_problems(
        encoder, tables, use, reach
    )


def _tables(use: dict) -> Tables:
    """The experiment's tables, as far as they are at hand; what is wrong with them is told where
    data are checked."""
    data = use["data"]
    benchmark = benchmark_of(data["source"])
    if not benchmark.reads_files(data) and data["source"] not in benchmark.generated:
        return {}
    try:
        return build_tables(data, use["splits"], {})
    except DataError:
        return {}


def _read_by(stage: str, tables: Tables) -> list[list[dict]]:
    """The tables whose rows a stage encodes."""
    judged = stage == "evaluation"
    names = [name for name in tables if name.endswith(EVALUATED_SUFFIXES) == judged]
    return [tables[name] for name in names if name not in OF_SCRATCH]


def _longest(encoder: Encoder, rows: list[dict]) -> int:
    """Tokens of the longest sequence of a table; 0 for one that is not encoded by itself."""
    if not {"question", "text", "document"} & rows[0].keys():
        return 0
    if "perturbed_answer" in rows[0]:
        answers = [
            {"question": row["question"], "answer": answer}
            for row in rows
            for answer in (row["answer"], *row["perturbed_answer"])
        ]
        rows = answers
    return max(len(example.ids) for example in encoder.encode_rows(rows))
