"""The repair: only the patches around defects are built anew, and everything is proved again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gridmap._checks import check_choice
from gridmap.coverage.defect_table import column_of
from gridmap.coverage.edges import Geometries, Index, directed_edges, ring_sums, rings_of
from gridmap.coverage.overlay import MISSING_CELL, outline_of
from gridmap.coverage.patches import Rules, areal_parts, find_patches, made_valid, rebuild
from gridmap.coverage.prove import (
    boundary_of,
    check_area,
    invalid_among,
    polygons_of,
    prove,
    remainder,
    same_crs,
)
from gridmap.coverage.report import sentence
from gridmap.coverage.snapping import with_vertices
from gridmap.coverage.t_junctions import Split, split
from gridmap.coverage.validate import validate
from gridmap.errors import CoverageError, InputError
from gridmap.language import Lang, tr

ROUNDS = 4


@dataclass
class Work:
    """Cells on the bench, with what happened to each row."""

    polygons: Geometries
    changes: dict[int, str]
    absorbed: dict[int, int]
    created: list[shapely.Geometry]


def mend(polygons: Geometries, outline: shapely.Geometry, rules: Rules) -> Work:
    """Repair until the proof holds, or a few rounds have not been enough."""
    before = polygons.copy()
    work = Work(polygons, {}, {}, [])
    _repair_rings(work)
    rim = rings_of(np.array([outline], dtype=object))
    for _ in range(ROUNDS):
        everything = _all(work)
        _, owner, left = remainder(rings_of(everything), rim)
        parts = split(left)
        if len(left):
            _insert(work, parts, left.edges, owner[left.members[left.runs[:-1]]])
        if len(parts.left) == 0:
            break
        everything = _all(work)
        _, owner, left = remainder(rings_of(everything), rim)
        parts = split(left)
        owners = owner[left.members[np.isin(left.source, parts.piece_of[parts.left.members])]]
        patches = find_patches(everything, parts.left, owners, np.empty(0, dtype=np.int64))
        built = rebuild(everything, patches, rules)
        _take(work, everything, built.polygons, patches.cells)
        work.created += built.created
        work.absorbed.update({k: v for k, v in built.absorbed.items() if k < len(work.polygons)})
    rows = np.array(sorted(work.changes), dtype=np.int64)
    rows = np.delete(rows, invalid_among(before[rows]))
    for k in rows[_same_edges(before[rows], work.polygons[rows])].tolist():
        work.polygons[k] = before[k]  # a vertex came and went
        del work.changes[k]
    return work


def _all(work: Work) -> Geometries:
    return np.concatenate([work.polygons, np.array([*work.created, None], dtype=object)[:-1]])


def _take(work: Work, before: Geometries, after: Geometries, cells: Index) -> None:
    """Keep the rebuilt cells, and note which rows changed."""
    count = len(work.polygons)
    same = _same_edges(before[cells], after[cells])
    for k, unchanged in zip(cells.tolist(), same.tolist(), strict=True):
        if k >= count:
            work.created[k - count] = after[k]
        elif not unchanged:
            work.polygons[k] = after[k]
            work.changes[k] = "rebuilt"


def _same_edges(before: Geometries, after: Geometries) -> NDArray[np.bool_]:
    """Tell which polygons have the same directed edges, wherever their rings start."""
    old = ring_sums(*directed_edges(before), len(before))
    new = ring_sums(*directed_edges(after), len(after))
    return np.asarray((old == new).all(axis=1))


def _repair_rings(work: Work) -> None:
    """Resolve self-crossings first; what is no area at all becomes empty."""
    for k in invalid_among(work.polygons).tolist():
        shape = work.polygons[k]
        if shape is None or shape.is_empty or not np.isfinite(shape.bounds).all():
            work.polygons[k] = shapely.Polygon()
            work.absorbed[k] = -1
            continue
        parts, _ = areal_parts(np.array([shapely.make_valid(shape)], dtype=object))
        work.polygons[k] = parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
        work.changes[k] = "ring-repaired"


def _insert(work: Work, parts: Split, sides: NDArray[np.float64], owner: Index) -> None:
    """Add the vertices that neighbours have exactly on a side."""
    count = len(work.polygons)
    for cell in np.unique(owner[owner >= 0]).tolist():
        extra = extra_vertices(parts, sides, owner == cell)
        if not extra:
            continue
        if cell >= count:
            work.created[cell - count] = with_vertices(work.created[cell - count], extra)
        else:
            work.polygons[cell] = with_vertices(work.polygons[cell], extra)
            work.changes.setdefault(cell, "vertex-added")


def extra_vertices(
    parts: Split, sides: NDArray[np.float64], mine: NDArray[np.bool_]
) -> dict[tuple[float, ...], NDArray[np.float64]]:
    """Return, for each of some sides, the T-junctions on it in order."""
    rows = parts.junctions
    rows = rows[mine[parts.edge[rows]]]
    extra = {}
    for edge in np.unique(parts.edge[rows]):
        on = parts.vertices[rows[parts.edge[rows] == edge]]
        along = np.abs(on - sides[edge, :2]).sum(axis=1)
        extra[tuple(sides[edge].tolist())] = on[np.argsort(along)]
    return extra


LOG = ["cell", "change", "area_before_m2", "area_after_m2", "households_before", "households_after"]


def outcome(
    cells: gpd.GeoDataFrame,
    work: Work,
    homes: NDArray[np.float64] | None,
    code: str | None,
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Return the mended frame and the log of what changed."""
    before = polygons_of("cells", cells)
    column = None if homes is None else ("households" if "households" in cells else None)
    after = None if homes is None else homes.copy()
    gone = shapely.is_missing(work.polygons) | shapely.is_empty(work.polygons)
    rows = []
    for k in np.flatnonzero(gone).tolist():
        heir = _last_heir(k, work.absorbed, gone)
        work.changes[k] = "dropped" if heir < 0 else "absorbed"
        if after is not None and heir >= 0:
            after[heir] += after[k]
            after[k] = 0
            work.changes.setdefault(heir, "rebuilt")
    frame = cells.copy()
    frame = frame.set_geometry(gpd.GeoSeries(work.polygons, index=cells.index, crs=cells.crs))
    if column and after is not None and homes is not None and (after != homes).any():
        frame[column] = after.astype(frame[column].dtype, copy=False)
    names = list(cells.index if code is None else column_of(cells, code, "code"))
    areas = np.nan_to_num(shapely.area(before)), shapely.area(work.polygons)
    for k in sorted(work.changes):
        old, new = (None, None) if homes is None or after is None else (homes[k], after[k])
        rows.append([names[k], work.changes[k], areas[0][k], areas[1][k], old, new])
    frame = frame[~gone]
    if work.created:
        more = _new_rows(frame, work.created, code)
        frame = gpd.GeoDataFrame(pd.concat([frame, more]), crs=cells.crs)
        labels = list(more.index if code is None else more[code])
        none = None if homes is None else 0.0
        for name, shape in zip(labels, work.created, strict=True):
            rows.append([name, "new", 0.0, float(shapely.area(shape)), none, none])
    return frame, pd.DataFrame(rows, columns=LOG)


def _last_heir(k: int, absorbed: dict[int, int], gone: NDArray[np.bool_]) -> int:
    seen = {k}
    heir = absorbed.get(k, -1)
    while 0 <= heir < len(gone) and gone[heir] and heir not in seen:
        seen.add(heir)
        heir = absorbed.get(heir, -1)
    return heir if 0 <= heir < len(gone) and not gone[heir] else -1


def _new_rows(
    frame: gpd.GeoDataFrame, created: list[shapely.Geometry], code: str | None
) -> gpd.GeoDataFrame:
    """Return rows for the new cells, with labels of their own."""
    taken = set(map(str, frame.index)) | (set(map(str, frame[code])) if code else set())
    fresh = (f"new-{number}" for number in itertools.count(1) if f"new-{number}" not in taken)
    labels: list[Any] = list(itertools.islice(fresh, len(created)))
    codes = labels
    if code and pd.api.types.is_numeric_dtype(frame[code]):
        first = int(np.nan_to_num(frame[code].max())) + 1
        codes = list(range(first, first + len(created)))
    whole = pd.api.types.is_integer_dtype(frame.index)
    start = int(frame.index.max()) + 1 if whole and len(frame) else 0
    index = range(start, start + len(created)) if whole else labels
    shape = frame.geometry.name
    more = gpd.GeoDataFrame({shape: created}, geometry=shape, index=index, crs=frame.crs)
    for name in frame.columns.drop(shape):
        if name == code:
            more[name] = codes
        elif name == "households" or pd.api.types.is_integer_dtype(frame[name]):
            more[name] = 0
        elif name == "kind":
            more[name] = "residential"
    return more.reindex(columns=frame.columns)


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
            "`cells` could not be mended exactly: {found} left. Look at `.defects` and "
            "edit these places by hand.",
            found=sentence(defects, lang),
            defects=defects,
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
            "`boundary` is missing, so nothing says what the cells should fill. Hand in "
            "the outline, or `outline` to derive it from the cells."
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
            "`policy` is 'fewest-households' but the cells have no households; name the "
            "column with `count` (`--count`)."
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
            "`cells` {pair} lie one inside the other, which `nested='refuse'` leaves to "
            "you. Edit them, or choose 'punch' or 'absorb'.",
            pair=pair,
            defects=inside,
        )


def _refuse_losses(log: pd.DataFrame, lang: Lang) -> None:
    """Refuse to drop a cell that has households but no place among the others."""
    lost = log[(log["change"] == "dropped") & (log["households_before"].fillna(0) > 0)]
    if len(lost) == 0:
        return
    name, homes = lost["cell"].iloc[0], lost["households_before"].iloc[0]
    where = tr("no geometry inside the boundary", lang=lang)
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
        "Cell {name} has {homes:,.0f} households but no geometry inside the boundary; "
        "dropping it would lose them. Draw it, or take the row out.",
        name=name,
        homes=homes,
        defects=defects,
    )
