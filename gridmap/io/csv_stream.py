"""Delimited text of any length, a block at a time: every row comes out, broken ones marked."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
from pyarrow import csv as pacsv

from gridmap.errors import InputError
from gridmap.io.batches import Batch
from gridmap.io.encodings import choose_encoding, is_shifted, named_encoding
from gridmap.io.header import Headings, find_headings
from gridmap.io.source import Source, unreadable
from gridmap.io.text import guess_separator

SAMPLE = 1 << 16

_BLOCK = 1 << 23
_LOOK = 1 << 22
_ROWS = 60  # among which headings are looked for
_TYPICAL_ROW = 80  # bytes
_MOST_LINES = 200  # of a quoted field
_PLAIN = ("utf-8", "utf-8-sig", "ascii")

csv.field_size_limit(1 << 24)


class Start(NamedTuple):
    """The headings of a text, and where its records start: byte (as UTF-8) and line."""

    headings: Headings
    byte: int
    line: int


@dataclass(frozen=True)
class Delimited:
    """A delimited text file; all its columns stay the text that they are.

    A row is broken when it has too few or too many fields, or an open quote. It is kept, its
    surplus joined to the last field, and named by its row number.

    Attributes
    ----------
    source : Source
        The file.
    names : tuple of str
        One name a column.
    skip : int
        Lines above the first record.
    encoding, separator : str
        Of the text.
    headings : Headings or None
        With what stood above them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "incidents.csv")
    ...     _ = path.write_text("id,x,y\\n01,5,5\\n02,5\\n")
    ...     source = Source(str(path), "csv", path)
    ...     (batch,) = Delimited(source, ("id", "x", "y")).batches()
    >>> batch.table.column("id").to_pylist(), batch.broken
    (['01', '02'], {1: 2})
    """

    source: Source
    names: tuple[str, ...]
    skip: int = 1
    encoding: str = "utf-8"
    separator: str = ","
    headings: Headings | None = None
    crs: Any = None

    @property
    def schema(self) -> pa.Schema:
        """Text columns."""
        return pa.schema([(name, pa.string()) for name in self.names])

    @property
    def size(self) -> int:
        """Bytes of the file, by which progress is measured."""
        return self.source.size

    @property
    def rows(self) -> int:
        """About how many records there are, by the size of the file."""
        return self.size // _TYPICAL_ROW

    def batches(self) -> Iterator[Batch]:
        """Yield the records in order."""
        rest = b""
        with self.source.opened() as file:
            for data, done, final in self._pieces(file):
                block = rest + data
                cut = len(block) if final else block.rfind(b"\n") + 1
                table, broken, unread = self._parse(block[:cut], final)
                rest = unread + block[cut:]
                if table.num_rows:
                    yield Batch(table, broken, done)

    def _pieces(self, file: BinaryIO) -> Iterator[tuple[bytes, int, bool]]:
        """Yield text as UTF-8 below its headings, the bytes read so far, and whether it ends.

        Raises
        ------
        InputError
            At zero bytes, and at what is no text in the encoding: nothing is read past.
        """
        decoder = codecs.getincrementaldecoder(self.encoding)()
        plain, old_ends = self.encoding in _PLAIN, False
        head: bytes | None = b""
        done = 0
        while True:
            data = file.read(_BLOCK)
            final = not data
            if done == 0:  # the beginning, where there may be a mark
                data = data.removeprefix(codecs.BOM_UTF8)
            done += len(data)
            data = self._as_utf8(data, decoder, final, plain)
            if head is not None:
                head += data
                old_ends = old_ends or (b"\n" not in head and b"\r" in head)
                head = head.replace(b"\r", b"\n") if old_ends else head
                if not final and head.count(b"\n") < self.skip:
                    continue
                data = b"".join(head.split(b"\n", self.skip)[self.skip :])
                head = None
            elif old_ends:
                data = data.replace(b"\r", b"\n")
            yield data, done, final
            if final:
                return

    def _as_utf8(self, data: bytes, decoder: Any, final: bool, plain: bool) -> bytes:
        begun = decoder.getstate()[0]
        try:
            text = decoder.decode(data, final=final)
        except UnicodeDecodeError as error:
            raise InputError(
                "`{source}` is not {encoding} text throughout ({reason} at {object!r}). Tell "
                "its encoding, `--encoding NAME`, or save it again as UTF-8.",
                source=self.source.name,
                encoding=self.encoding,
                reason=error.reason,
                object=error.object[error.start : error.start + 4],
            ) from error
        if "\0" in text:
            raise InputError(
                "`{source}` is no text, or damaged (it has zero bytes). Ask for the file again.",
                source=self.source.name,
            )
        return data if plain and not begun and not decoder.getstate()[0] else text.encode()

    def _parse(self, block: bytes, final: bool) -> tuple[pa.RecordBatch, dict[int, int], bytes]:
        """Return the records of some lines, which are broken, and the lines left for later."""
        lines = block.count(b"\n") + (bool(block) and not block.endswith(b"\n"))
        if lines and block.count(b'"') % 2 == 0:
            table = self._in_bulk(block)
            if table is not None and table.num_rows == lines:
                return table, {}, b""
        return self._by_line(block.decode(), final)

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

    def _by_line(self, text: str, final: bool) -> tuple[pa.RecordBatch, dict[int, int], bytes]:
        """Read records one by one: slower, and nothing is lost to an open quote."""
        width = len(self.names)
        rows: list[list[str]] = []
        broken: dict[int, int] = {}
        lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
        at = 0
        while at < len(lines):
            row, used = self._record(lines, at)
            if not used and not final and len(lines) - at < _MOST_LINES:
                break  # the quote may be closed in the next block
            at += max(used, 1)
            if row is None:
                row = lines[at - 1].split(self.separator)
                broken[len(rows)] = 0
            elif not row:
                continue
            elif len(row) < width or any(value.strip() for value in row[width:]):
                broken[len(rows)] = len(row)
            if len(row) > width:
                surplus = [value for value in row[width:] if value.strip()]
                row = [*row[: width - 1], self.separator.join([row[width - 1], *surplus])]
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
        """Return the fields of one record; None when its quotes are wrong, [] if blank.

        DOS ends a text with a sign of its own, which is no record.
        """
        if not any(line.strip().strip("\x1a") for line in lines):
            return []
        reader = csv.reader(
            [line + "\n" for line in lines], delimiter=self.separator, strict=len(lines) > 1
        )
        try:
            rows = list(reader)
        except csv.Error:
            return None
        return rows[0] if len(rows) == 1 else None


def open_text(
    source: Source, *, encoding: str | None = None, separator: str | None = None
) -> Delimited:
    """Find out how a delimited text is written, and where its records start.

    Raises
    ------
    InputError
        When it is no text, blank, or in an encoding that must be told.
    """
    encoding = text_encoding(source, encoding)
    with source.opened() as file:
        raw = file.read(SAMPLE).removeprefix(codecs.BOM_UTF8)
    text = codecs.getincrementaldecoder(encoding)(errors="ignore").decode(raw)
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\n" not in text else text
    separator = separator or guess_separator(text)
    start = find_start(text.encode(), separator, source.name)
    return Delimited(
        source, tuple(start.headings.names), start.line, encoding, separator, start.headings
    )


def text_encoding(source: Source, declared: str | None = None) -> str:
    """Return the encoding of a text: as declared, else by its mark and all its bytes.

    The whole text is looked at, a block at a time, as one late character decides.

    Raises
    ------
    InputError
        When it must be told.
    """
    with source.opened() as file:
        head = file.read(SAMPLE)
        cut = len(head) == SAMPLE
        marked = head.startswith(codecs.BOM_UTF8)
        if declared is not None:
            return named_encoding(declared)
        if not head.removeprefix(codecs.BOM_UTF8).isascii() or is_shifted(head) or b"\0" in head:
            guess = choose_encoding(head, cut=cut, name=source.name)
            if guess not in ("utf-8", "utf-8-sig"):
                return guess
        decoder, seen = codecs.getincrementaldecoder("utf-8")(), False
        block = head.removeprefix(codecs.BOM_UTF8)
        while block:
            try:
                seen = not decoder.decode(block).isascii() or seen
            except UnicodeDecodeError as error:
                if seen:  # damaged UTF-8, which the reader tells
                    return "utf-8"
                start = error.object.rfind(b"\n", 0, error.start) + 1
                around = error.object[start : start + SAMPLE]
                return choose_encoding(around, cut=True, name=source.name)
            block = file.read(_LOOK)
    return "utf-8-sig" if marked else "utf-8"


def find_start(data: bytes, separator: str, name: str) -> Start:
    """Find the headings of a text as UTF-8, and where its records start.

    Raises
    ------
    InputError
        When it is blank, or no rows can be told.
    """
    head = data[:SAMPLE].decode(errors="ignore")
    reader = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
    rows, ends = [], []
    try:
        for row in reader:
            if any(text.strip() for text in row):
                rows.append(row)
                ends.append(reader.line_num)
            if len(rows) > _ROWS:
                break
    except csv.Error as error:
        raise unreadable(name, error) from error
    if not rows:
        raise InputError("`{name}` is blank. Ask for the file again.", name=name)
    headings = find_headings(rows)
    width = max(map(len, rows[headings.first : headings.body]))
    headings = replace(headings, names=headings.names[:width])
    line = ends[headings.body - 1]
    above = list(islice(io.StringIO(head, newline=""), line))
    byte = len("".join(above).encode())
    if not above[-1].endswith(("\r", "\n")):  # longer than what was looked at
        byte = data.find(b"\n", byte) + 1 or len(data)
    return Start(headings, byte, line)
