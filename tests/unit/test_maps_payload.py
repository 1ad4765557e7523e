"""The payload of shared arcs: what was packed comes back, rounded, and still without gaps."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridmap.maps.payload import packed, payload, rice, web_mercator
from gridmap.maps.scene import front_coded, one_text
from tests.coverages import mosaic, moved


def unpacked(packed: dict[str, Any]) -> list[Any]:
    """Undo a payload as the browser does: a list of rings for each cell."""

    def numbers(text: str) -> list[int]:
        values, value, shift = [], 0, 0
        for byte in base64.b64decode(text):
            value |= (byte & 127) << shift
            shift += 7
            if not byte & 128:
                values.append(value)
                value = shift = 0
        return values

    def signed(values: list[int]) -> Any:
        return np.cumsum(
            np.array([(v >> 1) ^ -(v & 1) for v in values], np.int64).reshape(-1, 2), axis=0
        )

    lengths, steps, rings, sizes, uses = map(numbers, packed["parts"])
    xy = signed(steps) * packed["quantum"] + packed["origin"]
    start = np.concatenate([[0], np.cumsum(lengths)])
    used = np.cumsum([(v >> 1) ^ -(v & 1) for v in uses])
    cells, ring, at = [], 0, 0
    for count in rings:
        cell = []
        for _ in range(count):
            arcs = used[at : at + sizes[ring]]
            at, ring = at + sizes[ring], ring + 1
            pieces = [xy[start[a >> 1] : start[(a >> 1) + 1]] for a in arcs]
            pieces = [p[::-1] if a & 1 else p for p, a in zip(pieces, arcs, strict=True)]
            assert all(
                (p[-1] == q[0]).all() for p, q in zip(pieces, [*pieces[1:], pieces[0]], strict=True)
            )
            cell.append(np.vstack([p[:-1] for p in pieces]))
        cells.append(cell)
    return cells


def area(rings: list[Any]) -> float:
    """Return the signed area of rings, holes counted against their shell."""
    total = 0.0
    for xy in rings:
        following = np.roll(xy, -1, axis=0)
        total += (xy[:, 0] * following[:, 1] - xy[:, 1] * following[:, 0]).sum() / 2
    return float(total)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 20))
def test_a_coverage_comes_back_vertex_by_vertex(seed: int, cells: int) -> None:
    shapes = moved(mosaic(seed, cells), 1.0, 1_000_000.0, 4_000_000.0)
    back = unpacked(payload(shapes, quantum=1.0))
    for shape, rings in zip(shapes, back, strict=True):
        assert sum(map(len, rings)) == shapely.get_num_coordinates(shape) - len(rings)
        assert area(rings) == pytest.approx(shapely.area(shape), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 40))
@example(5906, 22.0)  # a ring that turns back where another goes on
def test_however_coarse_the_rounding_every_border_stays_shared(seed: int, quantum: float) -> None:
    """Directed edges of all cells cancel to the outline: no place inside can be left unpainted."""
    shapes = moved(mosaic(seed, 12), 9.7, 3.3, 1.1)
    back = unpacked(payload(shapes, quantum=quantum))
    outline = unpacked(payload([shapely.coverage_union_all(shapes)], quantum=quantum))
    edges: dict[Any, int] = {}
    for sign, rings in [(1, ring) for cell in back for ring in cell] + [
        (-1, ring) for ring in outline[0]
    ]:
        loop = [tuple(p) for p in rings]
        for a, b in zip(loop, [*loop[1:], loop[0]], strict=True):
            edges[(a, b)] = edges.get((a, b), 0) + sign
    assert all(count - edges.get((b, a), 0) == 0 for (a, b), count in edges.items() if a != b)


def test_a_border_is_sent_once() -> None:
    two = payload(shapely.box([0, 10], 0, [10, 20], 10), quantum=1.0)
    apart = payload(shapely.box([0, 11], 0, [10, 21], 10), quantum=1.0)
    assert two["arcs"] == 3 and apart["arcs"] == 2


def test_holes_islands_and_parts_come_back() -> None:
    ring = shapely.box(0, 0, 30, 30) - shapely.box(10, 10, 20, 20)
    island = shapely.box(10, 10, 20, 20)
    parts = shapely.MultiPolygon([shapely.box(30, 0, 40, 10), shapely.box(50, 0, 60, 10)])
    back = unpacked(payload([ring, island, parts], quantum=1.0))
    assert [len(cell) for cell in back] == [2, 1, 2]
    assert [area(cell) for cell in back] == [800, 100, 200]


def test_empty_shapes_and_cells_below_the_rounding_are_no_error() -> None:
    speck = shapely.box(5, 5, 5.1, 5.1)
    back = unpacked(payload([shapely.Polygon(), speck, shapely.box(0, 0, 9, 9)], quantum=1.0))
    assert [len(cell) for cell in back] == [0, 0, 1]
    assert payload([], quantum=1.0)["arcs"] == 0


def test_moving_to_mercator_keeps_shared_vertices_shared() -> None:
    shapes = web_mercator(moved(mosaic(3), 13.7, 462_000, 3_385_000), 4547)
    assert shapely.coverage_is_valid(shapes)


@given(st.lists(st.text("abc社01", max_size=50), max_size=12))
def test_front_coding_is_undone_by_its_reverse(texts: list[str]) -> None:
    before, back = "", []
    for coded in front_coded(texts):
        before = before[: int(coded[0], 36)] + coded[1:]
        back.append(before)
    assert back == texts


@settings(max_examples=300)
@given(
    st.lists(st.one_of(st.none(), st.integers(-(10**7), 10**7), st.sampled_from([0, 1, 1, 1]))),
    st.integers(0, 3),
)
def test_packed_numbers_come_back(whole: list[int | None], digits: int) -> None:
    given_ = [None if one is None else one / 10**digits for one in whole]
    sent = packed(given_, digits)
    if isinstance(sent, list):
        assert sent == given_ and not any(one is not None for one in whole)
        return
    bytes_ = list(base64.b64decode(sent.get("each", sent.get("runs"))))
    values: list[int] = []
    for _, group in itertools.groupby(
        zip(bytes_, itertools.accumulate([0, *(b < 128 for b in bytes_[:-1])]), strict=True),
        key=lambda pair: pair[1],
    ):
        values.append(sum((b & 127) << 7 * k for k, (b, _) in enumerate(group)))
    if "runs" in sent:
        pairs = zip(values[::2], values[1::2], strict=True)
        values = [value for value, length in pairs for _ in range(length)]
    back = [None if v == 0 else ((v - 1) >> 1) ^ -((v - 1) & 1) for v in values]
    assert back == whole


@settings(max_examples=300)
@given(st.lists(st.integers(0, 5000), max_size=200))
def test_rising_numbers_come_back_from_their_gaps(gaps: list[int]) -> None:
    rising = list(itertools.accumulate(gaps))
    sent = rice(np.array(rising, np.int64))
    sheet = "".join(f"{byte:08b}"[::-1] for byte in base64.b64decode(sent["text"]))
    back, at, last = [], 0, 0
    for _ in range(sent["count"]):
        one = sheet.index("1", at)
        low = sheet[one + 1 : one + 1 + sent["bits"]][::-1]
        last += ((one - at) << sent["bits"]) + (int(low, 2) if low else 0)
        back.append(last)
        at = one + 1 + sent["bits"]
    assert back == rising


def test_texts_with_a_bar_are_kept_apart() -> None:
    assert one_text(["0a", "1b"]) == "0a|1b"
    assert one_text(["0a|b", "1b"]) == ["0a|b", "1b"]
    assert one_text([]) == []
