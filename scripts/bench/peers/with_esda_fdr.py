"""esda on the public benchmark, corrected for many tests by its own false discovery rate."""

from __future__ import annotations

import esda
import numpy as np
import pandas as pd
from with_esda import scored


def hotspots(table: pd.DataFrame) -> np.ndarray:
    """Call hot what is below the p that keeps the false discovery rate at 0.1."""
    score, p = scored(table)
    return (score > 0) & (p <= esda.fdr(p, 0.1))
