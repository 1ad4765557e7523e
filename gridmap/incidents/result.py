"""Points placed by a locator and labelled: the frame that an assignment comes back as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from gridmap.grid.locator import Locator, Placement
from gridmap.incidents.points import Positions, positions
from gridmap.io.batches import geometry_of, marked
from gridmap.language import Lang, Message

STATUSES = ("outside", "inside", "boundary", "rim", "invalid")
RESULT_COLUMNS = ("code", "status", "nearest_code", "distance_m")


def assign_with(
    points: Any,
    where: Locator,
    *,
    max_distance: float | None = None,
    datum: str | None = None,
    x: str | None = None,
    y: str | None = None,
) -> pd.DataFrame:
    """Assign as `assign` does, with no more of the grid than its locator, and no warning."""
    placement = place(points, where, max_distance, datum, x, y)[1]
    return labelled(placement, where.names, points)


def place(
    points: Any,
    where: Locator,
    max_distance: float | None,
    datum: str | None,
    x: str | None,
    y: str | None,
) -> tuple[Positions, Placement]:
    """Return the positions of points, and the cell of each."""
    found = positions(points, where.crs, datum=datum, x=x, y=y)
    return found, where.place(found.x, found.y, max_distance)


def labelled(placement: Placement, names: pd.CategoricalDtype, points: Any) -> pd.DataFrame:
    """Return a placement as a frame on the points' index, before the points' own columns."""
    small = np.int16 if len(names.categories) < 2**15 else np.int32
    cell = np.subtract(placement.cell, 1, dtype=small, casting="unsafe")
    nearest = np.full_like(cell, -1)
    nearest[placement.outside] = placement.nearest - 1
    distance = np.full(len(cell), np.nan)
    distance[placement.outside] = placement.distance
    frame = pd.DataFrame(
        {
            "code": pd.Categorical.from_codes(cell, dtype=names, validate=False),
            "status": pd.Categorical.from_codes(placement.place, pd.Index(STATUSES)),
            "nearest_code": pd.Categorical.from_codes(nearest, dtype=names, validate=False),
            "distance_m": distance,
        },
        index=points.index,
        copy=False,
    )
    own = _own_columns(points)
    return frame if own is None else pd.concat([frame, own], axis=1)


def renamed(
    columns: Iterable[Any], results: Iterable[str] = RESULT_COLUMNS, prefix: str = "incident_"
) -> dict[Any, str]:
    """Return new names for the incidents' columns that the result needs for itself.

    Examples
    --------
    >>> renamed(["status", "x"])
    {'status': 'incident_status'}
    """
    columns, results = list(columns), set(results)
    taken = {*columns, *results}
    names: dict[Any, str] = {}
    for column in columns:
        if column in results:
            name = f"{prefix}{column}"
            while name in taken:
                name = f"{prefix}{name}"
            taken.add(name)
            names[column] = name
    return names


def _own_columns(points: Any) -> pd.DataFrame | None:
    if not isinstance(points, pd.DataFrame):
        return None
    geometry = getattr(points, "_geometry_column_name", None)
    own = pd.DataFrame(points.drop(columns=[geometry] if geometry in points else []))
    return own.rename(columns=renamed(own.columns))


NAMED = 20  # invalid records that are named
_WORDS = {
    "read": Message("read"),
    "inside": Message("inside", context="accounts"),
    "boundary": Message("boundary"),
    "rim": Message("rim"),
    "outside": Message("outside"),
    "invalid": Message("invalid"),
}


@dataclass
class Accounts:
    """What became of every row: read is the sum of the rest.

    Attributes
    ----------
    counts : dict of str to int
        read, inside, boundary, rim, outside, invalid.
    invalid_rows : list of int
        The first invalid records by number, counted from 1.
    broken : int
        How many of the invalid rows had too few or too many fields.
    alarm : DatumAlarm or None
        Whether another datum would fit better.
    nowhere : Message or None
        That none of them lies in the grid, and why.

    Examples
    --------
    >>> status = pd.Series(["inside", "outside", "outside"])
    >>> Accounts(accounts(status)).sentences("en")
    ['read 3 = inside 1 + boundary 0 + rim 0 + outside 2 + invalid 0']
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_WORDS, 0))
    invalid_rows: list[int] = field(default_factory=list)
    broken: int = 0
    alarm: Any = None
    nowhere: Message | None = None

    def sentences(self, lang: Lang = "zh") -> list[str]:
        """Return the accounts, and what should be looked at, a line each."""
        parts = [f"{_WORDS[name].text(lang)} {n:,}" for name, n in self.counts.items()]
        lines = [f"{parts[0]} = {' + '.join(parts[1:])}"]
        if self.invalid_rows:
            rows = [f"{row:,}" for row in self.invalid_rows]
            more = "…" if self.counts["invalid"] > len(self.invalid_rows) else ""
            said = Message("Invalid records, by number: {rows}{more}")
            if self.broken:
                said = Message(
                    "Invalid records, by number: {rows}{more}; {n:,} of the invalid "
                    "{n:has|have} a wrong number of fields, kept as is"
                )
            lines.append(said(rows=rows, more=more, n=self.broken).text(lang))
        if self.alarm is not None:
            lines.append(self.alarm.message().text(lang))
        if self.nowhere is not None:
            lines.append(self.nowhere.text(lang))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return the accounts as JSON knows them."""
        alarm = None if self.alarm is None else vars(self.alarm)
        return {
            **self.counts,
            "broken": self.broken,
            "invalid_rows": self.invalid_rows,
            "datum_alarm": alarm,
            "nowhere": None if self.nowhere is None else self.nowhere.both(),
        }


def accounts(status: pd.Series) -> dict[str, int]:
    """Count what was read, and what became of it: read is the sum of the rest.

    Examples
    --------
    >>> accounts(pd.Series(["inside", "outside", "inside"]))["inside"]
    2
    """
    counts = status.value_counts()
    order = ("inside", "boundary", "rim", "outside", "invalid")
    return {"read": len(status), **{name: int(counts.get(name, 0)) for name in order}}


def target_schema(
    schema: pa.Schema,
    own: Mapping[str, str] | None = None,
    names: Sequence[str] = RESULT_COLUMNS,
    with_points: bool = False,
) -> pa.Schema:
    """Return the columns that incidents are written with, from those they were read with.

    Parameters
    ----------
    schema : Schema
        Of the incidents.
    own : mapping, optional
        New names of their columns; by default those that `renamed` gives.
    names : sequence of str
        Of the four columns that place them.
    with_points : bool
        Whether a column of points is added.
    """
    own = renamed(schema.names, names) if own is None else own
    fields = [f.with_name(own.get(f.name, f.name)) for f in schema]
    types = (pa.string(), pa.string(), pa.string(), pa.float64())
    fields += [pa.field(name, kind) for name, kind in zip(names, types, strict=True)]
    geometry = geometry_of(schema)
    if with_points:
        geometry = "geometry"
        while geometry in [f.name for f in fields]:
            geometry = f"grid_{geometry}"
        fields.append(pa.field(geometry, pa.binary()))
    return marked(pa.schema(fields), geometry if geometry is None else own.get(geometry, geometry))
