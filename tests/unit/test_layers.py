"""A Grid speaks to other libraries, and verbs take what other libraries hold."""

from __future__ import annotations

import inspect
import pickle

import geopandas as gpd
import pyarrow as pa
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

import gridmap as gm
from gridmap.errors import CRSError, InputError

WAYS = {
    "arrow": lambda frame: frame.to_arrow(index=False),
    "pyarrow": lambda frame: pa.table(frame.to_arrow(index=False)),
    "geoarrow": lambda frame: pa.table(frame.to_arrow(index=False, geometry_encoding="geoarrow")),
    "features": lambda frame: _Features(frame),
    "geojson": lambda frame: _Features(frame).__geo_interface__,
}


class _Features:
    """What some other library might hold: features that name their CRS."""

    def __init__(self, frame: gpd.GeoDataFrame) -> None:
        self._frame = frame

    @property
    def __geo_interface__(self):
        name = {"type": "name", "properties": {"name": self._frame.crs.to_string()}}
        return {**self._frame.__geo_interface__, "crs": name}


@pytest.mark.parametrize("way", WAYS)
def test_validate_and_adopt_take_foreign_layers(way, grid):
    foreign = WAYS[way](grid.to_geopandas())
    found = gm.validate(foreign, grid.boundary, code="code")
    assert found.attrs["verdict"] == "exact"
    adopted = gm.adopt(foreign, grid.boundary, code="code", count="households")
    assert list(adopted.cells["households"]) == list(grid.cells["households"])
    assert adopted.crs == grid.crs
    assert shapely.equals_exact(adopted.cells.geometry.array, grid.cells.geometry.array, 0).all()


@pytest.mark.parametrize("way", ["arrow", "features"])
def test_the_main_job_takes_foreign_layers(way, town):
    turned = WAYS[way]
    layers = (town.jurisdictions, town.buildings.to_crs(town.jurisdictions.crs))
    ours = gm.subdivide(*layers, code="code")
    theirs = gm.subdivide(*map(turned, layers), code="code")
    assert list(ours["households"]) == list(theirs["households"])
    rows = gm.feasibility(turned(ours.reset_index(drop=True)), households=(300, 600))
    assert list(rows["possible"]) == list(gm.feasibility(ours, households=(300, 600))["possible"])


def test_points_are_taken_from_arrow(grid):
    points = gpd.GeoDataFrame(geometry=grid.cells.representative_point().to_numpy(), crs=grid.crs)
    placed = gm.assign(points.to_arrow(index=False), grid)
    assert list(placed["code"]) == list(grid.cells.index)


def test_a_grid_goes_out_and_comes_back(grid):
    for foreign in (grid, grid.__geo_interface__, pa.table(grid)):
        assert gm.validate(foreign, grid.boundary, code="code").attrs["verdict"] == "exact"
    table = gpd.GeoDataFrame.from_arrow(pa.table(grid))
    assert_geodataframe_equal(table, grid.to_geopandas(), check_like=True, check_dtype=False)


def test_a_pickled_grid_is_the_same(grid):
    assert len(grid.contiguity) == len(grid)
    again = pickle.loads(pickle.dumps(grid))
    assert again.content_hash == grid.content_hash
    assert again.proof == grid.proof
    assert set(again.contiguity.edges) == set(grid.contiguity.edges)
    point = grid.cells.geometry.iloc[3].representative_point()
    assert again.locate(point.x, point.y) == grid.cells.index[3]


def test_what_is_no_layer_is_refused_with_a_cure(grid):
    with pytest.raises(InputError, match="`cells` is no layer of features"):
        gm.validate({"type": "FeatureCollection", "features": [{"id": 1}]}, grid.boundary)
    bare = {"type": "Polygon", "coordinates": [[(0, 0), (1, 0), (1, 1), (0, 0)]]}
    with pytest.raises(CRSError, match="no CRS"):
        gm.adopt(bare, shapely.box(0, 0, 1, 1))


def test_signatures_stay_as_they_are_written():
    assert list(inspect.signature(gm.validate).parameters)[:2] == ["cells", "boundary"]
    assert gm.assign.__doc__.startswith("Give")
