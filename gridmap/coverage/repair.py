"""The repair: only the patches around defects are built anew, and everything is proved again."""

from __future__ import annotations

from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gridmap._checks import check_choice
from gridmap.coverage.bench import extra_vertices, mend
from gridmap.coverage.defect_names import Lang, pick
from gridmap.coverage.edges import rings_of
from gridmap.coverage.given import boundary_of, check_area, polygons_of, same_crs
from gridmap.coverage.outcome import outcome
from gridmap.coverage.outline import outline_of
from gridmap.coverage.overlay import MISSING_CELL
from gridmap.coverage.patches import made_valid
from gridmap.coverage.prove import prove, remainder
from gridmap.coverage.report import sentence
from gridmap.coverage.sharing import Rules
from gridmap.coverage.snapping import with_vertices
from gridmap.coverage.subject import column_of
from gridmap.coverage.t_junctions import split
from gridmap.coverage.validate import validate
from gridmap.errors import CoverageError, InputError

Policy = Literal["longest-border", "fewest-households", "priority"]
Nested = Literal["punch", "absorb", "refuse"]


def repair(
    cells: gpd.GeoDataFrame,
    boundary: Any,
    *,
    policy: Policy = "longest-border",
    priority: str | None = None,
    nested: Nested = "punch",
    exclude: Any = None,
    new_cell: float = MISSING_CELL,
    code: str | None = None,
    count: str | None = None,
    lang: Lang = "zh",
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Mend gaps, overlaps, stick-outs and unmatched vertices, and touch nothing else.

    Only the cells at a defect are built anew, inside an outline taken vertex by vertex from their
    sound neighbours and the boundary; all others stay bit for bit. The result is proved exact, or
    nothing is returned.

    Parameters
    ----------
    cells : GeoDataFrame
        What should tile the boundary.
    boundary : geometry, GeoSeries, GeoDataFrame or "outline"
        The outline to fill; ``"outline"`` derives it from the cells as `validate` does.
    policy : {"longest-border", "fewest-households", "priority"}
        Who gets an overlap: the cell with the longest border to it; the one with more households
        an area, so that the fewest move; the one with the highest value in `priority`. Gaps go to
        the neighbour of the longest border.
    priority : str, optional
        Column for that policy.
    nested : {"punch", "absorb", "refuse"}
        A cell inside another: it keeps its area and the other gets a hole; it is absorbed with
        its households; or nothing is repaired. Of identical cells the first stays.
    exclude : polygons, optional
        Areas that stay uncovered, as lakes; they are cut out of the boundary.
    new_cell : float, default 0.25
        Gaps of at least this share of the median cell become a new cell, marked in the log.
    code, count : str, optional
        Columns of code and households ("code" and "households" if there are such).
    lang : "zh" or "en", default "zh"
        Language of error messages about defects.

    Returns
    -------
    cells : GeoDataFrame
        As handed in, with mended geometry; absorbed cells are gone, new ones at the end.
    log : DataFrame
        One row a changed cell: cell, change, area and households before and after.

    Raises
    ------
    CoverageError
        When the result is not exact, or a nested cell was to be refused; ``.defects`` shows what.
    InputError
        When a column is missing, or there is no boundary.

    Examples
    --------
    >>> squares = gpd.GeoDataFrame({"code": ["a", "b"]}, crs=4547,
    ...     geometry=[shapely.box(0, 0, 5, 5), shapely.box(6, 0, 10, 5)])
    >>> edges = shapely.Polygon([(0, 0), (5, 0), (6, 0), (10, 0), (10, 5), (6, 5), (5, 5), (0, 5)])
    >>> mended, log = repair(squares, edges, code="code")
    >>> mended.area.tolist()
    [30.0, 20.0]
    """
    check_choice("policy", policy, ("longest-border", "fewest-households", "priority"))
    check_choice("nested", nested, ("punch", "absorb", "refuse"))
    outline = outline_to_fill(cells, boundary, exclude)
    code = "code" if code is None and "code" in cells else code
    homes = _homes(cells, count)
    rank = _rank(cells, policy, priority, homes)
    if nested == "refuse":
        _refuse_nested(cells, outline, code, lang)
    median = float(np.median(shapely.area(polygons_of("cells", cells)))) if len(cells) else 0.0
    rules = Rules(rank, nested == "absorb", max(new_cell * median, np.finfo(float).tiny))
    work = mend(polygons_of("cells", cells).copy(), outline, rules)
    mended, log = outcome(cells, work, homes, code)
    _refuse_losses(log, lang)
    proof = prove(mended, outline)
    if proof.verdict == "failed" and isinstance(boundary, str):
        # the outline came from the cells as they were, needles and all
        outline = outline_of(mended, exclude)
        proof = prove(mended, outline)
    if proof.verdict not in ("exact", "exact_with_t_junctions"):
        defects = validate(mended, outline, lang=lang)
        raise CoverageError(
            f"`cells` could not be mended exactly: {sentence(defects, lang)} left. "
            "Look at `.defects` and edit these places by hand.",
            defects,
        )
    log.attrs = {"verdict": proof.verdict, "proof": proof.as_dict()}
    return mended, log


def matched_boundary(boundary: shapely.Geometry, cells: Any) -> shapely.Geometry:
    """Return the boundary with the vertices that cells have exactly on its sides.

    The area stays the same; what was `exact_with_t_junctions` for want of them is then `exact`.

    Examples
    --------
    >>> squares = shapely.box([0, 5], 0, [5, 10], 5)
    >>> prove(squares, matched_boundary(shapely.box(0, 0, 10, 5), squares)).verdict
    'exact'
    """
    polygons = polygons_of("cells", cells)
    _, owner, left = remainder(rings_of(polygons), rings_of(np.array([boundary], dtype=object)))
    parts = split(left)
    extra = extra_vertices(parts, left.edges, owner[left.members[left.runs[:-1]]] == -1)
    return with_vertices(boundary, extra) if extra else boundary


def outline_to_fill(cells: gpd.GeoDataFrame, boundary: Any, exclude: Any) -> shapely.Geometry:
    """Return what cells should fill: the boundary, or their own outline, less some areas."""
    same_crs(cells, boundary)
    if isinstance(boundary, str):
        check_choice("boundary", boundary, ("outline",))
        return outline_of(cells, exclude)
    outline = boundary_of(boundary)
    if outline is None:
        raise InputError(
            "`boundary` is missing, so nothing says what the cells should fill. "
            "Hand in the outline, or `outline` to derive it from the cells."
        )
    check_area(outline)
    if exclude is not None:
        areas = polygons_of("exclude", exclude)
        outline = shapely.difference(outline, shapely.union_all(made_valid(areas)))
    return outline


def _homes(cells: gpd.GeoDataFrame, count: str | None) -> NDArray[np.float64] | None:
    if count is None and "households" not in cells:
        return None
    numbers = pd.to_numeric(column_of(cells, count or "households", "count"), errors="coerce")
    return np.asarray(np.nan_to_num(numbers.to_numpy(dtype=float, na_value=np.nan)))


def _rank(
    cells: gpd.GeoDataFrame,
    policy: Policy,
    priority: str | None,
    homes: NDArray[np.float64] | None,
) -> NDArray[np.float64] | None:
    """Return what decides who gets an overlap; None for the longest border."""
    if policy == "longest-border":
        return None
    if policy == "priority":
        if priority is None:
            raise InputError("`policy` is 'priority' but `priority` names no column; name one.")
        column = pd.to_numeric(column_of(cells, priority, "priority"), errors="coerce")
        values = column.to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(np.nan_to_num(values, nan=-np.inf))
    if homes is None:
        raise InputError(
            "`policy` is 'fewest-households' but the cells have no households; name the column "
            "with `count` (`--count`)."
        )
    area = shapely.area(polygons_of("cells", cells))
    return np.asarray(np.divide(homes, area, out=np.zeros(len(homes)), where=area > 0))


def _refuse_nested(
    cells: gpd.GeoDataFrame, outline: shapely.Geometry, code: str | None, lang: Lang
) -> None:
    defects = validate(cells, outline, code=code, lang=lang)
    inside = defects[defects["qualifier"].str.contains("nested|duplicate", regex=True)]
    if len(inside):
        pair = ", ".join(map(str, inside["cells"].iloc[0]))
        raise CoverageError(
            f"`cells` {pair} lie one inside the other, which `nested='refuse'` leaves to you. "
            "Edit them, or choose 'punch' or 'absorb'.",
            inside,
        )


def _refuse_losses(log: pd.DataFrame, lang: Lang) -> None:
    """Refuse to drop a cell that has households but no place among the others."""
    lost = log[(log["change"] == "dropped") & (log["households_before"].fillna(0) > 0)]
    if len(lost) == 0:
        return
    name, homes = lost["cell"].iloc[0], lost["households_before"].iloc[0]
    where = pick(lang, "没有位于边界内的图形", "no geometry inside the boundary")
    table = {
        "id": [f"geom-empty-{k}" for k in range(len(lost))],
        "kind": "geom-empty",
        "qualifier": "",
        "cells": [(cell,) for cell in lost["cell"]],
        "area_m2": np.nan,
        "width_m": np.nan,
        "neighbours": [()] * len(lost),
        "note": where,
    }
    defects = gpd.GeoDataFrame(table, geometry=[None] * len(lost))
    defects.attrs = {"verdict": "failed", "notes": [], "cells": len(log), "parents": 0}
    raise CoverageError(
        f"Cell {name} has {homes:,.0f} households but no geometry inside the boundary; dropping "
        "it would lose them. Draw it, or take the row out.",
        defects,
    )
