"""Tables as JSON lines, and the checks of every table, with errors that name file and line.

Rows are questions and answers as in TOFU, texts as in MUSE, or documents as in WMDP. Lines end at
\\n alone: texts may hold U+2028, U+2029 and U+0085. What people bring in other formats is read by
data.formats; the tables that stage data writes, and that GPU nodes read, are JSON lines.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from unlearning.errors import UserError
from unlearning.files import check_sum

QA = {"question": str, "answer": str}
TEXT = {"text": str}  # read as one stream, cut into chunks
DOCUMENT = {"document": str}  # each a sequence of its own
CONTINUATION = {"prompt": str, "gt": str}
PERTURBED = {**QA, "perturbed_answer": list}
ALTERNATIVES = {**QA, "alternative_answer": list}
PARAPHRASED = {**PERTURBED, "paraphrased_answer": str}
IGNORANCE = {"answer": str}

UNWRITABLE = re.compile("[\ud800-\udfff\0]")
SHOWN = 3  # problems of a file that are spelt out
INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}  # Unicode categories: controls, formats, separators


class DataError(UserError):
    """A table is missing or malformed; each problem says where and what is expected."""

    def __init__(self, *problems: str):
        self.problems = list(problems)
        super().__init__("\n".join(problems))


@dataclass
class ColumnNames:
    """What the user's files call our columns (data.columns), and the columns that they have.

    A file without the named column is read by our name: TOFU's own tables may lie beside others.
    """

    names: Mapping[str, str] = field(default_factory=dict)  # ours -> theirs
    present: dict[str, None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def within(self, present: Iterable[str], needed: Iterable[str]) -> dict[str, str]:
        """theirs -> ours, of the needed columns that a file with the columns `present` renames."""
        self.present.update(dict.fromkeys(present))
        names = {self.names[name]: name for name in needed if name in self.names}
        names = {theirs: ours for theirs, ours in names.items() if theirs in present}
        self.used.update(names.values())
        return names

    def unused(self) -> list[str]:
        """Names by which no file was read."""
        columns = printable(", ".join(map(str, self.present)))
        return [
            f"no table has a column '{theirs}' for '{ours}'; their columns are {columns}"
            for ours, theirs in self.names.items()
            if ours not in self.used
        ]


@dataclass(frozen=True)
class Table:
    """Rows of a file, and where they stand in it.

    unit: "line", "item" (of a JSON list) or "row"; numbers: that of each row. problems: what could
    not be read. flat: cells are texts alone, as in CSV, so that a list is spelt as JSON.
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
        """Some of the rows."""
        return replace(self, rows=self.rows[rows], numbers=self.numbers[rows])

    def columns(self) -> dict[str, None]:
        """Names of the columns that any row has, in order of appearance."""
        return dict.fromkeys(key for row in self.rows if isinstance(row, dict) for key in row)

    def checked(
        self,
        columns: Mapping[str, type],
        renamed: ColumnNames | None = None,
        *,
        optional: Sequence[str] = (),
        blank: bool = False,
    ) -> "Table":
        """The same rows with these columns alone; DataError with everything that is wrong.

        optional: columns of text that rows keep if they have them. blank: texts may be empty. Of a
        table with a single column, a row may be the text itself.
        """
        names = (renamed or ColumnNames()).within(self.columns(), columns)
        problems, rows = list(self.problems), []
        for index, row in enumerate(self.rows):
            if isinstance(row, str) and len(columns) == 1:
                row = dict.fromkeys(columns, row)
            elif isinstance(row, dict) and names:
                row = _renamed(row, names)
            if isinstance(row, dict) and self.flat:
                row = _with_lists(row, columns)
            if problem := row_problem(row, columns, blank):
                problems.append(f"{self.where(index)}: {problem}")
                continue
            more = [key for key in optional if row_problem(row, {key: str}) is None]
            rows.append({key: row[key] for key in row if key in columns or key in more})
        if not self.rows and not problems:
            problems.append(f"{self.path}: holds no rows")
        if problems:
            raise DataError(*shortened(problems, self.path))
        return replace(self, rows=rows)


def shortened(problems: list[str], path: Path) -> list[str]:
    """The first problems of a file, and how many more there are."""
    more = len(problems) - SHOWN
    return problems[:SHOWN] + ([f"{path}: and {more} more of its rows"] if more > 0 else [])


def columns_of(name: str) -> dict[str, type]:
    """The columns that the table `name` must have."""
    if name == "idontknow":
        return IGNORANCE
    if name.endswith("alternatives"):
        return ALTERNATIVES
    if name == "verbmem":
        return CONTINUATION
    if name.startswith(("real_authors", "world_facts")):
        return PERTURBED if name.endswith("perturbed") else QA
    return PARAPHRASED if name.endswith("perturbed") else QA


def row_problem(row, columns: Mapping[str, type], blank: bool = False) -> str | None:
    """What is wrong with a row, or None."""
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
        for text in value if kind is list else [value]:
            if not isinstance(text, str) or (not blank and is_blank(text)):
                inside = " of non-empty texts" if kind is list else ""
                return f"{expected}{inside}, found {repr(text)[:60]}"
            if problem := text_problem(text):
                return f"column '{column}' {problem}"
    return None


def text_problem(text: str) -> str | None:
    """Why a text cannot be written as UTF-8 or read by tokenizers, or None."""
    match = UNWRITABLE.search(text)
    if match is None:
        return None
    place = match.start() + 1
    if match[0] == "\0":
        return f"holds a NUL character (character {place}); remove it"
    return (
        f"holds half of a surrogate pair ({printable(match[0])}, character {place}), as a cut "
        "emoji leaves it; remove it"
    )


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: white space, controls and invisible signs alone."""
    return all(unicodedata.category(character) in INVISIBLE for character in text)


def printable(text: str) -> str:
    """The text with lone surrogates spelt out, for messages."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def parse_json(text: str):
    """A JSON value; ValueError in words, also for keys that stand twice and for deep nesting."""
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def utf8(content: bytes, path: Path) -> str:
    """The text of a file's content, without a byte order mark; DataError naming the line that is
    not UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: not UTF-8 text (byte 0x{content[error.start]:02x} at position "
            f"{error.start}); save it as UTF-8, for instance with `iconv -f latin1 -t utf-8`"
        ) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DataError(
            f"{path}, line {line}: holds a NUL character, as UTF-16 text does; save it as UTF-8"
        )
    return text


def json_table(path: Path, text: str, plain: Callable[[str], bool] = lambda line: False) -> Table:
    """The rows of JSON lines or of one JSON list.

    plain: whether a line is no JSON but a text by itself.
    """
    if text.lstrip().startswith("["):
        try:
            rows = parse_json(text)
        except ValueError as error:
            line = getattr(error, "lineno", 1)
            raise DataError(f"{path}, line {line}: not valid JSON ({_words(error)})") from None
        return Table(path, "item", rows, list(range(1, len(rows) + 1)))
    rows, numbers, problems = [], [], []
    for number, line in lines(text):
        try:
            rows.append(line.strip() if plain(line) else parse_json(line))
            numbers.append(number)
        except ValueError as error:
            problems.append(f"{path}, line {number}: not valid JSON ({_words(error)})")
    if problems and _is_one_object(text):
        problems = [
            f"{path}, line 1: one JSON object over several lines; rows are a JSON list of objects, "
            "or one object a line"
        ]
    return Table(path, "line", rows, numbers, tuple(problems))


def lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of the lines that are not blank; files put together may hold several byte
    order marks."""
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removeprefix("\ufeff")
        if line.strip():
            yield number, line


def read_table(path: Path, name: str | None = None) -> list[dict]:
    """The rows of a table that stage data wrote; the columns that its name asks for are checked.

    What models are trained on may be questions, texts or documents, all rows of one kind. UserError
    too if the file has changed since, for a table cut between two lines would pass.
    """
    path = Path(path)
    name = name or path.stem
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    check_sum(path)
    table = json_table(path, utf8(path.read_bytes(), path))
    columns = columns_of(name)
    if columns == QA and table.rows and isinstance(table.rows[0], dict):
        columns = TEXT if "text" in table.rows[0] else columns
        columns = DOCUMENT if "document" in table.rows[0] else columns
    table.checked(columns, blank=columns in (TEXT, DOCUMENT))
    return table.rows


def write_table(path: Path, rows: list[dict]) -> None:
    """Write rows as JSON lines."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")


def _renamed(row: dict, names: Mapping[str, str]) -> dict:
    """The row under our names; a column that a renamed one replaces is left out."""
    replaced = set(names.values()) - set(names)
    return {
        names.get(key, key): value
        for key, value in row.items()
        if key in names or key not in replaced
    }


def _with_lists(row: dict, columns: Mapping[str, type]) -> dict:
    """A row of texts with its lists, spelt as JSON, as lists; checks refuse what is none."""
    read = dict(row)
    for column, kind in columns.items():
        if kind is list and isinstance(row.get(column), str):
            try:
                read[column] = parse_json(row[column])
            except ValueError:
                continue
    return read


def _distinct(pairs: list[tuple]) -> dict:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"key {printable(twice)!r} stands twice")
    return row


def _words(error: ValueError) -> str:
    """What is wrong with JSON, and in which column of its line."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, column {error.colno}"
    return str(error).split(";")[0]


def _is_one_object(text: str) -> bool:
    try:
        return isinstance(parse_json(text), dict)
    except ValueError:
        return False
