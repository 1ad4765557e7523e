"""Where incidents crowd, as an image, and how they come over time: the points never leave."""

from __future__ import annotations

import base64
import io
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from gridmap._arrays import Floats
from gridmap.crs.project import transformer
from gridmap.dates import FREQUENCY, moments
from gridmap.errors import InputError
from gridmap.language import Lang, Message, tr
from gridmap.maps.payload import packed, rice
from gridmap.maps.themes import (
    NO_BASE,
    NOTHING,
    NOTHING_HATCH,
    YELLOW_BROWN,
    Class,
    range_label,
    upper_edges,
)

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid
    from gridmap.hotspot_analysis.density import Density

PIXELS = 560  # on the longer side
BANDWIDTH = 250.0
RATIOS = np.array([1.0, 1.5, 2.0, 3.0, 5.0])
RAMP = [
    (0, 0, 0, 0), (254, 224, 139, 120), (253, 174, 97, 165), (244, 109, 67, 195),
    (215, 48, 39, 215), (128, 0, 38, 230),
]  # fmt: skip


def with_places(incidents: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Return what `in_cells` says of incidents, with their places as ``x``, ``y`` in metres.

    A frame that has been assigned to this grid already is returned as it is; columns of the same
    names that hold anything else are the incidents' own.
    """
    from gridmap.incidents.assign import STATUSES, grid_positions, in_cells

    if {"code", "status", "distance_m"} <= set(incidents):
        known = incidents["code"].isna() | incidents["code"].isin(grid.cells.index)
        if known.all() and incidents["status"].isin(STATUSES).all():
            return incidents
    placed, (x, y) = in_cells(incidents, grid), grid_positions(incidents, grid)
    return placed.assign(x=x, y=y)


def heat_image(placed: pd.DataFrame, grid: Grid, lang: Lang) -> dict[str, Any] | None:
    """Draw where incidents are thicker than the households let one expect.

    The image lies in EPSG:3857, in six steps. None when there is nothing to show.

    Parameters
    ----------
    placed
        What `with_places` gave.
    grid
        Tells the extent, the CRS and the households.
    lang
        Language of its legend.
    """
    drawn = thickness(placed, grid)
    if drawn is None:
        return None
    found, edges, homes = drawn
    west, south, east, north = _extent(grid)
    levels = _warped(found, edges, grid.crs, (west, south, east, north))
    return {
        "png": _png(levels),
        "west": west,
        "south": south,
        "east": east,
        "north": north,
        "legend": heat_legend(edges, homes, found.bandwidth, lang),
    }


def thickness(placed: pd.DataFrame, grid: Grid) -> tuple[Density, Floats, bool] | None:
    """Return the density of what `with_places` gave, the edges of its steps, and if it has a base.

    None when there is nothing to show.
    """
    from gridmap.hotspot_analysis.density import density

    if not {"x", "y"} <= set(placed):
        return None
    homes = bool(grid.cells["households"].sum())
    points = placed.loc[placed["code"].notna(), ["x", "y"]].dropna()
    if points.empty:
        return None
    found = density(
        points, grid, bandwidth=_bandwidth(grid), exposure="households" if homes else None
    )
    grid.locator.rest()  # the page needs the room
    if not found.shown.any():
        return None
    return found, RATIOS if homes else _quantiles(found), homes


MOST_STEPS = 120
STEP_BYTES = 1_000_000  # what the steps of time may add to a page
UNITS = {
    "day": (Message("per 100 households a day"), Message("incidents a day")),
    "week": (Message("per 100 households a week"), Message("incidents a week")),
    "month": (Message("per 100 households a month"), Message("incidents a month")),
}


def course(placed: pd.DataFrame, grid: Grid, lang: Lang) -> dict[str, Any] | None:
    """Pack how incidents come over all the time there is; None where no time can be read."""
    if "time" not in placed:
        return None
    try:
        time = moments(placed["time"], "time", [])
    except InputError:  # a map without a slider is a map still
        return None
    known = time.dropna()
    if known.empty:
        return None
    return steps(placed.assign(time=time), grid, lang, since=known.min(), until=known.max())


def steps(
    placed: pd.DataFrame,
    grid: Grid,
    lang: Lang,
    *,
    since: pd.Timestamp,
    until: pd.Timestamp,
    known_until: pd.Timestamp | None = None,
    by: str = "week",
) -> dict[str, Any] | None:
    """Pack the incidents of each cell by day, week or month, for a slider to walk through.

    Longer steps are taken where there were more than 120 of them, or more than a megabyte. None
    where fewer than two remain, or nothing lies in them. Steps that do not lie whole between
    `since` and `known_until` are marked as cut short.
    """
    inside = placed[placed["code"].notna() & placed["time"].notna()]
    end = until if known_until is None else min(until, known_until)
    for unit in list(FREQUENCY)[list(FREQUENCY).index(by) :]:
        periods = pd.period_range(since, until, freq=FREQUENCY[unit])
        if not 2 <= len(periods) <= MOST_STEPS:
            continue
        step = periods.get_indexer(pd.PeriodIndex(inside["time"].dt.to_period(FREQUENCY[unit])))
        cell = grid.cells.index.get_indexer(pd.Index(inside["code"]))
        at = np.sort(step * len(grid) + cell)[np.count_nonzero(step < 0) :].astype(np.int64)
        where = rice(at)
        if len(at) and len(where["text"]) <= STEP_BYTES:
            table = np.bincount(at, minlength=len(periods) * len(grid)).reshape(-1, len(grid))
            shape = "%Y-%m" if unit == "month" else "%Y-%m-%d"
            return {
                "labels": [p.start_time.strftime(shape) for p in periods],
                "whole": [
                    bool(p.start_time >= since.normalize() and p.end_time.normalize() <= end)
                    for p in periods
                ],
                "span": f"{since:%Y-%m-%d} – {end:%Y-%m-%d}",
                "totals": table.sum(axis=1).tolist(),
                "where": where,
                **_step_classes(table, grid, unit, lang),
            }
    return None


def _step_classes(
    table: npt.NDArray[np.int64], grid: Grid, unit: str, lang: Lang
) -> dict[str, Any]:
    """Class the rates of all steps together, none at all apart; counts where nobody lives."""
    base = grid.cells["households"].to_numpy().astype(float)
    homes = bool(base.any())
    value = 100 * table[:, base > 0] / base[base > 0] if homes else table.astype(float)
    known = value[value > 0]
    edges = upper_edges(known, "quantiles", len(YELLOW_BROWN) - 1, None)
    digits = 2 if homes else 0
    low = [known.min(initial=np.inf), *edges[:-1]]
    classes = [
        Class("0", "#f7f7f5"),
        *(
            Class(range_label(a, b, digits), colour)
            for a, b, colour in zip(low, edges, YELLOW_BROWN[1:], strict=False)
        ),
    ]
    if homes and (base == 0).any():
        classes.append(Class(NO_BASE.text(lang), NOTHING, NOTHING_HATCH))
    return {
        "unit": UNITS[unit][0 if homes else 1].text(lang),
        "base": packed(base.astype(int).tolist()) if homes else None,
        "edges": edges.tolist(),
        "digits": digits,
        "classes": [row._asdict() for row in classes],
    }


def _bandwidth(grid: Grid) -> float:
    """Take 250 m, or less where the whole grid is small, and more where 250 m are a dot."""
    west, south, east, north = grid.cells.total_bounds
    return float(np.clip(BANDWIDTH, *(max(east - west, north - south) / np.array([400, 8]))))


def _quantiles(found: Density) -> Floats:
    shown = found.values[found.shown & (found.values > 0)]
    if not len(shown):
        return np.ones(1)
    return np.unique(np.quantile(shown, [0.5, 0.7, 0.85, 0.94, 0.985]))


def _extent(grid: Grid) -> tuple[float, float, float, float]:
    box = shapely.box(*grid.cells.total_bounds)
    outline = shapely.get_coordinates(shapely.segmentize(box, box.length / 40))
    move = transformer(grid.crs, 3857).transform
    x, y = move(outline[:, 0], outline[:, 1])
    return float(np.min(x)), float(np.min(y)), float(np.max(x)), float(np.max(y))


def _warped(
    found: Density, edges: Floats, crs: Any, extent: tuple[float, float, float, float]
) -> npt.NDArray[np.uint8]:
    """Look up each pixel of the image in the raster, which has another projection."""
    from scipy.ndimage import map_coordinates

    west, south, east, north = extent
    side = max(east - west, north - south) / PIXELS
    rows, columns = max(1, round((north - south) / side)), max(1, round((east - west) / side))
    x = west + (np.arange(columns) + 0.5) * (east - west) / columns
    y = north - (np.arange(rows) + 0.5) * (north - south) / rows
    grid_x, grid_y = np.meshgrid(x, y)
    back = transformer(3857, crs).transform(grid_x, grid_y)
    column = (np.asarray(back[0]) - found.west) / found.pixel - 0.5
    row = (found.north - np.asarray(back[1])) / found.pixel - 0.5
    place = np.stack([row, column])
    values = map_coordinates(found.values, place, order=1, mode="nearest")
    shown = map_coordinates(found.shown.astype(float), place, order=0, mode="constant") > 0.5
    return np.digitize(np.where(shown, values, -1.0), edges).astype(np.uint8)


def heat_legend(edges: Floats, homes: bool, bandwidth: float, lang: Lang) -> dict[str, Any]:
    """Return title, unit, note and rows of the legend of a density."""
    unit = "×" if homes else ""
    labels = [f"{a:.3g} – {b:.3g}{unit}" for a, b in pairwise(edges)]
    labels.append(f"≥ {edges[-1]:.3g}{unit}")
    colors = [f"rgba({r},{g},{b},{alpha / 255:.2f})" for r, g, b, alpha in RAMP[1 : len(edges) + 1]]
    per = Message("times what households let expect" if homes else "incidents per km²")
    return {
        "title": tr("Density", lang=lang),
        "unit": per.text(lang),
        "note": tr("whole time; bandwidth {bandwidth:.0f} m", lang=lang, bandwidth=bandwidth),
        "rows": [
            {"label": label, "color": color} for label, color in zip(labels, colors, strict=True)
        ],
    }


def _png(levels: npt.NDArray[np.uint8]) -> str:
    from PIL import Image

    picture = Image.fromarray(levels).convert("P")
    picture.putpalette([value for color in RAMP for value in color[:3]])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=bytes(color[3] for color in RAMP), optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
