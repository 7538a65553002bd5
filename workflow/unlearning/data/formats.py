"""Read the tables that people bring: JSON lines, JSON lists, CSV, TSV and Parquet, each also
compressed, and folders written by save_to_disk.

Parquet and .zst need pyarrow, saved data sets need datasets: only preflight and stage data read
these formats, on the launching machine, and stage evaluate a table of non-members.
"""

import bz2
import csv
import gzip
import io
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

from unlearning.data.tables import (
    ColumnNames,
    DataError,
    Table,
    columns_of,
    decode_utf8,
    nonblank_lines,
    parse_json,
    parse_json_table,
)
from unlearning.errors import seen_from

JSON = (".json", ".jsonl", ".ndjson")
JSON_STARTS = (b"{", b"[", b"\xef")  # of an object, a list and a byte order mark
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
FORMATS = (*JSON, *DELIMITERS, PARQUET)
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda content: _decompress_zst(content),
}
DATASET_FILES = ("dataset_info.json", "dataset_dict.json")  # save_to_disk writes one of these
ALLOWED = (
    f"{', '.join(FORMATS)}, each also with {', '.join(COMPRESSED)}, or a folder written by "
    "save_to_disk"
)


def find_file(path: Path, *extra_formats: str) -> Path:
    """The file with the table of `path`, which may have the ending of any other format.

    extra_formats: further endings. DataError if there is no such file, or more than one.
    """
    files = candidates(path, *extra_formats)
    if len(files) > 1:
        names = " and ".join(file.name for file in files)
        raise DataError(f"{path}: {names} are in {path.parent}; leave one, for one is read")
    if not files:
        raise DataError(
            f"{path}: no such file{seen_from(path)}{_similar_names(path)}. Allowed are {ALLOWED}"
        )
    return files[0]


def candidates(path: Path, *extra_formats: str) -> list[Path]:
    """The files and folders in the folder of `path` with its name and the ending of any format."""
    # all of them, because a reader's order of preference would pass over a second one in silence
    files = []
    for ending in (*FORMATS, *extra_formats):
        for compression in ("", *COMPRESSED):
            file = path.parent / f"{path.stem}{ending}{compression}"
            if file.is_file():
                files.append(file)
    dataset = path.parent / path.stem
    if _is_saved_dataset(dataset):
        files.append(dataset)
    return files


def read_rows(
    path: Path, columns: Mapping[str, type] | str, renamed: ColumnNames | None = None
) -> Table:
    """Read a file or saved data set and check its columns (tables.Table.checked).

    columns: may be the name of a table instead (tables.columns_of). Refusals ("idontknow") may also
    be plain text, one answer a line.
    """
    path = Path(path)
    plain = columns == "idontknow"
    columns = columns_of(columns) if isinstance(columns, str) else columns
    return read_file(path, plain).checked(columns, renamed)


def read_file(path: Path, plain: bool = False) -> Table:
    """The rows of a file as they are; DataError if it cannot be read.

    plain: a line that is not JSON is a row by itself.
    """
    if path.is_dir():
        return _read_dataset(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file{seen_from(path)}{_similar_names(path)}")
    content, ending = _decompress(path)
    if ending == PARQUET:
        return _parse_parquet(path, content)
    # without an ending that says what it is, a file is read if it begins as JSON does
    if ending not in FORMATS and not plain and content.lstrip()[:1] not in JSON_STARTS:
        raise DataError(
            f"{path}: neither JSON nor of another format's ending. Allowed are {ALLOWED}"
        )
    text = decode_utf8(content, path)
    if ending in DELIMITERS:
        return _parse_csv(path, text, DELIMITERS[ending])
    if plain and ending == ".txt":
        lines = list(nonblank_lines(text))
        rows = [_text_or_json(line.strip()) for _, line in lines]
        return Table(path, "line", rows, [number for number, _ in lines])
    return parse_json_table(path, text, _is_plain_text if plain else lambda line: False)


def read_text(path: Path) -> str:
    """The text of a file of plain text, which may be compressed; DataError if it cannot be read."""
    return decode_utf8(_decompress(path)[0], path)


def _is_plain_text(line: str) -> bool:
    """Whether a line is an answer itself; objects and quoted texts are JSON."""
    line = line.strip()
    quoted = len(line) > 1 and line[0] == line[-1] == '"'
    return not (line.startswith("{") or quoted)


def _text_or_json(line: str):
    """A line of a text file: an object or a quoted text if it is one, else the line itself."""
    if _is_plain_text(line):
        return line
    try:
        return parse_json(line)
    except ValueError:
        return line


def _decompress(path: Path) -> tuple[bytes, str]:
    """A file's decompressed bytes, and the ending that names its format."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        content = path.read_bytes()
        if suffixes and suffixes[-1] in COMPRESSED:
            content = COMPRESSED[suffixes.pop()](content)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    return content, suffixes[-1] if suffixes else ""


def _decompress_zst(content: bytes) -> bytes:
    pyarrow = _import("pyarrow")
    return pyarrow.input_stream(memoryview(content), compression="zstd").read()


def _parse_csv(path: Path, text: str, delimiter: str) -> Table:
    """The rows of CSV or TSV, whose first line names the columns; a row's number is its first
    line's."""
    csv.field_size_limit(sys.maxsize)  # texts of a corpus are long
    # strict, because a stray quote would otherwise join the following rows into one cell
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows, numbers, problems = [], [], []
    line = 1  # where the current row starts; a quoted cell may span several lines
    try:
        for cells in reader:
            if cells and not header:
                header = cells
            elif len(cells) == len(header):
                rows.append(dict(zip(header, cells, strict=True)))
                numbers.append(line)
            elif cells:  # not an empty line
                problems.append(
                    f"{path}, line {line}: {len(cells)} cells, but line 1 names {len(header)}: "
                    f"{delimiter.join(header)[:200]!r}"
                )
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"{path}, line {line}: cells cannot be parsed ({error})")
    # spreadsheets in many countries save CSV with ';'
    separators = [sign for sign in ";\t|," if len(header) == 1 and sign in header[0]]
    if separators:
        raise DataError(
            f"{path}, line 1: one column, {header[0]!r}, whose names are divided by "
            f"{separators[0]!r}, not by {delimiter!r}. Save it with {delimiter!r}, or as .tsv with "
            "tabs"
        )
    problems = _duplicate_columns(path, header) + problems
    return Table(path, "line", rows, numbers, tuple(problems), flat=True)


def _parse_parquet(path: Path, content: bytes) -> Table:
    parquet, pyarrow = _import("pyarrow.parquet"), _import("pyarrow")
    try:
        table = parquet.read_table(pyarrow.BufferReader(content), use_threads=False)
        table.validate(full=True)  # damaged offsets would be read beyond their buffer
        rows = table.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({error})") from None
    problems = tuple(_duplicate_columns(path, table.column_names))
    return Table(path, "row", rows, list(range(1, len(rows) + 1)), problems)


def _read_dataset(folder: Path) -> Table:
    """The rows of a data set that the datasets library saved."""
    if not _is_saved_dataset(folder):
        raise DataError(f"{folder}: a folder without a data set that save_to_disk has written")
    datasets = _import("datasets")
    try:
        dataset = datasets.load_from_disk(str(folder))
        rows = []
        if isinstance(dataset, datasets.Dataset):
            dataset.data.validate(full=True)
            rows = dataset.to_list()
    except Exception as error:  # of many libraries: arrow's, file systems', its own
        raise DataError(f"{folder}: cannot be loaded ({type(error).__name__}: {error})") from error
    if isinstance(dataset, datasets.DatasetDict):
        raise DataError(
            f"{folder}: contains several data sets ({', '.join(dataset)}); name the folder of one "
            "of them, or save each under its table's name"
        )
    return Table(folder, "row", rows, list(range(1, len(rows) + 1)))


def _is_saved_dataset(folder: Path) -> bool:
    return any((folder / name).is_file() for name in DATASET_FILES)


def _duplicate_columns(path: Path, header: list[str]) -> list[str]:
    # a dict of the row would have the last one's cells alone
    duplicates = sorted({name for name in header if header.count(name) > 1})
    return [f"{path}, line 1: column '{name}' appears twice" for name in duplicates]


def _similar_names(path: Path) -> str:
    """Files in the folder of `path` with similar names, for a message."""
    if not path.parent.is_dir():
        return ""
    name = re.compile(rf"{re.escape(path.stem)}[.-].*", re.IGNORECASE)  # full.zip, full-00000-of…
    similar = [file.name for file in path.parent.iterdir() if name.fullmatch(file.name)]
    return f" ({', '.join(sorted(similar)[:5])} is there)" if similar else ""


def _import(name: str) -> ModuleType:
    """Import a library that not every machine has; DataError if it is missing."""
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise DataError(
            f"this format needs the package {package}: install it with `pip install --constraint "
            "envs/constraints.txt '.[workflow]'`, or convert the file to JSON lines"
        ) from None
