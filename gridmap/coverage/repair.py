"""The repair: only the patches around defects are built anew, and everything is proved again."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, attributes, segments, without
from gridmap._checks import as_numbers, check_choice, refuse_texts
from gridmap.coverage.arrangement import areas_between
from gridmap.coverage.defect_names import square_metres
from gridmap.coverage.defect_table import MISSING_CELL, column_of, outline_of
from gridmap.coverage.defects import in_metres
from gridmap.coverage.edges import directed_edges, residual, reverse, ring_sums
from gridmap.coverage.patches import (
    Rules,
    areal_parts,
    find_patches,
    inner_points,
    local_origin,
    made_valid,
    rebuild,
    shift,
)
from gridmap.coverage.prove import (
    areas_m2,
    boundary_of,
    check_area,
    invalid_among,
    metres_per_unit,
    polygons_of,
    prove,
    same_crs,
)
from gridmap.coverage.report import counted
from gridmap.coverage.snapping import Work, brought_together, everything_of, matched, matched_rim
from gridmap.coverage.validate import validate
from gridmap.errors import CoverageError, InputError
from gridmap.language import Lang, Message, tr

if TYPE_CHECKING:
    from gridmap._arrays import Outline, Polygons


ROUNDS = 4  # of patches built anew, until the proof holds
SAME = 1e-6
"""Metres below which two corners are the same, and a corner beside a side lies on it."""

Policy = Literal["longest-border", "fewest-households", "priority"]
Nested = Literal["punch", "absorb", "refuse"]


def repair(
    cells: gpd.GeoDataFrame,
    boundary: Outline,
    *,
    policy: Policy = "longest-border",
    priority: str | None = None,
    nested: Nested = "punch",
    exclude: Polygons | None = None,
    new_cell: float = MISSING_CELL,
    code: str | None = None,
    count: str | None = None,
    lang: Lang = "zh",
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Mend gaps, overlaps, stick-outs and unmatched vertices, and touch nothing else.

    Only the cells at a defect are built anew, inside an outline taken vertex by vertex from their
    sound neighbours and the boundary; all others stay bit for bit. What lay in exactly one cell
    and inside the boundary lies in that cell afterwards, but for a micrometre. The result is
    proved exact, or nothing is returned.

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
        One row a changed cell: cell, change, area (m²) and households before and after. Its
        ``attrs`` hold the verdict and proof, ``boundary`` (the outline with the vertices that were
        added to its sides, within a micrometre), ``changed_hands_m2``, ``filled_m2``,
        ``filled_wide_m2`` (of it, what is over a metre wide and may be a lake), ``moved_m`` and
        ``beside_m``: the farthest that a vertex was moved, or lies beside its side.

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
    crs = getattr(cells, "crs", None)
    limit = SAME / metres_per_unit(crs)
    outline = outline_to_fill(cells, boundary, exclude, limit)
    code = "code" if code is None and "code" in cells else code
    homes = _homes(cells, count)
    rank = _rank(cells, policy, priority, homes)
    if nested == "refuse":
        _refuse_nested(cells, outline, code, lang)
    median = float(np.median(shapely.area(polygons_of("cells", cells)))) if len(cells) else 0.0
    rules = Rules(rank, nested == "absorb", max(new_cell * median, np.finfo(float).tiny))
    before = polygons_of("cells", cells)
    corners = shapely.get_num_coordinates(outline)
    work = mend(before.copy(), outline, rules, limit)
    mended, log = _outcome(cells, work, homes, code)
    _refuse_losses(log, lang)
    outline = work.outline
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
            found=counted(defects),
            defects=defects,
        )
    hands, filled, robbed = _exchanged(before, work, limit)
    _refuse_robbery(cells, robbed, code)
    held, fill = (in_metres(g, shapely.area(g), _mean_width(g), crs) for g in (hands, filled))
    log.attrs = {
        "verdict": proof.verdict,
        "proof": proof.as_dict(),
        "boundary": outline,
        "changed_hands_m2": float(held[0].sum()),
        "filled_m2": float(fill[0].sum()),
        "filled_wide_m2": float(fill[0][fill[1] > 1].sum()),
        "moved_m": work.moved * metres_per_unit(crs),
        "boundary_vertices": int(shapely.get_num_coordinates(outline) - corners),
        "beside_m": work.beside * metres_per_unit(crs),
    }
    return mended, log


def _mean_width(ground: Geometries) -> Floats:
    return np.asarray(2 * shapely.area(ground) / np.maximum(shapely.length(ground), 1e-300))


def exchange_sentence(log: pd.DataFrame) -> Message:
    """Say what ground a repair moved: what changed hands, what was filled, how far vertices went.

    Parameters
    ----------
    log : DataFrame
        What `repair` returned.
    """
    facts = log.attrs
    hands, filled = (square_metres(facts[key]) for key in ("changed_hands_m2", "filled_m2"))
    far, count = max(facts["moved_m"], facts["beside_m"]), facts["boundary_vertices"]
    said = Message("{hands} changed hands, {filled} filled; no vertex was moved")
    if far:
        said = Message(
            "{hands} changed hands, {filled} filled; vertices moved by up to {far:.1g} m", far=far
        )
    said = said(hands=hands, filled=filled)
    more = Message("{said}; the boundary got {n:,} {n:vertex|vertices} on its sides", said=said)
    return more(n=count) if count else said


def matched_boundary(
    boundary: shapely.Geometry, cells: Any, limit: float = 0.0
) -> shapely.Geometry:
    """Return the boundary with the vertices that cells have on its sides.

    The area stays the same; what was `exact_with_t_junctions` for want of them is then `exact`.

    Parameters
    ----------
    boundary : Polygon or MultiPolygon
    cells : GeoDataFrame, GeoSeries or array of polygons
    limit : float
        How far beside a side a vertex may lie, in units of the coordinates.

    Examples
    --------
    >>> squares = shapely.box([0, 5], 0, [5, 10], 5)
    >>> prove(squares, matched_boundary(shapely.box(0, 0, 10, 5), squares)).verdict
    'exact'
    """
    return matched_rim(boundary, polygons_of("cells", cells), limit)[0]


def outline_to_fill(
    cells: gpd.GeoDataFrame, boundary: Any, exclude: Any, limit: float = 0.0
) -> shapely.Geometry:
    """Return what cells should fill: the boundary, or their own outline, less some areas.

    Corners of rows that lie within a limit of each other are one, else needles lie between them.
    """
    same_crs(cells, boundary)
    if isinstance(boundary, str):
        check_choice("boundary", boundary, ("outline",))
        return outline_of(_matched_rows("cells", cells, limit), exclude)
    given = None if boundary is None else _matched_rows("boundary", boundary, limit)
    outline = boundary_of(given)
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


def _matched_rows(name: str, layer: Any, limit: float) -> Geometries:
    rows = polygons_of(name, layer)
    return matched(rows, limit)[0] if limit and len(rows) > 1 else rows


def _homes(cells: gpd.GeoDataFrame, count: str | None) -> Floats | None:
    """Return the households of each cell, 0 where none are known; refuse what is no number."""
    if count is None and "households" not in cells:
        return None
    column = count or "households"
    given = column_of(cells, column, "count")
    numbers = as_numbers(given)
    refuse_texts("cells", column, given, (numbers.isna() & given.notna()).to_numpy())
    return np.asarray(np.nan_to_num(numbers.to_numpy(dtype=float, na_value=np.nan)))


def _rank(
    cells: gpd.GeoDataFrame,
    policy: Policy,
    priority: str | None,
    homes: Floats | None,
) -> Floats | None:
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
            "column with `--count`."
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
    raise CoverageError(
        "Cell {name} has {homes:,.0f} households but no geometry inside the boundary; "
        "dropping it would lose them. Draw it, or take the row out.",
        name=name,
        homes=homes,
        defects=_places("geom-empty", list(lost["cell"]), [None] * len(lost), where, None),
    )


def _refuse_robbery(
    cells: gpd.GeoDataFrame, robbed: dict[int, shapely.Geometry], code: str | None
) -> None:
    """Refuse to take ground from a cell that it lay in alone."""
    if not robbed:
        return
    known = list(cells.index if code is None else column_of(cells, code, "code"))
    names, shapes = [known[k] for k in robbed], [*robbed.values()]
    x, y = shapely.get_coordinates(shapely.point_on_surface(shapes[0]))[0]
    raise CoverageError(
        "`cells` could not be mended: ground that lies in cell {name} alone would go "
        "to another one, at {x:.7g} {y:.7g}. Look at `.defects` and edit these places "
        "by hand.",
        name=names[0],
        x=x,
        y=y,
        defects=_places("ground-moved", names, shapes, "", cells.crs),
    )


def _places(
    kind: str, names: list[Any], shapes: list[Any], note: str, crs: Any
) -> gpd.GeoDataFrame:
    """Return places that a repair could not mend as defects."""
    area = areas_m2(np.array([*shapes, None], dtype=object)[:-1], crs)
    table = {
        "id": [f"{kind}-{k}" for k in range(len(names))],
        "kind": kind,
        "qualifier": "",
        "cells": [(name,) for name in names],
        "area_m2": np.where(area > 0, area, np.nan),
        "width_m": np.nan,
        "neighbours": [()] * len(names),
        "note": note,
    }
    defects = gpd.GeoDataFrame(table, geometry=shapes, crs=crs)
    defects.attrs = {"verdict": "failed", "notes": [], "cells": len(names), "parents": 0}
    return defects


LOG = ["cell", "change", "area_before_m2", "area_after_m2", "households_before", "households_after"]


def _outcome(
    cells: gpd.GeoDataFrame,
    work: Work,
    homes: Floats | None,
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
        frame[column] = pd.Series(after, frame.index).astype(frame[column].dtype)
    names = list(cells.index if code is None else column_of(cells, code, "code"))
    areas = areas_m2(before, cells.crs), areas_m2(work.polygons, cells.crs)
    for k in sorted(work.changes):
        old, new = (None, None) if homes is None or after is None else (homes[k], after[k])
        rows.append([names[k], work.changes[k], areas[0][k], areas[1][k], old, new])
    frame = frame[~gone]
    if work.created:
        more = _new_rows(frame, work.created, code)
        frame = gpd.GeoDataFrame(pd.concat([frame, more]), crs=cells.crs)
        labels = list(more.index if code is None else more[code])
        none = None if homes is None else 0.0
        for name, area in zip(
            labels, areas_m2(np.array(work.created, dtype=object), cells.crs), strict=True
        ):
            rows.append([name, "new", 0.0, area, none, none])
    return frame, pd.DataFrame(rows, columns=LOG)


def _last_heir(k: int, absorbed: dict[int, int], gone: Bools) -> int:
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
    for name in attributes(frame):
        if name == code:
            more[name] = codes
        elif name == "households" or pd.api.types.is_integer_dtype(frame[name]):
            more[name] = 0
        elif name == "kind":
            more[name] = "residential"
    return more.reindex(columns=frame.columns)


def _exchanged(
    before: Geometries, work: Work, limit: float
) -> tuple[Geometries, Geometries, dict[int, shapely.Geometry]]:
    """Return the ground that changed hands, the ground that was filled, and who lost its own.

    What lay in exactly one cell and inside the boundary lies in that cell afterwards, but for
    strips as narrow as the limit: a row that lost more is to be refused.
    """
    new = everything_of(work)
    old = np.concatenate([before, np.full(len(work.created), None)])
    old, new = (without(of, shapely.is_missing(of)) for of in (old, new))
    origin = local_origin(shapely.total_bounds(np.concatenate([old, new])))
    old, new = shift(made_valid(old), -origin), shift(new, -origin)
    rows = np.array(sorted({*work.changes, *range(len(before), len(new))}), dtype=np.int64)
    ground, row = _differing(old[rows], new[rows])
    cell, point = rows[row], inner_points(ground)
    was, now = (shapely.intersects(of[cell], point) for of in (old, new))
    hands, loser = _shared_with_others(ground[was & ~now], cell[was & ~now], new)
    alone = _not_in_others(hands, loser, old)
    filled = _not_in_others(ground[now & ~was], cell[now & ~was], old)
    robbed: dict[int, shapely.Geometry] = {}
    for k in np.unique(loser[shapely.area(alone) > 0]).tolist():
        mine = shapely.multipolygons(areal_parts(alone[loser == k])[0])  # they lie side by side
        if shapely.area(mine) > limit * shapely.length([old[k], new[k], mine]).sum():
            robbed[k] = shift(np.array([mine]), origin)[0]
    return shift(hands, origin), shift(filled, origin), robbed


def _differing(old: Geometries, new: Geometries) -> tuple[Geometries, Ints]:
    """Return the areas between the old and the new borders of each cell, and whose they are.

    Borders that stayed cancel, so that nothing but the surroundings of a change is looked at.
    """
    edges, owner = directed_edges(old)
    later, of = directed_edges(new)
    group = np.concatenate([owner, of])
    left = residual(np.concatenate([edges, reverse(later)]), group)
    if len(left) == 0:
        return old[:0], group[:0]
    lines = segments(left.edges)
    label, row = np.unique(group[left.members[left.runs[:-1]]], return_inverse=True)
    areas, at = areas_between(lines, row.ravel())
    return areas, label[at]


def _shared_with_others(
    ground: Geometries, cell: Ints, cells: Geometries
) -> tuple[Geometries, Ints]:
    """Return what of the ground of each cell lies in other cells, piece by piece."""
    at, other = shapely.STRtree(cells).query(ground, predicate="intersects")
    foreign = cell[at] != other
    at, other = at[foreign], other[foreign]
    parts, source = areal_parts(shapely.intersection(ground[at], cells[other]))
    return parts, cell[at[source]]


def _not_in_others(ground: Geometries, cell: Ints, cells: Geometries) -> Geometries:
    """Return what of the ground of each cell lies in no other cell."""
    rest = ground.copy()
    at, other = shapely.STRtree(cells).query(ground, predicate="intersects")
    for k, of in zip(at.tolist(), other.tolist(), strict=True):
        if of != cell[k]:
            with suppress(shapely.errors.GEOSException):  # some needles stay whole
                rest[k] = shapely.difference(rest[k], cells[of])
    return rest


def mend(polygons: Geometries, outline: shapely.Geometry, rules: Rules, limit: float) -> Work:
    """Repair until the proof holds, or a few rounds have not been enough.

    Parameters
    ----------
    limit : float
        Up to this distance corners are taken for the same, and lie on a side.
    """
    before = polygons.copy()
    work = Work(polygons, outline)
    _repair_rings(work)
    for _ in range(ROUNDS):
        rest = brought_together(work, limit)
        if len(rest[0].left) == 0:
            break
        parts, owners = rest
        everything = everything_of(work)
        patches = find_patches(everything, parts.left, owners)
        built = rebuild(everything, patches, rules)
        _take(work, everything, built.polygons, patches.cells)
        work.created += built.created
        work.absorbed.update({k: v for k, v in built.absorbed.items() if k < len(work.polygons)})
    else:
        brought_together(work, limit)
    rows = np.array(sorted(work.changes), dtype=np.int64)
    rows = np.delete(rows, invalid_among(before[rows]))
    for k in rows[_same_edges(before[rows], work.polygons[rows])].tolist():
        work.polygons[k] = before[k]  # a vertex came and went
        del work.changes[k]
    return work


def _take(work: Work, before: Geometries, after: Geometries, cells: Ints) -> None:
    """Keep the rebuilt cells, and note which rows changed."""
    count = len(work.polygons)
    same = _same_edges(before[cells], after[cells])
    for k, unchanged in zip(cells.tolist(), same.tolist(), strict=True):
        if k >= count:
            work.created[k - count] = after[k]
        elif not unchanged:
            work.polygons[k] = after[k]
            work.changes[k] = "rebuilt"


def _same_edges(before: Geometries, after: Geometries) -> Bools:
    """Tell which polygons have the same directed edges, wherever their rings start."""
    old, new = (ring_sums(*directed_edges(of), len(of)) for of in (before, after))
    return np.asarray((old == new).all(axis=1))


def _repair_rings(work: Work) -> None:
    """Resolve self-crossings first; what is no area at all becomes empty."""
    for k in invalid_among(work.polygons).tolist():
        shape = work.polygons[k]
        if shape is None or shape.is_empty or not np.isfinite(shape.bounds).all():
            work.polygons[k] = shapely.Polygon()
            work.absorbed[k] = -1
            continue
        work.polygons[k] = made_valid(work.polygons[k : k + 1])[0]
        work.changes[k] = "ring-repaired"
