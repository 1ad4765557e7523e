"""Draw the pictures of the documentation from the example city."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import matplotlib.pyplot as plt
import numpy as np
import shapely

import gridmap as gm

IMAGES = Path(__file__).resolve().parent.parent / "docs/pages/images"
INK, LINE, ACCENT, SOFT = "#1b262c", "#607d8b", "#8e1b1b", "#dfe7ec"


def main() -> None:
    """Write every figure as SVG, the same bytes each time."""
    plt.rcParams.update({"svg.hashsalt": "gridmap", "svg.fonttype": "path", "font.size": 9})
    IMAGES.mkdir(parents=True, exist_ok=True)
    for draw in (units_and_cells, coverage, proof, band, point):
        name = draw.__name__.replace("_", "-")
        figure = draw()
        figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)


def units_and_cells() -> plt.Figure:
    """Show the units of a community beside the cells made of them."""
    town = gm.example_city(seed=0, size="tiny")
    units = gm.subdivide(
        town.jurisdictions,
        town.buildings,
        barriers=town.barriers,
        levels=["community"],
        code="code",
    )
    grid = gm.partition(units, households=(300, 600), seed=0)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.4))
    made = grid.units
    shade = (made["households"] / made.area).rank(pct=True).where(made["households"] > 0, 0)
    made.plot(ax=left, color=plt.get_cmap("YlOrBr")(0.7 * shade), edgecolor=LINE, lw=0.25)
    left.set_title(f"{len(made)} units, shaded by households per area", color=INK)
    tones = np.array(["#dfe7ec", "#c9d6de", "#b3c5d1", "#eef2f4"])
    colour = tones[np.arange(len(grid)) % len(tones)]
    grid.cells.plot(ax=right, color=colour, edgecolor=LINE, lw=0.7)
    right.set_title(f"{len(grid)} cells of 300 to 600 households", color=INK)
    for axis in (left, right):
        grid.jurisdictions.boundary.plot(ax=axis, color=ACCENT, lw=1.4)
        axis.set_axis_off()
        axis.set_anchor("N")
    return figure


def coverage() -> plt.Figure:
    """Show what keeps cells from being a coverage of their boundary."""
    left, right = [(0, 0), (2, 0), (2, 4), (0, 4)], [(2, 0), (4, 0), (4, 4), (2, 4)]
    town = shapely.box(0, 0, 4, 4)
    cases = {
        "a coverage": (left, right),
        "gap": ([*left[:2], (1.75, 2), *left[2:]], right),
        "gap at the rim\n(missing cell)": (left,),
        "overlap": ([*left[:2], (2.4, 2), *left[2:]], right),
        "outside": (left, [*right[:2], (4.5, 2), *right[2:]]),
        "t-junction": ([*left[:2], (2, 2), *left[2:]], right),
    }
    figure, axes = plt.subplots(1, len(cases), figsize=(12, 2.7))
    for axis, (title, rings) in zip(axes, cases.items(), strict=True):
        cells = shapely.polygons([shapely.linearrings(ring) for ring in rings])
        gpd.GeoSeries(cells).plot(ax=axis, color=SOFT)
        every = shapely.union_all(cells)
        both = shapely.intersection(*cells) if len(cells) == 2 else shapely.Polygon()
        for wrong in (town - every, every - town, both):
            if wrong.area > 0:
                gpd.GeoSeries([wrong]).plot(ax=axis, color="#d98880")
        gpd.GeoSeries(cells).boundary.plot(ax=axis, color=LINE, lw=1.2)
        gpd.GeoSeries([town]).boundary.plot(ax=axis, color=INK, lw=1.6, ls="--")
        for ring in rings:
            axis.scatter(*np.transpose(ring), s=12, color=INK, zorder=3)
        if title == "t-junction":
            axis.scatter(2, 2, s=110, facecolor="none", edgecolor=ACCENT, lw=1.6, zorder=4)
        axis.set_title(title, color=INK)
        axis.set_axis_off()
        axis.set_xlim(-0.3, 4.7)
        axis.set_ylim(-0.3, 4.3)
    return figure


def band() -> plt.Figure:
    """Show which totals of households can be cut into whole cells under two bands."""
    figure, axes = plt.subplots(2, 1, figsize=(9, 2.9), sharex=True)
    most = 2_000
    for axis, (low, high) in zip(axes, ((300, 600), (300, 500)), strict=True):
        axis.axvspan(0, low, color="#f2d6d6")
        cells = range(1, most // low + 1)
        for count in cells:
            axis.barh(-count, count * (high - low), left=count * low, height=0.7, color=LINE)
            if count * low < most - 150:
                plural = "s" if count > 1 else ""
                axis.text(count * low + 8, -count, f"{count} cell{plural}", color="white",
                          va="center", fontsize=7)  # fmt: skip
        for count in cells:
            if count * high + 1 < (count + 1) * low:
                axis.axvspan(count * high + 1, (count + 1) * low - 1, color="#f2d6d6")
        axis.set_title(f"band {low}–{high}: totals in red cannot be cut", loc="left", color=INK)
        axis.set_xlim(0, most)
        axis.set_yticks([])
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
    axes[1].set_xlabel("households of a community")
    figure.tight_layout()
    return figure


def point() -> plt.Figure:
    """Show which cell a point on an edge or a corner belongs to."""
    figure, axis = plt.subplots(figsize=(4.6, 3.4))
    boxes = [(0, 0, 2, 1.5), (2, 0, 4, 1.5), (0, 1.5, 2, 3), (2, 1.5, 4, 3)]
    tones = ["#dfe7ec", "#c9d6de", "#b3c5d1", "#eef2f4"]
    gpd.GeoSeries(shapely.box(*np.array(boxes).T)).plot(ax=axis, color=tones, edgecolor=LINE)
    for x, y, why in ((2, 0.7, "east"), (0.9, 1.5, "north"), (2, 1.5, "east, then north")):
        step = (x + 0.55, y + (0.14 if why != "north" else 0.02))
        step = (x + 0.14, y + 0.5) if why == "north" else step
        _arrows(axis, [((x, y), step)], ACCENT)
        axis.scatter(x, y, s=32, color=ACCENT, zorder=3)
        axis.text(step[0] + 0.05, step[1] + 0.04, why, color=ACCENT, fontsize=9)
    axis.set_axis_off()
    return figure


def proof() -> plt.Figure:
    """Show how directed edges cancel, and what a gap leaves over."""
    whole = [(0, 0, 2, 2), (2, 0, 4, 2), (0, 2, 2, 4), (2, 2, 4, 4)]
    narrow = [whole[0], (2.25, 0, 4, 2), *whole[2:]]
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.5))
    titles = ("walk around every cell", "inner steps cancel: proved", "what is left is a defect")
    for axis, title, boxes in zip(axes, titles, (whole, whole, narrow), strict=True):
        gpd.GeoSeries(shapely.box(*np.array(boxes).T)).plot(ax=axis, color=SOFT)
        axis.set_title(title, color=INK)
        axis.set_axis_off()
        axis.set_xlim(-0.3, 4.3)
        axis.set_ylim(-0.3, 4.3)
    for box in whole:
        _arrows(axes[0], _steps(box, inset=0.14), LINE)
    _arrows(axes[1], _steps((0, 0, 4, 4), parts=2), INK)
    gpd.GeoSeries(shapely.box(2, 0, 2.25, 2)).plot(ax=axes[2], color="#f2d6d6")
    gpd.GeoSeries(shapely.box(*np.array(narrow).T)).boundary.plot(ax=axes[2], color="white", lw=1)
    _arrows(axes[2], [(end, start) for start, end in _steps((2, 0, 2.25, 2))], ACCENT)
    return figure


def _steps(
    box: tuple[float, float, float, float], *, inset: float = 0, parts: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    ring = shapely.get_coordinates(shapely.box(*box, ccw=True).buffer(-inset, join_style="mitre"))
    ring = ring if shapely.is_ccw(shapely.linearrings(ring)) else ring[::-1]
    ends = [np.linspace(a, b, parts + 1) for a, b in pairwise(ring)]
    return [(line[k], line[k + 1]) for line in ends for k in range(parts)]


def _arrows(axis: plt.Axes, steps: list[tuple[np.ndarray, np.ndarray]], colour: str) -> None:
    for start, end in steps:
        axis.annotate(
            "",
            xy=tuple(end),
            xytext=tuple(start),
            arrowprops={
                "arrowstyle": "-|>",
                "color": colour,
                "lw": 1.4,
                "shrinkA": 1,
                "shrinkB": 1,
            },
        )


if __name__ == "__main__":
    main()
