"""The exact orientation against rational arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from gridmap.coverage.edges import _by_fractions, orientation


def _cases(seed: int) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    a = random.uniform(4e5, 6e5, (2, 400))
    b = a + random.uniform(-100, 100, a.shape)
    share = random.uniform(0, 1, 400)
    near = a + (b - a) * share
    return a, b, near


@pytest.mark.parametrize("scale", [1.0, 1e-6, 2.0**40, 1e-150, 1e150])
def test_agrees_with_fractions_close_to_the_line(scale: float):
    a, b, p = (v * scale for v in _cases(3))
    expected = [_by_fractions(*map(float, row)) for row in zip(*a, *b, *p, strict=True)]
    assert orientation(*a, *b, *p).tolist() == expected


def test_points_on_the_line_are_on_it():
    a, b, _ = _cases(4)
    a, b = np.round(a * 64) / 64, np.round(b * 64) / 64
    assert not orientation(*a, *b, *((a + b) / 2)).any()
    assert not orientation(*a, *b, *a).any()


def test_shapes_are_broadcast():
    sides = orientation(0, 0, 1, 0, [[0, 1], [2, 3]], [[1, -1], [0, 1]])
    assert sides.tolist() == [[1, -1], [0, 1]]
    assert sides.dtype == np.int8
