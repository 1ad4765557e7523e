"""Small charts as SVG, drawn from numbers, and the four bounds of a cell (四至) that one draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from markupsafe import Markup
from shapely.geometry import box

from gridmap._arrays import Bools, Floats, Geometries, Ints, Objects
from gridmap._checks import check_same_crs
from gridmap.coverage.prove import metres_per_unit
from gridmap.errors import InputError
from gridmap.html import part
from gridmap.language import Lang, Message, tr
from gridmap.maps.sheet_page import inside_spots
from gridmap.privacy import SMALL

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


ABOVE, BELOW, ALIKE = "#b5532b", "#6d9ab5", "#a9b6bd"


MEANS = {
    "day": Message("line: {span}-day mean"), "week": Message("line: {span}-week mean"),
    "month": Message("line: {span}-month mean"),
}  # fmt: skip


def spark(values: Sequence[float]) -> Markup:
    """Draw a line without axes, its end marked."""
    width, height = 62, 16
    if len(values) < 2:
        return Markup()
    numbers = np.asarray(values, float)
    span = float(np.ptp(numbers)) or 1.0
    x = np.linspace(2, width - 4, len(numbers))
    y = height - 3 - (height - 6) * (numbers - numbers.min()) / span
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return part("charts.html", "spark", points, (x[-1], y[-1]), width, height)


def interval_bar(rate: float, low: float, high: float, most: float, mean: float) -> Markup:
    """Draw a rate as a bar with its interval as a whisker, and the common mean as a dashed line."""
    if not most:
        return Markup()
    width = 84
    scale = (width - 2) / most
    color = ABOVE if low > mean else BELOW if high < mean else ALIKE
    ends = rate * scale, low * scale, min(high, most) * scale, mean * scale
    return part("charts.html", "interval_bar", *ends, color, width)


def share_bar(share: float) -> Markup:
    """Draw a share of the whole as a bar that fills its line."""
    return part("charts.html", "share_bar", share)


def nice_top(value: float) -> float:
    """Round up to a number that four grid lines divide into whole steps.

    Examples
    --------
    >>> [nice_top(v) for v in (0, 5, 88, 2740)]
    [4.0, 8.0, 100.0, 3200.0]
    """
    if value <= 40:
        return max(4.0, float(np.ceil(value / 4) * 4))
    power = 10 ** np.floor(np.log10(value))
    steps = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
    return float(next(step * power for step in steps if step * power >= value - 1e-9))


def trend_chart(told: Mapping[str, Any]) -> Markup:
    """Draw counts as columns and their running mean as a line; cut periods are pale.

    Among periods of before, those told of are dark.

    Sizes are shares of the box, so the text keeps its size whatever the width.
    """
    labels, counts, tones = told["labels"], told["counts"], _tones(told)
    top = nice_top(max([*counts, 1]))
    step = 100 / max(len(counts), 1)
    ticks = [{"at": 25 * k, "label": f"{top * k / 4:,.0f}"} for k in range(5)]
    columns = [
        {
            "x": k * step + step * 0.16,
            "width": step * 0.68,
            "height": 100 * count / top,
            "tone": tones[k],
            "title": f"{labels[k]}: {count:,}",
        }
        for k, count in enumerate(counts)
    ]
    points = " ".join(
        f"{(k + 0.5) * step:.2f},{100 - 100 * value / top:.2f}"
        for k, value in enumerate(told["mean"])
        if value is not None
    )
    dates, years = _dates(labels, step), _years(labels, step)
    return part("charts.html", "trend", ticks, columns, points, dates, years)


def trend_hint(told: Mapping[str, Any], lang: Lang) -> str:
    """Say what the line and the tones of the columns mean, of those that are drawn."""
    tones = _tones(told)
    words = (
        (MEANS[told["by"]](span=told["span"]), any(mean is not None for mean in told["mean"])),
        (Message("dark: this period"), "now" in tones),
        (Message("pale: cut short"), "cut" in tones),
    )
    said = [word.text(lang) for word, drawn in words if drawn]
    return tr("; ", context="clauses", lang=lang).join(said)


def _tones(told: Mapping[str, Any]) -> list[str]:
    own, told_apart = told["own"], not all(told["own"])
    return [
        "now" if mine and told_apart else "" if whole else "cut"
        for mine, whole in zip(own, told["whole"], strict=True)
    ]


def _dates(labels: Sequence[str], step: float) -> list[tuple[float, str]]:
    every = max(1, int(np.ceil(len(labels) / 9)))
    places = [((k + 0.5) * step, label) for k, label in enumerate(labels) if k % every == 0]
    return [(at, label[5:] if len(label) > 7 else label) for at, label in places if at < 96]


def _years(labels: Sequence[str], step: float) -> list[tuple[float, str]]:
    """Place each year below the first of its days; one that the next would cover gives way.

    Examples
    --------
    >>> _years(["2025-12-29", "2026-01-05", "2026-01-12"], 2.0)
    [(3.0, '2026')]
    >>> _years(["2026-01", "2026-02"], 50.0)
    []
    """
    days = [(k, label[:4]) for k, label in enumerate(labels) if len(label) > 7]
    first = {year: k for k, year in reversed(days)}
    places = sorted(((k + 0.5) * step, year) for year, k in first.items())
    after = [at for at, _ in places[1:]] + [112.0]
    return [one for one, then in zip(places, after, strict=False) if then - one[0] > 14]


def rate_text(rate: float, whole: float) -> str:
    """Write a rate so that places differ where the rate of all is small.

    Examples
    --------
    >>> rate_text(3.482, 2.13), rate_text(0.0671, 0.0447)
    ('3.48', '0.067')
    """
    return f"{rate:.{3 if whole < 0.1 else 2}f}"


def q_text(q: float) -> str:
    """Write a q, and below a thousandth that it is.

    Examples
    --------
    >>> q_text(0.0057), q_text(0.0)
    ('0.006', '<0.001')
    """
    return "<0.001" if q < 0.001 else f"{q:.3f}"


def change_text(told: dict[str, Any], lang: Lang, *, short: bool = False) -> str:
    """Write a relative change with its interval, or a dash; short: or that it may be chance.

    Examples
    --------
    >>> told = {"change": 0.5, "change_low": -0.1, "change_high": 1.6, "chance": True}
    >>> change_text(told, "en"), change_text(told, "en", short=True)
    ('+50.0% (−10.0% to +160.0%, within chance)', 'chance')
    """
    if told["change"] is None:
        return "–"
    if short and told["chance"]:
        return tr("chance", lang=lang)
    main, (low, high) = _signed(told["change"]), change_span(told)
    if short:
        return main
    said = Message("{main} ({low} to {high})")
    if told["chance"]:
        said = Message("{main} ({low} to {high}, within chance)")
    return said(main=main, low=low, high=high).text(lang)


def change_span(told: dict[str, Any]) -> tuple[str, str]:
    """Write the ends of the interval of a change."""
    return _signed(told["change_low"]), _signed(told["change_high"])


def _signed(share: float | None) -> str:
    return "∞" if share is None else f"{100 * share:+.1f}%".replace("-", "−")


def percent(share: float | None, digits: int = 1, none: str = "–") -> str:
    """Write a share in per cent, never 100 for less than all nor 0 for more than none.

    Examples
    --------
    >>> percent(0.99999), percent(1.0), percent(0.00001), percent(None)
    ('>99.9%', '100.0%', '<0.1%', '–')
    """
    if share is None:
        return none
    text = f"{100 * share:.{digits}f}"
    edge = 10**-digits
    if share < 1 and float(text) >= 100:
        return f">{100 - edge:.{digits}f}%"
    if share > 0 and float(text) == 0:
        return f"<{edge:.{digits}f}%"
    return text + "%"


def fact(value: Any) -> str:
    """Write a whole number with separators, or a dash."""
    return "–" if value is None else f"{int(value):,}"


def counted(count: int, public: bool, lang: Lang) -> str:
    """Write a count; for the public a small one only as such."""
    if public and 0 < count < SMALL:
        return tr("under {least}", lang=lang, least=SMALL)
    return fact(count)


WIDTH, HEIGHT = 520, 460
MARGIN = 0.34  # of the cell's size, around it
FONT = "Noto Sans CJK SC,Microsoft YaHei,PingFang SC,sans-serif"


class Frame:
    """How coordinates become pixels."""

    def __init__(self, shape: shapely.Geometry) -> None:
        west, south, east, north = shapely.bounds(shape)
        wide, high = (east - west) * (1 + 2 * MARGIN), (north - south) * (1 + 2 * MARGIN)
        self.scale = min(WIDTH / wide, HEIGHT / high)
        self.x0 = (west + east) / 2 - WIDTH / self.scale / 2
        self.y1 = (south + north) / 2 + HEIGHT / self.scale / 2

    @property
    def box(self) -> shapely.Geometry:
        """The ground that is drawn."""
        return box(self.x0, self.y1 - HEIGHT / self.scale, self.x0 + WIDTH / self.scale, self.y1)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixel of a place."""
        return (x - self.x0) * self.scale, (self.y1 - y) * self.scale

    def drawn(self, shape: shapely.Geometry) -> shapely.Geometry:
        """Return a shape in pixels."""
        return shapely.transform(shape, lambda xy: np.column_stack(self.at(*xy.T)))

    def path(self, shape: shapely.Geometry) -> str:
        """Return the path of lines or polygons."""
        lines = shapely.get_parts(
            shapely.boundary(shape)
            if isinstance(shape, shapely.Polygon | shapely.MultiPolygon)
            else shape
        )
        return "".join(self._line(shapely.get_coordinates(line)) for line in lines)

    def _line(self, xy: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> str:
        return "M" + "L".join("{:.1f} {:.1f}".format(*self.at(x, y)) for x, y in xy)


def portrait(
    grid: Grid, code: str, bounds: list[Bound], barriers: gpd.GeoDataFrame | None, lang: Lang
) -> Markup:
    """Draw a cell, its neighbours, the barriers near it and the names of its bounds."""
    cells = grid.cells
    shape = cells.geometry[code]
    frame = Frame(shape)
    near = cells[cells.geometry.intersects(frame.box)]
    drawn = [(frame.path(other), key == code) for key, other in near.geometry.items()]
    return part(
        "charts.html",
        "portrait",
        WIDTH,
        HEIGHT,
        tr("Map of {code}", lang=lang, code=code),
        drawn,
        [] if barriers is None else _lines(barriers, frame),
        frame.path(shape),
        _names(near, code, bounds, frame),
        _scale(grid, frame),
        FONT,
    )


def _names(
    near: gpd.GeoDataFrame, code: str, bounds: list[Bound], frame: Frame
) -> list[dict[str, Any]]:
    """Place the names of the cell, of its bounds and of its neighbours, none over another."""
    taken = [(WIDTH - 170.0, HEIGHT - 34.0, float(WIDTH), float(HEIGHT))]  # the scale bar
    widest = shapely.maximum_inscribed_circle([near.geometry[code]])  # from its middle outward
    x, y = frame.at(*shapely.get_coordinates(widest)[0])
    placed = _text(str(near.loc[code, "name"]), x, y, 17, "700", taken)
    for bound in bounds:
        if bound.name and bound.kind == "barrier":
            placed += _text(bound.name, *_beside(bound, frame), 15, "600", taken)
    around = near.drop(code)
    seen = shapely.intersection(around.geometry.to_numpy(), frame.box)
    beside = around.geometry.intersects(near.geometry[code]).to_numpy()
    least = np.where(beside, 0.004, 0.02) * shapely.area(frame.box)
    own = frame.drawn(near.geometry[code])
    for k in np.lexsort((-shapely.area(seen), ~beside)):  # neighbours first
        if shapely.area(seen[k]) > least[k]:
            name = str(around["name"].iloc[k])
            placed += _around(name, seen[k], own, frame, taken)
    return placed


def _around(
    name: str,
    shape: shapely.Geometry,
    own: shapely.Geometry,
    frame: Frame,
    taken: list[tuple[float, float, float, float]],
) -> list[dict[str, Any]]:
    """Place the name of another cell where it lies on no other and not on the cell itself."""
    for x, y in inside_spots(frame.drawn(shape), 12):
        tried = [*taken]
        text = _text(name, x, y, 13, "400", tried)
        if text and not shapely.intersects(shapely.box(*tried[-1]), own):
            taken.append(tried[-1])
            return text
    return []


LINES = {
    "railway": Message("dashed: railway"), "river": Message("blue: river"),
    "arterial": Message("brown: main road"),
}  # fmt: skip
LOOKS: dict[str, dict[str, str | int | float]] = {
    "river": {"stroke": "#5b9bc8", "stroke-width": 5},
    "railway": {"stroke": "#4a4a4a", "stroke-width": 2.5, "stroke-dasharray": "7 4"},
    "arterial": {"stroke": "#b0a68f", "stroke-width": 4},
}
"""Water blue, railways dashed, streets grey."""


def lines_said(drawn: str, lang: Lang) -> str:
    """Say what the lines of a portrait are, of those that are drawn."""
    said = [
        word.text(lang) for kind, word in LINES.items() if f'"{LOOKS[kind]["stroke"]}"' in drawn
    ]
    return tr("; ", context="clauses", lang=lang).join(said)


def _lines(
    barriers: gpd.GeoDataFrame, frame: Frame
) -> list[tuple[str, dict[str, str | int | float]]]:
    near = barriers[barriers.geometry.intersects(frame.box)]
    kinds = near["kind"].astype(str) if "kind" in near else [""] * len(near)
    plain: dict[str, str | int | float] = {"stroke": "#c4bda9", "stroke-width": 2}
    return [
        (frame.path(shapely.intersection(line, frame.box)), {**plain, **LOOKS.get(kind, {})})
        for line, kind in zip(near.geometry, kinds, strict=True)
    ]


def _beside(bound: Bound, frame: Frame) -> tuple[float, float]:
    """Place a name a little outside its side."""
    x, y = frame.at(bound.x, bound.y)
    away = {"east": (34, 0), "west": (-34, 0), "north": (0, -16), "south": (0, 20)}
    dx, dy = away[bound.side]
    return min(max(x + dx, 40), WIDTH - 40), min(max(y + dy, 14), HEIGHT - 12)


def _text(
    text: str,
    x: float,
    y: float,
    size: int,
    weight: str,
    taken: list[tuple[float, float, float, float]],
) -> list[dict[str, Any]]:
    """Place a name unless it would cover another."""
    half = sum(size if ord(sign) > 255 else size * 0.58 for sign in text) / 2 + 3
    x = min(max(x, half), WIDTH - half)
    box = (x - half, y - size * 0.8, x + half, y + size * 0.8)
    if any(a < box[2] and c > box[0] and b < box[3] and d > box[1] for a, b, c, d in taken):
        return []
    taken.append(box)
    return [{"text": text, "x": x, "y": y + size * 0.36, "size": size, "weight": weight}]


def _scale(grid: Grid, frame: Frame) -> dict[str, float] | None:
    if not grid.crs.is_projected:
        return None
    unit = grid.crs.axis_info[0].unit_conversion_factor
    most = WIDTH / frame.scale * unit / 4
    power = 10 ** np.floor(np.log10(most))
    length = max(k * power for k in (1, 2, 5) if k * power <= most)
    long = length / unit * frame.scale
    return {"metres": length, "long": long, "right": WIDTH - 14, "y": HEIGHT - 14}


SIDES = ("east", "south", "west", "north")
NEAR = 20.0  # metres from a border to the line that names it
ALONG = 0.5  # how much nearer to that line a piece may come over its own length
ENOUGH = 0.3  # share of a side that a barrier must run along to name it
STEP = 5.0  # metres between the places on the border that are asked


class Bound(NamedTuple):
    """What a side of a cell runs along, over which share of it."""

    side: str
    name: str
    kind: str  # "barrier", "cell" or "outside"
    share: float
    x: float
    y: float


def four_bounds(grid: Grid, code: str, barriers: gpd.GeoDataFrame | None = None) -> list[Bound]:
    """Name what bounds a cell on each side.

    Each piece of the border belongs to the side its outward normal points to. A side is named by
    the barrier it runs along longest, if that is at least three tenths of it; else by the cell
    beyond it, or by nothing where the grid ends.

    Parameters
    ----------
    grid
        A proved grid.
    code
        The cell.
    barriers
        Lines with a column ``name``, in the CRS of the grid.

    Returns
    -------
    list of Bound
        East, south, west, north.

    Raises
    ------
    InputError
        When no cell has the code, or barriers have no names.
    """
    if code not in grid.cells.index:
        raise InputError("No cell has the code {code!r}.", code=code)
    shape = shapely.orient_polygons(grid.cells.geometry[code])
    metre = 1 / metres_per_unit(grid.crs)
    middle, normal, length = _pieces(shape, STEP * metre)
    side = _sides(normal)
    names = _barrier_names(middle, normal, barriers, grid, NEAR * metre)
    beyond = _beyond(middle, normal, grid, 0.5 * metre)
    return [_bound(name, side == k, middle, length, names, beyond) for k, name in enumerate(SIDES)]


def _pieces(shape: shapely.Geometry, step: float) -> tuple[Floats, Floats, Floats]:
    """Cut the outer border into short pieces: middle, outward normal, length."""
    parts = shapely.get_parts(shape)
    rings = shapely.segmentize(shapely.get_exterior_ring(parts), step)
    middles, normals, lengths = [], [], []
    for ring in rings:
        xy = shapely.get_coordinates(ring)
        along = np.diff(xy, axis=0)
        middles.append((xy[1:] + xy[:-1]) / 2)
        normals.append(np.column_stack([along[:, 1], -along[:, 0]]))
        lengths.append(np.hypot(along[:, 0], along[:, 1]))
    return np.vstack(middles), np.vstack(normals), np.concatenate(lengths)


def _sides(normal: Floats) -> Ints:
    across = np.abs(normal[:, 0]) >= np.abs(normal[:, 1])
    return np.where(
        across, np.where(normal[:, 0] > 0, 0, 2), np.where(normal[:, 1] > 0, 3, 1)
    ).astype(np.int64)


def _barrier_names(
    middle: Floats, normal: Floats, barriers: gpd.GeoDataFrame | None, grid: Grid, near: float
) -> Objects:
    """Name the barrier that each piece runs along, "" where none is near or it only meets one."""
    names = np.full(len(middle), "", dtype=object)
    if barriers is None or not len(barriers):
        return names
    check_same_crs("grid", grid.cells, "barriers", barriers)
    if "name" not in barriers:
        raise InputError("`barriers` have no column `name`, so they cannot name a bound.")
    named = barriers[barriers["name"].notna() & (barriers["name"].astype(str) != "")]
    tree = shapely.STRtree(named.geometry.to_numpy())
    piece, line = tree.query_nearest(shapely.points(middle), max_distance=near, all_matches=False)
    lines = named.geometry.to_numpy()[line]
    half = np.column_stack([-normal[piece, 1], normal[piece, 0]]) / 2
    start = shapely.distance(shapely.points(middle[piece] - half), lines)
    end = shapely.distance(shapely.points(middle[piece] + half), lines)
    along = np.abs(start - end) <= ALONG * 2 * np.hypot(half[:, 0], half[:, 1])
    names[piece[along]] = named["name"].astype(str).to_numpy()[line[along]]
    return names


def _beyond(middle: Floats, normal: Floats, grid: Grid, far: float) -> Geometries:
    """Name the cell just beyond each piece, "" outside the grid."""
    unit = normal / np.maximum(np.hypot(normal[:, 0], normal[:, 1]), 1e-12)[:, None]
    beyond = middle + far * unit
    cells = grid.cells
    tree = shapely.STRtree(cells.geometry.to_numpy())
    piece, cell = tree.query(shapely.points(beyond), predicate="intersects")
    names = np.full(len(middle), "", dtype=object)
    names[piece] = cells["name"].astype(str).to_numpy()[cell]
    return names


def _bound(
    side: str, on: Bools, middle: Floats, length: Floats, names: Objects, beyond: Geometries
) -> Bound:
    total = float(length[on].sum())
    if not total:
        return Bound(side, "", "outside", 0.0, float("nan"), float("nan"))
    for kind, column, least in (("barrier", names, ENOUGH), ("cell", beyond, 0.0)):
        sums = pd.Series(length[on]).groupby(column[on]).sum().drop("", errors="ignore")
        if len(sums) and sums.max() >= least * total:
            name = str(sums.idxmax())
            chosen = on & (column == name)
            x, y = _middle(middle[chosen], length[chosen])
            return Bound(side, name, kind, float(sums.max()) / total, x, y)
    x, y = _middle(middle[on], length[on])
    return Bound(side, "", "outside", 1.0, x, y)


def _middle(points: Floats, weight: Floats) -> tuple[float, float]:
    """Return the piece nearest to the weighted mean."""
    mean = np.average(points, axis=0, weights=weight)
    nearest = points[np.argmin(((points - mean) ** 2).sum(axis=1))]
    return float(nearest[0]), float(nearest[1])


def as_dict(bound: Bound) -> dict[str, Any]:
    """Return a bound as figures."""
    return {"name": bound.name, "kind": bound.kind, "share": bound.share}
