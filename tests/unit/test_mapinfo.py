"""Files of MapInfo with Chinese names: read as they were meant, or refused with the cure."""

from __future__ import annotations

import warnings
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
import shapely

from gridmap.errors import InputError
from gridmap.io import read_layer
from gridmap.io.inspect import look

CELLS = gpd.GeoDataFrame(
    {"网格编码": ["金水一", "金水二"], "所属社区": ["东区网格", "北区网格"], "户数": [300, 400]},
    geometry=shapely.box([500_000, 500_100], 3_840_000, [500_100, 500_200], 3_840_100),
    crs=4547,
)
PLAIN = CELLS.set_axis(["code", "community", "households", "geometry"], axis=1)


def by_gdal(frame: gpd.GeoDataFrame, path: Path, encoding: str | None) -> None:
    options = {"FORMAT": "MIF"} if path.suffix == ".mif" else {}
    options |= {} if encoding is None else {"ENCODING": encoding}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyogrio.write_dataframe(frame, path, driver="MapInfo File", **options)


def by_hand(path: Path, charset: str, codec: str, frame: gpd.GeoDataFrame = CELLS) -> None:
    names = [*frame.columns.drop("geometry")]
    rings = [shapely.get_coordinates(shape) for shape in frame.geometry]
    lines = ["Version 300", f'Charset "{charset}"', 'Delimiter ","',
             'CoordSys Earth Projection 8, 104, "m", 114, 0, 1, 500000, 0', "Columns 3",
             f"  {names[0]} Char(60)", f"  {names[1]} Char(60)", f"  {names[2]} Integer",
             "Data", ""]  # fmt: skip
    for ring in rings:
        lines += ["Region 1", f"  {len(ring)}", *(f"{x} {y}" for x, y in ring)]
    path.write_bytes("\n".join(lines).encode(codec))
    rows = [f'"{a}","{b}",{n}' for a, b, n in frame[names].itertuples(index=False)]
    path.with_suffix(".mid").write_bytes("\n".join(rows).encode(codec))


@pytest.mark.parametrize("ending", ["mif", "tab"])
@pytest.mark.parametrize(
    ("encoding", "frame"), [("UTF-8", CELLS), ("CP936", CELLS), (None, PLAIN), ("UTF-8", PLAIN)]
)
def test_what_gdal_writes_is_read(
    ending: str, encoding: str | None, frame: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    by_gdal(frame, tmp_path / f"a.{ending}", encoding)
    found = read_layer(tmp_path / f"a.{ending}")
    names = [*frame.columns.drop("geometry")]
    assert found[names].astype(str).equals(frame[names].astype(str))


@pytest.mark.parametrize("ending", ["mif", "tab"])
def test_headings_that_gdal_spoiled_are_refused(ending: str, tmp_path: Path) -> None:
    by_gdal(CELLS, tmp_path / f"a.{ending}", None)
    for read in (read_layer, look):
        with pytest.raises(InputError, match=r"garbled.*export it again with the encoding UTF-8"):
            read(tmp_path / f"a.{ending}")  # type: ignore[operator]


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("WindowsLatin1", "gb18030"), ("WindowsLatin1", "utf-8"), ("Neutral", "gb18030"),
     ("WindowsSimpChinese", "utf-8"), ("UTF-8", "gb18030")],
)  # fmt: skip
@pytest.mark.parametrize("frame", [CELLS, PLAIN], ids=["headings", "values"])
def test_a_wrong_charset_is_refused_and_the_right_one_is_read(
    charset: str, codec: str, frame: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "a.mif"
    by_hand(path, charset, codec, frame)
    with pytest.raises(InputError, match=f"says that its text is {charset}, and it is not"):
        read_layer(path)
    by_hand(path, "WindowsSimpChinese" if codec == "gb18030" else "UTF-8", codec, frame)
    assert read_layer(path).iloc[:, 1].tolist() == CELLS["所属社区"].tolist()


def test_names_of_europe_stay_what_they_are(tmp_path: Path) -> None:
    frame = PLAIN.assign(code=["São João", "Köln"], community=["Málaga", "Besançon"])
    by_hand(tmp_path / "a.mif", "WindowsLatin1", "cp1252", frame)
    assert read_layer(tmp_path / "a.mif")["code"].tolist() == ["São João", "Köln"]
