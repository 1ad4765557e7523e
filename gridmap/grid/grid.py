"""The Grid: cells that are proved to tile their boundary, and can be relied on.

The class comes first, then its door: what is asked of cells before they are trusted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, get_args

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, Geometries, geometries, row_of, valid_polygons
from gridmap._checks import (
    Bands,
    as_seen,
    at_the_door,
    check_choice,
    check_crs,
    check_same_crs,
    defined,
    label,
    whole_counts,
)
from gridmap.codes import name_in
from gridmap.coverage.prove import areas_m2, boundary_of
from gridmap.crs.project import reproject
from gridmap.errors import CoverageError, InputError
from gridmap.html import FILLS, card
from gridmap.language import Lang, Message

if TYPE_CHECKING:
    import networkx as nx
    import pyproj

    from gridmap._arrays import Ints
    from gridmap.contiguity import Contacts
    from gridmap.coverage.prove import Proof
    from gridmap.grid.locator import Locator


EXCEPTION_COLUMNS = ["parent", "code", "households", "reason", "certificate", "options", "approved"]
NAMES = ("name", "compound", "address")
BUILDING_COLUMNS = (*NAMES, "households")
RETIRED_COLUMNS = ["code", "valid_from", "valid_to", "reason"]


class Why(TypedDict):
    """What shaped a cell."""

    code: str
    name: str
    parent: str
    former_parent: str | None
    kind: str
    households: int
    band: tuple[int, int]
    in_band: bool
    units: int
    neighbours: dict[str, float]
    exception: dict[str, object] | None


class Unread(Protocol):
    """The units and buildings of a grid that was read without them."""

    def whole(self) -> tuple[gpd.GeoDataFrame | None, gpd.GeoDataFrame | None]:
        """Read both."""

    def named(self, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Read some columns of both, where one of them is not blank."""


def middles(shapes: Geometries) -> tuple[Floats, Floats]:
    """Return the coordinates of a point on each shape, NaN where there is nothing."""
    points = geometries(shapely.point_on_surface(shapes))
    points[shapely.is_empty(points)] = None
    return shapely.get_x(points), shapely.get_y(points)


def anchored(shapes: Geometries, pieces: Geometries, owner: Ints) -> Floats:
    """Return a point of each shape, of a polygon in the piece that holds half of it or more."""
    xy = np.column_stack(middles(shapes))
    tree = shapely.STRtree(pieces)
    wide = np.flatnonzero(shapely.get_dimensions(shapes) == 2)
    wide = np.delete(wide, tree.query(shapes[wide], predicate="covered_by")[0])
    shape, piece = tree.query(shapes[wide], predicate="intersects")
    part = shapely.intersection(shapes[wide[shape]], pieces[piece])
    area = shapely.area(part)
    order = np.lexsort((-owner[piece], area, shape))
    order = order[(area >= shapely.area(shapes[wide[shape]]) / 2)[order]]
    xy[wide[shape[order]]] = shapely.get_coordinates(shapely.point_on_surface(part[order]))
    return xy  # the largest part was written last


def places_in(grid: Grid, buildings: gpd.GeoDataFrame) -> Floats:
    """Return where each building counts: in it, and in the jurisdiction that holds most of it."""
    shapes, _ = valid_polygons(geometries(reproject(buildings, grid.crs).geometry))
    return anchored(shapes, *shapely.get_parts(grid.jurisdictions.geometry, return_index=True))


OWN = frozenset({"area_m2", "code", "geometry", "households", "kind", "name", "parent"})
"""Columns of every cell, which no level may be called."""


class Grid:
    """Cells that tile their boundary exactly: built proved, or not at all.

    Parameters
    ----------
    cells : GeoDataFrame
        One row a cell, indexed by its code (or with a column ``code``). Columns ``name``,
        ``kind`` ("residential", "dedicated", or "vacant" where nobody lives),
        ``households`` and ``parent`` (code of the jurisdiction) are filled in when missing.
    boundary : Polygon, MultiPolygon or GeoSeries
        The outline that the cells must fill, in the CRS of the cells.
    levels : sequence of str
        Columns of the hierarchy, coarse to fine.
    jurisdictions : GeoDataFrame, optional
        The finest jurisdictions, indexed by code, with the level columns. Each is proved to be
        tiled by its own cells. Without it the boundary is the one jurisdiction.
    units : GeoDataFrame, optional
        What the cells are made of, with a column ``code``.
    exceptions : DataFrame, optional
        Cells outside the band that are certified or approved, with the reason.
    retired : DataFrame, optional
        Codes that are never given again, with the days ``valid_from`` and ``valid_to``.
    parameters : mapping, optional
        What the grid was made with: ``min``, ``max``, ``seed`` and so on.
    buildings : GeoDataFrame, optional
        What the households were counted by, so that they can be counted again where a unit is
        cut; see `with_buildings`.

    Raises
    ------
    CoverageError
        When the cells do not tile the boundary, or a jurisdiction; ``.defects`` shows where.
    InputError
        When codes repeat, or a cell names a jurisdiction or a level that is not there.

    Examples
    --------
    >>> squares = gpd.GeoDataFrame(
    ...     {"code": ["A1", "A2"], "households": [310, 420]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> Grid(squares, squares.union_all("coverage"))
    <Grid of 2 cells in 1 jurisdiction, 310-420 households each, EPSG:4547>
    """

    @at_the_door
    def __init__(
        self,
        cells: gpd.GeoDataFrame,
        boundary: shapely.Geometry | gpd.GeoSeries | gpd.GeoDataFrame,
        levels: Sequence[str] = (),
        *,
        jurisdictions: gpd.GeoDataFrame | None = None,
        units: gpd.GeoDataFrame | None = None,
        exceptions: pd.DataFrame | None = None,
        retired: pd.DataFrame | None = None,
        parameters: Mapping[str, object] | None = None,
        buildings: gpd.GeoDataFrame | None = None,
    ) -> None:
        check_crs("cells", cells)
        self._levels = (levels,) if isinstance(levels, str) else tuple(levels)
        if taken := sorted(OWN.intersection(self._levels)):
            raise InputError(
                "A level cannot be {taken!r}, which is a column of every cell. Rename it.",
                taken=taken[0],
            )
        self._boundary = one_geometry(boundary, cells)
        self._jurisdictions = jurisdictions_of(jurisdictions, self._boundary, cells, self._levels)
        self._cells = labelled(cells, self._jurisdictions, self._levels)
        self._units = units
        self._exceptions = table_of(exceptions, EXCEPTION_COLUMNS)
        self._retired = table_of(retired, RETIRED_COLUMNS)
        self._parameters: dict[str, Any] = dict(parameters or {})
        self._buildings = buildings
        self._unread: Unread | None = None
        self._proof = proved(self._cells, self._boundary, self._jurisdictions)

    @property
    def cells(self) -> gpd.GeoDataFrame:
        """One row a cell, indexed by ``code``; a copy on write."""
        return self._cells.copy(deep=False)

    @property
    def boundary(self) -> shapely.Geometry:
        """The outline that the cells fill."""
        return self._boundary

    @property
    def jurisdictions(self) -> gpd.GeoDataFrame:
        """The finest jurisdictions, indexed by ``parent`` code; no cell crosses one."""
        return self._jurisdictions.copy(deep=False)

    @property
    def units(self) -> gpd.GeoDataFrame:
        """What each cell is made of; the cells themselves where no units are known."""
        self._read_on()
        if self._units is None:
            return self._cells.reset_index()[["parent", "households", "kind", "geometry", "code"]]
        return self._units.copy(deep=False)

    @property
    def buildings(self) -> gpd.GeoDataFrame | None:
        """What the households were counted by, None where that is not known."""
        self._read_on()
        return None if self._buildings is None else self._buildings.copy(deep=False)

    def _read_on(self) -> None:
        """Read units and buildings, where the grid was read without."""
        if self._unread is not None:
            self._units, self._buildings = self._unread.whole()
            self._unread = None

    def named(self) -> Iterator[pd.DataFrame]:
        """Yield the units, and the buildings, that have a name, a compound or an address.

        Only those columns, as far as there are such, and a place on each, ``x`` and ``y``.
        """
        if self._unread is not None:
            yield from self._unread.named(NAMES)
            return
        for frame in (self._units, self._buildings):
            names = [] if frame is None else [name for name in NAMES if name in frame]
            if frame is not None and names:
                rows = (frame[names].fillna("") != "").any(axis=1)
                x, y = middles(frame.geometry.to_numpy()[rows])
                yield frame.loc[rows, names].assign(x=x, y=y)

    def with_buildings(self, buildings: gpd.GeoDataFrame) -> Grid:
        """Return the same grid, which also keeps the buildings its households were counted by.

        Parameters
        ----------
        buildings : GeoDataFrame
            Points or footprints with ``households``; of other columns only ``name``, ``compound``
            and ``address`` are kept, and of rows those that lie in the boundary.
        """
        check_crs("buildings", buildings)
        whole_counts("buildings", buildings)
        frame = reproject(buildings, self.crs)
        shapely.prepare(self._boundary)
        inside = shapely.intersects_xy(self._boundary, places_in(self, frame))
        columns = [name for name in BUILDING_COLUMNS if name in frame]
        self._read_on()
        same = copy(self)
        kept = frame.loc[inside, columns].set_geometry(frame.geometry[inside])
        same._buildings = kept.reset_index(drop=True)
        return same

    @property
    def exceptions(self) -> pd.DataFrame:
        """Cells outside the band, with the reason and whether it was approved."""
        return self._exceptions.copy(deep=False)

    def in_language(self, lang: Lang) -> Grid:
        """Return the same grid with automatic names of cells and reasons in one language.

        Names that people gave stay, and so does the content hash: it is the same grid.
        """
        check_choice("lang", lang, get_args(Lang))
        said = copy(self)
        said.__dict__ |= {"content_hash": self.content_hash, "locator": self.locator}
        owner = self._cells[self._levels[-1]] if self._levels else self._cells["parent"]
        columns = (self._cells.index, self._cells["parent"], owner, self._cells["name"])
        names = [name_in(lang, *map(str, row)) for row in zip(*columns, strict=True)]
        said._cells = self._cells.assign(name=names)
        said._exceptions = _worded(self._exceptions, lang)
        return said

    @property
    def retired(self) -> pd.DataFrame:
        """Codes that are never given again, and the days between which they were valid."""
        return self._retired.copy(deep=False)

    @property
    def parameters(self) -> dict[str, object]:
        """What the grid was made with."""
        return dict(self._parameters)

    @property
    def former_parents(self) -> dict[str, str]:
        """Cells that keep the code of a former jurisdiction, and which that was."""
        known = self._parameters.get("former_parents", {})
        return {code: parent for code, parent in known.items() if code in self._cells.index}

    @property
    def levels(self) -> tuple[str, ...]:
        """Columns of the hierarchy, coarse to fine."""
        return self._levels

    @property
    def crs(self) -> pyproj.CRS:
        """The coordinate reference system of every geometry."""
        return check_crs("cells", self._cells)

    @property
    def band(self) -> tuple[int, int]:
        """Least and most households of a residential cell, of any where `bands` differ."""
        return self.bands.low, self.bands.high

    @property
    def bands(self) -> Bands:
        """The band of each jurisdiction, where they differ; else that of all."""
        return Bands.kept(self._parameters)

    @property
    def in_band(self) -> pd.Series:
        """Whether the households of each cell, by code, are in the band of its jurisdiction."""
        return self.bands.hold(self._cells["households"], self._cells["parent"])

    @property
    def target(self) -> float | None:
        """Households that a residential cell was to have, None where none were named."""
        told = self._parameters.get("target")
        return None if told is None else float(told)

    @property
    def proof(self) -> Proof:
        """Why the cells are known to tile the boundary, for others to check."""
        return self._proof

    @cached_property
    def contiguity(self) -> nx.Graph[str]:
        """Frozen graph of the cells that share a line, with its ``length`` in metres."""
        import networkx as nx

        from gridmap.contiguity import graph_of

        found = graph_of(self._contacts, list(self._cells.index))
        nx.freeze(found)
        return found

    @cached_property
    def touching(self) -> tuple[Ints, Ints]:
        """Positions of each two cells that share a line, the lower ones first and in order."""
        long = self._contacts.neighbours
        return self._contacts.i[long], self._contacts.j[long]

    @cached_property
    def _contacts(self) -> Contacts:
        from gridmap.contiguity import contacts

        return contacts(geometries(self._cells.geometry))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of geometry, codes and attributes in canonical order."""
        return content_of(label(self.crs), self._cells, self._jurisdictions)

    @cached_property
    def locator(self) -> Locator:
        """What places points in the cells: few by a tree, many by an index."""
        from gridmap.grid.locator import Locator

        return Locator(
            self._cells.geometry.to_numpy(), self._cells.index.to_numpy(dtype=object), self.crs
        )

    def to_geopandas(self) -> gpd.GeoDataFrame:
        """Return the cells with their code as a column, for libraries that know frames.

        Examples
        --------
        >>> box = shapely.box(0, 0, 5, 5)
        >>> square = gpd.GeoDataFrame({"code": ["A1"]}, geometry=[box], crs=4547)
        >>> list(Grid(square, box).to_geopandas()["code"])
        ['A1']
        """
        return self._cells.reset_index()

    @property
    def __geo_interface__(self) -> dict[str, Any]:
        """The cells as GeoJSON features in the grid's own CRS, which is named."""
        features: dict[str, Any] = dict(self.to_geopandas().__geo_interface__)
        name = {"type": "name", "properties": {"name": label(self.crs)}}
        return {**features, "crs": name}

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Stream the cells as Arrow, the geometry as GeoArrow WKB with its CRS."""
        return self.to_geopandas().to_arrow(index=False).__arrow_c_stream__(requested_schema)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is worked out anew when it is asked for."""
        worked_out = ("contiguity", "content_hash", "locator")
        return {key: value for key, value in vars(self).items() if key not in worked_out}

    def locate(self, x: float, y: float) -> str | None:
        """Return the code of the cell that answers for a point, None outside.

        Parameters
        ----------
        x, y : float
            Coordinates in the grid's CRS. A point on a shared edge goes east, on a horizontal
            one north. Many points are placed much faster by `assign`.
        """
        number = int(self.locator.relate(np.array([x], float), np.array([y], float))[0][0])
        return str(self._cells.index[number - 1]) if number else None

    def at(self, level: str) -> gpd.GeoDataFrame:
        """Return the areas of one level, with their cells, households and square metres.

        Parameters
        ----------
        level : str
            One of `levels`.

        Raises
        ------
        InputError
            When the grid has no such level.
        """
        check_level(level, self._levels)
        path = list(self._levels[: self._levels.index(level) + 1])
        groups = self._cells.groupby(path, sort=True)
        table = groups.agg(
            cells=("kind", "size"), households=("households", "sum"), area_m2=("area_m2", "sum")
        ).reset_index()
        geometry = [
            shapely.coverage_union_all(self._cells.geometry.to_numpy()[rows])
            for rows in groups.indices.values()
        ]
        named = table[level].is_unique
        table.index = pd.Index(
            table[level] if named else table[path].astype(str).agg("/".join, axis=1), name="area"
        )
        return gpd.GeoDataFrame(table, geometry=geometry, crs=self.crs)

    def why(self, code: str) -> Why:
        """Tell what shaped a cell: its band, neighbours, units and exception.

        Raises
        ------
        InputError
            When no cell has the code.
        """
        if code not in self._cells.index:
            raise InputError("No cell has the code {code!r}.", code=code)
        cell = row_of(self._cells, code)
        low, high = self.bands.of(str(cell["parent"]))
        units = self.units
        listed = self._exceptions[self._exceptions["code"] == code]
        return {
            "code": code,
            "name": cell["name"],
            "parent": cell["parent"],
            "former_parent": self.former_parents.get(code),
            "kind": cell["kind"],
            "households": int(cell["households"]),
            "band": (low, high),
            "in_band": bool(low <= cell["households"] <= high),
            "units": int((units["code"] == code).sum()),
            "neighbours": {
                other: round(float(data["length"]), 1)
                for other, data in sorted(self.contiguity[code].items())
            },
            "exception": None if listed.empty else _exception(listed.iloc[0]),
        }

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self._cells)

    def __repr__(self) -> str:
        """Say how many cells there are, of what size, and where."""
        homes = self._cells.loc[self._cells["kind"] == "residential", "households"]
        low, high = (homes.min(), homes.max()) if len(homes) else (0, 0)
        each = f"{low}" if low == high else f"{low}-{high}"
        span = f"{each} households each" if len(homes) else "no households"
        cells, places = (
            _counted(len(self), "cell"),
            _counted(len(self._jurisdictions), "jurisdiction"),
        )
        return f"<Grid of {cells} in {places}, {span}, {label(self.crs)}>"

    def _repr_html_(self) -> str:
        """Draw the cells beside the facts, for Jupyter."""
        lived = self._cells["kind"] == "residential"
        rows = {
            "cells": f"{len(self):,}",
            "jurisdictions": f"{len(self._jurisdictions):,}",
            "levels": " > ".join(self._levels) or "one",
            "households": f"{int(self._cells['households'].sum()):,}",
            f"in {self.bands}": f"{int(self.in_band[lived].sum()):,} of {int(lived.sum()):,}",
            "exceptions": f"{len(self._exceptions):,}",
            "proof": f"{self._proof.verdict}, {self._proof.coverage_hash[:12]}",
            "CRS": label(self.crs),
        }
        return card(self._cells, self._cells["kind"].map(FILLS).tolist(), rows)


def _worded(exceptions: pd.DataFrame, lang: Lang) -> pd.DataFrame:
    """Return exceptions with what `said` keeps of their reasons and options put into words."""
    if "said" not in exceptions:
        return exceptions
    table = exceptions.copy()
    for k, said in enumerate(exceptions["said"]):
        if isinstance(said, Mapping):
            table.loc[k, "reason"] = Message.of(said["reason"]).text(lang)
            options = [Message.of(option).text(lang) for option in said["options"]]
            table.loc[k, "options"] = "\n".join(options)
    return table


def content_of(crs: str, cells: gpd.GeoDataFrame, jurisdictions: gpd.GeoDataFrame) -> str:
    """Return the SHA-256 of geometry, codes and attributes in canonical order.

    Parameters
    ----------
    crs : str
        The short name of the CRS; what it is stands in the hash as well.
    cells, jurisdictions : GeoDataFrame
        Indexed by code and by parent.
    """
    digest = hashlib.sha256(f"{crs}\n{defined(cells.crs)}".encode())
    for name, frame in (("cells", cells), ("jurisdictions", jurisdictions)):
        ordered = frame.sort_index()
        digest.update(name.encode())
        with np.errstate(invalid="ignore"):  # NaN in a damaged file
            shapes = shapely.normalize(ordered.geometry.to_numpy())
        digest.update(b"".join(shapely.to_wkb(shapes)))
        table = ordered.drop(columns=ordered.geometry.name).reset_index()
        digest.update(table.to_csv(index=False, lineterminator="\n").encode())
    return digest.hexdigest()


def _exception(row: pd.Series) -> dict[str, object]:
    """Return an exception with its options as a list; the table has one a line."""
    return {
        **{str(name): value for name, value in row.items() if name != "said"},
        "options": [line for line in str(row["options"]).split("\n") if line],
    }


def _counted(number: int, noun: str) -> str:
    """Return how many there are of a noun."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def check_cells(grid: Grid, codes: Iterable[str]) -> None:
    """Refuse codes that are of no cell."""
    for code in codes:
        if code not in grid.cells.index:
            raise InputError("The grid has no cell {code!r}; see `cells` of the grid.", code=code)


def check_level(level: str, levels: Sequence[str]) -> None:
    """Refuse a level that a grid does not have."""
    if level not in levels:
        raise InputError(
            "`level` is {level!r}; the grid has {levels}.",
            level=level,
            levels=[*levels] or Message("no levels"),
        )


def one_geometry(boundary: object, cells: gpd.GeoDataFrame) -> shapely.Geometry:
    if isinstance(boundary, gpd.GeoDataFrame | gpd.GeoSeries):
        check_same_crs("cells", cells, "boundary", boundary)
    outline = boundary_of(boundary)
    if outline is None:
        raise InputError(
            "`boundary` is empty; without one nothing can be proved. Hand in the outline."
        )
    return shapely.force_2d(outline) if shapely.has_m(outline) else outline


def unmeasured(shapes: Geometries) -> Geometries:
    """Return shapes without measures (M), which files do not bring back."""
    measured = shapely.has_m(shapes)
    return np.where(measured, shapely.force_2d(shapes), shapes) if measured.any() else shapes


def jurisdictions_of(
    frame: gpd.GeoDataFrame | None,
    boundary: shapely.Geometry,
    cells: gpd.GeoDataFrame,
    levels: tuple[str, ...],
) -> gpd.GeoDataFrame:
    if frame is None:
        parent = str(cells["parent"].iloc[0]) if "parent" in cells and len(cells) else ""
        table: dict[str, list[Any]] = {level: [cells[level].iloc[0]] for level in levels}
        index = pd.Index([parent], name="parent")
        return gpd.GeoDataFrame(table, index=index, geometry=[boundary], crs=cells.crs)
    check_same_crs("cells", cells, "jurisdictions", frame)
    frame = frame.set_geometry(unmeasured(frame.geometry.to_numpy()), crs=frame.crs)
    frame.index = pd.Index(frame.index.astype(str), name="parent")
    if not frame.index.is_unique:
        raise InputError(
            "`jurisdictions` repeat the code {index}; each stands once.",
            index=_repeated(frame.index),
        )
    return frame


def labelled(
    cells: gpd.GeoDataFrame, jurisdictions: gpd.GeoDataFrame, levels: tuple[str, ...]
) -> gpd.GeoDataFrame:
    """Return the cells with every column a Grid promises, in one order."""
    frame = _coded(cells)
    frame["parent"] = _parents(frame, jurisdictions)
    for level in levels:
        wanted = jurisdictions[level].reindex(frame["parent"]).to_numpy()
        differs = frame[level].to_numpy() != wanted if level in frame else np.zeros(len(frame))
        if differs.any():
            culprit = frame.index[differs.astype(bool)][0]
            raise InputError(
                "Cell {culprit} crosses `{level}`: its jurisdiction says otherwise.",
                culprit=culprit,
                level=level,
            )
        frame[level] = wanted
    frame["name"] = frame.get("name", pd.Series(frame.index, frame.index))
    frame["kind"] = frame.get("kind", pd.Series("residential", frame.index))
    frame["households"] = _households(frame)
    frame["area_m2"] = areas_m2(frame.geometry.to_numpy(), frame.crs)
    frame = _stored(frame)
    first = ["name", "kind", "households", "area_m2", "parent", *levels]
    rest = [column for column in frame if column not in {*first, "geometry"}]
    return frame[[*dict.fromkeys(first), *rest, "geometry"]]


def _stored(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return attributes as a file gives them back, so that a grid read again has its hash."""
    fresh: dict[str, Any] = {}
    for name in frame.columns[frame.columns != frame.geometry.name]:
        values = frame[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype(values.cat.categories.dtype)
        if values.dtype.kind in "mM":
            fresh[name] = values.dt.as_unit("ms")
        elif values.dtype == "boolean":
            fresh[name] = values.astype(object if values.hasnans else bool)
        elif pd.api.types.is_numeric_dtype(values) and not isinstance(values.dtype, np.dtype):
            fresh[name] = values.astype(float) if values.hasnans else values.to_numpy()
        elif values.dtype.kind == "f":
            fresh[name] = values + 0.0  # -0.0 comes back as 0.0
        elif values.dtype == object:
            fresh[name] = pd.Series([_plain(v) for v in values], values.index, dtype=object)
    return frame.assign(**fresh)


def _plain(value: object) -> object:
    """Return lists for other collections, and dictionaries in order."""
    if isinstance(value, dict):
        return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(_plain, value), key=str)
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _coded(cells: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    frame = cells.copy()
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    if "code" in frame:
        frame = frame.set_index("code")
    frame["geometry"] = unmeasured(frame.geometry.to_numpy())
    seen = pd.Index([as_seen(code) for code in frame.index])
    bare = frame.index.isna() | (seen == "")
    if bare.any():
        raise InputError(
            "{bare:,} of {frame:,} {frame:cell|cells} {bare:has|have} no code, the first "
            "at position {argmax}. Give each a code of its own.",
            bare=bare.sum(),
            frame=len(frame),
            argmax=bare.argmax(),
        )
    frame.index = pd.Index(frame.index.astype(str).str.strip(), name="code")
    if not seen.is_unique:
        raise InputError(
            "The code {index} stands twice; codes must be unique.", index=_repeated(seen)
        )
    return frame


def _parents(frame: gpd.GeoDataFrame, jurisdictions: gpd.GeoDataFrame) -> pd.Series:
    if "parent" not in frame:
        if len(jurisdictions) > 1:
            raise InputError("`cells` has no column `parent` that names each one's jurisdiction.")
        return pd.Series(jurisdictions.index[0], frame.index)
    parents = frame["parent"].astype(str)
    unknown = ~parents.isin(jurisdictions.index)
    if unknown.any():
        raise InputError(
            "Cell {index} {index:name|names} the jurisdiction {parents!r}, which is not "
            "among `jurisdictions`.",
            index=frame.index[unknown][0],
            parents=parents[unknown].iloc[0],
        )
    return parents


def _households(frame: gpd.GeoDataFrame) -> Ints:
    """Return whole counts, 0 where the cells bring none, so that no exposure is made up."""
    if "households" not in frame:
        return np.zeros(len(frame), dtype=np.int64)
    return whole_counts("cells", frame)


def proved(
    cells: gpd.GeoDataFrame, boundary: shapely.Geometry, jurisdictions: gpd.GeoDataFrame
) -> Proof:
    from gridmap.coverage.prove import prove

    proof = prove(cells, boundary, parents=jurisdictions.geometry)
    if proof.verdict == "exact":
        return proof
    from gridmap.coverage.report import counted
    from gridmap.coverage.validate import validate

    defects = validate(cells, boundary, parents=jurisdictions)
    raise CoverageError(
        "The cells do not tile their boundary exactly: {found}. See `.defects`, or "
        "mend them first: `repair`.",
        found=counted(defects),
        defects=defects,
    )


def table_of(frame: pd.DataFrame | None, columns: list[str]) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    lacking = [column for column in columns if column not in frame]
    return frame.reset_index(drop=True).reindex(columns=[*frame.columns, *lacking])


def _repeated(index: pd.Index) -> str:
    return repr(index[index.duplicated()][0])
