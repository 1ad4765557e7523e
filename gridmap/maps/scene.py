"""Scenes: all that a page needs to know of a map, as JSON-able data."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from markupsafe import Markup

from gridmap._arrays import Floats, Geometries, Ints
from gridmap._checks import jsonable
from gridmap.html import picture, thumbnail
from gridmap.language import Lang, Message, tr
from gridmap.maps.payload import packed, payload, web_mercator
from gridmap.maps.themes import KINDS, Theme, area_keys, column_of, kind_of, level_title
from gridmap.privacy import personal_columns

if TYPE_CHECKING:
    from gridmap.grid.grid import Grid


ROOM = {
    "map": Message("Map"),
    "themes": Message("Themes"),
    "borders": Message("Borders"),
    "labels": Message("Names"),
    "density": Message("Density"),
    "marks": Message("Defects"),
    "old": Message("Old cells"),
    "zoomIn": Message("Zoom in"),
    "zoomOut": Message("Zoom out"),
    "whole": Message("All"),
    "wholeTitle": Message("Show the whole map"),
    "each": Message("Click to see each"),
    "rest": Message("more, in the table of defects"),
    "pngTitle": Message("Save a PNG picture for slides"),
    "print": Message("Print"),
    "printTitle": Message("Print, or save as PDF (one A4 page, landscape)"),
    "time": Message("Period"),
    "wholeTime": Message("Whole time"),
    "allTime": Message("All", context="time"),
    "play": Message("Play"),
    "cut": Message("cut short"),
    "course": Message("Course"),
    "search": Message("Code, name or address"),
    "nothing": Message("Nothing found"),
    "close": Message("Close", context="card"),
    "code": Message("Code"),
    "klass": Message("Class", context="legend"),
    "counts": Message("cells", context="legend"),
}
"""What the browser says."""

BASE_36 = string.digits + string.ascii_lowercase
COMMON_PREFIX = 35  # as many characters as one base-36 digit counts


@dataclass(frozen=True)
class Old:
    """Cells or an outline drawn dashed over the others."""

    shapes: Geometries  # in EPSG:3857
    label: str

    def sent(self) -> dict[str, Any]:
        """Return what the browser reads."""
        return {**payload(self.shapes), "label": self.label}


@dataclass(frozen=True)
class Marks:
    """Things found here and there: their kinds, shapes, places and words."""

    shapes: Geometries  # in EPSG:3857
    xy: list[list[float]]  # place and size of each
    of: list[int]
    kinds: list[dict[str, Any]]
    texts: list[str]
    pale: bool = False  # so that the colours of the cells below are seen

    def sent(self) -> dict[str, Any]:
        """Return what the browser reads."""
        quantum = 0.01 if len(self.shapes) < 500 else 0.25
        return {
            "kinds": self.kinds,
            "of": self.of,
            "xy": self.xy,
            "texts": self.texts,
            "pale": self.pale,
            "geometry": payload(self.shapes, quantum=quantum),
        }


@dataclass(frozen=True)
class Scene:
    """A map before it is drawn: cells, names, levels, themes and what lies above them."""

    shapes: Geometries  # in EPSG:3857
    code: Sequence[str]
    name: Sequence[str]
    themes: Sequence[Theme]
    levels: Sequence[dict[str, Any]] = ()
    columns: Sequence[dict[str, Any]] = ()
    lang: Lang = "zh"
    title: str = ""
    subtitle: str = ""
    credit: str = ""
    old: Old | None = None
    marks: Marks | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    def sent(self) -> dict[str, Any]:
        """Return what the browser reads."""
        return {
            "geometry": payload(self.shapes),
            "code": one_text(front_coded(self.code)),
            "name": one_text(front_coded(self.name)),
            "levels": [{**level, "of": packed(level["of"])} for level in self.levels],
            "columns": [
                {**column, "values": packed(column["values"], column.get("digits", 0))}
                for column in self.columns
            ],
            "themes": [theme.sent() for theme in self.themes],
            "words": {key: word.text(self.lang) for key, word in ROOM.items()},
            "lang": self.lang,
            "title": self.title,
            "subtitle": self.subtitle,
            "credit": self.credit,
            **({"old": self.old.sent()} if self.old else {}),
            **({"marks": self.marks.sent()} if self.marks else {}),
            **self.extras,
        }

    def still(self) -> Markup:
        """Return the cells in the colours of the first tab, for where no page may run."""
        theme = self.themes[self.extras.get("theme", 0)]
        fills = [theme.classes[k].color for k in theme.of]
        return picture(thumbnail(gpd.GeoSeries(self.shapes), fills, 480))


def grid_scene(grid: Grid, themes: Sequence[Theme], lang: Lang, **rest: Any) -> Scene:
    """Make the scene of a grid: its cells, levels and allowed columns."""
    shapes = web_mercator(grid.cells.geometry.to_numpy(), grid.crs)
    columns = [*plain_columns(grid, lang), *rest.pop("columns", ())]
    extras = rest.pop("extras", {})
    return Scene(
        shapes,
        grid.cells.index.tolist(),
        grid.cells["name"].astype(str).tolist(),
        themes,
        levels_of(grid, shapes, lang),
        columns,
        lang,
        extras={"places": places(grid, grid.cells.geometry.to_numpy(), lang), **extras},
        **rest,
    )


PLACES = {
    "compound": Message("Compound", context="search"),
    "name": Message("Building", context="search"),
    "address": Message("Address", context="search"),
}
"""Columns of units and buildings by which a place is found, and what each is called."""

PLACE_BYTES = 250_000  # what the names of buildings may add to a page
AT_ONCE = 1 << 16  # places that are points at a time
ROOM_NUMBER = re.compile(r"[\s,，、-]*\d+\s*(?:单元|室|房|户).*$")
BARE_NUMBER = r"[\dA-Za-z-]*\d[\dA-Za-z-]*\s*[号號栋幢座楼#]*"  # names nothing without its compound


def places(grid: Grid, areas: Geometries, lang: Lang) -> dict[str, Any]:
    """List compounds, buildings and addresses, and which of some areas each lies in.

    The names are those of the grid's units and buildings. An address ends at its building, and a
    column that seems to hold persons is left out. Where single buildings would make the page
    heavy, names and addresses are cut before their number, and ``left`` says so.
    """
    found = _named(grid, areas)
    left = None
    if _too_heavy(found):
        found = found.assign(text=found["text"].str.replace(r"\d.*$", "", regex=True).str.strip())
        left = Message("Single buildings are not on this page, only compounds and streets.")
    found = found[found["text"] != ""].drop_duplicates(["text", "at"])
    if _too_heavy(found):
        found = found.iloc[:0]
        left = Message("Buildings and addresses are too many for this page.")
    merged = found.groupby("text", sort=True).agg(of=("of", "min"), at=("at", list))
    return {
        "kinds": [word.text(lang) for word in PLACES.values()],
        "of": "".join(map(str, merged["of"])),
        "texts": front_coded(merged.index.tolist()),
        "at": merged["at"].tolist(),
        **({"left": left.text(lang)} if left else {}),
    }


def _named(grid: Grid, areas: Geometries) -> pd.DataFrame:
    """Return a row a named thing: its text, the number of its kind, the area it lies in."""
    parts = [pd.DataFrame({"text": [], "of": [], "at": []}).astype({"of": int, "at": int})]
    tree = shapely.STRtree(areas)
    for frame in grid.named():
        shown = [column for column in PLACES if column in frame]
        texts = pd.DataFrame(
            {column: frame[column].fillna("").astype("str").str.strip() for column in shown}
        )
        texts = texts.drop(columns=list(personal_columns(texts, thorough=True)))
        if not len(texts.columns):
            continue
        first, kind = _alike(texts)
        spelt = _spelt_out(texts.iloc[first])
        telling = (spelt != "").any(axis=1).to_numpy()
        rows = np.flatnonzero(telling[kind])
        who, where = _areas_at(tree, frame["x"].to_numpy()[rows], frame["y"].to_numpy()[rows])
        once = np.unique(who, return_index=True)[1]
        pairs = pd.DataFrame({"kind": kind[rows[who[once]]], "at": where[once]}).drop_duplicates()
        for column in spelt.columns:
            of = [*PLACES].index(str(column))
            text = spelt[column].iloc[pairs["kind"]].to_numpy()
            parts.append(pd.DataFrame({"text": text, "of": of, "at": pairs["at"]}))
    found = pd.concat(parts, ignore_index=True)
    return found[found["text"] != ""].drop_duplicates(["text", "at"])


def _areas_at(tree: shapely.STRtree, x: Floats, y: Floats) -> tuple[Ints, Ints]:
    """Return pairs of a place and an area that it lies in, for some places at a time."""
    pairs = [np.empty((2, 0), np.int64)]
    for first in range(0, len(x), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        who, where = tree.query(shapely.points(x[some], y[some]), predicate="intersects")
        pairs.append(np.array([who + first, where]))
    who, where = np.concatenate(pairs, axis=1)
    return who, where


def _alike(texts: pd.DataFrame) -> tuple[Ints, Ints]:
    """Return the first of the rows that are alike in all columns, and which of them each row is."""
    key = np.zeros(len(texts), np.int64)
    for column in texts.columns:
        place, known = pd.factorize(texts[column])
        key = np.unique(key * len(known) + place, return_inverse=True)[1]
    return np.unique(key, return_index=True)[1], key


def _spelt_out(texts: pd.DataFrame) -> pd.DataFrame:
    """Put the compound before a building's bare number, and end an address at its building."""
    texts = texts.copy()
    if "name" in texts:
        bare = texts["name"].str.fullmatch(BARE_NUMBER)
        compound = texts.get("compound", pd.Series("", texts.index))
        texts["name"] = texts["name"].mask(
            bare, (compound + texts["name"]).where(compound != "", "")
        )
    if "address" in texts:
        texts["address"] = texts["address"].str.replace(ROOM_NUMBER, "", regex=True)
    return texts


def _too_heavy(found: pd.DataFrame) -> bool:
    """Tell whether a list of places takes more bytes than a page may spend on it."""
    texts = found["text"].unique()
    least = 6 * (len(texts) + len(found))  # each with its count, comma, quotes and place
    if least > PLACE_BYTES:
        return True
    coded = front_coded(sorted(texts.tolist()))
    return sum(len(text.encode()) + 5 for text in coded) + 6 * len(found) > PLACE_BYTES


def plain_columns(grid: Grid, lang: Lang) -> list[dict[str, Any]]:
    """Return the columns of the cells that may be shown: an allow-list, never all there are."""
    kinds, ha = [word.text(lang) for word in KINDS.values()], tr("ha", lang=lang)
    return [
        {"title": tr("Kind", lang=lang), "values": kind_of(grid).tolist(), "texts": kinds},
        column_of(tr("Households", lang=lang), grid.cells["households"]),
        {**column_of(tr("Area", lang=lang), grid.cells["area_m2"] / 1e4, 2), "unit": ha},
    ]


def levels_of(grid: Grid, shapes: Geometries, lang: Lang) -> list[dict[str, Any]]:
    """Describe each level: which area each cell is in, the areas' names and where to write them."""
    several = len(grid.jurisdictions) > 1
    levels = grid.levels or (("parent",) if several else ())
    found, pieces, piece = list[dict[str, Any]](), shapes, np.arange(len(shapes))
    for level in reversed(levels):  # the areas of each are made of those of the next finer one
        of, keys = pd.factorize(area_keys(grid, level), sort=True)
        owner = of[np.unique(piece, return_index=True)[1]]
        pieces, piece = _areas(pieces, owner, len(keys)), of
        found.append(_level(level, of, keys.tolist(), pieces, lang))
    return found[::-1]


def _areas(pieces: Geometries, owner: Ints, count: int) -> Geometries:
    """Join the pieces of each area."""
    order = np.argsort(owner, kind="stable")
    runs = np.split(pieces[order], np.cumsum(np.bincount(owner, minlength=count))[:-1])
    return np.array([shapely.coverage_union_all(run) for run in runs], dtype=object)


def _level(
    level: str, of: Ints, keys: Sequence[str], areas: Geometries, lang: Lang
) -> dict[str, Any]:
    size = shapely.area(areas)
    return {
        "key": level,
        "title": level_title(level, lang),
        "names": [key.rsplit("\x1f", 1)[-1] for key in keys],
        "of": of.tolist(),
        "xy": _label_points(areas),
        "order": np.argsort(-size, kind="stable").tolist(),
        "spacing": float(np.sqrt(np.median(size))),
    }


def _label_points(areas: Geometries) -> list[list[float]]:
    """Find a place for a name well inside each area."""
    parts, owner = shapely.get_parts(areas, return_index=True)
    size = shapely.area(parts)
    order = np.lexsort((-size, owner))
    largest = order[np.unique(owner[order], return_index=True)[1]]
    parts, tolerance = parts[largest], np.maximum(1.0, np.sqrt(size[largest]) / 40)
    simple = shapely.simplify(parts, tolerance, preserve_topology=False)
    rough = (shapely.get_type_id(simple) != shapely.GeometryType.POLYGON) | shapely.is_empty(simple)
    rough |= ~shapely.is_valid(simple)
    simple[rough] = parts[rough]
    circles = shapely.maximum_inscribed_circle(simple, tolerance=tolerance)
    middles = shapely.get_coordinates(shapely.get_point(circles, 0)).round(1)
    return [[x, y] for x, y in middles.tolist()]


def front_coded(texts: Sequence[str]) -> list[str]:
    """Write each text as how many characters it shares with the one before, and the rest."""
    before, coded = "", []
    for text in map(str, texts):
        shared = min(_shared(before, text), COMMON_PREFIX)
        coded.append(BASE_36[shared] + text[shared:])
        before = text
    return coded


def one_text(texts: list[str]) -> str | list[str]:
    """Join texts by bars where none holds one, which saves what JSON puts around each."""
    return texts if any("|" in text for text in texts) or not texts else "|".join(texts)


def _shared(a: str, b: str) -> int:
    """Count the characters two texts begin with in common."""
    for k, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return k
    return min(len(a), len(b))


def as_json(data: Any) -> str:
    """Write data as JSON that cannot end the script element it stands in."""
    text = json.dumps(
        data, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=jsonable
    )
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
