"""What came out of a partition: cells, communities, reasons and changes, as tables and a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from gridmap.contiguity import contacts
from gridmap.grid.grid import Grid
from gridmap.partitioning.certificates import UNKNOWN
from gridmap.partitioning.remarks import remarks

SCHEMA = "gridmap.partition/1"


@dataclass(frozen=True)
class Report:
    """What came out of a partition.

    Attributes
    ----------
    grid : Grid
        The grid it is about.
    cells : DataFrame
        By code: ``parent``, ``kind``, ``households``, ``in_band``, ``polsby_popper``, ``border_m``
        to other cells of the jurisdiction, and ``road_m``, how much of it lies on barriers.
    communities : DataFrame
        By parent: ``cells``, ``households``, ``verdict`` (solved, certified, approved,
        unexplained) and ``reason``.
    timings : dict
        Seconds a stage; never part of the grid.
    """

    grid: Grid
    cells: pd.DataFrame
    communities: pd.DataFrame
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def residential(self) -> pd.DataFrame:
        """The cells that the band applies to."""
        return self.cells[self.cells["kind"] == "residential"]

    @property
    def unexplained(self) -> pd.DataFrame:
        """Exceptions that no certificate explains."""
        rows = self.grid.exceptions
        return rows[rows["certificate"] == UNKNOWN]

    def histogram(self, width: int = 50) -> pd.Series:
        """Count the residential cells by households, in classes of equal width."""
        households = self.residential["households"]
        floor = (households // width * width).to_numpy(np.int64)
        table = pd.Series(floor).value_counts().sort_index()
        table.index = pd.Index([f"{low}-{low + width - 1}" for low in table.index], name="class")
        return table.rename("cells")

    def sentence(self, lang: Literal["zh", "en"] = "zh") -> str:
        """Say in one sentence what was made."""
        cells, places = len(self.grid), len(self.grid.jurisdictions)
        if lang == "en":
            noun = "community" if places == 1 else "communities"
            return f"no gaps, no overlaps: {cells:,} cells tile {places:,} {noun} exactly"
        return f"无空白、无交叉：{cells:,} 个网格恰好铺满 {places:,} 个社区"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON document, schema ``gridmap.partition/1``."""
        exceptions = self.grid.exceptions
        residential = self.residential
        counted = self.grid.units.attrs.get("households_in")
        out = int(self.grid.cells["households"].sum())
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "cells": len(self.grid),
            "residential": len(residential),
            "in_band": int(residential["in_band"].sum()),
            "communities": len(self.communities),
            "infeasible": [
                {
                    "community": row["parent"],
                    "code": row["code"],
                    "households": int(row["households"]),
                    "reason": row["reason"],
                    "certificate": row["certificate"],
                    "options": str(row["options"]).split("\n"),
                    "approved": bool(row["approved"]),
                }
                for row in exceptions.to_dict("records")
            ],
            "unexplained": len(self.unexplained),
            "households_in": out if counted is None else int(counted),
            "households_out": out,
            "households_outside": int(self.grid.units.attrs.get("households_outside", 0)),
            "polsby_popper_mean": _mean(residential["polsby_popper"]),
            "internal_boundary_m": round(float(self.cells["border_m"].sum()) / 2, 3),
            "on_barriers_m": round(float(self.cells["road_m"].sum()) / 2, 3),
            "histogram": {str(k): int(v) for k, v in self.histogram().items()},
            "parameters": self.grid.parameters,
            "notes": [*self.grid.units.attrs.get("notes", []), *remarks(self.grid)],
            **{name: self.grid.units.attrs.get(name, []) for name in ("repaired", "outside")},
        }
        if self.timings:
            document["timings"] = self.timings
        return document

    def html(self, lang: Literal["zh", "en"] = "zh") -> str:
        """Return the report as one page that needs no network."""
        from gridmap.partitioning.page import page

        return page(self.as_dict(), self.sentence(lang), lang)


def report(grid: Grid, *, timings: dict[str, float] | None = None) -> Report:
    """Measure a grid that was partitioned.

    Parameters
    ----------
    grid : Grid
        As `partition` returns it.
    timings : dict, optional
        Seconds a stage, to be passed on.

    Returns
    -------
    Report

    Examples
    --------
    >>> import shapely
    >>> from gridmap.partition import partition
    >>> blocks = gpd.GeoDataFrame({"parent": "A", "households": [200, 250, 150, 350]},
    ...     geometry=shapely.box([0, 1, 2, 3], 0, [1, 2, 3, 4], 1), crs=4547)
    >>> report(partition(blocks)).sentence("en")
    'no gaps, no overlaps: 2 cells tile 1 community exactly'
    """
    low, high = grid.band
    cells = grid.cells
    table = pd.DataFrame(cells[["parent", "kind", "households"]])
    table["in_band"] = cells["households"].between(low, high)
    length = cells.geometry.length.to_numpy()
    table["polsby_popper"] = 4 * np.pi * cells.geometry.area.to_numpy() / length**2
    border, road = _borders(grid)
    table["border_m"], table["road_m"] = border, road
    return Report(grid, table, _communities(grid, table), timings or {})


def _borders(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return by cell the border to cells of the same jurisdiction, and how much is on barriers."""
    units = grid.units
    found = contacts(units.geometry.to_numpy())
    code = grid.cells.index.get_indexer(units["code"])
    parent = pd.factorize(units["parent"])[0]
    cut = (code[found.i] != code[found.j]) & (parent[found.i] == parent[found.j])
    a, b, length = code[found.i[cut]], code[found.j[cut]], found.length[cut]
    on = _on_barriers(units, found.i[cut], found.j[cut])
    n = len(grid)
    border = np.bincount(a, length, n) + np.bincount(b, length, n)
    return border, np.bincount(a, length * on, n) + np.bincount(b, length * on, n)


def _on_barriers(units: gpd.GeoDataFrame, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Tell which contacts lie on a barrier: those between different blocks."""
    if "block" not in units or not units["block"].duplicated().any():
        return np.zeros(len(i), bool)
    block = units["block"].to_numpy()
    return np.asarray(block[i] != block[j])


def _communities(grid: Grid, cells: pd.DataFrame) -> pd.DataFrame:
    """Return a row a jurisdiction with its verdict."""
    groups = cells.groupby("parent", sort=True)
    table = groups.agg(cells=("households", "size"), households=("households", "sum"))
    table["verdict"], table["reason"] = "solved", ""
    for parent, rows in grid.exceptions.groupby("parent"):
        verdict = "certified"
        if (rows["certificate"] == UNKNOWN).any():
            verdict = "unexplained"
        elif rows["approved"].astype(bool).all():
            verdict = "approved"
        table.loc[parent, ["verdict", "reason"]] = verdict, " ".join(dict.fromkeys(rows["reason"]))
    return table


def _mean(values: pd.Series) -> float | None:
    """Return a rounded mean, None of nothing."""
    return round(float(values.mean()), 6) if len(values) else None
