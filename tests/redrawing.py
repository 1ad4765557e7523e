"""Cells drawn over at random, as the tools of a desktop GIS leave them, and what must hold then."""

from __future__ import annotations

import math
from collections.abc import Callable

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap.grid.grid import Grid


def as_multi(drawn: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Promote all to MultiPolygon, as a GeoPackage layer of QGIS has it."""
    multi = [shapely.multipolygons(shapely.get_parts(g)) for g in drawn.geometry]
    return drawn.set_geometry(gpd.GeoSeries(multi, index=drawn.index, crs=drawn.crs))


DRESSES: dict[str, Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame]] = {
    "multi": as_multi,
    "fid": lambda drawn: drawn.assign(fid=range(1, len(drawn) + 1)),
    "extra": lambda drawn: drawn.assign(备注="待议", SHAPE_Area=drawn.area, Shape_Leng=1.0),
    "degrees": lambda drawn: drawn.to_crs(4490),
    "noise": lambda drawn: drawn.to_crs(3857).to_crs(drawn.crs),
    "z": lambda drawn: drawn.set_geometry(shapely.force_3d(drawn.geometry, 0.0)),
    "turned": lambda drawn: drawn.set_geometry(drawn.geometry.reverse()),
    "shuffled": lambda drawn: drawn.sample(frac=1, random_state=0).reset_index(drop=True),
    "null code": lambda drawn: drawn.assign(
        code=drawn["code"].where(~drawn["code"].duplicated(), None)
    ),
}


def promises(old: Grid, new: Grid) -> None:
    """Hold what every home-coming must hold."""
    assert new.proof.verdict == "exact"
    assert new.cells["households"].sum() == old.cells["households"].sum()
    assert new.levels == old.levels and set(new.jurisdictions.index) == set(old.jurisdictions.index)
    assert set(old.retired["code"]) <= set(new.retired["code"])
    assert not set(new.retired["code"]) & set(new.cells.index)
    both = old.cells.index.intersection(new.cells.index)
    for column in ("name", "kind", "parent"):
        assert (old.cells.loc[both, column] == new.cells.loc[both, column]).all()
    assert new.units.groupby("code")["households"].sum().reindex(new.cells.index).tolist() == (
        new.cells["households"].tolist()
    )
    same = [
        code
        for code in both
        if shapely.equals_identical(old.cells.geometry[code], new.cells.geometry[code])
    ]
    kept = old.exceptions[old.exceptions["code"].isin(same)]
    assert set(kept["code"]) <= set(new.exceptions["code"])
    if old.buildings is not None:
        points = old.buildings.geometry.representative_point()
        at = [new.locate(p.x, p.y) for p in points]
        counted = old.buildings["households"].groupby(at).sum().reindex(new.cells.index)
        assert (counted.fillna(0) == new.cells["households"]).all()


def drawn_over(old: Grid, dice: np.random.Generator) -> tuple[list[str], str, gpd.GeoDataFrame]:
    """Return one to four edits of cells far from each other, how the file is dressed, and it."""
    drawn, used, edits = old.cells.reset_index(), set[str](), list[str]()
    for _ in range(int(dice.integers(1, 5))):
        edit = str(dice.choice(sorted(EDITS)))
        pair = _pair(old, dice, used)
        if pair is None:
            break
        drawn = EDITS[edit](drawn, *pair, dice)
        near = {code for one in pair for code in old.contiguity[one]}
        used |= near | {*pair}
        edits.append(edit)
    dress = str(dice.choice(sorted(DRESSES)))
    return edits, dress, DRESSES[dress](drawn)


def _pair(old: Grid, dice: np.random.Generator, used: set[str]) -> tuple[str, str] | None:
    """Return two residential neighbours of one jurisdiction that no edit has touched."""
    cells = old.cells
    free = {
        code
        for code in cells.index[cells["kind"] == "residential"].difference(sorted(used))
        if cells.geometry[code].geom_type == "Polygon"
    }
    pairs = sorted(
        (a, b)
        for a, b, shared in old.contiguity.edges(data="length")
        if {a, b} <= free and cells.at[a, "parent"] == cells.at[b, "parent"] and shared > 60
    )
    return pairs[int(dice.integers(len(pairs)))] if pairs else None


def _shape(drawn: gpd.GeoDataFrame, code: str) -> shapely.Geometry:
    return drawn.geometry[drawn["code"] == code].iloc[0]


def _with(drawn: gpd.GeoDataFrame, shapes: dict[str, shapely.Geometry]) -> gpd.GeoDataFrame:
    found = [
        shapes.get(code, shape) for code, shape in zip(drawn["code"], drawn.geometry, strict=True)
    ]
    return drawn.set_geometry(gpd.GeoSeries(found, index=drawn.index, crs=drawn.crs))


def _split(
    drawn: gpd.GeoDataFrame, code: str, _: str, dice: np.random.Generator
) -> gpd.GeoDataFrame:
    """Split a cell along a line at any angle: two features or more with all attributes."""
    shape, angle = _shape(drawn, code), dice.uniform(0, math.pi)
    middle, far = shape.representative_point(), 1e4
    x, y = far * math.cos(angle), far * math.sin(angle)
    ends = [(middle.x - x, middle.y - y), (middle.x + x, middle.y + y)]
    side = shapely.LineString(ends).buffer(far, single_sided=True)
    parts = [
        piece
        for half in (shape.intersection(side), shape.difference(side))
        for piece in shapely.get_parts(half)
        if piece.area > 0
    ]
    row = drawn[drawn["code"] == code]
    both = [row.set_geometry([part], crs=drawn.crs) for part in parts]
    return gpd.GeoDataFrame(
        pd.concat([drawn.drop(index=row.index), *both], ignore_index=True), crs=drawn.crs
    )


def _merge(drawn: gpd.GeoDataFrame, a: str, b: str, _: np.random.Generator) -> gpd.GeoDataFrame:
    """Merge two cells, the attributes of one kept."""
    both = shapely.union_all([_shape(drawn, a), _shape(drawn, b)])
    return _with(drawn[drawn["code"] != b].reset_index(drop=True), {a: both})


def _reshape(
    drawn: gpd.GeoDataFrame, a: str, b: str, dice: np.random.Generator
) -> gpd.GeoDataFrame:
    """Reshape the border of two cells, each by hand, so that slivers or overlaps lie between."""
    one, two = _shape(drawn, a), _shape(drawn, b)
    border = shapely.line_merge(shapely.intersection(one.boundary, two.boundary))
    longest = max(shapely.get_parts(border), key=shapely.length)
    middle = shapely.line_interpolate_point(longest, dice.uniform(0.3, 0.7), normalized=True)
    dent = middle.buffer(float(dice.uniform(8, 25)), quad_segs=3)
    slip = float(dice.choice([-0.3, 0.0, 0.3, 1.0]))
    return _with(
        drawn, {a: one.union(dent.intersection(two)), b: two.difference(dent.buffer(slip))}
    )


EDITS = {"split": _split, "merge": _merge, "reshape": _reshape}
