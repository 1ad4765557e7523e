"""The door of the Grid: what is asked of cells before they are trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Geometries
from gridmap._checks import as_seen, check_same_crs
from gridmap.coverage.prove import areas_m2, boundary_of
from gridmap.errors import CoverageError, InputError

MOST = 2**53
"""The greatest number up to which doubles count every one."""

if TYPE_CHECKING:
    from gridmap.coverage.prove import Proof


def one_geometry(boundary: object, cells: gpd.GeoDataFrame) -> shapely.Geometry:
    if isinstance(boundary, gpd.GeoDataFrame | gpd.GeoSeries):
        check_same_crs("cells", cells, "boundary", boundary)
    outline = boundary_of(boundary)
    if outline is None:
        raise InputError(
            "`boundary` is empty; without one nothing can be proved. Hand in the outline."
        )
    return shapely.force_2d(outline) if shapely.has_m(outline) else outline


def unmeasured(shapes: Geometries) -> Geometries:
    """Return shapes without measures (M), which files do not bring back."""
    measured = shapely.has_m(shapes)
    return np.where(measured, shapely.force_2d(shapes), shapes) if measured.any() else shapes


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
    frame = frame.set_geometry(unmeasured(frame.geometry.to_numpy()), crs=frame.crs)
    frame.index = pd.Index(frame.index.astype(str), name="parent")
    if not frame.index.is_unique:
        raise InputError(
            "`jurisdictions` repeat the code {index}; each stands once.",
            index=_repeated(frame.index),
        )
    return frame


def labelled(
    cells: gpd.GeoDataFrame, jurisdictions: gpd.GeoDataFrame, levels: tuple[str, ...]
) -> gpd.GeoDataFrame:
    """Return the cells with every column a Grid promises, in one order."""
    frame = _coded(cells)
    frame["parent"] = _parents(frame, jurisdictions)
    for level in levels:
        wanted = jurisdictions[level].reindex(frame["parent"]).to_numpy()
        differs = frame[level].to_numpy() != wanted if level in frame else np.zeros(len(frame))
        if differs.any():
            culprit = frame.index[differs.astype(bool)][0]
            raise InputError(
                "Cell {culprit} crosses `{level}`: its jurisdiction says otherwise.",
                culprit=culprit,
                level=level,
            )
        frame[level] = wanted
    frame["name"] = frame.get("name", pd.Series(frame.index, frame.index))
    frame["kind"] = frame.get("kind", pd.Series("residential", frame.index))
    frame["households"] = _households(frame)
    frame["area_m2"] = areas_m2(frame.geometry.to_numpy(), frame.crs)
    frame = _stored(frame)
    first = ["name", "kind", "households", "area_m2", "parent", *levels]
    rest = [column for column in frame if column not in {*first, "geometry"}]
    return frame[[*dict.fromkeys(first), *rest, "geometry"]]


def _stored(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return attributes as a file gives them back, so that a grid read again has its hash."""
    fresh: dict[str, Any] = {}
    for name in frame.columns[frame.columns != frame.geometry.name]:
        values = frame[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            values = values.astype(values.cat.categories.dtype)
        if values.dtype.kind in "mM":
            fresh[name] = values.dt.as_unit("ms")
        elif values.dtype == "boolean":
            fresh[name] = values.astype(object if values.hasnans else bool)
        elif pd.api.types.is_numeric_dtype(values) and not isinstance(values.dtype, np.dtype):
            fresh[name] = values.astype(float) if values.hasnans else values.to_numpy()
        elif values.dtype.kind == "f":
            fresh[name] = values + 0.0  # -0.0 comes back as 0.0
        elif values.dtype == object:
            fresh[name] = pd.Series([_plain(v) for v in values], values.index, dtype=object)
    return frame.assign(**fresh)


def _plain(value: object) -> object:
    """Return lists for other collections, and dictionaries in order."""
    if isinstance(value, dict):
        return {str(key): _plain(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(_plain, value), key=str)
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _coded(cells: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    frame = cells.copy()
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    if "code" in frame:
        frame = frame.set_index("code")
    frame["geometry"] = unmeasured(frame.geometry.to_numpy())
    seen = pd.Index([as_seen(code) for code in frame.index])
    bare = frame.index.isna() | (seen == "")
    if bare.any():
        raise InputError(
            "{bare:,} of {frame:,} {frame:cell|cells} {bare:has|have} no code, the first "
            "at position {argmax}. Give each a code of its own.",
            bare=bare.sum(),
            frame=len(frame),
            argmax=bare.argmax(),
        )
    frame.index = pd.Index(frame.index.astype(str).str.strip(), name="code")
    if not seen.is_unique:
        raise InputError(
            "The code {index} stands twice; codes must be unique.", index=_repeated(seen)
        )
    return frame


def _parents(frame: gpd.GeoDataFrame, jurisdictions: gpd.GeoDataFrame) -> pd.Series:
    if "parent" not in frame:
        if len(jurisdictions) > 1:
            raise InputError("`cells` has no column `parent` that names each one's jurisdiction.")
        return pd.Series(jurisdictions.index[0], frame.index)
    parents = frame["parent"].astype(str)
    unknown = ~parents.isin(jurisdictions.index)
    if unknown.any():
        raise InputError(
            "Cell {index} {index:name|names} the jurisdiction {parents!r}, which is not "
            "among `jurisdictions`.",
            index=frame.index[unknown][0],
            parents=parents[unknown].iloc[0],
        )
    return parents


def _households(frame: gpd.GeoDataFrame) -> pd.Series:
    """Return whole counts, 0 where the cells bring none, so that no exposure is made up."""
    if "households" not in frame:
        return pd.Series(0, frame.index, dtype=np.int64)
    counts = pd.to_numeric(frame["households"], errors="coerce")
    wrong = ~((counts >= 0) & (counts <= MOST)) | (counts % 1 != 0)
    if wrong.any():
        culprit = frame.index[wrong][0]
        raise InputError(
            "Cell {culprit} has {households} {households:household|households}; counts "
            "are whole numbers from 0.",
            culprit=culprit,
            households=frame["households"][culprit],
        )
    return counts.astype(np.int64)


def proved(
    cells: gpd.GeoDataFrame, boundary: shapely.Geometry, jurisdictions: gpd.GeoDataFrame
) -> Proof:
    from gridmap.coverage.prove import prove

    proof = prove(cells, boundary, parents=jurisdictions.geometry)
    if proof.verdict == "exact":
        return proof
    from gridmap.coverage.report import counted
    from gridmap.coverage.validate import validate

    defects = validate(cells, boundary, parents=jurisdictions)
    raise CoverageError(
        "The cells do not tile their boundary exactly: {found}. See `.defects`, or "
        "mend them with `gridmap.repair` (--repair).",
        found=counted(defects),
        defects=defects,
    )


def table_of(frame: pd.DataFrame | None, columns: list[str]) -> pd.DataFrame:
    if frame is None:
        return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    return frame.reset_index(drop=True)


def _repeated(index: pd.Index) -> str:
    return repr(index[index.duplicated()][0])
