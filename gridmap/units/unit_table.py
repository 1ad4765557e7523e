"""Units as a frame, and the facts that go with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gridmap.language import Message
from gridmap.units.build_units import as_plain
from gridmap.units.households import Homes
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
    place: Jurisdictions, homes: Homes, of_home: Ints, notes: list[Message], deviation: float
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


def about_repairs(repaired: list[dict[str, Any]], what: str = "Jurisdictions") -> list[Message]:
    """Say in how many places jurisdictions, or units, were mended."""
    if not repaired:
        return []
    count, area = len(repaired), sum(place.get("area_m2", 0.0) for place in repaired)
    said = Message(
        "Units mended in {n:,} {n:place|places} ({area:,.1f} m² in all); the report lists each."
    )
    if what == "Jurisdictions":
        said = Message(
            "Jurisdictions mended in {n:,} {n:place|places} ({area:,.1f} m² in all); the report "
            "lists each."
        )
    return [said(n=count, area=area)]


def _about_outside(lost: list[tuple[Any, int]]) -> Message:
    """Say how many households lie outside the jurisdictions."""
    households = sum(count for _, count in lost)
    return Message(
        "Rows outside every jurisdiction: {lost:,}, with {households:,} "
        "{households:household|households}; not counted, listed in `attrs['outside']`.",
        lost=len(lost),
        households=households,
    )


def about_shift(shifts: Any, place: Jurisdictions) -> list[Message]:
    """Say how far the outlines of the units lie from those given."""
    worst = int(np.argmax(shifts))
    far = f"{shifts[worst]:,.1f}" if shifts[worst] >= 1 else f"{shifts[worst]:.2g}"
    return [
        Message(
            "Outlines lie within {far} m of the jurisdictions as given (most in {codes}).",
            far=far,
            codes=place.codes[worst],
        )
    ]


def about_dedicated(units: gpd.GeoDataFrame) -> list[Message]:
    """Say how many households live in dedicated areas, which no band binds."""
    living = int(units.loc[units["kind"] == "dedicated", "households"].sum())
    if not living:
        return []
    return [
        Message(
            "Households in dedicated areas, whose cells no band binds: {living:,}.", living=living
        )
    ]


def about_crossing(name: str, areas: Areas, area: Ints, owner: Ints) -> list[Message]:
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
        Message(
            "Areas of `{name}` in several jurisdictions, parted at their borders: "
            "{crossing} ({called}{more}).",
            name=name,
            crossing=len(crossing),
            called=called,
            more=more,
        )
    ]


def about_water(households: Ints) -> list[Message]:
    """Say how many households live on what the barriers call water."""
    if not households.any():
        return []
    count = int(households.sum())
    return [
        Message(
            "Households in polygons of `barriers`, which are taken for water: {count:,}. "
            "Check these polygons, or tell by a column `kind` what they are.",
            count=count,
        )
    ]


def about_slivers(slivers: int) -> list[Message]:
    """Say how many pieces were too small to be blocks."""
    if not slivers:
        return []
    return [
        Message(
            "Slivers under {area:.0f} m² or narrower than {width:.0f} m, joined to a "
            "neighbour in their jurisdiction: {slivers:,}.",
            area=AREA,
            width=WIDTH,
            slivers=slivers,
        )
    ]
