"""geoplanar on the public benchmark: its overlaps and its gaps."""

from __future__ import annotations

import geopandas as gpd
import geoplanar
import numpy as np
import shapely


def coverage(cells: np.ndarray, boundary: shapely.Geometry) -> list[shapely.Geometry]:
    """Return the overlaps and gaps it finds; the boundary is not asked for."""
    cells = shapely.make_valid(cells)  # on invalid ones it ends with an error
    frame = gpd.GeoDataFrame(geometry=list(cells), crs=4547)
    pairs = np.asarray(geoplanar.overlaps(frame)).reshape(-1, 2)
    shared = shapely.intersection(cells[pairs[:, 0]], cells[pairs[:, 1]])
    return [*shared, *geoplanar.gaps(frame)]
