"""Nothing leaked, nothing executed, nothing replaced that is no plain file."""

from __future__ import annotations

import os
import pickle
import random
import resource
import socket
import stat
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import geopandas as gpd
import numba
import numpy as np
import openpyxl
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from matplotlib.figure import Figure

from gridmap._checks import is_private
from gridmap.cli import main
from gridmap.coverage.kernels import compiled
from gridmap.errors import InputError
from gridmap.io import read_table, write_layer, write_table
from gridmap.io.address import masked, parse_address
from gridmap.io.atomic import replacing
from gridmap.io.source import find_source
from gridmap.io.text import FormulaWarning
from gridmap.maps.figure import save_figure
from gridmap.maps.offline import write_page
from tests.addresses import addresses

FORMULAS = ["=1+1", "=cmd|' /C calc'!A0", '=HYPERLINK("x","y")', "@SUM(A1)", "+1+cmd", "-2+3"]


def test_no_text_becomes_a_formula(tmp_path: Path) -> None:
    table = pd.DataFrame({"code": [990101001001001] * 6, "description": FORMULAS})
    write_table(table, tmp_path / "a.xlsx")
    rows = list(openpyxl.load_workbook(tmp_path / "a.xlsx").active.iter_rows(min_row=2))
    assert [[cell.data_type for cell in row] for row in rows] == [["s", "s"]] * 6
    assert [row[1].value for row in rows] == FORMULAS
    assert read_table(tmp_path / "a.xlsx")["code"].tolist() == ["990101001001001"] * 6


def test_delimited_output_says_what_excel_would_run(tmp_path: Path) -> None:
    with pytest.warns(FormulaWarning, match="'=1\\+1'"):
        write_table(pd.DataFrame({"text": FORMULAS, "n": [-1.5] * 6}), tmp_path / "a.csv")
    assert read_table(tmp_path / "a.csv")["text"].tolist() == FORMULAS


def test_what_a_sheet_cannot_hold_is_refused_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="40,000 characters"):
        write_table(pd.DataFrame({"a": ["x" * 40_000]}), tmp_path / "a.xlsx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "ending", ["shp", "kml", "fgb", "geojson", "gpkg", "parquet", "csv", "pdf"]
)
@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_what_a_full_disk_cuts_off_is_no_file(ending: str, share: float, tmp_path: Path) -> None:
    x = np.arange(400.0)
    cells = gpd.GeoDataFrame(
        {"code": x.astype(str)}, geometry=shapely.box(x, 0, x + 1, 1), crs=4490
    )
    drawn = Figure()
    drawn.gca().plot(x, np.sin(x * x))
    writers = {
        "csv": lambda path: write_table(pd.DataFrame(cells["code"]), path),
        "pdf": lambda path: save_figure(drawn, path),
    }
    write = writers.get(ending, lambda path: write_layer(cells, path))
    path = tmp_path / f"a.{ending}"
    write(path)
    length = max(part.stat().st_size for part in tmp_path.iterdir())
    for part in tmp_path.iterdir():
        part.unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(share * length), hard))
    try:
        with pytest.raises(InputError, match="could not be written"):
            write(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_modes_follow_the_umask_or_the_file_replaced(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        for name in ("a.csv", "a.xlsx", "a.parquet"):
            write_table(pd.DataFrame({"a": [1]}), tmp_path / name)
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask
            os.chmod(tmp_path / name, 0o600)
            write_table(pd.DataFrame({"a": [2]}), tmp_path / name, overwrite=True)
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("overwrite", [True, False])
def test_links_and_devices_are_never_written_through(tmp_path: Path, overwrite: bool) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("kept")
    (tmp_path / "link.csv").symlink_to(kept)
    (tmp_path / "dangling.csv").symlink_to(tmp_path / "nowhere.csv")
    for path in (tmp_path / "link.csv", tmp_path / "dangling.csv", Path("/dev/null")):
        with pytest.raises(InputError, match=r"link|device|no known extension"):
            write_table(pd.DataFrame({"a": [1]}), path, overwrite=overwrite)
    assert kept.read_text() == "kept"
    assert (tmp_path / "link.csv").is_symlink()
    assert not (tmp_path / "nowhere.csv").exists()


def test_a_fifo_takes_text_and_is_never_replaced(tmp_path: Path) -> None:
    fifo = tmp_path / "out"
    os.mkfifo(fifo)
    heard: list[bytes] = []
    listener = threading.Thread(target=lambda: heard.append(fifo.read_bytes()))
    listener.start()
    write_table(pd.DataFrame({"a": [1, 2]}), fifo)
    listener.join(10)
    assert heard[0].decode("utf-8-sig").split() == ['"a"', "1", "2"]
    with pytest.raises(InputError, match="never replaced"):
        write_table(pd.DataFrame({"a": [1]}), fifo, overwrite=True)
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_fifo_is_read_once_and_wholly(tmp_path: Path) -> None:
    fifo = tmp_path / "in.csv"
    os.mkfifo(fifo)
    text = "id,lng,lat\n" + "".join(f"{n},114.3,30.6\n" for n in range(30_000))
    writer = threading.Thread(target=lambda: fifo.write_text(text))
    writer.start()
    assert len(read_table(fifo)) == 30_000
    writer.join(10)


def test_a_fifo_without_a_writer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridmap.io.source._WAIT", 0.2)
    os.mkfifo(tmp_path / "in.csv")
    with pytest.raises(InputError, match="nobody has written"):
        find_source(tmp_path / "in.csv")


def test_two_writers_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with replacing(path) as one:
        one.write_text("one")
        with replacing(path) as other:
            other.write_text("other")
        with pytest.raises(InputError, match="exists already"):
            raise_if_taken(path)
        path.unlink()
    assert path.read_text() == "one"
    assert [file.name for file in tmp_path.iterdir()] == ["a.csv"]


def raise_if_taken(path: Path) -> None:
    """Write where another has just written, without leave to replace."""
    with replacing(path) as temporary:
        temporary.write_text("late")


_TAKE_ADDRESSES = (
    "info {it}", "info {it} --json", "assign grid.gpkg {it}", "share --column a -o x.csv {it}",
    "export grid.gpkg -o {it}", "assign grid.gpkg {it} -o {it} --json", "hotspots grid.gpkg {it}",
    "partition {it} --households {it} -o grid.gpkg", "staff {it} {it}", "validate {it}",
    "map grid.gpkg --basemap {it} -o x.html", "info x.csv --{it}", "{it}",
    "assign grid.gpkg x.parquet -o out --dask {it}",
)  # fmt: skip


def test_no_secret_of_an_address_is_shown_or_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand addresses, on stdout and stderr, in JSON, in two languages, and in errors."""
    monkeypatch.chdir(tmp_path)
    runner, dice = CliRunner(), random.Random(7)
    for address, secrets in addresses(dice, 1_000):
        line = dice.choice(_TAKE_ADDRESSES)
        words = [word.replace("{it}", address) for word in line.split()]
        lang = ["--lang", dice.choice(("en", "zh"))] if len(words) > 1 else []
        result = runner.invoke(main, [*words, *lang])
        assert result.exit_code == 2, (words, result.output)
        told = result.output + str(result.exception)
        told += masked(f"cannot open {address} now")
        assert not any(secret in told for secret in secrets), (words, told)
    assert not list(tmp_path.iterdir())


def test_no_secret_is_in_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(spec: str) -> None:
        raise RuntimeError(f"no way with {spec!r}")

    monkeypatch.setattr("gridmap.io.inspect.find_source", broken)
    address = "postgresql://ann:open/sesame'9@127.0.0.1:1/city?table=plan"
    result = CliRunner().invoke(main, ["info", address, "--lang", "en"])
    assert result.exit_code == 70
    assert "no way with" in result.stderr
    assert "sesame" not in result.output


def test_no_secret_of_a_service_or_the_environment_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg")
    (tmp_path / "services").write_text("[city]\nhost=127.0.0.1\nport=1\npassword=sesame-one\n")
    (tmp_path / "pass").write_text("127.0.0.1:1:*:*:sesame-two\n")
    (tmp_path / "pass").chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pass"))
    for place in ("?service=city&table=plan", "ann@127.0.0.1:1/city?table=plan"):
        result = CliRunner().invoke(main, ["info", f"postgresql://{place}", "--lang", "en"])
        assert result.exit_code == 2
        assert "failed" in result.stderr
        assert "sesame" not in result.output


@pytest.mark.parametrize("password", ["a/b", "a#b", "a?b", "a@b", "p:q", "a b", "密码", "%2F%23"])
def test_a_password_with_signs_reaches_the_driver(password: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    for written in (password, quote(password, safe="")):
        if "%" in written and written == password:
            continue  # one that is escaped already
        found = parse_address(f"postgresql+psycopg://ann:{written}@localhost:5432/city?table=t")
        given = psycopg.conninfo.conninfo_to_dict(found.url)
        assert (given["user"], given["password"], given["host"]) == ("ann", password, "localhost")
        assert found.table == "t"
        assert password not in found.shown


def test_a_service_stands_for_the_whole_address() -> None:
    psycopg = pytest.importorskip("psycopg")
    found = parse_address("POSTGRESQL://?service=city&table=public.grid")
    assert psycopg.conninfo.conninfo_to_dict(found.url) == {"service": "city"}
    assert found.table == "public.grid"


def test_a_page_keeps_the_mode_of_the_old_one_and_follows_no_link(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")
    os.chmod(page, 0o600)
    write_page("<p>new</p>", page, overwrite=True)
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    (tmp_path / "link.html").symlink_to(page)
    with pytest.raises(InputError, match="link"):
        write_page("<p>other</p>", tmp_path / "link.html", overwrite=True)
    assert page.read_text() == "<p>new</p>"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.html", "page.html"]


def test_nothing_is_read_back_from_a_folder_that_others_can_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chmod(shared, 0o777)
    assert is_private(tmp_path)
    assert not is_private(shared)
    assert not is_private(shared / "not" / "yet")
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(shared))
    kernel = compiled(_twice)
    assert kernel(2) == 4
    assert not any(shared.rglob("*.nb?"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "own"))
    assert compiled(_twice)(3) == 6
    assert any((tmp_path / "own").rglob("*.nbc"))


def test_no_machine_code_is_read_from_a_file_that_others_can_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert compiled(_twice)(2) == 4
    for file in tmp_path.rglob("*.nb?"):
        file.write_bytes(b"planted")
        file.chmod(0o666)
    assert compiled(_twice)(3) == 6
    assert {file.read_bytes() for file in tmp_path.rglob("*.nb?")} == {b"planted"}


def test_a_link_into_a_shared_folder_is_not_private(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "own").mkdir(parents=True, mode=0o700)
    os.chmod(shared, 0o777)
    (tmp_path / "link").symlink_to(shared / "own")
    assert not is_private(tmp_path / "link")


def test_a_group_of_many_is_not_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    os.chmod(folder, 0o775)
    monkeypatch.setattr(os, "getgid", lambda: folder.stat().st_gid)
    for number, private in ((os.getuid(), os.getuid() == folder.stat().st_gid), (-1, False)):
        monkeypatch.setattr(os, "getuid", lambda number=number: number)
        assert is_private(folder) == private


@pytest.mark.parametrize("damage", ["another version", "cut short", "no pickle", "empty"])
def test_machine_code_of_another_version_is_made_anew(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    assert compiled(_twice)(2) == 4
    (index,) = tmp_path.rglob("*.nbi")
    version, rest = pickle.dumps(numba.__version__), index.read_bytes()
    gone = b"cgridmap.partitioning.gone\nNetwork\n."  # names a type that is no more
    index.write_bytes({"another version": version + gone, "cut short": rest[:-9],
                       "no pickle": version + b"?" * 40, "empty": b""}[damage])  # fmt: skip
    assert compiled(_twice)(3) == 6
    assert index.stat().st_size > len(version) + len(gone)


def _twice(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("command", ["map", "briefing", "export", "share"])
def test_an_address_is_never_taken_for_the_name_of_a_file(command: str, tmp_path: Path) -> None:
    arguments = {"map": ["g.gpkg"], "briefing": ["g.gpkg", "i.csv"], "export": ["g.gpkg"],
                 "share": ["t.csv", "--column", "a"]}[command]  # fmt: skip
    address = "postgresql://ann:secret99@127.0.0.1:1/city?table=t"
    result = CliRunner().invoke(main, [command, *arguments, "-o", address, "--lang", "en"])
    assert result.exit_code == 2
    assert "writes a file" in result.stderr
    assert "secret99" not in result.output


def test_a_bomb_is_told_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * (40 << 20))
    monkeypatch.setattr("gridmap.io.source.MOST_IN_MEMORY", 32 << 20)
    with pytest.raises(InputError, match="expands to 42 MB"):
        read_table(path)


def understated(path: Path, member: str) -> None:
    """Let the directory of an archive tell a thousand bytes of a member."""
    data = path.read_bytes()
    named = data.rindex(member.encode())  # in the directory, which stands last
    path.write_bytes(data[: named - 22] + (1000).to_bytes(4, "little") + data[named - 18 :])


@pytest.mark.parametrize("inner", ["a.csv", "a.geojson", "xl/more.xml"])
def test_an_archive_that_tells_less_than_it_holds_is_not_unpacked(
    tmp_path: Path, inner: str
) -> None:
    path = tmp_path / ("a.xlsx" if inner.startswith("xl") else "a.zip")
    pd.DataFrame({"户数": [1]}).to_excel(tmp_path / "a.xlsx", index=False)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(inner, b"0" * (64 << 20))
    understated(path, inner)
    tracemalloc.start()
    with pytest.raises(InputError, match="cannot be read: "):
        read_table(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_a_workbook_within_an_archive_is_bounded_like_any_other(tmp_path: Path) -> None:
    pd.DataFrame({"户数": [1]}).to_excel(tmp_path / "a.xlsx", index=False)
    with zipfile.ZipFile(tmp_path / "a.xlsx", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet2.xml", b"0" * (140 << 20))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.xlsx", "a.xlsx")
    with pytest.raises(InputError, match="expands to 1"):
        read_table(tmp_path / "a.zip")


def test_a_workbook_is_as_long_as_its_cells_not_as_it_claims(tmp_path: Path) -> None:
    path, claiming = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    pd.DataFrame({"户数": [1, 2], "小区": ["a", "b"]}).to_excel(path, index=False)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(claiming, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            if name.startswith("xl/worksheets/"):
                text = text.replace(b'ref="A1:B3"', b'ref="A1:XFD1048576"')
            new.writestr(name, text)
    assert read_table(claiming)["户数"].tolist() == [1, 2]


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return a place on this machine that hears who asks, and answers nobody."""
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as place:
        place.setblocking(False)
        yield place


_SCHEMA = (
    '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs" xmlns:o="http://o" '
    'xmlns:gml="http://www.opengis.net/gml" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xsi:schemaLocation="http://o {url}/wfs?SERVICE=WFS&amp;REQUEST=DescribeFeatureType&amp;'
    'TYPENAME=a"><gml:featureMember><o:a fid="1"><o:g><gml:Point srsName="EPSG:4326">'
    "<gml:coordinates>114.3,30.6</gml:coordinates></gml:Point></o:g></o:a></gml:featureMember>"
    "</wfs:FeatureCollection>"
)
_POINTERS = (
    '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>/vsicurl/{url}/a.geojson'
    "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
    "<OGRWFSDataSource><URL>{url}/wfs</URL></OGRWFSDataSource>",
    '<WFS_Capabilities version="1.0.0"><Capability><Request><GetFeature><DCPType><HTTP>'
    '<Get onlineResource="{url}"/></HTTP></DCPType></GetFeature></Request></Capability>'
    "</WFS_Capabilities>",
    '{{"type": "gdal_streamed_alg", "command_line": "gdal vector read {url}/a.geojson"}}',
)


@pytest.mark.parametrize("text", [_SCHEMA, *_POINTERS], ids=["gml", "vrt", "wfs", "caps", "gdalg"])
@pytest.mark.parametrize("name", ["a", "a.kml", "a.gml", "a.json", "a.zip"])
def test_no_file_sends_a_reader_to_the_network(
    tmp_path: Path, ear: socket.socket, text: str, name: str
) -> None:
    written = text.format(url=f"http://127.0.0.1:{ear.getsockname()[1]}")
    if name == "a.zip":
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("a.gml", written)
    else:
        (tmp_path / name).write_text(written)
    done = CliRunner().invoke(main, ["info", str(tmp_path / name), "--lang", "en"])
    assert done.exit_code in (0, 2), done.output
    with pytest.raises(BlockingIOError):
        ear.accept()
    if text in _POINTERS and name in ("a", "a.kml", "a.zip"):
        assert "says where other data are" in done.stderr


def test_the_name_of_a_user_is_no_secret() -> None:
    for scheme in ("postgresql", "postgres", "postgresql+psycopg", "PostgreSQL"):
        address = f"{scheme}://gridmap@127.0.0.1:1/city?table=x"
        told = CliRunner().invoke(main, ["--lang", "en", "validate", address])
        assert told.output.startswith("gridmap: "), told.output
        assert "***" not in told.output, told.output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_output_is_told_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gridmap", "--lang", "en", "validate", "nothing", "--json"]
    with open("/dev/full", "w", encoding="utf-8") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False
        )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("gridmap: ")


@pytest.mark.parametrize("secret", ["a", "i", "1", "no", "a'b", "%40"])
@pytest.mark.parametrize(
    "address",
    ["https://ann:{}@host/x.gpkg", "https://{}@host/x.csv", "https://host/x.csv?token={}",
     "s3://key:{}@bucket/x.parquet", "/vsicurl/https://ann:{}@host/x.gpkg",
     "postgresql://ann:{}@/city?table=x", "postgresql:///city?password={}&table=x",
     "host=db password={} dbname=x", "mysql://ann:{}@db/city", "//ann:{}@db/city",
     "ann:{}@db/city"],
)  # fmt: skip
def test_a_secret_of_any_length_is_hidden_and_words_are_not(address: str, secret: str) -> None:
    said = address.format(secret)
    ways = (
        ["info", said],
        [said],
        ["staff", "a.gpkg", "b.csv", "-o", said],
    )
    for words in ways:
        told = CliRunner().invoke(main, ["--lang", "en", *words]).output
        assert told.count("gridmap") >= 1
        for shown in (f":{secret}@", f"/{secret}@", f"={secret}&", f"={secret} ", f"={secret}'"):
            assert shown not in told, (words, told)
    plain = CliRunner().invoke(main, ["--lang", "en", "info", "a/cabin.csv"]).output
    assert "`a/cabin.csv` is not there: there is no folder `a`" in plain


def test_an_address_of_the_web_is_told_from_a_path() -> None:
    told = CliRunner().invoke(main, ["--lang", "en", "info", "https://ann:pw@host/x.csv"])
    assert told.exit_code == 2
    assert "Nothing is read over a network. Save the file, and give its path." in told.output


def test_what_a_killed_run_left_is_cleared_and_what_lives_is_not(tmp_path: Path) -> None:
    dead = tmp_path / ".gridmap-abcdefgh.part"
    aside = tmp_path / ".gridmap-ijklmnop.part"  # holds a folder that had been moved aside
    (aside / "old").mkdir(parents=True)
    fresh = tmp_path / ".gridmap-qrstuvwx.part"  # of a run that began a moment ago
    other = tmp_path / ".gridmap-grid"  # the parts of a dataset, to be gone on with
    for folder in (dead, fresh, other):
        folder.mkdir()
    with replacing(tmp_path / "a.csv") as living:
        for folder in (dead, aside, other, living.parent):
            os.utime(folder, (0, 0))
        with replacing(tmp_path / "b.csv") as path:
            path.write_text("b")
        assert living.parent.is_dir() and not dead.exists()
        living.write_text("a")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a.csv", "b.csv", aside.name, fresh.name, other.name}


def test_an_empty_name_is_no_output() -> None:
    for option in ("--micro", "--report", "-o"):
        refused = CliRunner().invoke(main, ["partition", "a.gpkg", option, ""])
        assert refused.exit_code == 2 and option in refused.stderr
        assert "名称为空" in refused.stderr or "name is empty" in refused.stderr
