"""The headings under which columns are delivered, from a table that users can extend."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

from gridmap._checks import check_choice
from gridmap.errors import InputError
from gridmap.io.text import fold, guess_encoding

Table = Literal["jurisdiction", "building", "cell", "incident", "staff", "barrier", "dedicated"]
TABLES: tuple[str, ...] = get_args(Table)
OWN_ALIASES = "GRIDMAP_ALIASES"
_COLUMNS = ("table", "field", "rank", "headings")


@dataclass(frozen=True)
class Alias:
    """What a heading means: the field, and how strongly it says so (1 before 2)."""

    field: str
    rank: int


def aliases(table: str, extra: str | os.PathLike[str] | None = None) -> dict[str, Alias]:
    """Return the meaning of each folded heading for one kind of table.

    Parameters
    ----------
    table : str
        One of `TABLES`.
    extra : path, optional
        A CSV in the form of ``gridmap/tables/column_aliases.csv`` whose headings come first; the
        environment variable GRIDMAP_ALIASES names one for every call.

    Returns
    -------
    dict of str to Alias

    Raises
    ------
    InputError
        When the table is unknown or the extra file is no such table.
    """
    check_choice("table", table, TABLES)
    found = dict(_shipped()[table])
    own = extra if extra is not None else os.environ.get(OWN_ALIASES)
    if own:
        path = Path(own)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"`{path}` cannot be read ({error.strerror}). Check it.") from error
        found.update(_parse(data.decode(guess_encoding(data, name=str(path))), path.name)[table])
    return found


def headings(table: str, field: str) -> tuple[str, ...]:
    """Return the headings a field is known under, folded, the strongest first."""
    known = [(alias.rank, name) for name, alias in aliases(table).items() if alias.field == field]
    return tuple(name for _, name in sorted(known, key=lambda pair: pair[0]))


@lru_cache(maxsize=1)
def _shipped() -> dict[str, dict[str, Alias]]:
    text = files("gridmap").joinpath("tables/column_aliases.csv").read_text("utf-8")
    return _parse(text, "column_aliases.csv")


def _parse(text: str, name: str) -> dict[str, dict[str, Alias]]:
    found: dict[str, dict[str, Alias]] = {table: {} for table in TABLES}
    rows = csv.DictReader(text.removeprefix("\ufeff").splitlines())
    if tuple(rows.fieldnames or ()) != _COLUMNS:
        raise InputError(f"`{name}` must have the columns {', '.join(_COLUMNS)}.")
    for number, row in enumerate(rows, start=2):
        table, rank = row["table"], row["rank"] or "1"
        if table not in found or not rank.isdigit() or not row["field"] or not row["headings"]:
            raise InputError(
                f"`{name}`, line {number}: write table ({', '.join(TABLES)}), field, rank and "
                "headings separated by |."
            )
        for heading in row["headings"].split("|"):
            found[table].setdefault(fold(heading), Alias(row["field"], int(rank)))
    return found
