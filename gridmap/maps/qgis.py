"""A style file for QGIS: the grid looks there as it does on the page."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from gridmap._checks import at_the_door, check_choice
from gridmap.html import render
from gridmap.language import Lang, tr
from gridmap.maps import themes
from gridmap.maps.offline import write_text

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


@at_the_door
def save_qgis_style(
    grid: Grid, path: str | Path, *, overwrite: bool = False, lang: Lang = "zh"
) -> Path:
    """Write the .qml file that QGIS applies to a grid file of the same name.

    Cells are coloured by their households against the band, dedicated cells apart. QGIS gives the
    style to every layer of the file; the others show their outlines.

    Parameters
    ----------
    grid
        Tells the band.
    path
        The file to write: ``grid.qml`` beside ``grid.gpkg``.
    overwrite
        Whether an existing file may be replaced.
    lang
        Language of the legend.
    """
    check_choice("lang", lang, ("zh", "en"))
    return write_text(qgis_style(grid, lang), path, overwrite=overwrite)


def qgis_style(grid: Grid, lang: Lang = "zh") -> str:
    """Return the style as QML: one rule a class."""
    theme = themes.every_class_of_households(grid, lang)
    rules = [
        {"filter": condition, "label": row.label, "looks": _looks(row)}
        for row, condition in zip(theme.classes, _conditions(grid), strict=True)
    ]
    other = tr("other layers (outline)", lang=lang)
    looks = [{**_fill("#ffffff", "no"), **_line("96,112,120,255", "0.3")}]
    rules.append({"filter": "ELSE", "label": other, "looks": looks})
    return render("style.qml", rules=rules)


def _conditions(grid: Grid) -> list[str]:
    """Say each class of the households theme as a QGIS expression."""
    edges = [_by_parent(grid, edge) for edge in range(4)]
    cell = '"area_m2" > 0'  # the layer of units has the other columns too
    home = f"{cell} AND \"kind\" = 'residential'"
    return [
        f'{home} AND "households" < {edges[0]}',
        *(f'{home} AND "households" >= {a} AND "households" < {b}' for a, b in pairwise(edges)),
        f'{home} AND "households" >= {edges[-1]}',
        *(f"{cell} AND \"kind\" = '{kind}'" for kind in ("dedicated", "vacant")),
    ]


def _by_parent(grid: Grid, edge: int) -> str:
    """Write an edge of the classes: a number, or one by jurisdiction where bands differ."""
    bands = grid.bands
    usual = int(themes.thirds(bands.low, bands.high)[edge])
    groups: dict[int, list[str]] = {}
    for parent, band in sorted(bands.own.items()):
        quoted = "'" + parent.replace("'", "''") + "'"
        groups.setdefault(int(themes.thirds(*band)[edge]), []).append(quoted)
    cases = [
        f'WHEN "parent" IN ({", ".join(parents)}) THEN {value}' for value, parents in groups.items()
    ]
    return f"(CASE {' '.join(cases)} ELSE {usual} END)" if cases else str(usual)


def _looks(row: themes.Class) -> list[dict[str, str]]:
    """Fill with the colour of a class, and with its hatch over that."""
    line = _line("255,255,255,255", "0.2")
    looks = [{**_fill(row.color, "solid"), **line}]
    if row.hatch:
        looks.append({**_fill("#6b7a83", "b_diagonal"), **line})
    return looks


def _fill(color: str, style: str) -> dict[str, str]:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return {"color": f"{red},{green},{blue},255", "style": style}


def _line(color: str, width: str) -> dict[str, str]:
    return {"outline_color": color, "outline_width": width}
