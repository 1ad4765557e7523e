"""How much is the drawing of the lines: hotspots under many equally valid grids."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy import sparse

from gridmap._arrays import Floats, Ints, geometries, summed
from gridmap._checks import Each, Progress, check_choice, here, silent
from gridmap.contiguity import Contacts, contacts, pair_up, shortest_contact
from gridmap.errors import InputError
from gridmap.grid.locator import Locator
from gridmap.hotspot_analysis.hotspots import Base, called
from gridmap.incidents.assign import place
from gridmap.language import Message
from gridmap.partitioning.parallel import Job, warm
from gridmap.partitioning.partition import (
    numbered,
    own_bands,
    share_of,
    solved,
    wanted_cells,
    wanted_target,
)
from gridmap.partitioning.prepare import Bound, bands_of, check_units, communities, dedicate
from gridmap.partitioning.problem import BALANCE, EFFORTS, FULL, ROADS, Quality, Wishes
from gridmap.partitioning.solve import Exclaves, linked_all

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


# a place that stands in so many of the grids does not owe it to the lines
STANDS = 0.9
_PIECES = 16  # tasks that the ways to draw the cells are shared out in, on a cluster
_AS_DRAWN = {"target", "weight", "road_preference", "balance", "no_holes", "exclaves"}


class DrawingOptions(TypedDict, total=False):
    """What `drawings` may be told besides the units and the band."""

    target: float | None
    cells: pd.Series | str | None
    weight: str | None
    quality: Quality
    barriers: gpd.GeoDataFrame | None
    road_preference: float
    balance: float
    no_holes: bool
    exclaves: Exclaves
    workers: int | None


def robustness(
    incidents: pd.DataFrame | gpd.GeoDataFrame,
    units: gpd.GeoDataFrame,
    *,
    grids: int = 100,
    households: tuple[Bound, Bound] = (300, 600),
    exposure: str | None = "households",
    seed: int = 0,
    x: str | None = None,
    y: str | None = None,
    datum: str | None = None,
    progress: Progress = silent,
    each: Each = here,
    **options: Unpack[DrawingOptions],
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
        Denominator: "households", "area_m2", a column of the units that may be added up, or None.
    x, y, datum
        As for `assign`.
    seed
        Of the first grid; the others follow.
    progress
        Called with the stage, the grids drawn and those in all.
    each
        Calls a function many times, as on a cluster: there the cells are drawn.
    options
        What else `partition` is to be given of `target`, `cells`, `weight`, `quality` ("fast"
        unless told otherwise), `barriers`, `road_preference`, `balance`, `no_holes`, `exclaves`
        and `workers`.

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
    drawing = drawings(units, households, **options)
    drawing = drawing if each is here else replace(drawing, workers=1)
    frame = drawing.units
    counts, lost = _counted(incidents, frame, x, y, datum)
    behind = _denominator(frame, exposure)
    shapes = geometries(frame.geometry)
    touching = contacts(shapes)
    area, rim = shapely.area(shapes), shapely.length(shapes)
    hot = np.zeros((3, len(frame)), np.int64)
    cells: list[int] = []
    task = _Ways(drawing, counts, behind, exposure, touching, area, rim)
    step = 1 if each is here else -(-grids // _PIECES)
    every = [*range(seed, seed + grids)]
    for more, sizes in each(task.hot, [(every[k : k + step],) for k in range(0, grids, step)]):
        hot += more
        cells += sizes
        progress("grids", len(cells), grids)
    result = gpd.GeoDataFrame(
        dict(zip(("cells", "neighbourhoods", "share"), hot / grids, strict=True)),
        index=units.index,
        geometry=units.geometry,
    )
    result.attrs["method"] = _method(result, grids, cells, int(counts.sum()), lost)
    return result


@dataclass(frozen=True)
class _Ways:
    """What is counted and compared in each way to draw the cells."""

    drawing: Drawings
    counts: Ints
    behind: Floats | None
    exposure: str | None
    touching: Contacts
    area: Floats
    rim: Floats

    def hot(self, seeds: list[int]) -> tuple[Ints, list[int]]:
        """Count for each unit the ways in which it is hot, and the cells of each way."""
        hot, cells = np.zeros((3, len(self.drawing.units)), np.int64), []
        for seed in seeds:
            label = self.drawing.labels(seed)
            count = int(label.max()) + 1
            base = np.ones(count) if self.behind is None else summed(label, self.behind, count)
            seen = np.bincount(label, self.counts, count).astype(np.int64)
            between = _between(label, self.touching, self.area, self.rim)
            own, shared = (b[label] > 0 for b in called(seen, Base(base, self.exposure), between))
            hot += np.stack([own, shared, own | shared])
            cells.append(count)
        return hot, cells


def options_of(grid: Grid) -> DrawingOptions:
    """Return how a grid was drawn, for the same ways to draw its units again."""
    told: Any = {name: value for name, value in grid.parameters.items() if name in _AS_DRAWN}
    options: DrawingOptions = told
    return options


def ways_of(grid: Grid, found: gpd.GeoDataFrame) -> pd.Series:
    """Tell for each cell in what share of the ways to draw the cells its households are hot.

    Parameters
    ----------
    grid
        Made of the units that were drawn.
    found
        What `robustness` gave for them, in the order of `grid.units`.

    Returns
    -------
    Series
        ``ways`` by code, 0 to 1: the mean over the cell's units, each as heavy as its households,
        or as its area where nobody lives.
    """
    if len(found) != len(grid.units):
        raise InputError(
            "`found` has {found:,} {found:unit|units}, but `grid` is made of {units:,}. Ask "
            "`robustness` with `grid.units`.",
            found=len(found),
            units=len(grid.units),
        )
    code = pd.Series(grid.units["code"].to_numpy(), name="code")
    homes = grid.units["households"].to_numpy(float)
    empty = pd.Series(homes).groupby(code).transform("sum").to_numpy() == 0
    weight = np.where(empty, grid.units.area.to_numpy(), homes)
    sums = pd.DataFrame({"hot": weight * found["share"].to_numpy(), "all": weight})
    sums = sums.groupby(code).sum()
    return (sums["hot"] / sums["all"]).reindex(grid.cells.index).rename("ways")


def ways_sentence(spots: pd.DataFrame, ways: pd.Series, grids: int) -> Message:
    """Say in how many of the ways to draw the cells the strongest hotspot stands.

    Parameters
    ----------
    spots
        What `hotspots` gave for one map.
    ways
        What `ways_of` gave.
    grids
        How many ways were drawn.
    """
    hot = spots[(spots["bin"] > 0) | (spots["cell_bin"] > 0)]
    if hot.empty:
        return Message("No hotspot whose lines could be asked about.")
    best = str(hot[["q", "cell_q"]].min(axis=1).idxmin())
    return Message(
        "The strongest hotspot, {code}, is hot in {ways:,} of {grids:,} ways to draw the cells; "
        "{standing:,} of {hot:,} {hot:hotspot|hotspots} in nine of ten or more.",
        code=best,
        # the mean over its households, never told as more than it is
        ways=int(float(ways[best]) * grids + 1e-9),
        grids=grids,
        standing=int((ways[hot.index] >= STANDS).sum()),
        hot=len(hot),
    )


def _counted(
    incidents: pd.DataFrame | gpd.GeoDataFrame,
    units: gpd.GeoDataFrame,
    x: str | None,
    y: str | None,
    datum: str | None,
) -> tuple[Ints, int]:
    """Count the incidents in each unit, and those in none.

    Units are never split, so the unit of an incident tells its cell however cells are drawn.
    """
    where = Locator(units.geometry.to_numpy(), np.arange(len(units)), units.crs)
    cell = place(incidents, where, 0.0, datum, x, y)[1].cell
    counts = np.bincount(cell, minlength=len(units) + 1).astype(np.int64)
    return counts[1:], int(counts[0])


def _denominator(units: gpd.GeoDataFrame, exposure: str | None) -> Floats | None:
    if exposure is None:
        return None
    if exposure == "area_m2":
        return np.asarray(units.area, np.float64)
    if exposure not in units or not pd.api.types.is_numeric_dtype(units[exposure]):
        raise InputError(
            "`exposure` is {exposure!r}, but `units` have no such column of numbers. Use "
            "'households', 'area_m2', another column of the units, or None.",
            exposure=exposure,
        )
    return np.asarray(units[exposure].fillna(0.0), np.float64)


def _between(label: Ints, touching: Contacts, area: Floats, rim: Floats) -> sparse.csr_array:
    """Tell which cells touch, as the contiguity of a Grid of them does."""
    count = int(label.max()) + 1
    i, j = label[touching.i], label[touching.j]
    across = i != j
    around = summed(label, rim, count) - 2.0 * summed(i[~across], touching.length[~across], count)
    least = shortest_contact(summed(label, area, count), around)
    found = pair_up(i[across], j[across], touching.length[across], count, least)
    near = found.neighbours
    ends = (
        np.concatenate([found.i[near], found.j[near]]),
        np.concatenate([found.j[near], found.i[near]]),
    )
    return sparse.csr_array((np.ones(len(ends[0])), ends), shape=(count, count))


def _method(
    found: gpd.GeoDataFrame, grids: int, cells: list[int], counted: int, lost: int
) -> dict[str, Any]:
    share = found["share"]
    facts: dict[str, Any] = {
        "statistic": "robustness",
        "grids": grids,
        "cells": [min(cells), max(cells)],
        "units": len(found),
        "incidents": counted,
        "outside": lost,
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
    caveats: dict[str, list[str]] = {"zh": [], "en": []}
    if lost:
        left_out = Message("{n:,} {n:incident|incidents} in no unit left out.", n=lost).both()
        caveats = {lang: [left_out[lang]] for lang in left_out}
    return {**facts, "sentence": said.both(), "caveats": caveats}


@dataclass(frozen=True)
class Drawings:
    """Hold what all drawings have in common: the checked units and their communities."""

    units: gpd.GeoDataFrame
    jobs: list[Job]
    wishes: Wishes
    workers: int | None

    def labels(self, seed: int) -> Ints:
        """Give each unit the number of its cell, as `partition` with this seed does."""
        wishes = replace(self.wishes, seed=seed)
        outcomes = solved(self.jobs, wishes, self.workers, None, silent)
        return dedicate(self.units, numbered(self.units, self.jobs, outcomes))


def drawings(
    units: gpd.GeoDataFrame,
    households: tuple[Bound, Bound] = (300, 600),
    *,
    target: float | None = None,
    cells: pd.Series | str | None = None,
    weight: str | None = None,
    quality: Quality = "fast",
    barriers: gpd.GeoDataFrame | None = None,
    road_preference: float = ROADS,
    balance: float = BALANCE,
    no_holes: bool = False,
    exclaves: Exclaves = "attach",
    workers: int | None = None,
) -> Drawings:
    """Check units and prepare their communities for being drawn again and again.

    Parameters
    ----------
    units, households, target, cells, weight, quality, barriers, road_preference, balance
        As for `partition`.
    no_holes, exclaves, workers
        As for `partition`.
    """
    check_choice("quality", quality, EFFORTS)
    frame = check_units(units)
    # pandas copies attributes with every column that is looked at
    frame.attrs = {}
    bands = bands_of(households, frame)
    own = own_bands(bands, target)
    wanted = wanted_cells(cells, frame)
    towns = linked_all(frame, communities(frame, weight, barriers), bands, exclaves)
    wishes = Wishes(
        bands.low, bands.high, wanted_target(target, bands.low, bands.high), 0, EFFORTS[quality],
        share_of("road_preference", road_preference), FULL * share_of("balance", balance),
        no_holes, silent,
    )  # fmt: skip
    warm()
    jobs = [Job(job, wanted.get(job.key, 0), band=own.get(job.key)) for job in towns]
    return Drawings(frame, jobs, wishes, workers)
