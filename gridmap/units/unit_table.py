"""Units as a frame, and the facts that go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gridmap.units.build_units import as_plain
from gridmap.units.households import Homes
from gridmap.units.inputs import Note, note
from gridmap.units.jurisdictions import Areas, Jurisdictions
from gridmap.units.noding import Ints
from gridmap.units.tiling import AREA, WIDTH

if TYPE_CHECKING:
    import geopandas as gpd


def unit_frame(
    place: Jurisdictions, owner: Ints, columns: dict[str, Any], polygons: Any
) -> gpd.GeoDataFrame:
    """Return units with the code and the levels of their jurisdiction first."""
    import geopandas as gpd

    table = place.table.iloc[owner].reset_index(drop=True)
    table.insert(0, "parent", [place.codes[k] for k in owner.tolist()])
    for column, values in columns.items():
        table[column] = values
    for column in ("parent", *place.levels, "kind", "path", "name"):
        table[column] = table[column].astype("str")
    table.index = pd.RangeIndex(len(table), name="unit")
    return gpd.GeoDataFrame(table, geometry=polygons, crs=place.crs)


def facts(
    place: Jurisdictions, homes: Homes, of_home: Ints, notes: list[Note], deviation: float
) -> dict[str, Any]:
    """Return what was counted, left out and mended, as plain data."""
    outside = of_home < 0
    labels = [homes.labels[k] for k in np.flatnonzero(outside)]
    lost = list(zip(labels, homes.count[outside].tolist(), strict=True))
    if lost:
        notes = [*notes, _about_outside(lost)]
    notes = [*notes, *about_repairs(place.repaired)]
    return {
        "levels": list(place.levels),
        "households_in": int(homes.count[~outside].sum()),
        "households_outside": int(sum(count for _, count in lost)),
        "outside": [as_plain(label) for label, _ in lost],
        "repaired": place.repaired,
        "notes": notes,
        "deviation_m": deviation,
    }


def about_repairs(repaired: list[dict[str, Any]], what: str = "Jurisdictions") -> list[Note]:
    """Say in how many places jurisdictions, or units, were mended."""
    if not repaired:
        return []
    count, area = len(repaired), sum(place.get("area_m2", 0.0) for place in repaired)
    mended = "社区边界" if what == "Jurisdictions" else "单元"
    return [
        note(
            f"{what} mended in {count:,} {'place' if count == 1 else 'places'} ({area:,.1f} m² in "
            f"all); the report lists each.",
            f"{mended}已修复 {count:,} 处（共 {area:,.1f} 平方米），报告逐处列出。",
        )
    ]


def _about_outside(lost: list[tuple[Any, int]]) -> Note:
    """Say how many households lie outside the jurisdictions."""
    households = sum(count for _, count in lost)
    return note(
        f"Rows outside every jurisdiction: {len(lost):,}, with {households:,} households; not "
        f"counted, listed in `attrs['outside']`.",
        f"{len(lost):,} 行共 {households:,} 户位于所有社区之外，未计入；见 attrs['outside']。",
    )


def about_shift(shifts: Any, place: Jurisdictions) -> list[Note]:
    """Say how far the outlines of the units lie from those given."""
    worst = int(np.argmax(shifts))
    far = f"{shifts[worst]:,.1f}" if shifts[worst] >= 1 else f"{shifts[worst]:.2g}"
    return [
        note(
            f"Outlines lie within {far} m of the jurisdictions as given "
            f"(most in {place.codes[worst]}).",
            f"单元外廓与给定社区界线最大相差 {far} 米（{place.codes[worst]}）。",
        )
    ]


def about_dedicated(units: gpd.GeoDataFrame) -> list[Note]:
    """Say how many households live in dedicated areas, which no band binds."""
    living = int(units.loc[units["kind"] == "dedicated", "households"].sum())
    if not living:
        return []
    return [
        note(
            f"Households in dedicated areas, whose cells no band binds: {living:,}.",
            f"专属区域内有 {living:,} 户，其网格不受户数区间约束。",
        )
    ]


def about_crossing(name: str, areas: Areas, area: Ints, owner: Ints) -> list[Note]:
    """Say which named areas lie in several jurisdictions, and so in several units.

    Parameters
    ----------
    name : str
        What the caller calls the areas.
    areas : Areas
        The areas as given.
    area, owner : ndarray of int
        Area and jurisdiction of each piece of them.
    """
    if not len(area):
        return []
    pairs = np.unique(np.c_[area, owner], axis=0)
    several, times = np.unique(pairs[:, 0], return_counts=True)
    crossing = several[times > 1].tolist()
    if not crossing:
        return []
    called = ", ".join(areas.names[k] or str(k) for k in crossing[:3])
    more = ", …" if len(crossing) > 3 else ""
    return [
        note(
            f"Areas of `{name}` in several jurisdictions, parted at their borders: "
            f"{len(crossing)} ({called}{more}).",
            f"`{name}` 有 {len(crossing)} 处跨越社区界线，已沿界线分开（{called}{more}）。",
        )
    ]


def about_water(households: Ints) -> list[Note]:
    """Say how many households live on what the barriers call water."""
    if not households.any():
        return []
    count = int(households.sum())
    return [
        note(
            f"Households in polygons of `barriers`, which are taken for water: {count:,}. Check "
            f"these polygons, or tell by a column `kind` what they are.",
            f"`barriers` 的面（视为水域）内有 {count:,} 户；请核对这些面，或以 `kind` 列注明类别。",
        )
    ]


def about_slivers(slivers: int) -> list[Note]:
    """Say how many pieces were too small to be blocks."""
    if not slivers:
        return []
    return [
        note(
            f"Slivers under {AREA:.0f} m² or narrower than {WIDTH:.0f} m, joined to a neighbour in "
            f"their jurisdiction: {slivers:,}.",
            f"{slivers:,} 处小于 {AREA:.0f} 平方米或窄于 {WIDTH:.0f} 米的碎块"
            f"已并入同社区相邻街块。",
        )
    ]
