"""Maps of what was found: defects of a coverage, and what moved between two grids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from gridmap._arrays import Geometries, positions, without
from gridmap._checks import check_choice, check_column, check_crs, check_same_crs
from gridmap.coverage.defect_names import KINDS, name_of
from gridmap.html import credit_line
from gridmap.language import Lang, Message, joined, tr
from gridmap.maps import themes
from gridmap.maps.payload import web_mercator
from gridmap.maps.scene import Marks, Old, Scene, grid_scene

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

    from gridmap.grid.grid import Grid
    from gridmap.maps.basemap import Bounds, Datum
    from gridmap.maps.layer import OfflineMap

COLORS = {
    "gap": "#c2185b", "overlap": "#6a1b9a", "outside": "#d84315", "t-junction": "#1565c0",
    "crosses-parent": "#00695c", "parent-gap": "#ad1457", "excluded-gap": "#546e7a",
    "multipart": "#4e342e", "households-out-of-range": "#8d6e00",
}  # fmt: skip
OTHER = "#283593"
_PLAIN = (
    "M1 0A1 1 0 0 1-1 0A1 1 0 0 1 1 0Z", "M-.9-.9H.9V.9H-.9Z", "M0-1.2L1.1 .8H-1.1Z",
    "M-1-1L1 1M1-1L-1 1", "M0-1.3L1.3 0L0 1.3L-1.3 0Z", "M0 1.2L1.1-.8H-1.1Z",
    "M-1.3 0H1.3M0-1.3V1.3", "M-1.2 0L.8-1.1V1.1Z", "M1.2 0L-.8-1.1V1.1Z", "M-1-1H1L-1 1H1Z",
    "M-1.3-.4H1.3V.4H-1.3Z",
)  # fmt: skip
_LINED = tuple(form + "M-1.2 1.7H1.2" for form in _PLAIN)
FORMS = dict(zip(KINDS, _PLAIN + _LINED, strict=False))
"""A path of SVG for each kind, so that kinds are told apart in grey; the later are underlined."""


def defect_marks(defects: gpd.GeoDataFrame, crs: Any, lang: Lang) -> Marks:
    """Return defects as the browser marks them: kinds with their looks, shapes, places."""
    check_column("defects", "width_m", defects.columns)
    crs = defects.crs if defects.crs is not None else crs
    placed = defects[~(defects.geometry.isna() | defects.geometry.is_empty)]
    shapes = web_mercator(placed.geometry.to_numpy(), crs)
    kinds = pd.Index(pd.unique(defects["kind"]))
    counts = defects["kind"].value_counts()
    middle = shapely.point_on_surface(shapes)
    box = shapely.bounds(shapes)
    size = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]) if len(shapes) else box[:, 0]
    polygons = _polygonal(shapes)
    xy = np.column_stack([shapely.get_x(middle), shapely.get_y(middle), size])
    return Marks(
        shapes=polygons,
        xy=np.round(xy, 1).tolist(),
        of=positions(kinds, placed["kind"]).tolist(),
        kinds=[
            {
                "label": name_of(kind, lang, int(counts[kind])),
                "color": COLORS.get(kind, OTHER),
                "form": FORMS[kind],
                "count": int(counts[kind]),
            }
            for kind in kinds
        ],
        texts=[_text(row, lang) for row in placed.itertuples()],
    )


def _text(row: Any, lang: Lang) -> str:
    """Tell one defect: its kind, size and cells."""
    facts = [name_of(str(row.kind), lang)]
    for name, told in (("area_m2", Message("{size} m²")), ("width_m", Message("{size} m wide"))):
        value = getattr(row, name, np.nan)
        if pd.notna(value) and value > 0:
            facts.append(told(size=f"{value:,.3g}" if value < 1 else f"{value:,.1f}").text(lang))
    cells = getattr(row, "cells", ())
    if isinstance(cells, str):
        cells = [cells] if cells else []
    listed = joined(list(cells)[:3], lang)
    return " · ".join([*facts, listed] if listed else facts)


_HEADLINES = Message("Defects of the coverage"), Message("Repair, before and after")
PALE = "#dde5e9"
CHANGES = {
    "unchanged": (Message("unchanged"), "#e3e8ea", None),
    "recoded": (Message("recoded"), "#bebada", None),
    "changed": (Message("changed"), "#f9a03f", None),
    "born": (Message("born"), "#5fa2d0", themes.NOTHING_HATCH),
}
SOUGHT = {"changed": "#a33400", "born": "#0b4f8a"}


def defect_map(
    cells: gpd.GeoDataFrame,
    defects: gpd.GeoDataFrame,
    boundary: shapely.Geometry | gpd.GeoSeries | gpd.GeoDataFrame | None = None,
    lang: Lang = "zh",
    *,
    mended: gpd.GeoDataFrame | None = None,
    title: str | None = None,
    basemap: str | Path | None = None,
    basemap_bounds: Bounds | None = None,
    basemap_datum: Datum = "wgs84",
) -> OfflineMap:
    """Map the defects of a coverage over its cells, before a repair or with what it changes.

    Each defect has the colour and the form of its kind; a click on a kind in the legend leads from
    one to the next.

    Parameters
    ----------
    cells
        The cells as they were validated, broken as they may be.
    defects
        What `validate` found.
    boundary
        The outline they should fill, drawn dashed.
    lang
        "zh" or "en".
    mended
        The cells after the repair: they are drawn instead, coloured by whether they changed, with
        the cells of before as dashed lines and the defects that were found there.
    title
        What stands over the map.
    basemap, basemap_bounds, basemap_datum
        As for `coverage_map`.

    Raises
    ------
    CRSError
        When the cells have no CRS.
    InputError
        When the basemap cannot be used.
    """
    from gridmap.maps.layer import show

    check_choice("lang", lang, ("zh", "en"))
    check_crs("cells", cells)
    drawn = cells if mended is None else mended
    codes = _codes(drawn)
    shapes = web_mercator(_polygonal(drawn.geometry.to_numpy()), cells.crs)
    plain = [themes.Class(tr("cells", lang=lang), PALE)]
    theme = themes.Theme(tr("Coverage", lang=lang), plain, np.zeros(len(cells), np.int64))
    theme = theme if mended is None else _repaired(cells, mended, lang)
    scene = Scene(
        shapes,
        codes,
        codes,
        [themes.drawn(theme)],
        lang=lang,
        title=title or _HEADLINES[mended is not None].text(lang),
        subtitle=_found(len(cells), len(defects), mended, theme, lang),
        credit=credit_line(cells.crs, "", lang),
        marks=replace(defect_marks(defects, cells.crs, lang), pale=mended is not None),
        old=_outline(boundary, cells, lang) if mended is None else _before(cells, mended, lang),
    )
    return show(scene, basemap=basemap, basemap_bounds=basemap_bounds, basemap_datum=basemap_datum)


def _found(
    cells: int, count: int, mended: gpd.GeoDataFrame | None, theme: themes.Theme, lang: Lang
) -> str:
    """Tell how many cells and findings there are, and what a repair made of them."""
    before = Message(
        "{cells:,} {cells:cell|cells}, {count:,} {count:finding|findings}", cells=cells, count=count
    )
    if mended is None:
        return before.text(lang)
    same, changed, born = np.bincount(theme.of, minlength=3).tolist()
    return tr(
        "before: {cells:,} {cells:cell|cells}, {count:,} {count:finding|findings}; after: "
        "{after:,} {after:cell|cells}, {same:,} unchanged, {changed:,} changed, {born:,} born",
        lang=lang, cells=cells, count=count, after=len(mended), same=same, changed=changed,
        born=born,
    )  # fmt: skip


def _codes(cells: gpd.GeoDataFrame) -> list[str]:
    codes = cells["code"] if "code" in cells else cells.index.to_series()
    return [str(code) for code in codes]


def _repaired(cells: gpd.GeoDataFrame, mended: gpd.GeoDataFrame, lang: Lang) -> themes.Theme:
    """Tell the cells that a repair left alone, changed or made, by their exact coordinates."""
    before = dict(zip(_codes(cells), shapely.to_wkb(cells.geometry.to_numpy()), strict=True))
    after = zip(_codes(mended), shapely.to_wkb(mended.geometry.to_numpy()), strict=True)
    kinds = [2 if code not in before else int(before[code] != shape) for code, shape in after]
    classes = [_change(status, lang) for status in ("unchanged", "changed", "born")]
    return themes.Theme(tr("Repair", lang=lang), classes, np.array(kinds, np.int64))


def _change(status: str, lang: Lang) -> themes.Class:
    name, color, hatch = CHANGES[status]
    return themes.Class(name.text(lang), color, hatch, SOUGHT.get(status))


def _before(cells: gpd.GeoDataFrame, mended: gpd.GeoDataFrame, lang: Lang) -> Old | None:
    """Return the cells that a repair changed, as they were; what stayed needs no dashes."""
    kept = set(shapely.to_wkb(mended.geometry.to_numpy()))
    gone = [shape not in kept for shape in shapely.to_wkb(cells.geometry.to_numpy())]
    if not any(gone):
        return None
    shapes = web_mercator(_polygonal(cells.geometry.to_numpy()[gone]), cells.crs)
    return Old(shapes, tr("Cells before", lang=lang))


def _polygonal(shapes: Geometries) -> Geometries:
    """Replace what is no polygon by nothing, so that broken layers can be drawn."""
    return without(shapes, ~np.isin(shapely.get_type_id(shapes), (3, 6)))


def _outline(boundary: Any, cells: gpd.GeoDataFrame, lang: Lang) -> Old | None:
    if boundary is None:
        return None
    if hasattr(boundary, "geometry"):
        check_same_crs("cells", cells, "boundary", boundary)
        shapes = boundary.geometry.to_numpy()
    else:
        shapes = np.array([boundary], dtype=object)
    drawn = _polygonal(web_mercator(shapes, cells.crs))
    return Old(drawn, tr("Boundary to fill", lang=lang))


def compare_map(
    old: Grid,
    new: Grid,
    *,
    buildings: gpd.GeoDataFrame | None = None,
    title: str | None = None,
    source: str = "",
    lang: Lang = "zh",
    basemap: str | Path | None = None,
    basemap_bounds: Bounds | None = None,
    basemap_datum: Datum = "wgs84",
) -> OfflineMap:
    """Map what moved between two grids: new cells by what became of them, old borders dashed.

    Parameters
    ----------
    old, new
        Two grids in one CRS.
    buildings
        Points with households, to count them; else the units are spread over the old cells.
    title, source, lang, basemap, basemap_bounds, basemap_datum
        As for `coverage_map`.

    Raises
    ------
    CRSError
        When the grids are in different CRSs.
    InputError
        When the basemap cannot be used.
    """
    from gridmap.comparison.compare import compare
    from gridmap.maps.layer import show

    check_choice("lang", lang, ("zh", "en"))
    old, new = old.in_language(lang), new.in_language(lang)
    check_same_crs("old", old.cells, "new", new.cells)
    found = compare(old, new, buildings=buildings)
    table = found.cells[found.cells["status"] != "retired"].reindex(new.cells.index)
    scene = grid_scene(
        new,
        [themes.drawn(_changes(table, lang)), _kept(table, lang), themes.households(new, lang)],
        lang,
        columns=_change_columns(table, lang),
        title=title or tr("What moved", lang=lang),
        subtitle=found.sentence(lang),
        credit=credit_line(new.crs, new.content_hash, lang, source),
        old=_gone(old, found.cells, lang),
    )
    return show(scene, basemap=basemap, basemap_bounds=basemap_bounds, basemap_datum=basemap_datum)


def _gone(old: Grid, table: pd.DataFrame, lang: Lang) -> Old | None:
    """Return the old cells that are no more as they were; what stayed needs no dashes."""
    same = table.index[table["status"].isin(["unchanged", "recoded"])]
    gone = old.cells[~old.cells.index.isin(table.loc[same, "counterpart"])]
    if gone.empty:
        return None
    return Old(web_mercator(gone.geometry.to_numpy(), old.crs), tr("Old cells", lang=lang))


def _changes(table: pd.DataFrame, lang: Lang) -> themes.Theme:
    classes = [_change(status, lang) for status in CHANGES]
    of = positions(pd.Index(list(CHANGES)), table["status"].fillna("born").astype(str))
    return themes.Theme(tr("Change of cells", lang=lang), classes, of.clip(0).astype(np.int64))


def _kept(table: pd.DataFrame, lang: Lang) -> themes.Theme:
    """Class the share of a cell's households that were in its counterpart before."""
    after = table["households_after"].to_numpy(dtype=float)
    kept = table["households_kept"].to_numpy(dtype=float)
    share = np.divide(100 * kept, after, out=np.full(len(after), np.nan), where=after > 0)
    return themes.quantity(
        share,
        tr("Households that stayed", lang=lang),
        unit="%",
        tab=tr("Stayed", lang=lang),
        breaks=[25, 50, 75, 95, 100],
        digits=0,
        colors=["#b2182b", "#ef8a62", "#fddbc7", "#d1e5f0", "#e3e8ea"],
        lang=lang,
    )


def _change_columns(table: pd.DataFrame, lang: Lang) -> list[dict[str, Any]]:
    titles = {
        "counterpart": Message("Was mostly"),
        "households_before": Message("Households before"),
        "households_kept": Message("of them stayed"),
    }
    columns = []
    for key, words in titles.items():
        values = table[key]
        plain = values.fillna("").astype(str) if key == "counterpart" else values.round()
        known = [None if pd.isna(value) else value for value in plain.tolist()]
        columns.append({"title": words.text(lang), "values": known, "digits": 0})
    return columns
