"""Basemaps: tiles in a notebook, an image in a file, under cells that follow their datum."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely

from gridmap._checks import check_choice
from gridmap.crs import positions_from, positions_to
from gridmap.errors import InputError
from gridmap.language import pick
from gridmap.maps.scene import Scene
from gridmap.maps.tiles import Tiles, tiles_at

Datum = Literal["wgs84", "gcj02", "bd09"]
DATUMS = {"wgs84": "WGS 84", "gcj02": "GCJ-02", "bd09": "BD-09"}
Bounds = tuple[float, float, float, float]
Moving = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
SEEN_THROUGH = 0.62  # opacity of cells over tiles
OVER_IMAGE = 0.7  # and over an image
LARGEST = 12_000_000  # bytes of an image
KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}


def laid(
    scene: Scene, basemap: str | Path | None, bounds: Bounds | None, datum: Datum
) -> tuple[Scene, Tiles | None]:
    """Lay a scene over its basemap; return it with the tiles, if tiles they are.

    Raises
    ------
    InputError
        When an image has no bounds, tiles have some, or either cannot be used.
    """
    if basemap is None:
        if bounds is not None:
            raise InputError("`basemap_bounds` needs `basemap`. Name the image, or leave both out.")
        return scene, None
    if not is_address(basemap):
        return over_image(scene, Path(basemap), bounds, datum), None
    if bounds is not None:
        raise InputError(
            "`basemap` is an address, which has no `basemap_bounds`. Leave them out, or hand in "
            "an image file."
        )
    return over_basemap(scene, datum), tiles_at(str(basemap), datum)


def is_address(basemap: str | Path) -> bool:
    """Tell the address of tiles from the path of an image."""
    return "//" in str(basemap) and isinstance(basemap, str) and not Path(basemap).exists()


def over_image(scene: Scene, path: Path, bounds: Bounds | None, datum: Datum) -> Scene:
    """Return a scene with an image under its cells, embedded, so that it can be saved.

    Parameters
    ----------
    scene
        What lies over the image.
    path
        A PNG or JPEG file drawn in Web Mercator, as exports of web maps are. It is shown in
        grey, as its colours would pass for those of a class.
    bounds
        Its west, south, east and north in degrees.
    datum
        Datum of the image; the cells are moved to lie over it.

    Raises
    ------
    InputError
        When the file is no such image, or the bounds are not those of these cells.
    """
    scene = over_basemap(scene, datum)
    west, south, east, north = _corners(bounds)
    if not shapely.box(west, south, east, north).intersects(shapely.box(*_extent(scene))):
        raise InputError(
            f"`basemap_bounds` {bounds} do not touch the cells. Give west, south, east, north in "
            "degrees."
        )
    ground = {
        "src": _data_uri(path),
        "west": west,
        "south": south,
        "east": east,
        "north": north,
        "opacity": OVER_IMAGE,
    }
    extras = {key: value for key, value in scene.extras.items() if key != "opacity"}
    return replace(scene, extras={**extras, "ground": ground})


def _corners(bounds: Bounds | None) -> Bounds:
    """Return bounds in EPSG:3857."""
    if bounds is None:
        raise InputError(
            "`basemap` is an image, and `basemap_bounds` is missing. Give its west, south, east "
            "and north in degrees."
        )
    sane = len(bounds) == 4 and all(map(math.isfinite, bounds))
    if not sane or not (
        -180 <= bounds[0] < bounds[2] <= 180 and -85 <= bounds[1] < bounds[3] <= 85
    ):
        raise InputError(
            f"`basemap_bounds` is {bounds}. Give west, south, east, north in degrees, in order."
        )
    x, y = positions_from(np.array(bounds[::2]), np.array(bounds[1::2]), "EPSG:4326", crs=3857)
    return float(x[0]), float(y[0]), float(x[1]), float(y[1])


def _extent(scene: Scene) -> npt.NDArray[np.float64]:
    extent: npt.NDArray[np.float64] = shapely.total_bounds(scene.shapes)
    return extent


def _data_uri(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"`basemap` {path} cannot be read ({error.strerror}). Check its name."
        ) from error
    kind = next((kind for sign, kind in KINDS.items() if content.startswith(sign)), None)
    if kind is None:
        raise InputError(f"`basemap` {path} is neither PNG nor JPEG. Save it as one of these.")
    if len(content) > LARGEST:
        raise InputError(
            f"`basemap` {path} has {len(content) / 1e6:.0f} MB, more than a page should carry. "
            f"Make it smaller than {LARGEST / 1e6:.0f} MB."
        )
    return f"data:image/{kind};base64,{base64.b64encode(_grey(path, content, kind)).decode()}"


def _grey(path: Path, content: bytes, kind: str) -> bytes:
    """Take the colours out, which would tint the classes, and all that is not the picture."""
    from PIL import Image

    buffer = io.BytesIO()
    try:
        with Image.open(io.BytesIO(content)) as picture:
            clear = kind == "png" and picture.has_transparency_data
            grey = picture.convert("RGBA").convert("LA") if clear else picture.convert("L")
        grey.save(buffer, kind)
    except OSError as error:
        raise InputError(f"`basemap` {path} is damaged ({error}). Save it again.") from error
    return buffer.getvalue()


def over_basemap(scene: Scene, datum: Datum) -> Scene:
    """Return a scene that lies right over tiles in a datum, and says that it was moved.

    GCJ-02 and BD-09 tiles show everything some hundred metres off. The cells are moved by the
    same offset, vertex by vertex, for display only.

    Raises
    ------
    InputError
        When the datum is unknown.
    """
    check_choice("basemap_datum", datum, DATUMS)
    extras = {**scene.extras, "opacity": SEEN_THROUGH}
    if datum == "wgs84":
        return replace(scene, extras=extras)

    def moved(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        lng, lat = positions_from(xy[:, 0], xy[:, 1], "EPSG:3857")
        return np.column_stack(
            positions_from(*positions_to(lng, lat, datum), "EPSG:4326", crs=3857)
        )

    if "heat" in extras:
        extras["heat"] = _moved_image(extras["heat"], moved)
    note = pick(
        scene.lang,
        f"底图为 {DATUMS[datum]}，网格随之平移显示",
        f"cells moved to the {DATUMS[datum]} basemap",
    )
    return replace(
        scene,
        shapes=shapely.transform(scene.shapes, moved),
        levels=[{**level, "xy": _moved_places(level["xy"], moved)} for level in scene.levels],
        old=scene.old and replace(scene.old, shapes=shapely.transform(scene.old.shapes, moved)),
        marks=scene.marks
        and replace(
            scene.marks,
            shapes=shapely.transform(scene.marks.shapes, moved),
            xy=_moved_places(scene.marks.xy, moved),
        ),
        extras=extras,
        credit=" ｜ ".join(filter(None, [scene.credit, note])),
    )


def _moved_places(places: list[list[float]], moved: Moving) -> list[list[float]]:
    """Move the first two numbers of each place."""
    if not places:
        return []
    there = moved(np.array([place[:2] for place in places], float)).round(1).tolist()
    return [[*xy, *place[2:]] for xy, place in zip(there, places, strict=True)]


def _moved_image(image: dict[str, Any], moved: Moving) -> dict[str, Any]:
    corners = np.array([[image["west"], image["south"]], [image["east"], image["north"]]])
    (west, south), (east, north) = moved(corners)
    return {**image, "west": west, "south": south, "east": east, "north": north}
