"""Files of incidents: every format in and out, broken rows, bounded memory."""

from __future__ import annotations

import csv
import io
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

import gridmap as gm
from gridmap.errors import CRSError, InputError
from gridmap.incidents.assign import assign
from gridmap.incidents.stream import assign_file, count_file
from gridmap.io import batches as sources
from gridmap.io import csv_stream, excel_write
from gridmap.io.batches import Batch, Layer, ParquetFile
from gridmap.io.csv_stream import Delimited
from gridmap.io.excel import chosen_tables
from gridmap.io.open_incidents import Sheets
from gridmap.io.source import find_source
from tests.coverages import frame, mosaic, moved

RESULT = ["code", "status", "nearest_code", "distance_m"]


@pytest.fixture(scope="module")
def mosaic_grid() -> gm.Grid:
    """Return a grid of random cells near (500 km, 3400 km)."""
    table = frame(moved(mosaic(4), 50.0, 500_000.0, 3_400_000.0))
    return gm.adopt(table, table.union_all("coverage"), code="code")


@pytest.fixture(scope="module")
def incidents() -> pd.DataFrame:
    """Return awkward rows: codes with leading zeros, commas, quotes, empty and broken positions."""
    rng = np.random.default_rng(1)
    x, y = (axis + rng.uniform(-100, 3100, 400).round(2) for axis in (500_000, 3_400_000))
    table = pd.DataFrame(
        {
            "incident_id": [f"{k:05d}" for k in range(400)],
            "note": rng.choice(["路灯不亮", 'he said "no"', "a, b", "", "3"], 400),
            "x": x.astype(str),
            "y": y.astype(str),
        }
    )
    table.loc[7, "x"] = "不详"
    table.loc[8, "y"] = ""
    return table


@pytest.fixture(scope="module")
def expected(mosaic_grid: gm.Grid, incidents: pd.DataFrame) -> pd.DataFrame:
    """Return what `assign` makes of the same rows."""
    return assign(incidents, mosaic_grid)


def _same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    for name in ("code", "status", "nearest_code"):
        wanted = expected[name].astype(object).where(expected[name].notna(), None).tolist()
        got = found[name].astype(object).where(found[name].notna(), None).tolist()
        assert got == wanted
    assert found["distance_m"].to_numpy(float) == pytest.approx(
        expected["distance_m"].to_numpy(), abs=1e-3, nan_ok=True
    )


def _write(table: pd.DataFrame, path: Path) -> Any:
    """Write the incidents in a format, and open them for streaming."""
    names = tuple(table.columns)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
        return Delimited(find_source(path), names)
    if path.suffix == ".parquet":
        table.to_parquet(path)
        return ParquetFile(path)
    if path.suffix == ".xlsx":
        table.to_excel(path, index=False)
        return Sheets(chosen_tables(find_source(path))[0], [])
    points = gpd.points_from_xy(*(pd.to_numeric(table[c], errors="coerce") for c in "xy"))
    series = gpd.GeoSeries(points, crs=4547)
    series[~np.isfinite(shapely.get_coordinates(points)).all(axis=1)] = None
    gpd.GeoDataFrame(table, geometry=series).to_file(path, layer="incidents", engine="pyogrio")
    return Layer(str(path))


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".csv":
        return pd.read_csv(
            path,
            dtype={"incident_id": str},
            keep_default_na=False,
            na_values={c: [""] for c in RESULT},
        )
    if path.suffix == ".parquet":
        schema = pq.read_schema(path)
        return (
            gpd.read_parquet(path) if b"geo" in (schema.metadata or {}) else pd.read_parquet(path)
        )
    if path.suffix == ".xlsx":
        return pd.read_excel(path, dtype={"incident_id": str}, engine="openpyxl")
    return gpd.read_file(path, engine="pyogrio")


@pytest.mark.parametrize("target", [".csv", ".parquet", ".gpkg", ".xlsx"])
@pytest.mark.parametrize("source", [".csv", ".parquet", ".gpkg", ".xlsx"])
def test_every_format_in_and_out(
    source: str, target: str, tmp_path: Path, mosaic_grid: gm.Grid,
    incidents: pd.DataFrame, expected: pd.DataFrame,
) -> None:  # fmt: skip
    """The order and all columns are kept, and the answers are those of `assign`."""
    file = _write(incidents, tmp_path / f"in{source}")
    out = tmp_path / f"out{target}"
    accounts = assign_file(file, out, mosaic_grid)
    found = _read(out)
    _same(found, expected)
    assert found["incident_id"].tolist() == incidents["incident_id"].tolist()
    assert found["note"].fillna("").astype(str).tolist() == incidents["note"].tolist()
    counts = accounts.counts
    assert counts["read"] == 400 == sum(counts.values()) - 400
    assert counts["invalid"] == 2
    assert accounts.invalid_rows == [8, 9]
    assert accounts.broken == 0


def test_points_come_out_as_points(
    tmp_path: Path, mosaic_grid: gm.Grid, incidents: pd.DataFrame
) -> None:
    """A layer keeps its own CRS and positions; a table becomes points in the grid's CRS."""
    layer = _write(incidents, tmp_path / "in.gpkg")
    assign_file(layer, tmp_path / "out.parquet", mosaic_grid)
    kept = gpd.read_parquet(tmp_path / "out.parquet")
    assert kept.crs == 4547
    assert kept.geometry.isna().tolist() == [k in (7, 8) for k in range(400)]
    assign_file(ParquetFile(tmp_path / "out.parquet"), tmp_path / "again.csv", mosaic_grid)
    again = pd.read_csv(tmp_path / "again.csv")
    assert {"incident_code", "code", "point_x", "point_y"} <= set(again)
    table = _write(incidents, tmp_path / "in.csv")
    assign_file(table, tmp_path / "out.gpkg", mosaic_grid)
    made = gpd.read_file(tmp_path / "out.gpkg")
    assert made.crs == 4547
    assert made.geometry.x.iloc[0] == float(incidents["x"].iloc[0])


def test_own_columns_get_out_of_the_way(
    tmp_path: Path, mosaic_grid: gm.Grid, incidents: pd.DataFrame
) -> None:
    """Headings may be translated; an own column of the same name is renamed."""
    file = _write(incidents.assign(网格编码="旧"), tmp_path / "in.csv")
    assign_file(
        file, tmp_path / "out.csv", mosaic_grid, headings={"code": "网格编码"}, own_prefix="原"
    )
    found = pd.read_csv(tmp_path / "out.csv", encoding="utf-8-sig")
    assert list(found)[-5:] == ["原网格编码", "网格编码", *RESULT[1:]]
    assert (found["原网格编码"] == "旧").all()


def test_counting_reads_positions_alone(
    tmp_path: Path, mosaic_grid: gm.Grid, incidents: pd.DataFrame, expected: pd.DataFrame
) -> None:
    """The counts are those of `tally`, from any format."""
    wanted = gm.tally(expected, mosaic_grid)["incidents"].to_dict()
    for suffix in (".csv", ".parquet", ".gpkg", ".xlsx"):
        counts, accounts = count_file(_write(incidents, tmp_path / f"in{suffix}"), mosaic_grid)
        assert counts["incidents"].to_dict() == wanted
        assert accounts.counts["read"] == 400


def test_a_folder_of_parquet_is_one_table(
    tmp_path: Path, mosaic_grid: gm.Grid, incidents: pd.DataFrame, expected: pd.DataFrame
) -> None:
    """Parts are read in the order of their names."""
    (tmp_path / "parts").mkdir()
    for k in range(4):
        incidents.iloc[100 * k : 100 * k + 100].to_parquet(tmp_path / "parts" / f"part{k}.parquet")
    assign_file(ParquetFile(tmp_path / "parts"), tmp_path / "out.parquet", mosaic_grid)
    _same(pd.read_parquet(tmp_path / "out.parquet"), expected)


BODY = [f"{k},路,{500_000 + k},{3_400_100}" for k in range(3000)]


def _text(tmp_path: Path, lines: list[str], **options: Any) -> Delimited:
    path = tmp_path / "in.csv"
    path.write_bytes(
        "\n".join(["id,note,x,y", *lines, ""]).encode(options.get("encoding", "utf-8"))
    )
    return Delimited(find_source(path), ("id", "note", "x", "y"), **options)


@pytest.mark.parametrize("block", [1 << 9, 1 << 14, 1 << 23])
def test_broken_rows_are_kept_and_named(
    block: int, tmp_path: Path, mosaic_grid: gm.Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few fields, too many, open quotes: each is one invalid row, the others are whole."""
    monkeypatch.setattr(csv_stream, "_BLOCK", block)
    lines = list(BODY)
    lines[10] = "10,short"
    lines[500] = '500,"open,500500,3400100'
    lines[501] = "501,a,b,500501,3400100"
    lines[1999] = '1999,"ends" badly,501999,3400100'
    lines[2500] = '2500,"two\nlines",502500,3400100'
    lines[2501] = '2501,"a ""quoted"" word, and a comma",502501,3400100'
    out = tmp_path / "out.csv"
    accounts = assign_file(_text(tmp_path, lines), out, mosaic_grid)
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert len(rows) == accounts.counts["read"] == 3000
    assert [row[0] for row in rows] == [str(k) for k in range(3000)]
    assert accounts.broken == 3
    assert accounts.invalid_rows == [11, 501, 502]
    assert [k for k, row in enumerate(rows) if row[5] == "invalid"] == [10, 500, 501]
    assert rows[1999][1] == "ends badly"
    assert rows[2500][1] == "two\nlines"
    assert rows[2501][1] == 'a "quoted" word, and a comma'
    assert rows[500][1:3] == ['"open', "500500"]
    assert rows[501][3] == "500501,3400100"


def test_two_open_quotes_swallow_nothing(tmp_path: Path, mosaic_grid: gm.Grid) -> None:
    """A thousand rows between two stray quotes all come out."""
    lines = list(BODY)
    lines[100] = '100,"a,500100,3400100'
    lines[1100] = '1100,"b,501100,3400100'
    accounts = assign_file(_text(tmp_path, lines), tmp_path / "out.csv", mosaic_grid)
    assert accounts.counts["read"] == 3000
    assert accounts.invalid_rows == [101, 1101]


@pytest.mark.parametrize("gap", [1, 2, 5, 150])
def test_stray_quotes_near_each_other(gap: int, tmp_path: Path, mosaic_grid: gm.Grid) -> None:
    """Even then each line is a row of its own."""
    lines = list(BODY[:400])
    lines[100] = '100,"a,500100,3400100'
    lines[100 + gap] = f'{100 + gap},"b,501100,3400100'
    accounts = assign_file(_text(tmp_path, lines), tmp_path / "out.csv", mosaic_grid)
    assert accounts.counts["read"] == 400
    assert accounts.broken == 2


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8-sig", "utf-16"])
def test_encodings_are_read_across_blocks(
    encoding: str, tmp_path: Path, mosaic_grid: gm.Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A character cut by a block is whole again."""
    monkeypatch.setattr(csv_stream, "_BLOCK", 1001)
    file = _text(tmp_path, BODY[:500], encoding=encoding)
    assign_file(file, tmp_path / "out.csv", mosaic_grid)
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["note"].eq("路").all()
    assert found["id"].tolist() == list(range(500))


def test_windows_lines_blank_lines_and_other_separators(
    tmp_path: Path, mosaic_grid: gm.Grid
) -> None:
    """Line ends, separators and skipped notes do not show."""
    path = tmp_path / "in.txt"
    rows = [line.replace(",", ";") for line in BODY[:50]]
    rows.insert(20, "")
    path.write_bytes(("案件\r\n\r\nid;note;x;y\r\n" + "\r\n".join(rows)).encode())
    file = Delimited(find_source(path), ("id", "note", "x", "y"), 3, separator=";")
    accounts = assign_file(file, tmp_path / "out.csv", mosaic_grid)
    assert accounts.counts["read"] == 50
    assert pd.read_csv(tmp_path / "out.csv")["id"].tolist() == list(range(50))


def test_a_field_with_the_other_separator_is_quoted(tmp_path: Path, mosaic_grid: gm.Grid) -> None:
    """What needs quotes as CSV gets them."""
    path = tmp_path / "in.txt"
    path.write_text("id\tnote\tx\ty\n1\ta,b\t500001\t3400001\n")
    file = Delimited(find_source(path), ("id", "note", "x", "y"), separator="\t")
    assign_file(file, tmp_path / "out.csv", mosaic_grid)
    assert pd.read_csv(tmp_path / "out.csv")["note"].tolist() == ["a,b"]


def test_what_cannot_be_streamed_is_refused(
    tmp_path: Path, mosaic_grid: gm.Grid, incidents: pd.DataFrame
) -> None:
    """Columns, formats and CRSs that are missing are named."""
    file = _write(incidents, tmp_path / "in.csv")
    with pytest.raises(InputError, match="no column 'lng'; they have incident_id"):
        assign_file(file, tmp_path / "out.csv", mosaic_grid, x="lng", y="lat")
    with pytest.raises(InputError, match="both `x` and `y`"):
        assign_file(file, tmp_path / "out.csv", mosaic_grid, x="x")
    with pytest.raises(InputError, match=r"`out.doc` has no known extension"):
        assign_file(file, tmp_path / "out.doc", mosaic_grid)
    points = gpd.GeoDataFrame({"a": [1]}, geometry=gpd.GeoSeries.from_xy([1], [1]))
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        points.to_file(tmp_path / "bare.gpkg")
    with pytest.raises(CRSError, match="have no CRS"):
        assign_file(Layer(str(tmp_path / "bare.gpkg")), tmp_path / "out.csv", mosaic_grid)
    gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4547).to_file(
        tmp_path / "areas.gpkg"
    )
    with pytest.raises(InputError, match="no point, the first a Polygon"):
        assign_file(Layer(str(tmp_path / "areas.gpkg")), tmp_path / "out.gpkg", mosaic_grid)


def test_a_sheet_that_overflows_is_refused(
    tmp_path: Path, mosaic_grid: gm.Grid, incidents: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workbook has an end."""
    monkeypatch.setattr(excel_write, "MOST_ROWS", 300)
    with pytest.raises(InputError, match="A sheet holds 300 rows"):
        assign_file(_write(incidents, tmp_path / "in.csv"), tmp_path / "out.xlsx", mosaic_grid)


def test_progress_runs_to_the_end(
    tmp_path: Path, mosaic_grid: gm.Grid, incidents: pd.DataFrame
) -> None:
    """It never goes back and ends complete."""
    for suffix in (".csv", ".parquet", ".gpkg"):
        told: list[tuple[str, int, int]] = []
        count_file(
            _write(incidents, tmp_path / f"in{suffix}"),
            mosaic_grid,
            progress=lambda *a, t=told: t.append(a),
        )
        assert told[-1][1] == told[-1][2] > 0
        assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_batches_do_not_show(
    tmp_path: Path, mosaic_grid: gm.Grid, incidents: pd.DataFrame, expected: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """However small the pieces, the file comes out the same."""
    monkeypatch.setattr(csv_stream, "_BLOCK", 777)
    monkeypatch.setattr(sources, "ROWS", 13)
    for suffix in (".csv", ".parquet"):
        assign_file(_write(incidents, tmp_path / f"in{suffix}"), tmp_path / "out.csv", mosaic_grid)
        _same(_read(tmp_path / "out.csv"), expected)


class Watched:
    """A file of incidents that knows how many of its batches are held in memory."""

    def __init__(self, file: Any) -> None:
        self.schema, self.crs, self.size = file.schema, file.crs, file.size
        self.rows = file.rows
        self._file = file
        self.most = 0

    def batches(self) -> Iterator[Batch]:
        """Pass the batches on and watch them go."""
        held: list[weakref.ref[pa.RecordBatch]] = []
        for batch in self._file.batches():
            held.append(weakref.ref(batch.table))
            self.most = max(self.most, sum(ref() is not None for ref in held))
            yield batch
        self.seen = len(held)


@pytest.mark.parametrize("target", [".csv", ".parquet", ".gpkg", ".xlsx"])
def test_no_batch_is_held_back(
    target: str,
    tmp_path: Path,
    mosaic_grid: gm.Grid,
    incidents: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long the file, three batches at most are in memory."""
    monkeypatch.setattr(csv_stream, "_BLOCK", 1000)
    file = Watched(_write(incidents, tmp_path / "in.csv"))
    assign_file(file, tmp_path / f"out{target}", mosaic_grid)
    assert file.seen > 10
    assert file.most <= 3


def test_the_alarm_names_the_datum(tmp_path: Path) -> None:
    """A file in GCJ-02 declared as WGS 84 is noticed, in both languages."""
    cells = frame(moved(mosaic(4), 1e-3, 114.0, 30.0), crs=4326).to_crs(4547)
    grid = gm.adopt(cells, cells.union_all("coverage"), code="code")
    rng = np.random.default_rng(0)
    inside = grid.cells.sample_points(200, rng=0).explode(ignore_index=True).to_crs(4326)
    shifted = gm.to_datum(inside, "gcj02")
    table = pd.DataFrame({"lng": shifted.x, "lat": shifted.y}).sample(frac=1, random_state=rng)
    table.to_csv(tmp_path / "in.csv", index=False)
    file = Delimited(find_source(tmp_path / "in.csv"), ("lng", "lat"))
    options: dict[str, Any] = {"x": "lng", "y": "lat"}
    accounts = assign_file(file, tmp_path / "out.csv", grid, datum="wgs84", **options)
    assert accounts.alarm.fits == "gcj02"
    assert 'datum="gcj02"' in accounts.sentences("zh")[-1]
    assert 'datum="gcj02"' in accounts.sentences("en")[-1]
    accounts = assign_file(file, tmp_path / "out.csv", grid, datum="gcj02", **options)
    assert accounts.alarm is None
    assert accounts.counts["outside"] == 0


def test_zero_bytes_do_not_end_the_file(tmp_path: Path, mosaic_grid: gm.Grid) -> None:
    """A file with a damaged byte is refused whole; nothing is read past it."""
    path = tmp_path / "in.csv"
    path.write_bytes(
        b"id,note,x,y\n1,a,500001,3400001\n2,\0b,500002,3400001\n3,\xff,500003,3400001\n"
    )
    names = ("id", "note", "x", "y")
    with pytest.raises(InputError, match="not utf-8 text throughout"):
        assign_file(Delimited(find_source(path), names), tmp_path / "out.csv", mosaic_grid)
    path.write_bytes(path.read_bytes().replace(b"\xff", b"c"))
    with pytest.raises(InputError, match="zero bytes"):
        assign_file(Delimited(find_source(path), names), tmp_path / "out.csv", mosaic_grid)


def test_odd_columns_come_through(tmp_path: Path, mosaic_grid: gm.Grid) -> None:
    """Categories, lists, bytes, times with zones, and a column called fid."""
    table = pd.DataFrame(
        {
            "FID": [7, 8],
            "kind": pd.Categorical(["路", "车"]),
            "tags": [["a", "b"], None],
            "raw": [b"1", b"2"],
            "time": pd.to_datetime(["2024-01-01 08:00", None]).tz_localize("Asia/Shanghai"),
            "x": [500_001, 500_002],
            "y": [3_400_001.0, np.nan],
        }
    )
    table.to_parquet(tmp_path / "in.parquet")
    source = ParquetFile(tmp_path / "in.parquet")
    for suffix in (".csv", ".parquet", ".xlsx"):
        assign_file(source, tmp_path / f"out{suffix}", mosaic_grid)
        found = _read(tmp_path / f"out{suffix}")
        assert found["kind"].tolist() == ["路", "车"]
        assert found["FID"].tolist() == [7, 8]
        assert found["tags"].notna().iloc[0]
    plain = table.drop(columns=["tags", "raw"])
    plain.to_parquet(tmp_path / "plain.parquet")
    assign_file(ParquetFile(tmp_path / "plain.parquet"), tmp_path / "out.gpkg", mosaic_grid)
    assert _read(tmp_path / "out.gpkg")["FID"].tolist() == [7, 8]


def test_points_in_geoarrow_are_read(tmp_path: Path, mosaic_grid: gm.Grid) -> None:
    """GeoParquet need not hold its points as WKB."""
    points = gpd.GeoDataFrame({"a": [1]}, geometry=gpd.GeoSeries.from_xy([1], [1], crs=4547))
    points.to_parquet(tmp_path / "in.parquet", geometry_encoding="geoarrow")
    counted = count_file(ParquetFile(tmp_path / "in.parquet"), mosaic_grid)[1]
    assert counted.counts["read"] == counted.counts["outside"] == 1


def test_quotes_only_where_there_is_need() -> None:
    """Plain batches stay plain."""
    plain = pa.record_batch({"a": ["x", None], "b": [1.5, None]})
    assert bytes(excel_write._csv(plain, True)) == b"a,b\nx,1.5\n,\n"
    odd = pa.record_batch({"a": ['x"y', "p,q"], "b": ["", "2"]})
    assert list(csv.reader(io.StringIO(bytes(excel_write._csv(odd, False)).decode()))) == [
        ['x"y', ""],
        ["p,q", "2"],
    ]
