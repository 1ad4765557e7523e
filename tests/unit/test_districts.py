"""A dataset by district: proved in parts, proved whole, and never done twice."""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

import gridmap as gm
from gridmap.cli import main
from gridmap.errors import InputError, PartitionError
from gridmap.incidents.stream import count_districts, count_file
from gridmap.io.batches import ParquetFile
from gridmap.io.gridfile import (
    METADATA,
    PLAIN,
    facts_of,
    read_districts,
    read_parts,
    write_grid_dataset,
)
from gridmap.io.record import record_of
from gridmap.io.slices import Slices
from gridmap.io.verify import prove_districts
from gridmap.partitioning import districts
from gridmap.partitioning.districts import Inputs, corners, partition_districts, stitched
from scripts import verify_grid

OPTIONS: dict[str, Any] = {"households": (300, 600), "quality": "fast", "lang": "en"}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a tiny town, whose streets are its districts here."""
    folder = tmp_path_factory.mktemp("town")
    city = gm.example_city(seed=0, size="tiny")
    for name in ("jurisdictions", "buildings", "barriers", "dedicated"):
        getattr(city, name).to_file(folder / f"{name}.gpkg")
    city.incidents.drop(columns="geometry").to_parquet(folder / "incidents.parquet")
    return folder


def inputs(town: Path, **others: Any) -> Inputs:
    """Return the town as inputs."""
    named = {name: str(town / f"{name}.gpkg") for name in ("jurisdictions", "dedicated")}
    named |= {"households": str(town / "buildings.gpkg"), "by": "community"}
    return Inputs(**(named | {"barriers": (str(town / "barriers.gpkg"),)} | others))


@pytest.fixture(scope="module")
def dataset(town: Path) -> Path:
    """Cut the town by district in this process."""
    partition_districts(inputs(town), town / "grid", **OPTIONS)
    return town / "grid"


def test_the_codes_are_a_level_of_all_districts_or_of_none(tmp_path: Path) -> None:
    x = 500_000 + np.arange(3) * 300.0
    shapes = shapely.box(x, 3_400_000, x + 300, 3_400_300)
    homes = gpd.GeoDataFrame({"households": [400] * 3}, geometry=shapely.centroid(shapes), crs=4547)
    homes.to_file(tmp_path / "h.gpkg")
    places = {"code": list("abc"), "district": ["D1", "D1", "D2"]}
    gpd.GeoDataFrame(places, geometry=shapes, crs=4547).to_file(tmp_path / "j.gpkg")
    given = Inputs(str(tmp_path / "j.gpkg"), "district", str(tmp_path / "h.gpkg"))
    partition_districts(given, tmp_path / "grid", **OPTIONS)
    whole = gm.read_grid(tmp_path / "grid")
    assert whole.levels == ("district", "community")
    assert sorted(whole.cells["name"]) == ["a cell 1", "b cell 1", "c cell 1"]


@pytest.fixture
def damaged(dataset: Path, tmp_path: Path) -> Path:
    """Return a copy of the dataset, to be spoilt."""
    shutil.copytree(dataset, tmp_path / "grid")
    return tmp_path / "grid"


def same_bytes(one: Path, other: Path) -> bool:
    """Tell whether two folders hold the same files, byte by byte."""
    names = [sorted(str(p.relative_to(f)) for p in f.rglob("*")) for f in (one, other)]
    files = [name for name in names[0] if (one / name).is_file()]
    _, wrong, unread = filecmp.cmpfiles(one, other, files, shallow=False)
    return names[0] == names[1] and len(files) > 0 and not wrong and not unread


def verified(path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return what the auditor's script says."""
    code = verify_grid.main([str(path)])
    return code, capsys.readouterr().out


def test_parts_and_whole_are_one_proof(
    town: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is proved in parts is proved again as one coverage, and no household is lost."""
    whole, places = read_districts(dataset)
    assert len(places) > 3
    proved = prove_districts(dataset)
    joined = gm.read_grid(dataset)
    assert not proved.found
    assert joined.proof.verdict == "exact"
    assert (proved.cells, proved.districts) == (len(joined), len(whole))
    assert joined.proof.edges == proved.edges
    homes = gpd.read_file(town / "buildings.gpkg")
    inside = homes.intersects(joined.boundary)
    assert joined.cells["households"].sum() == homes.loc[inside, "households"].sum()
    assert joined.units["households"].sum() == joined.cells["households"].sum()
    assert gm.read_grid(dataset, whole=False).content_hash == joined.content_hash
    code, said = verified(dataset, capsys)
    assert code == 0
    assert f"PROVED: {len(joined)} cells fill {len(whole)} districts" in said


def test_the_outline_of_a_district_has_corners_only_where_both_sides_have(dataset: Path) -> None:
    """Borders of districts are used from both sides or are the rim: counted edge by edge."""
    whole, places = read_districts(dataset)
    edges: Counter[Any] = Counter()
    for place in places.values():
        rim = gpd.read_parquet(place / "boundary.parquet").geometry.iloc[0]
        for ring in shapely.get_rings(shapely.get_parts(shapely.normalize(rim))):
            walk = list(ring.coords)
            edges.update(frozenset(pair) for pair in pairwise(walk))
    rim = {
        frozenset(pair)
        for ring in shapely.get_rings(shapely.get_parts(whole.boundary))
        for pair in pairwise(ring.coords)
    }
    assert {edge for edge, n in edges.items() if n == 1} == rim
    assert max(edges.values()) == 2


def test_any_number_of_workers_writes_the_same_bytes(
    town: Path, dataset: Path, tmp_path: Path
) -> None:
    partition_districts(inputs(town), tmp_path / "two", workers=2, **OPTIONS)
    assert same_bytes(dataset, tmp_path / "two")
    assert os.listdir(tmp_path) == ["two"]


@pytest.mark.parametrize("ending", ["fgb", "parquet", "covered.parquet"])
def test_other_formats_give_the_same_cells(
    town: Path, dataset: Path, tmp_path: Path, ending: str
) -> None:
    """FlatGeobuf, and GeoParquet with and without bounding boxes."""
    paths = {}
    for name in ("jurisdictions", "buildings", "barriers", "dedicated"):
        frame, paths[name] = gpd.read_file(town / f"{name}.gpkg"), tmp_path / f"{name}.{ending}"
        if ending == "fgb":
            frame.to_file(paths[name])
        else:
            frame.to_parquet(
                paths[name], row_group_size=50, write_covering_bbox="covered" in ending
            )
    given = inputs(
        town,
        jurisdictions=str(paths["jurisdictions"]),
        households=str(paths["buildings"]),
        barriers=(str(paths["barriers"]),),
        dedicated=str(paths["dedicated"]),
    )
    partition_districts(given, tmp_path / "grid", **OPTIONS)
    ours, theirs = gm.read_grid(dataset), gm.read_grid(tmp_path / "grid")
    assert theirs.cells["households"].sum() == ours.cells["households"].sum()
    assert theirs.boundary.symmetric_difference(ours.boundary).area < 1e-3
    if ending != "fgb":  # which has an order of its own
        assert theirs.content_hash == ours.content_hash


def test_units_are_read_by_their_own_column(town: Path, dataset: Path, tmp_path: Path) -> None:
    """Units need no noding: cells by district are those cut at once."""
    units = gm.read_grid(dataset).units
    keep = ["community", "parent", "households", "geometry"]
    units[keep].to_parquet(tmp_path / "units.parquet")
    given = inputs(
        town, households=None, units=str(tmp_path / "units.parquet"), barriers=(), dedicated=None
    )
    partition_districts(given, tmp_path / "grid", **OPTIONS)
    joined = gm.read_grid(tmp_path / "grid")
    assert joined.proof.verdict == "exact"
    assert joined.cells["households"].sum() == units["households"].sum()
    assert joined.boundary.equals(gm.read_grid(dataset).boundary)


def test_what_was_done_is_not_done_again(
    town: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended after each number of districts, in either stage, a run comes to the same bytes."""
    count = len(read_districts(dataset)[1])
    done: list[str] = []
    cut, match = districts.cut, districts.match
    for stop in (1, count - 1, count, 2 * count - 1):
        done.clear()

        def counting(stage: Any, *call: Any, last: int | None = stop) -> None:
            if len(done) == last:
                raise KeyboardInterrupt
            stage(*call)
            done.append(call[1].key)

        monkeypatch.setattr(districts, "cut", lambda *call, f=counting: f(cut, *call))
        monkeypatch.setattr(districts, "match", lambda *call, f=counting: f(match, *call))
        with pytest.raises(KeyboardInterrupt):
            partition_districts(inputs(town), tmp_path / "grid", **OPTIONS)
        assert not (tmp_path / "grid").exists()
        more = lambda stage, *call: counting(stage, *call, last=None)  # noqa: E731
        monkeypatch.setattr(districts, "cut", lambda *call, f=more: f(cut, *call))
        monkeypatch.setattr(districts, "match", lambda *call, f=more: f(match, *call))
        made = partition_districts(inputs(town), tmp_path / "grid", **OPTIONS)
        assert made["done_before"] == min(stop, count)
        assert len(done) == 2 * count  # in both runs together, each stage of each once
        assert same_bytes(dataset, tmp_path / "grid")
        shutil.rmtree(tmp_path / "grid")


def test_parts_of_other_inputs_or_options_are_thrown_away(
    town: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    match = districts.match
    monkeypatch.setattr(districts, "match", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        partition_districts(inputs(town), tmp_path / "grid", **OPTIONS | {"seed": 1})
    assert [path.name for path in tmp_path.iterdir()] == [".gridmap-grid"]
    monkeypatch.setattr(districts, "match", match)
    made = partition_districts(inputs(town), tmp_path / "grid", **OPTIONS)
    assert made["done_before"] == 0
    assert same_bytes(dataset, tmp_path / "grid")


MICRO_BAND = ("small", "large")


@pytest.fixture(scope="module")
def countryside(town: Path) -> Path:
    """Give the town bands of its own: villages of 30 to 120 whose cells stay whole, and streets."""
    areas = gpd.read_file(town / "jurisdictions.gpkg")
    village = np.arange(len(areas)) % 4 == 1
    bands = {"least": (30, 300), "most": (120, 600), "small": (None, 40), "large": (None, 90)}
    for name, (rural, urban) in bands.items():
        areas[name] = pd.array(np.where(village, rural, urban), dtype="Int64")
    folder = town / "countryside"
    folder.mkdir()
    areas.to_file(folder / "jurisdictions.gpkg")
    return folder


@pytest.fixture(scope="module")
def nested(town: Path, countryside: Path) -> Path:
    """Cut the town into cells and micro-cells by district, in this process."""
    options = OPTIONS | {"households": ("least", "most"), "micro": MICRO_BAND}
    given = inputs(town, jurisdictions=str(countryside / "jurisdictions.gpkg"))
    partition_districts(given, countryside / "grid", **options)
    return countryside / "grid"


def test_micro_cells_nest_in_the_cells_of_each_district(
    nested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each fills its cell to the last bit, but in villages, and is proved with the whole."""
    grid, small = gm.read_grid(nested), gm.read_grid(nested / "micro")
    areas = gpd.read_file(nested.parent / "jurisdictions.gpkg").set_index("code")
    bands = {key: grid.bands.of(key) for key in areas.index}
    assert bands == {key: (row["least"], row["most"]) for key, row in areas.iterrows()}
    urban = grid.cells["parent"].map(areas["small"]).notna()
    split = grid.cells.index[urban & (grid.cells["kind"] == "residential")]
    assert {*small.cells["parent"]} == {*split}
    assert len(small) > 2 * len(split) > 0
    assert all(code.startswith(parent) for code, parent in small.cells["parent"].items())
    homes = small.cells.groupby("parent")["households"].sum()
    assert homes.to_dict() == grid.cells.loc[split, "households"].to_dict()
    for code, shapes in small.cells.geometry.groupby(small.cells["parent"]):
        assert shapely.coverage_union_all(shapes.to_numpy()).equals(grid.cells.geometry[code])
    proved = prove_districts(nested)
    assert (proved.found, proved.micro, proved.split) == ({}, len(small), len(split))
    done = CliRunner().invoke(main, ["--lang", "en", "validate", str(nested)])
    said = f"micro-cells: {len(small):,} in {len(split):,} cells, no gaps, no overlaps"
    assert done.exit_code == 0
    assert said in done.stdout
    code, said = verified(nested, capsys)
    assert code == 0
    assert f"{len(small)} micro-cells fill {len(split)} of the cells exactly, each its own" in said


def test_micro_cells_are_the_same_from_any_number_of_workers(
    town: Path, nested: Path, tmp_path: Path
) -> None:
    areas = nested.parent / "jurisdictions.gpkg"
    more = ("--min=least", "--max=most", "--micro-min=small", "--micro-max=large", "--workers=2")
    made = command(town, tmp_path / "grid", *more, "--micro")
    done = CliRunner().invoke(main, [str(areas) if "jurisdict" in w else w for w in made])
    assert done.exit_code in (0, 1), done.output
    assert "micro-cells: " in done.stdout
    assert same_bytes(nested, tmp_path / "grid")


def test_a_boundary_of_the_auditors_own_is_held_against_the_whole(
    nested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One outline proves the dataset, one that lacks a corner refutes it, micro-cells or not."""
    areas = gpd.read_file(nested.parent / "jurisdictions.gpkg")
    own = gpd.GeoDataFrame(geometry=[areas.union_all("coverage")], crs=areas.crs)
    own.to_file(tmp_path / "own.gpkg")
    own.to_file(tmp_path / "own.geojson")
    west, south, _, _ = areas.total_bounds
    near = shapely.box(west, south, west + 300, south + 300)
    own.difference(near).to_file(tmp_path / "less.gpkg")
    for name, wanted in (("own.gpkg", 0), ("own.geojson", 0), ("less.gpkg", 1), ("none.gpkg", 2)):
        code = verify_grid.main([str(nested), "--boundary", str(tmp_path / name)])
        said = capsys.readouterr().out
        assert code == wanted, said
        assert ("the same area as" in said) == (wanted == 0)
        assert ("districts: boundary against" in said) == (wanted == 1)


def test_the_hash_of_a_dataset_tells_a_cell_that_was_changed_and_hashed_anew(
    nested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both say one hash; the outlines of the districts stay, and it is another."""
    known = prove_districts(nested).content_hash
    assert f"content hash {known}, of all districts" in verified(nested, capsys)[1]
    shutil.copytree(nested, tmp_path / "grid")
    place = next(iter(read_districts(tmp_path / "grid" / "micro")[1].values()))
    grid = gm.read_grid(place)
    names = grid.cells["name"] + "!"
    named = gm.Grid(
        grid.cells.assign(name=names), grid.boundary, grid.levels, jurisdictions=grid.jurisdictions,
        parameters=grid.parameters,
    )  # fmt: skip
    write_grid_dataset(named, place, overwrite=True, plain=True)
    _rehash(place.parent / "districts", place.name, named.content_hash)
    proved = prove_districts(tmp_path / "grid")
    assert not proved.found
    assert proved.content_hash != known
    assert f"content hash {proved.content_hash}" in verified(tmp_path / "grid", capsys)[1]


def test_the_bench_of_a_metropolis_runs_from_end_to_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Towns and country, micro-cells, dedicated ones: cut, proved, coded, counted and briefed."""
    from scripts.bench import metropolis

    table = tmp_path / "table.md"
    monkeypatch.setattr(sys, "argv", ["", "--quick", "--folder", str(tmp_path), "-o", str(table)])
    metropolis.main()
    said = table.read_text(encoding="utf-8")
    assert said.strip() in capsys.readouterr().out
    assert said.count(" | ") > 40
    counts = metropolis.counts(tmp_path / "town")
    assert counts["micro"] > 3 * counts["in communities"] > 0
    assert min(counts["rural"], counts["dedicated"]) > 0
    assert len((tmp_path / "town" / "briefing.html").read_bytes()) > 50_000
    cells = pd.read_csv(tmp_path / "town" / "counts.csv")
    assert len(cells) == counts["micro"]


def _cells_of_another(place: Path, other: Path) -> None:
    """Put the micro-cells of another district in the place of these."""
    shutil.rmtree(place)
    shutil.copytree(other, place)


def _moved_cells(place: Path, _: Path) -> None:
    """Give all cells of one cell to its neighbour, all outlines with them, proved and hashed."""
    grid = gm.read_grid(place)
    cells, areas = grid.cells.drop(columns="name"), grid.jurisdictions
    i, j = next(iter(_neighbours(areas)))
    joined = areas.geometry.copy()
    joined[i] = joined[i].union(joined[j])
    parent = cells["parent"].replace(j, i)
    moved = gm.Grid(
        cells.assign(parent=parent, name=parent.index), grid.boundary, grid.levels[:-1],
        jurisdictions=areas.set_geometry(joined).drop(index=j), parameters=grid.parameters,
    )  # fmt: skip
    write_grid_dataset(moved, place, overwrite=True, plain=True)
    _rehash(place.parent / "districts", place.name, moved.content_hash)


def _neighbours(areas: gpd.GeoDataFrame) -> list[tuple[str, str]]:
    """Return pairs of areas that share a side."""
    shapes = areas.geometry.to_numpy()
    a, b = shapely.STRtree(shapes).query(shapes, predicate="touches")
    long = shapely.length(shapely.intersection(shapes[a], shapes[b])) > 0
    return [(areas.index[p], areas.index[q]) for p, q in zip(a[long], b[long], strict=True)]


def _rehash(whole: Path, folder: str, fresh: str) -> None:
    """Let the whole record another content hash of one part."""
    table = pd.read_parquet(whole / "gridmap_metadata.parquet").set_index("key")
    told = json.loads(table.at["parameters", "value"])
    next(p for p in told["parts"].values() if p["folder"] == folder)["content_hash"] = fresh
    table.loc["parameters", "value"] = json.dumps(told, ensure_ascii=False, sort_keys=True)
    place = whole / "gridmap_metadata.parquet"
    table.reset_index().to_parquet(place, index=False, **PLAIN)
    parts = read_parts(whole, True)
    record = record_of(parts, facts_of(parts[METADATA], str(whole)))
    table.loc["record_hash", "value"] = json.dumps(record)
    table.reset_index().to_parquet(place, index=False, **PLAIN)


@pytest.mark.parametrize("spoil", [_cells_of_another, _moved_cells])
def test_micro_cells_beside_their_cells_are_found_by_both(
    nested: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Any
) -> None:
    """Proved by themselves and under hashes of their own, but not in the cells of the dataset."""
    shutil.copytree(nested, tmp_path / "grid")
    places = read_districts(tmp_path / "grid" / "micro")[1]
    sizes = {key: len(gm.read_grid(place).jurisdictions) for key, place in places.items()}
    key, other = sorted(sizes, key=lambda key: -sizes[key])[:2]
    spoil(places[key], places[other])
    done = CliRunner().invoke(main, ["--lang", "en", "validate", str(tmp_path / "grid")])
    assert done.exit_code == 1
    assert f"  {key}: its micro-cells: " in done.stdout
    code, said = verified(tmp_path / "grid", capsys)
    assert code == 1
    assert f"district {key}: micro-cells: " in said


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def command(town: Path, output: Path, *more: str) -> list[str]:
    """Return the command that makes the dataset."""
    flags = [f"--{name}={town / name}.gpkg" for name in ("barriers", "dedicated")]
    return [
        "--lang", "en", "partition", str(town / "jurisdictions.gpkg"),
        f"--households={town / 'buildings.gpkg'}", *flags, "--by=community", "--quality=fast",
        f"-o{output}", *more,
    ]  # fmt: skip


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="processes are killed as on Unix")
def test_a_killed_worker_is_one_line_and_the_same_command_goes_on(
    town: Path, dataset: Path, tmp_path: Path
) -> None:
    output = tmp_path / "grid"
    run = subprocess.Popen(
        [sys.executable, "-m", "gridmap", *command(town, output, "--workers=2")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    drafts = tmp_path / ".gridmap-grid" / "drafts"
    until = time.monotonic() + 120
    while not list(drafts.glob("*.json")) and time.monotonic() < until:
        time.sleep(0.02)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGKILL)
    said = run.communicate(timeout=240)[1].strip()
    assert run.returncode == 2
    assert "\n" not in said
    assert "A worker process was killed" in said
    assert not output.exists()
    done = len(list(drafts.glob("*.json")))
    again = CliRunner().invoke(main, command(town, output, "--workers=1"))
    assert again.exit_code in (0, 1), again.output
    assert f"Districts done before, and not again: {done}." in again.stderr
    assert same_bytes(dataset, output)


def test_the_command_says_what_it_made(town: Path, dataset: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, command(town, tmp_path / "grid"))
    cells, count = prove_districts(dataset).cells, len(read_districts(dataset)[1])
    first = f"no gaps, no overlaps: {cells} cells tile {count} districts exactly, and these the "
    assert done.stdout.startswith(first + "whole\n")
    checked = CliRunner().invoke(main, ["--lang", "en", "validate", str(tmp_path / "grid")])
    assert (checked.exit_code, checked.stdout) == (0, first + "whole\n")
    again = CliRunner().invoke(main, command(town, tmp_path / "grid"))
    assert again.exit_code == 2
    assert "exists already" in again.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--keep=old.gpkg"], "--keep does not go with --by"),
        (["--micro=small.gpkg"], "With --by, --micro takes no name"),
        (["--lock=A"], "--lock does not go with --by"),
        (["--min=low"], "`--min` names 'low', which the jurisdictions lack"),
        (["--micro", "--micro-max=high"], "`--micro-max` names 'high', which the jurisdictions"),
        (["-ogrid.gpkg"], "-o is a folder of GeoParquet"),
        (["--by=quarter"], "has no column 'quarter'"),
        (["--households=homes.csv"], "cannot be read by district"),
        (["--households=postgresql://u:secret@h/d?table=t"], "cannot be read by district"),
        (["--dask=tcp://127.0.0.1:1"], "No Dask scheduler answers"),
    ],
)
def test_what_cannot_go_by_district_is_refused(
    town: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: list[str], said: str
) -> None:
    if "--dask" in more[0]:
        pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "homes.csv").write_text("x,y,households\n1,1,1\n")
    done = CliRunner().invoke(main, command(town, tmp_path / "grid", *more))
    assert done.exit_code == 2
    assert said in done.stderr
    assert "secret" not in done.output
    assert not (tmp_path / "grid").exists()


def test_districts_that_do_not_match_are_refused_before_any_work(
    town: Path, tmp_path: Path
) -> None:
    areas = gpd.read_file(town / "jurisdictions.gpkg")
    areas.loc[0, "geometry"] = areas.geometry[0].buffer(-0.2)
    areas.to_file(tmp_path / "apart.gpkg")
    with pytest.raises(InputError, match="do not match vertex by vertex"):
        partition_districts(
            inputs(town, jurisdictions=str(tmp_path / "apart.gpkg")), tmp_path / "grid", **OPTIONS
        )
    areas.loc[1, "community"] = None
    areas.to_file(tmp_path / "blank.gpkg")
    with pytest.raises(InputError, match="1 row without a value"):
        Slices(tmp_path / "blank.gpkg").groups("community")


def test_a_district_that_cannot_be_cut_is_named(town: Path, tmp_path: Path) -> None:
    homes = gpd.read_file(town / "buildings.gpkg")
    areas = gpd.read_file(town / "jurisdictions.gpkg")
    empty = areas["community"].iloc[2]
    bare = areas.loc[areas["community"] == empty].union_all()
    homes[~homes.intersects(bare)].to_file(tmp_path / "homes.gpkg")
    with pytest.raises(PartitionError, match=f"District '{empty}': no households lie in it"):
        partition_districts(
            inputs(town, households=str(tmp_path / "homes.gpkg")), tmp_path / "grid", **OPTIONS
        )


# ------------------------------------------------------------------------------ what is spoilt


def _moved_corner(grid: Path, place: Path) -> None:
    """Move one corner of a cell by a nanometre's worth of bits."""
    path = place / "cells.parquet"
    cells = gpd.read_parquet(path)
    xy = shapely.get_coordinates(cells.geometry.iloc[0])
    xy[1, 0] = np.nextafter(xy[1, 0], np.inf)
    xy[-1] = xy[0]
    cells.loc[cells.index[0], "geometry"] = shapely.Polygon(xy)
    cells.to_parquet(path, index=False, **PLAIN)


def _other_district(grid: Path, place: Path) -> None:
    """Put one proved district in the place of another."""
    other = next(p for p in read_districts(grid)[1].values() if p != place)
    shutil.rmtree(place)
    shutil.copytree(other, place)


def _other_count(grid: Path, place: Path) -> None:
    """Change the households of a cell, which no geometry shows."""
    path = place / "cells.parquet"
    cells = gpd.read_parquet(path)
    cells.loc[cells.index[0], "households"] += 1
    cells.to_parquet(path, index=False, **PLAIN)


def _lost_cell(grid: Path, place: Path) -> None:
    path = place / "cells.parquet"
    gpd.read_parquet(path).iloc[1:].to_parquet(path, index=False, **PLAIN)


def _lost_district(grid: Path, place: Path) -> None:
    """Take a district out of the whole as well, with its outline left in the boundary."""
    for name in ("cells", "units"):
        path = grid / "districts" / f"{name}.parquet"
        gpd.read_parquet(path).iloc[1:].to_parquet(path, index=False, **PLAIN)


SPOILS = [_moved_corner, _other_district, _other_count, _lost_cell, _lost_district]


@pytest.mark.parametrize("spoil", SPOILS)
def test_spoilt_parts_are_found_by_both(
    damaged: Path, capsys: pytest.CaptureFixture[str], spoil: Any
) -> None:
    """`validate` and the auditor's script share no code; neither is fooled."""
    key, place = sorted(read_districts(damaged)[1].items())[-1]
    assert verified(damaged, capsys)[0] == 0
    spoil(damaged, place)
    done = CliRunner().invoke(main, ["--lang", "en", "validate", str(damaged)])
    assert done.exit_code in (1, 2)
    if spoil is not _lost_district:
        assert done.exit_code == 1
        assert f"  {key}: " in done.stdout
    code, said = verified(damaged, capsys)
    assert code == 1
    assert said.startswith("NOT PROVED")


def test_a_missing_or_strange_folder_is_told(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = next(iter(read_districts(damaged)[1].values()))
    shutil.copytree(place, damaged / "district=other")
    assert verified(damaged, capsys) == (
        1, f"NOT PROVED: {damaged}\n  district=other is not among the districts\n"
    )  # fmt: skip
    shutil.rmtree(place)
    with pytest.raises(InputError, match="lacks district"):
        read_districts(damaged)
    assert verified(damaged, capsys)[0] == 2


def test_damaged_bytes_never_end_the_script_with_a_bug(
    damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 400 flipped or cut files none is proved otherwise than by its own content."""
    dice = random.Random(0)
    place = next(iter(read_districts(damaged)[1].values()))
    known = gm.read_grid(place).content_hash
    ends: Counter[int] = Counter()
    for name in ("cells", "jurisdictions", "boundary", "gridmap_metadata"):
        path = place / f"{name}.parquet"
        data = path.read_bytes()
        for _ in range(100):
            at = dice.randrange(len(data))
            spoilt = bytearray(data if dice.random() < 0.8 else data[:at])
            if spoilt:
                spoilt[dice.randrange(len(spoilt))] ^= 1 << dice.randrange(8)
            path.write_bytes(spoilt)
            code = verify_grid.main([str(place)])
            ends[code] += 1
            if code == 0:  # a byte that no value hangs on
                with contextlib.suppress(InputError):
                    assert gm.read_grid(place, whole=False).content_hash == known
        path.write_bytes(data)
    capsys.readouterr()
    assert set(ends) <= {0, 1, 2}
    assert ends.total() == 400
    assert ends[1] + ends[2] > 100


# ------------------------------------------------------------------------------- what it is made of


COLUMNS = {
    "text": (st.text("aé网\t\U0001f600", max_size=5), pa.string()),
    "whole": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "real": (st.floats(allow_nan=False), pa.float64()),
    "truth": (st.booleans(), pa.bool_()),
    "bytes": (st.binary(max_size=30), pa.binary()),
}


@given(st.data(), st.integers(0, 20), st.integers(1, 15))
def test_the_script_reads_plain_parquet_as_arrow_does(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, rows: int, group: int
) -> None:
    values = {
        name: data.draw(st.lists(st.none() | kind, min_size=rows, max_size=rows))
        for name, (kind, _) in COLUMNS.items()
    }
    table = pa.table({k: pa.array(v, COLUMNS[k][1]) for k, v in values.items()})
    path = tmp_path_factory.mktemp("plain") / "t.parquet"
    pq.write_table(table, path, row_group_size=group, data_page_size=64, **PLAIN)
    columns, types, _ = verify_grid.parquet(path)
    assert columns == values
    assert types == dict(zip(COLUMNS, ("TEXT", "INTEGER", "REAL", "BOOLEAN", "TEXT"), strict=True))


@given(
    st.lists(st.integers(1, 99), min_size=2, max_size=6, unique=True),
    st.sets(st.integers(1, 9_999), max_size=12),
    st.sets(st.integers(1, 9_999), max_size=12),
    st.integers(0, 2**32 - 1),
)
def test_neighbours_come_to_the_same_border(
    given_: list[int], left: set[int], right: set[int], seed: int
) -> None:
    """Whatever corners each side adds, and a millionth aside: afterwards all edges pair off."""
    rng = np.random.default_rng(seed)
    line = np.array([[k * 7.0 + rng.uniform(-2, 2), 10.0 * k] for k in range(len(given_))])

    def border(fractions: set[int]) -> list[tuple[float, float]]:
        points = [tuple(line[0])]
        for k in range(len(line) - 1):
            for part in sorted(f for f in fractions if f % (len(line) - 1) == k):
                x, y = line[k] + (line[k + 1] - line[k]) * part / 10_000
                points.append((x + rng.uniform(-1e-6, 1e-6), y + rng.uniform(-1e-6, 1e-6)))
            points.append(tuple(line[k + 1]))
        return [(float(x), float(y)) for x, y in points]

    top = 10.0 * (len(line) - 1)
    west = shapely.Polygon([*border(left), (-500, top), (-500, 0)])
    east = shapely.Polygon([*border(right)[::-1], (500, 0), (500, top)])
    sides: list[Any] = []
    for mine, theirs in ((west, east), (east, west)):
        steps: dict[complex, dict[complex, list[complex]]] = {}
        for (a, b), between in corners(mine, theirs).items():
            steps.setdefault(a, {})[b] = between
        sides.append(stitched(np.array([mine], dtype=object), steps)[0])
    edges = Counter(frozenset(pair) for side in sides for pair in pairwise(side.exterior.coords))
    assert sum(n == 1 for n in edges.values()) == 6
    assert set(edges.values()) <= {1, 2}
    given_corners = {tuple(p) for p in line.tolist()}
    assert given_corners <= {p for side in sides for p in side.exterior.coords}


def test_counts_by_district_are_those_of_the_whole(dataset: Path, tmp_path: Path) -> None:
    """Points within, on every corner and the middle of every side, outside and invalid."""
    grid = gm.read_grid(dataset)
    rng = np.random.default_rng(0)
    west, south, east, north = grid.boundary.bounds
    corner = shapely.get_coordinates(grid.cells.geometry.to_numpy())
    middle = (corner[1:] + corner[:-1]) / 2
    around = rng.uniform((west - 99, south - 99), (east + 99, north + 99), (5_000, 2))
    xy = np.concatenate([corner, middle, around, np.full((3, 2), np.nan)])
    pd.DataFrame({"x": xy[:, 0], "y": xy[:, 1]}).to_parquet(tmp_path / "p.parquet")
    source = ParquetFile(tmp_path / "p.parquet")
    ours, said = count_districts(source, dataset, x="x", y="y", datum="EPSG:4547")
    theirs, known = count_file(source, grid, x="x", y="y", datum="EPSG:4547")
    assert len(xy) > 5_000
    pd.testing.assert_frame_equal(ours, theirs)
    assert said.counts == known.counts


@pytest.mark.parametrize("batch", [1, 10, 1024])
def test_slices_find_what_a_scan_finds(
    batch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounds and rows of three formats against plain loops: 180 boxes."""
    monkeypatch.setattr("gridmap.io.slices._BATCH", batch)
    rng = np.random.default_rng(1)
    size = rng.uniform(0, 300, 400)
    places = rng.uniform(0, 10_000, (400, 2)).round(3)
    shapes = shapely.box(*places.T, places[:, 0] + size, places[:, 1] + size)
    frame = gpd.GeoDataFrame({"k": range(400), "by": rng.integers(0, 9, 400)}, geometry=shapes,
                             crs=4547)  # fmt: skip
    frame.to_file(tmp_path / "a.gpkg")
    frame.to_file(tmp_path / "a.fgb")
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=37)
    frame.to_parquet(tmp_path / "b.parquet", row_group_size=37, write_covering_bbox=True)
    read = lambda path: set(gpd.read_parquet(path)["k"])  # noqa: E731
    for name in ("a.gpkg", "a.fgb", "a.parquet", "b.parquet"):
        layer = Slices(tmp_path / name)
        for key, rows in layer.groups("by").items():
            assert layer.through(read, rows=rows) == set(frame.loc[frame["by"] == int(key), "k"])
        for _ in range(15):
            box = shapely.box(*np.sort(rng.uniform(0, 10_000, (2, 2)), axis=0).ravel())
            wanted = set(frame.loc[shapely.intersects(shapes, box), "k"])
            found = layer.through(read, box=gpd.GeoSeries([box], crs=4547))
            assert (found or set()) == wanted
