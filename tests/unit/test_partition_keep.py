"""Keeping an old grid: nothing moves without need, and codes stand for what they stood for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import gridmap as gm
from gridmap.errors import CRSError, InputError
from gridmap.partitioning.problem import EFFORTS, Wishes
from gridmap.partitioning.rebalance import Old, keep, match
from gridmap.partitioning.report import report
from gridmap.partitioning.solve import solve
from tests.partition_graphs import HIGH, LOW, lattice
from tests.unit.test_partition import row, town

WISHES = Wishes(LOW, HIGH, 450.0, 0, EFFORTS["fast"])
NONE = np.empty(0, np.int64)


def grown(units, factor: float = 2.5, share: float = 0.04, seed: int = 1):
    """Return units of which a few grew."""
    lucky = np.random.default_rng(seed).random(len(units)) < share
    households = np.where(lucky, units["households"] * factor, units["households"])
    return units.assign(households=households.astype(int))


def test_no_change_in_the_data_no_change_in_the_grid() -> None:
    units = town(14, 3)
    units.loc[5, "households"] = 900
    old = gm.partition(units, seed=0)
    new = gm.partition(units, seed=9, keep=old)
    assert new.content_hash == old.content_hash
    assert new.parameters["change"]["unchanged"] == len(old)
    assert new.retired.empty
    assert list(new.exceptions["certificate"]) == list(old.exceptions["certificate"])


def test_a_change_stays_local_and_codes_live_on() -> None:
    units = town(20, 2)
    old = gm.partition(units)
    changed = grown(units)
    new = gm.partition(changed, keep=old)
    change = new.parameters["change"]
    assert new.cells["households"].between(300, 600).all()
    assert change["share_moved"] < 0.12
    assert change["unchanged"] + change["redrawn"] + change["new"] == len(new)
    kept = new.cells.index.intersection(old.cells.index)
    same = new.cells.loc[kept].geometry.geom_equals(old.cells.loc[kept].geometry)
    assert same.sum() == change["unchanged"]
    assert list(new.cells.loc[kept, "name"]) == list(old.cells.loc[kept, "name"])
    fresh = gm.partition(changed, seed=1)
    assert (new.units["code"] != old.units["code"]).sum() < (
        fresh.units["code"] != old.units["code"]
    ).sum()


def test_codes_of_lost_cells_are_retired_and_never_given_again() -> None:
    units = town(10, 1, seed=3)
    old = gm.partition(units)
    fewer = units.assign(households=(units["households"] * 0.6).astype(int))
    new = gm.partition(fewer, keep=old)
    gone = set(old.cells.index) - set(new.cells.index)
    assert gone
    assert set(new.retired["code"]) == gone
    again = gm.partition(units, keep=new)
    assert not gone & set(again.cells.index)
    assert gone <= set(again.retired["code"])


def test_locked_cells_do_not_change() -> None:
    units = town(16, 1)
    old = gm.partition(units)
    lock = old.cells.index[len(old) // 2]
    changed = units.copy()
    inside = (old.units["code"] == lock).to_numpy()
    changed.loc[inside, "households"] = units.loc[inside, "households"] * 3
    new = gm.partition(changed, keep=old, locked=[lock], lang="en")
    assert ((new.units["code"] == lock) == inside).all()
    assert new.exceptions["certificate"].tolist() == ["held"]
    assert "Left as it was on request" in new.exceptions["reason"].iloc[0]
    free = gm.partition(changed, keep=old)
    assert free.exceptions.empty


def test_a_limit_keeps_communities_as_they_were() -> None:
    units = town(20, 4)
    old = gm.partition(units)
    changed = grown(units, share=0.08)
    free = gm.partition(changed, keep=old).parameters["change"]["households_moved"]
    held = gm.partition(changed, keep=old, limit=free // 2)
    assert held.parameters["change"]["households_moved"] <= free // 2
    assert set(held.exceptions["certificate"]) == {"held"}
    none = gm.partition(changed, keep=old, limit=0.0)
    assert none.parameters["change"]["unchanged"] == len(old)


def test_an_adopted_grid_is_brought_into_the_band() -> None:
    units = row(200, 250, 100, 350, 300, 40)
    codes = pd.Series(["x", "x", "x", "x", "y", "z"])
    cells = units.dissolve(codes, aggfunc="sum")[["households", "geometry"]]
    old = gm.adopt(cells.rename_axis("code").reset_index(), units.union_all(), code="code")
    new = gm.partition(units, keep=old)
    assert new.cells["households"].between(300, 600).all()
    assert {"x", "y"} <= set(new.cells.index)
    assert set(new.retired["code"]) == {"z"}


@pytest.mark.parametrize("step", [1, -1, 2, -2])
def test_a_kept_grid_gets_the_number_of_cells_wanted_and_changes_little(step: int) -> None:
    units = town(20, 2, most=110)
    old = gm.partition(units)
    count = old.cells.groupby("parent").size()
    wanted = pd.Series({"001": int(count["001"]) + step})
    new = gm.partition(units, keep=old, cells=wanted)
    made = new.cells.groupby("parent").size()
    assert made["001"] == wanted["001"]
    assert made["002"] == count["002"]
    assert "cells_missed" not in new.parameters
    assert new.cells["households"].between(300, 600).all()
    assert new.parameters["change"]["unchanged"] >= len(old) - 6 * abs(step)
    held = gm.partition(units, keep=old, cells=wanted, limit=0.0)
    assert held.parameters["change"]["unchanged"] == len(old)
    assert held.parameters["cells_missed"] == {
        "001": {"wanted": wanted["001"], "made": count["001"], "proved": False}
    }


def test_new_land_joins_a_cell_or_becomes_one() -> None:
    old = gm.partition(row(200, 250))
    new = gm.partition(row(200, 250, 60, 500), keep=old)
    assert new.cells["households"].between(300, 600).all()
    assert old.cells.index[0] in new.cells.index


def test_what_cannot_be_kept_is_refused() -> None:
    units = row(200, 250)
    old = gm.partition(units)
    with pytest.raises(CRSError, match=r"to `keep` in EPSG:4547; .*subdivide\(…, crs=keep.crs\)"):
        gm.partition(units.to_crs(4548), keep=old)
    with pytest.raises(InputError, match="`locked` names 'Q'"):
        gm.partition(units, keep=old, locked=["Q"])
    with pytest.raises(InputError, match="`move_price` is -1"):
        gm.partition(units, keep=old, move_price=-1)
    with pytest.raises(InputError, match="`limit` is -1"):
        gm.partition(units, keep=old, limit=-1)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(6, 14))
def test_keeping_never_leaves_more_cells_outside_than_there_were(seed: int, side: int) -> None:
    land = lattice(side, seed)
    home = solve(land, WISHES).label
    rng = np.random.default_rng(seed)
    land.households[:] = (land.households * rng.choice([0.1, 1, 1, 1, 2.2], len(land))).astype(int)
    land.load[:] = land.households
    new = keep(land, WISHES, Old(home, NONE))
    assert land.parts(land.bonds() & (new.label[land.i] == new.label[land.j])).max() + 1 == (
        new.cells
    )
    before = np.bincount(home, land.households)
    outside = int(((before < LOW) | (before > HIGH)).sum())
    assert len(new.reasons) <= outside
    assert len(match(new.label, home, land.households)) <= new.cells


def test_cells_of_united_jurisdictions_keep_their_codes_and_it_is_said() -> None:
    units = town(14, 2)
    old = gm.partition(units)
    united = units.assign(parent="601")
    new = gm.partition(united, keep=old)
    assert set(new.cells.index) == set(old.cells.index)
    assert new.former_parents == old.cells["parent"].to_dict()
    code = old.cells.index[0]
    assert new.why(code)["former_parent"] == "001"
    assert old.why(code)["former_parent"] is None
    said = report(new).as_dict()["notes"][-1]
    assert f"{len(old)} cells keep codes of a former jurisdiction" in said["en"]
    assert f"{len(old)} 个网格沿用原辖区的编码" in said["zh"] and code in said["zh"]
    again = gm.partition(united, keep=new)
    assert again.former_parents == new.former_parents
    parted = gm.partition(units, keep=again)
    assert parted.former_parents == {}


def test_days_are_kept_and_new_ones_recorded() -> None:
    units = town(10, 1, seed=3)
    assert "valid_from" not in gm.partition(units).cells
    old = gm.partition(units, on="2024-01-01")
    assert set(old.cells["valid_from"]) == {"2024-01-01"}
    fewer = units.assign(households=(units["households"] * 0.6).astype(int))
    new = gm.partition(fewer, keep=old, on="2026-07-01")
    assert set(new.cells["valid_from"]) == {"2024-01-01"}
    assert len(new.retired)
    assert set(new.retired["valid_from"]) == {"2024-01-01"}
    assert set(new.retired["valid_to"]) == {"2026-07-01"}
    more = units.assign(households=units["households"] * 2)
    back = gm.partition(more, keep=new, on="2027-01-01")
    days = back.cells["valid_from"]
    assert set(days[days.index.isin(old.cells.index)]) == {"2024-01-01"}
    assert set(days[~days.index.isin(old.cells.index)]) == {"2027-01-01"}


def test_approving_what_is_not_there_is_refused() -> None:
    units = row(200, 250)
    with pytest.raises(
        InputError, match=r"`approved` names 'NOPE', which is no jurisdiction .* '001'"
    ):
        gm.partition(units, approved=["NOPE"])
    with pytest.raises(InputError, match="`on` is 'tomorrow'; give a day"):
        gm.partition(units, on="tomorrow")


def test_a_number_of_cells_that_cannot_be_is_told_from_one_not_found() -> None:
    grid = gm.partition(row(250, 100, 250), cells=pd.Series({"001": 2}))
    assert grid.parameters["cells_missed"] == {"001": {"wanted": 2, "made": 1, "proved": True}}
    said = report(grid).as_dict()["notes"][-1]
    assert "proved impossible 1, not found 0 (001: 1 for 2)" in said["en"]
    assert "证明不可能 1 个，未找到 0 个（001：要 2 个，实为 1 个）" in said["zh"]


def test_a_part_with_too_few_households_is_called_a_part() -> None:
    units = row(400, 3)
    units.loc[1, "geometry"] = shapely.transform(units.geometry[1], lambda xy: xy + 5000.0)
    reason = gm.partition(units, exclaves="own", lang="en").exceptions["reason"].iloc[0]
    assert reason == (
        "A part cut off from the rest has only 3 of the 403 households, fewer than 300: too few "
        "for one cell. Place: x 5150, y 5050."
    )
    whole = gm.partition(row(40, 3), lang="en").exceptions["reason"].iloc[0]
    assert whole == "Only 43 households, fewer than 300: too few for one cell."
