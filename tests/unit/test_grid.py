"""A Grid is built proved or not at all, and its methods only look."""

from __future__ import annotations

import base64
import re

import geopandas as gpd
import networkx as nx
import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm
from gridmap.grid.adopt import adopt
from gridmap.grid.grid import Grid


@pytest.fixture
def squares():
    """Four squares of 5 m in two communities, two levels."""
    return gpd.GeoDataFrame(
        {
            "code": ["A1", "A2", "B1", "B2"],
            "households": [310, 420, 599, 300],
            "parent": ["A", "A", "B", "B"],
        },
        geometry=shapely.box([0, 5, 0, 5], [5, 5, 0, 0], [5, 10, 5, 10], [10, 10, 5, 5]),
        crs=4547,
    )


@pytest.fixture
def communities():
    return gpd.GeoDataFrame(
        {"street": ["S", "S"], "community": ["A", "B"]},
        index=["A", "B"],
        geometry=[
            shapely.Polygon([(0, 5), (5, 5), (10, 5), (10, 10), (5, 10), (0, 10)]),
            shapely.Polygon([(0, 0), (5, 0), (10, 0), (10, 5), (5, 5), (0, 5)]),
        ],
        crs=4547,
    )


@pytest.fixture
def small(squares, communities):
    return Grid(
        squares,
        shapely.coverage_union_all(communities.geometry.to_numpy()),
        ["street", "community"],
        jurisdictions=communities,
        parameters={"min": 300, "max": 600},
    )


def test_it_says_what_it_is(small):
    assert repr(small) == "<Grid of 4 cells in 2 jurisdictions, 300-599 households each, EPSG:4547>"
    assert small.proof.verdict == "exact"
    assert small.band == (300, 600)
    shown = small._repr_html_()
    (drawing,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', shown)
    assert base64.b64decode(drawing).startswith(b"<svg xmlns=") and "EPSG:4547" in shown


def test_one_is_one(squares):
    one = squares[:1].drop(columns="parent").assign(town="T")
    grid = Grid(one, one.geometry.iloc[0], "town")
    assert repr(grid) == "<Grid of 1 cell in 1 jurisdiction, 310 households each, EPSG:4547>"
    assert grid.levels == ("town",)
    assert adopt(one, one.geometry.iloc[0], code="code", levels="town").levels == ("town",)


def test_cells_carry_what_is_promised(small):
    cells = small.cells
    assert list(cells.columns) == [
        "name", "kind", "households", "area_m2", "parent", "street", "community", "geometry",
    ]  # fmt: skip
    assert cells.index.name == "code"
    assert cells["area_m2"].tolist() == [25.0] * 4
    assert cells["community"].tolist() == ["A", "A", "B", "B"]


def test_what_is_handed_out_cannot_change_it(small):
    before = small.content_hash
    cells = small.cells
    cells.loc["A1", "households"] = 0
    cells.geometry = cells.geometry.translate(1, 1)
    small.parameters["min"] = 1
    assert small.cells.loc["A1", "households"] == 310
    assert small.content_hash == before
    assert small.band == (300, 600)
    with pytest.raises(nx.NetworkXError):
        small.contiguity.remove_node("A1")
    with pytest.raises(AttributeError):
        small.boundary = None


def test_levels_roll_up(small):
    streets = small.at("street")
    assert streets[["cells", "households", "area_m2"]].to_numpy().tolist() == [[4, 1629, 100.0]]
    assert small.at("community").geometry.area.tolist() == [50.0, 50.0]
    with pytest.raises(gm.InputError, match="`level` is 'district'; the grid has"):
        small.at("district")


def test_locate_follows_the_rule_east_and_north(small):
    assert small.locate(1, 6) == "A1"
    assert small.locate(5, 6) == "A2"
    assert small.locate(1, 5) == "A1"
    assert small.locate(5, 5) == "A2"
    assert small.locate(11, 5) is None


def test_locating_agrees_with_assigning_and_builds_no_index_of_its_own(small, monkeypatch):
    x, y = (v.ravel() for v in np.meshgrid(np.arange(-1, 12, 0.5), np.arange(-1, 12, 0.5)))
    placed = gm.assign(gpd.GeoDataFrame(geometry=gpd.points_from_xy(x, y), crs=4547), small)
    monkeypatch.setattr("gridmap.coverage.point_index.CoverageIndex.__init__", None)
    found = [small.locate(a, b) for a, b in zip(x, y, strict=True)]
    assert found == [code if isinstance(code, str) else None for code in placed["code"]]
    assert small.locate(np.nan, 1) is None


def test_contiguity_is_rook(small):
    assert sorted(small.contiguity.edges) == [
        ("A1", "A2"),
        ("A1", "B1"),
        ("A2", "B2"),
        ("B1", "B2"),
    ]
    assert small.contiguity["A1"]["A2"]["length"] == 5.0


def test_why_tells_what_shaped_a_cell(small):
    why = small.why("B1")
    assert why["in_band"] and why["neighbours"] == {"A1": 5.0, "B2": 5.0}
    assert why["exception"] is None
    with pytest.raises(gm.InputError, match="No cell has the code 'Z'"):
        small.why("Z")


def test_a_missing_cell_is_refused_with_its_gap(squares, communities):
    whole = shapely.box(0, 0, 10, 10)
    with pytest.raises(gm.CoverageError, match="1 gap") as caught:
        Grid(squares.iloc[:3].drop(columns="parent"), whole)
    defects = caught.value.defects
    assert defects.loc[defects["kind"] == "gap", "area_m2"].tolist() == [25.0]


def test_a_cell_under_the_wrong_parent_is_refused(squares, communities):
    squares["parent"] = ["A", "B", "B", "A"]
    whole = shapely.coverage_union_all(communities.geometry.to_numpy())
    with pytest.raises(gm.CoverageError) as caught:
        Grid(squares, whole, jurisdictions=communities)
    assert {"crosses-parent", "parent-gap"} & set(caught.value.defects["kind"])


def test_one_moved_millimetre_is_refused(squares):
    squares.loc[0, "geometry"] = shapely.Polygon([(0, 5), (5.001, 5), (5, 10), (0, 10)])
    with pytest.raises(gm.CoverageError):
        Grid(squares.drop(columns="parent"), shapely.box(0, 0, 10, 10))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(code=["A1", "A1", "B1", "B2"]), "code 'A1' stands twice"),
        (lambda f: f.assign(code=["A1", None, " ", "B2"]), "2 of 4 cells have no code"),
        (lambda f: f.assign(code=["A1", "A1 ", "B1", "B2"]), "code 'A1' stands twice"),
        (lambda f: f.assign(code=["A1", "A1\u200b", "B1", "B2"]), "code 'A1' stands twice"),
        (
            lambda f: f.assign(households=[310, 420, -1, 300]),
            r"'households' is negative in 1 of 4 rows \(B1\)",
        ),
        (
            lambda f: f.assign(households=["310", "x", "1", "2"]),
            r"holds 'x' where a count belongs, in 1 of 4 rows \(A2\)",
        ),
        (
            lambda f: f.assign(households=[310, 420, 10.5, 300]),
            r"'households' is fractional in 1 of 4 rows \(B1\)",
        ),
        (lambda f: f.set_crs(None, allow_override=True), "has no CRS"),
        (lambda f: f.assign(parent=["A", "A", "B", "C"]), "jurisdiction 'C'"),
        (lambda f: f.assign(community=["A", "A", "B", "A"]), "crosses `community`"),
    ],
)
def test_bad_cells_are_named(squares, communities, change, message):
    whole = shapely.coverage_union_all(communities.geometry.to_numpy())
    with pytest.raises(gm.InputError, match=message):
        Grid(change(squares), whole, ["street", "community"], jurisdictions=communities)


def test_jurisdictions_in_another_crs_are_refused(squares, communities):
    with pytest.raises(gm.CRSError, match="EPSG:4546"):
        Grid(squares, communities, jurisdictions=communities.set_crs(4546, allow_override=True))


def test_a_boundary_is_needed(squares):
    with pytest.raises(gm.InputError, match="boundary"):
        Grid(squares, shapely.Polygon())


def test_the_hash_sees_content_not_order(squares, communities):
    whole = shapely.coverage_union_all(communities.geometry.to_numpy())

    def content(frame):
        return Grid(frame, whole, jurisdictions=communities).content_hash

    turned = squares.assign(geometry=[_start_elsewhere(g) for g in squares.geometry])
    assert content(squares) == content(squares.iloc[::-1]) == content(turned)
    assert content(squares) != content(squares.assign(households=[310, 420, 599, 301]))


def _start_elsewhere(polygon):
    ring = shapely.get_coordinates(polygon)[:-1]
    return shapely.Polygon(np.roll(ring, 2, axis=0))


def test_somebody_elses_cells_are_adopted(squares, communities):
    theirs = squares.drop(columns="parent").rename(columns={"code": "id", "households": "n"})
    theirs["block"] = ["A", "A", "B", "B"]
    grid = adopt(
        theirs, shapely.box(0, 0, 10, 10).segmentize(5), code="id", count="n", levels=["block"]
    )
    assert grid.cells["households"].sum() == 1629
    assert grid.jurisdictions.index.tolist() == ["A", "B"]
    with pytest.raises(gm.InputError, match="column 'nope'"):
        adopt(theirs, shapely.box(0, 0, 10, 10), code="nope")


def test_the_parts_of_a_boundary_may_overlap(squares):
    parts = gpd.GeoSeries(shapely.box(0, 0, [5, 10], 10), crs=squares.crs)
    assert adopt(squares, parts).boundary.area == 100


def test_cells_without_units_are_their_own_units(small):
    assert small.units["code"].tolist() == list(small.cells.index)
    assert isinstance(small.exceptions, pd.DataFrame) and small.exceptions.empty


@pytest.mark.parametrize("level", ["code", "name", "households", "kind", "area_m2"])
def test_no_level_is_called_as_what_every_cell_has(level: str) -> None:
    cells = gpd.GeoDataFrame(
        {"id": ["a", "b"], level: ["x", "y"]}, geometry=shapely.box([0, 5], 0, [5, 10], 5), crs=4547
    )
    with pytest.raises(gm.InputError, match=f"A level cannot be '{level}'"):
        gm.adopt(cells, shapely.box(0, 0, 10, 5), code="id", levels=[level])
