"""Assignment of frames: statuses, own columns, datums, bad input."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm
from gridmap._checks import coordinates_of
from gridmap.errors import CRSError, InputError, UnassignedWarning
from gridmap.incidents.assign import assign
from tests.coverages import Exactly, awkward_points, frame, mosaic, moved

EAST, NORTH = 500_000.0, 3_400_000.0


def squares(side: float = 1000.0, many: int = 4) -> gm.Grid:
    """Return a chessboard of cells near the central meridian of EPSG:4547."""
    west, south = (axis.ravel() for axis in np.meshgrid(np.arange(many), np.arange(many)))
    boxes = shapely.box(
        EAST + side * west, NORTH + side * south, EAST + side * (west + 1),
        NORTH + side * (south + 1),
    )  # fmt: skip
    cells = gpd.GeoDataFrame(
        {"code": [f"{k:03d}" for k in range(len(boxes))], "street": [f"s{k}" for k in west]},
        geometry=boxes,
        crs=4547,
    )
    return gm.adopt(cells, cells.union_all("coverage"), code="code", levels=["street"])


@pytest.fixture(scope="module")
def board() -> gm.Grid:
    """Sixteen cells of a square kilometre."""
    return squares()


def scattered(grid: gm.Grid, count: int, seed: int = 0) -> gpd.GeoSeries:
    """Return points well inside the boundary."""
    rng = np.random.default_rng(seed)
    west, south, east, north = shapely.bounds(grid.boundary)
    x = rng.uniform(west + 1, east - 1, count)
    y = rng.uniform(south + 1, north - 1, count)
    return gpd.GeoSeries(gpd.points_from_xy(x, y), crs=grid.crs)


def test_every_status_is_met_and_accounted_for(board: gm.Grid) -> None:
    """The five statuses, with nearest cell and metres for points outside alone."""
    x = EAST + np.array([500, 1000, 4000, 5000, np.nan, 100])
    y = NORTH + np.array([500, 500, 4000, 500, 0, np.inf])
    placed = assign(pd.DataFrame({"x": x, "y": y}, index=list("abcdef")), board)
    assert placed["status"].tolist() == [
        "inside", "boundary", "rim", "outside", "invalid", "invalid",
    ]  # fmt: skip
    assert placed["code"].tolist()[:3] == ["000", "001", "015"]
    assert placed["code"].isna().tolist() == [False] * 3 + [True] * 3
    assert placed.loc["d", "nearest_code"] == "003"
    assert placed.loc["d", "distance_m"] == pytest.approx(1000)
    assert placed.drop(index="d")["distance_m"].isna().all()


def test_points_beyond_reach_are_plainly_outside(board: gm.Grid) -> None:
    """`max_distance` is in metres, its end included."""
    points = gpd.GeoSeries.from_xy(EAST - np.array([50, 100, 101]), [NORTH + 5] * 3, crs=4547)
    with pytest.warns(UnassignedWarning, match="None of the"):
        placed = assign(points, board, max_distance=100)
    assert placed["nearest_code"].isna().tolist() == [False, False, True]
    assert placed["status"].eq("outside").all()
    with pytest.raises(InputError, match="`max_distance` is -1"):
        assign(points, board, max_distance=-1)


def test_own_columns_follow_and_keep_their_values(board: gm.Grid) -> None:
    """Behind the result; a column of the same name is renamed, the input untouched."""
    points = gpd.GeoDataFrame(
        {"incident_id": ["a", "b"], "status": ["结案", "处置"], "code": [1, 2]},
        geometry=scattered(board, 2).array,
        index=[7, 3],
    )
    before = points.copy()
    placed = assign(points, board)
    assert list(placed) == [
        "code", "status", "nearest_code", "distance_m",
        "incident_id", "incident_status", "incident_code",
    ]  # fmt: skip
    assert placed["incident_status"].tolist() == ["结案", "处置"]
    assert placed.index.tolist() == [7, 3]
    pd.testing.assert_frame_equal(points, before)
    twice = assign(placed.join(points.geometry.get_coordinates()), board)
    assert "incident_incident_status" not in placed
    assert twice["code"].tolist() == placed["code"].tolist()


def test_points_in_degrees_are_transformed(board: gm.Grid) -> None:
    """A CRS of the points and a declared datum come to the same."""
    points = scattered(board, 200)
    expected = assign(points, board)["code"].tolist()
    degrees = points.to_crs(4326)
    assert assign(degrees, board)["code"].tolist() == expected
    table = pd.DataFrame({"lng": degrees.x.astype(str), "lat": degrees.y})
    assert assign(table, board, x="lng", y="lat", datum="wgs84")["code"].tolist() == expected
    amap = gm.to_datum(degrees, "gcj02")
    assert assign(amap, board, datum="gcj02")["code"].tolist() == expected


def test_a_mistaken_datum_raises_the_alarm(board: gm.Grid) -> None:
    """The likely cause is named: shifted, swapped or undeclared."""
    degrees = scattered(board, 2000).to_crs(4326)
    shifted = gm.to_datum(degrees, "gcj02").set_crs(4326)
    with pytest.warns(UnassignedWarning, match='datum="gcj02"'):
        assign(shifted, board)
    table = pd.DataFrame({"x": degrees.x, "y": degrees.y})
    with pytest.warns(UnassignedWarning, match="they are degrees: declare `datum=.wgs84.`"):
        assign(table, board)
    with pytest.warns(UnassignedWarning, match="exchanged"):
        assign(table.rename(columns={"x": "y", "y": "x"}), board, datum="wgs84")


def test_null_island_is_outside(board: gm.Grid) -> None:
    """(0, 0) is a position, if a wrong one: outside, far away."""
    points = pd.concat(
        [scattered(board, 500).to_crs(4326), gpd.GeoSeries.from_xy([0], [0], crs=4326)]
    )
    placed = assign(points, board)
    assert placed["status"].iloc[-1] == "outside"
    assert placed["distance_m"].iloc[-1] > 1e6
    assert (placed["status"].iloc[:-1] != "outside").all()


def test_text_is_read_or_invalid(board: gm.Grid) -> None:
    """Full-width digits and blanks are forgiven; words are counted, not raised."""
    table = pd.DataFrame(
        {
            "x": [" 500500.5 ", "５００５００．５", "不详", "", None, "1e400"],
            "y": ["3400500", "3400500", "3400500", "3400500", "3400500", "3400500"],
        }
    )
    placed = assign(table, board)
    assert placed["status"].tolist() == ["inside", "inside"] + ["invalid"] * 4
    objects = table.astype(object)
    assert assign(objects, board)["status"].tolist() == placed["status"].tolist()


@pytest.mark.parametrize("shape", [None, shapely.Point()])
def test_missing_geometries_are_invalid(board: gm.Grid, shape: Any) -> None:
    """None and empty points are counted as such."""
    points = gpd.GeoSeries([shape, shapely.Point(EAST + 1, NORTH + 1)], crs=4547)
    assert assign(points, board)["status"].tolist() == ["invalid", "inside"]


def test_empty_input_gives_an_empty_frame(board: gm.Grid) -> None:
    """No points, no rows, the columns all the same."""
    placed = assign(gpd.GeoSeries([], crs=4547), board)
    assert list(placed) == ["code", "status", "nearest_code", "distance_m"]
    assert placed.empty


def test_what_is_no_position_is_refused(board: gm.Grid) -> None:
    """Each error names the argument and the cure."""
    points = gpd.GeoSeries.from_xy([1], [1])
    with pytest.raises(CRSError, match=r"`points` has no CRS.*set_crs"):
        assign(points, board)
    with pytest.raises(
        InputError, match="1 geometry that is no point, the first a Polygon in row 1"
    ):
        assign(gpd.GeoSeries([shapely.box(0, 0, 1, 1)], crs=4547), board)
    with pytest.raises(
        InputError, match="`x` names the column 'lon', which `points` lacks; it has a"
    ):
        assign(pd.DataFrame({"a": [1]}), board, x="lon", y="lat")
    with pytest.raises(InputError, match="both `x` and `y`"):
        assign(pd.DataFrame({"a": [1]}), board, x="a")
    with pytest.raises(InputError, match="`points` is a list"):
        assign([1, 2], board)
    with pytest.raises(InputError, match="`datum` is 'venus'"):
        assign(pd.DataFrame({"x": [1], "y": [1]}), board, datum="venus")


def test_locate_answers_like_assign(board: gm.Grid) -> None:
    """One point or many, the same cell."""
    points = scattered(board, 50, seed=3)
    placed = assign(points, board)
    located = [board.locate(p.x, p.y) for p in points]
    assert located == placed["code"].tolist()
    assert board.locate(EAST + 1000, NORTH + 1000) == "005"
    assert board.locate(0, 0) is None


def test_a_grid_of_any_codes_agrees_with_fractions() -> None:
    """The whole way through `assign`, with codes in no order of space."""
    cells = moved(mosaic(11), 10.0, EAST, NORTH)
    table = frame(cells)
    grid = gm.adopt(table, table.union_all("coverage"), code="code")
    x, y = awkward_points(cells, 2, 400)
    placed = assign(pd.DataFrame({"x": x, "y": y}), grid)
    exactly = Exactly(cells, table["code"].tolist())
    for row, (a, b) in enumerate(zip(x, y, strict=True)):
        cell, status = exactly(a, b)
        assert placed["status"].iloc[row] == status
        if cell:
            assert placed["code"].iloc[row] == table["code"].iloc[cell - 1]


def test_a_grid_in_degrees_measures_metres() -> None:
    """Distances are metres whatever the CRS of the grid."""
    cells = gpd.GeoDataFrame(
        {"code": ["a", "b"]}, geometry=shapely.box([116.0, 116.1], 39.9, [116.1, 116.2], 40.0),
        crs=4326,
    )  # fmt: skip
    grid = gm.adopt(cells, cells.union_all("coverage"), code="code")
    points = gpd.GeoSeries.from_xy([116.15, 115.9], [40.1, 39.95], crs=4326)
    with pytest.warns(UnassignedWarning, match="None of the"):
        placed = assign(points, grid)
    assert placed["nearest_code"].tolist() == ["b", "a"]
    assert placed["distance_m"].tolist() == pytest.approx([11_105, 8_541], rel=2e-3)


def test_feet_are_converted() -> None:
    """A grid in US feet still answers in metres."""
    cells = gpd.GeoDataFrame({"code": ["a"]}, geometry=[shapely.box(0, 0, 1e4, 1e4)], crs=2263)
    grid = gm.adopt(cells, cells.geometry.iloc[0], code="code")
    with pytest.warns(UnassignedWarning, match="None of the"):
        placed = assign(gpd.GeoSeries.from_xy([-1000], [5], crs=2263), grid)
    assert placed["distance_m"].iloc[0] == pytest.approx(304.8006, abs=1e-4)


def test_coordinates_are_those_of_the_shapes() -> None:
    """Of points and lone points of many, to the bit; of empty and missing ones there are none."""
    xy = np.random.default_rng(0).normal(size=(40_000, 2))
    xy[0] = -0.0, np.inf
    shapes = shapely.points(xy)
    shapes[7::100] = shapely.multipoints(shapes[7::100].reshape(-1, 1))
    shapes[3::50] = shapely.force_3d(shapes[3::50], 9.0)
    gone = np.zeros(len(shapes), dtype=bool)
    for row, shape in ((5, None), (20_000, shapely.Point()), (39_999, None)):
        shapes[row], gone[row] = shape, True
    x, y = coordinates_of(shapes, "points")
    assert np.array_equal(np.column_stack([x, y])[~gone].view("i8"), xy[~gone].view("i8"))
    assert np.isnan(x[gone]).all() and np.isnan(y[gone]).all()


@pytest.mark.parametrize(
    "text", ["POLYGON EMPTY", "MULTIPOINT EMPTY", "MULTIPOINT (1 2, 1 2)", "LINESTRING (1 2, 1 2)"]
)
def test_what_is_no_point_has_no_coordinates(text: str) -> None:
    shapes = np.array([shapely.Point(1, 2), shapely.from_wkt(text)])
    with pytest.raises(InputError, match=r"no point, the first a .* in row 2"):
        coordinates_of(shapes, "points")
