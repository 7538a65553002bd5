"""Official logs: eval_log_aggregated.json of locuslab/tofu and of repositories built on it.

Section -> field -> values of the rows, as a list or keyed by row number (evaluate_util.py writes
the latter). Texts, token counts and further fields are optional.
"""

from collections.abc import Sequence
from pathlib import Path

from unlearning.benchmarks.tofu.logs.log import Log, by_row_number, check_mapping, require
from unlearning.benchmarks.tofu.logs.ours import check_columns, log_of
from unlearning.errors import UserError

NAME = "official"
FILE = "eval_log_aggregated.json"
SECTION_OF = {
    "retain": "eval_log.json",
    "real_authors": "eval_real_author_wo_options.json",
    "world_facts": "eval_real_world_wo_options.json",
    "forget": "eval_log_forget.json",
}
SECTIONS = tuple(SECTION_OF.values())
DESCRIPTION = f"{FILE} of the official TOFU code ({', '.join(SECTIONS)})"
FIELDS = {
    "answer_loss": "avg_gt_loss",
    "perturbed_loss": "average_perturb_loss",
    # Also for sets without paraphrases, where it is the answer's loss of a second pass in bf16.
    "paraphrase_loss": "avg_paraphrased_loss",
    "rouge_l_recall": "rougeL_recall",
}
TEXTS = ("generated_text", "prompt_generation_truth")  # rows of (prompt, generation, answer)
OPTIONAL = [("answer_tokens", "num_token_gt"), *(("answer", field) for field in TEXTS)]


def read(content: dict, path: Path, sets: Sequence[str]) -> Log:
    """The log of a file's content; official formulas."""
    require(content, [SECTION_OF[name] for name in sets], str(path))
    rows = {}
    for name in sets:
        where = f"{path}, {SECTION_OF[name]}"
        rows[name] = _columns(check_mapping(content[SECTION_OF[name]], where), where)
        check_columns(rows[name], where, FIELDS)
    return log_of(rows, path, NAME)


def _columns(section: dict, where: str) -> dict[str, list]:
    """Columns of an official section, by the names of rows.json."""
    require(section, list(FIELDS.values()), where)
    # Every field must have the same rows in the same order: columns are compared row by row.
    numbers = list(_rows(section["avg_gt_loss"], f"{where}, avg_gt_loss"))
    columns: dict[str, list] = {"row": numbers}
    for column, field in (*FIELDS.items(), *OPTIONAL):
        if field not in section:
            continue
        values = _rows(section[field], f"{where}, {field}")
        if list(values) != numbers:
            raise UserError(f"{where}: {field} holds other rows than avg_gt_loss")
        columns[column] = list(values.values())
        if field in TEXTS:
            columns[column] = [_answer(texts, f"{where}, {field}") for texts in values.values()]
    return columns


def _answer(texts, where: str) -> str:
    if not isinstance(texts, list) or len(texts) < 3 or not isinstance(texts[2], str):
        raise UserError(f"{where}: expected [prompt, generation, answer], found {texts!r:.60}")
    return texts[2]


def _rows(values, where: str) -> dict[int, object]:
    """Row number -> value, from a list or an object."""
    if isinstance(values, list):
        return dict(enumerate(values))
    return by_row_number(check_mapping(values, where), where)
