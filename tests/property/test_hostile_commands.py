"""Commands on layers that nobody would draw end with a verdict or a reason, never with a bug."""

from __future__ import annotations

import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.coverage.snapping import _moved
from gridmap.io.inputs import counts_as_typed
from tests import hostile

CASES, TASKS = 48, 2


@pytest.mark.parametrize("task", range(TASKS))
def test_no_command_ends_with_a_bug_or_a_warning(task: int, tmp_path: Path):
    codes: Counter[int] = Counter()
    for seed in range(task, CASES, TASKS):
        made = hostile.files(seed, tmp_path)
        command = hostile.command(seed, made, tmp_path)
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            result = CliRunner().invoke(main, ["--lang", "en", *command])
        codes[result.exit_code] += 1
        told = f"{seed}: {command}\n{result.output[-2000:]}"
        assert result.exit_code in (0, 1, 2), told
        assert "Traceback" not in result.output, told
        loud = [
            w for w in heard if not issubclass(w.category, (ResourceWarning, DeprecationWarning))
        ]
        assert not loud, f"{told}\n{loud[0].message}"
        if result.exit_code == 2:
            left = [path for path in tmp_path.glob(f"out{seed}*") if path.suffix == ".gpkg"]
            assert not left or "validate" in command, told
    assert len(codes) > 1  # the doors do not refuse them all


@pytest.mark.parametrize("kind", ["string", "str", "object"])
def test_counts_that_are_blank_or_text_stay_as_they_are(kind: str):
    texts = pd.Series(["", "x", "300", None], dtype=kind)
    assert counts_as_typed(texts) is texts


def test_a_hole_whose_corners_become_one_stays():
    corners = [(5.0, 5.0), (5.0, 5.1), (5.1, 5.0)]
    shape = shapely.Polygon(shapely.box(0, 0, 10, 10).exterior, [corners])
    assert _moved(shape, dict.fromkeys(corners, corners[0])) is shape
    assert _moved(shape, {corners[1]: (5.0, 5.2)}).area < shape.area


@pytest.mark.parametrize(("crs", "home"), [(4526, 5e5), (4547, 5e8), (3857, 1e12)])
def test_a_map_of_what_lies_nowhere_is_refused(crs: int, home: float, tmp_path: Path):
    cells = gpd.GeoDataFrame(geometry=[shapely.box(home, 4e6, home + 9, 4e6 + 9)], crs=crs)
    found = gm.validate(cells, shapely.box(home, 4e6, home + 20, 4e6 + 9))
    assert found.attrs["verdict"] == "failed"
    with pytest.raises(gm.InputError, match="lies nowhere on a map"):
        gm.defect_map(cells, found)


@pytest.mark.parametrize("crs", [3857, 4547])
@pytest.mark.parametrize("size", [1e-308, 1e-162, 1e50, 1e99])
@pytest.mark.filterwarnings("error")
def test_an_outline_of_any_size_is_derived_without_a_warning(crs: int, size: float):
    corners = np.array([0.0, 1, 2])
    cells = gpd.GeoSeries(shapely.box(corners * size, 0, (corners + 1) * size, size), crs=crs)
    with suppress(gm.InputError):
        assert gm.validate(cells, "outline").attrs["verdict"] in ("exact", "failed")
