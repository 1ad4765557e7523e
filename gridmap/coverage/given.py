"""What is handed in: polygons, an outline, parents, all in one CRS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely

from gridmap._checks import check_layer
from gridmap.coverage.edges import Geometries, Index
from gridmap.errors import CRSError, InputError


def polygons_of(name: str, data: Any) -> Geometries:
    """Return the polygons of a frame, a series or an array; refuse what is none."""
    geometry = getattr(data, "geometry", data)
    if isinstance(geometry, shapely.Geometry):
        geometry = [geometry]
    array = np.asarray(geometry, dtype=object)
    try:
        kinds = shapely.get_type_id(array)
    except TypeError:
        check_layer(name, data)
        raise
    wrong = np.flatnonzero(~np.isin(kinds, (-1, 3, 6)))
    if len(wrong):
        raise InputError(
            f"`{name}` has a {array[wrong[0]].geom_type} at position {wrong[0]}; "
            "polygons are needed. Select them, or polygonize the lines first."
        )
    return array


def boundary_of(boundary: Any) -> shapely.Geometry | None:
    """Return one outline from a geometry or the rows of a layer; None when there is none."""
    if boundary is None:
        return None
    rows = polygons_of("boundary", boundary)
    rows = rows[~(shapely.is_missing(rows) | shapely.is_empty(rows))]
    if len(rows) == 0:
        return None
    if len(rows) == 1:
        return rows[0]
    if shapely.coverage_is_valid(rows):
        return shapely.coverage_union_all(rows)
    for row in rows[~shapely.is_valid(rows)]:
        check_area(row)
    return shapely.union_all(rows)


def check_area(outline: shapely.Geometry) -> None:
    """Refuse an outline that crosses itself, or is otherwise no area.

    Raises
    ------
    InputError
        When it is none.
    """
    if not shapely.is_valid(outline):
        reason, _, place = shapely.is_valid_reason(outline).rstrip("]").partition("[")
        raise InputError(
            f"`boundary` is no area: {reason} at {place}. Mend it first; until then nothing can be "
            "proved of what fills it."
        )


def match_parents(
    cells: Any, parents: Any, parent_of: Sequence[Any] | None
) -> tuple[list[Any], Geometries, Index]:
    """Return the names and areas of parents, and the place of each cell's parent (-1 unknown)."""
    areas = polygons_of("parents", parents)
    names = list(getattr(parents, "index", range(len(areas))))
    if parent_of is None:
        if "parent" not in getattr(cells, "columns", ()):
            raise InputError(
                "`parents` are given but not whose each cell is; hand in `parent_of`, or a column "
                "`parent` (`--parent-column`)."
            )
        parent_of = list(cells["parent"])
    count = len(polygons_of("cells", cells))
    if len(parent_of) != count:
        raise InputError(
            f"`parent_of` has {len(parent_of)} names for {count} cells; give one for each."
        )
    where = {str(name): k for k, name in enumerate(names)}
    place = [where.get(str(name), -1) for name in parent_of]
    return names, areas, np.array(place, dtype=np.int64)


def same_crs(cells: Any, *others: Any) -> None:
    """Refuse layers whose CRS is not that of the cells."""
    crs = getattr(cells, "crs", None)
    for other in others:
        theirs = getattr(other, "crs", None)
        if crs is not None and theirs is not None and crs != theirs:
            raise CRSError(
                f"`cells` are in {crs.name} but the boundary or parents in {theirs.name}. "
                "Transform one: `boundary.to_crs(cells.crs)`."
            )
