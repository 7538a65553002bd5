"""Read and write tables as JSON lines, and check every table with errors that name file and line.

Rows are questions and answers as in TOFU, texts as in MUSE, or documents as in WMDP. Only \\n ends
a line: texts may contain U+2028, U+2029 and U+0085. Stage data writes JSON lines, which GPU nodes
read; data.formats reads the other formats that people bring.
"""

import json
import re
import unicodedata
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from unlearning.errors import UserError
from unlearning.files import check_sum

Columns = Mapping[str, type]  # name of a column -> type of its values

QA: Columns = {"question": str, "answer": str}
TEXT: Columns = {"text": str}  # all texts are one stream, cut into chunks
DOCUMENT: Columns = {"document": str}  # each is one sequence
CONTINUATION: Columns = {"prompt": str, "gt": str}
PERTURBED: Columns = {**QA, "perturbed_answer": list}
ALTERNATIVES: Columns = {**QA, "alternative_answer": list}
PARAPHRASED: Columns = {**PERTURBED, "paraphrased_answer": str}
REFUSAL: Columns = {"answer": str}
FALSE_ANSWERS = ("perturbed_answer", "alternative_answer")  # columns of them

UNWRITABLE = re.compile("[\ud800-\udfff\0]")
MAX_PROBLEMS = 3  # of a file, in messages
INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}  # Unicode categories: controls, formats, separators


class DataError(UserError):
    """A table is missing or malformed; each problem says where and what is expected."""

    def __init__(self, *problems: str):
        self.problems = list(problems)
        super().__init__("\n".join(problems))


@dataclass
class ColumnNames:
    """The column names of the user's files (data.columns), and a record of their use.

    names: our column -> the user's. A file without the user's column is read by our name: TOFU's
    tables may be in the same folder. present: columns of the files so far. used: our columns that a
    file had under the user's name.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    present: dict[str, None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def renames(self, present: Iterable[str], needed: Iterable[str]) -> dict[str, str]:
        """The user's column -> ours, for the needed columns of a file that has `present`."""
        self.present.update(dict.fromkeys(present))
        renames = {}
        for column in needed:
            name = self.names.get(column)
            if name is not None and name in present:
                renames[name] = column
        self.used.update(renames.values())
        return renames

    def unused(self) -> list[str]:
        """One message for each name that no file has."""
        columns = printable(", ".join(map(str, self.present)))
        problems = []
        for column, name in self.names.items():
            if column not in self.used:
                problems.append(
                    f"no table has a column '{name}' for '{column}'; their columns are {columns}"
                )
        return problems


@dataclass(frozen=True)
class Table:
    """Rows of a file with their line numbers.

    unit: what the numbers count: "line", "item" (of a JSON list) or "row". problems: the parts that
    could not be read. flat: each cell is a text, as in CSV, so that lists are written as JSON.
    """

    path: Path
    unit: str
    rows: list
    numbers: list[int]
    problems: tuple[str, ...] = ()
    flat: bool = False

    def where(self, index: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.path}, {self.unit} {self.numbers[index]}"

    def part(self, rows: slice) -> "Table":
        return replace(self, rows=self.rows[rows], numbers=self.numbers[rows])

    def columns(self) -> dict[str, None]:
        """The columns that any row has, as the keys of a dict in order of appearance."""
        columns: dict[str, None] = {}
        for row in self.rows:
            if isinstance(row, dict):
                columns.update(dict.fromkeys(row))
        return columns

    def checked(
        self,
        columns: Columns,
        renamed: ColumnNames | None = None,
        *,
        optional: Sequence[str] = (),
        blank: bool = False,
    ) -> "Table":
        """The table with only these columns; DataError with all problems if a row lacks one.

        renamed: the user's names of the columns. optional: columns of text that rows keep if they
        have them. blank: texts may be empty. In a table of one column, a row may be the text
        itself.
        """
        # by the columns of all rows: a column that only the first row lacks is there
        renames = (renamed or ColumnNames()).renames(self.columns(), columns)
        problems, rows = list(self.problems), []
        for index, row in enumerate(self.rows):
            # bring the row into our form
            if isinstance(row, str) and len(columns) == 1:
                row = dict.fromkeys(columns, row)
            elif isinstance(row, dict) and renames:
                row = _rename_columns(row, renames)
            if isinstance(row, dict) and self.flat:
                row = _parse_lists(row, columns)
            # check it, and drop its other columns
            if problem := row_problem(row, columns, blank):
                problems.append(f"{self.where(index)}: {problem}")
                continue
            # an optional column may be empty or of another kind in a file that has it for itself
            valid = [key for key in optional if row_problem(row, {key: str}) is None]
            rows.append({key: row[key] for key in row if key in columns or key in valid})
        if not self.rows and not problems:
            problems.append(f"{self.path}: has no rows")
        if problems:
            raise DataError(*shorten(problems, self.path))
        return replace(self, rows=rows)


def shorten(problems: list[str], path: Path) -> list[str]:
    """The first problems of a file, and the number of the rest."""
    rest = len(problems) - MAX_PROBLEMS
    if rest <= 0:
        return problems
    return [*problems[:MAX_PROBLEMS], f"{path}: and {rest} more of its rows"]


def columns_of(name: str) -> Columns:
    """The columns that the table `name` must have."""
    if name == "idontknow":
        return REFUSAL
    if name.endswith("alternatives"):
        return ALTERNATIVES
    if name == "verbmem":
        return CONTINUATION
    if name.startswith(("real_authors", "world_facts")):
        return PERTURBED if name.endswith("perturbed") else QA
    return PARAPHRASED if name.endswith("perturbed") else QA


def row_problem(row, columns: Columns, blank: bool = False) -> str | None:
    """The first problem of a row, or None.

    blank: texts may be empty.
    """
    if not isinstance(row, dict):
        return f"expected a JSON object, found {type(row).__name__}"
    for column, kind in columns.items():
        expected = f"column '{column}' must be a non-empty {kind.__name__}"
        if column not in row:
            columns_of_row = printable(", ".join(map(str, row)))[:200] or "no column"
            return (
                f"{expected}, found nothing; the row has {columns_of_row}: rename one, or name it "
                f"in data.columns, as in {{{column}: its name}}"
            )
        value = row[column]
        if not isinstance(value, kind) or (kind is list and not value):
            return f"{expected}, found {repr(value)[:60]}"
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str) or (not blank and is_blank(text)):
                inside = " of non-empty texts" if kind is list else ""
                return f"{expected}{inside}, found {repr(text)[:60]}"
            if problem := text_problem(text):
                return f"column '{column}' {problem}"
    # a true answer among the false ones would count against a model that knows it
    for column in FALSE_ANSWERS:
        if not {column, "answer"} <= columns.keys():
            continue
        if visible_form(row["answer"]) in map(visible_form, row[column]):
            answer = row["answer"][:80]
            return f"column '{column}' lists the true answer, {answer!r}; remove it there"
    return None


def text_problem(text: str) -> str | None:
    """Why a text cannot be written as UTF-8 or read by tokenizers, or None."""
    match = UNWRITABLE.search(text)
    if match is None:
        return None
    number = match.start() + 1
    if match[0] == "\0":
        return f"contains a NUL character (character {number}); remove it"
    return (
        f"contains half of a surrogate pair ({printable(match[0])}, character {number}), as a cut "
        "emoji leaves it; remove it"
    )


def visible_form(text: str) -> str:
    """The text without what readers do not see: extra white space, different Unicode forms."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: only white space, controls and invisible signs."""
    return all(unicodedata.category(character) in INVISIBLE for character in text)


def printable(text: str) -> str:
    """The text with lone surrogates as escapes, so that messages can be encoded as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def parse_json(text: str):
    """The value of a JSON text; ValueError also for duplicate keys and for too deep nesting."""
    try:
        return json.loads(text, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def decode_utf8(content: bytes, path: Path) -> str:
    """The text of a file's bytes, without a byte order mark; DataError names the line that is not
    UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        # a guess for the advice: every sequence of bytes is latin1
        encoding = "utf-16" if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "latin1"
        raise DataError(
            f"{path}, line {line}: not UTF-8 text (byte 0x{content[error.start]:02x} at position "
            f"{error.start}); save it as UTF-8, for instance with `iconv -f {encoding} -t utf-8`"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"{path}, line {line}: contains a NUL character, as UTF-16 text does; save it as UTF-8"
        )
    return text


def parse_json_table(
    path: Path, text: str, plain: Callable[[str], bool] = lambda line: False
) -> Table:
    """The rows of JSON lines or of one JSON list.

    plain: whether a line is not JSON but a row by itself.
    """
    if text.lstrip().startswith("["):
        try:
            rows = parse_json(text)
        except ValueError as error:
            line = getattr(error, "lineno", 1)
            raise DataError(f"{path}, line {line}: not valid JSON ({_reason(error)})") from None
        return Table(path, "item", rows, list(range(1, len(rows) + 1)))
    rows, numbers, problems = [], [], []
    for number, line in nonblank_lines(text):
        try:
            rows.append(line.strip() if plain(line) else parse_json(line))
            numbers.append(number)
        except ValueError as error:
            problems.append(f"{path}, line {number}: not valid JSON ({_reason(error)})")
    # an indented object would otherwise be reported line by line
    if problems and _is_one_object(text):
        problems = [
            f"{path}, line 1: one JSON object over several lines; rows are a JSON list of objects, "
            "or one object a line"
        ]
    return Table(path, "line", rows, numbers, tuple(problems))


def nonblank_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of the lines that are not blank."""
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removeprefix("\ufeff")  # concatenated files may have several byte order marks
        if line.strip():
            yield number, line


def read_table(path: Path) -> list[dict]:
    """The rows of a table that stage data wrote, with the columns that its file's name requires.

    Training tables have questions, texts or documents, all rows of one kind. UserError if a column
    is missing, or if the file has changed: a table cut at the end of a line would still parse.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    check_sum(path)
    table = parse_json_table(path, decode_utf8(path.read_bytes(), path))
    columns = columns_of(path.stem)
    # the first row tells which kind of training table it is
    if columns == QA and table.rows and isinstance(table.rows[0], dict):
        if "document" in table.rows[0]:
            columns = DOCUMENT
        elif "text" in table.rows[0]:
            columns = TEXT
    table.checked(columns, blank=columns in (TEXT, DOCUMENT))
    return table.rows


def write_table(path: Path, rows: list[dict]) -> None:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")


def _rename_columns(row: dict, renames: Mapping[str, str]) -> dict:
    """The row with our column names, without any column whose name a renamed one takes."""
    # data.columns may swap two of our own names: neither is then in the other's way
    replaced = set(renames.values()) - set(renames)
    renamed = {}
    for column, value in row.items():
        if column not in replaced:
            renamed[renames.get(column, column)] = value
    return renamed


def _parse_lists(row: dict, columns: Columns) -> dict:
    """A row of texts with its lists parsed from JSON; row_problem() refuses those that are not."""
    parsed = dict(row)
    for column, kind in columns.items():
        if kind is list and isinstance(row.get(column), str):
            try:
                parsed[column] = parse_json(row[column])
            except ValueError:
                continue
    return parsed


def _unique_keys(pairs: list[tuple]) -> dict:
    """The dict of a JSON object; ValueError if a key is there twice."""
    row = dict(pairs)
    # json.loads would take the last one, and drop the others without a word
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        duplicate = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {printable(duplicate)!r} appears twice")
    return row


def _reason(error: ValueError) -> str:
    """The problem of a JSON text, and the column of its line."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, column {error.colno}"
    return str(error).split(";")[0]


def _is_one_object(text: str) -> bool:
    try:
        return isinstance(parse_json(text), dict)
    except ValueError:
        return False
