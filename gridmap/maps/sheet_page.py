"""The page of a street sheet: map, labels that never collide, legend, table, scale and north."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from gridmap._arrays import Bools, Geometries, Ints
from gridmap.crs.project import transformer
from gridmap.html import credit_line
from gridmap.language import Lang, Message
from gridmap.maps.figure import (
    ACCENT,
    INK,
    SOFT,
    broken,
    font_for,
    halo,
    length_text,
    measuring,
    round_length,
    shown_figure,
)
from gridmap.maps.themes import area_keys, colouring

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gridmap.grid.grid import Grid

Rect = tuple[float, float, float, float]  # left, bottom, width, height in millimetres
Spot = tuple[float, float]

WORDS = {
    "title": Message("{place}: cells", context="sheet"),
    "page": Message("p. {n}", context="sheet"),
    "atlas": Message("Atlas of the grid", context="sheet"),
    "whole": Message("Whole grid", context="sheet"), "cell": Message("Cell", context="sheet"),
    "road": Message("Road", context="sheet"),
    "dedicated": Message("Dedicated or without households", context="sheet"),
    "around": Message("Neighbouring area", context="sheet"),
    "code": Message("End of the cell's code", context="sheet"),
    "name": Message("End of the cell's name", context="sheet"),
    "without": Message("Without room for a label: {n}", context="sheet"),
    "cells": Message("Cells", context="sheet"),
    "households": Message("Households", context="sheet"),
    "more": Message("and {n} more", context="sheet"),
    "overleaf": Message("and {n} more on the next page", context="sheet"),
    "extent": Message("Extent of this page", context="sheet"),
    "scale": Message("Scale 1:{n} on {paper}", context="sheet"),
}  # fmt: skip
PAPERS: dict[str, tuple[float, float]] = {"A4": (297, 210), "A3": (420, 297)}
TINTS = ("#eef3e6", "#e6edf5", "#f7ece0", "#eee9f4", "#e4f1ef", "#f5efd6", "#f3e6ea", "#e9ecec")
ROUND = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 7.5, 8, 10)  # what a scale may begin with
MARGIN, HEAD, FOOT, GAP = 10.0, 16.0, 8.0, 4.0
INCH = 25.4
FEW, MANY = 4, 24  # areas, and cells, up to which a page may be crowded
PART, FAR = "#5d1212", "#70706c"
BOLD = {"weight": "bold"}
CALLOUT = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": INK, "linewidth": 0.4}
ROAD_METRES = 8.0  # what a road is drawn as wide as, within reason
STRAIGHT = 0.06  # share of its length by which a street may bend under its name
PALE, PALE_LINE, ROAD, PALE_ROAD = "#f5f5f3", "#d5d5d1", "#e3cf9f", "#f0e8d3"
CELL = "#59666c"


@dataclass(frozen=True)
class Sheet:
    """What one page shows.

    Attributes
    ----------
    title, place : str
        Headline, and the path of areas above.
    rows : array of bool
        Which cells of the grid are its own.
    parts : Series
        Of these cells, which part each is in: a number; -1 elsewhere.
    names : list of str
        The parts by number.
    table : list of tuple
        A row a part: name, code or page, cells, households.
    levels : tuple of str
        What the area and its parts are called.
    cells_labelled : bool
        Whether each cell bears its code.
    """

    title: str
    place: str
    rows: Bools
    parts: Ints
    names: list[str]
    table: list[tuple[str, ...]]
    levels: tuple[str, str]
    cells_labelled: bool = True


@dataclass(frozen=True)
class Book:
    """A grid with how its sheets shall look."""

    grid: Grid
    paper: str
    labels: str
    streets: gpd.GeoDataFrame | None
    period: str
    source: str
    lang: Lang

    def say(self, key: str, **values: Any) -> str:
        """Return one of the words of a sheet."""
        return WORDS[key](**values).text(self.lang)

    @cached_property
    def metres(self) -> float:
        """Ground metres that a unit of the CRS stands for, in the middle of the grid."""
        crs = self.grid.crs
        unit = float(crs.axis_info[0].unit_conversion_factor)
        if crs.geodetic_crs is None:  # the system of one site
            return unit
        here = shapely.centroid(self.grid.boundary)
        place = transformer(crs, crs.geodetic_crs).transform(here.x, here.y)
        return unit / float(pyproj.Proj(crs).get_factors(*place).meridional_scale)

    def pages(self, sheet: Sheet, number: str) -> Iterator[Figure]:
        """Draw the page of a sheet and those that it goes on to.

        Where codes crowd, a key map is followed by sheets of its parts at larger scales; else a
        list that finds no room goes on overleaf.
        """
        first = self._labelled(sheet, alone=False)
        several = self._split(first)
        if len(several) > 1:
            several = [self._labelled(self._key(sheet, several), alone=True), *several]
        for part, page in enumerate(several, start=1):
            with self._looks(sheet):
                drawn = page.finished(number if part == 1 else f"{number} ({part})".lstrip())
            yield drawn
        part = 1
        while first.rest:
            part += 1
            with self._looks(sheet):
                first = Page(self, replace(sheet, table=first.rest), alone=False)
                drawn = first.listed(f"{number} ({part})".lstrip())
            yield drawn

    def one_page(self, sheet: Sheet) -> Page:
        """Draw a sheet on one page, whatever finds no room on it."""
        page = self._labelled(sheet, alone=True)
        with self._looks(sheet):
            page.finished("")
        return page

    def _looks(self, sheet: Sheet) -> AbstractContextManager[None]:
        import matplotlib

        fonts = font_for([sheet.title, sheet.place, *sheet.names, self.period, self.source,
                          *self.grid.cells["name"].astype(str), self.say("cell")])  # fmt: skip
        looks: Any = {"font.family": fonts, "svg.fonttype": "path", "hatch.linewidth": 0.4}
        return matplotlib.rc_context(looks)

    def _labelled(self, sheet: Sheet, alone: bool) -> Page:
        """Write the labels of a sheet, which tell whether they crowd."""
        with self._looks(sheet):
            page = Page(self, sheet, alone)
            page.draw_labels()
        return page

    def _split(self, page: Page) -> list[Page]:
        """Halve what a page shows across its longer side, until its labels find room.

        An area stays whole as long as its cells find room on a page of its own.
        """
        sheet, many = page.sheet, len(page.sheet.names)
        cells = np.flatnonzero(sheet.rows)
        tight = page.crowded and (many >= FEW or len(cells) > MANY)
        tight = tight or (page.left_out > 0 and len(cells) > FEW)
        if not tight or len(cells) < 2 * many:  # names tell lone cells
            return [page]
        blocks = sheet.parts[cells] if many > 1 else cells
        at = pd.DataFrame(shapely.get_coordinates(shapely.centroid(page.shapes[cells])))
        at = at.groupby(blocks).mean()
        longer = int(np.argmax(at.max() - at.min()))
        halves = np.array_split(at[longer].sort_values(kind="stable").index, 2)
        parts = (self._some(sheet, cells[np.isin(blocks, half)]) for half in halves)
        return [one for part in parts for one in self._split(self._labelled(part, alone=True))]

    def _some(self, sheet: Sheet, cells: Ints) -> Sheet:
        """Describe the sheet of some cells of another."""
        parts = np.full(len(sheet.parts), -1)
        kept, parts[cells] = np.unique(sheet.parts[cells], return_inverse=True)
        names, notes = [sheet.names[k] for k in kept], [sheet.table[k][1] for k in kept]
        return replace(
            sheet, rows=parts >= 0, parts=parts, names=names,
            table=self.table(names, parts, notes), levels=(self.say("extent"), sheet.levels[1]),
        )  # fmt: skip

    def _key(self, sheet: Sheet, pages: Sequence[Page]) -> Sheet:
        """Describe the key map of a sheet: what its pages show, with their numbers."""
        parts = np.full(len(sheet.parts), -1)
        names: list[str] = []
        notes: list[str] = []
        for number, page in enumerate(pages, start=2):
            shown = page.sheet
            parts[shown.rows] = len(names) + shown.parts[shown.rows]
            names += shown.names
            notes += [f"({number})"] * len(shown.names)
        table = self.table(names, parts, notes)
        titles = [f"{name} {note}" for name, note in zip(names, notes, strict=True)]
        return replace(sheet, parts=parts, names=titles, table=table, cells_labelled=False)

    def table(self, names: list[str], parts: Ints, notes: list[str]) -> list[tuple[str, ...]]:
        """List parts with their notes, cells and households."""
        homes = self.grid.cells["households"].to_numpy()
        return [
            (name, note, f"{int((parts == k).sum()):,}", f"{int(homes[parts == k].sum()):,}")
            for k, (name, note) in enumerate(zip(names, notes, strict=True))
        ]


class Page:
    """One page being drawn; all places on it are in millimetres from its lower left corner."""

    def __init__(self, book: Book, sheet: Sheet, alone: bool) -> None:
        self.book, self.sheet, self.alone = book, sheet, alone
        self.rest: list[tuple[str, ...]] = []  # rows of the list that found no room
        self.shapes = book.grid.cells.geometry.to_numpy()
        self.special = sheet.rows & (book.grid.cells["kind"] != "residential").to_numpy()
        self.ground = shapely.total_bounds(self.shapes[sheet.rows])
        self.size, self.frame, self.panel, self.scale = self._laid_out()
        self.figure = shown_figure()(
            figsize=(self.size[0] / INCH, self.size[1] / INCH), facecolor="white"
        )
        self.renderer = measuring(self.figure)
        self.map = self._axes(self.frame, self._window())
        self.page = self._axes((0, 0, *self.size), (0, self.size[0], 0, self.size[1]))
        self.room = Room(*_corners(self.frame))
        self.sizes: dict[tuple[str, float], tuple[float, float]] = {}
        self.left_out = 0
        self.crowded = False  # more than a fifth of the codes find no room inside
        self.roads, self.own_roads = self._streets()

    def _laid_out(self) -> tuple[tuple[float, float], Rect, Rect, float]:
        """Choose how the paper lies: where the scale is larger."""
        long, short = PAPERS[self.book.paper]
        beside, below = long / 4.5, 40 if len(self.sheet.table) <= FEW else long / 5
        height = short - 2 * MARGIN - HEAD - FOOT
        across = (MARGIN, MARGIN + FOOT, long - 2 * MARGIN - beside - GAP, height)
        table = (long - MARGIN - beside, MARGIN + FOOT, beside, height)
        up = (MARGIN, MARGIN + FOOT + below + GAP, short - 2 * MARGIN,
              long - 2 * MARGIN - HEAD - FOOT - below - GAP)  # fmt: skip
        under = (MARGIN, MARGIN + FOOT, short - 2 * MARGIN, below)
        lying, standing = self._scale_in(across), self._scale_in(up)
        if lying <= standing:
            return (long, short), across, table, lying
        return (short, long), up, under, standing

    def _scale_in(self, frame: Rect) -> float:
        """Find the largest round scale at which the area fits with a margin."""
        west, south, east, north = self.ground
        wide, high = (east - west) * self.book.metres, (north - south) * self.book.metres
        least = 1000 * max(wide / (frame[2] - 8), high / (frame[3] - 8), 0.01)
        power = 10 ** np.floor(np.log10(least))
        return float(min(k * power for k in ROUND if k * power >= least * (1 - 1e-12)))

    @property
    def per_mm(self) -> float:
        """Units of the CRS on a millimetre of paper."""
        return self.scale / 1000 / self.book.metres

    def _window(self) -> tuple[float, float, float, float]:
        middle = (self.ground[0] + self.ground[2]) / 2, (self.ground[1] + self.ground[3]) / 2
        half = self.frame[2] * self.per_mm / 2, self.frame[3] * self.per_mm / 2
        return middle[0] - half[0], middle[0] + half[0], middle[1] - half[1], middle[1] + half[1]

    def _axes(self, rect: Rect, window: tuple[float, float, float, float]) -> Axes:
        wide, high = self.size
        made = self.figure.add_axes(
            (rect[0] / wide, rect[1] / high, rect[2] / wide, rect[3] / high)
        )
        made.set_axis_off()
        made.set_xlim(window[0], window[1])
        made.set_ylim(window[2], window[3])
        return made

    def on_paper(self, shapes: Geometries) -> Geometries:
        """Move shapes from the ground to the page."""
        west, _, south, _ = self._window()
        corner, start = np.array([west, south]), np.array(self.frame[:2])
        moved: Geometries = shapely.transform(
            shapes, lambda xy: (xy - corner) / self.per_mm + start
        )
        return moved

    def finished(self, number: str) -> Figure:
        """Draw what lies under and beside the labels."""
        self.draw_ground()
        self.draw_frame(number)
        self.draw_panel()
        return self.figure

    def listed(self, number: str) -> Figure:
        """Finish a page that has the list alone."""
        self.map.remove()
        self.draw_head(number)
        wide, high = self.size
        self._table((MARGIN, MARGIN + FOOT, wide - 2 * MARGIN, high - 2 * MARGIN - HEAD - FOOT))
        return self.figure

    def _streets(self) -> tuple[gpd.GeoDataFrame, gpd.GeoDataFrame]:
        """Return the streets that are seen, and of them those of the area itself."""
        lines = self.book.streets
        if lines is None or not self.sheet.cells_labelled:
            lines = gpd.GeoDataFrame({"name": []}, geometry=[], crs=self.book.grid.crs)
        west, east, south, north = self._window()
        seen = lines[lines.intersects(shapely.box(west, south, east, north)).to_numpy()]
        area = shapely.coverage_union_all(self.shapes[self.sheet.rows])
        return seen, seen[seen.intersects(area.buffer(self.per_mm)).to_numpy()]

    # ---------- the map ----------

    def draw_ground(self) -> None:
        sheet = self.sheet
        west, east, south, north = self._window()
        seen = shapely.intersects(self.shapes, shapely.box(west, south, east, north))
        around = seen & ~sheet.rows
        self._plot(self.shapes[around], PALE, PALE_LINE, 0.4)
        tints = colouring(self.book.grid, sheet.parts, len(sheet.names)) % len(TINTS)
        for k in range(len(sheet.names)):
            self._plot(self.shapes[sheet.parts == k], TINTS[tints[k]], "none", 0)
        self._plot(self.shapes[self.special], "none", "#a9b1b3", 0, hatch="////")
        self._roads()
        thin = 0.9 if sheet.cells_labelled else 0.15
        self._outline(self.shapes[sheet.rows], CELL, thin)
        for k in range(len(sheet.names)):
            self._outline(shapely.coverage_union_all(self.shapes[sheet.parts == k]), INK, 1.5)
        self._outline(shapely.coverage_union_all(self.shapes[sheet.rows]), ACCENT, 2.0)

    def _plot(self, shapes: Any, fill: str, line: str, width: float, **more: Any) -> None:
        if len(shapes):
            gpd.GeoSeries(shapes).plot(
                ax=self.map, facecolor=fill, edgecolor=line, linewidth=width, aspect=None,
                autolim=False, **more,
            )  # fmt: skip

    def _outline(self, shapes: Any, color: str, width: float) -> None:
        gpd.GeoSeries(shapes).boundary.plot(
            ax=self.map, color=color, linewidth=width, aspect=None, autolim=False
        )

    def _roads(self) -> None:
        width = float(np.clip(ROAD_METRES * 1000 / self.scale / INCH * 72, 0.8, 2.4))
        for color, lines in ((PALE_ROAD, self.roads), (ROAD, self.own_roads)):
            if len(lines):
                gpd.GeoSeries(lines.geometry).plot(
                    ax=self.map, color=color, linewidth=width, aspect=None, autolim=False
                )

    # ---------- what is written on the map ----------

    def draw_labels(self) -> None:
        if self.sheet.cells_labelled:
            self._label_cells()
        self._label_parts()
        self._label_roads()
        self._label_neighbours()

    def _label_cells(self) -> None:
        """Write the code of each cell: inside it if it fits, else beside it with a line."""
        rows = np.flatnonzero(self.sheet.rows)
        shapes = self.on_paper(self.shapes[rows])
        shapely.prepare(shapes)
        texts = [self._short(int(row)) for row in rows]
        order = np.argsort(-shapely.area(shapes), kind="stable")
        spots = {k: inside_spots(shapes[k]) for k in order}
        waiting = [
            k for k in order if not self._fits(texts[k], spots[k], shapes[k], (8, 7, 6), **BOLD)
        ]
        self.crowded = len(waiting) > len(rows) / 5
        waiting = [k for k in waiting if not self._fits(texts[k], spots[k], None, (6, 5), **BOLD)]
        for k in waiting:
            self.left_out += not self._led_to(texts[k], spots[k][0])

    def _fits(
        self, text: str, spots: Sequence[Spot], shape: Any, sizes: Sequence[float], **how: Any
    ) -> bool:
        """Write a text at the first free place and the largest size there is room for."""
        x, y = np.array(spots).reshape(-1, 2).T
        for points in sizes:
            wide, high = self._measure(text, points)
            boxes = shapely.box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
            fits = np.ones(len(x), bool) if shape is None else shapely.contains(shape, boxes)
            for k in np.flatnonzero(fits):
                if self.room.take(boxes[k]):
                    self._write(x[k], y[k], text, points, **how)
                    return True
        return False

    def _led_to(self, text: str, spot: Spot) -> bool:
        """Write a text beside its place, with a line that leads there."""
        wide, high = self._measure(text, 5.5)
        for x, y in ring_spots(spot):
            box = shapely.box(x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
            if self.room.take(box):
                self.page.plot([spot[0], x], [spot[1], y], color=INK, linewidth=0.5)
                self.page.plot(*spot, marker="o", markersize=1.6, color=INK)
                self._write(x, y, text, 5.5, **BOLD, bbox=CALLOUT)
                return True
        return False

    def _short(self, row: int) -> str:
        """Return what a cell is called within its jurisdiction."""
        cells = self.book.grid.cells
        parent = str(cells["parent"].iloc[row])
        if self.book.labels == "code":
            return str(cells.index[row]).removeprefix(parent).lstrip("-_ .") or str(
                cells.index[row]
            )
        name = str(cells["name"].iloc[row])
        return name.removeprefix(self.sheet.names[self.sheet.parts[row]]).strip() or name

    def _label_parts(self) -> None:
        size = (10, 9, 8, 7, 6) if self.sheet.cells_labelled else (9, 8, 7, 6, 5)
        for k in range(len(self.sheet.names)):
            whole = shapely.coverage_union_all(self.shapes[self.sheet.parts == k])
            shape = self.on_paper(np.array([whole]))[0]
            spots = inside_spots(shape, 150)
            text, how = self.sheet.names[k], {"color": PART}
            fits = self._fits(text, spots, shape, size, **how)
            fits = fits or self._fits(text, spots, None, size, **how)
            if not fits and not self.sheet.cells_labelled:  # lines would cross the codes of cells
                self.left_out += not self._led_to(text, spots[0])

    def _label_roads(self) -> None:
        """Name each street of the area once, along its straightest free stretch."""
        seen = self.own_roads
        for name, part in seen.groupby(seen["name"].astype("string").fillna("").str.strip()):
            lines = self.on_paper(part.geometry.to_numpy()[: None if name else 0])
            wide, high = self._measure(str(name), 6.5)
            for x, y, angle, box in along(lines, wide, high):
                if self.room.take(box):
                    self._write(x, y, str(name), 6.5, color="#6b531b", rotation=angle)
                    break

    def _label_neighbours(self) -> None:
        """Name the areas around, pale, where they are seen."""
        grid, sheet = self.book.grid, self.sheet
        if not grid.levels or sheet.rows.all():
            return
        frame = shapely.box(*_corners(self.frame))
        level = grid.levels[-2:][0]
        keys = area_keys(grid, level).to_numpy()
        own = set(keys[sheet.rows])
        halved = not own.isdisjoint(keys[~sheet.rows])
        if halved or len(own) > 1 or len(set(grid.cells["parent"][sheet.rows])) == 1:
            keys = area_keys(grid, grid.levels[-1]).to_numpy()
            own = set(keys[sheet.rows])
        for key in dict.fromkeys(keys[~sheet.rows]):
            if key in own:
                continue
            seen = shapely.intersection(self.on_paper(self.shapes[keys == key]), frame)
            seen = seen[~shapely.is_empty(seen)]
            if len(seen):
                whole = shapely.union_all(seen)
                self._fits(
                    key.rsplit("\x1f", 1)[-1], inside_spots(whole, 200), None, (7.5,), color=FAR
                )

    def _measure(self, text: str, points: float) -> tuple[float, float]:
        """Return the size of a text with a little air."""
        from matplotlib.text import Text

        if (text, points) in self.sizes:
            return self.sizes[text, points]
        drawn = Text(0, 0, text, fontsize=points, fontweight="bold", linespacing=1.15)
        drawn.set_figure(self.figure)
        box = drawn.get_window_extent(self.renderer, dpi=self.figure.dpi)
        inch = INCH / self.figure.dpi
        self.sizes[text, points] = box.width * inch + 1, box.height * inch + 0.6
        return self.sizes[text, points]

    def _write(self, x: float, y: float, text: str, points: float, **how: Any) -> None:
        """Write on the map, over a white seam except for what stands within a cell."""
        seam = None if "weight" in how else halo(1.8)
        how = {"color": INK, "ha": "center", "va": "center", "linespacing": 1.15, **how}
        self.page.text(
            x, y, text, fontsize=points, path_effects=seam, rotation_mode="anchor", **how
        )

    # ---------- head, foot and panel ----------

    def draw_frame(self, number: str) -> None:
        from matplotlib.patches import Rectangle

        left, bottom, across, up = self.frame
        self.page.add_patch(
            Rectangle((left, bottom), across, up, fill=False, linewidth=0.8, edgecolor=INK)
        )
        self.draw_head(number)

    def draw_head(self, number: str) -> None:
        """Write the title, what the sheet belongs to, the credit and the number of the page."""
        book, (wide, high) = self.book, self.size
        top = high - MARGIN
        said = " · ".join(filter(None, [self.sheet.place, book.period]))
        side = self._text(wide - MARGIN, top - 6.5, said, 9, color=SOFT, ha="right", va="center")
        room = (wide - 2 * MARGIN - side - 6) / INCH
        points = next((p for p in (17, 14, 12) if len(broken(self.sheet.title, p, room)) == 1), 10)
        head = "\n".join(broken(self.sheet.title, points, room, most=2))
        self._text(MARGIN, top - 6.5, head, points, fontweight="bold", va="center")
        self.page.plot([MARGIN, wide - MARGIN], [top - 13] * 2, color=ACCENT, linewidth=1.6)
        credit = credit_line(book.grid.crs, book.grid.content_hash, book.lang, book.source)
        room = (wide - 2 * MARGIN - 18) / INCH
        lines = broken(credit, 6.5, room, most=2)
        self._text(MARGIN, MARGIN + 0.5, "\n".join(lines), 6.5, color=SOFT, va="bottom")
        self._text(wide - MARGIN, MARGIN + 0.5, number, 8, ha="right", va="bottom")

    def _text(self, x: float, y: float, text: str, points: float, **how: Any) -> float:
        """Write a text and return its width."""
        self.page.text(x, y, text, fontsize=points, **{"color": INK, "va": "baseline", **how})
        return self._measure(text, points)[0] if text else 0.0

    def draw_panel(self) -> None:
        left, bottom, wide, high = self.panel
        if wide > high:
            self._legend(left, bottom + high)
            words = [self.book.say(key) for key in ("dedicated", "around", "cell", "code")]
            taken = 17 + max(self._measure(word, 8)[0] for word in words)
            self._table((left + taken, bottom, wide - taken - 44, high))
            self._scale_bar(left + wide - 38, bottom + high - 14, 38)
        else:
            below = self._legend(left, bottom + high)
            self._table((left, bottom + 26, wide, below - bottom - 30))
            self._scale_bar(left, bottom + 13, wide - 10)

    def _legend(self, left: float, top: float) -> float:
        """Explain lines and fills; return how far down it reaches."""
        from matplotlib.patches import Rectangle

        say, sheet = self.book.say, self.sheet
        lines = [(sheet.levels[0], ACCENT, 2.0), (sheet.levels[1], INK, 1.5)]
        if sheet.levels[0] == sheet.levels[1] or len(sheet.names) == 1:
            lines = lines[:1]
        if len(self.own_roads):
            lines.append((say("road"), ROAD, 2.2))
        lines.append((say("cell"), CELL, 0.9))
        y = top - 3
        for text, color, width in lines:
            self.page.plot([left, left + 9], [y, y], color=color, linewidth=width)
            self._text(left + 12, y, text, 8, va="center")
            y -= 5
        fills = [(say("dedicated"), "white", "////")] if self.special.any() else []
        if not sheet.rows.all():
            fills.append((say("around"), PALE, ""))
        for text, color, hatch in fills:
            self.page.add_patch(
                Rectangle((left, y - 1.7), 9, 3.4, facecolor=color, edgecolor="#a9b1b3",
                          linewidth=0.5, hatch=hatch)
            )  # fmt: skip
            self._text(left + 12, y, text, 8, va="center")
            y -= 5
        if sheet.cells_labelled:
            y = self._label_note(left, y)
        if self.left_out:
            self._text(left, y, say("without", n=self.left_out), 7, va="center")
            y -= 5
        return y

    def _label_note(self, left: float, y: float) -> float:
        """Say what the labels of the cells are, and how many found no room."""
        say = self.book.say
        sample = min((self._short(int(k)) for k in np.flatnonzero(self.sheet.rows)), key=len)
        self._text(left, y, sample, 7, va="center", fontweight="bold")
        at = left + max(12, 3 + self._measure(sample, 7)[0])
        self._text(at, y, say(self.book.labels), 8, va="center")
        return y - 5

    def _table(self, rect: Rect) -> None:
        """List the parts, in as many columns as there is width for."""
        left, bottom, wide, high = rect
        rows, pitch, points, narrow = self.sheet.table, 4.3, 7.0, 56.0
        if len(rows) > int(wide // narrow or 1) * int((high - 8) // pitch):
            points = 5.5
            narrow = min(42.0, max(self._measure(row[0], points)[0] for row in rows) + 26)
            each_holds = -(-len(rows) // int(wide // narrow or 1))
            pitch = 3.2 if each_holds <= (high - 8) // 3.2 else 2.7
        columns = max(1, int(wide // narrow))
        fit = max(1, int((high - 8) // pitch))
        each = wide / columns
        shown = rows if len(rows) <= fit * columns else rows[: fit * columns - 1]
        if not all(self._noted(row, each - 5, points) for row in shown):
            shown = [(row[0], "", *row[2:]) for row in shown]
        say = self.book.say
        heads = (self.sheet.levels[1], "", say("cells"), say("households"))
        used = min(columns, -(-len(shown) // fit))
        for k in range(used):
            start, stop = left + k * each, left + (k + 1) * each - (5 if k + 1 < columns else 0)
            self._row(heads, start, stop, bottom + high - 4, points, fontweight="bold")
            self.page.plot([start, stop], [bottom + high - 5.4] * 2, color=INK, linewidth=0.5)
            for j, row in enumerate(shown[k * fit : (k + 1) * fit]):
                self._row(row, start, stop, bottom + high - 9 - j * pitch, points)
        if len(shown) < len(rows):
            self.rest = rows[len(shown) :]
            more = say("more" if self.alone else "overleaf", n=len(self.rest))
            start = left + (used - 1) * each
            at = bottom + high - 9 - (len(shown) - (used - 1) * fit) * pitch
            self._text(start, at, more, points, color=SOFT)

    def _noted(self, row: Sequence[str], wide: float, points: float) -> bool:
        """Tell whether name and note of a row find room beside its figures."""
        name, note, cells, homes = (self._measure(text, points)[0] if text else 0 for text in row)
        return name + note + max(cells, 6) + max(homes, self._homes(points)) + 8 <= wide

    def _homes(self, points: float) -> float:
        """Measure the column of households, whose head is mostly the widest."""
        return max(10.0, self._measure(self.book.say("households"), points)[0])

    def _row(
        self, row: Sequence[str], start: float, stop: float, y: float, points: float, **how: Any
    ) -> None:
        name, note, cells, homes = row
        self._text(stop, y, homes, points, ha="right", **how)
        taken = self._homes(points) + 2
        more = self._text(stop - taken, y, cells, points, ha="right", **how)
        taken += max(more, 6) + 2
        if note:
            taken += self._text(stop - taken, y, note, points, ha="right", color=SOFT, **how) + 2
        self._text(
            start, y, broken(name, points, (stop - start - taken) / INCH, most=1)[0], points, **how
        )

    def _scale_bar(self, left: float, y: float, wide: float) -> None:
        """Draw the bar, the scale in figures, and an arrow to the north."""
        from matplotlib.patches import Polygon

        per_mm = self.scale / 1000  # metres
        length = round_length(wide * per_mm * 0.8)
        across = length / per_mm
        for k, color in enumerate((INK, "white")):
            x = left + k * across / 2
            self.page.add_patch(
                Polygon([(x, y), (x + across / 2, y), (x + across / 2, y + 1.6), (x, y + 1.6)],
                        facecolor=color, edgecolor=INK, linewidth=0.6)
            )  # fmt: skip
        for share in (0.0, 0.5, 1.0):
            text, side = f"{share * length / (1000 if length >= 1000 else 1):g}", "center"
            if share == 1:
                text, side = length_text(length), "left"
            self._text(left + share * across, y - 3.6, text, 7, ha=side)
        stated = self.book.say("scale", n=f"{self.scale:,.0f}", paper=self.book.paper)
        self._text(left, y - 9, stated, 9, fontweight="bold")
        at = left + across + 12 if left + across + 14 < left + wide + 10 else left + wide
        self.page.add_patch(
            Polygon([(at, y + 7), (at + 2.6, y - 1), (at, y + 0.8), (at - 2.6, y - 1)], color=INK)
        )
        self._text(at, y - 5.4, "N", 8, ha="center", fontweight="bold")


def _corners(rect: Rect) -> tuple[float, float, float, float]:
    return rect[0], rect[1], rect[0] + rect[2], rect[1] + rect[3]


class Room:
    """A frame in which boxes are taken one after another, none touching one taken before.

    Examples
    --------
    >>> room = Room(0, 0, 10, 10)
    >>> [room.take(shapely.box(*one)) for one in ((1, 1, 3, 3), (2, 2, 4, 4), (9, 9, 11, 11))]
    [True, False, False]
    """

    def __init__(self, west: float, south: float, east: float, north: float) -> None:
        self.west, self.south, self.east, self.north = west, south, east, north
        self.boxes: list[shapely.Polygon] = []
        self._bounds = np.empty((0, 4))

    def take(self, box: shapely.Polygon) -> bool:
        """Take a box if it is free and inside the frame."""
        west, south, east, north = box.bounds
        if west <= self.west or south <= self.south or east >= self.east or north >= self.north:
            return False
        seen = self._bounds
        near = (seen[:, 0] <= east) & (seen[:, 2] >= west)
        near &= (seen[:, 1] <= north) & (seen[:, 3] >= south)
        if near.any() and any(self.boxes[k].intersects(box) for k in np.flatnonzero(near)):
            return False
        self.boxes.append(box)
        self._bounds = np.vstack([seen, box.bounds])
        return True


def inside_spots(shape: Any, most: int = 60) -> list[Spot]:
    """Return places inside an area, the roomiest first: the middle of its widest circle."""
    parts = shapely.get_parts(shape)
    parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    if not len(parts):
        return []
    largest = parts[shapely.area(parts).argmax()]
    west, south, east, north = largest.bounds
    step = max(np.sqrt((east - west) * (north - south) / (3 * most)), 0.1)
    x, y = np.meshgrid(np.arange(west, east, step), np.arange(south, north, step))
    points: Geometries = np.asarray(shapely.points(np.column_stack([x.ravel(), y.ravel()])))
    points = points[shapely.contains(largest, points)]
    deep = shapely.distance(points, largest.boundary)
    first = points[np.argsort(-deep, kind="stable")][:most]
    circle = shapely.maximum_inscribed_circle(largest, tolerance=max(step / 8, 0.05))
    spots = np.vstack([shapely.get_coordinates(circle)[:1], shapely.get_coordinates(first)])
    return [(float(x), float(y)) for x, y in spots]


def ring_spots(spot: Spot) -> Iterator[Spot]:
    """Go round a place in widening rings."""
    for far in np.arange(4, 40, 2.0):
        for turn in np.arange(0, 2 * np.pi, np.pi / 8):
            yield spot[0] + far * float(np.cos(turn)), spot[1] + far * float(np.sin(turn))


def along(
    lines: Geometries, wide: float, high: float
) -> list[tuple[float, float, float, shapely.Polygon]]:
    """Return places along lines for a name of some size, the straightest first.

    Returns
    -------
    list of (x, y, angle, box)
        Middle, degrees between -90 and 90, and the turned box that the name takes.
    """
    found = []
    for line in shapely.get_parts(shapely.line_merge(shapely.multilinestrings(_simple(lines)))):
        length = line.length
        for start in np.arange(0, length - wide, max(wide / 2, 3.0)):
            x, y = shapely.get_coordinates(
                shapely.line_interpolate_point(line, np.linspace(start, start + wide, 7))
            ).T
            chord = np.hypot(x[-1] - x[0], y[-1] - y[0])
            angle = float(np.degrees(np.arctan2(y[-1] - y[0], x[-1] - x[0])))
            angle = (angle + 90) % 180 - 90
            bend = 1 - chord / wide
            if bend <= STRAIGHT:
                at = float(x.mean()), float(y.mean())
                found.append((round(float(bend), 3), at, angle))
    found.sort()
    return [(*at, angle, _turned(at, angle, wide, high)) for _, at, angle in found]


def _simple(lines: Geometries) -> Geometries:
    parts = shapely.get_parts(np.asarray(lines, dtype=object))
    kept: Geometries = parts[np.isin(shapely.get_type_id(parts), [shapely.GeometryType.LINESTRING])]
    return kept


def _turned(at: Spot, angle: float, wide: float, high: float) -> shapely.Polygon:
    turn = np.radians(angle)
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    half = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]]) / 2
    return shapely.Polygon(half @ spin + np.array(at))
