"""Addresses of tiles: XYZ and WMTS, understood or refused with a cure."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

import gridmap as gm
from gridmap.maps.basemap import tiles_at
from gridmap.maps.offline import with_policy

TIANDITU = "https://t{s}.tianditu.gov.cn/vec_w/wmts"
FILLED = "?SERVICE=WMTS&REQUEST=GetTile&VERSION=1.0.0&LAYER=vec&STYLE=default&TILEMATRIXSET=w"


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://h/{z}/{x}/{y}.png", "https://h/{z}/{x}/{y}.png"),
        ("https://h/{z}/{x}/{-y}.png", "https://h/{z}/{x}/{-y}.png"),
        (
            "https://h/WMTS/a/default/g/{TileMatrix}/{TileRow}/{TileCol}.jpeg",
            "https://h/WMTS/a/default/g/{z}/{y}/{x}.jpeg",
        ),
        (
            "https://h/a/EPSG:3857:{tilematrix}/{TILEROW}/{TileCol}",
            "https://h/a/EPSG:3857:{z}/{y}/{x}",
        ),
        (
            f"{TIANDITU}{FILLED}&FORMAT=tiles&TILEMATRIX={{z}}&TILEROW={{y}}&TILECOL={{x}}&tk=k",
            f"{TIANDITU}{FILLED}&FORMAT=tiles&TILEMATRIX={{z}}&TILEROW={{y}}&TILECOL={{x}}&tk=k",
        ),
        (
            f"{TIANDITU}?service=WMTS&layer=vec&tilematrixset=w&tk=k",
            f"{TIANDITU}?service=WMTS&layer=vec&tilematrixset=w&tk=k&request=GetTile"
            "&version=1.0.0&style=default&format=tiles&tilematrix={z}&tilerow={y}&tilecol={x}",
        ),
        (
            "https://h/gwc?Service=wmts&Layer=a&TileMatrixSet=EPSG:900913&Format=image/jpeg",
            "https://h/gwc?Service=wmts&Layer=a&TileMatrixSet=EPSG:900913&Format=image/jpeg"
            "&request=GetTile&version=1.0.0&style=default&tilematrix=EPSG:900913:{z}"
            "&tilerow={y}&tilecol={x}",
        ),
        (
            "http://t0.tianditu.gov.cn/DataServer?T=vec_w&x={x}&y={y}&l={z}&tk=k",
            "http://t0.tianditu.gov.cn/DataServer?T=vec_w&x={x}&y={y}&l={z}&tk=k",
        ),
    ],
)
def test_an_address_becomes_what_leaflet_fills(address: str, url: str) -> None:
    assert tiles_at(address, "wgs84").url == url


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("https://h/tiles", r"has no \{z\}.*Give XYZ tiles"),
        ("https://h/{z}/{x}", r"has no \{y\}"),
        ("https://h/{z}/{x}/{y}?tk={tk}", r"leaves \{tk\} open"),
        ("https://h/{TileMatrixSet}/{TileMatrix}/{TileRow}/{TileCol}", "TileMatrixSet.*open"),
        ("https://h/wmts?service=WMTS", "no layer and no tilematrixset.*&layer="),
        (
            "https://h/wmts?service=WMTS&layer=a&tilematrixset=w&request=GetCapabilities",
            "request=GetTile",
        ),
        ("https://h/wmts?service=WMTS&layer=a&tilematrixset=EPSG:4490", "Web Mercator"),
        (f"{TIANDITU.replace('_w', '_c')}/{{z}}/{{x}}/{{y}}", "ending in _w"),
        ("http://t0.tianditu.gov.cn/DataServer?T=vec_c&x={x}&y={y}&l={z}", "ending in _w"),
        ("https://webrd0{s}.is.autonavi.com/a?x={x}&y={y}&z={z}", "Add basemap_datum='gcj02'"),
        ("https://maponline0.bdimg.com/tile/?x={x}&y={y}&z={z}", "grid of their own"),
    ],
)
def test_tiles_that_would_lie_wrong_or_never_come_are_refused(address: str, complaint: str) -> None:
    with pytest.raises(gm.InputError, match=complaint):
        tiles_at(address, "wgs84")


def test_each_server_of_a_template_is_allowed_by_name() -> None:
    tiles = tiles_at(f"{TIANDITU}?service=WMTS&layer=vec&tilematrixset=w&tk=k", "wgs84")
    assert tiles.servers == "01234567" and tiles.host == "t0.tianditu.gov.cn"
    policy = with_policy("<html><head></head><body></body></html>", tiles)
    for server in tiles.servers:
        assert f" https://t{server}.tianditu.gov.cn" in policy
    assert "*" not in policy and "{s}" not in policy


def test_the_host_is_credited_without_a_password() -> None:
    assert tiles_at("https://me:secret@h/{z}/{x}/{y}", "wgs84").host == "h"


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_marks_and_old_borders_move_with_the_cells(grid: gm.Grid, datum: str) -> None:
    tiles = "https://tile.example.org/{z}/{x}/{y}.png"
    broken = grid.cells.drop(grid.cells.index[20]).reset_index()
    found = gm.validate(broken, grid.boundary)
    under = {"basemap": tiles, "basemap_datum": datum}
    first, second = next(iter(grid.contiguity.edges))
    joined = grid.cells.reset_index().replace({"code": {second: first}})
    other = gm.adopt(joined.dissolve("code").reset_index()[["code", "geometry"]], grid.boundary)
    maps = [
        (
            gm.defect_map(broken, found, grid.boundary),
            gm.defect_map(broken, found, grid.boundary, **under),
        ),
        (gm.compare_map(grid, other), gm.compare_map(grid, other, **under)),
    ]
    for still, moved in maps:
        before, after = (room_of(shown) for shown in (still, moved))
        shift = offset(after.shapes, before.shapes)
        assert 300 < np.hypot(*shift) < 2000
        assert np.allclose(offset(after.old.shapes, before.old.shapes), shift, atol=5)
        if before.marks is not None:
            assert np.allclose(offset(after.marks.shapes, before.marks.shapes), shift, atol=5)
            ringed = np.array(after.marks.xy) - np.array(before.marks.xy)
            assert np.allclose(ringed[:, :2], shift, atol=5) and (ringed[:, 2] == 0).all()


def room_of(shown: Any) -> Any:
    """Return the scene of a map."""
    return next(child.scene for child in shown._children.values() if hasattr(child, "scene"))


def offset(after: Any, before: Any) -> Any:
    """Return the mean way that shapes went."""
    return (shapely.get_coordinates(after) - shapely.get_coordinates(before)).mean(axis=0)
