"""Records appended to a layer, all or none."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest

from gridmap.errors import CRSError, InputError
from gridmap.io import read_layer, write_layer
from gridmap.io.append import append_layer


def reports(numbers: list[int], crs: int = 4547) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {
            "案件编号": [f"A{n}" for n in numbers],
            "n": numbers,
            "time": pd.to_datetime(["2024-03-01 10:20:30"] * len(numbers)),
        },
        geometry=gpd.points_from_xy([0.1 * n for n in numbers], numbers),
        crs=crs,
    )


def test_records_are_added_below_the_others(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    write_layer(reports([1, 2]), path)
    later = reports([3, 4])
    later.loc[1, "time"] = pd.NaT
    assert append_layer(later, path) == 4
    back = read_layer(path)
    assert back["案件编号"].tolist() == ["A1", "A2", "A3", "A4"]
    assert back.geometry.x.tolist() == [0.1 * n for n in (1, 2, 3, 4)]
    assert back["time"].isna().tolist() == [False, False, False, True]
    assert append_layer(later[["n", "geometry"]], path) == 6
    assert read_layer(path)["案件编号"].isna().tolist() == [False] * 4 + [True] * 2


def test_what_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    write_layer(reports([1, 2]), path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="no column note; it has 案件编号"):
        append_layer(reports([3]).assign(note="x"), path)
    with pytest.raises(CRSError, match=r"EPSG:4548.*EPSG:4547"):
        append_layer(reports([3], crs=4548), path)
    with pytest.raises(
        InputError, match="'three' in column 'n' of row 1, where the layer keeps int"
    ):
        append_layer(reports([3]).astype({"n": object}).assign(n="three"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.gpkg"]


def test_only_geopackages_are_appended_to(tmp_path: Path) -> None:
    write_layer(reports([1]), tmp_path / "a.geojson")
    with pytest.raises(InputError, match="is no GeoPackage"):
        append_layer(reports([2]), tmp_path / "a.geojson")
