"""Basemaps in a notebook: tiles in a declared datum, under cells that follow them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import shapely

from gridmap._checks import check_choice
from gridmap.crs import positions_from, positions_to
from gridmap.errors import InputError
from gridmap.maps.scene import Scene
from gridmap.maps.words import pick

Datum = Literal["wgs84", "gcj02", "bd09"]
DATUMS = ("wgs84", "gcj02", "bd09")
SEEN_THROUGH = 0.62  # opacity of cells over tiles


def over_basemap(scene: Scene, datum: Datum) -> Scene:
    """Return a scene that lies right over tiles in a datum, and says that it was moved.

    GCJ-02 and BD-09 tiles show everything some hundred metres off. The cells are moved by the
    same offset, vertex by vertex, for display only.

    Raises
    ------
    InputError
        When the datum is unknown, or defects are to be shown over moved tiles.
    """
    check_choice("basemap_datum", datum, DATUMS)
    extras = {**scene.extras, "opacity": SEEN_THROUGH}
    if datum == "wgs84":
        return replace(scene, extras=extras)
    if "marks" in extras or "old" in extras:
        raise InputError("`defects` cannot be shown over moved tiles. Leave out the basemap.")

    def moved(xy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        lng, lat = positions_from(xy[:, 0], xy[:, 1], "EPSG:3857")
        return np.column_stack(
            positions_from(*positions_to(lng, lat, datum), "EPSG:4326", crs=3857)
        )

    if "heat" in extras:
        extras["heat"] = _moved_image(extras["heat"], moved)
    note = pick(
        scene.lang,
        f"底图为 {datum.upper()}，网格随之平移显示",
        f"cells moved to {datum.upper()} tiles",
    )
    return replace(
        scene,
        shapes=shapely.transform(scene.shapes, moved),
        levels=[
            {**level, "xy": moved(np.array(level["xy"], float)).round(1).tolist()}
            for level in scene.levels
        ],
        extras=extras,
        credit=" ｜ ".join(filter(None, [scene.credit, note])),
    )


def _moved_image(image: dict[str, Any], moved: Any) -> dict[str, Any]:
    corners = np.array([[image["west"], image["south"]], [image["east"], image["north"]]])
    (west, south), (east, north) = moved(corners)
    return {**image, "west": west, "south": south, "east": east, "north": north}
