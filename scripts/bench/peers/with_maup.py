"""maup on the public benchmark: the overlaps and holes that its repair starts from."""

from __future__ import annotations

import geopandas as gpd
import maup
import numpy as np
import shapely
from maup.repair import holes_of_union


def coverage(cells: np.ndarray, boundary: shapely.Geometry) -> list[shapely.Geometry]:
    """Return the overlaps and holes it finds; the boundary is not asked for."""
    series = gpd.GeoSeries(list(shapely.make_valid(cells)), crs=4547)  # else it ends with an error
    touching = maup.adjacencies(series, "queen", warn_for_overlaps=False, warn_for_islands=False)
    return [*touching[touching.area > 0], *holes_of_union(series)]
