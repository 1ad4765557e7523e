"""Keep an old grid: which old cell each unit was in, and which codes live on, what changed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Ints, positions
from gridmap._checks import Bands, label
from gridmap.errors import CRSError, InputError
from gridmap.grid.grid import Grid
from gridmap.partitioning.change_file import FRESH
from gridmap.partitioning.parallel import Job
from gridmap.partitioning.prepare import check_units, communities
from gridmap.partitioning.problem import EFFORTS, Community, Wishes
from gridmap.partitioning.rebalance import PRICE, Old, keep, match
from gridmap.partitioning.solve import Outcome


@dataclass(frozen=True)
class Kept:
    """An old grid seen from the new units: the position of each unit's old cell, -1 for none."""

    grid: Grid
    home: Ints
    locked: Ints
    price: float

    def old(self, community: Community, bands: Bands) -> Old:
        """Return what a community looked like, and whether its data are what they were."""
        home = self.home[community.place]
        same = self.grid.bands.of(community.key) == bands.of(community.key)
        known = same and bool((home >= 0).all())
        return Old(home, self.locked, self.price, known and self._unchanged(community, home))

    def _unchanged(self, community: Community, home: Ints) -> bool:
        """Tell whether the old cells have the households they had, and their exceptions noted."""
        number = np.unique(home)
        cells = self.grid.cells.iloc[number]
        now = np.bincount(home, community.households)[number]
        low, high = self.grid.bands.ends(cells["parent"])
        excused = cells.index.isin(self.grid.exceptions["code"]) | (cells["kind"] != "residential")
        return bool((((now >= low) & (now <= high)) | excused).all()) and bool(
            (now == cells["households"]).all()
        )


def read_old(
    grid: Grid, units: gpd.GeoDataFrame, price: float | None, locked: Collection[str]
) -> Kept:
    """Find the old cell of each unit, and check what is to be kept.

    Raises
    ------
    InputError
        When the grid is in another CRS, a locked code is none of its, or the price is negative.
    """
    if units.crs != grid.crs:
        raise CRSError(
            "`units` are in {crs} but the grid to `keep` in {crs_2}; moving either would "
            "move every border. Make the units in the grid's CRS: `subdivide(…, "
            "crs=keep.crs)`, as `gridmap partition --keep` does.",
            crs=label(units.crs),
            crs_2=label(grid.crs),
        )
    price = PRICE if price is None else float(price)
    if not price >= 0:
        raise InputError("`move_price` is {price}; give a number from 0.", price=price)
    units_locked(grid, locked)
    cells = grid.cells
    home = old_cells(grid, units)
    dedicated = np.flatnonzero((cells["kind"] == "dedicated").to_numpy())
    homes = (units["kind"] != "dedicated").to_numpy()
    home[homes & np.isin(home, dedicated)] = -1
    return Kept(grid, home, positions(cells.index, list(locked)), price)


def units_locked(grid: Grid | None, locked: Collection[str]) -> gpd.GeoDataFrame | None:
    """Return the units of the cells that must not change, None where there are none."""
    if not locked:
        return None
    if grid is None:
        raise InputError(
            "`locked` names cells of an old grid, but none is to be kept. Give `keep`."
        )
    unknown = sorted(set(locked) - set(grid.cells.index))
    if unknown:
        raise InputError(
            "`locked` names {unknown!r}, which is no cell of the grid to keep.", unknown=unknown[0]
        )
    units = grid.units
    return units[units["code"].isin(locked)]


def unaltered(kept: Grid, made: Grid, locked: Collection[str]) -> None:
    """Refuse a grid in which a locked cell has not every coordinate it had."""
    for code in sorted(set(locked)):
        old = kept.cells.geometry[code]
        if code not in made.cells.index or not old.equals_exact(made.cells.geometry[code], 0.0):
            raise InputError(
                "`locked` cell {code!r} cannot stay: the units do not make it up as it was. "
                "Make them with `subdivide(…, locked=…)`, or unlock it.",
                code=code,
            )


def old_cells(grid: Grid, units: gpd.GeoDataFrame) -> Ints:
    """Return for each unit the position of its old cell, -1 outside the old grid.

    A unit that the old grid was made of is looked up; any other lies where its inner point does.
    """
    old = grid.units
    names = pd.Series(
        positions(grid.cells.index, old["code"]), index=shapely.to_wkb(old.geometry.to_numpy())
    )
    known = names[~names.index.duplicated()].reindex(shapely.to_wkb(units.geometry.to_numpy()))
    home: Ints = np.array(known.fillna(-1), dtype=np.int64)
    new = np.flatnonzero(home < 0)
    if len(new):
        point = shapely.point_on_surface(units.geometry.to_numpy()[new])
        pair = grid.cells.sindex.query(point, predicate="intersects")
        home[new[pair[0][::-1]]] = pair[1][::-1]
    return home


def beyond_limit(jobs: Sequence[Job], outcomes: Sequence[Outcome], limit: float) -> dict[int, Job]:
    """Return the jobs that must stay as they were, so that not too many households move.

    The communities in which fewest households move are changed first.
    """
    if not limit >= 0:
        raise InputError(
            "`limit` is {limit}; give a share up to 1, or a number of households.", limit=limit
        )
    moved = [
        households_moved(job.community, job.old.home, outcome) if job.old else 0
        for job, outcome in zip(jobs, outcomes, strict=True)
    ]
    most = limit * sum(job.community.total for job in jobs) if limit <= 1 else limit
    order = sorted(range(len(jobs)), key=lambda at: (moved[at], jobs[at].community.key))
    spent = np.cumsum([moved[number] for number in order])
    return {
        number: job._replace(old=replace(job.old, unchanged=True), cells=0)
        for number, total in zip(order, spent, strict=True)
        if total > most and (job := jobs[number]).old is not None
    }


def households_moved(community: Community, home: Ints, outcome: Outcome) -> int:
    """Return the households of a community whose cell is not their old one."""
    heirs = match(outcome.label, home, community.households)
    stays = np.array([heirs.get(int(cell), -2) for cell in outcome.label])
    return int(community.households[stays != home].sum())


def kept_codes(kept: Kept, units: gpd.GeoDataFrame, label: Ints) -> dict[int, str]:
    """Return the codes of the new cells that continue old ones, parent by parent."""
    codes = kept.grid.cells.index
    number, names = pd.factorize(units["parent"], sort=True)
    known = kept.home >= 0
    weight = np.zeros((len(codes), len(names)))
    held = kept.home[known], number[known]
    np.add.at(weight, held, units["households"].to_numpy()[known] + 1e-3)
    # a cell that several parents share now lives on in the one that has most of it
    home = np.where(known & (weight.argmax(axis=1)[kept.home] == number), kept.home, -1)
    order = np.argsort(number, kind="stable")
    households = units["households"].to_numpy()
    found: dict[int, str] = {}
    for rows in np.split(order, np.flatnonzero(np.diff(number[order])) + 1):
        pairs = match(label[rows], home[rows], households[rows])
        found |= {new: str(codes[old]) for new, old in pairs.items()}
    return found


def settled(grid: Grid, label: np.ndarray, parent: np.ndarray, locked: Sequence[str]) -> np.ndarray:
    """Move units between changed cells until each is in the band, as far as that can be.

    Parameters
    ----------
    grid : Grid
        The grid before the change.
    label, parent : ndarray of object
        The cell and the jurisdiction of each unit after it.
    locked : sequence of str
        Cells that must not change.

    Returns
    -------
    ndarray of object
        The cell of each unit; cells that the change did not touch have the units they had.
    """
    units = grid.units
    before = units["code"].to_numpy(dtype=object)
    touched = {*before[label != before], *label[label != before]} - set(locked)
    kind = units.get("kind", pd.Series("residential", units.index))
    free = np.isin(label.astype(str), sorted(touched)) & (kind != "dedicated").to_numpy()
    if not free.any():
        return label
    bands, seed, target = grid.bands, int(str(grid.parameters.get("seed", 0))), grid.target
    rows = np.flatnonzero(free)
    part = units.iloc[rows].assign(parent=parent[rows])
    stays = grid.cells["parent"].reindex(before).to_numpy() == parent
    result = label.copy()
    for community in communities(check_units(part)):
        at = rows[community.place]
        home = np.unique(label[at].astype(str), return_inverse=True)[1].astype(np.int64)
        low, high = bands.of(community.key)
        middle = (low + high) / 2 if target is None else target
        wishes = Wishes(low, high, middle, seed, EFFORTS["default"])
        outcome = keep(community, wishes, Old(home, np.empty(0, np.int64)))
        old = np.isin(before[at].astype(str), sorted(touched)) & stays[at]
        old &= np.isin(label[at], grid.cells.index)
        names, named = np.unique(
            np.where(old, before[at], label[at]).astype(str), return_inverse=True
        )
        heirs = match(outcome.label, named, community.households)
        result[at] = [
            str(names[heirs[cell]]) if cell in heirs else f"{FRESH}{community.key}:{cell}"
            for cell in outcome.label.tolist()
        ]
    return result
