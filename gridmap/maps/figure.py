"""Static figures for documents and slides: matplotlib with a font that can write Chinese."""

from __future__ import annotations

import functools
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_choice, check_crs
from gridmap.errors import InputError
from gridmap.html import credit_line
from gridmap.io.atomic import replacing
from gridmap.language import Lang, tr
from gridmap.maps import themes
from gridmap.maps import themes as hot
from gridmap.maps.heat import RAMP, heat_legend, thickness, with_places
from gridmap.maps.themes import counted, rate_theme

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from gridmap.grid.grid import Grid

    Legend = tuple[str, list[Artist]]  # its heading and rows

A4_LANDSCAPE = (11.69, 8.27)
FONTS = (
    "Microsoft YaHei", "PingFang SC", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC",
    "Source Han Sans SC", "Source Han Sans CN", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei",
    "SimHei", "Heiti SC", "Arial Unicode MS",
)  # fmt: skip
FALLBACK = "DejaVu Sans"  # which comes with matplotlib
INK, SOFT, ACCENT = "#1b262c", "#4a5a63", "#8e1b1b"
OUTLINES = (
    ("#1b262c", "-"), ("#6a1b9a", (0, (4, 2))), ("#0b57a4", (0, (1, 1.2))), ("#00695c", "-."),
)  # fmt: skip


def figure(
    grid: Grid,
    *,
    color: str | pd.Series | None = None,
    incidents: pd.DataFrame | None = None,
    spots: pd.DataFrame | None = None,
    heat: bool = False,
    outlines: Mapping[str, gpd.GeoDataFrame] | None = None,
    title: str | None = None,
    source: str = "",
    size: tuple[float, float] = A4_LANDSCAPE,
    lang: Lang = "zh",
) -> Figure:
    """Draw a grid as a static figure with legend, scale bar, north and credit.

    Parameters
    ----------
    grid
        A proved grid.
    color
        A column of the cells to colour by, or values by code, which are called by the name of the
        Series; households against the band when not given.
    incidents
        Points; colours by incidents per 100 households.
    spots
        What `hotspots` gives, which colours by its bins, or `emerging`, by the histories.
    heat
        Whether the density of the incidents is drawn in place of their rate.
    outlines
        Lines, or areas to outline, over the cells, by what the legend calls them.
    title, source
        What stands over the figure, and where the data come from.
    size
        Inches; A4 landscape by default.
    lang
        "zh" or "en".

    Returns
    -------
    matplotlib.figure.Figure
        ``savefig`` writes PNG, PDF or SVG.

    Raises
    ------
    InputError
        When a column is missing, or Chinese is asked for and no font can write it.
    """
    import matplotlib

    check_choice("lang", lang, ("zh", "en"))
    grid = grid.in_language(lang)
    theme = _theme(grid, color, None if heat else incidents, spots, lang)
    outlines = outlines or {}
    fonts = font_for([*outlines, *_written(grid, title, source, lang)])
    with matplotlib.rc_context({"font.family": fonts, "svg.fonttype": "path"}):
        drawn = shown_figure()(figsize=size, facecolor="white")
        axes = drawn.add_axes((0.26, 0.06, 0.71, 0.82))
        if heat and incidents is not None:
            legend = _draw_heat(axes, grid, incidents, lang)
        else:
            legend = _draw_cells(axes, grid, theme, min(0.18 * size[0], 0.225 * size[0] - 0.4))
        _draw_places(axes, grid)
        legend[1].extend(_draw_outlines(axes, grid, outlines))
        _draw_words(drawn, grid, legend, title, source, lang)
    return drawn


@functools.cache
def shown_figure() -> type[Figure]:
    """Return a figure that a notebook shows, whether pyplot was imported or not."""
    from matplotlib.figure import Figure as Plain

    class Figure(Plain):
        def _repr_png_(self) -> bytes:
            from PIL import Image

            drawn, kept = io.BytesIO(), io.BytesIO()
            self.savefig(drawn, format="png", dpi=100)
            few = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
            few.save(kept, "PNG", optimize=True)  # a third of the bytes, in every notebook
            return kept.getvalue()

    return Figure


def save_figure(drawn: Figure, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a figure as PNG, PDF or SVG, by its suffix, whole or not at all."""
    import matplotlib

    path = Path(path)
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise InputError("`{path}` is no .png, .pdf or .svg. Choose one of these.", path=path)
    same = matplotlib.rc_context({"svg.hashsalt": "gridmap"})  # clips are named by lot otherwise
    with replacing(path, overwrite=overwrite) as part, same:
        whole, suffix = io.BytesIO(), path.suffix.lower()
        undated: dict[str, Any] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
        drawn.savefig(whole, format=suffix[1:], dpi=200, metadata=undated.get(suffix, {}))
        part.write_bytes(whole.getbuffer())
    return path


def _theme(
    grid: Grid,
    color: str | pd.Series | None,
    incidents: pd.DataFrame | None,
    spots: pd.DataFrame | None,
    lang: Lang,
) -> themes.Theme:
    if color is not None:
        return themes.column(grid, color, lang)
    if spots is not None:
        return (hot.histories if "pattern" in spots else hot.hotspot)(spots, grid, lang)
    if incidents is not None:
        return rate_theme(counted(with_places(incidents, grid), grid), grid, lang)
    return themes.households(grid, lang)


def font_for(texts: Iterable[str]) -> list[str]:
    """Return the fonts that write some texts: the first of `FONTS` there is, and a fallback.

    Raises
    ------
    InputError
        When they lack a sign.
    """
    from matplotlib import font_manager

    installed = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    found = [name for name in FONTS if name in installed][:1]
    signs = {sign for text in texts for sign in text if not sign.isspace()}
    missing = {ord(sign) for sign in signs}
    for name in (*found, FALLBACK):
        missing -= set(font_manager.get_font(installed[name]).get_charmap())
    if missing and found:
        raise InputError(
            "The font {font} cannot write {signs}. Install Noto Sans CJK, which has all of them.",
            font=found[0],
            signs=" ".join(map(chr, sorted(missing)[:8])),
        )
    if missing:
        raise InputError(
            "No installed font can write Chinese. Install one, Noto Sans CJK for instance."
        )
    return [*found, FALLBACK]


def _written(grid: Grid, title: str | None, source: str, lang: Lang) -> Iterator[str]:
    """Go through the words of a figure."""
    yield from (title or "", source, tr("Grid", lang=lang))
    for level in grid.levels:
        yield from grid.cells[level].astype(str).unique()


def _draw_cells(axes: Axes, grid: Grid, theme: themes.Theme, inches: float) -> Legend:
    """Draw the cells by their classes; return the heading and the rows of the legend."""
    import matplotlib
    from matplotlib.patches import Patch

    frame = grid.cells
    rows: list[Artist] = []
    counts = np.bincount(theme.of, minlength=len(theme.classes))
    for k, (row, count) in enumerate(zip(theme.classes, counts, strict=True)):
        part = frame[theme.of == k]
        if len(part):
            hatch = {"hatch": "////", "edgecolor": "#7d8b93"} if row.hatch else {}
            with matplotlib.rc_context({"hatch.linewidth": 0.4}):
                part.plot(ax=axes, color=row.color, linewidth=0, aspect=None, **hatch)
        label = "\n".join(broken(f"{row.label} · {count:,}", 9.5, inches, most=3))
        rows.append(Patch(
            facecolor=row.color, edgecolor="#7d8b93", linewidth=0.6,
            hatch="////" if row.hatch else None, label=label,
        ))  # fmt: skip
    thin = 0.5 * min(1.0, (400 / len(frame)) ** 0.5)  # many borders would hide what they bound
    frame.boundary.plot(ax=axes, color="white", linewidth=thin, aspect=None)
    title = f"{theme.title} ({theme.unit})" if theme.unit else theme.title
    return "\n".join(broken(title, 11, inches + 0.3)), rows


def _draw_heat(axes: Axes, grid: Grid, incidents: pd.DataFrame, lang: Lang) -> Legend:
    """Draw where incidents crowd over pale cells; return heading and rows of the legend."""
    from matplotlib.patches import Patch

    grid.cells.plot(ax=axes, color="#f3f4f4", edgecolor="#dde3e6", linewidth=0.3, aspect=None)
    found = thickness(with_places(incidents, grid), grid)
    if found is None:
        return tr("Density", lang=lang), [Patch(label=themes.NO_DATA.text(lang))]
    raster, edges, homes = found
    step = np.digitize(np.where(raster.shown, raster.values, -1.0), edges)
    west, south, east, north = raster.bounds
    axes.imshow(np.array(RAMP)[step] / 255, extent=(west, east, south, north), zorder=2)
    told = heat_legend(edges, homes, raster.bandwidth, lang)
    rows = [
        Patch(facecolor=f"#{bytes(color).hex()}", edgecolor="#7d8b93", label=row["label"])
        for color, row in zip(RAMP[1:], told["rows"], strict=False)
    ]
    return "\n".join((told["title"], *broken(told["unit"], 11, 1.7), told["note"])), [*rows]


def _draw_outlines(
    axes: Axes, grid: Grid, outlines: Mapping[str, gpd.GeoDataFrame]
) -> Iterator[Line2D]:
    """Draw lines and areas over the cells, and give a row of the legend for each."""
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    window = shapely.box(*grid.cells.total_bounds)
    for (name, frame), (tone, dash) in zip(outlines.items(), itertools.cycle(OUTLINES)):
        check_crs("outlines", frame)
        shapes = frame.geometry.to_crs(grid.crs)
        shapes = shapes.boundary.where(shapes.geom_type.str.endswith("Polygon"), shapes)
        width = 2.0 if dash == "-" else 1.5
        look: dict[str, Any] = {"color": tone, "linestyle": dash, "linewidth": width}
        seam = [withStroke(linewidth=3.4, foreground="white")] if dash == "-" else []
        shapes.clip(window).plot(ax=axes, aspect=None, zorder=2.5, path_effects=seam, **look)
        yield Line2D([], [], label=name, **look)


def _draw_places(axes: Axes, grid: Grid) -> None:
    """Draw the borders and names of the levels, the outline, scale and north."""
    axes.set_axis_off()
    for rank, level in reversed(list(enumerate(grid.levels))):
        if shapes := list(_places(grid, level, 400).values()):
            lines, width = gpd.GeoSeries(shapes).boundary, (1.2, 0.7)[rank > 0]
            lines.plot(ax=axes, color="#37474f", linewidth=width, aspect=None)
    outline = gpd.GeoSeries([grid.boundary], crs=grid.crs)
    outline.boundary.plot(ax=axes, color="#263238", linewidth=1.4, aspect=None)
    axes.set_aspect("equal")
    _scale_bar(axes, grid)
    axes.apply_aspect()
    taken: list[Any] = []
    for rank, level in enumerate(grid.levels):
        _name_places(axes, grid, level, rank, taken)


def _places(grid: Grid, level: str, most: int) -> dict[str, Any]:
    """Return the areas of a level by their keys, or none when they are too many to be told."""
    keys = themes.area_keys(grid, level)
    shapes, places = grid.cells.geometry.to_numpy(), keys.drop_duplicates()
    told = places if len(places) <= most else ()
    return {key: shapely.coverage_union_all(shapes[keys == key]) for key in told}


def _name_places(axes: Axes, grid: Grid, level: str, rank: int, taken: list[Any]) -> None:
    """Write the names of a level where they cover none; one that finds no room is left out."""
    renderer = measuring(axes.figure)
    for key, shape in _places(grid, level, 40).items():
        text = axes.text(
            0, 0, key.rsplit("\x1f", 1)[-1], ha="center", va="center", color=INK,
            fontsize=9 if rank else 11, fontweight="bold" if rank == 0 else "normal",
            path_effects=halo(2.5),
        )  # fmt: skip
        for spot in (shape.representative_point(), shapely.maximum_inscribed_circle([shape])):
            text.set_position(tuple(shapely.get_coordinates(spot)[0]))
            box = text.get_window_extent(renderer)
            if not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
        else:
            text.remove()


def measuring(drawn: Any) -> Any:
    """Return what measures the texts of a figure, and draws nothing."""
    from matplotlib.backends.backend_agg import RendererAgg

    made: Any = RendererAgg
    return made(1, 1, drawn.dpi)


def halo(width: float) -> list[Any]:
    """Draw a text over a white seam, and never on whole pixels, which loses strokes of 中 or 里."""
    from matplotlib.patheffects import Stroke

    seam: Any = {"linewidth": width, "foreground": "white"}
    return [Stroke(**seam, snap=False), Stroke(linewidth=0, snap=False)]


def _scale_bar(axes: Axes, grid: Grid) -> None:
    """Draw a bar of a round length under the map, and an arrow to the north."""
    west, south, east, north = grid.cells.total_bounds
    unit = grid.crs.axis_info[0].unit_conversion_factor if grid.crs.is_projected else None
    if unit:
        length = round_length((east - west) * unit / 5)
        y = south - (north - south) * 0.03
        axes.plot([east - length / unit, east], [y, y], color=INK, linewidth=2.2)
        axes.annotate(
            length_text(length), (east - length / unit / 2, y), xytext=(0, 3),
            textcoords="offset points", ha="center", va="bottom", fontsize=8.5,
        )  # fmt: skip
    axes.annotate(
        "N", xy=(0.985, 0.99), xytext=(0.985, 0.93), xycoords="axes fraction",
        ha="center", va="center", fontsize=10, fontweight="bold",
        arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.4},
    )  # fmt: skip


def round_length(most: float) -> float:
    """Return the longest round length up to some metres.

    Examples
    --------
    >>> round_length(730.0), round_length(4.9)
    (500.0, 2.0)
    """
    power = 10 ** np.floor(np.log10(most))
    return float(max(k * power for k in (1, 2, 5) if k * power <= most))


def length_text(metres: float) -> str:
    """Write a length as a map does."""
    return f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"


def _draw_words(
    drawn: Figure, grid: Grid, rows: Legend, title: str | None, source: str, lang: Lang
) -> None:
    from matplotlib.lines import Line2D

    wide = drawn.get_figwidth()
    _draw_head(drawn, title or tr("Grid", lang=lang))
    drawn.add_artist(Line2D([0.03, 0.97], [0.915, 0.915], color=ACCENT, linewidth=2))
    legend = drawn.legend(
        handles=rows[1], title=rows[0], loc="upper left", bbox_to_anchor=(0.025, 0.885),
        frameon=False, fontsize=9.5, title_fontsize=11, alignment="left",
        handlelength=1.8, handleheight=1.1, labelspacing=0.7,
    )  # fmt: skip
    legend.get_title().set_fontweight("bold")
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_linespacing(1.4)
    credit = broken(credit_line(grid.crs, grid.content_hash, lang, source), 8, 0.94 * wide, most=3)
    drawn.text(0.03, 0.015, "\n".join(credit), fontsize=8, color=SOFT, va="bottom", linespacing=1.4)


def _draw_head(drawn: Figure, head: str) -> None:
    """Draw the title in one line, or smaller in two."""
    room = 0.94 * drawn.get_figwidth()
    text = drawn.text(
        0.03, 0.925, head, fontweight="bold", color=INK, va="bottom", linespacing=1.4
    )  # fmt: skip
    for points, width in ((18, None), (14, None), (12, room), (12, 0.85 * room), (8, room)):
        text.set_fontsize(points)
        if width:
            text.set_text("\n".join(broken(head, points, width, most=2)))
        box = text.get_window_extent(measuring(drawn))
        if box.width <= room * drawn.dpi and box.y1 <= drawn.bbox.height:
            break


def broken(text: str, points: float, inches: float, *, most: int = 99) -> list[str]:
    """Break a text into lines that fit, at spaces or between Chinese signs.

    Examples
    --------
    >>> broken("one two three", 12, 0.8)
    ['one two', 'three']
    >>> broken("网格化管理简报", 12, 0.5, most=2)
    ['网格化', '管理…']
    """
    lines, width = [""], 0.0
    room = max(1, int(inches * 72 / points / 0.56))  # signs of a word that finds none in any line
    for piece in re.findall(rf"[!-~]{{1,{room}}}\s*|.", text):
        wide = sum(1.0 if ord(sign) > 0x2E80 else 0.56 for sign in piece.rstrip()) * points / 72
        if lines[-1] and width + wide > inches:
            lines.append("")
            width = 0.0
        lines[-1] += piece
        width += wide
    lines = [line.rstrip() for line in lines]
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][:-1] + "…"]
