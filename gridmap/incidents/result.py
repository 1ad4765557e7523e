"""Points placed by a locator and labelled: the frame that an assignment comes back as."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from gridmap.incidents.locator import Locator, Placement
from gridmap.incidents.points import Positions, positions

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
    nearest = np.full(len(cell), -1, dtype=small)
    nearest[placement.outside] = placement.nearest - 1
    distance = np.full(len(cell), np.nan)
    distance[placement.outside] = placement.distance
    frame = pd.DataFrame(
        {
            "code": pd.Categorical.from_codes(cell, dtype=names, validate=False),
            "status": pd.Categorical.from_codes(placement.place, STATUSES),
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
