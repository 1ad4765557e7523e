"""The Grid: cells that are proved to tile their boundary, and can be relied on."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_crs, check_same_crs, label
from gridmap.errors import CoverageError, InputError

if TYPE_CHECKING:
    import networkx as nx

    from gridmap.coverage import Proof

EXCEPTION_COLUMNS = ["parent", "code", "households", "reason", "certificate", "options", "approved"]
RETIRED_COLUMNS = ["code", "since", "reason"]


class Grid:
    """Cells that tile their boundary exactly: built proved, or not at all.

    Parameters
    ----------
    cells : GeoDataFrame
        One row a cell, indexed by its code (or with a column ``code``). Columns ``name``,
        ``kind`` ("residential" or "dedicated"), ``households`` and ``parent`` (code of the
        jurisdiction) are filled in when they are missing.
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
        Codes that are never given again.
    parameters : mapping, optional
        What the grid was made with: ``min``, ``max``, ``seed`` and so on.

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
    >>> Grid(squares, shapely.box(0, 0, 10, 5))
    <Grid of 2 cells in 1 jurisdiction, 310-420 households each, EPSG:4547>
    """

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
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        check_crs("cells", cells)
        self._levels = tuple(levels)
        self._boundary = _one_geometry(boundary, cells)
        self._jurisdictions = _jurisdictions(jurisdictions, self._boundary, cells, self._levels)
        self._cells = _label(cells, self._jurisdictions, self._levels)
        self._units = units
        self._exceptions = _table(exceptions, EXCEPTION_COLUMNS)
        self._retired = _table(retired, RETIRED_COLUMNS)
        self._parameters = dict(parameters or {})
        self._proof = _proved(self._cells, self._boundary, self._jurisdictions)

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
        if self._units is None:
            return self._cells.reset_index()[["parent", "households", "kind", "geometry", "code"]]
        return self._units.copy(deep=False)

    @property
    def exceptions(self) -> pd.DataFrame:
        """Cells outside the band, with the reason and whether it was approved."""
        return self._exceptions.copy(deep=False)

    @property
    def retired(self) -> pd.DataFrame:
        """Codes that are never given again."""
        return self._retired.copy(deep=False)

    @property
    def parameters(self) -> dict[str, Any]:
        """What the grid was made with."""
        return dict(self._parameters)

    @property
    def levels(self) -> tuple[str, ...]:
        """Columns of the hierarchy, coarse to fine."""
        return self._levels

    @property
    def crs(self) -> Any:
        """The coordinate reference system of every geometry."""
        return self._cells.crs

    @property
    def band(self) -> tuple[int, int]:
        """Least and most households of a residential cell."""
        return int(self._parameters.get("min", 300)), int(self._parameters.get("max", 600))

    @property
    def proof(self) -> Proof:
        """Why the cells are known to tile the boundary, for others to check."""
        return self._proof

    @cached_property
    def contiguity(self) -> nx.Graph:
        """Frozen graph of the cells that share a line, with its ``length`` in metres."""
        import networkx as nx

        from gridmap.contiguity import graph

        return nx.freeze(graph(self._cells.geometry.to_numpy(), list(self._cells.index)))

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of geometry, codes and attributes in canonical order."""
        digest = hashlib.sha256(label(self.crs).encode())
        for name, frame in (("cells", self._cells), ("jurisdictions", self._jurisdictions)):
            ordered = frame.sort_index()
            digest.update(name.encode())
            digest.update(b"".join(shapely.to_wkb(shapely.normalize(ordered.geometry.to_numpy()))))
            table = ordered.drop(columns=ordered.geometry.name).reset_index()
            digest.update(table.to_csv(index=False, lineterminator="\n").encode())
        return digest.hexdigest()

    @cached_property
    def _index(self) -> Any:
        from gridmap.coverage.index import CoverageIndex

        return CoverageIndex(self._cells.geometry.to_numpy())

    def locate(self, x: float, y: float) -> str | None:
        """Return the code of the cell that answers for a point, None outside.

        Parameters
        ----------
        x, y : float
            Coordinates in the grid's CRS. A point on a shared edge goes east, on a horizontal
            one north.
        """
        number = int(self._index.locate(np.array([x], float), np.array([y], float))[0])
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
        if level not in self._levels:
            raise InputError(f"The grid has no level {level!r}; it has {', '.join(self._levels)}.")
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

    def why(self, code: str) -> dict[str, Any]:
        """Tell what shaped a cell: its band, neighbours, units and exception.

        Raises
        ------
        InputError
            When no cell has the code.
        """
        if code not in self._cells.index:
            raise InputError(f"No cell has the code {code!r}.")
        cell = self._cells.loc[code]
        low, high = self.band
        units = self.units
        listed = self._exceptions[self._exceptions["code"] == code]
        return {
            "code": code,
            "name": cell["name"],
            "parent": cell["parent"],
            "kind": cell["kind"],
            "households": int(cell["households"]),
            "band": (low, high),
            "in_band": bool(low <= cell["households"] <= high),
            "units": int((units["code"] == code).sum()),
            "neighbours": {
                other: round(float(data["length"]), 1)
                for other, data in sorted(self.contiguity[code].items())
            },
            "exception": None if listed.empty else listed.iloc[0].to_dict(),
        }

    def __len__(self) -> int:
        """Return the number of cells."""
        return len(self._cells)

    def __repr__(self) -> str:
        """Say how many cells there are, of what size, and where."""
        homes = self._cells.loc[self._cells["kind"] == "residential", "households"]
        span = f"{homes.min()}-{homes.max()} households each" if len(homes) else "no households"
        places = len(self._jurisdictions)
        noun = "jurisdiction" if places == 1 else "jurisdictions"
        return f"<Grid of {len(self):,} cells in {places:,} {noun}, {span}, {label(self.crs)}>"

    def _repr_html_(self) -> str:
        """Draw the cells beside the facts, for Jupyter."""
        low, high = self.band
        homes = self._cells.loc[self._cells["kind"] == "residential", "households"]
        rows = {
            "cells": f"{len(self):,}",
            "jurisdictions": f"{len(self._jurisdictions):,}",
            "levels": " > ".join(self._levels) or "one",
            "households": f"{int(self._cells['households'].sum()):,}",
            f"in {low}-{high}": f"{int(homes.between(low, high).sum()):,} of {len(homes):,}",
            "exceptions": f"{len(self._exceptions):,}",
            "proof": f"{self._proof.verdict}, {self._proof.coverage_hash[:12]}",
            "CRS": label(self.crs),
        }
        facts = "".join(
            f"<tr><th style='text-align:left'>{html.escape(key)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for key, value in rows.items()
        )
        return (
            "<div style='display:flex;gap:24px;align-items:center'>"
            f"{_thumbnail(self._cells)}<table>{facts}</table></div>"
        )


def adopt(
    cells: gpd.GeoDataFrame,
    boundary: shapely.Geometry | gpd.GeoSeries | gpd.GeoDataFrame,
    *,
    code: str | None = None,
    count: str | None = None,
    levels: Sequence[str] = (),
    households: tuple[int, int] = (300, 600),
) -> Grid:
    """Make a Grid of cells that somebody else drew.

    Parameters
    ----------
    cells : GeoDataFrame
        One row a cell.
    boundary : Polygon, MultiPolygon or GeoSeries
        The outline that the cells must fill.
    code, count : str, optional
        Columns of the code and of the households; without `code` the index is the code.
    levels : sequence of str
        Columns of the hierarchy, coarse to fine; the finest jurisdictions are then the unions
        of the cells that agree in them.
    households : (int, int)
        The band the grid is held against.

    Returns
    -------
    Grid

    Raises
    ------
    CoverageError
        When the cells do not tile the boundary exactly; ``.defects`` shows where.
    InputError
        When a column is missing or codes repeat.

    Examples
    --------
    >>> cells = gpd.GeoDataFrame({"id": ["a", "b"]},
    ...     geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547)
    >>> len(adopt(cells, shapely.box(0, 0, 10, 5), code="id"))
    2
    """
    frame = cells.copy()
    for name, column in (("code", code), ("count", count)):
        if column is not None and column not in frame:
            raise InputError(
                f"`{name}` names the column {column!r}, which the cells lack; "
                f"they have {', '.join(map(str, frame.columns))}."
            )
    for column in levels:
        if column not in frame:
            raise InputError(f"The cells have no level column {column!r}.")
    if code is not None:
        frame.index = pd.Index(frame[code].astype(str), name="code")
        frame = frame.drop(columns=code) if code not in levels else frame
    if count is not None:
        frame = frame.rename(columns={count: "households"})
    jurisdictions = None
    if levels:
        frame["parent"] = frame[list(levels)].astype(str).agg("/".join, axis=1)
        jurisdictions = _unions(frame, list(levels))
    low, high = households
    return Grid(
        frame,
        boundary,
        levels,
        jurisdictions=jurisdictions,
        parameters={"min": low, "max": high, "adopted": True},
    )


def _unions(cells: gpd.GeoDataFrame, levels: list[str]) -> gpd.GeoDataFrame:
    groups = cells.groupby("parent", sort=True)
    table = groups[levels].first()
    geometry = [
        shapely.coverage_union_all(cells.geometry.to_numpy()[rows])
        for rows in groups.indices.values()
    ]
    return gpd.GeoDataFrame(table, geometry=geometry, crs=cells.crs)


def _one_geometry(
    boundary: shapely.Geometry | gpd.GeoSeries | gpd.GeoDataFrame, cells: gpd.GeoDataFrame
) -> shapely.Geometry:
    if isinstance(boundary, gpd.GeoDataFrame | gpd.GeoSeries):
        check_same_crs("cells", cells, "boundary", boundary)
        boundary = shapely.coverage_union_all(boundary.geometry.to_numpy())
    if boundary is None or boundary.is_empty:
        raise InputError(
            "`boundary` is empty; without one nothing can be proved. Hand in the outline."
        )
    return boundary


def _jurisdictions(
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
    frame = frame.copy(deep=False)
    frame.index = pd.Index(frame.index.astype(str), name="parent")
    if not frame.index.is_unique:
        raise InputError(
            f"`jurisdictions` repeat the code {_repeated(frame.index)}; each stands once."
        )
    return frame


def _label(
    cells: gpd.GeoDataFrame, jurisdictions: gpd.GeoDataFrame, levels: tuple[str, ...]
) -> gpd.GeoDataFrame:
    """Return the cells with every column a Grid promises, in one order."""
    frame = cells.copy()
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    if "code" in frame:
        frame = frame.set_index("code")
    frame.index = pd.Index(frame.index.astype(str), name="code")
    if not frame.index.is_unique:
        raise InputError(f"The code {_repeated(frame.index)} stands twice; codes must be unique.")
    if "parent" not in frame:
        if len(jurisdictions) > 1:
            raise InputError("`cells` has no column `parent` that names each one's jurisdiction.")
        frame["parent"] = jurisdictions.index[0]
    frame["parent"] = frame["parent"].astype(str)
    unknown = ~frame["parent"].isin(jurisdictions.index)
    if unknown.any():
        raise InputError(
            f"Cell {frame.index[unknown][0]} names the jurisdiction "
            f"{frame['parent'][unknown].iloc[0]!r}, which is not among `jurisdictions`."
        )
    for level in levels:
        wanted = jurisdictions[level].reindex(frame["parent"]).to_numpy()
        if level in frame and not (frame[level].to_numpy() == wanted).all():
            culprit = frame.index[frame[level].to_numpy() != wanted][0]
            raise InputError(
                f"Cell {culprit} crosses level `{level}`: its jurisdiction says otherwise."
            )
        frame[level] = wanted
    if "name" not in frame:
        frame["name"] = frame.index
    if "kind" not in frame:
        frame["kind"] = "residential"
    if "households" not in frame:
        frame["households"] = 0
    frame["households"] = frame["households"].astype(np.int64)
    frame["area_m2"] = frame.geometry.area * _square_metres(frame.crs)
    first = ["name", "kind", "households", "area_m2", "parent", *levels]
    return frame[
        [*dict.fromkeys(first), *(c for c in frame if c not in {*first, "geometry"}), "geometry"]
    ]


def _square_metres(crs: Any) -> float:
    """Return square metres per square unit of a projected CRS, 1 for degrees."""
    return float(crs.axis_info[0].unit_conversion_factor) ** 2 if crs.is_projected else 1.0


def _proved(
    cells: gpd.GeoDataFrame, boundary: shapely.Geometry, jurisdictions: gpd.GeoDataFrame
) -> Proof:
    from gridmap.coverage import prove, validate

    proof = prove(
        cells.geometry,
        boundary,
        parents=jurisdictions.geometry,
        parent_of=jurisdictions.index.get_indexer(cells["parent"]),
    )
    if proof.verdict == "exact":
        return proof
    defects = validate(
        cells, boundary, parents=jurisdictions, parent_column="parent", households=None
    )
    kinds = defects["kind"].value_counts()
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or proof.verdict
    raise CoverageError(
        f"The cells do not tile their boundary exactly: {found}. "
        "See `.defects`, or mend them with `gridmap.repair` (--repair).",
        defects,
    )


def _table(frame: pd.DataFrame | None, columns: list[str]) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    return frame.reset_index(drop=True)


def _repeated(index: pd.Index) -> str:
    return repr(index[index.duplicated()][0])


def _thumbnail(cells: gpd.GeoDataFrame, side: int = 260) -> str:
    """Return a small SVG of the cells, coloured by kind."""
    x0, y0, x1, y1 = cells.total_bounds
    scale = side / max(x1 - x0, y1 - y0, 1e-9)
    tolerance = 0.7 / scale
    shapes = shapely.coverage_simplify(cells.geometry.to_numpy(), tolerance)
    paths = []
    for shape, kind in zip(shapes, cells["kind"], strict=True):
        rings = shapely.get_rings(shape)
        points = (
            np.round((shapely.get_coordinates(r) - (x0, y1)) * (scale, -scale), 1) for r in rings
        )
        path = "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in p) + "Z" for p in points)
        fill = "#dfe7ec" if kind == "residential" else "#f3e3c3"
        paths.append(f"<path d='{path}' fill='{fill}' stroke='#607d8b' stroke-width='.4'/>")
    width, height = (x1 - x0) * scale, (y1 - y0) * scale
    return (
        f"<svg width='{width:.0f}' height='{height:.0f}' viewBox='-1 -1 {width + 2:.1f} "
        f"{height + 2:.1f}' role='img' aria-label='the cells'>{''.join(paths)}</svg>"
    )
