"""Whether an experiment's rows are longer than a model's context, before the first job."""

from unlearning.benchmarks.muse import formulas as muse
from unlearning.data.build import Tables, build_tables
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PromptFormat
from unlearning.data.tables import DataError
from unlearning.models.context import too_long

JUDGED = "_perturbed"  # how the tables of an evaluation end
OF_SCRATCH = ("pretrain", "replay")  # tables that only models from random weights read


def length_problems(tokenizer, prompt: PromptFormat, reach: int | None, use: dict) -> list[str]:
    """What of an experiment's rows exceeds a context of `reach` tokens (config.judged.model_use).

    Tables are read, or generated, only where the limits of the config do not rule it out. Those of
    the hub are not there yet: the first stage that meets a row too long names it. PrivLeak's texts,
    which MUSE never cuts, are no matter here.
    """
    limits = {stage: n for stage, n in use["max_length"].items() if reach and n > reach}
    tokens, counts = use["generation"]["tokens"], use["generation"]["counts"]
    prompts_count = use["benchmark"] == "muse" or (use["benchmark"] == "tofu" and counts == "new")
    problems = []
    if reach is None or not (limits or prompts_count or tokens > reach):
        return problems
    if use["benchmark"] == "tofu" and counts == "total" and tokens > reach:
        problems.append(too_long(tokens, reach, "evaluation.generation_tokens"))
    tables = _tables(use)
    for stage, limit in limits.items():
        encoder = Encoder(tokenizer, prompt, limit)
        longest = max((_longest(encoder, rows) for rows in _read_by(stage, tables)), default=0)
        if longest > reach:
            problems.append(too_long(longest, reach, f"{stage}.max_length"))
    if prompts_count:
        longest = _longest_answered(Encoder(tokenizer, prompt, reach), tables, use)
        if longest > reach:
            problems.append(too_long(longest, reach, "evaluation.generation_tokens"))
    return problems


def _tables(use: dict) -> Tables:
    """The experiment's tables, as far as they are at hand; what is wrong with them is told where
    data are checked."""
    data = use["data"]
    if data["data_dir"] is None and not data["source"].startswith("mini"):
        return {}
    try:
        return build_tables(data, use["splits"], {})
    except DataError:
        return {}


def _read_by(stage: str, tables: Tables) -> list[list[dict]]:
    """The tables whose rows a stage encodes."""
    judged = stage == "evaluation"
    names = [name for name in tables if name.endswith(JUDGED) == judged]
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


def _longest_answered(encoder: Encoder, tables: Tables, use: dict) -> int:
    """Tokens of the longest prompt with its answer."""
    if use["benchmark"] == "muse":
        prompts = {row["prompt"]: muse.VERBMEM_TOKENS for row in tables.get(muse.VERBMEM, [])}
        for name in muse.KNOWMEM:
            shots = tables.get(f"{name}_icl", [])
            for row in tables.get(name, []):
                prompts[muse.few_shot_prompt(row["question"], shots)] = muse.KNOWMEM_TOKENS
        ids = encoder.tokens(list(prompts)) if prompts else []
        return max(map(sum, zip(map(len, ids), prompts.values(), strict=True)), default=0)
    judged = [rows for name, rows in tables.items() if name.endswith(JUDGED)]
    questions = sorted({row["question"] for rows in judged for row in rows[: use["rows"]]})
    lengths = [len(encoder.prompt_ids(question)) for question in questions]
    return max(lengths, default=0) + use["generation"]["tokens"] if lengths else 0
