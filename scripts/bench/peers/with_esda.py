"""esda on the public benchmark: Gi* of rates as its tutorials call it, at 5 in a hundred."""

from __future__ import annotations

import esda
import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from libpysal.weights import Rook


def scored(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores and the pseudo p of each cell."""
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    near = Rook.from_dataframe(
        gpd.GeoDataFrame(geometry=shapely.box(x, y, x + 1, y + 1)), use_index=False
    )
    rate = (table["incidents"] / table["households"]).to_numpy()
    found = esda.G_Local(rate, near, transform="B", star=True, permutations=999, seed=0)
    return found.Zs, found.p_sim


def hotspots(table: pd.DataFrame) -> np.ndarray:
    """Call hot what is above its neighbours' random draws at p below 0.05."""
    score, p = scored(table)
    return (score > 0) & (p < 0.05)
