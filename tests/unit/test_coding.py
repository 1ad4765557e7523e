"""Code schemes as data, and codes checked against them."""

from __future__ import annotations

import re

import geopandas as gpd
import pytest
import shapely

import gridmap as gm
from gridmap.codes import code_pattern, code_schemes, write_code
from gridmap.errors import InputError
from gridmap.operations.rollout import check_codes

PARENT = "110105001001"


def row(*codes: str, parent: str = PARENT) -> gpd.GeoDataFrame:
    """Lay cells in a row from west to east."""
    left = [10.0 * k for k in range(len(codes))]
    return gpd.GeoDataFrame(
        {"code": codes, "parent": parent},
        geometry=shapely.box(left, 0, [x + 10 for x in left], 10),
        crs=4547,
    )


@pytest.mark.parametrize("name", sorted(code_schemes()))
def test_each_example_follows_its_scheme(name: str) -> None:
    scheme = code_schemes()[name]
    pattern = code_pattern(name, object="010101")
    length = len(write_code("", 1, pattern.replace("{parent}", "")))
    parent = scheme["example"][: -int(re.findall(r":0(\d)d", pattern)[-1])]
    parent = parent[length - int(re.findall(r":0(\d)d", pattern)[-1]) :]
    assert re.fullmatch(scheme["parent"], parent)
    sequence = int(scheme["example"][-int(re.findall(r":0(\d)d", pattern)[-1]) :])
    assert write_code(parent, sequence, pattern) == scheme["example"]


def test_layouts_have_the_digits_they_promise() -> None:
    assert len(code_schemes()["cell15"]["example"]) == 15
    assert len(code_schemes()["object20"]["example"]) == 20


def test_codes_of_a_partition_follow_their_scheme(grid: gm.Grid) -> None:
    assert check_codes(grid.cells).empty


@pytest.mark.parametrize("name", ["cell14", "micro"])
def test_a_scheme_goes_by_its_name_everywhere(name: str) -> None:
    units = gpd.GeoDataFrame(
        {"parent": PARENT, "households": [300] * 4}, geometry=row(*"abcd").geometry, crs=4547
    )
    grid = gm.partition(units, scheme=name)
    assert grid.cells.index.str.len().unique().tolist() == [14]
    assert check_codes(grid.cells, name).empty
    assert not check_codes(grid.cells, "cell15").empty
    assert write_code(PARENT, 1, name) == grid.cells.index.min()
    more = units.assign(households=600)
    assert gm.partition(more, keep=grid).cells.index.str.len().unique().tolist() == [14]


def test_codes_of_parents_without_a_number_follow_the_usual_scheme() -> None:
    assert check_codes(row("Town-001", "Town-002", parent="Town")).empty
    assert check_codes(row("Other-001", parent="Town"))["problem"].tolist() == ["parent"]
    assert check_codes(row("Town-001"))["expected"].tolist() == [f"{PARENT}{{sequence:03d}}"]


def test_each_problem_is_named() -> None:
    codes = (f"{PARENT}001", f"{PARENT}003", f"{PARENT}002", f"{PARENT}x", "990101001001004")
    found = check_codes(row(*codes))
    assert found.groupby("problem")["code"].agg(list).to_dict() == {
        "form": [f"{PARENT}x"],
        "order": [f"{PARENT}003", f"{PARENT}002"],
        "parent": ["990101001001004"],
    }
    assert found.loc[found["problem"] == "order", "expected"].tolist() == [
        f"{PARENT}002",
        f"{PARENT}003",
    ]
    assert "order" not in set(check_codes(row(*codes), order=False)["problem"])
    repeated = check_codes(row(f"{PARENT}001", f"{PARENT}001"), order=False)
    assert repeated["problem"].tolist() == ["repeated"]


def test_unusable_schemes_are_refused() -> None:
    for scheme, options, message in (
        ("nonsense", {}, "no {sequence}"),
        ("object20", {}, "needs `object`"),
        ("object20", {"object": 1234567}, "`object` is 1234567; give 6 digits"),
    ):
        with pytest.raises(InputError, match=re.escape(message)):
            code_pattern(scheme, **options)  # type: ignore[arg-type]
    units = gpd.GeoDataFrame({"households": [300]}, geometry=row("a").geometry, crs=4547)
    for call in (
        lambda name: check_codes(row("1"), name),
        lambda name: gm.partition(units.assign(parent="A"), scheme=name),
        lambda name: write_code("A", 1, name),
    ):
        with pytest.raises(InputError, match="none of extend, cell15, cell14, object20, micro"):
            call("cell16")
    with pytest.raises(InputError, match="`code` and `parent`"):
        check_codes(row("1").drop(columns="parent"))
