"""What shapely and a plain z-score do on the public benchmark."""

from __future__ import annotations

import numpy as np
import pandas as pd
import shapely


def coverage(cells: np.ndarray, boundary: shapely.Geometry) -> list[shapely.Geometry]:
    """Return the edges that GEOS calls invalid; the boundary is not asked for."""
    edges = shapely.coverage_invalid_edges(shapely.make_valid(cells))
    return [edge for edge in edges if not edge.is_empty]


def hotspots(table: pd.DataFrame) -> np.ndarray:
    """Call hot what has a count far above the mean, as a heatmap does."""
    counts = table["incidents"]
    return (counts > counts.mean() + 2 * counts.std()).to_numpy()
