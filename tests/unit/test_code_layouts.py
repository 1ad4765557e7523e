"""The layouts of codes in the standards' copies: undivided and merged communities."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gridmap.codes import code_pattern, merged_code, number_cells
from gridmap.errors import InputError
from gridmap.operations.rollout import check_codes

TWENTY = code_pattern("object20", object=10101)


def numbered(parents: list[str], scheme: str, **options: object) -> list[str]:
    """Number a row of unit squares."""
    n = len(parents)
    return number_cells(parents, np.arange(n) * 1.0, np.zeros(n), np.ones(n), scheme=scheme,
                        **options)  # type: ignore[arg-type]  # fmt: skip


def test_an_undivided_community_has_00() -> None:
    codes = numbered(["110105001001", "110105001002", "110105001002"], TWENTY)
    assert codes == [
        "01010111010500100100", "01010111010500100201", "01010111010500100202",
    ]  # fmt: skip
    assert numbered(["110105001001"], "cell14") == ["11010500100101"], "in that layout only"


def test_00_is_not_given_twice() -> None:
    used = ["01010111010500100100"]
    assert numbered(["110105001001"], TWENTY, used=used) == ["01010111010500100101"]
    divided = numbered(["110105001001"] * 2, TWENTY, used=used)
    assert divided == ["01010111010500100101", "01010111010500100102"]


def test_a_merged_community_is_numbered_from_601() -> None:
    assert merged_code(["110105001003", "110105001004"], []) == "110105001601"
    for wrong in (["110105001003", "110105002004"], ["Riverside"]):
        with pytest.raises(InputError, match="12 digits of one street"):
            merged_code(wrong, [])
    full = [f"110105001{number}" for number in range(601, 1000)]
    with pytest.raises(InputError, match="no number from 601 left"):
        merged_code(["110105001003"], full)


@pytest.mark.parametrize("scheme", ["cell15", "cell14", TWENTY])
def test_a_scheme_that_does_not_fit_its_parents_is_refused(scheme: str) -> None:
    with pytest.raises(InputError, match="not '7'"):
        numbered(["7"], scheme)


def test_codes_of_others_are_checked_for_00() -> None:
    cells = gpd.GeoDataFrame(
        {"code": ["01010111010500100101", "01010111010500100200", "01010111010500100201"],
         "parent": ["110105001001", "110105001002", "110105001002"]},
        geometry=shapely.box([0, 5, 9], 0, [5, 9, 12], 5), crs=4547,
    )  # fmt: skip
    found = check_codes(cells, TWENTY, order=False)
    assert found[["code", "problem"]].values.tolist() == [
        ["01010111010500100101", "undivided"], ["01010111010500100200", "undivided"],
    ]  # fmt: skip
