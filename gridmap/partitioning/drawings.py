"""Many ways to draw cells of the same units, prepared once: only the labels, no Grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import geopandas as gpd
import pandas as pd

from gridmap._checks import check_band, check_choice, silent
from gridmap.layers import takes_layers
from gridmap.partitioning.arrays import Ints
from gridmap.partitioning.parallel import Job, warm
from gridmap.partitioning.partition import (
    numbered,
    share_of,
    solved,
    wanted_cells,
    wanted_target,
)
from gridmap.partitioning.prepare import check_units, communities, dedicate
from gridmap.partitioning.problem import BALANCE, EFFORTS, FULL, ROADS, Quality, Wishes
from gridmap.partitioning.solve import Exclaves, linked_all


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


@takes_layers("units", "barriers")
def drawings(
    units: gpd.GeoDataFrame,
    households: tuple[int, int] = (300, 600),
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
    low, high = check_band(households)
    check_choice("quality", quality, EFFORTS)
    frame = check_units(units)
    # pandas copies attributes with every column that is looked at
    frame.attrs = {}
    wanted = wanted_cells(cells, frame)
    towns = linked_all(frame, communities(frame, weight, barriers), (low, high), exclaves)
    wishes = Wishes(
        low, high, wanted_target(target, low, high), 0, EFFORTS[quality],
        share_of("road_preference", road_preference), FULL * share_of("balance", balance),
        no_holes, silent,
    )  # fmt: skip
    warm()
    return Drawings(frame, [Job(job, wanted.get(job.key, 0)) for job in towns], wishes, workers)
