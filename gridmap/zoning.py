"""How much is the drawing of the lines: hotspots under many equally valid grids."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap._checks import Progress, silent
from gridmap.errors import InputError
from gridmap.hotspot_analysis.hotspots import hotspots
from gridmap.incidents.assign import assign
from gridmap.incidents.tally import tally
from gridmap.language import Message
from gridmap.partitioning.partition import partition

# a place that stands in so many of the grids does not owe it to the lines
STANDS = 0.9


def robustness(
    incidents: pd.DataFrame | gpd.GeoDataFrame,
    units: gpd.GeoDataFrame,
    *,
    grids: int = 100,
    households: tuple[int, int] = (300, 600),
    exposure: str | None = "households",
    seed: int = 0,
    progress: Progress = silent,
    **options: Any,
) -> gpd.GeoDataFrame:
    """Draw the cells in many ways and tell in how many of them each unit is hot.

    Where the lines run is a choice, and another choice gives other hotspots: the modifiable areal
    unit problem (Openshaw 1984). Here the units, which are never split, are joined to cells anew
    with `grids` seeds, all of them valid in the same way; the incidents are assigned and the
    hotspots found in each. A place that is hot in nearly all does not owe it to the lines.

    Parameters
    ----------
    incidents
        As for `assign`.
    units
        What `subdivide` gives.
    grids
        How many ways to draw the cells, 2 or more.
    households
        Band of the cells, as for `partition`.
    exposure
        Denominator, as for `hotspots`.
    seed
        Of the first grid; the others follow.
    progress
        Called with the stage, the grids drawn and those in all.
    options
        What else `partition` is to be given; ``quality`` is "fast" unless told otherwise.

    Returns
    -------
    GeoDataFrame
        On the index of `units`, with their geometry: ``cells`` (share of the grids in which the
        unit's cell is above chance by its own count), ``neighbourhoods`` (together with its
        neighbours) and ``share`` (either). ``attrs["method"]`` bears the facts and the sentences.

    Raises
    ------
    InputError
        If `grids` is below 2, or as `partition`, `assign` and `hotspots` do.

    Examples
    --------
    >>> import gridmap as gm
    >>> city = gm.example_city(seed=0, size="tiny")
    >>> units = gm.subdivide(city.jurisdictions, city.buildings, barriers=city.barriers)
    >>> found = robustness(city.incidents, units, grids=3)
    >>> found["share"].between(0, 1).all(), found.attrs["method"]["grids"]
    (np.True_, 3)
    """
    if not isinstance(grids, int | np.integer) or grids < 2:
        raise InputError("`grids` is {grids!r}; give 2 or more, as 100.", grids=grids)
    alone, around = np.zeros(len(units)), np.zeros(len(units))
    either = np.zeros(len(units))
    cells: list[int] = []
    drawing: dict[str, Any] = {"quality": "fast", **options}
    for number in range(grids):
        grid = partition(units, households, seed=seed + number, **drawing)
        spots = hotspots(tally(assign(incidents, grid), grid), grid, exposure=exposure)
        code = grid.units["code"].reindex(units.index)
        own = (spots["cell_bin"] > 0).reindex(code).fillna(False).to_numpy(bool)
        shared = (spots["bin"] > 0).reindex(code).fillna(False).to_numpy(bool)
        alone += own
        around += shared
        either += own | shared
        cells.append(len(grid))
        progress("grids", number + 1, grids)
    result = gpd.GeoDataFrame(
        {"cells": alone / grids, "neighbourhoods": around / grids, "share": either / grids},
        index=units.index,
        geometry=units.geometry,
    )
    result.attrs["method"] = _method(result, grids, cells)
    return result


def _method(found: gpd.GeoDataFrame, grids: int, cells: list[int]) -> dict[str, Any]:
    share = found["share"]
    facts: dict[str, Any] = {
        "statistic": "robustness",
        "grids": grids,
        "cells": [min(cells), max(cells)],
        "units": len(found),
        "ever": int((share > 0).sum()),
        "standing": int((share >= STANDS).sum()),
        "most": round(float(share.max()) * grids) if len(found) else 0,
    }
    said = Message(
        "{grids:,} {grids:way|ways} to draw {low:,}–{high:,} "
        "{high:cell|cells} of {units:,} {units:unit|units}: "
        "{standing:,} {standing:unit is|units are} hot in nine of ten ways or more, {ever:,} in "
        "any; the strongest place in {most:,} of {grids:,}.",
        low=min(cells),
        high=max(cells),
        **{name: facts[name] for name in ("grids", "units", "standing", "ever", "most")},
    )
    return {**facts, "sentence": said.both(), "caveats": {"zh": [], "en": []}}
