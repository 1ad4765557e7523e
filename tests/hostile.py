"""Layers that no planner would draw, made at random, and commands to run on them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj.exceptions import CRSError

CRSS = (4547, 4547, 4547, 4547, 4547, 4326, 4490, 2232, 3857, 4526, 32650, 3031, 4978, 8857, None,
        "+proj=eqearth +lon_0=110", "+proj=tmerc +lon_0=113.3 +ellps=krass",
        "ESRI:102067")  # fmt: skip
"""Where layers lie, or say that they do."""
SCALES = (1e-308, 1e-9, 1e-3, 1e-3, 1.0, 1.0, 1.0, 10.0, 10.0, 100.0, 100.0, 1e3, 1e6, 1e12, 1e99)
COUNTS = (
    0,
    -1,
    1,
    200,
    300,
    600,
    2**31,
    2**53,
    2**63 - 1,
    1.5,
    np.nan,
    np.inf,
    "",
    "x",
    "300",
    None,
)
TEXTS = (
    "",
    " ",
    "A",
    "A ",
    "é",
    "e\u0301",
    "\u200b",
    "a\nb",
    "'",
    '"',
    "a|b",
    "../x",
    "=1+1",
    "1",
    None,
)


def shape(rng: np.random.Generator, at: np.ndarray, size: float) -> Any:
    """Return a geometry that is odd, or just a box."""
    x, y = at
    kind = int(rng.integers(24))
    if kind in (13, 18, 20) and rng.random() < 0.7:  # refused at the door each time
        kind = 9
    low = at - size * rng.random(2)
    box = shapely.box(*low, *(low + size))
    ring = at + size * rng.standard_normal((int(rng.integers(3, 9)), 2))
    if kind < 8:
        return box
    if kind == 8:
        return shapely.Polygon([(x, y), (x + size, y + size), (x + size, y), (x, y + size)])
    if kind == 9:
        return shapely.Polygon(ring)
    if kind == 10:
        return shapely.Polygon([(x, y), (x + size, y), (x + 2 * size, y)])
    if kind == 11:
        return shapely.Polygon([(x, y)] * 4)
    if kind == 12:
        return shapely.Polygon()
    if kind == 13:
        return None
    if kind == 14:
        return shapely.MultiPolygon([box, shapely.box(x, y, x + size, y + size)])
    if kind == 15:
        return shapely.Polygon(
            box.exterior, [shapely.box(x + size, y, x + 2 * size, y + 1).exterior]
        )
    if kind == 16:
        return shapely.Polygon(box.exterior, [box.exterior])
    if kind == 17:
        xy = shapely.get_coordinates(box)
        xy[1] = np.nextafter(xy[1], rng.choice([-np.inf, np.inf], 2))
        return shapely.Polygon(xy)
    if kind == 18:
        xy = shapely.get_coordinates(box)
        xy[int(rng.integers(1, 4)), 0] = rng.choice([np.nan, np.inf, -np.inf, 1e308, 1e100, 5e-324])
        return shapely.Polygon(xy)
    if kind == 19:
        return shapely.force_3d(box, float(rng.choice([0, 5, -1e9, np.inf])))
    if kind == 20:
        others = shapely.Point(x, y), shapely.LineString(ring), shapely.MultiPoint(ring)
        return [*others, shapely.GeometryCollection([box])][int(rng.integers(4))]
    if kind == 21:
        spike = [(x, y), (x + size, y), (x + size, y + size), (x + 1e9 * size, y), (x, y)]
        return shapely.Polygon(spike)
    if kind == 22:
        return shapely.MultiPolygon([box, shapely.Polygon()])
    around = np.linspace(0, 2 * np.pi, 60)
    circle = at + size * np.column_stack([np.cos(around), np.sin(around)])
    return shapely.Polygon(circle)


def layer(rng: np.random.Generator, crs: Any, home: np.ndarray, size: float) -> gpd.GeoDataFrame:
    """Return a layer of a few shapes, or of a plan with some of them in it."""
    count = int(rng.choice([0, 1, 2, 4, 4, 4, 9, 9, 9, 9, 9, 9]))
    side = max(1, int(np.sqrt(count)))
    plan = [
        shapely.box(*(home + size * np.array([i, j])), *(home + size * np.array([i + 1, j + 1])))
        for i in range(side) for j in range(side)
    ][:count]  # fmt: skip
    share = rng.choice([0.0, 0.15, 0.15, 0.9])
    with np.errstate(all="ignore"):
        shapes = [
            shape(rng, home + side * size * rng.random(2), size) if rng.random() < share else one
            for one in plan
        ]
    table: dict[str, Any] = {}
    for name, values in (
        ("code", TEXTS),
        ("parent", TEXTS),
        ("households", COUNTS),
        ("name", TEXTS),
    ):
        if rng.random() < 0.15:
            table[name] = [values[int(k)] for k in rng.integers(0, len(values), len(shapes))]
        elif rng.random() < 0.9:
            usual = {"code": [f"c{k}" for k in range(len(shapes))], "parent": ["P"] * len(shapes),
                     "households": [350] * len(shapes), "name": ["n"] * len(shapes)}  # fmt: skip
            table[name] = usual[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return gpd.GeoDataFrame(table, geometry=np.array(shapes, dtype=object), crs=crs)


def files(seed: int, folder: Path) -> dict[str, Path]:
    """Write four layers of one case; what no file can hold is left out."""
    rng = np.random.default_rng(seed)
    crs = CRSS[int(rng.integers(len(CRSS)))]
    size = float(rng.choice(SCALES))
    home = {4326: (114.0, 36.0), 4490: (114.0, 36.0)}.get(crs, (500_000.0, 4_000_000.0))
    if crs in (4326, 4490) and rng.random() < 0.8:
        size *= 1e-5
    here = np.array(home if rng.random() < 0.7 else (0.0, 0.0))
    if rng.random() < 0.1:
        here = here * 1e3
    made = {}
    for name in ("cells", "boundary", "parents", "lines"):
        own = crs if rng.random() < 0.96 else CRSS[int(rng.integers(len(CRSS)))]
        frame = layer(rng, own, here, size)
        if name == "boundary" and rng.random() < 0.5:
            whole = shapely.box(*here, *(here + size * 3))
            frame = gpd.GeoDataFrame({"code": ["P"]}, geometry=[whole], crs=own)
        ending = str(rng.choice(["gpkg", "gpkg", "geojson", "parquet"]))
        path = folder / f"{name}{seed}.{ending}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for column in frame.columns.drop("geometry"):
                    if frame[column].dtype == object:
                        frame[column] = pd.array(
                            [None if v is None else str(v) for v in frame[column]]
                        )
                if ending == "parquet":
                    frame.to_parquet(path)
                else:
                    frame.to_file(path)
        except CRSError:  # no text of the CRS that a file could hold: an empty file
            path.write_bytes(b"")
        made[name] = path
    return made


def command(seed: int, made: dict[str, Path], folder: Path) -> list[str]:
    """Return a command of the command line on the layers of a case."""
    rng = np.random.default_rng([seed, 1])
    cells, boundary, parents, lines = (
        str(made[n]) for n in ("cells", "boundary", "parents", "lines")
    )
    out = folder / f"out{seed}"

    def some(*options: list[str]) -> list[str]:
        return [word for option in options if rng.random() < 0.35 for word in option]

    rim = str(rng.choice([boundary, boundary, "outline", cells]))
    verb = str(rng.choice(["validate", "validate", "repair", "repair", "adopt", "units", "houses"]))
    if verb == "validate":
        return [verb, cells, *some(["--boundary", rim]), *some(["--boundary", boundary]), *some(
            ["--parents", parents], ["--parent-column", "parent"], ["--exclude", lines],
            ["--code", "code"], ["--count", "households"], ["--min", "300", "--max", "600"],
            ["--tolerance", "0.01"], ["--json"], ["--map", f"{out}.html"],
            ["--defects", f"{out}.gpkg"], ["--defects", f"{out}.geojson"],
            ["--junit", f"{out}.xml"], ["--crs", "EPSG:4547"])]  # fmt: skip
    if verb == "repair":
        return [verb, cells, "--boundary", rim, "-o", f"{out}.gpkg", *some(
            ["--nested", "absorb"], ["--policy", "fewest-households"], ["--exclude", lines],
            ["--code", "code"], ["--count", "households"], ["--log", f"{out}.csv"], ["--dry-run"],
            ["--map", f"{out}.html"], ["--json"], ["--crs", "EPSG:4547"])]  # fmt: skip
    if verb == "adopt":
        return [verb, cells, "--boundary", rim, "-o", f"{out}.gpkg", *some(
            ["--repair"], ["--repair"], ["--code", "code"], ["--count", "households"],
            ["--level", "parent"], ["--exclude", lines], ["--json"],
            ["--crs", "EPSG:4547"])]  # fmt: skip
    what = ["--units", cells] if verb == "units" else ["--households", cells]
    return ["partition", boundary, *what, "-o", f"{out}.gpkg", "--quality", "fast",
            "--workers", "1", *some(["--barriers", lines], ["--dedicated", parents],
                  ["--whole", parents],
                  ["--code", "code"], ["--count", "households"],
                  ["--cells", "households"], ["--crs", "EPSG:4547"],
                  ["--report", f"{out}.json"], ["--exclaves", "own"])]  # fmt: skip
