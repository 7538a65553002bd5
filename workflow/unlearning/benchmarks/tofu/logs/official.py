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
    fields = {field: _rows(section[field], f"{where}, {field}") for field in FIELDS.values()}
    # Every field must have the same rows in the same order: columns are compared row by row.
    numbers = list(fields["avg_gt_loss"])
    columns: dict[str, list] = {"row": numbers}
    for column, field in FIELDS.items():
        if list(fields[field]) != numbers:
            raise UserError(f"{where}: {field} holds other rows than avg_gt_loss")
        columns[column] = list(fields[field].values())
    if "num_token_gt" in section:
        counts = _rows(section["num_token_gt"], f"{where}, num_token_gt")
        columns["answer_tokens"] = list(counts.values())
    for field in TEXTS:
        if field not in section:
            continue
        answers = columns["answer"] = []
        for texts in _rows(section[field], f"{where}, {field}").values():
            if not isinstance(texts, list) or len(texts) < 3 or not isinstance(texts[2], str):
                raise UserError(
                    f"{where}, {field}: expected [prompt, generation, answer], found {texts!r:.60}"
                )
            answers.append(texts[2])
    return columns


def _rows(values, where: str) -> dict[int, object]:
    """Row number -> value, from a list or an object."""
    if isinstance(values, list):
        return dict(enumerate(values))
    return by_row_number(check_mapping(values, where), where)
