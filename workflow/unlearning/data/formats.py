"""Tables in the formats that people bring: which file holds one, and its rows.

JSON lines, JSON lists, CSV, TSV and Parquet, each also compressed, and folders written by
save_to_disk. Only preflight and stage data, on the launching machine, read these (and rule evaluate
a table of non-members): Parquet and .zst need pyarrow, saved data sets need datasets.
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

from unlearning.data.tables import ColumnNames, DataError, Table, columns_of, json_table, utf8

JSON = (".json", ".jsonl", ".ndjson")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
FORMATS = (*JSON, *DELIMITERS, PARQUET)
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda content: _unpacked_zst(content),
}
SAVED = ("dataset_info.json", "dataset_dict.json")  # what save_to_disk leaves in a folder
WHAT_WOULD_DO = (
    f"{', '.join(FORMATS)}, each also with {', '.join(COMPRESSED)}, or a folder written by "
    "save_to_disk"
)


def find_file(usual: Path, *also: str) -> Path:
    """The file that holds a table, in whatever format it lies in the folder of its usual file.

    also: further endings. DataError if there is none, or several.
    """
    files = candidates(usual, *also)
    if len(files) > 1:
        names = " and ".join(file.name for file in files)
        raise DataError(f"{usual}: {names} are in {usual.parent}; leave one, for one is read")
    if not files:
        raise DataError(f"{usual}: no such file{_near(usual)}. What would do: {WHAT_WOULD_DO}")
    return files[0]


def candidates(usual: Path, *also: str) -> list[Path]:
    """The files and folders that hold the table of a usual file's name."""
    stem, folder = usual.name.removesuffix(usual.suffix), usual.parent
    endings = [kind + packed for kind in (*FORMATS, *also) for packed in ("", *COMPRESSED)]
    files = [folder / f"{stem}{ending}" for ending in endings]
    files = [file for file in files if file.is_file()]
    return files + ([folder / stem] if _is_saved(folder / stem) else [])


def read_rows(
    path: Path,
    columns: Mapping[str, type] | str,
    renamed: ColumnNames | None = None,
    *,
    optional: tuple[str, ...] = (),
    blank: bool = False,
) -> Table:
    """The table of a file or saved folder with its columns checked (tables.Table.checked).

    columns: or the name of the table that asks for them. A list of "I don't know" answers may also
    be plain text, one answer a line.
    """
    path = Path(path)
    plain = columns == "idontknow"
    columns = columns_of(columns) if isinstance(columns, str) else columns
    return read_file(path, plain).checked(columns, renamed, optional=optional, blank=blank)


def read_file(path: Path, plain: bool = False) -> Table:
    """The rows as the file holds them; DataError if it cannot be read.

    plain: lines that are no JSON are texts by themselves.
    """
    if path.is_dir():
        return _saved(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    content, kind = _content(path)
    if kind == PARQUET:
        return _parquet(path, content)
    text = utf8(content, path)
    if kind in DELIMITERS:
        return _separated(path, text, DELIMITERS[kind])
    return json_table(path, text, _is_plain if plain else lambda line: False)


def _is_plain(line: str) -> bool:
    """Whether a line is an answer as it stands; objects and quoted texts are JSON."""
    line = line.strip()
    return not (line.startswith("{") or (len(line) > 1 and line[0] == line[-1] == '"'))


def _content(path: Path) -> tuple[bytes, str]:
    """A file's bytes, decompressed, and the ending that names its format."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    try:
        content = path.read_bytes()
        if suffixes and suffixes[-1] in COMPRESSED:
            content = COMPRESSED[suffixes.pop()](content)
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    return content, suffixes[-1] if suffixes else ""


def _unpacked_zst(content: bytes) -> bytes:
    pyarrow = _needed("pyarrow")
    return pyarrow.input_stream(memoryview(content), compression="zstd").read()


def _separated(path: Path, text: str, delimiter: str) -> Table:
    """CSV or TSV: the first line names the columns; each row stands where its first line does."""
    csv.field_size_limit(sys.maxsize)  # texts of a corpus are long
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows, numbers, problems = [], [], []
    first = 1  # line of the row at hand; a quoted cell may run over several
    try:
        for fields in reader:
            if fields and not header:
                header = fields
            elif len(fields) == len(header):
                rows.append(dict(zip(header, fields, strict=True)))
                numbers.append(first)
            elif fields:  # not an empty line
                problems.append(
                    f"{path}, line {first}: {len(fields)} cells, but line 1 names {len(header)}: "
                    f"{delimiter.join(header)[:200]!r}"
                )
            first = reader.line_num + 1
    except csv.Error as error:
        problems.append(f"{path}, line {first}: cells cannot be told apart ({error})")
    return Table(path, "line", rows, numbers, tuple(_twice(path, header) + problems), flat=True)


def _parquet(path: Path, content: bytes) -> Table:
    parquet, pyarrow = _needed("pyarrow.parquet"), _needed("pyarrow")
    try:
        table = parquet.read_table(pyarrow.BufferReader(content), use_threads=False)
        table.validate(full=True)  # damaged offsets would be read beyond their buffer
        rows = table.to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a Parquet file that can be read ({error})") from None
    problems = tuple(_twice(path, table.column_names))
    return Table(path, "row", rows, list(range(1, len(rows) + 1)), problems)


def _saved(folder: Path) -> Table:
    """A data set that the datasets library saved."""
    if not _is_saved(folder):
        raise DataError(f"{folder}: a folder without a data set that save_to_disk has written")
    datasets = _needed("datasets")
    try:
        saved = datasets.load_from_disk(str(folder))
        rows = []
        if isinstance(saved, datasets.Dataset):
            saved.data.validate(full=True)
            rows = saved.to_list()
    except Exception as error:  # of many libraries: arrow's, file systems', its own
        raise DataError(f"{folder}: cannot be loaded ({type(error).__name__}: {error})") from error
    if isinstance(saved, datasets.DatasetDict):
        raise DataError(
            f"{folder}: holds several data sets ({', '.join(saved)}); name the folder of one of "
            "them, or save each under its table's name"
        )
    return Table(folder, "row", rows, list(range(1, len(rows) + 1)))


def _is_saved(folder: Path) -> bool:
    return any((folder / name).is_file() for name in SAVED)


def _twice(path: Path, header: list[str]) -> list[str]:
    twice = sorted({name for name in header if header.count(name) > 1})
    return [f"{path}, line 1: column '{name}' stands twice" for name in twice]


def _near(usual: Path) -> str:
    """What lies in the folder that may have been meant."""
    if not usual.parent.is_dir():
        return ""
    name = re.compile(rf"{re.escape(usual.stem)}[.-].*", re.IGNORECASE)  # full.zip, full-00000-of…
    near = [file.name for file in usual.parent.iterdir() if name.fullmatch(file.name)]
    return f" ({', '.join(sorted(near)[:5])} is there)" if near else ""


def _needed(name: str) -> ModuleType:
    """A library that not every machine has."""
    try:
        return import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise DataError(
            f"this format needs the package {package}: install it with `pip install --constraint "
            "envs/constraints.txt '.[workflow]'`, or convert the file to JSON lines"
        ) from None
