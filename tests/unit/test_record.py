"""The record hash: JSON and coordinates, made by columns."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gridmap.io.record import WKB, record_of
from gridmap.io.record import _plain_points as plain_points
from gridmap.io.record import _texts as as_json

WORDS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
PLACES = st.lists(st.tuples(st.floats(-1e7, 1e7), st.floats(-1e7, 1e7)), min_size=1, max_size=9)


@given(st.lists(WORDS))
def test_a_column_is_told_as_json_tells_it(words: list[str | None]):
    """Whatever is in it: marks, breaks, nothing; and in whatever type a file keeps it."""
    told = json.dumps(words, ensure_ascii=False).encode()
    for kind in ("str", object, pd.StringDtype("python"), pd.StringDtype("pyarrow")):
        assert as_json(pd.Series(words, dtype=kind)) == told
    column = pd.Series(words, dtype="str")
    assert (
        as_json(pd.concat([column, column])) == json.dumps(words * 2, ensure_ascii=False).encode()
    )


@given(st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_numbers_are_told_as_texts(numbers: list[int]):
    told = json.dumps([str(number) for number in numbers]).encode()
    assert as_json(pd.Series(numbers, dtype="int64")) == told
    assert as_json(pd.Series(numbers, dtype=object)) == told


@given(PLACES)
def test_packed_points_have_the_hash_of_points(places: list[tuple[float, float]]):
    points = gpd.GeoDataFrame(
        {"name": "a"}, geometry=shapely.points(places), index=range(len(places))
    )
    packed = pd.DataFrame({"name": "a", WKB: shapely.to_wkb(points.geometry.to_numpy())})
    assert np.array_equal(plain_points(packed[WKB].to_numpy()), np.array(places))
    assert record_of({"buildings": packed}, {}) == record_of({"buildings": points}, {})


@pytest.mark.parametrize(
    "shape",
    [
        None,
        "POINT EMPTY",
        "POINT Z (1 2 3)",
        "LINESTRING (0 0, 1 1)",
        "POLYGON ((0 0, 1 0, 1 1, 0 0))",
    ],
)
def test_what_is_no_plain_point_is_unpacked(shape: str | None):
    shapes = np.array([shapely.Point(1, 2), shapely.from_wkt(shape)], dtype=object)
    packed = pd.DataFrame({WKB: shapely.to_wkb(shapes)})
    assert plain_points(packed[WKB].to_numpy()) is None
    kept = gpd.GeoDataFrame(geometry=shapes)
    assert record_of({"buildings": packed}, {}) == record_of({"buildings": kept}, {})
