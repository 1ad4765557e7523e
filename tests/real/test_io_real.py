"""Real layers through the one door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from gridmap.io import read_layer, write_layer
from gridmap.io.columns import understand
from gridmap.io.inputs import read_barriers, read_jurisdictions, read_units
from gridmap.io.inspect import look
from gridmap.privacy import personal_columns

pytestmark = pytest.mark.real

LAYERS = ("taipei_villages", "cambridge_neighborhoods", "hsinchu_atoms", "denver_precincts_2020")


@pytest.mark.parametrize("suffix", [".gpkg", ".fgb", ".geojson"])
@pytest.mark.parametrize("name", LAYERS)
def test_real_layers_come_back_bit_for_bit(
    shared: Path, tmp_path: Path, name: str, suffix: str
) -> None:
    frame = read_layer(shared / f"{name}.parquet")
    write_layer(frame, tmp_path / f"a{suffix}")
    back = read_layer(tmp_path / f"a{suffix}")
    ours, theirs = (shapely.get_coordinates(f.geometry, return_index=True) for f in (back, frame))
    assert np.array_equal(ours[0], theirs[0])  # a mixed layer becomes one of multipolygons
    assert np.array_equal(ours[1], theirs[1])
    assert back.crs == frame.crs


def test_no_real_file_is_taken_for_personal_or_refused(shared: Path) -> None:
    for path in sorted(shared.glob("*.parquet")):
        layers = look(path)
        assert layers[0].features > 0
        assert [c.name for c in layers[0].columns if c.personal] == [], path.name


def test_real_headings_are_understood(shared: Path) -> None:
    villages, known = read_jurisdictions(shared / "taipei_villages.parquet")
    assert known.columns["code"] == "village_code"
    assert villages["code"].is_unique
    atoms, _ = read_units(shared / "taipei_atoms.parquet")
    assert atoms["households"].sum() == 1_048_986
    streets, known = read_barriers(shared / "cambridge_streets.parquet")
    assert known.columns["name"] == "street"
    accidents, known = understand(read_layer(shared / "taipei_accidents_2024.parquet"), "incident")
    assert {"time", "category", "incident_id"} <= set(known.columns)
    assert accidents["time"].notna().all()
    assert personal_columns(streets, thorough=True) == {}
