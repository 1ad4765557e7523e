from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from gridmap import CRSError, InputError
from gridmap.incidents.recurrence import duplicates


def reports(rows: list[tuple[float, float, str]], **more: object) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["x", "y", "time"])
    frame["time"] = pd.to_datetime(frame["time"], format="mixed")
    return frame.assign(category="waste").assign(**more)


def test_links_go_to_the_original_and_do_not_chain() -> None:
    found = duplicates(
        reports(
            [
                (0, 0, "2026-03-01 08:00"),
                (20, 0, "2026-03-01 09:00"),
                (40, 0, "2026-03-01 10:00"),  # near the duplicate, not the original
                (60, 0, "2026-03-02 07:00"),
            ]
        )
    )
    assert found["duplicate_of"].isna().tolist() == [True, False, True, False]
    assert found["duplicate_of"].dropna().tolist() == [0, 2]
    assert found["reports"].tolist() == [2, 2, 2, 2]
    assert found.attrs["method"]["problems"] == 2


def test_limits_belong_to_the_window() -> None:
    rows = [(0, 0, "2026-03-01 08:00"), (30, 0, "2026-03-02 08:00"), (0, 0, "2026-03-02 08:01")]
    found = duplicates(reports(rows))
    assert found["duplicate_of"].notna().tolist() == [False, True, False]
    assert found.loc[1, "distance_m"] == 30 and found.loc[1, "hours"] == 24


def test_kinds_and_sources() -> None:
    rows = [(0, 0, "2026-03-01 08:00")] * 3
    mixed = reports(rows, category=["waste", "road", "waste"], source=["热线", "热线", "热线"])
    assert duplicates(mixed)["duplicate_of"].notna().tolist() == [False, False, True]
    assert duplicates(mixed, same=[])["duplicate_of"].notna().tolist() == [False, True, True]
    across = duplicates(mixed, across_sources=True)
    assert across["duplicate_of"].isna().all()
    mixed["source"] = ["热线", "热线", "巡查"]
    assert duplicates(mixed, across_sources=True)["duplicate_of"].tolist()[2] == 0


def test_the_nearest_original_is_taken_and_labels_are_kept() -> None:
    rows = [(0, 0, "2026-03-01"), (40, 0, "2026-03-01"), (25, 0, "2026-03-01 01:00")]
    frame = reports(rows).set_index(pd.Index(["a", "b", "c"]))
    found = duplicates(frame)
    assert found["duplicate_of"].tolist()[2] == "b"
    assert found.index.equals(frame.index)


def test_the_index_agrees_with_brute_force() -> None:
    rng = np.random.default_rng(0)
    n = 400
    frame = pd.DataFrame(
        {
            "x": rng.uniform(0, 500, n),
            "y": rng.uniform(0, 500, n),
            "time": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.uniform(0, 240, n), unit="h"),
            "category": rng.choice(["a", "b"], n),
        }
    )
    found = duplicates(frame, metres=60, hours=30)["duplicate_of"].to_numpy()
    x, y, kind = (frame[name].to_numpy() for name in ("x", "y", "category"))
    time = frame["time"].to_numpy()
    original = np.zeros(n, bool)
    for one in np.argsort(time):
        apart = np.hypot(x - x[one], y - y[one])
        fits = original & (kind == kind[one]) & (apart <= 60)
        fits &= time[one] - time <= np.timedelta64(30, "h")
        if fits.any():
            assert found[one] == np.argmin(np.where(fits, apart, np.inf))
        else:
            original[one] = True
            assert np.isnan(found[one])
    assert np.isfinite(found).sum() > 50


def test_unusable_reports_are_counted_and_kept() -> None:
    rows = [(0, 0, "2026-03-01"), (np.nan, 0, "2026-03-01"), (0, 0, None)]
    found = duplicates(reports(rows))
    assert len(found) == 3 and found["duplicate_of"].isna().all()
    assert found.attrs["method"]["unusable"] == 2
    assert "2 件无时间或坐标" in found.attrs["method"]["sentence"]["zh"]
    assert duplicates(reports([])).empty


def test_geometry_in_metres_is_taken_and_degrees_are_refused() -> None:
    frame = reports([(500000, 4000000, "2026-03-01"), (500010, 4000000, "2026-03-01")])
    shapes = gpd.GeoDataFrame(
        frame.drop(columns=["x", "y"]),
        geometry=gpd.points_from_xy(frame["x"], frame["y"]),
        crs=4547,
    )
    assert duplicates(shapes)["duplicate_of"].tolist()[1] == 0
    with pytest.raises(CRSError, match="not in metres"):
        duplicates(shapes.to_crs(4326))
    degrees = reports([(116.40, 39.91, "2026-03-01"), (116.41, 39.92, "2026-03-01")])
    with pytest.raises(InputError, match="look like degrees"):
        duplicates(degrees)


def test_bad_input_is_refused() -> None:
    frame = reports([(0, 0, "2026-03-01")])
    with pytest.raises(InputError, match="`metres` is -1"):
        duplicates(frame, metres=-1)
    with pytest.raises(InputError, match="`hours` is inf"):
        duplicates(frame, hours=np.inf)
    with pytest.raises(
        InputError,
        match=r"^No times were recognised in `incidents`; name the column: `time=.COLUMN.`\.$",
    ):
        duplicates(frame.drop(columns="time"))
    with pytest.raises(InputError, match="neither geometry"):
        duplicates(frame.drop(columns="x"))
    with pytest.raises(InputError, match="`same` names 'kind'"):
        duplicates(frame, same=["kind"])
    with pytest.raises(InputError, match="needs a column `source`"):
        duplicates(frame, across_sources=True)
