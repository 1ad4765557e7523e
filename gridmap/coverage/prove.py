"""The proof that polygons tile an area exactly: their edges cancel to its outline.

T-junctions, vertices that lie exactly on an unbroken side of a neighbour, hinder only the matching.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import shapely

from gridmap._arrays import Floats, Geometries, Ints, Rows, segments
from gridmap._checks import check_layer, shape_name
from gridmap.coverage import edges as fingerprint
from gridmap.coverage.defect_names import REASONS
from gridmap.coverage.edges import (
    AT_ONCE,
    Leftover,
    Rings,
    compiles,
    edges_of,
    orientation,
    pairs_off,
    residual,
    reverse,
    rings_of,
)
from gridmap.errors import CRSError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from gridmap._arrays import Objects, Outline, Polygons


FAR = 1e100
"""Whatever the unit, no place on earth has a coordinate as large; products of such overflow."""


def polygons_of(name: str, data: object, *, finite: bool = True) -> Geometries:
    """Return the polygons of a frame, a series or an array; refuse what is none.

    Parameters
    ----------
    name : str
        What the argument is called.
    data : GeoDataFrame, GeoSeries, geometry or array
    finite : bool
        Whether to look at every coordinate; else the caller does, by `check_finite`.

    Raises
    ------
    InputError
        When a geometry is not a polygon, or a coordinate is no number.
    """
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
            "`{name}` has a {geom_type} at position {wrong}; polygons are needed. Select "
            "them, or polygonize the lines first.",
            name=name,
            geom_type=shape_name(array[wrong[0]].geom_type),
            wrong=int(wrong[0]),
        )
    if finite:
        check_finite(name, array)
    return array


def check_finite(name: str, polygons: Geometries, xy: Floats | None = None) -> None:
    """Refuse coordinates that are NaN or infinite, before a library stumbles over them.

    Parameters
    ----------
    xy : ndarray of float, optional
        The coordinates, where they are known already.
    """
    known = shapely.get_coordinates(polygons) if xy is None else xy
    if known.min(initial=0.0) > -FAR and known.max(initial=0.0) < FAR:
        return
    places, owner = shapely.get_coordinates(polygons, return_index=True)
    bad = np.flatnonzero(~(np.abs(places) < FAR).all(axis=1))
    if len(bad):
        x, y = places[bad[0]].tolist()
        raise InputError(
            "`{name}` has a coordinate that is no number at position {at}: {x} {y}. Draw that "
            "polygon again, or take it out.",
            name=name,
            at=int(owner[bad[0]]),
            x=x,
            y=y,
        )


def dissolved(polygons: Geometries) -> shapely.Geometry:
    """Return the union of valid polygons, by shared edges alone where they match."""
    with np.errstate(invalid="ignore"):  # of coordinates whose products are too small or large
        if shapely.coverage_is_valid(polygons):
            try:
                return shapely.coverage_union_all(polygons)
            except shapely.errors.GEOSException:
                pass  # takes corners that differ in the last digit for crossings
        union = shapely.union_all(polygons)
        step = 4 * np.spacing(np.abs(shapely.bounds(union)).max())
        shapely.prepare(union)
        if shapely.dwithin(union, shapely.point_on_surface(polygons), step).all():
            return union
        # such corners may even lose whole polygons, but not on a lattice
        return shapely.union_all(polygons, grid_size=step)


def boundary_of(boundary: object) -> shapely.Geometry | None:
    """Return one outline from a geometry or the rows of a layer; None when there is none."""
    if boundary is None or (isinstance(boundary, shapely.Geometry) and shapely.is_empty(boundary)):
        return None
    rows = polygons_of("boundary", boundary)
    rows = rows[~(shapely.is_missing(rows) | shapely.is_empty(rows))]
    if len(rows) == 0:
        return None
    if len(rows) == 1:
        outline: shapely.Geometry = rows[0]
        return outline
    for row in rows[~shapely.is_valid(rows)]:
        check_area(row)
    return dissolved(rows)


def metres_per_unit(crs: Any) -> float:
    """Return the metres of a unit of a CRS, of a degree along the equator; 1 without a CRS."""
    if crs is None:
        return 1.0
    factor = float(crs.axis_info[0].unit_conversion_factor)
    return factor * crs.ellipsoid.semi_major_metre if crs.is_geographic else factor


def lengths_m(ends: Floats, crs: Any) -> Floats:
    """Return lengths of segments ``x0, y0, x1, y1`` in metres, on the ellipsoid in degrees."""
    if crs is not None and crs.is_geographic:
        return np.asarray(crs.get_geod().inv(*ends.T)[2])
    step = (ends[:, 2:] - ends[:, :2]) * metres_per_unit(crs)
    return np.asarray(np.hypot(*step.T))


def areas_m2(geometry: Geometries, crs: Any) -> Floats:
    """Return areas of cells in square metres, on the ellipsoid where in degrees; 0 for none."""
    area: Floats = np.nan_to_num(shapely.area(geometry))
    if crs is None or not crs.is_geographic:
        return area * metres_per_unit(crs) ** 2
    geod = crs.get_geod()
    measured = (
        0.0 if shape is None or shape.is_empty else abs(geod.geometry_area_perimeter(shape)[0])
        for shape in geometry
    )
    return np.fromiter(measured, dtype=float)


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
            "`boundary` is no area: {reason} at {place}. Mend it first; until then "
            "nothing can be proved of what fills it.",
            reason=REASONS.get(reason, reason),
            place=place,
        )


def match_parents(cells: Any, parents: Any, parent_of: Any) -> tuple[list[Any], Geometries, Ints]:
    """Return the names and areas of parents, and the place of each cell's parent (-1 unknown)."""
    areas = polygons_of("parents", parents)
    names = list(getattr(parents, "index", range(len(areas))))
    if parent_of is None:
        if "parent" not in getattr(cells, "columns", ()):
            raise InputError(
                "`parents` are given but not whose each cell is; hand in `parent_of`, or a "
                "column `parent` (`--parent-column`)."
            )
        parent_of = list(cells["parent"])
    count = len(polygons_of("cells", cells, finite=False))
    if len(parent_of) != count:
        raise InputError(
            "`parent_of` has {parent_of} {parent_of:name|names} for {count} "
            "{count:cell|cells}; give one for each.",
            parent_of=len(parent_of),
            count=count,
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
                "`cells` are in {crs} but the boundary or parents in {theirs}. Transform one: "
                "`boundary.to_crs(cells.crs)`.",
                crs=crs.name,
                theirs=theirs.name,
            )


Verdict = Literal["exact", "exact_with_t_junctions", "within_tolerance", "failed", "unprovable"]


@dataclass(frozen=True)
class ParentProof:
    """What was found for one parent: whether its own cells tile it."""

    parent: str
    verdict: Verdict
    cells: int
    leftover: int


@dataclass(frozen=True)
class Proof:
    """What was found when the edges of the cells and of the boundary were cancelled.

    Attributes
    ----------
    verdict : str
        ``exact``: every point inside the boundary lies in exactly one cell, and the cells match
        vertex by vertex. ``exact_with_t_junctions``: the same area, but some vertex lies on an
        unbroken side of a neighbour. ``within_tolerance``: only defects narrower than the
        tolerance that was asked for. ``failed``. ``unprovable``: without a boundary, say.
    cells, edges, boundary_edges : int
        How many went in.
    leftover : int
        Different edges that do not cancel; 0 when exact.
    invalid : int
        Cells whose rings cross or touch themselves, or that are no polygons.
    coverage_hash, boundary_hash : str
        Names of the two geometries that do not depend on the order of cells and vertices.
    parents : tuple of ParentProof
        The same question for each parent and its own cells.
    """

    verdict: Verdict
    cells: int
    edges: int
    boundary_edges: int
    leftover: int
    invalid: int
    coverage_hash: str
    boundary_hash: str
    parents: tuple[ParentProof, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the proof as plain data for a file."""
        record = asdict(self)
        record["parents"] = [asdict(p) for p in self.parents]
        return {"method": "directed-edge-cancellation/1", **record}


def prove(
    cells: Polygons,
    boundary: Outline | None,
    parents: Polygons | None = None,
    parent_of: Sequence[Hashable] | pd.Series | Objects | None = None,
) -> Proof:
    """Prove that cells tile a boundary exactly, without gap, overlap or tolerance.

    Each valid polygon is the sum of its directed edges. If those of all cells cancel to those of
    the boundary, every point has the same winding number under both, so each point inside the
    boundary lies in exactly one cell and none lies outside. With parents the same is asked for
    each parent and its own cells, which proves that no cell crosses one. Coordinates are compared
    with `==`.

    Parameters
    ----------
    cells : GeoDataFrame, GeoSeries or array of polygons
        What should tile the boundary.
    boundary : geometry, GeoSeries, GeoDataFrame or None
        The outline. Without one nothing can be proved: a cell missing at the rim leaves no trace.
    parents : GeoDataFrame, GeoSeries or array of polygons, optional
        Areas that no cell may cross; the index names them.
    parent_of : sequence, optional
        Name of the parent of each cell; by default the column ``parent`` of `cells`.

    Returns
    -------
    Proof

    Raises
    ------
    InputError
        When a geometry is not a polygon, or `parent_of` does not fit.
    CRSError
        When cells and boundary are in different CRSs.

    Examples
    --------
    >>> squares = shapely.box([0, 5], 0, [5, 10], 5)
    >>> prove(squares, shapely.box(0, 0, 10, 5)).verdict  # the boundary lacks the vertices at x=5
    'exact_with_t_junctions'
    >>> prove(squares, shapely.union_all(squares)).verdict
    'exact'
    >>> prove(squares[:1], shapely.union_all(squares)).verdict
    'failed'
    """
    same_crs(cells, boundary, parents)
    polygons = polygons_of("cells", cells, finite=False)
    rings = rings_of(polygons)
    check_finite("cells", polygons, rings.xy)
    outline = boundary_of(boundary)
    invalid = len(invalid_among(polygons, rings))
    name = coverage_hash(rings, len(polygons))
    if outline is None:
        return Proof("unprovable", len(polygons), rings.edges, 0, 0, invalid, name, "")
    rim = rings_of(np.array([outline], dtype=object))
    left, verdict = _cancel(rings, rim)
    nested = () if parents is None else prove_parents(cells, rings, parents, parent_of)
    failed = any(p.verdict == "failed" for p in nested)
    if failed or invalid or not shapely.is_valid(outline):
        verdict = "failed"
    elif verdict == "exact" and any(p.verdict != "exact" for p in nested):
        verdict = "exact_with_t_junctions"
    return Proof(
        verdict,
        cells=len(polygons),
        edges=rings.edges,
        boundary_edges=rim.edges,
        leftover=left,
        invalid=invalid,
        coverage_hash=name,
        boundary_hash=coverage_hash(rim, 1),
        parents=nested,
    )


def invalid_among(polygons: Geometries, rings: Rings | None = None) -> Ints:
    """Return positions of polygons that are no valid areas: missing, empty, or self-crossing.

    Rings that are surely simple pass without a closer look.
    """
    unusable = shapely.is_missing(polygons) | shapely.is_empty(polygons)
    rings = rings_of(polygons) if rings is None else rings
    if not compiles(len(rings.xy)):
        return np.flatnonzero(unusable | ~shapely.is_valid(polygons))
    from gridmap.coverage import kernels

    sure = np.ones(len(polygons), dtype=bool)
    sure[rings.owner[~kernels.surely_simple(rings.xy, rings.starts)]] = False
    sure[np.bincount(rings.owner, minlength=len(polygons)) != 1] = False
    look = np.flatnonzero(~sure)
    unusable[look] |= ~shapely.is_valid(polygons[look])
    return np.flatnonzero(unusable)


def coverage_hash(rings: Rings, polygons: int) -> str:
    """Return a name for polygons that depends on no order."""
    if not compiles(len(rings.xy)):
        return fingerprint.fingerprint(fingerprint.sums_of(rings, polygons))
    from gridmap.coverage import kernels

    words = kernels.vertex_words(rings.xy)
    return fingerprint.fingerprint(
        kernels.ring_sums(rings.xy, words, rings.starts, rings.turn, rings.owner, polygons)
    )


def remainder(rings: Rings, rim: Rings) -> tuple[Floats, Ints, Leftover]:
    """Cancel cells against an outline; return all edges, owners (-1: rim) and leftovers."""
    edges, owner, _ = edges_of(rings)
    outer, _, _ = edges_of(rim)
    edges = np.concatenate([edges, reverse(outer)])
    owner = np.concatenate([owner, np.full(len(outer), -1)])
    return edges, owner, residual(edges)


def _cancel(rings: Rings, rim: Rings) -> tuple[int, Verdict]:
    """Return how many edges are left of cells against an outline, and what that means."""
    if _cancels(rings, rim):
        return 0, "exact"
    _, _, left = remainder(rings, rim)
    return len(left), _verdict(left)


def _verdict(left: Leftover) -> Verdict:
    if len(left) == 0:
        return "exact"
    if surely_open(left) or len(split(left).left):
        return "failed"
    return "exact_with_t_junctions"


def _cancels(rings: Rings, rim: Rings, group: Ints | None = None) -> bool:
    """Tell that nothing is left of cells against an outline, or within groups; False tells less."""
    xy = np.concatenate([rings.xy, rim.xy])
    starts = np.concatenate([rings.starts, rim.starts[1:] + len(rings.xy)])
    turn = np.concatenate([rings.turn, -rim.turn])
    if not compiles(rings.edges):
        owner = np.zeros(len(turn), dtype=np.int64) if group is None else group
        return pairs_off(Rings(xy, starts, owner, turn))
    from gridmap.coverage import kernels

    group = np.empty(0, dtype=np.int64) if group is None else group
    return kernels.leftover_count(xy, kernels.vertex_words(xy), starts, turn, group) == 0


def _cancels_within(rings: Rings, rim: Rings, place: Ints) -> bool:
    """Tell the same of the cells of each parent, a few parents at a time, which bounds memory."""
    if compiles(rings.edges):
        return _cancels(rings, rim, np.concatenate([place[rings.owner], rim.owner]))
    batch = np.cumsum(np.bincount(rim.owner, np.diff(rim.starts), place.max() + 1)) // AT_ONCE
    mine, theirs = batch[place[rings.owner]], batch[rim.owner]
    for k in np.unique(batch):
        some, outer = rings.of(np.flatnonzero(mine == k)), rim.of(np.flatnonzero(theirs == k))
        if not _cancels(some, outer, np.concatenate([place[some.owner], outer.owner])):
            return False
    return True


def prove_parents(
    cells: Any, rings: Rings, parents: Any, parent_of: Any
) -> tuple[ParentProof, ...]:
    """Return, for each parent, whether its own cells tile it."""
    names, areas, place = match_parents(cells, parents, parent_of)
    sizes = np.bincount(place[place >= 0], minlength=len(names))
    rim = rings_of(areas)
    sound = bool(shapely.is_valid(areas).all() and sizes.all() and (place >= 0).all())
    if sound and _cancels_within(rings, rim, place):
        return tuple(
            ParentProof(str(name), "exact", int(size), 0)
            for name, size in zip(names, sizes, strict=True)
        )
    edges, owner, _ = edges_of(rings)
    outer, parent, _ = edges_of(rim)
    known = place[owner] >= 0
    group = np.concatenate([place[owner][known], parent])
    left = residual(np.concatenate([edges[known], reverse(outer)]), group)
    of = group[left.members[left.runs[:-1]]]
    bad = np.bincount(of, minlength=len(names))
    proofs = []
    for k, name in enumerate(names):
        verdict: Verdict = "exact"
        if bad[k]:
            mine = np.flatnonzero(of == k)
            verdict = _verdict(residual(np.repeat(left.edges[mine], left.count[mine], axis=0)))
        if not shapely.is_valid(areas[k]) or sizes[k] == 0:
            verdict = "failed"
        proofs.append(ParentProof(str(name), verdict, int(sizes[k]), int(bad[k])))
    return tuple(proofs)


Pairs = tuple[Rows, Rows]


@dataclass(frozen=True)
class Split:
    """Leftover edges after they were split where other leftovers touch them exactly.

    Attributes
    ----------
    pieces : ndarray of float, shape (n, 4)
        All leftover edges, split.
    piece_of : ndarray of int
        The leftover edge that each piece is part of.
    left : Leftover
        What is left when the pieces cancel; members are positions in `pieces`.
    vertices : ndarray of float, shape (m, 2)
        Vertices that split an edge.
    edge : ndarray of int
        The leftover edge that each of them splits.
    beside : tuple of two ndarrays of int
        Pairs of edges of `left` that come near each other.
    """

    pieces: Floats
    piece_of: Ints
    left: Leftover
    vertices: Floats
    edge: Ints
    beside: Pairs

    @cached_property
    def junctions(self) -> Ints:
        """Positions of splitting vertices beside which a piece of the edge found its match."""
        matched = np.ones(len(self.pieces), dtype=bool)
        matched[self.left.members] = False
        good = self.pieces[matched]
        whose = self.piece_of[matched].astype(np.float64)
        ends = np.concatenate([good[:, :2], good[:, 2:]])
        beside = np.column_stack([np.concatenate([whose, whose]), ends])
        wanted = np.column_stack([self.edge.astype(np.float64), self.vertices])
        return np.flatnonzero(np.isin(rows_of(wanted), rows_of(beside)))


def split(left: Leftover) -> Split:
    """Split leftover edges at leftover vertices that lie exactly on them, and cancel again.

    What vanishes was only a difference in vertices, not in area.
    """
    beside = _near_pairs(left.edges)
    vertices, edge = _vertices_on_edges(left.edges, *beside)
    if len(edge) == 0:
        own = np.arange(len(left) + 1)
        rest = replace(left, members=own[:-1], runs=own)
        return Split(left.edges, own[:-1], rest, vertices, edge, beside)
    pieces, piece_of = _cut(left.edges, vertices, edge)
    rest = residual(pieces, weight=left.count[piece_of])
    return Split(pieces, piece_of, rest, vertices, edge, _near_pairs(rest.edges))


def surely_open(left: Leftover, samples: int = 16) -> bool:
    """Tell, from a few leftover edges, that they cannot all be T-junctions.

    An edge that no other leftover edge runs along can never cancel, however it is split.
    """
    edges = left.edges
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    for k in np.linspace(0, len(edges) - 1, min(samples, len(edges))).astype(np.int64):
        near = ((low <= high[k]) & (high >= low[k])).all(axis=1)
        near[k] = False
        others = edges[near]
        ax, ay, bx, by = edges[k]
        a = orientation(ax, ay, bx, by, others[:, 0], others[:, 1])
        b = orientation(ax, ay, bx, by, others[:, 2], others[:, 3])
        if not ((a == 0) & (b == 0)).any():
            return True
    return False


def rows_of(table: Floats) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return the rows of a table as one value each, for comparing sets of them."""
    table = np.ascontiguousarray(table + 0.0)
    return table.view(np.dtype((np.void, table.itemsize * table.shape[1]))).ravel()


def _near_pairs(edges: Floats) -> Pairs:
    """Return each pair of edges once whose boxes come near each other."""
    near = 8 * np.spacing(np.abs(edges).max(initial=0.0))  # twice what tells a shape from a line
    low, high = np.minimum(edges[:, :2], edges[:, 2:]), np.maximum(edges[:, :2], edges[:, 2:])
    diagonals = segments(np.hstack([low - near, high + near]))
    one, two = shapely.STRtree(diagonals).query(diagonals)
    once = one < two
    return one[once], two[once]


def _vertices_on_edges(edges: Floats, one: Rows, two: Rows) -> tuple[Floats, Ints]:
    """Return vertices of the edges that lie inside one of the edges, and which.

    Edges that do not cancel form closed chains: each end is the start of another.
    """
    at, edge = np.concatenate([one, two]), np.concatenate([two, one])
    px, py = edges[at, 0], edges[at, 1]
    ax, ay, bx, by = edges[edge].T
    inside = ~(((px == ax) & (py == ay)) | ((px == bx) & (py == by)))
    inside &= (np.minimum(ax, bx) <= px) & (px <= np.maximum(ax, bx))
    inside &= (np.minimum(ay, by) <= py) & (py <= np.maximum(ay, by))
    at, edge = at[inside], edge[inside]
    ax, ay, bx, by = edges[edge].T
    on = orientation(ax, ay, bx, by, *edges[at, :2].T) == 0
    found = np.unique(np.column_stack([edges[at[on], :2], edge[on]]), axis=0)
    return found[:, :2], found[:, 2].astype(np.int64)


def _cut(edges: Floats, vertices: Floats, edge: Ints) -> tuple[Floats, Ints]:
    """Cut each edge at its vertices, in order along it."""
    count = len(edges)
    everything = np.concatenate([edges[:, :2], vertices, edges[:, 2:]])
    whose = np.concatenate([np.arange(count), edge, np.arange(count)])
    along = np.abs(everything - edges[whose, :2]).sum(axis=1)
    rank = np.repeat([0, 1, 2], [count, len(vertices), count])
    order = np.lexsort((along, rank, whose))
    chain, whose = everything[order], whose[order]
    inner = whose[1:] == whose[:-1]
    pieces = np.hstack([chain[:-1][inner], chain[1:][inner]])
    return pieces, whose[:-1][inner].astype(np.int64)
