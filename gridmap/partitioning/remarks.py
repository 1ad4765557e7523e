"""What a planner should know of a grid beside its exceptions, in both languages."""

from __future__ import annotations

from collections.abc import Iterable

from gridmap.grid.grid import Grid

SHOWN = 5


def remarks(grid: Grid) -> list[dict[str, str]]:
    """Return a sentence on each wish that was not met and each promise that gave way.

    Returns
    -------
    list of dict
        The sentences in ``zh`` and ``en``.
    """
    return [*_former(grid.former_parents), *_missed(grid.parameters.get("cells_missed", {}))]


def _former(codes: dict[str, str]) -> list[dict[str, str]]:
    """Say which cells keep codes that begin with another jurisdiction's."""
    if not codes:
        return []
    one = len(codes) == 1
    return [
        {
            "en": f"{len(codes):,} {'cell keeps its code' if one else 'cells keep codes'} of a "
            f"former jurisdiction, as cells that survive do: {_listed(codes, ', ')}.",
            "zh": f"{len(codes):,} 个网格沿用原社区的编码（存续网格编码不变）："
            f"{_listed(codes, '、')}。",
        }
    ]


def _missed(missed: dict[str, dict[str, int]]) -> list[dict[str, str]]:
    """Say where the number of cells is another than was wanted, and whether it must be."""
    if not missed:
        return []
    proved = sum(bool(row["proved"]) for row in missed.values())
    en = [f"{k}: {row['made']:,} for {row['wanted']:,}" for k, row in missed.items()]
    zh = [f"{k}：要 {row['wanted']:,} 个，实为 {row['made']:,} 个" for k, row in missed.items()]
    return [
        {
            "en": f"Communities without the number of cells wanted: {len(missed):,}, of which "
            f"proved impossible {proved:,}, not found {len(missed) - proved:,} "
            f"({_listed(en, '; ')}).",
            "zh": f"{len(missed):,} 个社区未达到要求的网格数，其中证明不可能 {proved:,} 个，"
            f"未找到 {len(missed) - proved:,} 个（{_listed(zh, '；')}）。",
        }
    ]


def _listed(items: Iterable[str], joint: str) -> str:
    """Return the first of some items, and that there are more."""
    every = list(items)
    return joint.join(every[:SHOWN]) + (f"{joint}…" if len(every) > SHOWN else "")
