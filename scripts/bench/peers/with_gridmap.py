"""gridmap on the public benchmark."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

import gridmap as gm


def coverage(cells: np.ndarray, boundary: shapely.Geometry) -> list[shapely.Geometry]:
    """Return where the cells do not tile the boundary."""
    found = gm.validate(gpd.GeoSeries(cells, crs=4547), boundary)
    return list(found.geometry[~found.geometry.isna()])


def zoning(case: dict[str, Any]) -> list[int] | str | None:
    """Return the cell of each unit, "impossible", or None."""
    x, y = np.transpose(case["places"])
    units = gpd.GeoDataFrame(
        {"parent": "A", "households": case["households"]},
        geometry=shapely.box(x * 100, y * 100, x * 100 + 100, y * 100 + 100),
        crs=4547,
    )
    band = (case["low"], case["high"])
    row = gm.feasibility(units, households=band).iloc[0]
    if row["possible"] == "no":
        return "impossible"
    grid = gm.partition(units, households=band, seed=0)
    if not grid.cells["households"].between(*band).all():
        return None
    places = units.geometry.representative_point()
    codes = [grid.locate(p.x, p.y) for p in places]
    return [sorted(set(codes)).index(code) for code in codes]


def hotspots(table: pd.DataFrame) -> np.ndarray:
    """Return which cells are called hot."""
    x, y = table["x"].to_numpy() * 100.0, table["y"].to_numpy() * 100.0
    cells = gpd.GeoDataFrame(
        {"code": [f"C{k:03}" for k in range(len(table))], "households": table["households"]},
        geometry=shapely.box(x, y, x + 100, y + 100),
        crs=4547,
    )
    grid = gm.adopt(cells, shapely.box(0, 0, x.max() + 100, y.max() + 100), code="code",
                    count="households")  # fmt: skip
    at = np.repeat(np.arange(len(table)), table["incidents"])
    points = gpd.GeoDataFrame(geometry=shapely.points(x[at] + 50, y[at] + 50), crs=4547)
    spots = gm.hotspots(gm.tally(gm.assign(points, grid), grid), grid)
    return (spots["bin"].reindex(cells["code"]).fillna(0) > 0).to_numpy()


def grids(path: Path) -> bool:
    """Tell whether the auditor's script passes a grid file."""
    script = Path(__file__).resolve().parents[2] / "verify_grid.py"
    done = subprocess.run(
        [sys.executable, str(script), str(path)], check=False, capture_output=True
    )
    return done.returncode == 0
