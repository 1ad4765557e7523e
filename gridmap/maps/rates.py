"""Counts and rates of cells, as themes and as columns of the card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gridmap.language import Lang, pick
from gridmap.maps import hot, themes

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


def rate_theme(counts: pd.Series, grid: Grid, lang: Lang) -> themes.Theme:
    """Class incidents per 100 households; cells without households have no base."""
    base = grid.cells["households"].to_numpy().astype(float)
    rate = np.divide(100 * counts.to_numpy(), base, out=np.full(len(base), np.nan), where=base > 0)
    return themes.quantity(
        rate,
        pick(lang, "事件率", "Incident rate"),
        unit=pick(lang, "件/百户", "per 100 households"),
        tab=pick(lang, "事件率", "Rate"),
        absent=themes.NO_BASE,
        lang=lang,
    )


def smoothed_theme(counts: pd.Series, grid: Grid, lang: Lang) -> themes.Theme:
    """Class empirical-Bayes rates (Marshall 1991), which pull small cells to the mean."""
    base = grid.cells["households"].to_numpy().astype(float)
    has = base > 0
    rate = np.full(len(base), np.nan)
    rate[has] = 100 * empirical_bayes(counts.to_numpy()[has].astype(float), base[has])
    return themes.quantity(
        rate,
        pick(lang, "平滑事件率", "Smoothed rate"),
        unit=pick(lang, "件/百户", "per 100 households"),
        tab=pick(lang, "平滑率", "Smoothed"),
        note=pick(
            lang,
            "经验贝叶斯（Marshall）：小网格向均值收缩，仅供显示",
            "empirical Bayes (Marshall): small cells drawn to the mean, for display",
        ),
        absent=themes.NO_BASE,
        lang=lang,
    )


def empirical_bayes(
    counts: np.ndarray[Any, np.dtype[np.float64]], base: np.ndarray[Any, np.dtype[np.float64]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return Marshall's global empirical-Bayes rates, prior variance clipped at 0."""
    if not base.sum():
        return np.zeros(len(base))
    mean = counts.sum() / base.sum()
    rate = counts / base
    variance = (base * (rate - mean) ** 2).sum() / base.sum()
    prior = max(0.0, variance - mean / base.mean())
    noise = prior + mean / base
    weight = np.divide(prior, noise, out=np.zeros_like(noise), where=noise > 0)
    smoothed: np.ndarray[Any, np.dtype[np.float64]] = mean + weight * (rate - mean)
    return smoothed


def count_theme(
    counts: pd.Series, grid: Grid, lang: Lang, spots: pd.DataFrame | None = None
) -> themes.Theme:
    """Class plain counts; with a split table, each period can be chosen."""
    split = spots is not None and spots.index.nlevels > 1
    periods = [
        (when, part["incidents"].reindex(grid.cells.index, fill_value=0).to_numpy())
        for when, part in (hot.maps_of(spots) if split and spots is not None else ())
    ]
    whole = periods[-1][1] if periods else counts.to_numpy()
    return themes.quantity(
        whole,
        pick(lang, "事件数", "Incidents"),
        unit=pick(lang, "件", ""),
        tab=pick(lang, "件数", "Counts"),
        note=pick(lang, "未除以户数，仅作参考", "not divided by households, for reference"),
        digits=0,
        periods=periods,
        whole_time=False,
        lang=lang,
    )


def counted(placed: pd.DataFrame, grid: Grid) -> pd.Series:
    """Count assigned incidents per cell."""
    return placed["code"].value_counts().reindex(grid.cells.index, fill_value=0)


def staff_columns(cells: pd.DataFrame, grid: Grid, lang: Lang) -> list[dict[str, Any]]:
    """Return leaders, other staff and volunteers of each cell as columns of the card."""
    cells = cells.reindex(grid.cells.index)
    titles = {
        "leaders": ("网格长", "Leaders"),
        "x": ("专职", "Staff"),
        "y": ("志愿者", "Volunteers"),
    }
    return [column_of(pick(lang, *titles[key]), cells[key]) for key in titles]


def count_column(counts: pd.Series, lang: Lang) -> dict[str, Any]:
    """Return incident counts as a column of the card."""
    return column_of(pick(lang, "事件", "Incidents"), counts)


def column_of(title: str, values: pd.Series, digits: int = 0) -> dict[str, Any]:
    """Return numbers by cell as a column of the card."""
    rounded = values.fillna(0).round(digits)
    kept = rounded.astype(int) if digits == 0 else rounded
    return {"title": title, "values": kept.tolist(), "digits": digits}
