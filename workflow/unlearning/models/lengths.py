"""Check that an experiment's rows fit a model's context, and their answers, before any job."""

import sys
from collections.abc import Iterator

from unlearning.benchmark import benchmark_of, room
from unlearning.config.steps import run_problems
from unlearning.data.build import Tables, build_tables
from unlearning.data.encoding import Encoder
from unlearning.data.prompts import PromptFormat
from unlearning.data.tables import DataError
from unlearning.evaluation.evaluator import answers_of
from unlearning.evaluation.lengths import EVALUATED_SUFFIXES, longest_prompt
from unlearning.models.context import no_room, too_long

FROM_SCRATCH = ("pretrain", "replay")  # tables that only models from random weights read


def length_problems(tokenizer, prompt: PromptFormat, reach: int | None, use: dict) -> list[str]:
    """The problems of rows that exceed a context of `reach` tokens (None: without a limit), and of
    questions that leave no room for an answer.

    use: how the experiment uses the model (config.judged.model_use). Tables from the hub are not
    fetched yet: the first stage that encodes too long a row of them refuses it.
    """
    reach = sys.maxsize if reach is None else reach
    tables = _build_tables(use)
    problems = list(dict.fromkeys(_step_problems(tokenizer, prompt, tables, use)))
    problems += _unknown_answers(tokenizer, tables)
    # the same tables for all stages that train, so their prompts are counted once
    questions: set[str] = set()
    for rows in _encoded_by("training", tables):
        questions.update(row["question"] for row in rows if "question" in row)
    prompt_tokens = longest_prompt(Encoder(tokenizer, prompt, reach), questions)
    for stage, limit in use["max_length"].items():
        if stage != "evaluation" and prompt_tokens >= limit:
            problems.append(no_room(prompt_tokens, limit, f"{stage}.max_length"))
            continue
        if limit <= reach:  # a row is cut at the limit, so it fits
            continue
        encoder = Encoder(tokenizer, prompt, limit)
        longest = 0
        for rows in _encoded_by(stage, tables):
            longest = max(longest, _longest(encoder, rows))
        if longest > reach:
            problems.append(too_long(longest, reach, f"{stage}.max_length"))
    encoder = Encoder(tokenizer, prompt, reach)
    evaluator = room(use["benchmark"], "evaluator")
    return problems + evaluator.length_problems(encoder, tables, use, reach)


def _step_problems(tokenizer, prompt: PromptFormat, tables: Tables, use: dict) -> Iterator[str]:
    """Messages about training runs on texts, which are cut into rows here (config.steps)."""
    for run in use["runs"]:
        rows, limit = tables.get(run["table"]), run["recipe"]["max_length"]
        if rows and "text" in rows[0]:
            sequences = len(Encoder(tokenizer, prompt, limit).encode_rows(rows))
            for problem in run_problems(run, sequences):
                yield f"makes {sequences} sequences of {limit} tokens of {run['table']}: {problem}"


def _unknown_answers(tokenizer, tables: Tables) -> list[str]:
    """The problem of answers without a token of their own, as of a script that the tokenizer does
    not know: only their end would be learned and measured."""
    answers: dict[str, None] = {}
    for rows in tables.values():
        answers.update(dict.fromkeys(row["answer"] for row in rows if "answer" in row))
    if not answers:
        return []
    ids = tokenizer(list(answers), add_special_tokens=False)["input_ids"]
    # GPT-2's unknown token is its end of sequence, which answers do not hold by themselves
    unknown = {tokenizer.unk_token_id} - {tokenizer.eos_token_id}
    lost = [text for text, tokens in zip(answers, ids, strict=True) if not set(tokens) - unknown]
    if not lost:
        return []
    return [
        f"has a tokenizer that knows nothing of {len(lost)} answers, such as {lost[0][:80]!r}: "
        "take a model whose tokenizer knows their script, or remove the rows"
    ]


def _build_tables(use: dict) -> Tables:
    """The experiment's tables from files and generators; none if they are faulty, which the checks
    of data report (data.problems)."""
    data = use["data"]
    benchmark = benchmark_of(data["source"])
    if not benchmark.reads_files(data) and data["source"] not in benchmark.generated:
        return {}
    try:
        return build_tables(data, use["splits"], {})
    except DataError:
        return {}


def _encoded_by(stage: str, tables: Tables) -> list[list[dict]]:
    """The tables whose rows a stage encodes."""
    evaluates = stage == "evaluation"
    names = [name for name in tables if name.endswith(EVALUATED_SUFFIXES) == evaluates]
    return [tables[name] for name in names if name not in FROM_SCRATCH]


def _longest(encoder: Encoder, rows: list[dict]) -> int:
    """Tokens of a table's longest sequence; 0 for a table that is not encoded by itself."""
    if "question" in rows[0]:
        pairs = []
        for row in rows:
            pairs += [(row["question"], text) for _, text in answers_of(row)]
        examples = encoder.encode_all(pairs)
    elif {"text", "document"} & rows[0].keys():
        examples = encoder.encode_rows(rows)
    else:
        return 0
    return max(len(example.ids) for example in examples)
