"""What changed between an old grid and a new one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Floats, Ints, geometries
from gridmap._checks import check_same_crs, whole_counts
from gridmap.errors import InputError
from gridmap.grid.changes import (
    STATUSES,
    codes_at,
    holders,
    moved,
    moves_of_units,
    overlaps,
    statuses,
)
from gridmap.grid.grid import Grid, middles
from gridmap.html import card
from gridmap.language import Lang, Message

Basis = Literal["buildings", "units"]
FILLS = {
    "unchanged": "#dfe7ec", "recoded": "#bebada", "changed": "#fdb863", "born": "#80b1d3",
    "retired": "none",
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """What changed between two grids.

    Attributes
    ----------
    cells : GeoDataFrame
        One row a code of either grid: ``status`` (unchanged, recoded, changed, born, retired),
        ``counterpart`` (the code that shares most households with it, one to one),
        ``households_before``, ``households_after``, ``households_kept`` and its latest geometry.
    moves : DataFrame
        One row a pair of codes: before, after (empty outside), households, buildings. Rows in
        which before equals after are those who stayed.
    basis : {"buildings", "units"}
        Whether buildings were counted, or units were spread over the old cells by area.
    """

    cells: gpd.GeoDataFrame
    moves: pd.DataFrame
    basis: Basis

    @property
    def households(self) -> int:
        """All households compared."""
        return round(float(self.moves["households"].sum()))

    @property
    def households_moved(self) -> int:
        """Households whose cell has another code now."""
        return moved(self.moves)

    @property
    def buildings_moved(self) -> int:
        """Buildings whose cell has another code now; 0 when no buildings were given."""
        elsewhere = self.moves["before"] != self.moves["after"]
        return int(self.moves.loc[elsewhere, "buildings"].sum())

    @property
    def kept_share(self) -> float:
        """Share of households that stay with the cell that most of their old cell became."""
        kept = self.cells.loc[self.cells["status"] != "retired", "households_kept"].sum()
        return float(kept) / max(self.households, 1)

    def counts(self) -> dict[str, int]:
        """Count the cells of each status."""
        found = self.cells["status"].value_counts()
        return {status: int(found.get(status, 0)) for status in STATUSES}

    def sentence(self, lang: Lang = "zh") -> str:
        """Tell the comparison in a sentence."""
        said = Message(
            "{unchanged:,} {unchanged:cell|cells} unchanged, {changed:,} changed, {recoded:,} "
            "recoded, {born:,} born, {retired:,} retired; {moved:,} of {homes:,} "
            "{homes:household|households} {moved:has|have} another code, {share:.1%} stay in "
            "their cell",
            moved=self.households_moved,
            homes=self.households,
            share=_not_all(self.kept_share),
        )
        return said(**self.counts()).text(lang)

    def __repr__(self) -> str:
        """Say how many cells changed, and how many households moved."""
        counts = ", ".join(f"{n:,} {status}" for status, n in self.counts().items() if n)
        return (
            f"<Comparison: {counts or 'no'} cells; {self.households_moved:,} of "
            f"{self.households:,} households moved>"
        )

    def _repr_html_(self) -> str:
        """Draw the new cells by what became of them, beside the facts, for Jupyter."""
        now = self.cells[self.cells["status"] != "retired"]
        counts = {status: f"{n:,}" for status, n in self.counts().items()}
        facts = {
            "households": f"{self.households:,}",
            "with another code": f"{self.households_moved:,}",
            "stay in their cell": f"{_not_all(self.kept_share):.1%}",
            "counted by": self.basis,
        }
        return card(now, now["status"].map(FILLS).tolist(), counts | facts, legend=FILLS)

    def as_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "cells": self.counts(),
            "households": self.households,
            "households_moved": self.households_moved,
            "buildings_moved": self.buildings_moved if self.basis == "buildings" else None,
            "kept_share": round(self.kept_share, 6),
            "basis": self.basis,
        }


def compare(old: Grid, new: Grid, *, buildings: gpd.GeoDataFrame | None = None) -> Comparison:
    """Tell which cells, households and buildings changed between two grids.

    Parameters
    ----------
    old, new : Grid
        Two grids in one CRS.
    buildings : GeoDataFrame, optional
        Points with ``households``: then each is counted. Without them the new grid's units are
        spread over the old cells by area, which is exact as long as no unit was cut, and what
        ``parameters["change"]`` of a grid made with ``keep`` says too.

    Returns
    -------
    Comparison

    Raises
    ------
    CRSError
        When the grids are in different CRSs.
    InputError
        When buildings bear no households.

    Examples
    --------
    >>> import shapely
    >>> def pair(at):
    ...     cells = gpd.GeoDataFrame({"code": ["A1", "A2"], "households": [400, 400]},
    ...         geometry=shapely.box([0, at], 0, [at, 8], 4), crs=4547)
    ...     return Grid(cells, cells.union_all("coverage"))
    >>> print(compare(pair(4), pair(5)).sentence("en"))
    0 cells unchanged, 2 changed, 0 recoded, 0 born, 0 retired; 80 of 800 households have another \
code, 90.0% stay in their cell
    """
    before, after = old.cells, new.cells
    check_same_crs("old", before, "new", after)
    moves = (
        moves_of_units(before, new.units).assign(buildings=0)
        if buildings is None
        else _moves_of(buildings, old, new)
    )
    basis: Basis = "units" if buildings is None else "buildings"
    return Comparison(_changes(before, after, moves), moves, basis)


def _moves_of(buildings: gpd.GeoDataFrame, old: Grid, new: Grid) -> pd.DataFrame:
    """Count buildings and their households by old and new code."""
    check_same_crs("new", new.cells, "buildings", buildings)
    households = whole_counts("buildings", buildings)
    x, y = middles(buildings.geometry.to_numpy())
    codes = [
        codes_at(grid.cells, grid.locator.relate(x, y)[0].astype(np.int64) - 1)
        for grid in (old, new)
    ]
    table = pd.DataFrame(
        {"before": codes[0], "after": codes[1], "households": households, "buildings": 1}
    )
    table = table[(table["before"] != "") | (table["after"] != "")]
    return table.groupby(["before", "after"], as_index=False, sort=True).sum()


def _changes(
    before: gpd.GeoDataFrame, after: gpd.GeoDataFrame, moves: pd.DataFrame
) -> gpd.GeoDataFrame:
    """Give each code of either grid its status and its counterpart."""
    status = statuses(before, after)
    codes, retired = status.index, status.index[status == "retired"]
    match = _matched(moves)
    kept = match.set_index("after")["households"]
    counterpart = pd.concat(
        [match.set_index("after")["before"], match.set_index("before")["after"].reindex(retired)]
    )
    left = moves.groupby("before")["households"].sum()
    came = moves.groupby("after")["households"].sum()
    return gpd.GeoDataFrame(
        {
            "status": status.to_numpy(),
            "counterpart": counterpart.reindex(codes).fillna("").to_numpy(),
            "households_before": left.reindex(codes).fillna(0.0).to_numpy(),
            "households_after": came.reindex(codes).fillna(0.0).to_numpy(),
            "households_kept": kept.reindex(codes).fillna(0.0).to_numpy(),
        },
        index=pd.Index(codes, name="code"),
        geometry=[*after.geometry, *before.geometry.reindex(retired)],
        crs=after.crs,
    )


def _matched(moves: pd.DataFrame) -> pd.DataFrame:
    """Match old with new codes one to one, those that share most households first."""
    inner = moves[(moves["before"] != "") & (moves["after"] != "")]
    order = inner.assign(renamed=inner["before"] != inner["after"]).sort_values(
        ["households", "renamed", "before", "after"], ascending=[False, True, True, True]
    )
    old_taken: set[str] = set()
    new_taken: set[str] = set()
    chosen = []
    for at, before, after in zip(order.index, order["before"], order["after"], strict=True):
        if before not in old_taken and after not in new_taken:
            old_taken.add(before)
            new_taken.add(after)
            chosen.append(at)
    return order.loc[chosen, ["before", "after", "households"]]


COLUMNS = ["left", "right", "area_m2", "households", "incidents"]


def crosswalk(
    left: Grid | gpd.GeoDataFrame,
    right: Grid | gpd.GeoDataFrame,
    *,
    buildings: gpd.GeoDataFrame | None = None,
    incidents: gpd.GeoDataFrame | None = None,
    tolerance: float = 0.02,
) -> pd.DataFrame:
    """Tell how the cells of one grid lie in the cells of another.

    Parameters
    ----------
    left, right : Grid or GeoDataFrame
        Cells; a frame needs no proof, its index (or column ``code``) names the cells.
    buildings : GeoDataFrame, optional
        Points with ``households``. Without them the left households are spread by area.
    incidents : GeoDataFrame, optional
        Points to weigh by.
    tolerance : float
        Share of a cell's weight that may lie elsewhere before two cells conflict.

    Returns
    -------
    DataFrame
        One row a pair: left, right (empty where the other grid has nothing), area_m2, households,
        incidents, ``left_share`` and ``right_share`` (of the households, or of the area where a
        cell has none), and ``relation``: same, within, contains or crosses. The pairs that cross
        are the conflicts.

    Raises
    ------
    InputError
        When buildings bear no households.
    CRSError
        When two frames differ in their CRS.

    Examples
    --------
    >>> import shapely
    >>> police = gpd.GeoDataFrame({"code": ["P1", "P2"], "households": [400, 400]},
    ...     geometry=shapely.box([0, 4], 0, [4, 8], 4), crs=4547)
    >>> civil = gpd.GeoDataFrame({"code": ["C1", "C2"], "households": [200, 600]},
    ...     geometry=shapely.box([0, 2], 0, [2, 8], 4), crs=4547)
    >>> crosswalk(police, civil)[["left", "right", "households", "relation"]]
      left right  households  relation
    0   P1    C1       200.0  contains
    1   P1    C2       200.0   crosses
    2   P2    C2       400.0    within
    """
    here, there = _cells(left), _cells(right)
    check_same_crs("left", here, "right", there)
    table = _areas(here, there)
    if buildings is not None:
        check_same_crs("left", here, "buildings", buildings)
        homes = whole_counts("buildings", buildings)
        table = _with_points(table, here, there, buildings, homes, "households")
    else:
        whole = here["households"].reindex(table["left"]).to_numpy(dtype=float)
        share = table["area_m2"] / here.area.reindex(table["left"]).to_numpy()
        table["households"] = np.nan_to_num(share * whole)
    if incidents is not None:
        check_same_crs("left", here, "incidents", incidents)
        each: Floats | Ints = np.ones(len(incidents))
        if "incidents" in incidents:
            each = whole_counts("incidents", incidents, "incidents")
        table = _with_points(table, here, there, incidents, each, "incidents")
    else:
        table["incidents"] = 0.0
    table = table[COLUMNS].sort_values(["left", "right"], ignore_index=True)
    return _related(table, tolerance)


def _cells(cells: Grid | gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return cells indexed by code, with households."""
    if isinstance(cells, Grid):
        return cells.cells
    frame = cells.set_index("code") if "code" in cells else cells.copy()
    frame.index = frame.index.astype(str)
    if not frame.index.is_unique:
        twice = frame.index[frame.index.duplicated()][0]
        raise InputError("The code {twice!r} stands twice; codes must be unique.", twice=twice)
    if "households" not in frame:
        frame["households"] = 0
    return frame


def _areas(left: gpd.GeoDataFrame, right: gpd.GeoDataFrame) -> pd.DataFrame:
    """List overlapping pairs with their area, and what lies in one grid only."""
    pairs = overlaps(left.geometry.to_numpy(), right.geometry.to_numpy())
    table = pd.DataFrame(
        {
            "left": left.index.to_numpy()[pairs.i],
            "right": right.index.to_numpy()[pairs.j],
            "area_m2": pairs.area,
        }
    )
    rest = [table]
    for side, other, frame in (("left", "right", left), ("right", "left", right)):
        met = table.groupby(side)["area_m2"].sum().reindex(frame.index, fill_value=0.0)
        alone = frame.area - met
        alone = alone[alone > 1e-4 * frame.area]
        rest.append(pd.DataFrame({side: alone.index, other: "", "area_m2": alone.to_numpy()}))
    return pd.concat([part for part in rest if len(part)], ignore_index=True)


def _with_points(
    table: pd.DataFrame,
    left: gpd.GeoDataFrame,
    right: gpd.GeoDataFrame,
    points: gpd.GeoDataFrame,
    weight: Floats | Ints,
    column: str,
) -> pd.DataFrame:
    """Add up the weights of points, as `column`, by the pair of cells that holds them."""
    place = points.geometry.representative_point()
    x, y = shapely.get_coordinates(geometries(place)).T
    found = pd.DataFrame(
        {
            "left": codes_at(left, holders(left.geometry.to_numpy(), x, y)),
            "right": codes_at(right, holders(right.geometry.to_numpy(), x, y)),
            column: weight.astype(float),
        }
    )
    found = found[(found["left"] != "") | (found["right"] != "")]
    sums = found.groupby(["left", "right"], as_index=False)[column].sum()
    merged = table.merge(sums, on=["left", "right"], how="outer")
    return merged.fillna({"area_m2": 0.0, "households": 0.0, column: 0.0})


def _related(table: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """Add what share of each cell the pair is, and how the two lie to each other."""
    for side in ("left", "right"):
        total = table.groupby(side)[["households", "area_m2"]].transform("sum")
        lived_in = total["households"] > 0
        weight = table["households"].where(lived_in, table["area_m2"])
        table[f"{side}_share"] = weight / total["households"].where(lived_in, total["area_m2"])
    inside = table["left_share"] >= 1 - tolerance
    around = table["right_share"] >= 1 - tolerance
    alone = (table["left"] == "") | (table["right"] == "")
    slight = (table["left_share"] < tolerance) & (table["right_share"] < tolerance)
    table["relation"] = np.select(
        [alone, inside & around, inside, around, slight],
        ["alone", "same", "within", "contains", "touches"],
        "crosses",
    )
    return table


def _not_all(share: float) -> float:
    """Keep a share below all of them where it is written with one digit, but for all of them."""
    return share if share == 1 else min(share, 0.999)
