"""What a file may cost: how far archives and columns may expand, told before memory is gone."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from gridmap.errors import InputError
from gridmap.language import Message

MOST_IN_MEMORY = 1 << 29
"""Bytes that a member of an archive may have where it is read whole."""

_MOST_STREAMED = 1 << 33
_MOST_TEXTS = 1 << 28  # the parts of a workbook that are held while its sheets stream by
_USUAL = 100  # times that honest tables and maps shrink, at most
_HELD = 3  # times its columns that a table takes while it is understood
_BATCH = 1 << 26  # bytes of a batch that streams
_STEP = 1 << 16  # rows measured at once
_NESTED = 100  # bytes that a value of a list or structure takes as it becomes text
_TEXT = "BYTE_ARRAY"
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4}


_FEWER = Message("Give fewer rows, such as a shorter period, as CSV or Parquet.")
_BY_CELL = Message(
    "Count by cell, which reads a part at a time: `gridmap assign GRID FILE --counts -o "
    "counts.csv`; or give fewer rows, such as a shorter period."
)


def check_members(members: Iterable[zipfile.ZipInfo], name: str, *, most: int) -> None:
    """Refuse members of an archive that would take more than they may."""
    members = list(members)
    size = sum(member.file_size for member in members)
    check_expansion(size, sum(member.compress_size for member in members), name, most=most)


def check_expansion(size: int, packed: int, name: str, *, most: int = _MOST_STREAMED) -> None:
    """Refuse so many bytes from so many packed ones: too many, or as no honest file shrinks."""
    if size > most or (size > min(most, MOST_IN_MEMORY) / 4 and size > _USUAL * max(packed, 1)):
        raise InputError(
            "`{name}` expands to {size:,.0f} MB from {packed:,.1f}. If you trust it, "
            "unpack it and give the file itself.",
            name=name,
            size=size / 1000000.0,
            packed=packed / 1000000.0,
        )


def check_workbook(data: bytes, name: str) -> None:
    """Refuse a workbook whose parts expand beyond what a workbook may, or beyond what they tell."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    check_once(archive.namelist(), name)
    sheets = [m for m in archive.infolist() if m.filename.startswith("xl/worksheets/")]
    check_members(sheets, name, most=_MOST_STREAMED)
    check_members((m for m in archive.infolist() if m not in sheets), name, most=_MOST_TEXTS)
    for sheet in sheets:
        check_members([sheet], name, most=_MOST_STREAMED)
    if part := archive.testzip():  # which unpacks no more than is told
        raise zipfile.BadZipFile(part)


def check_once(members: Iterable[str], name: str) -> None:
    """Refuse an archive with two members of one name, of which readers would take either."""
    twice = [member for member, count in Counter(map(str.lower, members)).items() if count > 1]
    if twice:
        raise InputError(
            "`{name}` holds {member!r} more than once, and it cannot be told which is meant. "
            "Unpack it, and give the right file itself.",
            name=name,
            member=twice[0],
        )


def check_held(size: float, packed: float, name: str, *, streams: bool = True) -> None:
    """Refuse a table of so many bytes in memory, and so many in its file, beforehand."""
    if is_too_much(size, packed):
        cure = _BY_CELL if streams else _FEWER
        raise InputError(
            "`{name}` would take {size:,.0f} MB of memory, from {packed:,.1f} in the file. {cure}",
            name=name,
            size=size * _HELD / 1e6,
            packed=packed / 1e6,
            cure=cure,
        )


def is_too_much(size: float, packed: float) -> bool:
    """Tell whether a table of so many bytes, and so many in its file, is not to be held."""
    return is_bomb(size, packed) or size * _HELD > _free()


def is_bomb(size: float, packed: float) -> bool:
    """Tell whether so many bytes in memory are far more than so many in a file let expect."""
    return size > MOST_IN_MEMORY / 4 and size > _USUAL * max(packed, 1)


def packed_size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _free() -> int:
    """Return the bytes of memory that are free, 16 GB where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            told = dict(line.split(":", 1) for line in file)
        return int(told["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 1 << 34


def parquet_size(place: Any) -> tuple[int, int]:
    """Return the bytes of the columns of a Parquet file in memory, and about of its widest row."""
    size = widest = 0
    with parquet.ParquetFile(place, pre_buffer=False) as file:
        data = file.metadata
        texts = _packed_texts(data)
        for group, at in np.ndindex(data.num_row_groups, data.num_columns):
            chunk = data.row_group(group).column(at)
            if chunk.path_in_schema in texts:
                continue
            each = _width(data, chunk, at)
            size += int(each * chunk.num_values)
            rows = max(data.row_group(group).num_rows, 1)
            widest = max(widest, int(each * chunk.num_values / rows) * data.num_columns)
            if is_bomb(chunk.total_uncompressed_size, chunk.total_compressed_size):
                widest = max(widest, int(chunk.total_uncompressed_size))
    for text in texts:
        taken, longest = _text_size(place, text)
        size, widest = size + taken, widest + longest
    return size, widest


def rows_at_once(place: Path, most: int, name: str) -> int:
    """Return how many rows of a Parquet file may be read at once; refuse what no batch can hold."""
    size, widest = parquet_size(place)
    packed = packed_size(place)
    if widest > 2 * _BATCH or (size > _MOST_STREAMED and size > _USUAL * packed):
        raise InputError(
            "`{name}` expands to {size:,.0f} MB from {packed:,.1f}, as no honest table does. Ask "
            "for the file again.",
            name=name,
            size=max(size, widest) / 1e6,
            packed=packed / 1e6,
        )
    return max(1, min(most, _BATCH // max(widest, 1)))


def _packed_texts(data: Any) -> list[str]:
    """Return the columns of texts of which the file tells little, but not too much to look at."""
    found = dict[str, None]()
    for group, at in np.ndindex(data.num_row_groups, data.num_columns):
        chunk = data.row_group(group).column(at)
        flat = data.schema.column(at).max_repetition_level == 0 and "." not in chunk.path_in_schema
        whole, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
        repeated = packed < 2 * chunk.num_values or whole > 16 * packed
        if flat and repeated and not is_bomb(whole, packed) and chunk.physical_type == _TEXT:
            found[chunk.path_in_schema] = None
    return list(found)


def _width(data: Any, chunk: Any, at: int) -> float:
    """Return the bytes of a value of a chunk in memory."""
    if data.schema.column(at).max_repetition_level or "." in chunk.path_in_schema:
        return float(_NESTED)
    if chunk.physical_type == _TEXT:
        return 8.0 + float(chunk.total_uncompressed_size) / int(chunk.num_values or 1)
    if chunk.physical_type == "FIXED_LEN_BYTE_ARRAY":
        return float(data.schema.column(at).length)
    return float(_WIDTHS.get(str(chunk.physical_type), 8))


def _text_size(place: Any, name: str) -> tuple[int, int]:
    """Return the bytes of a column of texts, and of the longest, from its different values."""
    size = longest = 0
    with parquet.ParquetFile(place, pre_buffer=False, read_dictionary=[name]) as file:
        for batch in file.iter_batches(_STEP, columns=[name], use_threads=False):
            column = batch.column(0)
            if not pa.types.is_dictionary(column.type):  # a dictionary of another kind
                return size + column.nbytes, longest
            lengths = pc.binary_length(column.dictionary).cast(pa.int64())
            size += (pc.sum(lengths.take(column.indices)).as_py() or 0) + 8 * len(column)
            longest = max(longest, pc.max(lengths).as_py() or 0)
    return size, longest


def arrow_size(path: Path) -> int:
    """Return the bytes that an Arrow file unpacks to; a damaged one is left to its reader."""
    size = 0
    try:
        with pa.OSFile(str(path)) as file:
            file.seek(0 if file.read(6) != b"ARROW1" else 8)
            for message in pa.ipc.MessageReader.open_stream(file):
                if message.type in ("record batch", "dictionary"):
                    size += _unpacked(message.metadata, message.body, message.type)
    except (pa.ArrowException, OSError, struct.error, ValueError):
        return size
    return size


def _unpacked(metadata: Any, body: Any, kind: str) -> int:  # as in Message.fbs of Arrow
    """Return the bytes of the buffers of a message."""
    data, held, size = memoryview(metadata), memoryview(body), 0
    (root,) = struct.unpack_from("<I", data, 0)
    batch = (
        _inner(data, _inner(data, root, 2), 1) if kind == "dictionary" else _inner(data, root, 2)
    )
    start, packed = _inner(data, batch, 2), _field(data, batch, 3)
    (count,) = struct.unpack_from("<I", data, start)
    for number in range(count):
        offset, length = struct.unpack_from("<qq", data, start + 4 + 16 * number)
        (told,) = struct.unpack_from("<q", held, offset) if packed and length >= 8 else (-1,)
        size += length if told < 0 else told
    return size


def _field(data: memoryview, table: int, number: int) -> int:
    """Return where a field of a flat table lies, 0 where it is not there."""
    (back,) = struct.unpack_from("<i", data, table)
    (size,) = struct.unpack_from("<H", data, table - back)
    slot = 4 + 2 * number
    (offset,) = struct.unpack_from("<H", data, table - back + slot) if slot < size else (0,)
    return table + int(offset) if offset else 0


def _inner(data: memoryview, table: int, number: int) -> int:
    """Return where the table or vector that a field refers to lies."""
    at = _field(data, table, number)
    return at + int(struct.unpack_from("<I", data, at)[0])
