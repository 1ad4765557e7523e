"""Small charts as SVG, drawn from numbers: nothing in them is typed."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from gridmap.language import Lang, pick
from gridmap.privacy import SMALL

ABOVE, BELOW, ALIKE = "#b5532b", "#6d9ab5", "#a9b6bd"


def spark(values: Sequence[float], width: int = 62, height: int = 16) -> str:
    """Draw a line without axes, its end marked."""
    if len(values) < 2:
        return ""
    numbers = np.asarray(values, float)
    span = float(np.ptp(numbers)) or 1.0
    x = np.linspace(2, width - 4, len(numbers))
    y = height - 3 - (height - 6) * (numbers - numbers.min()) / span
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'preserveAspectRatio="none" aria-hidden="true">'
        f'<polyline points="{points}"/><circle cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" r="2"/></svg>'
    )


def interval_bar(
    rate: float, low: float, high: float, most: float, mean: float, width: int = 84
) -> str:
    """Draw a rate as a bar with its interval as a whisker, and the common mean as a dashed line."""
    scale = (width - 2) / most if most else 0.0
    color = ABOVE if low > mean else BELOW if high < mean else ALIKE
    a, b = low * scale, min(high, most) * scale
    return (
        f'<svg class="interval" viewBox="0 0 {width} 14" width="{width}" height="14" '
        'preserveAspectRatio="none" aria-hidden="true">'
        f'<rect x="0" y="3" width="{rate * scale:.1f}" height="8" fill="{color}"/>'
        f'<path d="M{a:.1f} 7H{b:.1f}M{a:.1f} 4.5v5M{b:.1f} 4.5v5" class="whisker"/>'
        f'<path d="M{mean * scale:.1f} 0v14" class="mean"/></svg>'
    )


def share_bar(share: float) -> str:
    """Draw a share of the whole as a bar that fills its line."""
    return f'<span class="share"><i style="width:{100 * share:.1f}%"></i></span>'


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


def trend_chart(
    labels: Sequence[str],
    counts: Sequence[int],
    mean: Sequence[float | None],
    whole: Sequence[bool],
    titles: Sequence[str],
) -> str:
    """Draw counts as columns and their running mean as a line; cut periods are pale.

    Sizes are shares of the box, so the text keeps its size whatever the width.
    """
    top = nice_top(max([*counts, 1]))
    step = 100 / max(len(counts), 1)
    grid_lines = "".join(
        f'<div class="tick" style="bottom:{100 * k / 4:.2f}%"><span>{top * k / 4:,.0f}</span></div>'
        for k in range(5)
    )
    columns = "".join(
        f'<rect x="{k * step + step * 0.16:.2f}%" y="{100 - 100 * count / top:.2f}%" '
        f'width="{step * 0.68:.2f}%" height="{100 * count / top:.2f}%"'
        f"{'' if whole[k] else ' class=cut'}><title>{html.escape(titles[k])}</title></rect>"
        for k, count in enumerate(counts)
    )
    points = " ".join(
        f"{(k + 0.5) * step:.2f},{100 - 100 * value / top:.2f}"
        for k, value in enumerate(mean)
        if value is not None
    )
    line = (
        '<svg class="line" viewBox="0 0 100 100" preserveAspectRatio="none">'
        f'<polyline points="{points}"/></svg>'
    )
    return (
        f'<div class="trend"><div class="plot">{grid_lines}<svg class="columns">{columns}</svg>'
        f'{line}</div><div class="dates">{_dates(labels, step)}</div></div>'
    )


def _dates(labels: Sequence[str], step: float) -> str:
    every = max(1, int(np.ceil(len(labels) / 9)))
    return "".join(
        f'<span style="left:{(k + 0.5) * step:.2f}%">{html.escape(label)}</span>'
        for k, label in enumerate(labels)
        if k % every == 0 and (k + 0.5) * step < 96
    )


def short_dates(labels: Sequence[str]) -> list[str]:
    """Drop the year from days, but where it changes.

    Examples
    --------
    >>> short_dates(["2025-12-29", "2026-01-05", "2026-01-12"])
    ['12-29', '2026-01-05', '01-12']
    >>> short_dates(["2026-01", "2026-02"])
    ['2026-01', '2026-02']
    """
    short: list[str] = []
    for k, text in enumerate(labels):
        same = k == 0 or labels[k - 1][:4] == text[:4]
        short.append(text[5:] if same and len(text) > 7 else text)
    return short


def change_text(change: float | None) -> str:
    """Write a relative change with its sign, or a dash."""
    return "–" if change is None else f"{100 * change:+.1f}%".replace("-", "−")


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share in per cent, never 100 for less than all nor 0 for more than none.

    Examples
    --------
    >>> percent(0.99999), percent(1.0), percent(0.00001), percent(None)
    ('>99.9%', '100.0%', '<0.1%', '–')
    """
    if share is None:
        return "–"
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
        return pick(lang, f"少于{SMALL}", f"under {SMALL}")
    return fact(count)
