"""HTML and SVG from templates that a designer can open; every value is escaped.

What is HTML already (a part made here, a style sheet shipped with gridmap) is `Markup`.
"""

from __future__ import annotations

import base64
import datetime
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from markupsafe import Markup

from gridmap._checks import label
from gridmap.language import Lang, Message, tr

if TYPE_CHECKING:
    from geopandas import GeoDataFrame, GeoSeries
    from jinja2 import Environment

CARD = "grid_card.html"
FILLS = {"residential": "#dfe7ec", "dedicated": "#f3e3c3", "vacant": "#f7f7f5"}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("gridmap", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_unbroken,
    )


def _unbroken(value: object) -> object:
    """Keep a bound and its sign on one line; what is HTML already stays as it is."""
    return (
        value.replace(" ≤ ", "\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}")
        if type(value) is str
        else value
    )


def render(template: str, /, **values: object) -> str:
    """Return a whole page.

    Examples
    --------
    >>> render("frame.html", page="<p>", height=600, still="", untrusted=[]).split(" style")[0]
    '<iframe srcdoc="&lt;p&gt;"'
    """
    return _environment().get_template(template).render(values)


_UNTRUSTED = Message(
    "The page is hidden, as this notebook is not trusted here: choose “Trust Notebook” in the "
    "command palette (Ctrl+Shift+C)."
)


def frame(page: str, height: int, still: str = "") -> str:
    """Return a page as notebooks show it; a still picture and a word where none may run."""
    untrusted = _UNTRUSTED.both().values()
    return render("frame.html", page=page, height=height, still=still, untrusted=untrusted)


def picture(svg: Markup) -> Markup:
    """Return a drawing as an image, which a notebook shows even where it is not trusted."""
    alone = str(svg).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return part(CARD, "picture", base64.b64encode(alone.encode()).decode())


def part(template: str, macro: str, /, *values: object, **named: object) -> Markup:
    """Return a part of a page, made by a macro of a template."""
    made: Markup = getattr(_environment().get_template(template).module, macro)(*values, **named)
    return Markup(made.strip())


def card(
    cells: GeoDataFrame,
    fills: Sequence[str],
    facts: Mapping[str, str],
    legend: Mapping[str, str] | None = None,
) -> str:
    """Return HTML of cells in their colours beside facts; `legend` colours facts by name."""
    legend = legend or {}
    rows = [(key, value, legend.get(key)) for key, value in facts.items()]
    return str(part(CARD, "card", picture(thumbnail(cells, fills)), rows))


def credit_line(crs: Any, fingerprint: str, lang: Lang, source: str = "") -> str:
    """Say when, from what and in which CRS a map was made."""
    parts = [
        tr("Made {today}", lang=lang, today=today()),
        source,
        tr("CRS {crs}", lang=lang, crs=label(crs)),
        tr("Fingerprint {fingerprint}", lang=lang, fingerprint=fingerprint[:12])
        if fingerprint
        else "",
        "gridmap",
    ]
    return " ｜ ".join(part for part in parts if part)


def today() -> str:
    """Return the date, or the one that SOURCE_DATE_EPOCH sets for reproducible files."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if re.fullmatch(r"\d+", epoch):
        return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC).date().isoformat()
    return datetime.date.today().isoformat()


def thumbnail(
    cells: GeoDataFrame | GeoSeries,
    fills: Sequence[str],
    side: int = 260,
    marks: Mapping[str, str] | None = None,
    *,
    rings: Sequence[str] = (),
) -> Markup:
    """Return an SVG of a coverage, at most `side` pixels wide and high.

    `marks` number cells by their codes; `rings` are the colours of outlines, "" for none.
    """
    x0, y0, x1, y1 = cells.total_bounds
    scale = side / max(x1 - x0, y1 - y0)
    shapes = shapely.coverage_simplify(cells.geometry.to_numpy(), 0.7 / scale)
    paths = [_path(shape, x0, y1, scale) for shape in shapes]
    drawn = list(zip(paths, fills, strict=True))
    inside = shapely.point_on_surface(np.asarray(cells.geometry.reindex(list(marks or {}))))
    at = [((point.x - x0) * scale, (y1 - point.y) * scale) for point in inside]
    dots = [
        (*spot, *own, text)
        for spot, own, text in zip(_apart(at), at, (marks or {}).values(), strict=True)
    ]
    lines = [(path, ring) for path, ring in zip(paths, rings, strict=False) if ring]
    thin = 0.4 * min(1.0, (600 / len(cells)) ** 0.5)  # many borders would hide what they bound
    wide, high = (x1 - x0) * scale, (y1 - y0) * scale
    return part(CARD, "thumbnail", drawn, wide, high, dots, lines, thin)


def _apart(spots: list[tuple[float, float]], room: float = 32) -> list[tuple[float, float]]:
    """Move numbers that would lie on others to the nearest free place around their spot.

    Examples
    --------
    >>> _apart([(0, 0), (50, 0)])
    [(0, 0), (50, 0)]
    >>> (_, _), (x, y) = _apart([(0, 0), (1, 0)])
    >>> bool(x**2 + y**2 >= 32**2)
    True
    """
    taken: list[tuple[float, float]] = []
    for x, y in spots:
        ways = (
            (x + far * np.cos(turn), y + far * np.sin(turn))
            for far in np.arange(room + 1, 30 * room, room / 2)
            for turn in np.arange(0, 2 * np.pi, np.pi / 8)
        )
        free = (
            (a, b)
            for a, b in ((x, y), *ways)
            if all((a - c) ** 2 + (b - d) ** 2 >= room**2 for c, d in taken)
        )
        taken.append(next(free, (x, y)))
    return taken


def _path(shape: shapely.Geometry, x0: float, y1: float, scale: float) -> str:
    lines = [
        (shapely.get_coordinates(ring) - (x0, y1)) * (scale, -scale)
        for ring in shapely.get_rings(shape)
    ]
    return "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) + "Z" for line in lines)
