"""Street sheets: one area to a page at a round scale, for print, and the atlas of them all."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from gridmap._checks import check_choice, check_crs
from gridmap.crs.project import reproject
from gridmap.errors import CRSError, InputError
from gridmap.grid.grid import check_level
from gridmap.io.atomic import replacing
from gridmap.language import Lang, tr
from gridmap.maps.edit import chosen_area
from gridmap.maps.sheet_page import PAPERS, Book, Page, Sheet
from gridmap.maps.themes import area_keys, level_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gridmap.grid.grid import Grid

Paper = Literal["A3", "A4"]
Labels = Literal["code", "name"]


def street_sheet(
    grid: Grid,
    of: str,
    *,
    paper: Paper = "A4",
    labels: Labels = "code",
    streets: gpd.GeoDataFrame | None = None,
    title: str | None = None,
    period: str = "",
    source: str = "",
    lang: Lang = "zh",
) -> Figure:
    """Draw the sheet of one area: its cells at a round scale, their codes, what lies around.

    Parameters
    ----------
    grid
        A proved grid in a projected CRS.
    of
        Code of a jurisdiction, or name of an area of any level; where several are called so, the
        path of names from above, as ``east/main``.
    paper
        "A4" or "A3"; whether it lies or stands follows from the area.
    labels
        What is written in each cell: the end of its code that its jurisdiction's code does not
        tell, or the end of its name.
    streets
        Lines with a column ``name``, to be drawn and named.
    title, period, source
        What stands over the sheet, the time it holds for, and where the data come from.
    lang
        "zh" or "en".

    Returns
    -------
    matplotlib.figure.Figure
        For `gridmap.maps.figure.save_figure`; at its own size the scale that it states is true.

    Raises
    ------
    InputError
        When no area is called so, or several are, or a font is missing.
    CRSError
        When the grid is in degrees.

    Examples
    --------
    >>> import gridmap as gm
    >>> drawn = gm.street_sheet(grid, "柳林街道", paper="A3")  # doctest: +SKIP
    """
    book = _book(grid, paper, labels, streets, period, source, lang)
    return book.one_page(_sheet_of(book, chosen_area(book.grid, of)[0], of, title)).figure


def atlas(
    grid: Grid,
    *,
    level: str | None = None,
    of: str | None = None,
    paper: Paper = "A4",
    labels: Labels = "code",
    streets: gpd.GeoDataFrame | None = None,
    title: str | None = None,
    period: str = "",
    source: str = "",
    lang: Lang = "zh",
) -> Atlas:
    """Put the sheets of all areas of a level into one book: an overview, then a page each.

    Where the codes of an area crowd, a key map is followed by pages of its parts.

    Parameters
    ----------
    grid
        A proved grid in a projected CRS.
    level
        Whose areas get a page; the level above the finest when not given.
    of
        The one area, as for `street_sheet`, that the book is of, without an overview.
    paper, labels, streets, period, source, lang
        As for `street_sheet`.
    title
        What stands over the overview, or over the sheet of one area.

    Returns
    -------
    Atlas
        ``save(path)`` writes the PDF, the same bytes for the same grid and day.

    Raises
    ------
    InputError
        When the grid has no such level, or a font is missing.

    Examples
    --------
    >>> import gridmap as gm
    >>> gm.atlas(grid, paper="A3").save("atlas.pdf")  # doctest: +SKIP
    """
    book = _book(grid, paper, labels, streets, period, source, lang)
    if of is not None:
        return Atlas(book, None, (_sheet_of(book, chosen_area(book.grid, of)[0], of, title),))
    if level is None:
        level = book.grid.levels[-2:][0] if book.grid.levels else "parent"
    else:
        check_level(level, book.grid.levels)
    keys = area_keys(book.grid, level)
    sheets = []
    for key in dict.fromkeys(keys.sort_index()):
        parents = book.grid.cells.loc[keys == key, "parent"].unique().tolist()
        sheets.append(_sheet_of(book, parents, key.replace("\x1f", "/"), None))
    return Atlas(book, _overview(book, sheets, level, title), tuple(sheets))


@dataclass(frozen=True)
class Atlas:
    """A book of sheets; pages are drawn when they are asked for.

    Attributes
    ----------
    overview : Sheet, optional
        Its first page, unless it is of one area.
    sheets : tuple of Sheet
        The others in their order.
    """

    book: Book
    overview: Sheet | None
    sheets: tuple[Sheet, ...]

    def __len__(self) -> int:
        return (self.overview is not None) + len(self.sheets)

    def pages(self) -> Iterator[Figure]:
        """Draw the pages one by one; what finds no room on one goes on overleaf."""
        if self.overview is None:
            yield from self.book.pages(self.sheets[0], "")
            return
        for number, sheet in enumerate((self.overview, *self.sheets), start=1):
            yield from self.book.pages(sheet, f"{number} / {len(self)}")

    def one_page(self) -> Page:
        """Draw the sheet of one area on one page; `left_out` cells have no label on it."""
        return self.book.one_page(self.sheets[0])

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the book as PDF, whole or not at all.

        Raises
        ------
        InputError
            When the name does not end in .pdf, or the file exists and may not be replaced.
        """
        from matplotlib.backends.backend_pdf import PdfPages

        path = Path(path)
        check_atlas(path)
        whole = io.BytesIO()  # on a full disk the writer of PDF stumbles over itself
        about = {"CreationDate": None, "Title": (self.overview or self.sheets[0]).title}
        with replacing(path, overwrite=overwrite) as part:
            with PdfPages(whole, metadata=about) as pdf:
                for page in self.pages():
                    pdf.savefig(page)
            part.write_bytes(whole.getbuffer())
        return path


def check_atlas(path: Path) -> None:
    """Refuse a name for an atlas that is no PDF's."""
    if path.suffix.lower() != ".pdf":
        raise InputError("An atlas is a PDF; name it `{named}`.", named=path.with_suffix(".pdf"))


def _book(
    grid: Grid,
    paper: Paper,
    labels: Labels,
    streets: gpd.GeoDataFrame | None,
    period: str,
    source: str,
    lang: Lang,
) -> Book:
    """Check what sheets are made of."""
    check_choice("lang", lang, ("zh", "en"))
    check_choice("paper", paper, tuple(PAPERS))
    check_choice("labels", labels, ("code", "name"))
    if grid.crs.is_geographic:
        raise CRSError("The grid is in degrees, which have no scale. Make it in a projected CRS.")
    lines = None
    if streets is not None:
        check_crs("streets", streets)
        if "name" not in streets:
            raise InputError("`streets` has no column `name`; rename the column that names them.")
        lines = reproject(streets, grid.crs)
        flat = shapely.get_dimensions(lines.geometry.to_numpy()) == 2  # of water its banks
        lines = lines.set_geometry(lines.geometry.where(~flat, lines.geometry.boundary))
    return Book(grid.in_language(lang), paper, labels, lines, period, source, lang)


def _sheet_of(book: Book, parents: Sequence[str], of: str, title: str | None) -> Sheet:
    """Describe the sheet of some jurisdictions, which are its parts."""
    cells, table = book.grid.cells, book.grid.jurisdictions
    rows = cells["parent"].isin(parents).to_numpy()
    order = sorted(map(str, parents))
    parts = np.where(rows, pd.Index(order).get_indexer(pd.Index(cells["parent"])), -1)
    levels = book.grid.levels
    finest = levels[-1] if levels else "parent"
    names = [str(table.at[code, levels[-1]]) if levels else code for code in order]
    path = of.split("/")
    inside = cells.loc[rows]
    place = names[0] if of in order and levels else path[-1]
    way = [str(inside[level].iloc[0]) for level in levels if inside[level].nunique() == 1]
    way = way[: way.index(place)] if place in way else []
    called = next((level for level in levels if (inside[level] == place).all()), finest)
    return Sheet(
        title or (book.say("title", place=place) if place else tr("Grid", lang=book.lang)),
        " · ".join(map(str, way)),
        rows,
        parts.astype(np.int64),
        names,
        book.table(names, parts, ["" if code in names else code for code in order]),
        (level_title(called, book.lang), level_title(finest, book.lang)),
    )


def _overview(book: Book, sheets: Sequence[Sheet], level: str, title: str | None) -> Sheet:
    """Describe the first page: all areas with the numbers of their pages."""
    parts = np.full(len(book.grid), -1, dtype=np.int64)
    for number, sheet in enumerate(sheets):
        parts[sheet.rows] = number
    keys = area_keys(book.grid, level)
    names = [keys.iloc[int(sheet.rows.argmax())].rsplit("\x1f", 1)[-1] for sheet in sheets]
    pages = [book.say("page", n=number) for number in range(2, len(sheets) + 2)]
    table = book.table(names, parts, pages)
    top = book.grid.levels[:1]
    whole = book.grid.cells[top[0]].unique().tolist() if top else []
    return Sheet(
        title or book.say("atlas"),
        str(whole[0]) if len(whole) == 1 else "",
        np.ones(len(book.grid), dtype=bool),
        parts,
        [f"{name}\n{page}" for name, page in zip(names, pages, strict=True)],
        table,
        (book.say("whole"), level_title(level, book.lang)),
        cells_labelled=False,
    )
