"""Delimited text of any length, a block at a time: every row comes out, broken ones marked."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import csv as pacsv

from gridmap.io.batches import Batch

_BLOCK = 1 << 23
_TYPICAL_ROW = 80  # bytes
_MOST_LINES = 200  # of a quoted field

csv.field_size_limit(1 << 24)


@dataclass(frozen=True)
class Delimited:
    """A delimited text file; all its columns stay the text that they are.

    A row is broken when it has too few or too many fields, or an open quote. It is kept, its
    surplus joined to the last field, and named by its row number.

    Attributes
    ----------
    path : Path
        The file.
    names : tuple of str
        One name a column.
    skip : int
        Lines above the first record.
    encoding, separator : str
        Of the text.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "incidents.csv")
    ...     _ = path.write_text("id,x,y\\n01,5,5\\n02,5\\n")
    ...     (batch,) = Delimited(path, ("id", "x", "y")).batches()
    >>> batch.table.column("id").to_pylist(), batch.broken
    (['01', '02'], [1])
    """

    path: Path
    names: tuple[str, ...]
    skip: int = 1
    encoding: str = "utf-8"
    separator: str = ","
    crs: Any = None

    @property
    def schema(self) -> pa.Schema:
        """Text columns."""
        return pa.schema([(name, pa.string()) for name in self.names])

    @property
    def size(self) -> int:
        """Bytes of the file, by which progress is measured."""
        return self.path.stat().st_size

    @property
    def rows(self) -> int:
        """About how many records there are, by the size of the file."""
        return self.size // _TYPICAL_ROW

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""
        rest = b""
        with self.path.open("rb") as file:
            for data, done, final in _pieces(file, self.encoding, self.skip):
                block = rest + data
                cut = len(block) if final else block.rfind(b"\n") + 1
                table, broken, unread = self._parse(block[:cut].replace(b"\0", b""), final)
                rest = unread + block[cut:]
                if table.num_rows:
                    yield Batch(table, broken, done)

    def _parse(self, block: bytes, final: bool) -> tuple[pa.RecordBatch, list[int], bytes]:
        """Return the records of some lines, which are broken, and the lines left for later."""
        lines = block.count(b"\n") + (bool(block) and not block.endswith(b"\n"))
        if lines and block.count(b'"') % 2 == 0:
            table = self._in_bulk(block)
            if table is not None and table.num_rows == lines:
                return table, [], b""
        return self._by_line(block.decode("utf-8", errors="replace"), final)

    def _in_bulk(self, block: bytes) -> pa.RecordBatch | None:
        """Read whole records at once; None when one of them is broken."""
        try:
            table = pacsv.read_csv(
                io.BytesIO(block),
                pacsv.ReadOptions(
                    use_threads=False, column_names=self.names, block_size=len(block) + 1
                ),
                pacsv.ParseOptions(delimiter=self.separator, newlines_in_values=b'"' in block),
                pacsv.ConvertOptions(column_types=self.schema, strings_can_be_null=False),
            )
        except pa.ArrowInvalid:
            return None
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else None

    def _by_line(self, text: str, final: bool) -> tuple[pa.RecordBatch, list[int], bytes]:
        """Read records one by one: slower, and nothing is lost to an open quote."""
        width = len(self.names)
        rows: list[list[str]] = []
        broken: list[int] = []
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        at = 0
        while at < len(lines):
            row, used = self._record(lines, at)
            if not used and not final and len(lines) - at < _MOST_LINES:
                break  # the quote may be closed in the next block
            at += max(used, 1)
            if row is None:
                row = lines[at - 1].split(self.separator)
                broken.append(len(rows))
            elif not row:
                continue
            elif len(row) != width:
                broken.append(len(rows))
            if len(row) > width:
                row = [*row[: width - 1], self.separator.join(row[width - 1 :])]
            rows.append([*row, *[""] * (width - len(row))])
        columns = zip(*rows, strict=True) if rows else [[] for _ in self.names]
        arrays = [pa.array(list(column), type=pa.string()) for column in columns]
        unread = "".join(line + "\n" for line in lines[at:]).encode()
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema), broken, unread

    def _record(self, lines: list[str], at: int) -> tuple[list[str] | None, int]:
        """Return the record that begins at a line, and the lines it takes.

        None when it is broken; then it takes one line, or 0 when its quote stays open.
        """
        quotes = lines[at].count('"')
        last = at + 1
        while quotes % 2 and last < min(len(lines), at + _MOST_LINES):
            quotes += lines[last].count('"')
            last += 1
        if quotes % 2:
            return None, 0
        row = self._fields(lines[at:last])
        if last - at > 1 and (row is None or len(row) != len(self.names)):
            return None, 1
        within = lines[at + 1 : last - 1]
        if any(len(line.split(self.separator)) == len(self.names) for line in within):
            return None, 1
        return row, last - at

    def _fields(self, lines: list[str]) -> list[str] | None:
        """Return the fields of one record; None when its quotes are wrong, [] if blank."""
        if not any(line.strip() for line in lines):
            return []
        reader = csv.reader(
            [line + "\n" for line in lines], delimiter=self.separator, strict=len(lines) > 1
        )
        try:
            rows = list(reader)
        except csv.Error:
            return None
        return rows[0] if len(rows) == 1 else None


def _pieces(file: BinaryIO, encoding: str, skip: int) -> Iterator[tuple[bytes, int, bool]]:
    """Yield a text as UTF-8 below its headings, the bytes read so far, and whether it ends."""
    plain = encoding.lower().replace("_", "-") in {"utf-8", "utf-8-sig", "ascii"}
    decoder = None if plain else codecs.getincrementaldecoder(encoding)(errors="replace")
    head: bytes | None = b""
    while True:
        data = file.read(_BLOCK)
        final = not data
        if file.tell() == len(data):  # the beginning, where there may be a mark
            data = data.removeprefix(codecs.BOM_UTF8)
        if decoder is not None:
            data = decoder.decode(data, final=final).encode()
        if head is not None:
            head += data
            if not final and head.count(b"\n") < skip:
                continue
            data = b"".join(head.split(b"\n", skip)[skip:])
            head = None
        yield data, file.tell(), final
        if final:
            return
