"""What a user wrote where a file is asked for: a path, `path:layer`, an archive, a database URL.

And GDAL as every reader and writer calls it: what it raises, quiet, with no clock.
"""

from __future__ import annotations

import difflib
import importlib
import io
import lzma
import os
import re
import select
import shutil
import stat
import sys
import tempfile
import traceback
import warnings
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import pyarrow as pa
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from gridmap.errors import InputError
from gridmap.io.address import ADDRESS, parse_address
from gridmap.io.limits import MOST_IN_MEMORY, check_expansion, check_members, check_once
from gridmap.language import Message

Kind = Literal["vector", "parquet", "arrow", "csv", "sheet", "records", "database"]

_KINDS: dict[str, Kind] = {
    **dict.fromkeys((".gpkg", ".geojson", ".json", ".shp", ".gdb", ".kml", ".kmz", ".fgb", ".gml",
                     ".sqlite", ".tab", ".mif", ".gpx", ".topojson", ".geojsonl", ".geojsons",
                     ".dxf", ".dbf", ".jml", ".e00"), "vector"),
    **dict.fromkeys((".parquet", ".geoparquet"), "parquet"),
    **dict.fromkeys((".feather", ".arrow", ".ipc", ".arrows"), "arrow"),
    **dict.fromkeys((".csv", ".tsv", ".txt"), "csv"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods"), "sheet"),
    **dict.fromkeys((".ndjson", ".jsonl"), "records"),
}  # fmt: skip
_FOREIGN = {
    ".et": Message("Save it as .xlsx"),
    ".dwg": Message("Export it as a Shapefile or GeoPackage"),
    ".mdb": Message("Export its layers as GeoPackage"),
    ".rar": Message("Unpack it"),
    ".7z": Message("Unpack it"),
    ".tar": Message("Unpack it"),
    ".tgz": Message("Unpack it"),
}
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"SQLite format 3\0", "vector"),
    (b"fgb", "vector"),
    (b"\xd0\xcf\x11\xe0", "sheet"),
)
_HEAD = 4096  # bytes by which a kind is told
_POINTER = re.compile(
    rb"<OGR\w*DataSource|<VRTDataset|<GDAL_WM\w|gdal_streamed_alg|<(?:\w+:)?(?:\w+_)?Capabilities\b"
)
"""What files begin with that only say where GDAL is to fetch the data: it would ask the network."""
_NOTE = re.compile(r"(?i)read[ _-]?me|licen[cs]e|说明|說明|读我|須知|须知")  # beside the data
_PAGE = re.compile(rb"<(!doctype|html|head|meta|table|\?xml)", re.IGNORECASE)
_MOST_UNPACKED = 1 << 32
_WAIT = 10.0  # seconds for the first byte of a FIFO
READABLE = ", ".join(_KINDS)
_STDIN = ("-", "/dev/stdin", "/dev/fd/0")
_PACKAGE = Path(__file__).parents[1]
_FAULTS = (TypeError, AttributeError, AssertionError, KeyError, IndexError)
"""What a parser raises over a damaged file, and a line of ours over its own mistake."""


@dataclass(frozen=True)
class Source:
    """A place to read from, known to be there.

    Attributes
    ----------
    text : str
        What the user wrote.
    kind : str
        ``vector``, ``parquet``, ``csv``, ``sheet`` or ``database``.
    path : Path
        The file; for an archive, the archive.
    layer : str or None
        The layer, sheet or table asked for.
    member : str or None
        The file within the archive.
    url : str or None
        The database, without its query.
    """

    text: str
    kind: Kind
    path: Path
    layer: str | None = None
    member: str | None = None
    url: str | None = None

    @property
    def name(self) -> str:
        """The name to call it by in messages, without passwords."""
        return parse_address(self.text).shown if self.kind == "database" else self.text

    @property
    def suffix(self) -> str:
        """The extension that tells the format."""
        return Path(self.member or self.path).suffix.lower()

    @property
    def size(self) -> int:
        """Bytes of the file or of the member of an archive; 0 for a folder."""
        if self.member is None:
            return self.path.stat().st_size if self.path.is_file() else 0
        with zipfile.ZipFile(self.path) as archive:
            members = archive.infolist()
        folder = f"{self.member}/"  # as large as what it holds
        within = [m for m in members if m.filename == self.member or m.filename.startswith(folder)]
        return sum(member.file_size for member in within)

    @property
    def gdal_path(self) -> str:
        """The path as GDAL takes it."""
        if self.member is None:
            return str(self.path)
        return f"/vsizip/{{{self.path.absolute()}}}/{self.member}"

    def read_bytes(self) -> bytes:
        """Return the whole content.

        Raises
        ------
        InputError
            When it cannot be read, or expands to more than memory should hold.
        """
        try:
            if self.member is None:
                return self.path.read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                told = archive.getinfo(self.member)
                check_members([told], self.name, most=MOST_IN_MEMORY)
                with archive.open(told) as member:
                    return member.read(told.file_size)  # and no byte more, whatever it holds
        except InputError:
            raise
        except (OSError, *BROKEN_ZIP) as error:
            raise unreadable(self.name, error) from error

    def whole(self) -> Any:
        """Return what readers of Parquet take: the path, or a member of an archive unpacked."""
        return self.path if self.member is None else io.BytesIO(self.read_bytes())

    def opened(self) -> BinaryIO:
        """Return the content as a file, of an archive unpacked.

        Raises
        ------
        InputError
            When it cannot be read.
        """
        if self.member is not None:
            return io.BytesIO(self.read_bytes())
        try:
            return cast(BinaryIO, self.path.open("rb", buffering=0))
        except OSError as error:
            raise unreadable(self.name, error) from error


BROKEN_PARQUET = (
    pa.ArrowException,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RuntimeError,
)
"""What readers of Parquet raise on damaged files."""

BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,  # an encrypted member, or an unknown compression
    ValueError,
    KeyError,
)
"""What readers of archives raise on damaged files."""


def find_source(spec: str | os.PathLike[str]) -> Source:
    """Find what a file argument means, and that it is there.

    Parameters
    ----------
    spec : str or path
        ``path``, ``path:layer``, ``archive.zip``, ``zip://archive.zip!member`` or
        ``postgresql://user@host/database?table=schema.table``.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        When nothing is there, it may not be read, it is empty, or its format is unknown.
    """
    text = os.fspath(spec)
    if names_database(text):
        found = parse_address(text)
        return Source(text, "database", Path(), found.table, url=found.url)
    bare, _, member = text.removeprefix("zip://").partition("!")
    path, layer = (Path(text), None) if text in _STDIN else _split_layer(bare)
    path = _spooled(path)
    _check_readable(path)
    path = _unpacked(path, text)
    if path.suffix.lower() in {".zip", ".kmz"} and path.is_file():
        return _archive(text, path, layer, member or None)
    if path.is_dir() and path.suffix.lower() != ".gdb":
        raise InputError("`{path}` is a folder. Name a file in it.", path=path)
    foreign = _FOREIGN.get(path.suffix.lower())
    if foreign is not None:
        raise InputError(
            "`{path}` cannot be read, being {suffix}. {foreign}.",
            path=text,
            suffix=path.suffix,
            foreign=foreign,
        )
    if path.is_file() and path.stat().st_size == 0:
        raise InputError("`{text}` is empty (0 bytes). Ask for the file again.", text=text)
    return Source(text, _by_content(path, _KINDS.get(path.suffix.lower()), text), path, layer)


def _by_content(path: Path, told: Kind | None, name: str) -> Kind:
    """Tell the kind of a file by its beginning, where its ending is silent or often wrong.

    Raises
    ------
    InputError
        When it is a web page in place of a table, or of no known format.
    """
    if told is not None and told not in ("csv", "sheet", "vector"):
        return told
    if path.is_dir():
        return "vector"
    with path.open("rb") as file:
        head = file.read(_HEAD)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    _refuse_pointer(head, name)
    if told == "vector":
        return _kind_of_json(path, text) if path.suffix.lower() == ".json" else told
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"PK\x03\x04"):
        return "sheet"
    if told in ("sheet", "csv", None) and _PAGE.match(text):
        if told is None and _gdal_knows(path):
            return "vector"
        raise InputError(
            "`{path}` is a web page or XML, as Excel 2003 saves it, no workbook that is read. Open "
            "it in Excel or WPS and save it as .xlsx.",
            path=name,
        )
    if told == "csv":
        return "csv"
    if told == "sheet":
        return "csv" if b"\0" not in head else "sheet"
    if text.startswith((b"{", b"[")):
        return _kind_of_json(path, text)
    if _gdal_knows(path):
        return "vector"
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if (b"\0" in head and not wide) or not any(mark in head for mark in (b",", b";", b"|", b"\t")):
        raise InputError(
            "`{path}` is of no known format. Readable are {readable} and .zip.",
            path=name,
            readable=READABLE,
        )
    return "csv"


def _refuse_pointer(head: bytes, name: str) -> None:
    """Refuse a file that has no data of its own, before GDAL follows it."""
    if _POINTER.search(head):
        raise InputError(
            "`{name}` holds no data, but says where other data are (VRT, WFS and the like), which "
            "is not followed. Name the data themselves.",
            name=name,
        )


def _kind_of_json(path: Path, text: bytes) -> Kind:
    """Tell records, in an array or one a line, from features."""
    features = re.search(
        rb'"type"\s*:\s*"(Feature|FeatureCollection|Topology|GeometryCollection|(Multi)?'
        rb'(Point|LineString|Polygon))"|"(features|geometryType|spatialReference)"\s*:',
        text,
    )
    if text.startswith(b"["):
        return "records"
    if features or not text.startswith(b"{"):
        return "vector"
    return "records" if _lines(path) or not _gdal_knows(path) else "vector"


def _lines(path: Path) -> bool:
    """Tell whether the first line of a file is a whole JSON object."""
    import json

    with path.open("rb") as file:
        line = file.readline(1 << 22).removeprefix(b"\xef\xbb\xbf").strip()
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _gdal_knows(path: Path) -> bool:
    """Tell whether a driver of GDAL takes a file for its own; text is nobody's."""
    try:
        with quiet():
            return len(pyogrio.list_layers(str(path))) > 0
    except GDAL_FAILURES:
        return False


_spools: dict[str, Path] = {}


def _spooled(path: Path) -> Path:
    """Return a file with what comes through a FIFO or standard input, which can be read once.

    Raises
    ------
    InputError
        When nobody writes into it.
    """
    text = str(path)
    if text in _spools:
        return _spools[text]
    if text not in _STDIN:
        try:
            kind = path.stat().st_mode
        except OSError:
            return path
        if stat.S_ISCHR(kind) or stat.S_ISBLK(kind) or stat.S_ISSOCK(kind):
            raise InputError("`{path}` is a device or socket, no file. Give a file.", path=path)
        if not stat.S_ISFIFO(kind):
            return path
    target = Path(_spool_folder(), "input")
    with target.open("wb") as file:
        if text in _STDIN:
            shutil.copyfileobj(sys.stdin.buffer, file)
        else:
            _drain(path, file)
    _spools[text] = target
    return target


_PACKED = {b"\x1f\x8b": ("gzip", ".gz"), b"BZh": ("bz2", ".bz2"), b"\xfd7zXZ\0": ("lzma", ".xz")}
"""How packed files begin, with the module of Python that unpacks them, and their usual ending."""


def _unpacked(path: Path, name: str) -> Path:
    """Return a file with what is packed in one (.csv.gz), within the bounds of archives."""
    if not path.is_file():
        return path
    with path.open("rb") as file:
        head = file.read(6)
    found = next((how for magic, how in _PACKED.items() if head.startswith(magic)), None)
    if found is None:
        return path
    facts = path.stat()
    key = f"{path.absolute()}\0{facts.st_mtime_ns}\0{facts.st_size}"
    if key in _spools:
        return _spools[key]
    module, ending = importlib.import_module(found[0]), found[1]
    target = Path(_spool_folder(), path.stem if path.suffix.lower() == ending else path.name)
    try:
        with module.open(path) as packed, target.open("wb") as file:
            while block := packed.read(1 << 20):
                file.write(block)
                check_expansion(file.tell(), facts.st_size, name)
    except (*BROKEN_ZIP, OSError, lzma.LZMAError) as error:
        if isinstance(error, InputError):
            raise
        raise unreadable(name, error) from error
    _spools[key] = target
    return target


def _spool_folder() -> str:
    """Return a new folder that goes when the program ends."""
    import atexit

    folder = tempfile.mkdtemp(prefix="gridmap-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _drain(path: Path, target: BinaryIO) -> None:
    """Copy all that comes through a FIFO; a writer must begin within some seconds."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(_WAIT * 1000):
            raise InputError(
                "`{path}` is a FIFO into which nobody has written for {wait:g} seconds. Start "
                "the writer first.",
                path=path,
                wait=_WAIT,
            )
        os.set_blocking(handle, True)
        while block := os.read(handle, 1 << 20):
            target.write(block)
    finally:
        os.close(handle)


def names_database(path: str | os.PathLike[str]) -> bool:
    """Tell whether a place is a database.

    Examples
    --------
    >>> names_database("POSTGRESQL+psycopg://host/city"), names_database("postgresql.csv")
    (True, False)
    >>> names_database("host=db.city dbname=grids password=sesame")
    True
    """
    return ADDRESS.match(os.fspath(path)) is not None


def known_suffix(path: Path, writable: Collection[str]) -> str:
    """Return the extension of a file to write, which tells its format.

    Raises
    ------
    InputError
        When it is none that can be written.
    """
    suffix = path.suffix.lower()
    if suffix not in writable:
        raise InputError(
            "`{path}` has no known extension. Writable are {writable}.",
            path=path,
            writable=[*writable],
        )
    return suffix


@contextmanager
def telling(name: str, failures: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn what a library raises on a damaged file into one line, as `unreadable` does."""
    try:
        yield
    except InputError:
        raise
    except failures as error:
        raise unreadable(name, error) from error


def unreadable(name: str, error: BaseException) -> InputError:
    """Return the error of one line that a failed read becomes; our own faults are raised again."""
    if _is_our_fault(error):
        raise error
    if isinstance(error, PermissionError):
        return InputError("`{name}` may not be read. Ask for the right to read it.", name=name)
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        "`{name}` cannot be read: {reason}. It may be damaged or of another format; "
        "ask for the file again.",
        name=name,
        reason=reason[:200].rstrip("."),
    )


def _is_our_fault(error: BaseException) -> bool:
    """Tell whether a line of this package stumbled, and not the parser that it called."""
    if not isinstance(error, _FAULTS) or error.__traceback__ is None:
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return Path(frame.f_code.co_filename).is_relative_to(_PACKAGE)


def _split_layer(text: str) -> tuple[Path, str | None]:
    """Split `path:layer`; a file whose own name has a colon comes first."""
    path = Path(text)
    try:
        if path.exists():
            return path, None
        start = len(text)
        while (start := text.rfind(":", 0, start)) > 0:
            if Path(text[:start]).exists():
                return Path(text[:start]), text[start + 1 :]
    except (OSError, ValueError) as error:  # a name too long, a NUL
        raise InputError(
            "{text!r} is no file name ({error}). Check the path.", text=text[:80], error=error
        ) from error
    raise _not_there(path)


def _not_there(path: Path) -> InputError:
    folder = path.parent
    if re.match(r"[a-z][\w+.\-]+:/", str(path), re.IGNORECASE):
        return InputError("Nothing is read over a network. Save the file, and give its path.")
    if not folder.is_dir():
        return InputError(
            "`{path}` is not there: there is no folder `{folder}`. Check the path.",
            path=path,
            folder=folder,
        )
    try:
        names = [entry.name for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:
        names = []
    close = difflib.get_close_matches(path.name, names, n=1)
    cure = Message("Check the path.")
    if close:
        cure = Message("Did you mean `{path}`?", path=folder / close[0])
    return InputError("`{path}` is not there. {cure}", path=path, cure=cure)


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            os.scandir(path).close()
        else:
            path.open("rb").close()
    except OSError as error:
        raise unreadable(str(path), error) from error


def _archive(text: str, path: Path, layer: str | None, member: str | None) -> Source:
    """Find the one file to read in an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            check_once((info.filename for info in members), text)
            names = [info.filename for info in members]
    except (OSError, *BROKEN_ZIP) as error:
        raise unreadable(str(path), error) from error
    names = [name for name in names if not Path(name).name.startswith((".", "__MACOSX"))]
    known = sorted({_outer(name) for name in names if Path(_outer(name)).suffix.lower() in _KINDS})
    shapes = {Path(name).with_suffix("") for name in known if name.lower().endswith(".shp")}
    known = [
        n for n in known if not (n.lower().endswith(".dbf") and Path(n).with_suffix("") in shapes)
    ]
    if member is not None:
        known = [name for name in known if name == member]
    elif len(known) > 1 and layer is None:
        known = [name for name in known if not _NOTE.search(name)] or known
    elif len(known) > 1:
        known = [name for name in known if Path(name).stem == layer or name == layer]
        layer = None
    if len(known) != 1:
        found = known or names[:10] or Message("nothing")
        raise InputError(
            "`{text}` must lead to one readable file, but the archive has {found}. Name "
            "one: `{path}:layer` or `zip://{path}!member`.",
            text=text,
            found=found,
            path=path,
        )
    stem = str(Path(known[0]).with_suffix("")).lower()
    parts = [member for member in members if member.filename.lower().startswith(stem)]
    check_members(parts, text, most=_MOST_UNPACKED)
    _refuse_pointer(_head_of_member(path, known[0]), text)
    return Source(text, _KINDS[Path(known[0]).suffix.lower()], path, layer, known[0])


def _head_of_member(path: Path, name: str) -> bytes:
    """Return how a member begins; nothing for a folder."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as member:
            return member.read(_HEAD)
    except (OSError, *BROKEN_ZIP):
        return b""


def _outer(name: str) -> str:
    """Return the FileGDB that a member belongs to, or the member itself."""
    parts = Path(name).parts
    for depth, part in enumerate(parts, start=1):
        if part.lower().endswith(".gdb"):
            return "/".join(parts[:depth])
    return name


# no file sends its reader to the network; the second is what older GDALs call the first
OFFLINE = {"GML_DOWNLOAD_SCHEMA": "NO", "GML_DOWNLOAD_WFS_SCHEMA": "NO"}
pyogrio.set_gdal_config_options(OFFLINE)

FIXED_DATE = "2000-01-01T00:00:00.000Z"  # no clock in a file: same content, same bytes


GDAL_FAILURES = (
    DataSourceError,
    DataLayerError,
    FeatureError,
    FieldError,
    GeometryError,
    pa.ArrowException,
    shapely.errors.ShapelyError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RuntimeError,
    SystemError,  # a binding stumbles over a message that is no text
)


@contextmanager
def fixed_date() -> Iterator[None]:
    """Keep the clock out of what GDAL writes meanwhile, and its flushes to the disk."""
    wanted = {"OGR_CURRENT_DATE": FIXED_DATE, "OGR_SQLITE_SYNCHRONOUS": "OFF"}
    before = {name: pyogrio.get_gdal_config_option(name) for name in wanted}
    pyogrio.set_gdal_config_options(wanted)
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options(before)


@contextmanager
def quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Hear GDAL's warnings instead of printing them, also those that are no text."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda _: None  # bindings cannot decode some messages about damage
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            yield heard
    finally:
        sys.unraisablehook = before
