"""Cells drawn over in QGIS come home: what its tools write, households exact, history kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.grid.redrawn import _ends, _rim_points, come_home
from gridmap.io.gridfile import read_grid, write_grid
from tests.redrawing import DRESSES, as_multi, drawn_over, promises


@pytest.fixture(scope="module", params=["buildings", "units"])
def old(grid: Grid, town: Any, request: pytest.FixtureRequest) -> Grid:
    """Return a grid with a past: a retired code, an approved exception, a name of its own."""
    _, first, near = min(
        (data["length"], a, b)
        for a, b, data in grid.contiguity.edges(data=True)
        if grid.cells.at[a, "parent"] == grid.cells.at[b, "parent"]
        and set(grid.cells.loc[[a, b], "kind"]) == {"residential"}
    )
    past = gm.merge(grid, [first, near], approve="一个小区", on="2026-01-01")
    kept = past.retired["code"].iloc[0]
    survivor = near if kept == first else first
    named = gm.apply(
        past,
        {"schema": "gridmap.changes/1", "names": {survivor: "老名字"}},
    )
    assert len(named.retired) == 1 and named.exceptions["approved"].any()
    return named.with_buildings(town.buildings) if request.param == "buildings" else named


def halved(old: Grid) -> tuple[str, gpd.GeoDataFrame]:
    """Split a cell as the split tool does: two features with all attributes of the first."""
    cells = old.cells.reset_index()
    sizes = old.units.groupby("code").size()
    single = cells.geometry.geom_type == "Polygon"
    row = int((cells["code"].map(sizes) * single * (cells["kind"] == "residential")).idxmax())
    shape = cells.geometry[row]
    west, south, east, north = shape.bounds
    middle = shape.representative_point().x
    parts = [
        shapely.intersection(shape, shapely.box(*box))
        for box in (
            (west - 9, south - 9, middle, north + 9),
            (middle, south - 9, east + 9, north + 9),
        )
    ]
    parts = [piece for part in parts for piece in shapely.get_parts(part)]
    both = [cells.iloc[[row]].set_geometry([part], crs=cells.crs) for part in parts]
    drawn = gpd.GeoDataFrame(
        pd.concat([cells.drop(index=row), *both], ignore_index=True), crs=cells.crs
    )
    return str(cells["code"][row]), drawn


def neighbours(old: Grid) -> tuple[str, str]:
    """Return two cells of one jurisdiction with a long common border."""
    pairs = [
        (data["length"], a, b)
        for a, b, data in old.contiguity.edges(data=True)
        if old.cells.at[a, "parent"] == old.cells.at[b, "parent"]
        and set(old.cells.loc[[a, b], "kind"]) == {"residential"}
    ]
    _, a, b = max(pairs)
    return a, b


def merged(old: Grid) -> tuple[str, str, gpd.GeoDataFrame]:
    """Merge two cells as "merge selected features" does, the attributes of one kept."""
    a, b = neighbours(old)
    drawn = old.cells.reset_index()
    both = shapely.union_all(old.cells.geometry[[a, b]].to_numpy())
    drawn = drawn[drawn["code"] != b].reset_index(drop=True)
    drawn.loc[drawn["code"] == a, "geometry"] = [both]
    return a, b, drawn


def reshaped(old: Grid, slip: float) -> tuple[str, str, gpd.GeoDataFrame]:
    """Reshape the border of two cells, each by hand, so that slivers lie between."""
    a, b = neighbours(old)
    one, two = old.cells.geometry[[a, b]]
    border = shapely.line_merge(shapely.intersection(one.boundary, two.boundary))
    middle = shapely.line_interpolate_point(border, 0.5, normalized=True)
    dent = middle.buffer(25, quad_segs=3)
    drawn = old.cells.reset_index()
    drawn.loc[drawn["code"] == a, "geometry"] = [one.union(dent.intersection(two))]
    drawn.loc[drawn["code"] == b, "geometry"] = [two.difference(dent.buffer(slip))]
    return a, b, drawn


def test_nothing_drawn_is_nothing_changed(old: Grid) -> None:
    home = come_home(old.cells.reset_index(), old)
    assert home.grid.content_hash == old.content_hash
    assert (home.redrawn, home.new, home.retired) == ((), (), ())


def test_a_code_that_stands_twice_after_a_split_gets_a_new_one(old: Grid) -> None:
    code, drawn = halved(old)
    home = come_home(drawn, old, on="2026-07-01")
    promises(old, home.grid)
    assert len(home.new) == (drawn["code"] == code).sum() - 1 >= 1
    assert code in home.grid.cells.index and code in home.redrawn
    parts = home.grid.cells.loc[[code, *home.new], "households"]
    assert parts.sum() == old.cells.at[code, "households"] and parts.idxmax() == code
    areas = drawn[drawn["code"] == code].area.sort_values()
    found = home.grid.cells.loc[[code, *home.new]].area.sort_values()
    assert np.allclose(areas, found, atol=1.0)
    assert (home.grid.cells.loc[list(home.new), "valid_from"] == "2026-07-01").all()


def test_merged_cells_keep_one_code_and_retire_the_other(old: Grid) -> None:
    kept, gone, drawn = merged(old)
    home = come_home(drawn, old, on="2026-07-01")
    promises(old, home.grid)
    assert home.retired == (gone,) and home.new == ()
    assert home.grid.cells.at[kept, "households"] == old.cells.loc[[kept, gone], "households"].sum()
    row = home.grid.retired.set_index("code").loc[gone]
    assert row["valid_to"] == "2026-07-01"


@pytest.mark.parametrize("slip", [0.3, 2.0])
def test_slivers_of_a_reshaped_border_are_mended(old: Grid, slip: float) -> None:
    a, b, drawn = reshaped(old, slip)
    home = come_home(drawn, old)
    promises(old, home.grid)
    assert set(home.redrawn) >= {a, b} and home.new == home.retired == ()
    wanted = drawn.set_index("code").geometry[a]
    assert home.grid.cells.geometry[a].intersection(wanted).area > wanted.area - 1e-6
    assert 0 < home.moved_m2 < 200 * slip


@pytest.mark.parametrize("dress", DRESSES)
def test_whatever_the_tool_adds_comes_home(old: Grid, dress: str) -> None:
    code, drawn = halved(old)
    home = come_home(DRESSES[dress](drawn), old)
    promises(old, home.grid)
    assert code in home.grid.cells.index
    assert len(home.new) == (drawn["code"] == code).sum() - 1
    if dress == "extra":
        assert home.grid.cells["备注"].eq("待议").all()


@pytest.mark.parametrize("form", ["gpkg", "gbk.shp", "geojson"])
def test_files_come_home_by_the_command(old: Grid, form: str, tmp_path: Path) -> None:
    code, drawn = halved(old)
    write_grid(old, tmp_path / "old.gpkg")
    path = tmp_path / f"edited.{form.rpartition('.')[2]}"
    if form == "gbk.shp":
        drawn.assign(备注说明="待议").to_file(path, encoding="GB18030")
        path.with_suffix(".cpg").unlink()
    elif form == "geojson":
        drawn.to_crs(4326).to_file(path)
    else:
        as_multi(drawn).to_file(path, layer="cells")
    line = ["--lang", "zh", "adopt", str(path), "--from", str(tmp_path / "old.gpkg")]
    ran = CliRunner().invoke(main, [*line, "-o", str(tmp_path / "new.gpkg")])
    assert ran.exit_code == 0, ran.output
    total = int(old.cells["households"].sum())
    assert f"户数：读入 = 归格: {total:,} = {total:,}" in ran.stdout
    new = read_grid(tmp_path / "new.gpkg")
    promises(old, new)
    assert code in new.cells.index
    again = CliRunner().invoke(main, [*line, "-o", str(tmp_path / "b.gpkg"), "--json"])
    document = json.loads(again.stdout)
    assert document["households_in"] == document["households_out"] == total
    assert len(document["new"]) == len(new) - len(old)


def test_what_cannot_come_home_is_one_line(old: Grid) -> None:
    cells = old.cells.reset_index()
    inside = cells[cells["kind"] == "residential"].index[3]
    with pytest.raises(InputError, match="is in no drawn cell"):
        come_home(cells.drop(index=inside), old)
    other = cells.assign(geometry=cells.geometry.translate(1e5))
    with pytest.raises(InputError, match="lies outside the old grid"):
        come_home(other, old)
    a = cells["parent"] != cells.at[inside, "parent"]
    far = cells[a].index[np.argmin(cells[a].distance(cells.geometry[inside]))]
    across = cells.drop(index=far)
    across.loc[inside, "geometry"] = shapely.union_all(cells.geometry[[inside, far]].to_numpy())
    with pytest.raises(InputError, match="lies in the jurisdictions"):
        come_home(across, old)
    with pytest.raises(InputError, match="no column `code`"):
        come_home(cells.drop(columns="code"), old)
    parent = cells["parent"].iloc[0]
    with pytest.raises(InputError, match="No cell of the jurisdiction"):
        come_home(cells[cells["parent"] != parent], old)


def test_households_that_do_not_add_up_are_refused(old: Grid, town: Any) -> None:
    _, drawn = halved(old)
    far = town.buildings.copy()
    far.loc[far.index[0], "geometry"] = shapely.Point(0, 0)
    with pytest.raises(InputError, match="outside the cells"):
        come_home(drawn, old, households=far)
    if old.buildings is not None:
        fewer = old.with_buildings(town.buildings.iloc[5:])
        with pytest.raises(InputError, match="were counted before"):
            come_home(drawn, fewer)
    more = town.buildings.assign(households=town.buildings["households"] + 1)
    home = come_home(drawn, old, households=more)
    assert home.households_in == home.households_out == int(more["households"].sum())


def test_the_face_takes_the_old_grid(old: Grid) -> None:
    kept, gone, drawn = merged(old)
    grid = gm.adopt(drawn, old)
    assert gone in set(grid.retired["code"]) and kept in grid.cells.index


def test_random_drawings_come_home(old: Grid) -> None:
    dice = np.random.default_rng(5)
    for _ in range(5):
        edits, dress, drawn = drawn_over(old, dice)
        home = come_home(drawn, old)
        promises(old, home.grid)
        assert home.grid.content_hash != old.content_hash, (edits, dress)


def test_a_corner_and_the_crossing_computed_beside_it_are_one() -> None:
    """A drawn line that ends on the rim meets it, as computed, one last digit beside its end."""
    outline = shapely.box(0, 0, 100, 100)
    end, beside = (50.0, 0.0), (50.0 + 1e-9, 0.0)
    left = shapely.Polygon([(0, 0), end, (50, 100), (0, 100)])
    right = shapely.Polygon([beside, (100, 0), (100, 100), (50, 100)])
    shapes = np.array([left, right], dtype=object)
    ends = _ends(_rim_points(shapes, outline), outline)
    assert sorted(len(points) for points in ends.values()) == [1, 1]
