"""The page that sets alternatives side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from gridmap.comparison.plans import FIGURES
from gridmap.grid.grid import Grid
from gridmap.grid.html import FILLS, thumbnail
from gridmap.html import render
from gridmap.language import Lang, Message
from gridmap.maps.offline import with_policy
from gridmap.maps.scene import today

TITLES = {
    "cells": Message("Cells", context="plans"),
    "in_band": Message("In the band", context="plans"),
    "households": Message("Households", context="plans"),
    "smallest": Message("Smallest cell", context="plans"),
    "largest": Message("Largest cell", context="plans"),
    "spread": Message("Spread of households (CV)", context="plans"),
    "compactness": Message("Compactness", context="plans"),
    "border_m": Message("Internal border (km)", context="plans"),
    "on_streets": Message("Of it on streets", context="plans"),
    "moved": Message("Households moved", context="plans"),
    "moved_share": Message("Share moved", context="plans"),
}
WORDS = {
    "all": Message("Over all"),
    "areas": Message("By jurisdiction"),
    "area": Message("Jurisdiction", context="plans"),
    "plan": Message("Plan", context="plans"),
    "key": Message(
        "Cells are the residential ones. Spread: standard deviation of the households of a cell "
        "over their mean. Compactness: mean of 4πA/P². Internal border: between cells of one "
        "jurisdiction; on streets where the units know their blocks. Moved: households whose cell "
        "has another code than in {present}."
    ),
}
BETTER = {
    "in_band": 1,
    "spread": -1,
    "compactness": 1,
    "border_m": -1,
    "on_streets": 1,
    "moved": -1,
}


def plans_page(
    table: pd.DataFrame, grids: Mapping[str, Grid], *, present: str, lang: Lang = "zh"
) -> str:
    """Return alternatives side by side as one HTML text that loads nothing.

    Parameters
    ----------
    table : DataFrame
        What `plans` returns for the grids.
    grids : mapping of str to Grid
        The alternatives, by what they are called.
    present : str
        What the grid in force is called.
    lang : {"zh", "en"}
        Language of the page.
    """
    over_all = table.loc[""]
    areas = [code for code in table.index.get_level_values("area").unique() if code]
    page = render(
        "plans.html",
        lang=lang,
        title=Message("Plans side by side").text(lang),
        subtitle=f"{' · '.join(grids)} ｜ {today()}",
        pictures=[{"name": name, "svg": _picture(grid)} for name, grid in grids.items()],
        overall=[_row(over_all, figure, lang) for figure in FIGURES],
        titles=[TITLES[figure].text(lang) for figure in FIGURES],
        areas=[_area(table.loc[code], _called(grids, code)) for code in areas]
        if len(areas) > 1
        else [],
        words={
            key: (word(present=present) if key == "key" else word).text(lang)
            for key, word in WORDS.items()
        },
    )
    return with_policy(page)


def _picture(grid: Grid) -> Markup:
    cells = grid.cells
    low, high = grid.band
    out = (cells["kind"] == "residential") & ~cells["households"].between(low, high)
    fills = cells["kind"].map(FILLS).where(~out, "#e9b7b1")
    return thumbnail(cells, fills.tolist(), 300)


def _called(grids: Mapping[str, Grid], code: str) -> str:
    """Return the name of a jurisdiction with its code."""
    for grid in grids.values():
        if code in grid.jurisdictions.index and grid.levels:
            return f"{grid.jurisdictions.at[code, grid.levels[-1]]} {code}"
    return code


def _row(plans: pd.DataFrame, figure: str, lang: Lang) -> dict[str, Any]:
    return {
        "title": TITLES[figure].text(lang),
        "cells": [_cell(plans, name, figure) for name in plans.index],
    }


def _area(plans: pd.DataFrame, name: str) -> dict[str, Any]:
    rows = [
        {"plan": plan, "cells": [_cell(plans, plan, figure) for figure in FIGURES]}
        for plan in plans.index
    ]
    return {"name": name, "rows": rows}


def _cell(plans: pd.DataFrame, plan: str, figure: str) -> dict[str, str]:
    """Return a figure as text, marked where it is the best alone, or short of the band."""
    value = plans.at[plan, figure]
    kind = ""
    if figure in BETTER and plans[figure].notna().sum() > 1 and plans[figure].nunique() > 1:
        best = plans[figure].max() if BETTER[figure] > 0 else plans[figure].min()
        kind = "best" if value == best else ""
    if figure == "in_band" and value < plans.at[plan, "cells"]:
        kind = "short"
    return {"text": _text(figure, value), "kind": kind}


def _text(figure: str, value: float) -> str:
    if pd.isna(value):
        return "—"
    if figure in ("spread", "compactness"):
        return f"{value:.3f}"
    if figure in ("on_streets", "moved_share"):
        return f"{value:.1%}"
    if figure == "border_m":
        return f"{value / 1000:,.1f}"
    return f"{value:,.0f}"
