"""Bills on disk as batches of Arrow columns under their FOCUS names: CSV, gzipped CSV, Parquet; never a whole file.

Columns stand in any order and case ("billed_cost" is BilledCost). A CSV is read as text only: what a cell means is
decided in `parse`, where a bad one is named. Every vendor's way to say "nothing" is null.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import InputError
from .faults import EXAMPLES
from .focus import CUSTOM, focus_columns
from .parse import NULLS, amounts

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK_BYTES = 2**21  # that fit a cache: four times as fast as larger ones
BATCH_ROWS, CSV_ROWS = 2**18, 2**16
LONGEST_HEAD = 2**20
MOST_COLUMNS = 2000
DELIMITERS = ",;\t|"
SUFFIXES = (".csv", ".csv.gz", ".parquet")
KNOWN_CUSTOM = {"id": "x_Id"}  # what vendors' samples have beside FOCUS without its prefix


@dataclass(slots=True)
class Source:
    """One file: where it is, what its columns are called, and what came to light while it was read."""

    path: Path
    columns: tuple[str, ...]  # FOCUS names, and the file's own for others, in the file's order
    strange: tuple[str, ...]  # columns neither of FOCUS nor x_
    delimiter: str = ","
    digest: str = ""  # of the content, once read to the end
    cut: list[str] = field(default_factory=list)  # the first rows with too few or too many cells
    cut_rows: int = 0

    @property
    def name(self) -> str:
        """As people know it."""
        return self.path.name

    @property
    def is_parquet(self) -> bool:
        """Whether it has types of its own."""
        return self.path.suffix.lower() == ".parquet"


def sources(paths: list[Path]) -> list[Source]:
    """The files of a bill with their headings; a folder stands for all the bills in it, by name.

    Raises:
        InputError: no file, one of another kind, or a heading that names no column of FOCUS, or one twice.
    """
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise InputError("no bill", where=", ".join(map(str, paths)), mend=f"files ending in {', '.join(SUFFIXES)}")
    return [_source(path) for path in files]


def batches(source: Source, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Rows of a file as tables of its columns (or those asked for), text as dictionaries.

    Raises:
        InputError: the file is damaged or ends in the middle.
    """
    wanted = [c for c in source.columns if columns is None or c in columns]
    yield from _parquet(source, wanted) if source.is_parquet else _csv(source, wanted)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.is_file() and p.name.lower().endswith(SUFFIXES))
    if not path.is_file():
        raise InputError("no such file", where=str(path), mend="a bill in FOCUS form, or a folder of them")
    if not path.name.lower().endswith(SUFFIXES):
        raise InputError("is no bill", where=str(path), mend=f"a file ending in {', '.join(SUFFIXES)}")
    return [path]


def _source(path: Path) -> Source:
    """The heading of a file."""
    if path.suffix.lower() == ".parquet":
        names, delimiter = list(_parquet_file(path).schema_arrow.names), ","
    else:
        names, delimiter = _heading(path)
    by_letters = {_letters(name): name for name in focus_columns()} | KNOWN_CUSTOM
    columns = [name if name[:2].lower() == CUSTOM else by_letters.get(_letters(name), name) for name in names]
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise InputError(f"column {twice[0]!r:.60} twice", where=f"{path.name}, row 1", mend="keep one of them")
    if not any(c in focus_columns() for c in columns):
        mend = "the first row of a bill names the columns of FOCUS: BilledCost, ChargePeriodStart, …"
        raise InputError("no column of FOCUS", where=f"{path.name}, row 1", mend=mend)
    strange = tuple(c for c in columns if c not in focus_columns() and c[:2].lower() != CUSTOM)
    return Source(path=path, columns=tuple(columns), strange=strange, delimiter=delimiter)


def _letters(name: str) -> str:
    return re.sub(r"[\s_]", "", name).casefold()


def _heading(path: Path) -> tuple[list[str], str]:
    """Names in the first row of a CSV, and what stands between them."""
    try:
        with _opened(path) as file:
            head = file.read(LONGEST_HEAD)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, error) from None
    try:
        line = head.decode("utf-8-sig", errors="ignore" if len(head) == LONGEST_HEAD else "strict")
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    if not line.strip():
        raise InputError("is empty", where=path.name, mend="the first row names the columns")
    first = line.splitlines()[0]
    delimiter = max(DELIMITERS, key=first.count)
    names = [name.strip() for name in next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter))]
    if len(names) > MOST_COLUMNS:
        raise InputError(f"{len(names):,} columns", where=f"{path.name}, row 1", mend=f"at most {MOST_COLUMNS:,}")
    return names, delimiter


def _opened(path: Path) -> IO[bytes]:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")  # type: ignore[return-value]


class _Watched(io.RawIOBase):
    """A file that is looked at while it is read: its fingerprint, whether quotes close, what its last byte is."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.quotes, self.last, self.hash = file, 0, b"\n", hashlib.blake2b(digest_size=16)

    def readable(self) -> bool:
        """As a file to read from."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes."""
        data = self._file.read(-1 if size is None else size)
        if data:
            self.quotes += data.count(b'"')
            self.last = data[-1:]
            self.hash.update(data)
        return data


def _csv(source: Source, wanted: list[str]) -> Iterator[pa.Table]:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    def set_aside(row: Any) -> str:
        source.cut_rows += 1
        if len(source.cut) < EXAMPLES:
            source.cut.append(str(row.text))
        return "skip"

    try:
        with _opened(source.path) as file:
            watched = _Watched(file)
            reader = arrow_csv.open_csv(
                pa.PythonFile(watched, mode="r"),
                read_options=arrow_csv.ReadOptions(
                    column_names=list(source.columns), skip_rows=1, block_size=BLOCK_BYTES, use_threads=True
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=source.delimiter, newlines_in_values=True, invalid_row_handler=set_aside
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(source.columns, pa.string()),
                    include_columns=wanted,
                    strings_can_be_null=True,
                    null_values=list(NULLS),
                ),
            )
            yield from _gathered(reader)
            source.digest = watched.hash.hexdigest()
            if watched.quotes % 2:
                raise InputError("ends within a quoted cell", where=source.name, mend="fetch it again: it is cut short")
    except (EOFError, zlib.error, OSError, pa.ArrowInvalid) as error:
        if isinstance(error, pa.ArrowInvalid) and "Empty CSV" in str(error):  # a heading and no rows
            return
        if "UTF8" in str(error):
            raise _not_utf8(source.path) from None
        raise _damaged(source.path, error) from None


def _gathered(reader: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Small batches as larger ones; text that repeats as dictionaries."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def whole() -> pa.Table:
        table = pa.Table.from_batches(parts).combine_chunks()
        numbers = {c.name for c in focus_columns().values() if c.type == "decimal"}
        made = {n: _number(table[n]) if n in numbers else pc.dictionary_encode(table[n]) for n in table.column_names}
        return pa.table(made)

    parts: list[pa.RecordBatch] = []
    for batch in reader:
        parts.append(batch)
        if sum(p.num_rows for p in parts) >= CSV_ROWS:
            yield whole()
            parts = []
    if parts:
        yield whole()


def _number(column: pa.ChunkedArray) -> pa.Array:
    """Amounts as what they are; as the text that they were where one of them has a fault, so that it can be told."""
    text = column.combine_chunks()
    read = amounts(text)
    return text if (read.bad | read.rounded).any() else read.values


def _parquet(source: Source, wanted: list[str]) -> Iterator[pa.Table]:
    import pyarrow as pa

    file = _parquet_file(source.path)
    own = dict(zip(source.columns, file.schema_arrow.names, strict=True))
    try:
        with source.path.open("rb") as opened:
            source.digest = hashlib.file_digest(opened, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[own[c] for c in wanted]):
            yield pa.Table.from_batches([batch]).select([own[c] for c in wanted]).rename_columns(wanted)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(source.path, error) from None


def _parquet_file(path: Path) -> Any:
    """A Parquet file whose texts come as dictionaries."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        schema = parquet.read_schema(path)
        texts = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        return parquet.ParquetFile(path, read_dictionary=texts, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: BaseException) -> InputError:
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"cannot be read to its end: {said:.200}", where=path.name, mend="fetch it again")


def _not_utf8(path: Path) -> InputError:
    return InputError("is not UTF-8", where=path.name, mend="save it as CSV UTF-8")
