"""Cells of a grid that were drawn over elsewhere come home: codes, counts and history kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Bools, Floats, Geometries, Ints, geometries, segments
from gridmap._checks import Bands, check_band, check_crs, check_layer
from gridmap.codes import DEFAULT_SCHEME, cell_name, number_polygons, sequence_of
from gridmap.coverage.point_tree import PolygonTree
from gridmap.coverage.repair import repair
from gridmap.coverage.snapping import with_vertices
from gridmap.crs.project import reproject
from gridmap.errors import InputError
from gridmap.grid.changes import overlaps, with_pieces, with_retired
from gridmap.grid.grid import Grid, places_in
from gridmap.language import Lang, Message

ON_SIDE = 1e-6
"""Metres from a side within which a drawn vertex lies on it."""
WIDE = 5.0
"""Metres: what reaches less wide into another jurisdiction is a slip of the hand."""
DIVIDED = 0.02
"""Share of a unit that lies in a second cell when a border runs through it."""
OWN = {
    "fid", "ogc_fid", "objectid", "code", "name", "kind", "households", "area_m2",
    "parent", "pieces",
}  # fmt: skip


@dataclass(frozen=True)
class HomeComing:
    """What came home, and how its households were counted.

    Attributes
    ----------
    grid : Grid
    households_in, households_out : int
        Of the old grid or the table given, and of the new cells; they are equal.
    redrawn, new, retired : tuple of str
        Codes.
    counted_by : str
        "buildings" or "units".
    divided : int
        Households of units that a border runs through, counted where most of the unit lies.
    moved_m2 : float
        Area of digitising slips that were mended.
    """

    grid: Grid
    households_in: int
    households_out: int
    redrawn: tuple[str, ...]
    new: tuple[str, ...]
    retired: tuple[str, ...]
    counted_by: str
    divided: int
    moved_m2: float


def come_home(
    cells: gpd.GeoDataFrame,
    old: Grid,
    *,
    households: gpd.GeoDataFrame | None = None,
    band: tuple[int, int] | None = None,
    on: str = "",
    lang: Lang = "zh",
) -> HomeComing:
    """Make a grid of the cells of an old one that were drawn over in QGIS or ArcGIS.

    Codes that stand twice after a split stay with the part that has most households, and the
    others get new ones, as rows without a code do. Slips of digitising are mended by `repair`,
    one jurisdiction after the other. Households are counted anew; names, kinds, levels,
    exceptions and retired codes of the old grid live on.

    Parameters
    ----------
    cells : GeoDataFrame
        The cells as drawn, with a column ``code``; further columns are kept.
    old : Grid
        The grid they were drawn over.
    households : GeoDataFrame, optional
        Buildings with ``households``; by default those the grid keeps, else its units.
    band : (int, int), optional
        Least and most households of a cell, by default the old grid's.
    on : str
        Day from which new cells hold and vanished ones end.
    lang : {"zh", "en"}
        Language of new names.

    Raises
    ------
    InputError
        When a cell lies in two jurisdictions or none, or households do not add up.
    CoverageError
        When cells cannot be mended exactly.
    """
    check_layer("cells", cells)
    drawn = _drawn(cells, old)
    state = _State(old, drawn)
    for parent in state.changed:
        state.mend(parent)
    counts, total, counted_by, divided = _counted(state, households)
    frame = _coded(state.frame(), counts, old, on, lang)
    out = int(frame["households"].sum())
    if out != total:
        raise InputError(
            "The drawn cells hold {out:,} {out:household|households}, but {total:,} were counted "
            "before. Look at `gridmap account`, or give `households`.",
            out=out,
            total=total,
        )
    gone = [code for code in old.cells.index if code not in frame.index]
    fresh = tuple(code for code in frame.index if code not in old.cells.index)
    units = state.units(frame)
    parameters = old.parameters
    if band is not None:
        low, high = check_band(band)
        parameters = {**parameters, "min": low, "max": high}
        parameters.pop("bands", None)
    grid = Grid(
        frame,
        state.boundary.geometry.iloc[0],
        old.levels,
        jurisdictions=state.areas,
        units=units,
        exceptions=_exceptions(old, frame, Bands.kept(parameters)),
        retired=with_retired(old, gone, on, "redrawn"),
        parameters=parameters,
        buildings=old.buildings,
    )
    kept = [code for code in frame.index if code in old.cells.index]
    same = shapely.equals_exact(
        geometries(frame.geometry[kept]), geometries(old.cells.geometry[kept]), 0.0, normalize=True
    )
    redrawn = tuple(code for code, equal in zip(kept, same, strict=True) if not equal)
    return HomeComing(
        grid, total, out, redrawn, fresh, tuple(gone), counted_by, divided, state.moved
    )


def _drawn(cells: gpd.GeoDataFrame, old: Grid) -> gpd.GeoDataFrame:
    """Return the drawn cells in the CRS of the grid, with a code, old name and parent each."""
    check_crs("cells", cells)
    frame: gpd.GeoDataFrame = reproject(cells, old.crs)
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    if "code" not in frame and frame.index.name == "code":
        frame = frame.reset_index()
    if "code" not in frame:
        raise InputError(
            "`cells` have no column `code`; they have {columns}. Name it: --code.",
            columns=[*map(str, frame.columns)],
        )
    bare = frame.geometry.isna() | frame.geometry.is_empty
    frame = frame[~bare].reset_index(drop=True)
    if frame.empty:
        raise InputError("`cells` is empty; hand in the cells as drawn.")
    frame["code"] = [_text(code) for code in frame["code"]]
    shapes = shapely.force_2d(shapely.make_valid(frame.geometry.to_numpy()))
    frame["geometry"] = geometries([_polygonal(shape) for shape in shapes])
    frame["parent"] = _parents(frame, old)
    return frame


def _text(code: object) -> str:
    """Return a code as text; numbers without their point."""
    if code is None or code is pd.NA or (isinstance(code, float) and np.isnan(code)):
        return ""
    return str(int(code)) if isinstance(code, float) else str(code).strip()


def _polygonal(shape: shapely.Geometry) -> shapely.Geometry:
    """Return what is area in a geometry, as a polygon where it is one."""
    parts = [
        part for part in shapely.get_parts(shape) if part.geom_type in ("Polygon", "MultiPolygon")
    ]
    polygons = list(shapely.get_parts(parts))
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _parents(frame: gpd.GeoDataFrame, old: Grid) -> list[str]:
    """Return the jurisdiction of each drawn cell; refuse a cell that lies in two in earnest."""
    areas = old.jurisdictions
    before = old.cells["parent"].to_dict()
    same = _as_before(frame, old)
    parents = [
        before.get(code, "") if known else ""
        for code, known in zip(frame["code"], same, strict=True)
    ]
    rows = np.flatnonzero([not parent for parent in parents])
    shapes = frame.geometry.to_numpy()[rows]
    at, area_at = shapely.STRtree(areas.geometry.to_numpy()).query(shapes)[::1]
    common = shapely.intersection(shapes[at], areas.geometry.to_numpy()[area_at])
    size = shapely.area(common)
    for k, row in enumerate(rows.tolist()):
        mine = np.flatnonzero((at == k) & (size > 0))
        called = frame["code"][row] or Message("in row {row}", row=row + 1)
        if not len(mine):
            raise InputError(
                "Cell {called} lies outside the old grid. Take it out of the layer.", called=called
            )
        best = mine[np.argmax(size[mine])]
        for other in mine[mine != best]:
            if 2 * size[other] / max(shapely.length(common[other]), 1e-9) > WIDE:
                names = [str(areas.index[area_at[one]]) for one in (best, other)]
                raise InputError(
                    "Cell {called} lies in the jurisdictions {one} and {two}, and no cell may "
                    "cross one. Cut it at their border.",
                    called=called,
                    one=names[0],
                    two=names[1],
                )
        parents[row] = str(areas.index[area_at[best]])
    return parents


def _as_before(frame: gpd.GeoDataFrame, old: Grid) -> Bools:
    """Tell which drawn cells are, corner by corner, what they were."""
    then = geometries(old.cells.geometry.reindex(frame["code"]))
    now = frame.geometry.to_numpy()
    once = ~frame["code"].duplicated(keep=False).to_numpy()
    known = ~shapely.is_missing(then) & once
    same = np.zeros(len(frame), dtype=bool)
    same[known] = shapely.equals_exact(now[known], then[known], ON_SIDE, normalize=True)
    return same


class _State:
    """A grid while its jurisdictions are mended one after the other."""

    def __init__(self, old: Grid, drawn: gpd.GeoDataFrame) -> None:
        self.old = old
        same = _as_before(drawn, old)
        kept = drawn["code"][same].to_list()
        shapes = geometries(drawn.geometry).copy()
        shapes[same] = geometries(old.cells.geometry[kept])
        drawn = drawn.set_geometry(gpd.GeoSeries(shapes, drawn.index, drawn.crs))
        self.cells = drawn
        self.areas = old.jurisdictions
        self.boundary = gpd.GeoDataFrame(geometry=[old.boundary], crs=old.crs)
        self.old_units = old.units
        self.moved = 0.0
        gone = old.cells.index.difference(drawn["code"].to_list())
        parents = {*drawn.loc[~same, "parent"], *old.cells.loc[gone, "parent"]}
        empty = sorted(parents - set(drawn["parent"]))
        if empty:
            raise InputError(
                "No cell of the jurisdiction {empty} is in the layer. Export all its cells.",
                empty=empty[0],
            )
        self.changed = sorted(parents)

    def mend(self, parent: str) -> None:
        """Mend the cells of one jurisdiction, and let its neighbours know their new vertices."""
        rows = self.cells.index[self.cells["parent"] == parent]
        part = self.cells.loc[rows]
        outline = self.areas.geometry[parent]
        ends = _ends(_rim_points(part.geometry.to_numpy(), outline), outline)
        self._insert(ends)
        outline = self.areas.geometry[parent]
        mended, log = repair(part.drop(columns="code"), outline)
        if len(mended) > len(part):
            extra = mended.geometry.to_numpy()[-1]
            [place] = shapely.get_coordinates(shapely.point_on_surface(extra))
            raise InputError(
                "Ground of {area:,.0f} m² at {x:.0f}, {y:.0f} is in no drawn cell. Draw it, or "
                "merge it into a neighbour.",
                area=mended.area.iloc[-1],
                x=place[0],
                y=place[1],
            )
        if len(mended) < len(part):
            lost = self.cells.at[rows.difference(mended.index)[0], "code"]
            raise InputError("Cell {lost} has no ground of its own; take its row out.", lost=lost)
        self.moved += float((log["area_after_m2"] - log["area_before_m2"]).abs().sum()) / 2
        self.cells.loc[mended.index, "geometry"] = mended.geometry
        union = shapely.coverage_union_all(mended.geometry.to_numpy())
        self._insert(_ends(_new_points(union, outline), outline))
        fresh = _ends(_new_points(self.areas.geometry[parent], union), union)
        again = [with_vertices(shape, fresh) for shape in self.cells.geometry[mended.index]]
        self.cells.loc[mended.index, "geometry"] = gpd.GeoSeries(again, mended.index, mended.crs)

    def _insert(self, ends: dict[tuple[float, ...], Floats]) -> None:
        """Put vertices into the sides of all that has such sides."""
        if not ends:
            return
        sides = shapely.linestrings([[side[:2], side[2:]] for side in ends])
        for frame in (self.cells, self.areas, self.boundary, self.old_units):
            shapes = geometries(frame.geometry).copy()
            for at in np.unique(shapely.STRtree(shapes).query(sides)[1]):
                shapes[at] = with_vertices(shapes[at], ends)
            frame["geometry"] = shapes

    def frame(self) -> gpd.GeoDataFrame:
        """Return the mended cells."""
        return self.cells

    def units(self, cells: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        """Return the units of new cells: the old ones where they make a cell up, else itself."""
        units = self.old_units
        code = self.unit_codes(cells)
        units = units.assign(code=code)
        shapes, homes = geometries(units.geometry).copy(), units["households"].to_numpy()
        whole = []
        for cell, shape, own in zip(cells.index, cells.geometry, cells["households"], strict=True):
            rows = np.flatnonzero(units["code"] == cell)
            if not len(rows):
                continue
            union = shapely.coverage_union_all(shapes[rows])
            ends = _ends(_new_points(shape, union), union)
            if ends:
                for at in rows:
                    shapes[at] = with_vertices(shapes[at], ends)
                union = shapely.coverage_union_all(shapes[rows])
            same = shapely.equals_exact(union, shape, 0.0, normalize=True)
            if same and homes[rows].sum() == own:
                whole.append(cell)
        units["geometry"] = shapes
        kept = units[units["code"].isin(whole)]
        rest = cells.drop(index=whole)
        own = gpd.GeoDataFrame(
            {
                "parent": rest["parent"].to_numpy(),
                "households": rest["households"].to_numpy(),
                "kind": rest["kind"].to_numpy(),
                "code": rest.index.to_numpy(),
            },
            geometry=rest.geometry.to_numpy(),
            crs=cells.crs,
        )
        if rest.empty:
            return kept
        more = own.reindex(columns=kept.columns)
        for column in kept.columns:
            if column not in own and column != "geometry":
                numeric = pd.api.types.is_numeric_dtype(kept[column])
                more[column] = 0 if numeric else ""
        joined = pd.concat([kept, more.astype(kept.dtypes.to_dict())], ignore_index=True)
        joined.index.name = kept.index.name
        joined.attrs = units.attrs
        return joined

    def unit_codes(self, cells: gpd.GeoDataFrame) -> list[str]:
        """Return the cell in which most of each old unit lies."""
        pairs = overlaps(self.old_units.geometry.to_numpy(), cells.geometry.to_numpy())
        best = _largest(pairs.i, pairs.area, len(self.old_units))
        return [str(cells.index[pairs.j[at]]) if at >= 0 else "" for at in best]


def _largest(owner: Ints, size: Floats, count: int) -> Ints:
    """Return for each owner the position of its largest entry, -1 without one."""
    best = np.full(count, -1, dtype=np.int64)
    order = np.lexsort((-np.arange(len(size)), size))
    best[owner[order]] = order
    return best


def _rim_points(shapes: Geometries, outline: shapely.Geometry) -> Floats:
    """Return where drawn borders meet an outline: vertices on its sides, and crossings."""
    rim = shapely.boundary(outline)
    xy = np.unique(shapely.get_coordinates(shapes), axis=0)
    drawn = xy[shapely.dwithin(shapely.points(xy), rim, ON_SIDE)]
    crossing = shapely.get_coordinates(
        [
            part
            for line in shapely.boundary(shapes)
            if not shapely.covered_by(line, rim)
            for part in shapely.get_parts(shapely.intersection(line, rim))
            if part.geom_type == "Point"
        ]
    )
    return np.concatenate([drawn, _apart(crossing, drawn)])


def _new_points(shape: shapely.Geometry, other: shapely.Geometry) -> Floats:
    """Return the vertices of a shape that lie on another's border and are none of its vertices."""
    xy: Floats = np.unique(shapely.get_coordinates(shape), axis=0)
    near = shapely.dwithin(shapely.points(xy), shapely.boundary(other), ON_SIDE)
    fresh: Floats = xy[near]
    return fresh


def _ends(points: Floats, shape: shapely.Geometry) -> dict[tuple[float, ...], Floats]:
    """Return points by the side of a shape on which they lie, those that are corners left out."""
    fresh = _apart(points, shapely.get_coordinates(shape))
    if not len(fresh):
        return {}
    sides = np.concatenate(list(_sides(shape)))
    lines = segments(sides)
    at, side = shapely.STRtree(lines).query_nearest(shapely.points(fresh), all_matches=False)
    ends: dict[tuple[float, ...], list[list[float]]] = {}
    for k, edge in zip(at.tolist(), side.tolist(), strict=True):
        ends.setdefault(tuple(sides[edge].tolist()), []).append(fresh[k].tolist())
    return {edge: _along(np.array(edge[:2]), np.array(found)) for edge, found in ends.items()}


def _apart(points: Floats, others: Floats) -> Floats:
    """Return the points that are not on top of others."""
    tree = shapely.STRtree(geometries(shapely.points(others)))
    spots = geometries(shapely.points(points.reshape(-1, 2)))
    beside = tree.query(spots, predicate="dwithin", distance=ON_SIDE)[0]
    return np.delete(points, np.unique(beside), axis=0)


def _along(start: Floats, points: Floats) -> Floats:
    """Return points in order from the start of a side, one of those on top of each other."""
    far = np.hypot(*(points - start).T)
    order = np.argsort(far, kind="stable")
    kept: Floats = points[order[np.diff(far[order], prepend=-np.inf) > ON_SIDE]]
    return kept


def _sides(shape: shapely.Geometry) -> Iterator[Floats]:
    for ring in shapely.get_rings(shapely.get_parts(shape)):
        xy = shapely.get_coordinates(ring) + 0.0
        yield np.hstack([xy[:-1], xy[1:]])


def _counted(state: _State, given: gpd.GeoDataFrame | None) -> tuple[Ints, int, str, int]:
    """Count the households of each mended cell; return also their sum, by what, and the unsure."""
    cells, old = state.cells, state.old
    buildings = old.buildings if given is None else given
    if buildings is not None:
        return _by_buildings(cells, old, buildings, given is not None)
    fixed = ~cells["parent"].isin(state.changed).to_numpy()
    homes = np.where(fixed, old.cells["households"].reindex(cells["code"]).to_numpy(), 0)
    homes = np.nan_to_num(homes.astype(np.float64)).astype(np.int64)
    parent = old.cells["parent"].reindex(state.old_units["code"])
    units = state.old_units[parent.isin(state.changed).to_numpy()]
    rows = np.flatnonzero(~fixed)
    pairs = overlaps(units.geometry.to_numpy(), cells.geometry.to_numpy()[rows])
    best = _largest(pairs.i, pairs.area, len(units))
    count = units["households"].to_numpy(dtype=np.int64)
    np.add.at(homes, rows[pairs.j[best[best >= 0]]], count[best >= 0])
    share = pairs.area / shapely.area(units.geometry.to_numpy())[pairs.i]
    second = np.setdiff1d(np.flatnonzero(share > DIVIDED), best)
    return (
        homes,
        int(old.cells["households"].sum()),
        "units",
        int(count[np.unique(pairs.i[second])].sum()),
    )


def _by_buildings(
    cells: gpd.GeoDataFrame, old: Grid, buildings: gpd.GeoDataFrame, given: bool
) -> tuple[Ints, int, str, int]:
    frame = reproject(buildings, old.crs)
    point = places_in(old, frame)
    tree = PolygonTree(cells.geometry.to_numpy(), cells.index.to_numpy(dtype=object))
    number = np.asarray(tree.relate(point[:, 0], point[:, 1])[0])
    count = frame["households"].to_numpy(dtype=np.int64)
    lost = int(count[number == 0].sum())
    if lost:
        raise InputError(
            "Households of `households` outside the cells: {lost:,} in {number:,} "
            "{number:building|buildings}. Check their CRS, or take them out.",
            lost=lost,
            number=int((number == 0).sum()),
        )
    homes = np.bincount(number - 1, count, len(cells)).astype(np.int64)
    total = int(count.sum()) if given else int(old.cells["households"].sum())
    return homes, total, "buildings", 0


def _coded(
    cells: gpd.GeoDataFrame, homes: Ints, old: Grid, on: str, lang: Lang
) -> gpd.GeoDataFrame:
    """Give every cell a code, a name and what the old grid says of it."""
    frame = cells.assign(households=homes)
    size = pd.DataFrame({"code": frame["code"], "homes": homes, "area": frame.area})
    best = size.sort_values(["homes", "area"], ascending=False, kind="stable")
    keeps = ~best["code"].duplicated().sort_index().to_numpy() & (frame["code"] != "").to_numpy()
    before = old.cells.reindex(frame["code"])
    strange = keeps & before["parent"].isna().to_numpy()
    elsewhere = keeps & (before["parent"].to_numpy() != frame["parent"].to_numpy()) & ~strange
    used_up = frame["code"].isin(old.retired["code"]).to_numpy()
    keeps &= ~elsewhere & ~used_up
    codes = number_polygons(
        frame["parent"].tolist(),
        geometries(frame.geometry),
        scheme=str(old.parameters.get("scheme", DEFAULT_SCHEME)),
        kept={at: frame["code"][at] for at in np.flatnonzero(keeps).tolist()},
        used=[*old.cells.index, *old.retired["code"]],
    )
    owner = old.jurisdictions[old.levels[-1]] if old.levels else None
    names = []
    for at, code in enumerate(codes):
        drawn = frame["name"][at] if "name" in frame else None
        if keeps[at]:
            names.append(
                str(drawn) if isinstance(drawn, str) and drawn.strip() else before["name"].iloc[at]
            )
            continue
        parent = frame["parent"][at]
        called = str(owner[parent]) if owner is not None else parent
        names.append(cell_name(called, sequence_of(code, parent), lang))
    kinds = before["kind"].to_numpy(dtype=object)
    given = frame["kind"].to_numpy(dtype=object) if "kind" in frame else kinds
    kind = [
        k
        if isinstance(k, str)
        else g
        if g in ("residential", "dedicated", "vacant")
        else "residential"
        for k, g in zip(kinds, given, strict=True)
    ]
    more = [c for c in frame.columns if str(c).lower() not in OWN | set(old.levels) | {"geometry"}]
    table = pd.DataFrame(
        {"name": names, "kind": kind, "households": homes, "parent": frame["parent"].to_numpy()},
        index=pd.Index(codes, name="code"),
    )
    for column in more:
        table[column] = frame[column].to_numpy()
    if on or "valid_from" in old.cells:
        then = before.get("valid_from", pd.Series("", before.index)).fillna("").to_numpy()
        table["valid_from"] = np.where(keeps, then, on)
    made = gpd.GeoDataFrame(table, geometry=frame.geometry.to_numpy(), crs=old.crs)
    return with_pieces(made.sort_index())


def _exceptions(old: Grid, cells: gpd.GeoDataFrame, bands: Bands) -> pd.DataFrame:
    """Keep what was said of cells still outside the band; a certificate only as it was."""
    rows = old.exceptions
    rows = rows[rows["code"].isin(cells.index)]
    homes = cells["households"].reindex(rows["code"]).to_numpy()
    within = bands.hold(cells["households"], cells["parent"])
    outside = ~within.reindex(rows["code"]).to_numpy(bool)
    as_it_was = homes == old.cells["households"].reindex(rows["code"]).to_numpy()
    kept = as_it_was | (outside & rows["approved"].astype(bool).to_numpy())
    found: pd.DataFrame = rows.loc[kept].assign(households=homes[kept])
    return found
