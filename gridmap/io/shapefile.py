"""What is peculiar to Shapefiles: attribute encodings and ten-byte names."""

from __future__ import annotations

import codecs
import zipfile
from collections.abc import Iterable
from pathlib import Path

from gridmap.io.source import Source
from gridmap.io.text import guess_encoding

_NAME_BYTES = 10
_SAMPLE = 4_000_000
_HEADER = 32


def dbf_encoding(source: Source) -> str | None:
    """Find the encoding of a Shapefile's attributes by its bytes.

    Parameters
    ----------
    source : Source
        A ``.shp``, perhaps within an archive.

    Returns
    -------
    str or None
        What the ``.cpg`` says where the bytes agree, else UTF-8 or GB18030, whichever the bytes
        are; None for plain ASCII or when there is no table.
    """
    table = _sibling(source, ".dbf")
    if table is None:
        return None
    text = _text_bytes(table)
    if text.isascii():
        return None
    stated = _codepage(_sibling(source, ".cpg"))
    if stated is not None and _decodes(text, stated):
        return stated
    return guess_encoding(text, cut=True)


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


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(text)
    except UnicodeDecodeError:
        return False
    return True


def _codepage(content: bytes | None) -> str | None:
    """Return the codec that a .cpg file names, None when it names none."""
    if content is None:
        return None
    name = content.decode("ascii", errors="ignore").strip()
    for candidate in (name, f"cp{name}", name.replace("ANSI ", "cp")):
        try:
            return codecs.lookup(candidate).name
        except (LookupError, ValueError):
            continue
    return None


def _text_bytes(table: bytes) -> bytes:
    """Return field names and records: all the text there is in a dBASE table."""
    names = b"".join(
        table[start : start + 11].split(b"\0")[0]
        for start in range(_HEADER, int.from_bytes(table[8:10], "little") - 1, 32)
        if len(table[start : start + 11].split(b"\0")[0]) < _NAME_BYTES  # not cut in a character
    )
    return names + table[int.from_bytes(table[8:10], "little") :]


def _sibling(source: Source, suffix: str) -> bytes | None:
    """Return the first bytes of the file of the same name with another extension."""
    if source.member is not None:
        return _member(source, suffix)
    for candidate in (suffix, suffix.upper()):
        path = source.path.with_suffix(candidate)
        if path.is_file():
            with path.open("rb") as file:
                return file.read(_SAMPLE)
    return None


def _member(source: Source, suffix: str) -> bytes | None:
    wanted = str(Path(source.member or "").with_suffix(suffix)).lower()
    with zipfile.ZipFile(source.path) as archive:
        for name in archive.namelist():
            if name.lower() == wanted:
                with archive.open(name) as file:
                    return file.read(_SAMPLE)
    return None
