"""The coverage index: its rule, its files, what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from gridmap.coverage.edges import paired_edges
from gridmap.coverage.point_index import BOUNDARY, INSIDE, OUTSIDE, RIM, CoverageIndex, build_raster
from gridmap.errors import CoverageError
from gridmap.grid import locator
from tests.coverages import awkward_points, mosaic

SQUARES = shapely.box([0, 5, 0, 5], [0, 0, 5, 5], [5, 10, 5, 10], [5, 5, 10, 10])


def test_an_edge_point_goes_east_and_a_level_one_north() -> None:
    """The rule of p + (δ, δ²), corners included."""
    cell, place = CoverageIndex(SQUARES).relate([5.0, 2.0, 5.0, 5.0], [2.0, 5.0, 5.0, 8.0])
    assert cell.tolist() == [2, 3, 4, 4]
    assert place.tolist() == [BOUNDARY] * 4


def test_the_rim_belongs_to_the_touching_cell() -> None:
    """Where the rule leads outside, the lowest label of the touching cells decides."""
    index = CoverageIndex(SQUARES, labels=["d", "c", "b", "a"])
    cell, place = index.relate([10.0, 10.0, 5.0, 0.0, 10.0], [2.0, 5.0, 10.0, 0.0, 10.0])
    assert cell.tolist() == [2, 4, 4, 1, 4]
    assert place.tolist() == [RIM] * 5


def test_a_lake_is_outside_and_its_shore_is_rim() -> None:
    """Holes of the coverage are no cell's."""
    ring = shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 6, 6))
    cell, place = CoverageIndex([ring]).relate([4.0, 3.0, 6.0, 1.0], [4.0, 4.0, 4.0, 1.0])
    assert cell.tolist() == [0, 1, 1, 1]
    assert place.tolist() == [OUTSIDE, RIM, RIM, INSIDE]


def test_what_is_not_finite_or_far_away_is_outside() -> None:
    """NaN, infinities and any magnitude come back as 0, without a warning."""
    x = np.array([np.nan, np.inf, -np.inf, 1e300, -1e300, 5.0, 0.0])
    assert CoverageIndex(SQUARES).locate(x, x[::-1]).tolist() == [0] * 7
    assert CoverageIndex(SQUARES).locate([], []).tolist() == []


def test_overlapping_polygons_are_refused() -> None:
    """Two polygons on one side of an edge are no coverage."""
    with pytest.raises(CoverageError, match=r"at 0 and 1 overlap.*edge at \(0, 0\)"):
        CoverageIndex(shapely.box([0, 0], 0, [5, 5], 5))
    with pytest.raises(CoverageError, match="no edges"):
        CoverageIndex([shapely.Polygon()])


def test_row_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Built in many bands or in one, the raster is the same."""
    sides = paired_edges(mosaic(3))
    whole, order = build_raster(sides)
    monkeypatch.setattr("gridmap.coverage.point_index._BAND", 50)
    banded, same = build_raster(sides)
    assert all(map(np.array_equal, order, same))
    x, y = awkward_points(mosaic(3), 1, 2000)
    index = CoverageIndex(mosaic(3))
    assert len(banded.starts) == len(whole.starts)
    assert np.array_equal(np.sort(banded.entries), np.sort(whole.entries))
    monkeypatch.undo()
    assert np.array_equal(index.locate(x, y), CoverageIndex(mosaic(3)).locate(x, y))


def test_pixels_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pixel that would fill the memory is taken larger; the answers stay."""
    monkeypatch.setattr("gridmap.coverage.point_index._MOST_PIXELS", 1 << 12)
    index = CoverageIndex(SQUARES, pixel=1e-9)
    assert len(index.to_arrays()["cells"]) < 5000
    assert index.locate([1.0, 5.0], [1.0, 5.0]).tolist() == [1, 4]


def test_a_level_of_ulps_is_enough() -> None:
    """Cells hardly larger than the spacing of their coordinates are told apart."""
    step = np.spacing(3.4e6)
    west, south = 500_000.0, 3.4e6
    cells = shapely.box(
        west + step * np.arange(4), south, west + step * np.arange(1, 5), south + step
    )
    cell = CoverageIndex(cells).locate(west + step * np.arange(-1, 6), np.full(7, south))
    assert cell.tolist() == [0, 1, 2, 3, 4, 4, 0]


class TestCache:
    """Indexes on disk."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Keep every index, in a folder of this test."""
        monkeypatch.setenv("GRIDMAP_CACHE", str(tmp_path / "kept"))
        monkeypatch.setattr(locator, "_WORTHWHILE", 0)
        return tmp_path / "kept"

    def test_an_index_is_built_once(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second time it is read, and answers the same."""
        cells = mosaic(5)
        codes = [f"{k:02d}" for k in range(len(cells))]
        x, y = awkward_points(cells, 5, 500)
        assert not locator.is_cached(cells, codes)
        first = locator.cached_index(cells, codes).relate(x, y)
        assert locator.is_cached(cells, codes)
        monkeypatch.setattr(locator, "CoverageIndex", _unbuildable())
        again = locator.cached_index(cells, codes).relate(x, y)
        assert all(map(np.array_equal, first, again))

    def test_other_labels_are_another_index(self, folder: Path) -> None:
        """The order of codes decides ties, so it is part of the name."""
        cells = mosaic(5)
        locator.cached_index(cells, [f"{k:02d}" for k in range(len(cells))])
        assert not locator.is_cached(cells, [f"{99 - k:02d}" for k in range(len(cells))])

    def test_a_damaged_file_is_built_again(self, folder: Path) -> None:
        """A truncated file is no failure."""
        cells = mosaic(5)
        codes = [f"{k:02d}" for k in range(len(cells))]
        locator.cached_index(cells, codes)
        (file,) = folder.glob("index-*.npz")
        file.write_bytes(file.read_bytes()[:200])
        assert len(locator.cached_index(cells, codes)) == len(cells)
        assert file.stat().st_size > 200

    def test_old_files_make_room(self, folder: Path) -> None:
        """No more than eight are kept."""
        for seed in range(10):
            cells = mosaic(seed)
            locator.cached_index(cells, [f"{k:02d}" for k in range(len(cells))])
        assert len(list(folder.glob("*"))) == 8

    def test_a_folder_that_cannot_be_made_is_passed_over(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file stands in the way; the index is built all the same."""
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("GRIDMAP_CACHE", str(tmp_path / "file" / "kept"))
        monkeypatch.setattr(locator, "_WORTHWHILE", 0)
        assert len(locator.cached_index(SQUARES, list("abcd"))) == 4

    def test_it_can_be_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """GRIDMAP_CACHE=off keeps nothing."""
        monkeypatch.setenv("GRIDMAP_CACHE", "off")
        monkeypatch.setattr(locator, "_WORTHWHILE", 0)
        assert locator.cache_folder() is None
        assert not locator.is_cached(SQUARES, list("abcd"))


def _unbuildable() -> type[CoverageIndex]:
    class Unbuildable(CoverageIndex):
        def __init__(self, *_: object) -> None:
            raise AssertionError("built again")

    return Unbuildable
