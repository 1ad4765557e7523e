"""What is peculiar to Shapefiles: attribute encodings and ten-byte names."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gridmap.errors import InputError
from gridmap.io.encodings import choose_encoding, decoded, is_utf8, named_encoding
from gridmap.io.source import Source

_NAME_BYTES = 10
_CARELESS = ("cp1252", "cp437", "cp850")  # marks that programs set whatever they write
_SAMPLE = 4_000_000
_HEADER = 32


def dbf_encoding(source: Source, told: str | None = None) -> str | None:
    """Find the encoding of a Shapefile's attributes: as told, as stated, or by its bytes.

    Parameters
    ----------
    source : Source
        A ``.shp`` or ``.dbf``, perhaps within an archive.
    told : str, optional
        What the user said.

    Returns
    -------
    str or None
        What the ``.cpg``, or the table's own mark, says where the bytes agree; else UTF-8 or
        plausible Chinese; None for plain ASCII or when there is no table.

    Raises
    ------
    InputError
        When it must be told.
    """
    table = _sibling(source, ".dbf")
    if table is None:
        return None
    text = _text_bytes(table)
    if told is not None:
        return named_encoding(told)
    if text.isascii():
        return None
    named = _sibling(source, ".cpg")
    stated = _codepage(named.decode("ascii", errors="ignore").strip()) if named else None
    if is_utf8(text):
        return "utf-8"
    if stated is not None and decoded(text, stated) is not None:
        return stated
    marked = _codepage(f"LDID/{table[29]}") if table[29] else None
    if marked is not None and decoded(text, marked) is not None and marked not in _CARELESS:
        return marked
    try:
        return choose_encoding(text, cut=True, name=source.name)
    except InputError:
        if marked is not None and decoded(text, marked) is not None:
            return marked
        raise


@contextmanager
def whole_names(source: Source, encoding: str | None) -> Iterator[Source]:
    """Yield a Shapefile that GDAL can read: column names cut within a character are mended.

    Programs cut names at ten bytes, which may fall within a character; then a copy of the table,
    beside links to the other parts, stands in for the file.

    Parameters
    ----------
    source : Source
        Any source; one that is no such Shapefile is yielded as it is.
    encoding : str or None
        Of the attributes; None for plain ASCII.
    """
    table = _sibling(source, ".dbf") if source.suffix == ".shp" and encoding else None
    if table is None or not _cut_names(table, encoding or ""):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="gridmap-") as folder:
        stem = Path(source.member or source.path).stem
        for suffix, data in _parts(source):
            if suffix == ".dbf":
                data = _with_names(data, _cut_names(data, encoding or ""))
            Path(folder, stem + suffix).write_bytes(data)
        yield replace(source, path=Path(folder, f"{stem}.shp"), member=None)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return a unique name of at most ten bytes for each column.

    Examples
    --------
    >>> short_names(["households", "households_2019", "所属社区"])
    {'households': 'households', 'households_2019': 'househol_1', '所属社区': '所属社'}
    """
    given: dict[str, str] = {}
    for name in names:
        short = _cut(str(name), _NAME_BYTES)
        number = 1
        while short.lower() in {other.lower() for other in given.values()}:
            ending = f"_{number}"
            short = _cut(str(name), _NAME_BYTES - len(ending)) + ending
            number += 1
        given[name] = short
    return given


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")


def _cut_names(table: bytes, encoding: str) -> dict[int, bytes]:
    """Return the names of columns that end within a character: their place, and what is whole."""
    cut = {}
    for start in range(_HEADER, int.from_bytes(table[8:10], "little") - 1, 32):
        name = table[start : start + 11].split(b"\0")[0]
        whole = name.decode(encoding, errors="ignore").encode(encoding)
        if whole != name and name.startswith(whole):
            cut[start] = whole
    return cut


def _with_names(table: bytes, names: dict[int, bytes]) -> bytes:
    mended = bytearray(table)
    for start, name in names.items():
        mended[start : start + 11] = name.ljust(11, b"\0")
    return bytes(mended)


def _parts(source: Source) -> Iterator[tuple[str, bytes]]:
    """Yield the extension and content of each part of a Shapefile."""
    for suffix in (".shp", ".shx", ".dbf", ".prj", ".cpg"):
        data = _sibling(source, suffix, size=-1)
        if data is not None:
            yield suffix, data


def _codepage(name: str) -> str | None:
    try:
        return named_encoding(name)
    except InputError:
        return None


def _text_bytes(table: bytes) -> bytes:
    """Return field names and records: all the text there is in a dBASE table."""
    names = b"".join(
        table[start : start + 11].split(b"\0")[0]
        for start in range(_HEADER, int.from_bytes(table[8:10], "little") - 1, 32)
        if len(table[start : start + 11].split(b"\0")[0]) < _NAME_BYTES  # not cut in a character
    )
    return names + table[int.from_bytes(table[8:10], "little") :]


def _sibling(source: Source, suffix: str, size: int = _SAMPLE) -> bytes | None:
    """Return the first bytes of the file of the same name with another extension."""
    if source.member is not None:
        return _member(source, suffix, size)
    if source.suffix == suffix:
        with source.path.open("rb") as file:
            return file.read(size)
    for candidate in (suffix, suffix.upper()):
        path = source.path.with_suffix(candidate)
        if path.is_file():
            with path.open("rb") as file:
                return file.read(size)
    return None


def _member(source: Source, suffix: str, size: int) -> bytes | None:
    wanted = str(Path(source.member or "").with_suffix(suffix)).lower()
    with zipfile.ZipFile(source.path) as archive:
        for name in archive.namelist():
            if name.lower() == wanted:
                with archive.open(name) as file:
                    return file.read(size)
    return None
