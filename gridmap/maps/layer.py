"""Cells as a folium layer, and a folium map that is always offline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import folium
import geopandas as gpd
import numpy as np
import numpy.typing as npt
from branca.element import Element, Figure, MacroElement
from folium.map import Layer
from folium.template import Template
from markupsafe import Markup, escape

from gridmap._checks import at_the_door, check_crs
from gridmap.errors import InputError
from gridmap.html import frame, part
from gridmap.language import Lang, tr
from gridmap.maps import offline as vendored
from gridmap.maps import themes
from gridmap.maps.basemap import Bounds, Datum, Tiles, laid
from gridmap.maps.offline import ASSETS, offline, write_page
from gridmap.maps.payload import web_mercator
from gridmap.maps.scene import Scene, as_json

EARTH = 6378137.0


class _Drawn(MacroElement):
    """An element that draws a scene, whose data it puts into the page."""

    scene: Scene

    @property
    def data_id(self) -> str:
        """Name of the inert script element that holds the data."""
        return f"{self.get_name()}_data"

    def _get_self_bounds(self) -> list[list[float | None]]:
        return bounds_of(self.scene)

    def render(self, **kwargs: object) -> str:
        """Put gridmap's script, the style and the data into the page."""
        _furnish(self, self.data_id, self.scene)
        return str(super().render(**kwargs))


class CellLayer(_Drawn, Layer):
    """Cells on one canvas, for any folium map: shared borders are drawn once, without gaps.

    Parameters
    ----------
    cells
        Polygons in any CRS, one a cell, indexed by code.
    values
        A number or a word a cell, in classes by `scheme` or `breaks`; None paints all alike.
    title, unit
        What the values are, for the legend.
    names
        A name a cell for the tooltip; by default its code.
    scheme, k, breaks
        How mapclassify makes classes, or the upper edges of the classes.
    colors
        Colours from the lowest class to the highest.
    name, show
        As for any folium layer.
    lang
        Language of the legend, "zh" or "en".

    Examples
    --------
    >>> import folium, shapely
    >>> squares = gpd.GeoSeries(shapely.box([0, 5], 0, [5, 10], 5), index=["A", "B"], crs=4547)
    >>> layer = CellLayer(squares, [3, 9], title="incidents").add_to(folium.Map(tiles=None))
    >>> [row.label for row in layer.scene.themes[0].classes]
    ['3', '9']
    """

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        var {{ this.get_name() }} = new gridmap.Layer(
            gridmap.open(gridmap.read("{{ this.data_id }}")), {show: {levels: true}});
        gridmap.attach({{ this.get_name() }});
        {% endmacro %}
        """
    )

    @at_the_door
    def __init__(
        self,
        cells: gpd.GeoDataFrame | gpd.GeoSeries,
        values: npt.ArrayLike | None = None,
        *,
        title: str = "",
        unit: str = "",
        names: Sequence[str] | None = None,
        scheme: str = "quantiles",
        k: int = 5,
        breaks: Sequence[float] | None = None,
        colors: Sequence[str] = themes.YELLOW_BROWN,
        name: str | None = None,
        show: bool = True,
        lang: Lang = "zh",
    ) -> None:
        check_crs("cells", cells)
        super().__init__(name=name, overlay=True, control=True, show=show)
        self._name = "CellLayer"
        codes = [str(code) for code in cells.index]
        theme = _theme(
            len(cells), values, title, unit=unit, scheme=scheme, k=k, breaks=breaks, colors=colors,
            lang=lang,
        )  # fmt: skip
        shapes = web_mercator(cells.geometry.to_numpy(), cells.crs)
        self.scene = Scene(shapes, codes, list(names or codes), [theme], lang=lang)


def _theme(count: int, values: npt.ArrayLike | None, title: str, **options: Any) -> themes.Theme:
    if values is None:
        alike = np.zeros(count, np.int64)
        return themes.Theme(title, [themes.Class(title, "#cfe0ea")], alike)
    values = np.asarray(values)
    if len(values) != count:
        raise InputError(
            "`values` has {values} {values:entry|entries} for {count} {count:cell|cells}; give "
            "one each.",
            values=len(values),
            count=count,
        )
    if values.dtype.kind not in "biuf":
        import pandas as pd

        return themes.words_theme(pd.Series(values), title, options["lang"])
    whole = values.dtype.kind in "biu"
    return themes.quantity(values, title, digits=0 if whole else 2, **options)


class Room(_Drawn):
    """A scene with all its controls, on the map it is added to."""

    _template = Template(
        """
        {% macro script(this, kwargs) %}
        new gridmap.Room({{ this._parent.get_name() }},
            gridmap.open(gridmap.read("{{ this.data_id }}")));
        {% endmacro %}
        """
    )

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self._name = "Room"
        self.scene = scene


class OfflineMap(folium.Map):
    """A folium map whose file and whose notebook view load nothing.

    Parameters
    ----------
    basemap
        Tiles to show in a notebook; refused when the map is saved.
    lean
        Leave out what only folium's own icons and popups need.
    lang
        Language of the page, for those who have it read to them.
    """

    def __init__(
        self, *, basemap: Tiles | None = None, lean: bool = True, lang: Lang = "zh", **options: Any
    ) -> None:
        options.setdefault("zoom_control", False)
        options.setdefault("zoom_snap", 0.1)
        options.setdefault("zoom_delta", 0.5)
        options.setdefault("attribution_control", basemap is not None)
        super().__init__(tiles=None, font_size="13px", **options)
        self._name = "Map"
        self.options["max_zoom"] = 20
        self.lean = lean
        self.lang = tr("en", lang=lang)  # as HTML calls it
        self.tiles = basemap
        if basemap:
            folium.TileLayer(
                basemap.url,
                attr=basemap.host,
                subdomains=basemap.servers,
                max_zoom=20,
                max_native_zoom=18,
            ).add_to(self)

    def page(self, *, live: bool = False) -> str:
        """Return the whole page; `live` allows the basemap's tiles."""
        if self.tiles and not live:
            raise InputError(
                "A saved map cannot load tiles from {origin}. Hand in an image: basemap=FILE, "
                "basemap_bounds=(west, south, east, north).",
                origin=self.tiles.origin,
            )
        html = self.get_root().render().replace("<html>", f'<html lang="{self.lang}">', 1)
        html = re.sub(r",\s*maximum-scale=1.0,\s*user-scalable=no", "", html, count=1)
        if self.lean:
            html = _without_unused(html)
        return offline(html, tiles=self.tiles)

    def save(  # type: ignore[override]  # tells where; what folium takes besides has no use here
        self, outfile: str | Path, *, overwrite: bool = True
    ) -> Path:
        """Save one file that opens without a network.

        Raises
        ------
        InputError
            When a layer would load something; a basemap cannot be saved.
        """
        return write_page(self.page(), outfile, overwrite=overwrite)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def _repr_html_(self, **kwargs: Any) -> str:
        """Show the map in Jupyter, from the files shipped with gridmap."""
        scenes = (child.scene for child in self._children.values() if isinstance(child, Room))
        still = "".join(scene.still() for scene in scenes)
        return frame(self.page(live=True), 600, Markup(still))


def bounds_of(scene: Scene) -> list[list[float | None]]:
    """Return the corners of a scene in latitude and longitude."""
    import shapely

    west, south, east, north = shapely.total_bounds(scene.shapes)
    lng, lat = np.degrees(np.array([west, east]) / EARTH), np.array([south, north]) / EARTH
    lat = np.degrees(np.arctan(np.sinh(lat)))
    return [[float(lat[0]), float(lng[0])], [float(lat[1]), float(lng[1])]]


def show(
    scene: Scene,
    *,
    basemap: str | Path | None = None,
    basemap_bounds: Bounds | None = None,
    basemap_datum: Datum = "wgs84",
) -> OfflineMap:
    """Make the map of a scene, fitted to it, over a basemap if there is one."""
    scene, tiles = laid(scene, basemap, basemap_bounds, basemap_datum)
    shown = OfflineMap(basemap=tiles, lang=scene.lang)
    shown.add_child(Room(scene))
    _page_of(shown).title = escape(scene.title) or None  # folium writes it as it is
    return shown


def _page_of(element: Element) -> Figure:
    page = element.get_root()
    if not isinstance(page, Figure):
        raise TypeError("the layer stands in no page")
    return page


def _furnish(element: MacroElement, data_id: str, scene: Scene) -> None:
    """Add once what every gridmap layer needs, and each layer's own data."""
    figure = _page_of(element)
    figure.header.add_child(_style("gridmap.css", "search.css"), name="gridmap_css")
    figure.header.add_child(_script("varints.js", "gridmap.js"), name="gridmap_js")
    figure.header.add_child(_script("search.js", "room.js"), name="gridmap_room_js")
    data = part(ASSETS, "data", data_id, Markup(as_json(scene.sent())))
    figure.html.add_child(_Verbatim(data), name=data_id)


def _script(*names: str) -> Element:
    return _Verbatim(part(ASSETS, "own_script", Markup(vendored.module_of(*names))))


def _style(*names: str) -> Element:
    return _Verbatim(part(ASSETS, "style", Markup("".join(map(vendored.asset, names)))))


class _Verbatim(Element):
    """An element whose text is not taken for a template."""

    def __init__(self, text: str) -> None:
        super().__init__("{{ this.verbatim }}")
        self.verbatim = text


UNUSED = {
    "bootstrap": ("data-bs-", 'class="btn', 'class="card'),
    "awesome": ("AwesomeMarkers", "fa fa-", "fa-solid"),
    "glyphicon": ("glyphicon",),
    "fontawesome": ("fa-", "AwesomeMarkers"),
    "jquery": ("$(", "jQuery"),
}


def _without_unused(html: str) -> str:
    """Drop folium's standard assets that nothing on the page asks for."""
    head, _, body = html.partition("<body>")
    for asset, signs in UNUSED.items():
        if not any(sign in body for sign in signs):
            head = re.sub(
                rf"<script src=\"[^\"]*{asset}[^\"]*\"></script>|"
                rf"<link rel=\"stylesheet\" href=\"[^\"]*{asset}[^\"]*\"/>",
                "",
                head,
            )
    return f"{head}<body>{body}"
