"""Counts: dense, sorted, zeros included, nothing lost."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm
from gridmap.errors import InputError, UnassignedWarning
from gridmap.incidents.tally import tally


@pytest.fixture(scope="module")
def row() -> gm.Grid:
    """Three cells in two streets, codes not in the order of the rows."""
    cells = gpd.GeoDataFrame(
        {"code": ["c", "a", "b"], "street": ["东街", "西街", "东街"]},
        geometry=shapely.box([0, 5, 10], 0, [5, 10, 15], 5),
        crs=4547,
    )
    return gm.adopt(cells, cells.union_all("coverage"), code="code", levels=["street"])


def placed(**columns: object) -> pd.DataFrame:
    """Return five incidents, the last two in no cell."""
    return pd.DataFrame({"code": ["b", "b", "c", None, None], **columns})


def test_every_cell_is_counted(row: gm.Grid) -> None:
    """Zeros included, sorted by code; categoricals count as text does."""
    table = tally(placed(), row)
    assert table["incidents"].to_dict() == {"a": 0, "b": 2, "c": 1}
    assert table.index.name == "code"
    assert table["incidents"].dtype == np.int64
    assert table.attrs == {"read": 5, "counted": 3, "unassigned": 2, "undated": 0}
    as_category = placed().astype({"code": pd.CategoricalDtype(["c", "b", "a"])})
    pd.testing.assert_frame_equal(tally(as_category, row), table)


def test_every_combination_is_counted(row: gm.Grid) -> None:
    """Dense over all axes; the sum is what was counted; missing text is its own group."""
    data = placed(category=["路", None, "车", "路", "树"], source=["x", "y", "x", "x", "x"])
    table = tally(data, row, by=["category", "source"])
    assert table.index.names == ["code", "category", "source"]
    assert len(table) == 3 * 4 * 2
    assert table.index.is_monotonic_increasing
    assert table["incidents"].sum() == 3
    assert table.loc[("b", "", "y"), "incidents"] == 1
    assert table.loc[("a", "树", "x"), "incidents"] == 0


@pytest.mark.parametrize(
    ("by", "first", "many"),
    [("day", "2024-01-30", 34), ("week", "2024-01-29/2024-02-04", 5), ("month", "2024-01", 3)],
)
def test_periods_have_no_holes(row: gm.Grid, by: str, first: str, many: int) -> None:
    """Days, weeks and months run on from the first to the last."""
    days = [
        "2024-01-30 08:00",
        "2024-03-03 09:00",
        "2024-01-30 23:59:59",
        "2024-02-01",
        "2024-02-02",
    ]
    for times in (
        days,
        pd.to_datetime(days, format="mixed"),
        pd.to_datetime(days, format="mixed", utc=True),
    ):
        table = tally(placed(time=times), row, by=by)
        periods = table.index.get_level_values(by).unique()
        assert len(periods) == many
        assert str(periods[0]) == first
        assert table["incidents"].sum() == 3


def test_incidents_without_time_are_named(row: gm.Grid) -> None:
    """They are in no month, which is said."""
    data = placed(time=["2024-01-30", None, "不详", "2024-02-01", None])
    with pytest.warns(UnassignedWarning, match="2 incidents have no time"):
        table = tally(data, row, by="month")
    assert table.attrs["undated"] == 2
    assert table.attrs["counted"] + table.attrs["undated"] + table.attrs["unassigned"] == 5


def test_counts_roll_up(row: gm.Grid) -> None:
    """By a level the counts are the sums of its cells."""
    table = tally(placed(category=list("pqpqp")), row, by="category", level="street")
    assert table.index.names == ["street", "category"]
    assert table["incidents"].to_dict() == {
        ("东街", "p"): 2, ("东街", "q"): 1, ("西街", "p"): 0, ("西街", "q"): 0,
    }  # fmt: skip


def test_nothing_in_nothing_out(row: gm.Grid) -> None:
    """No incidents are zeros by cell, and no rows by month."""
    empty = placed(time=pd.NaT).iloc[:0]
    assert tally(empty, row)["incidents"].tolist() == [0, 0, 0]
    assert tally(empty, row, by="month").empty


def test_what_is_missing_is_named(row: gm.Grid) -> None:
    """Columns, levels and codes that are not there."""
    with pytest.raises(InputError, match="`by` needs the column 'time'"):
        tally(placed(), row, by="week")
    with pytest.raises(InputError, match="`level` is 'ward'; the grid has street"):
        tally(placed(), row, level="ward")
    with pytest.raises(InputError, match="code 'z', which is no cell"):
        tally(pd.DataFrame({"code": ["a", "z"]}), row)


def test_a_table_beyond_measure_is_refused(row: gm.Grid) -> None:
    """Dense over millions of values is a mistake in `by`."""
    many = pd.DataFrame({"code": "a", "id": np.arange(6000), "other": np.arange(6000)})
    with pytest.raises(InputError, match="by code, id, other would have 108,000,000 rows"):
        tally(many, row, by=["id", "other"])


def test_own_columns_are_not_mistaken_for_periods(row: gm.Grid) -> None:
    """A column called `day` is taken as it is."""
    table = tally(placed(day=["Mo", "Tu", "Mo", "Mo", "We"]), row, by="day")
    assert table.index.get_level_values("day").unique().tolist() == ["Mo", "Tu", "We"]


def test_a_mistyped_year_is_named(row: gm.Grid) -> None:
    times = pd.to_datetime(pd.Series(["2026-03-01", "2026-03-02", "9999-12-31", None, None]))
    with pytest.raises(InputError, match=r"from 2026-03 to 9999-12: .* Mend the years"):
        tally(placed(time=times), row, by="month")


def test_times_of_several_zones_are_refused(row: gm.Grid) -> None:
    text = ["2026-03-01 08:00", "2026-03-01T08:00:00+08:00", "2026-03-02 08:00", None, "soon"]
    mixed = [
        pd.Timestamp("2026-03-01", tz="UTC"),
        *[pd.Timestamp("2026-03-01", tz="Asia/Shanghai")] * 4,
    ]
    for time in (text, pd.Series(mixed, dtype=object)):
        with pytest.raises(InputError, match="`time` mixes time zones"):
            tally(placed(time=time), row, by="day")
    one = pd.Series(mixed[1:2] * 5, dtype=object)
    assert tally(placed(time=one), row, by="day").attrs["counted"] == 3


def test_quarters_and_years_are_periods_too(row: gm.Grid) -> None:
    time = pd.to_datetime(["2024-12-31", "2026-01-01", "2026-06-30", "2026-01-01", "2026-01-01"])
    assert len(tally(placed(time=time), row, by="quarter")) == 3 * 7
    assert tally(placed(time=time), row, by="year")["incidents"].groupby("year").sum().tolist() == [
        1,
        0,
        2,
    ]
    assert len(tally(placed(), row, by=None)) == 3  # type: ignore[arg-type]
