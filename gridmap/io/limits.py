"""What a file may cost: how far an archive may expand, told before memory is gone."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path

from gridmap.errors import InputError

MOST_IN_MEMORY = 1 << 29
"""Bytes that a member of an archive may have where it is read whole."""

_MOST_STREAMED = 1 << 33
_MOST_TEXTS = 1 << 28  # the parts of a workbook that are held while its sheets stream by
_USUAL = 100  # times that honest tables and maps shrink, at most


def check_members(members: Iterable[zipfile.ZipInfo], name: str, *, most: int) -> None:
    """Refuse members of an archive that would take more than they may.

    Raises
    ------
    InputError
        Telling how large they are; it is told by the archive, nothing is unpacked.
    """
    members = list(members)
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if size > most or (size > most / 4 and size > _USUAL * max(packed, 1)):
        raise InputError(
            "`{name}` expands to {size:,.0f} MB from {packed:,.1f}. If you trust it, "
            "unpack it and give the file itself.",
            name=name,
            size=size / 1000000.0,
            packed=packed / 1000000.0,
        )


def check_workbook(path: Path, name: str) -> None:
    """Refuse a workbook whose parts expand beyond what a workbook may.

    Raises
    ------
    InputError
        When it does.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    sheets = [m for m in members if m.filename.startswith("xl/worksheets/")]
    check_members(sheets, name, most=_MOST_STREAMED)
    check_members((m for m in members if m not in sheets), name, most=_MOST_TEXTS)
    for sheet in sheets:
        if sheet.file_size > MOST_IN_MEMORY / 4 and sheet.file_size > _USUAL * sheet.compress_size:
            check_members([sheet], name, most=MOST_IN_MEMORY)
