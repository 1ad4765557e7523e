"""Find damage before it becomes missing rows: what GDAL reads past, and what makes it crash.

GDAL reads what it can of a damaged database and skips the rest, and its messages about bytes that
are no text bring the bindings down. SQLite and the codecs tell plainly.
"""

from __future__ import annotations

import json
import re
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyogrio

from gridmap.errors import InputError
from gridmap.io.encodings import choose_encoding
from gridmap.io.source import BROKEN_ZIP, GDAL_FAILURES, Source, quiet, telling, unreadable

_DATABASES = (".gpkg", ".sqlite")
_NULL = re.compile(r"[\[,]\s*null\s*[,\]]")
_LINES = (".geojsonl", ".geojsons")
_JSON = (".geojson", ".json")
_PIECE = 1 << 22


def check_file(source: Source) -> None:
    """Refuse a damaged list of tables, JSON that is no UTF-8, a cut Shapefile, a broken archive."""
    if source.member is not None:
        _check_members(source)
    if source.suffix in _JSON:
        try:
            _check_features(source.read_bytes().decode("utf-8"), source.name)
        except UnicodeDecodeError as error:
            raise InputError(
                "`{source}` is no UTF-8 text (byte {start:,}), as GeoJSON must be. Export it "
                "again.",
                source=source.name,
                start=error.start,
            ) from error
    if source.suffix in _LINES:
        _check_lines(source)
    if source.suffix in _MAPINFO and source.member is None:
        _check_charset(source)
    if source.suffix == ".shp":
        _check_complete(source)
    if source.suffix == ".shp" and source.member is None:
        _check_parts(source)
    with opened(source) as database:
        if database is not None:
            database.execute("SELECT count(*), sum(length(sql)) FROM sqlite_master").fetchall()


def list_layers(source: Source) -> list[tuple[str, str | None]]:
    """Return the layers of a GDAL source: names and geometry types, None for a plain table."""
    check_file(source)
    with telling(source.name, GDAL_FAILURES), quiet():
        found = pyogrio.list_layers(source.gdal_path)
    return [(str(name), None if kind is None else str(kind)) for name, kind in found]


def check_table(source: Source, table: str) -> int | None:
    """Refuse a database in which pages of a table are damaged, so that rows would be missing.

    Returns
    -------
    int or None
        How many rows there are, whatever the file says of itself; None where SQLite cannot look.
    """
    with opened(source) as database:
        if database is None:
            return None
        name = table.replace('"', '""')
        found = database.execute(f'PRAGMA quick_check("{name}")').fetchone()
        if found is not None and found[0] != b"ok":
            reason = found[0].decode(errors="replace").replace("\n", " ")
            raise InputError(
                "`{source}` is a damaged database ({reason}). Ask for the file again.",
                source=source.name,
                reason=reason[:120],
            )
        return int(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0])


def check_names(columns: Iterable[str], name: str) -> None:
    """Refuse columns of the same name, as a damaged table has them."""
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise InputError(
            "`{name}` has {twice} {twice:column|columns} named {column!r}. Rename all but one, or "
            "ask for the file again if it is damaged.",
            name=name,
            twice=Counter(columns)[twice[0]],
            column=twice[0],
        )


def check_text(frame: Any, name: str) -> None:
    """Refuse a frame of which some text is no text: bytes that are no UTF-8."""
    check_names([*frame.columns], name)
    for position, column in enumerate(frame.columns):
        values = frame.iloc[:, position].array
        if not isinstance(getattr(values, "dtype", None), pd.StringDtype):
            continue
        try:
            pa.array(values).validate(full=True)
        except (pa.ArrowException, UnicodeDecodeError) as error:
            raise InputError(
                "`{name}` is damaged: column {column!r} holds bytes that are no text. Ask for "
                "the file again.",
                name=name,
                column=column,
            ) from error


def _check_members(source: Source) -> None:
    """Unpack what belongs to a file in an archive: its parts, or what is in its folder."""
    stem = str(Path(source.member or "").with_suffix("")).lower()
    try:
        with zipfile.ZipFile(source.path) as archive:
            for name in archive.namelist():
                if name.lower().startswith(stem):
                    with archive.open(name) as part:
                        while part.read(_PIECE):  # to the end, where its checksum is compared
                            pass
    except (OSError, *BROKEN_ZIP) as error:
        raise unreadable(source.name, error) from error


def _check_features(text: str, name: str) -> None:
    """Refuse features that are null, which GDAL passes over."""
    if _NULL.search(text) is None:
        return
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return  # GDAL tells where
    features = document.get("features") if isinstance(document, dict) else None
    if isinstance(features, list) and None in features:
        raise InputError(
            "`{name}` has a feature that is null (number {index}). Export it again.",
            name=name,
            index=features.index(None) + 1,
        )


def _check_lines(source: Source) -> None:
    """Refuse lines that are no features, which GDAL passes over."""
    text = source.read_bytes()
    lines = text.split(b"\x1e" if b"\x1e" in text else b"\n")
    for number, line in enumerate(lines, start=1):
        if line.strip() and not _is_object(line):
            raise InputError(
                "`{source}` has no feature in line {number}. Export it again.",
                source=source.name,
                number=number,
            )


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False


def _check_complete(source: Source) -> None:
    """Refuse a Shapefile that came without one of the three files that make it."""
    if source.member is None:
        around, stem = [entry.name for entry in source.path.parent.iterdir()], source.path.name
    else:
        with zipfile.ZipFile(source.path) as archive:
            around, stem = archive.namelist(), source.member
    there = {Path(name).with_suffix(Path(name).suffix.lower()) for name in around}
    for suffix in (".shx", ".dbf"):
        if Path(stem).with_suffix(suffix) not in there:
            raise InputError(
                "`{source}` came without its {part}. Ask for all parts: .shp, .shx, .dbf and .prj.",
                source=source.name,
                part=suffix,
            )


_MAPINFO = {".mif": ".mid", ".tab": ".dat"}
_CHARSET = re.compile(rb'^\s*!?charset\s+"?([\w-]+)', re.IGNORECASE | re.MULTILINE)
_IN_UTF_8, _OF_EUROPE = (b"neutral", b"utf-8"), (b"windowslatin1", b"iso8859_1")


def _check_charset(source: Source) -> None:
    """Refuse a file of MapInfo whose text is in another encoding than its head says."""
    values = source.path.with_suffix(_MAPINFO[source.suffix])
    with source.path.open("rb") as file:
        head = file.read(_PIECE)
    told = _CHARSET.search(head)
    below = values.read_bytes() if values.is_file() else b""
    text = head + (_texts_of(below, head) if source.suffix == ".tab" else below)
    if told is None or text.isascii():
        return
    try:
        found = choose_encoding(text, cut=True, name=source.name)
    except InputError:
        found = ""
    charset = told[1].lower()
    strange = charset not in _IN_UTF_8 if found == "utf-8" else charset in _IN_UTF_8
    if strange or (charset in _OF_EUROPE and found in ("gb18030", "big5")):
        raise InputError(
            "`{source}` says that its text is {charset}, and it is not, so that names would be "
            'garbled. Write the right one into its head, as `Charset "WindowsSimpChinese"` for '
            "GBK, or export it again with the encoding UTF-8.",
            source=source.name,
            charset=told[1].decode(),
        )


def _texts_of(table: bytes, head: bytes) -> bytes:
    """Return the texts of a table of MapInfo without its numbers, which are bytes of any kind."""
    fields = re.split(rb"\n\s*fields\s+\d+\s*\n", head, maxsplit=1, flags=re.IGNORECASE)[-1]
    start, size = (int.from_bytes(table[at : at + 2], "little") for at in (8, 10))
    kept, place = [], 1  # behind the mark of deletion
    for field, told in zip(range(32, start - 31, 32), fields.splitlines(), strict=False):
        width = table[field + 16]
        kept += [(place, place + width)] if b" char" in told.lower() else []
        place += width
    rows = range(start, len(table), size or len(table))
    texts = [table[row + low : row + high] for row in rows for low, high in kept]
    return b"\n".join(text.split(b"\0")[0] for text in texts)


def _check_parts(source: Source) -> None:
    """Hold the parts of a Shapefile against the sizes that their headers tell."""
    shapes, counts = source.path, []
    for part in (shapes, shapes.with_suffix(".shx"), shapes.with_suffix(".dbf")):
        if not part.is_file():
            continue
        size = part.stat().st_size
        told, rows = _told_size(part)
        counts += [] if rows is None else [rows]
        if size < told:
            raise InputError(
                "`{source}` is cut: `{part}` has {size:,} of {told:,} {told:byte|bytes}. Ask "
                "for the file again.",
                source=source.name,
                part=part.name,
                size=size,
                told=told,
            )
    if len(set(counts)) > 1:
        raise InputError(
            "`{source}` has {counts:,} {counts:shape|shapes} but {counts_2:,} "
            "{counts_2:record|records}. Its parts do not belong together; ask for them again.",
            source=source.name,
            counts=counts[0],
            counts_2=counts[1],
        )


def _told_size(part: Path) -> tuple[int, int | None]:
    """Return the bytes and the records that the header of a part of a Shapefile tells."""
    with part.open("rb") as file:
        head = file.read(32).ljust(32, b"\0")
    if part.suffix == ".dbf":
        rows, above, each = (
            int.from_bytes(head[a:b], "little") for a, b in ((4, 8), (8, 10), (10, 12))
        )
        return above + rows * each, rows
    told = int.from_bytes(head[24:28], "big") * 2
    return told, (told - 100) // 8 if part.suffix == ".shx" else None


@contextmanager
def opened(source: Source) -> Iterator[sqlite3.Connection | None]:
    """Yield a read-only connection; None where SQLite is not needed or cannot look."""
    if source.suffix not in _DATABASES or source.member is not None:
        yield None
        return
    try:
        database = sqlite3.connect(f"file:{quote(str(source.path.absolute()))}?mode=ro", uri=True)
    except sqlite3.OperationalError:  # in a folder where it may make no journal, say
        yield None
        return
    database.text_factory = bytes
    try:
        yield database
    except (sqlite3.Error, UnicodeDecodeError) as error:
        if "unable to open" not in str(error):
            raise unreadable(source.name, error) from error
    finally:
        database.close()
