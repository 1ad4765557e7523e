"""Hotspots as a theme: bins of Gi*, one map or one a period."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from gridmap.language import Lang, pick
from gridmap.maps.themes import COLD_HATCH, NOTHING, NOTHING_HATCH, Class, Period, Theme

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid

BLUE_GREY_RED = ["#2166ac", "#67a9cf", "#c9e0ee", "#eceff1", "#fddbc7", "#ef8a62", "#b2182b"]


def hotspot(spots: pd.DataFrame, grid: Grid, lang: Lang) -> Theme:
    """Show the bins of Gi*, blue (fewer than expected) to red (more), and what was not tested."""
    labels = _bin_labels(lang)
    classes = [
        Class(label, color, COLD_HATCH if k < 3 else None)
        for k, (label, color) in enumerate(zip(labels, BLUE_GREY_RED, strict=True))
    ]
    classes.append(Class(pick(lang, "未检验", "not tested"), NOTHING, NOTHING_HATCH))
    split = spots.index.nlevels > 1
    periods = [Period(str(when), _bins(part, grid)) for when, part in maps_of(spots)]
    return Theme(
        pick(lang, "热点显著性", "Hotspots"),
        classes,
        periods[-1].of if split else _bins(spots, grid),
        unit="Gi*",
        tab=pick(lang, "热点", "Hotspots"),
        note=pick(
            lang,
            "Getis–Ord Gi*（标准化率，邻接含自身），FDR 校正",
            "Getis-Ord Gi* on standardised rates, contiguity and self, FDR corrected",
        ),
        periods=periods if split else (),
        whole_time=False,
    )


def maps_of(spots: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Split a frame by what stands in its index behind the code; one map when nothing does."""
    if spots.index.nlevels == 1:
        return [("", spots)]
    others = list(range(1, spots.index.nlevels))
    by = others[0] if len(others) == 1 else others
    return [
        (" · ".join(map(str, key)) if isinstance(key, tuple) else str(key), part.droplevel(others))
        for key, part in spots.groupby(level=by, sort=True, observed=True)
    ]


def _bins(spots: pd.DataFrame, grid: Grid) -> npt.NDArray[np.int64]:
    spots = spots.reindex(grid.cells.index)
    tested = spots["bin"].notna().to_numpy()
    if "gate" in spots:
        tested = tested & (spots["gate"].fillna("").astype(str).to_numpy() == "")
    of = spots["bin"].fillna(0).to_numpy().astype(np.int64) + 3
    return np.where(tested, of, 7).astype(np.int64)


def _bin_labels(lang: Lang) -> list[str]:
    levels = ["q ≤ 0.01", "q ≤ 0.05", "q ≤ 0.10"]
    cold, hot = pick(lang, "冷点", "cold"), pick(lang, "热点", "hot")
    plain = pick(lang, "不显著", "not significant")
    return [
        *(f"{cold} {q}" for q in levels),
        plain,
        *(f"{hot} {q}" for q in reversed(levels)),
    ]
