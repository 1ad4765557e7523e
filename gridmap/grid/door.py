"""The door of the Grid: what is asked of cells before they are trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_same_crs
from gridmap.errors import CoverageError, InputError

if TYPE_CHECKING:
    from gridmap.coverage import Proof


def one_geometry(
    boundary: shapely.Geometry | gpd.GeoSeries | gpd.GeoDataFrame, cells: gpd.GeoDataFrame
) -> shapely.Geometry:
    if isinstance(boundary, gpd.GeoDataFrame | gpd.GeoSeries):
        check_same_crs("cells", cells, "boundary", boundary)
        boundary = shapely.coverage_union_all(boundary.geometry.to_numpy())
    if boundary is None or boundary.is_empty:
        raise InputError(
            "`boundary` is empty; without one nothing can be proved. Hand in the outline."
        )
    return boundary


def jurisdictions_of(
    frame: gpd.GeoDataFrame | None,
    boundary: shapely.Geometry,
    cells: gpd.GeoDataFrame,
    levels: tuple[str, ...],
) -> gpd.GeoDataFrame:
    if frame is None:
        parent = str(cells["parent"].iloc[0]) if "parent" in cells and len(cells) else ""
        table: dict[str, list[Any]] = {level: [cells[level].iloc[0]] for level in levels}
        index = pd.Index([parent], name="parent")
        return gpd.GeoDataFrame(table, index=index, geometry=[boundary], crs=cells.crs)
    check_same_crs("cells", cells, "jurisdictions", frame)
    frame = frame.copy(deep=False)
    frame.index = pd.Index(frame.index.astype(str), name="parent")
    if not frame.index.is_unique:
        raise InputError(
            f"`jurisdictions` repeat the code {_repeated(frame.index)}; each stands once."
        )
    return frame


def labelled(
    cells: gpd.GeoDataFrame, jurisdictions: gpd.GeoDataFrame, levels: tuple[str, ...]
) -> gpd.GeoDataFrame:
    """Return the cells with every column a Grid promises, in one order."""
    frame = cells.copy()
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    if "code" in frame:
        frame = frame.set_index("code")
    frame.index = pd.Index(frame.index.astype(str), name="code")
    if not frame.index.is_unique:
        raise InputError(f"The code {_repeated(frame.index)} stands twice; codes must be unique.")
    if "parent" not in frame:
        if len(jurisdictions) > 1:
            raise InputError("`cells` has no column `parent` that names each one's jurisdiction.")
        frame["parent"] = jurisdictions.index[0]
    frame["parent"] = frame["parent"].astype(str)
    unknown = ~frame["parent"].isin(jurisdictions.index)
    if unknown.any():
        raise InputError(
            f"Cell {frame.index[unknown][0]} names the jurisdiction "
            f"{frame['parent'][unknown].iloc[0]!r}, which is not among `jurisdictions`."
        )
    for level in levels:
        wanted = jurisdictions[level].reindex(frame["parent"]).to_numpy()
        if level in frame and not (frame[level].to_numpy() == wanted).all():
            culprit = frame.index[frame[level].to_numpy() != wanted][0]
            raise InputError(
                f"Cell {culprit} crosses level `{level}`: its jurisdiction says otherwise."
            )
        frame[level] = wanted
    if "name" not in frame:
        frame["name"] = frame.index
    if "kind" not in frame:
        frame["kind"] = "residential"
    if "households" not in frame:
        frame["households"] = 0
    frame["households"] = frame["households"].astype(np.int64)
    frame["area_m2"] = frame.geometry.area * _square_metres(frame.crs)
    first = ["name", "kind", "households", "area_m2", "parent", *levels]
    return frame[
        [*dict.fromkeys(first), *(c for c in frame if c not in {*first, "geometry"}), "geometry"]
    ]


def _square_metres(crs: Any) -> float:
    """Return square metres per square unit of a projected CRS, 1 for degrees."""
    return float(crs.axis_info[0].unit_conversion_factor) ** 2 if crs.is_projected else 1.0


def proved(
    cells: gpd.GeoDataFrame, boundary: shapely.Geometry, jurisdictions: gpd.GeoDataFrame
) -> Proof:
    from gridmap.coverage import prove

    proof = prove(cells, boundary, parents=jurisdictions.geometry)
    if proof.verdict == "exact":
        return proof
    from gridmap.coverage import validate

    defects = validate(
        cells, boundary, parents=jurisdictions, parent_column="parent", households=None
    )
    kinds = defects["kind"].value_counts()
    found = ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or proof.verdict
    raise CoverageError(
        f"The cells do not tile their boundary exactly: {found}. "
        "See `.defects`, or mend them with `gridmap.repair` (--repair).",
        defects,
    )


def table_of(frame: pd.DataFrame | None, columns: list[str]) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    return frame.reset_index(drop=True)


def _repeated(index: pd.Index) -> str:
    return repr(index[index.duplicated()][0])
