"""A year later: what a new plan leaves in place when it is asked to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import shapely

import gridmap as gm
from gridmap.comparison.compare import compare


def units_of(city: Any, buildings: Any) -> Any:
    """Cut a city into units anew."""
    return gm.subdivide(
        city.jurisdictions,
        buildings,
        barriers=city.barriers,
        dedicated=city.dedicated,
        levels=["district", "street", "community"],
        code="code",
    )


@pytest.fixture(scope="module")
def year() -> dict[str, Any]:
    """Let 2 % of the buildings of a town double, and plan it three times."""
    city = gm.example_city(seed=0, size="town")
    rng = np.random.default_rng(0)
    later = city.buildings.copy()
    later["households"] *= np.where(rng.random(len(later)) < 0.02, 2, 1)
    before = units_of(city, city.buildings)
    old = gm.partition(before, seed=0)
    lock = str(old.cells.index[100])
    after = units_of(city, later)
    return {
        "old": old,
        "kept": gm.partition(after, keep=old, locked=[lock], seed=0),
        "fresh": gm.partition(after, seed=1),
        "buildings": later,
        "lock": lock,
    }


def test_most_households_stay_in_their_cell(year: dict[str, Any]) -> None:
    kept = compare(year["old"], year["kept"], buildings=year["buildings"])
    fresh = compare(year["old"], year["fresh"], buildings=year["buildings"])
    assert kept.kept_share >= 0.95
    assert 1 - kept.kept_share <= (1 - fresh.kept_share) / 2


def test_codes_of_unchanged_cells_live_on(year: dict[str, Any]) -> None:
    found = compare(year["old"], year["kept"], buildings=year["buildings"])
    assert found.counts()["recoded"] == 0
    assert found.counts()["unchanged"] > 0
    assert found.households_moved <= 0.05 * found.households
    gone = set(found.cells.index[found.cells["status"] == "retired"])
    assert gone <= set(year["kept"].retired["code"])


def test_a_locked_cell_keeps_every_coordinate(year: dict[str, Any]) -> None:
    old, new = (year[name].cells.geometry[year["lock"]] for name in ("old", "kept"))
    assert shapely.equals_identical(shapely.normalize(old), shapely.normalize(new))
