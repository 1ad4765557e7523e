"""What a repair returns: the frame with mended geometry, and the log of what changed."""

from __future__ import annotations

import itertools
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from gridmap.coverage.bench import Work
from gridmap.coverage.given import polygons_of
from gridmap.coverage.subject import column_of

LOG = ["cell", "change", "area_before_m2", "area_after_m2", "households_before", "households_after"]


def outcome(
    cells: gpd.GeoDataFrame,
    work: Work,
    homes: NDArray[np.float64] | None,
    code: str | None,
) -> tuple[gpd.GeoDataFrame, pd.DataFrame]:
    """Return the mended frame and the log of what changed."""
    before = polygons_of("cells", cells)
    column = None if homes is None else ("households" if "households" in cells else None)
    after = None if homes is None else homes.copy()
    gone = shapely.is_missing(work.polygons) | shapely.is_empty(work.polygons)
    rows = []
    for k in np.flatnonzero(gone).tolist():
        heir = _last_heir(k, work.absorbed, gone)
        work.changes[k] = "dropped" if heir < 0 else "absorbed"
        if after is not None and heir >= 0:
            after[heir] += after[k]
            after[k] = 0
            work.changes.setdefault(heir, "rebuilt")
    frame = cells.copy()
    frame = frame.set_geometry(gpd.GeoSeries(work.polygons, index=cells.index, crs=cells.crs))
    if column and after is not None and homes is not None and (after != homes).any():
        frame[column] = after.astype(frame[column].dtype, copy=False)
    names = list(cells.index if code is None else column_of(cells, code, "code"))
    areas = np.nan_to_num(shapely.area(before)), shapely.area(work.polygons)
    for k in sorted(work.changes):
        old, new = (None, None) if homes is None or after is None else (homes[k], after[k])
        rows.append([names[k], work.changes[k], areas[0][k], areas[1][k], old, new])
    frame = frame[~gone]
    if work.created:
        more = _new_rows(frame, work.created, code)
        frame = gpd.GeoDataFrame(pd.concat([frame, more]), crs=cells.crs)
        labels = list(more.index if code is None else more[code])
        none = None if homes is None else 0.0
        for name, shape in zip(labels, work.created, strict=True):
            rows.append([name, "new", 0.0, float(shapely.area(shape)), none, none])
    return frame, pd.DataFrame(rows, columns=LOG)


def _last_heir(k: int, absorbed: dict[int, int], gone: NDArray[np.bool_]) -> int:
    seen = {k}
    heir = absorbed.get(k, -1)
    while 0 <= heir < len(gone) and gone[heir] and heir not in seen:
        seen.add(heir)
        heir = absorbed.get(heir, -1)
    return heir if 0 <= heir < len(gone) and not gone[heir] else -1


def _new_rows(
    frame: gpd.GeoDataFrame, created: list[shapely.Geometry], code: str | None
) -> gpd.GeoDataFrame:
    """Return rows for the new cells, with labels of their own."""
    taken = set(map(str, frame.index)) | (set(map(str, frame[code])) if code else set())
    fresh = (f"new-{number}" for number in itertools.count(1) if f"new-{number}" not in taken)
    labels: list[Any] = list(itertools.islice(fresh, len(created)))
    codes = labels
    if code and pd.api.types.is_numeric_dtype(frame[code]):
        first = int(np.nan_to_num(frame[code].max())) + 1
        codes = list(range(first, first + len(created)))
    whole = pd.api.types.is_integer_dtype(frame.index)
    start = int(frame.index.max()) + 1 if whole and len(frame) else 0
    index = range(start, start + len(created)) if whole else labels
    shape = frame.geometry.name
    more = gpd.GeoDataFrame({shape: created}, geometry=shape, index=index, crs=frame.crs)
    for name in frame.columns.drop(shape):
        if name == code:
            more[name] = codes
        elif name == "households" or pd.api.types.is_integer_dtype(frame[name]):
            more[name] = 0
        elif name == "kind":
            more[name] = "residential"
    return more.reindex(columns=frame.columns)
