"""Maps of a grid: its coverage, its hotspots, and alternative plans side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely
from markupsafe import Markup

from gridmap._checks import check_choice
from gridmap.comparison.plans import FIGURES
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.html import FILLS, credit_line, render, thumbnail, today
from gridmap.language import Lang, Message, tr
from gridmap.maps import themes
from gridmap.maps.offline import with_policy
from gridmap.maps.scene import Scene, grid_scene

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

    from gridmap.maps.basemap import Bounds, Datum
    from gridmap.maps.layer import OfflineMap


def coverage_map(
    grid: Grid,
    *,
    color: str | pd.Series | None = None,
    incidents: pd.DataFrame | None = None,
    defects: gpd.GeoDataFrame | None = None,
    staff: pd.DataFrame | None = None,
    heat: bool = False,
    title: str | None = None,
    source: str = "",
    lang: Lang = "zh",
    basemap: str | Path | None = None,
    basemap_bounds: Bounds | None = None,
    basemap_datum: Datum = "wgs84",
) -> OfflineMap:
    """Map a grid: households against the band, kinds, areas of each level.

    Parameters
    ----------
    grid
        A proved grid.
    color
        A column of the cells, or values by code, to colour by first.
    incidents
        Points, as `assign` takes them; adds incidents per 100 households and their density.
    defects
        What `validate` found, to be marked.
    staff
        A roster with columns ``code`` and ``role``; adds who has a leader.
    heat
        Whether the density of the incidents is shown at once.
    title, source
        What stands over the map, and where the data come from.
    lang
        "zh" or "en".
    basemap
        A PNG or JPEG file, which is put into the page in grey; or the address of XYZ tiles, for a
        notebook only: a map with tiles cannot be saved.
    basemap_bounds
        West, south, east and north of that image in degrees.
    basemap_datum
        Datum of image or tiles: "wgs84", "gcj02" or "bd09". The cells are moved to lie over it.

    Returns
    -------
    OfflineMap
        A `folium.Map` whose `save` writes one file that loads nothing.

    Examples
    --------
    >>> import gridmap as gm
    >>> shown = gm.coverage_map(grid, lang="en")  # doctest: +SKIP
    """
    from gridmap.maps.defect_map import defect_marks
    from gridmap.maps.layer import show

    check_choice("lang", lang, ("zh", "en"))
    grid = grid.in_language(lang)
    scene = _scene(
        grid,
        _coverage_layers(grid, color, incidents, staff, lang),
        lang,
        heat=heat,
        source=source,
        title=title or tr("Coverage of the grid", lang=lang),
        subtitle=tr(
            "{grid:,} {grid:cell tiles|cells tile} {jurisdictions:,} "
            "{jurisdictions:jurisdiction|jurisdictions} exactly, no gaps, no overlaps; "
            "band of households {band}",
            lang=lang,
            grid=len(grid),
            jurisdictions=len(grid.jurisdictions),
            band=grid.bands.printed,
        ),
        marks=None if defects is None else defect_marks(defects, grid.crs, lang),
    )
    return show(scene, basemap=basemap, basemap_bounds=basemap_bounds, basemap_datum=basemap_datum)


# themes to choose from, columns of the card, and the image of the density
Layers = tuple[list[themes.Theme], list[dict[str, Any]], dict[str, Any] | None]


def _scene(
    grid: Grid, layers: Layers, lang: Lang, *, heat: bool, source: str, **rest: Any
) -> Scene:
    """Make the scene of a grid with its layers, its density shown at once or not."""
    shown, columns, density = layers
    extras = {"show": {"heat": heat}} | ({} if density is None else {"heat": density})
    credit = credit_line(grid.crs, grid.content_hash, lang, source)
    return grid_scene(grid, shown, lang, columns=columns, credit=credit, extras=extras, **rest)


def _coverage_layers(
    grid: Grid,
    color: str | pd.Series | None,
    incidents: pd.DataFrame | None,
    staff: pd.DataFrame | None,
    lang: Lang,
) -> Layers:
    from gridmap.maps.heat import course, heat_image, with_places

    shown = [] if color is None else [themes.column(grid, color, lang)]
    columns: list[dict[str, Any]] = []
    density = None
    if incidents is not None:
        placed = with_places(incidents, grid)
        counts = themes.counted(placed, grid)
        each = themes.rate_theme if grid.cells["households"].any() else themes.count_theme
        shown.append(each(counts, grid, lang, steps=course(placed, grid, lang)))
        columns.append(themes.count_column(counts, lang))
        density = heat_image(placed, grid, lang)
    shown += [themes.households(grid, lang), themes.kinds(grid, lang)]
    if staff is not None:
        from gridmap.operations.staffing import staffing

        posted = staffing(staff, grid)
        shown.append(themes.staffing(grid, posted.cells, posted.limit, lang))
        columns += themes.staff_columns(posted.cells, grid, lang)
    shown += [themes.areas(grid, level, lang) for level in grid.levels]
    return shown, columns, density


def hotspot_map(
    grid: Grid,
    spots: pd.DataFrame,
    *,
    clusters: pd.DataFrame | None = None,
    incidents: pd.DataFrame | None = None,
    heat: bool = False,
    title: str | None = None,
    source: str = "",
    lang: Lang = "zh",
    basemap: str | Path | None = None,
    basemap_bounds: Bounds | None = None,
    basemap_datum: Datum = "wgs84",
) -> OfflineMap:
    """Map hotspots, a layer a question; rates, smoothed rates, counts, and time as a slider.

    Layers show neighbourhoods (Gi*), cells by their own count, clusters where they are given, and
    where `spots` has a column ``ways``, how robust each place is against the drawing of the lines.

    Parameters
    ----------
    grid
        A proved grid.
    spots
        What `hotspots` gives; when it is split by period, a slider chooses the period. Or what
        `emerging` gives: the histories.
    clusters
        What `clusters` gives for one map.
    incidents
        Points; adds their density as an image, never the points themselves.
    heat
        Whether the density is shown at once.
    title, source, lang, basemap, basemap_bounds, basemap_datum
        As for `coverage_map`.

    Raises
    ------
    InputError
        When `spots` has neither a column ``bin`` nor ``pattern``.
    """
    from gridmap.maps.layer import show

    check_choice("lang", lang, ("zh", "en"))
    grid = grid.in_language(lang)
    if spots.empty:
        raise InputError("`spots` has no rows: no incident was tallied by what splits them.")
    if not {"bin", "pattern"} & set(spots):
        raise InputError("`spots` has no column `bin`. Hand in what `gridmap.hotspots` gives.")
    scene = _scene(
        grid,
        _hotspot_layers(grid, spots, clusters, incidents, lang),
        lang,
        heat=heat,
        source=source,
        title=title or tr("Hotspot map", lang=lang),
        subtitle=_hot_sentence(spots, grid, lang),
    )
    return show(scene, basemap=basemap, basemap_bounds=basemap_bounds, basemap_datum=basemap_datum)


def _hotspot_layers(
    grid: Grid,
    spots: pd.DataFrame,
    clusters: pd.DataFrame | None,
    incidents: pd.DataFrame | None,
    lang: Lang,
) -> Layers:
    from gridmap.maps.heat import heat_image, with_places

    drawn = themes.hotspot if "bin" in spots else themes.histories
    shown = [drawn(spots, grid, lang)]
    if {"cell_bin", "exposure"} <= set(spots):
        shown.append(themes.own_count(spots, grid, lang))
    if clusters is not None:
        shown.append(themes.in_clusters(clusters, grid, lang))
    if "ways" in spots and spots.index.nlevels == 1:
        shown.append(themes.ways(spots["ways"], grid, lang))
    columns: list[dict[str, Any]] = []
    whole = spots.groupby(level=0)[["incidents"]].sum() if "incidents" in spots else None
    if whole is not None:
        counts = whole["incidents"].reindex(grid.cells.index, fill_value=0)
        columns.append(themes.count_column(counts, lang))
        shown += [
            themes.rate_theme(counts, grid, lang),
            themes.smoothed_theme(counts, grid, lang),
            themes.count_theme(counts, grid, lang, spots),
        ]
    if spots.index.nlevels == 1:
        columns.append(themes.column_of("Gi* z", spots["z"].reindex(grid.cells.index), 2))
    density = None if incidents is None else heat_image(with_places(incidents, grid), grid, lang)
    return shown, columns, density


def _hot_sentence(spots: pd.DataFrame, grid: Grid, lang: Lang) -> str:
    from gridmap.hotspot_analysis.method_text import own_words

    period, last = themes.maps_of(spots)[-1]
    side = last["bin"] if "bin" in last else last["side"].map({"hot": 1, "cold": -1})
    said = _around(int((side > 0).sum()), int((side < 0).sum()), int(_tested(last).sum()))
    if "cell_bin" in last:
        above, below = (int((sign * last["cell_bin"] > 0).sum()) for sign in (1, -1))
        counted = int((last["exposure"] > 0).sum()) if "exposure" in last else len(last)
        own = own_words(above, below, counted)
        said = Message("{around}; by their own count: {own}", around=said, own=own)
    return tr("{name}: {text}", lang=lang, name=period, text=said) if period else said.text(lang)


def _tested(spots: pd.DataFrame) -> pd.Series:
    """Tell which neighbourhoods were tested, be it in the periods of a history."""
    if "tested" in spots:
        return spots["tested"].fillna(0) > 0
    return spots["gate"].fillna("").astype(str) == "" if "gate" in spots else spots["bin"].notna()


def _around(hot: int, cold: int, tested: int) -> Message:
    if not tested:
        return Message("Neighbourhoods: none tested")
    if not hot and not cold:
        return Message("Neighbourhoods: none hot or cold of {n:,} tested", n=tested)
    return Message(
        "Neighbourhoods: {hot:,} hot and {cold:,} cold of {n:,} tested (false discovery rate 10%)",
        hot=hot, cold=cold, n=tested,
    )  # fmt: skip


HEADINGS = {
    "网格编码": "code", "事件数": "incidents", "案件数": "incidents", "Gi*得分": "z", "p值": "p",
    "q值（错误发现率）": "q", "校正后p值": "q", "冷热等级": "bin", "单格等级": "cell_bin",
    "分母": "exposure", "各种画法中为热点的占比": "ways", "未判断原因": "gate",
    "问题类型": "category", "日期": "day", "周": "week", "月份": "month",
}  # fmt: skip
SPLITS = ("category", "day", "week", "month")


def from_file(table: pd.DataFrame, grid: Grid) -> pd.DataFrame | None:
    """Return a table with the index that `hotspots` gives, None when it is no such table.

    Examples
    --------
    >>> from_file(pd.DataFrame({"x": [1]}), None) is None
    True
    """
    table = pd.DataFrame(table).rename(columns=HEADINGS)
    if not {"code", "bin"} <= set(table):
        return None
    table = table.assign(code=table["code"].astype(str))
    known_numbers = ("incidents", "exposure", "z", "p", "q", "bin", "cell_bin", "ways")
    numbers = [name for name in known_numbers if name in table]
    table[numbers] = table[numbers].apply(pd.to_numeric)
    known = table[table["code"].isin(grid.cells.index)]
    splits = [name for name in SPLITS if name in table]
    return known.set_index(["code", *splits])


TITLES = {
    "cells": Message("Residential cells", context="plans"),
    "in_band": Message("In the band", context="plans"),
    "households": Message("Households", context="plans"),
    "smallest": Message("Smallest cell", context="plans"),
    "largest": Message("Largest cell", context="plans"),
    "spread": Message("Spread of households (CV)", context="plans"),
    "compactness": Message("Compactness", context="plans"),
    "border_m": Message("Internal border (km)", context="plans"),
    "on_streets": Message("Of which on streets", context="plans"),
    "moved": Message("Households moved", context="plans"),
    "moved_share": Message("Share moved", context="plans"),
}  # fmt: skip
WORDS = {
    "all": Message("Overall"),
    "areas": Message("By jurisdiction"),
    "area": Message("Jurisdiction", context="plans"),
    "plan": Message("Plan", context="plans"),
    "outside": Message("Outside the band"),
    "changed": Message('Another cell than in "{present}"'),
    "dedicated": Message("dedicated, exempt"),
    "key": Message(
        "Spread: standard deviation of the households of a cell "
        "over their mean. Compactness: mean of 4πA/P². Internal border: between cells of one "
        "jurisdiction; on streets where the units know their blocks. Moved: households whose cell "
        "has another code than in {present}."
    ),
}
OUTSIDE, SHORT, CHANGED = "#e39a92", "#b3261e", "#0b57a4"
LEGEND = (
    {"name": "outside", "fill": OUTSIDE, "line": SHORT}, {"name": "changed", "line": CHANGED},
    {"name": "dedicated", "fill": FILLS["dedicated"]},
)  # fmt: skip
ALIKE = Message("{n:,} {n:jurisdiction is|jurisdictions are} alike in all plans and not listed.")
MAIN = {"cells", "in_band", "largest", "moved"}  # what a phone has room for
BETTER = {
    "in_band": 1, "spread": -1, "compactness": 1, "border_m": -1, "on_streets": 1, "moved": -1,
}  # fmt: skip


def plans_page(
    table: pd.DataFrame, grids: Mapping[str, Grid], *, present: tuple[str, Grid], lang: Lang = "zh"
) -> str:
    """Return alternatives side by side as one HTML text that loads nothing.

    Parameters
    ----------
    table : DataFrame
        What `plans` returns for the grids.
    grids : mapping of str to Grid
        The alternatives, by what they are called.
    present : (str, Grid)
        What the grid in force is called, and that grid: cells that are others are in colour.
    lang : {"zh", "en"}
        Language of the page.
    """
    over_all = table.loc[[""]].droplevel("area")
    areas = [code for code in table.index.get_level_values("area").unique() if code]
    rows = {code: table.loc[[code]].droplevel("area") for code in areas}
    told = {code: {tuple(_text(f, rows[code][f].loc[plan]) for f in FIGURES)
                   for plan in rows[code].index} for code in areas}  # fmt: skip
    listed = [code for code in areas if len(areas) > 1 and len(told[code]) != 1]
    pictures = {name: _picture(grid, present[1]) for name, grid in grids.items()}
    page = render(
        "plans.html",
        lang=lang,
        title=Message("Plans side by side").text(lang),
        subtitle=f"{' · '.join(grids)} ｜ {today()}",
        pictures=[{"name": name, "svg": svg} for name, svg in pictures.items()],
        overall=[_row(over_all, figure, lang) for figure in FIGURES],
        titles=[TITLES[figure].text(lang) for figure in FIGURES],
        areas=[_area(rows[code], *_called(grids, code)) for code in listed],
        main=[figure in MAIN for figure in FIGURES],
        alike=ALIKE(n=len(areas) - len(listed)).text(lang) if len(areas) > len(listed) else "",
        legend=[
            look
            for look in LEGEND
            if any((look.get("fill") or look["line"]) in svg for svg in pictures.values())
        ],
        words={
            key: (word(present=present[0]) if key in ("key", "changed") else word).text(lang)
            for key, word in WORDS.items()
        },
    )
    return with_policy(page)


def _picture(grid: Grid, present: Grid) -> Markup:
    cells = grid.cells
    same = set(shapely.to_wkb(present.cells.geometry))
    changed = [shape not in same for shape in shapely.to_wkb(cells.geometry)]
    out = (cells["kind"] == "residential") & ~grid.in_band
    fills = cells["kind"].map(FILLS).mask(out, OUTSIDE)
    rings = np.where(changed, CHANGED, np.where(out, SHORT, ""))
    return thumbnail(cells, fills.tolist(), 300, rings=rings.tolist())


def _called(grids: Mapping[str, Grid], code: str) -> tuple[str, str]:
    """Return the name of a jurisdiction, and its code where that is another."""
    for grid in grids.values():
        if code in grid.jurisdictions.index and grid.levels:
            return str(grid.jurisdictions[grid.levels[-1]].loc[code]), code
    return code, ""


def _row(plans: pd.DataFrame, figure: str, lang: Lang) -> dict[str, Any]:
    return {
        "title": TITLES[figure].text(lang),
        "cells": [_cell(plans, name, figure) for name in plans.index],
    }


def _area(plans: pd.DataFrame, name: str, code: str) -> dict[str, Any]:
    rows = [
        {"plan": plan, "cells": [_cell(plans, plan, figure) for figure in FIGURES]}
        for plan in plans.index
    ]
    return {"name": name, "code": code, "rows": rows}


def _cell(plans: pd.DataFrame, plan: str, figure: str) -> dict[str, str]:
    """Return a figure as text, marked where it is the best alone, or short of the band."""
    value = plans[figure].loc[plan]
    kind = ""
    told = {_text(figure, one) for one in plans[figure].dropna()}
    if figure in BETTER and len(told) > 1:
        best = plans[figure].max() if BETTER[figure] > 0 else plans[figure].min()
        kind = "best" if _text(figure, value) == _text(figure, best) else ""
    if figure == "in_band" and value < plans["cells"].loc[plan]:
        kind = "short"
    return {"text": _text(figure, value), "kind": kind}


def _text(figure: str, value: float) -> str:
    if pd.isna(value):
        return "—"
    if figure in ("spread", "compactness"):
        return f"{value:.3f}"
    if figure == "moved_share" and 0 < value < 0.0005:
        return "<0.1%"
    if figure in ("on_streets", "moved_share"):
        return f"{value:.1%}"
    if figure == "border_m":
        return f"{value / 1000:,.1f}"
    return f"{value:,.0f}"
