"""Layers whose CRS is that of no place, as a damaged .prj has it; and tables within features."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyproj
import pytest
from click.testing import CliRunner

import gridmap as gm
from gridmap._checks import is_sound
from gridmap.cli import main

PLANE, DEGREES = (pyproj.CRS(code).to_wkt("WKT1_ESRI") for code in (4547, 4490))
BODY = re.search(r"SPHEROID\[[^\]]*\]", PLANE)
assert BODY is not None
METRE, DEGREE = "1.0]]", "0.0174532925199433"
NONSENSE = {
    "negative": PLANE.replace(METRE, "-1.0]]"),
    "nothing": PLANE.replace(METRE, "0.0]]"),
    "huge": PLANE.replace(METRE, "1e300]]"),
    "tiny": PLANE.replace(METRE, "1e-300]]"),
    "no degree": DEGREES.replace(DEGREE, "0.0"),
    "back": DEGREES.replace(DEGREE, "-0.3048"),
    "a metre": PLANE.replace(BODY[0], 'SPHEROID["x",1,298]'),
    "inside out": PLANE.replace(BODY[0], 'SPHEROID["x",6378137,0.5]'),
}
MOON = PLANE.replace(BODY[0], 'SPHEROID["Moon",1737400,0]')


def run(*words: object) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words] + ["--lang", "en"])


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    town = gm.example_city(seed=0, size="tiny")
    units = gm.subdivide(town.jurisdictions, town.buildings, barriers=town.barriers)
    gm.write_grid(gm.partition(units, quality="fast"), folder / "grid.gpkg")
    for name in ("jurisdictions", "buildings", "barriers"):
        layer = getattr(town, name)[["geometry"]].assign(households=1, code=name)
        layer.to_file(folder / f"{name}.shp", encoding="UTF-8")
    return folder


COMMANDS = {
    "validate": "{areas} --boundary outline --map {out}/a.html",
    "repair": "{areas} --boundary outline -o {out}/a.gpkg",
    "adopt": "{areas} --boundary outline -o {out}/a.gpkg",
    "partition": "{areas} --households {homes} -o {out}/a.gpkg",
    "account": "{grid} {homes}",
    "assign": "{grid} {homes} -o {out}/a.csv",
    "patrol": "{grid} {lines} -o {out}/a.gpkg",
    "atlas": "{grid} -o {out}/a.pdf --streets {lines}",
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_a_crs_of_no_planet_is_refused_by_every_command_with_its_cure(
    kind: str, city: Path, tmp_path: Path
) -> None:
    names = {"areas": "jurisdictions", "homes": "buildings", "lines": "barriers"}
    for name in names.values():
        (city / f"{name}.prj").write_text(NONSENSE[kind])
    files = {key: city / f"{name}.shp" for key, name in names.items()}
    for command, words in COMMANDS.items():
        line = words.format(grid=city / "grid.gpkg", out=tmp_path, **files)
        done = run(command, *line.split())
        assert done.exit_code == 2, (command, done.output)
        told = [one for one in done.stderr.splitlines() if one.startswith("gridmap:")]
        assert len(told) == 1
        assert re.search("ellipsoid are none of a planet|has no CRS|--datum", told[0]), told
    suspected = run("info", files["areas"]).output
    assert re.search("ellipsoid are none of a planet|No CRS", suspected)
    assert not list(tmp_path.iterdir())
    cured = run("account", city / "grid.gpkg", files["homes"], "--crs", "EPSG:4547")
    assert cured.exit_code in (0, 1), cured.output


@pytest.mark.parametrize(
    "crs",
    [4547, 4490, 4326, 2232, 2263, 27700, 3857, 8857, 7789, 5703, "+proj=longlat +R=6371000",
     "+proj=eqc +R=1737400 +units=km", "+proj=tmerc +lon_0=114 +to_meter=0.001", MOON,
     'LOCAL_CS["site",UNIT["Meter",1.0]]'],
)  # fmt: skip
def test_unusual_crss_are_sound(crs: Any) -> None:
    assert is_sound(pyproj.CRS(crs))


def test_objects_within_the_features_of_geojson_are_texts(city: Path, tmp_path: Path) -> None:
    features = [{"type": "Feature", "properties": {"id": n, "meta": {"a": n}, "tags": ["x", "y"]},
                 "geometry": {"type": "Point", "coordinates": [113.6, 34.7]}}
                for n in range(3)]  # fmt: skip
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    told = run("info", path)
    assert told.exit_code == 0 and "meta" in told.output, told.output
    for ending in ("csv", "xlsx", "parquet", "gpkg"):
        done = run("assign", city / "grid.gpkg", path, "-o", tmp_path / f"b.{ending}")
        assert done.exit_code in (0, 1), done.output
    assert "meta" in (tmp_path / "b.csv").read_text("utf-8")
