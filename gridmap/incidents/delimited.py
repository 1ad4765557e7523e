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

from gridmap.incidents.batches import Batch

_BLOCK = 1 << 23
_LONGEST = 1 << 16  # bytes of a quoted field with line breaks
_MOST_LINES = 200  # of such a field

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

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""
        with self.path.open("rb") as file:
            for block, done in _blocks(file, self.encoding, self.skip):
                table, broken = self._parse(block)
                if table.num_rows:
                    yield Batch(table, broken, done)

    def _parse(self, block: bytes) -> tuple[pa.RecordBatch, list[int]]:
        """Return the records of a block of whole lines, and which of them are broken."""
        if b"\0" in block:
            block = block.replace(b"\0", b"")
        lines = block.count(b"\n") + (not block.endswith(b"\n"))
        odd: list[Any] = []

        def skip(row: Any) -> str:
            odd.append(row)
            return "skip"

        table = None
        try:
            table = pacsv.read_csv(
                io.BytesIO(block),
                pacsv.ReadOptions(
                    use_threads=False, column_names=self.names, block_size=len(block) + 1
                ),
                pacsv.ParseOptions(
                    delimiter=self.separator,
                    newlines_in_values=b'"' in block,
                    invalid_row_handler=skip,
                ),
                pacsv.ConvertOptions(
                    column_types=self.schema, strings_can_be_null=False, check_utf8=False
                ),
            )
        except pa.ArrowInvalid:  # an open quote, or no record
            odd.append(None)
        if odd or table is None or table.num_rows != lines:
            return self._by_line(block.decode("utf-8", errors="replace"))
        combined = table.combine_chunks().to_batches()
        return combined[0], []

    def _by_line(self, text: str) -> tuple[pa.RecordBatch, list[int]]:
        """Read records one by one: slower, and nothing is lost to an open quote."""
        width = len(self.names)
        rows: list[list[str]] = []
        broken: list[int] = []
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
        at = 0
        while at < len(lines):
            row, used = self._record(lines, at, width)
            at += used
            if row is None:
                row = lines[at - 1].split(self.separator)
                row = [*row[: width - 1], self.separator.join(row[width - 1 :])]
                broken.append(len(rows))
            elif not row:
                continue
            elif len(row) != width:
                broken.append(len(rows))
                row = [*row[: width - 1], self.separator.join(row[width - 1 :])]
            rows.append([*row, *[""] * (width - len(row))])
        columns = zip(*rows, strict=True) if rows else [[] for _ in self.names]
        arrays = [pa.array(list(column), type=pa.string()) for column in columns]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema), broken

    def _record(self, lines: list[str], at: int, width: int) -> tuple[list[str] | None, int]:
        """Return the record that begins at a line and the lines it takes; None when broken."""
        quotes = lines[at].count('"')
        last = at + 1
        while quotes % 2 and last < min(len(lines), at + _MOST_LINES):
            quotes += lines[last].count('"')
            last += 1
        if quotes % 2:
            return None, 1
        row = self._fields(lines[at:last])
        if last - at > 1 and (
            row is None
            or len(row) != width
            or any(len(line.split(self.separator)) == width for line in lines[at + 1 : last - 1])
        ):
            return None, 1
        return row, last - at

    def _fields(self, lines: list[str]) -> list[str] | None:
        """Return the fields of one record; None when its quotes are wrong, [] when blank."""
        if not any(line.strip() for line in lines):
            return []
        reader = csv.reader([line + "\n" for line in lines], delimiter=self.separator, strict=True)
        try:
            rows = list(reader)
        except csv.Error:
            return None
        return rows[0] if len(rows) == 1 else None


def _blocks(file: BinaryIO, encoding: str, skip: int) -> Iterator[tuple[bytes, int]]:
    """Yield blocks of whole records as UTF-8, and the bytes read so far."""
    plain = encoding.lower().replace("_", "-") in {"utf-8", "utf-8-sig", "ascii"}
    decoder = None if plain else codecs.getincrementaldecoder(encoding)(errors="replace")
    rest, first = b"", True
    while True:
        data = file.read(_BLOCK)
        final = not data
        if decoder is not None:
            data = decoder.decode(data, final=final).encode()
        block = rest + data
        if first:
            block = block.removeprefix(codecs.BOM_UTF8)
            if not final and block.count(b"\n") < skip:
                rest = block
                continue
            block = b"\n".join(block.split(b"\n", skip)[skip:])
            first = False
        cut = len(block) if final else _end_of_records(block)
        rest = block[cut:]
        if cut:
            yield block[:cut], file.tell()
        if final:
            return


def _end_of_records(block: bytes) -> int:
    """Return where the last line ends that closes every quote opened in the block."""
    end = last = block.rfind(b"\n") + 1
    odd = block.count(b'"', 0, end) % 2
    while odd and end > max(0, last - _LONGEST):
        before = block.rfind(b"\n", 0, end - 1) + 1
        odd ^= block.count(b'"', before, end) % 2
        end = before
    return last if odd else end
