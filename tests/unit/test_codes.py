"""Codes extend their parents', are unique, and never come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmap.codes import cell_name, chinese_number, number_cells, reading_order, sequence_of
from gridmap.errors import InputError

parents = st.sampled_from(["1", "11", "110105001", "Riverside", "东福民社区", "A1"])


@given(st.lists(parents, min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_codes_are_unique_and_extend_their_parents(owners, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, len(owners))) * 100
    codes = number_cells(owners, x, y, np.ones(len(owners)))
    assert len(set(codes)) == len(codes)
    assert all(code.startswith(owner) for code, owner in zip(codes, owners, strict=True))


@given(st.lists(parents, min_size=2, max_size=40), st.data())
def test_kept_codes_stay_and_used_ones_never_return(owners, data):
    spots = np.arange(len(owners), dtype=float)
    first = number_cells(owners, spots, spots, np.ones(len(owners)))
    held = data.draw(st.sets(st.sampled_from(range(len(owners)))))
    again = number_cells(
        owners,
        spots,
        spots,
        np.ones(len(owners)),
        kept={position: first[position] for position in held},
        used=first,
    )
    assert all(again[position] == first[position] for position in held)
    new = {code for position, code in enumerate(again) if position not in held}
    assert not new & set(first)


def test_parents_of_other_lengths_never_meet():
    owners = ["1"] * 1001 + ["11"] * 2
    spots = np.arange(len(owners), dtype=float)
    codes = number_cells(owners, spots, spots * 0, np.ones(len(owners)))
    assert len(set(codes)) == len(codes)
    more = number_cells(["11"], np.zeros(1), np.zeros(1), np.ones(1), used=["11001", "1001"])
    assert more == ["11002"]


@given(st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_reading_order_goes_north_to_south_then_west_to_east(count, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.random((2, count)) * 1000
    order = reading_order(x, y, np.full(count, 40_000.0))
    band = np.floor((y.max() - y) / 200.0)[order]
    assert sorted(order) == list(range(count))
    assert (np.diff(band) >= 0).all()
    assert (np.diff(x[order])[np.diff(band) == 0] >= 0).all()


def test_a_pattern_of_the_user_is_followed():
    codes = number_cells(
        ["330102001"], np.zeros(1), np.zeros(1), np.ones(1), scheme="W-{parent}-{sequence:02d}"
    )
    assert codes == ["W-330102001-01"]


def test_a_scheme_without_sequence_is_refused():
    with pytest.raises(InputError, match="no \\{sequence\\}"):
        number_cells(["1"], np.zeros(1), np.zeros(1), np.ones(1), scheme="{parent}")


def test_a_scheme_without_parent_cannot_tell_two_parents_apart():
    with pytest.raises(InputError, match="two cells the same code"):
        number_cells(["1", "2"], np.zeros(2), np.zeros(2), np.ones(2), scheme="{sequence:03d}")


def test_two_cells_cannot_keep_one_code():
    with pytest.raises(InputError, match="same code"):
        number_cells(["1"] * 2, np.zeros(2), np.zeros(2), np.ones(2), kept={0: "1001", 1: "1001"})


@given(st.integers(1, 9999))
def test_chinese_numbers_can_be_read_back(number):
    assert _read(chinese_number(number)) == number


def _read(text: str) -> int:
    total, digit = 0, 0
    for sign in text.replace("零", ""):
        if sign in "十百千":
            total += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[sign]
            digit = 0
        else:
            digit = "一二三四五六七八九".index(sign) + 1
    return total + digit


def test_names_and_sequences_agree():
    assert (
        cell_name("东福民社区", sequence_of("110105001012", "110105001")) == "东福民社区第十二网格"
    )
    assert sequence_of("110105001", "110105001") == 0
