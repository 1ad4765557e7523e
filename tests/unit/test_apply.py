"""Changes applied: only the end must hold, every promise of the Grid is kept, bad files refused."""

from __future__ import annotations

import datetime
import json
from itertools import permutations
from pathlib import Path
from typing import Any

import geopandas as gpd
import jsonschema
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.io.declared import declaring
from gridmap.io.gridfile import read_grid, write_grid
from gridmap.partitioning.apply import apply
from gridmap.partitioning.change_file import Changes, read_changes
from gridmap.partitioning.partition import partition
from gridmap.partitioning.requests import requested, units_called
from tests.unit.test_change import make_plan, same_shapes, squares, unit_at

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/pages/schemas/changes.schema.json").read_text("utf-8")
)


def housed() -> Grid:
    """Return the plan of six cells with 15 buildings of 5 households in each unit."""
    plan = make_plan()
    x, y = (a.ravel() for a in np.meshgrid(np.arange(10.0, 600, 20), np.arange(17.0, 600, 33.34)))
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(x, y), crs=plan.crs)
    units = plan.units
    at = units.sindex.query(points.geometry, predicate="intersects")[1]
    number = np.bincount(at, minlength=len(units))
    assert (number == 15).all()
    points["households"] = 5
    points["name"] = [f"{k}号楼" for k in range(len(points))]
    return plan.with_buildings(points)


@pytest.fixture
def plan() -> Grid:
    """Return the plan with its buildings."""
    return housed()


def wish(grid: Grid, **parts: Any) -> dict[str, Any]:
    """Return a change file for a grid."""
    document = {"schema": "gridmap.changes/1", "grid": grid.content_hash, **parts}
    jsonschema.validate(document, SCHEMA)
    return document


def test_only_the_end_must_hold(plan: Grid) -> None:
    """Two cells swap a row: after the first half alone both would be outside the band."""
    a = [unit_at(plan, x, 4) for x in range(3)]
    b = [unit_at(plan, x, 3) for x in range(3)]
    with pytest.raises(InputError, match="outside 300-600"):
        apply(plan, wish(plan, moves={"101002": a}))
    with pytest.raises(InputError, match="pieces"):
        apply(plan, wish(plan, moves={"101002": a, "101001": b}))
    upper = [unit_at(plan, 0, 3)], [unit_at(plan, 2, 4)]
    done = apply(plan, wish(plan, moves={"101001": upper[0], "101002": upper[1]}))
    assert done.cells["households"].eq(450).all()
    assert same_shapes(plan, done, ["101003", "102001", "102002", "102003"])
    assert done.parameters["change"] == {
        "unchanged": 4, "redrawn": 2, "new": 0, "retired": 0,
        "households_moved": 150, "share_moved": round(150 / 2700, 6),
    }  # fmt: skip
    assert done.buildings is not None and len(done.buildings) == len(plan.buildings)


def test_a_name_for_a_cell_that_ends_is_refused(plan: Grid) -> None:
    first, second = list(plan.cells.index[:2])
    wanted = wish(plan, moves={first: [*plan.units.index[plan.units["code"] == second]]},
                  names={second: "留名"}, approve={first: "x"})  # fmt: skip
    for renumber in (False, True):
        with pytest.raises(InputError, match=rf"Cell {second} is named '留名', but .* no unit"):
            apply(plan, wanted, renumber=renumber)
    kept = apply(plan, wanted | {"names": {first: "留名"}})
    assert kept.cells.at[first, "name"] == "留名"


@pytest.mark.parametrize("on", [datetime.date(2026, 7, 1), 20260701, "July"])
def test_a_day_is_written_as_text(plan: Grid, on: Any) -> None:
    with pytest.raises(InputError, match="give a day, as 2026-07-01"):
        apply(plan, wish(plan), on=on)


def test_new_cells_names_notes_and_days(plan: Grid) -> None:
    half = [unit_at(plan, x, 5) for x in range(3)]
    done = apply(
        plan,
        wish(
            plan,
            moves={"new:north": half},
            names={"new:north": "北格", "102001": "改名"},
            approve={"new:north": "试点", "101001": "试点"},
            note="会议纪要",
        ),
        on="2026-07-01",
    )
    assert done.cells.loc["101004", ["name", "valid_from"]].tolist() == ["北格", "2026-07-01"]
    assert done.cells.at["102001", "name"] == "改名"
    assert sorted(done.exceptions["code"]) == ["101001", "101004"]
    assert done.exceptions["approved"].all() and done.parameters["note"] == "会议纪要"
    assert same_shapes(plan, done, ["102001"])


def test_pieces_need_a_reason(plan: Grid) -> None:
    moves = {"101001": [unit_at(plan, 0, 0)]}
    with pytest.raises(InputError, match="101001 would be in 2 pieces"):
        apply(plan, wish(plan, moves=moves))
    done = apply(plan, wish(plan, moves=moves, approve={"101001": "河对岸"}))
    assert done.exceptions["code"].tolist() == ["101001"]
    assert done.cells.geometry["101001"].geom_type == "MultiPolygon"


def test_settle_moves_only_what_was_touched(plan: Grid) -> None:
    five = [unit_at(plan, x, 3) for x in range(3)] + [unit_at(plan, 0, 2)]
    document = wish(plan, moves={"101001": five})
    with pytest.raises(InputError, match="outside 300-600"):
        apply(plan, document)
    done = apply(plan, document, settle=True)
    assert done.cells["households"].between(300, 600).all()
    assert set(done.cells.index) == set(plan.cells.index)
    assert same_shapes(plan, done, ["101003", "102001", "102002", "102003"])
    again = apply(plan, document, settle=True)
    assert again.content_hash == done.content_hash


def test_settled_cells_keep_the_codes_of_most_of_their_households(plan: Grid) -> None:
    """After a merge no other naming of the cells leaves more households where they were."""
    merged = plan.units.index[plan.units["code"] == "101002"].tolist()
    done = apply(plan, wish(plan, moves={"101001": merged}), settle=True)
    counts = pd.crosstab(
        done.units["code"], plan.units["code"], values=plan.units["households"], aggfunc="sum"
    ).fillna(0)
    codes = [code for code in counts.columns if code.startswith("101")]
    kept = counts.loc[codes, codes].to_numpy()
    best = max(
        sum(kept[i, j] for i, j in enumerate(order)) for order in permutations(range(len(codes)))
    )
    assert set(done.cells.index) == set(plan.cells.index)
    assert kept.trace() == best


def test_renumbered_codes_never_come_back(plan: Grid) -> None:
    moves = {"101001": [unit_at(plan, 0, 3)]}
    done = apply(plan, wish(plan, moves=moves), renumber=True)
    assert sorted(done.cells.index) == ["101004", "101005", "101006", "102001", "102002", "102003"]
    assert sorted(done.retired["code"]) == ["101001", "101002", "101003"]
    assert set(done.units["code"]) == set(done.cells.index)


def test_a_unit_handed_over_takes_the_outline_along(plan: Grid) -> None:
    """The unit lies in the corner of 101 beside 102."""
    unit, far = unit_at(plan, 2, 5), unit_at(plan, 5, 0)
    done = apply(plan, wish(plan, moves={"102001": [unit]}, hand={"102": [unit]}))
    assert done.proof.verdict == "exact"
    assert done.cells["households"].to_dict() == {
        "101001": 375, "101002": 450, "101003": 450, "102001": 525, "102002": 450, "102003": 450,
    }  # fmt: skip
    moved = plan.units.geometry[unit].area
    grown = done.jurisdictions.area - plan.jurisdictions.area
    assert grown.to_dict() == pytest.approx({"101": -moved, "102": moved})
    assert done.units.at[unit, "parent"] == "102" and done.units.at[far, "parent"] == "102"
    assert same_shapes(plan, done, ["101002", "101003", "102002", "102003"])
    assert done.boundary.equals(plan.boundary)


def test_a_handed_cell_can_be_saved_and_settled(plan: Grid, tmp_path: Path) -> None:
    write_grid(plan, tmp_path / "grid.gpkg")
    line = ["apply", str(tmp_path / "grid.gpkg"), "--settle", "-o"]
    hand = ["--hand", "101001:102", "--save", str(tmp_path / "c.json")]
    ran = CliRunner().invoke(main, [*line, str(tmp_path / "a.gpkg"), *hand])
    assert ran.exit_code == 0, ran.output
    done = read_grid(tmp_path / "a.gpkg")
    assert done.cells["households"].between(300, 600).all() and "101001" in set(
        done.retired["code"]
    )
    owner = done.cells["parent"].reindex(done.units["code"]).to_numpy()
    given = (plan.units["code"] == "101001").to_numpy()
    assert (owner == np.where(given, "102", plan.units["parent"])).all()
    document = json.loads((tmp_path / "c.json").read_text("utf-8"))
    jsonschema.validate(document, SCHEMA)
    ran = CliRunner().invoke(main, [*line, str(tmp_path / "b.gpkg"), str(tmp_path / "c.json")])
    assert ran.exit_code == 0, ran.output
    assert read_grid(tmp_path / "b.gpkg").content_hash == done.content_hash
    ran = CliRunner().invoke(main, ["apply", str(tmp_path / "grid.gpkg"), "--dry-run", *hand])
    assert ran.exit_code == 2 and "c.json" in ran.stderr


def test_a_fragment_handed_over_leaves_no_exception() -> None:
    """A block of community A with 120 households lies inside B, cut off from the rest of A."""
    x, y = (a.ravel() for a in np.meshgrid(np.arange(8) * 100, np.arange(4) * 100))
    parent = np.where(x < 300, "A", "B")
    parent[(x == 500) & (y == 100)] = "A"
    households = np.where((x == 500) & (y == 100), 120, 75)
    units = gpd.GeoDataFrame(
        {"parent": parent, "households": households},
        geometry=shapely.box(x, y, x + 100, y + 100), crs=4547,
    )  # fmt: skip
    grid = partition(units, exclaves="own", lang="en")
    (row,) = grid.exceptions.to_dict("records")
    assert "hand the part at unit" in row["options"] and "over to B" in row["options"]
    changes = requested(grid, Changes(), hand=[(row["code"], "B")])
    done = apply(grid, changes, settle=True)
    assert done.exceptions.empty and done.cells["households"].between(300, 600).all()
    assert (done.units.groupby("parent").size() == [12, 20]).all()
    assert done.cells.geometry.geom_type.eq("Polygon").all()
    with pytest.raises(InputError, match="no border with a residential cell of B"):
        requested(grid, Changes(), hand=[("0", "B")])


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "other grid": ({"grid": "0" * 64}, "start from the grid 000000000000"),
    "no unit": ({"moves": {"101001": [999]}}, "no unit 999"),
    "no cell": ({"moves": {"7": [0]}}, "no cell '7'"),
    "no name": ({"names": {"7": "x"}}, "no cell '7'"),
    "locked": ({"moves": {"101001": [18]}, "locked": ["101002"]}, "101002 is locked"),
    "locked goal": ({"moves": {"101001": [18]}, "locked": ["101001"]}, "101001 is locked"),
    "two ends": ({"moves": {"101001": [18], "101003": [18]}}, "Unit 18 is to move to"),
    "same end twice": ({"moves": {"101001": [18, 18]}}, "Unit 18 is to move to"),
    "other parent": ({"moves": {"102001": [18]}}, "no cell may cross one"),
    "new across": ({"moves": {"new:1": [2, 3]}}, "no cell may cross one"),
    "no jurisdiction": ({"hand": {"9": [2]}}, "no jurisdiction '9'"),
    "handed nowhere": ({"hand": {"102": [2]}}, "stays in cell 101003"),
    "all handed": ({"hand": {"102": list(range(36))}}, "Nothing would be left of jurisdiction 101"),
    "line misses": ({"cuts": [{"unit": 0, "line": [[900, 0], [900, 50]]}]}, "misses unit 0"),
    "line ends inside": ({"cuts": [{"unit": 0, "line": [[50, -9], [50, 50]]}]}, "misses unit 0"),
    "cut twice": (
        {"cuts": [{"unit": 0, "line": [[50, -9], [50, 109]]}] * 2},
        "Unit 0 is to be cut twice",
    ),
    "cut of nothing": ({"cuts": [{"unit": 77, "line": [[0, 0], [1, 1]]}]}, "no unit 77"),
    "crossed line": (
        {"cuts": [{"unit": 0, "line": [[50, -9], [50, 109], [90, 50], [-9, 50]]}]},
        "crosses itself",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line_and_nothing_is_written(
    case: str, plan: Grid, tmp_path: Path
) -> None:
    parts, words = BAD[case]
    document = {"schema": "gridmap.changes/1", "grid": plan.content_hash, **parts}
    with pytest.raises(InputError, match=words):
        apply(plan, document)
    write_grid(plan, tmp_path / "grid.gpkg")
    (tmp_path / "c.json").write_text(json.dumps(document), encoding="utf-8")
    line = ["--lang", "en", "apply", str(tmp_path / "grid.gpkg"), str(tmp_path / "c.json")]
    ran = CliRunner().invoke(main, [*line, "-o", str(tmp_path / "new.gpkg")])
    assert ran.exit_code == 2 and ran.stdout == ""
    assert len(ran.stderr.strip().splitlines()) == 1 and ran.stderr.startswith("gridmap: ")
    assert not (tmp_path / "new.gpkg").exists()


CUT = '{"schema": "gridmap.changes/1", "cuts": [{"unit": 0, "line": %s}]}'


def test_names_may_have_the_wide_space_of_chinese() -> None:
    document = {"schema": "gridmap.changes/1", "names": {"A": "曙园　一网格"}}
    assert read_changes(document).names == {"A": "曙园　一网格"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is no JSON"),
        ("[]", "it is no JSON object"),
        ("\n{'schema': 1}", "no JSON from line 2 on"),
        ("[" * 100_000, "it is no JSON"),
        ('{"schema": "gridmap.changes/1", "moves": {"A": [true]}}', "lists of units"),
        ('{"schema": "gridmap.changes/1", "moves": {"A": [1.0]}}', "lists of units"),
        ('{"schema": "gridmap.changes/1", "hand": {"A": [null]}}', "lists of units"),
        ('{"schema": "gridmap.changes/1", "cuts": [{"unit": [], "line": []}]}', "'cuts' must"),
        ('{"a":' * 100_000, "it is no JSON"),
        ('{"schema": "gridmap.changes/1", "moves": {"A": [NaN]}}', "it is no JSON"),
        ('{"schema": "gridmap.changes/1", "moves": {"A": [1], "A": []}}', "'A' stands twice"),
        ('{"schema": "gridmap.changes/1", "moves": {}, "moves": {}}', "'moves' stands twice"),
        ('{"schema": "gridmap.changes/1", "names": {"A": "\\ud800"}}', "control character"),
        ('{"schema": "gridmap.changes/1", "names": {"A": "x\\ny"}}', "a line break"),
        ('{"schema": "gridmap.changes/1", "note": "\\udfff"}', "'note' is no text"),
        ('{"schema": "gridmap.changes/1", "locked": "A"}', "must list codes"),
        (CUT % "[[1e999, 0], [1, 1]]", "must list units with lines"),
        (CUT % f"[[{'9' * 400}, 0], [1, 1]]", "must list units with lines"),
        (CUT % '[["1", "2"], [3, 4]]', "must list units with lines"),
        (CUT % "[[true, false], [3, 4]]", "must list units with lines"),
        ("{}", "of schema None"),
        ('{"schema": "gridmap.changes/1", "moves": []}', "must map codes to lists"),
        ('{"schema": "gridmap.changes/1", "moves": {"A": 1}}', "must map codes to lists"),
        ('{"schema": "gridmap.changes/1", "grid": 7}', "'grid' is no text"),
        ('{"schema": "gridmap.changes/1", "names": {"A": 1}}', "must map codes to texts"),
        ('{"schema": "gridmap.changes/1", "locked": [1]}', "must list codes"),
        ('{"schema": "gridmap.changes/1", "cuts": [{"unit": 1}]}', "'cuts' must list"),
        ('{"schema": "gridmap.changes/1", "cuts": [{"unit": 1, "line": [[0, 0]]}]}', "one point"),
        ('{"schema": "gridmap.changes/1", "mooves": {}}', "it has 'mooves'"),
    ],
)
def test_what_is_no_change_file_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "changes.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_changes(path)


NOTED = '{"schema": "gridmap.changes/1", "moves": {"A": [1]}, "note": "学校归东边"}\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_change_file_may_be_in_any_encoding_of_unicode(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "changes.json"
    path.write_text(NOTED, encoding=encoding)
    assert read_changes(path) == Changes(moves={"1": "A"}, note="学校归东边")


def test_another_encoding_of_a_change_file_is_asked_for_and_obeyed(tmp_path: Path) -> None:
    path = tmp_path / "changes.json"
    path.write_text(NOTED, encoding="gbk")
    with pytest.raises(InputError, match='encoding="gb18030"'):
        read_changes(path)
    with declaring(encoding="GBK"):
        assert read_changes(path).note == "学校归东边"


@settings(max_examples=40, deadline=None)
@given(
    unit=st.integers(0, 35),
    turn=st.floats(0, np.pi),
    dx=st.floats(-45, 45),
    dy=st.floats(-45, 45),
)
def test_a_cut_loses_neither_ground_nor_households(
    unit: int, turn: float, dx: float, dy: float
) -> None:
    """Whatever the line: the same ground, the same households, no cell but its own another."""
    plan = housed()
    middle = plan.units.geometry[unit].centroid
    step = 500 * np.array([np.cos(turn), np.sin(turn)])
    at = np.array([middle.x + dx, middle.y + dy])
    code = plan.units.at[unit, "code"]
    document = wish(
        plan,
        cuts=[{"unit": unit, "line": [(at - step).tolist(), (at + step).tolist()]}],
        moves={"new:1": [f"{unit}.1"]},
        approve={"new:1": "x", code: "x"},
    )
    done = apply(plan, document)
    line = shapely.LineString([at - step, at + step])
    left = shapely.ops.split(plan.units.geometry[unit], line)
    assert len(done) == len(plan) + 1 and len(done.units) == len(plan.units) + 1
    assert done.cells["households"].sum() == plan.cells["households"].sum()
    fresh = done.cells.loc[done.cells.index.difference(plan.cells.index)[0]]
    assert min(abs(part.area - fresh.geometry.area) for part in left.geoms) < 10
    inside = plan.buildings.geometry.intersects(fresh.geometry.buffer(-1e-6))
    near = plan.buildings.geometry.distance(line) < 1e-3
    counted = int(plan.buildings.loc[inside, "households"].sum())
    assert abs(fresh["households"] - counted) <= 5 * int(near.sum())
    for other in plan.cells.index.difference([code]):
        apart = plan.cells.geometry[other].symmetric_difference(done.cells.geometry[other])
        assert apart.area < 1e-6


def test_a_cut_never_runs_through_a_building_and_needs_some(plan: Grid) -> None:
    cut = {"cuts": [{"unit": 0, "line": [[50, -9], [50, 109]]}], "moves": {"new:1": ["0.1"]}}
    reasons = {"approve": {"new:1": "x", "101003": "x"}}
    bare = make_plan()
    with pytest.raises(InputError, match="keeps no buildings"):
        apply(bare, wish(bare, **cut, **reasons))
    points = plan.buildings
    solid = bare.with_buildings(points.set_geometry(points.buffer(3, cap_style="square")))
    with pytest.raises(InputError, match="runs through the building"):
        apply(solid, wish(solid, **cut, **reasons))
    round_it = [[55.5, -9], [60, 109]]
    cut["cuts"][0]["line"] = round_it  # type: ignore[index]
    done = apply(solid, wish(solid, **cut, **reasons))
    assert done.cells["households"].sum() == 2700
    fewer = plan.with_buildings(points.iloc[1:])
    with pytest.raises(InputError, match="the buildings in it 70"):
        apply(fewer, wish(fewer, **cut, **reasons))


def test_what_moves_is_called_by_label_name_or_place(plan: Grid) -> None:
    unit = unit_at(plan, 0, 3)
    assert units_called(plan, str(unit)) == units_called(plan, "50,350") == [str(unit)]
    name = plan.buildings.loc[plan.buildings.intersects(plan.units.geometry[unit]), "name"].iloc[0]
    assert units_called(plan, name) == [str(unit)]
    with pytest.raises(InputError, match="is no unit of the grid"):
        units_called(plan, "Atlantis")
    with pytest.raises(InputError, match="No unit of the grid lies at"):
        units_called(plan, "9999,9999")
    changes = requested(plan, Changes(), moves=[(name, "101001")])
    assert apply(plan, changes).cells.at["101001", "households"] == 525


def test_the_shell_moves_merges_and_splits(plan: Grid, tmp_path: Path) -> None:
    grid, line = tmp_path / "grid.gpkg", tmp_path / "line.gpkg"
    write_grid(plan, grid)
    gpd.GeoDataFrame(geometry=[shapely.LineString([(-20, 466), (320, 466)])], crs=plan.crs).to_file(
        line
    )
    run = lambda *words: CliRunner().invoke(main, ["--lang", "en", "apply", str(grid), *words])  # noqa: E731
    dry = run("--merge", "101001,101002", "--approve", "101002=one compound", "--dry-run")
    assert dry.exit_code == 0 and "450 households moved" in dry.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid.gpkg", "line.gpkg"]
    reasons = ["--approve", "101001=x", "--approve", "new:split-1=y"]
    for through, homes in (((), 225), (("--through",), 150)):
        out = tmp_path / f"new{len(through)}.gpkg"
        page = tmp_path / f"new{len(through)}.html"
        ran = run("--split", "101001", "--along", str(line), *through, *reasons, "-o", str(out),
                  "--map", str(page))  # fmt: skip
        assert ran.exit_code == 0, ran.output
        made = read_grid(out)
        assert made.cells["households"].sum() == 2700 and page.exists()
        north = made.cells.loc[["101001", "101004"], "households"]
        assert north.tolist() == [450 - homes, homes], "the heavier side keeps the code"
    for words, text in (
        (("--move", "0:101001"), "Name the new grid"),
        (("--dry-run",), "Nothing is to be changed"),
        (("--split", "101001", "--dry-run"), "Give each --split its line"),
        (("--merge", "101001", "--dry-run"), "two cells or more"),
        (("--move", "nonsense", "--dry-run"), "is not WHAT:CODE"),
        (("--split", "102001", "--along", str(line), "--dry-run"), "cell 102001"),
    ):
        ran = run(*words)
        assert ran.exit_code == 2 and text in ran.stderr, (words, ran.stderr)
    assert not (tmp_path / "new.gpkg").exists()


def test_buildings_survive_the_file(plan: Grid, tmp_path: Path) -> None:
    write_grid(plan, tmp_path / "grid.gpkg")
    back = read_grid(tmp_path / "grid.gpkg")
    assert back.buildings.equals(plan.buildings) and back.content_hash == plan.content_hash
    assert make_plan().buildings is None and squares().crs == plan.crs
    with pytest.raises(InputError, match="no column 'households'"):
        plan.with_buildings(plan.buildings.drop(columns="households"))
