"""What a user wrote where a file is asked for: a path, `path:layer`, an archive, a database URL."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast
from urllib.parse import parse_qs, urlsplit, urlunsplit

import pyarrow as pa

from gridmap.errors import InputError
from gridmap.language import Message

Kind = Literal["vector", "parquet", "csv", "sheet", "database"]

_KINDS: dict[str, Kind] = {
    ".gpkg": "vector",
    ".geojson": "vector",
    ".json": "vector",
    ".shp": "vector",
    ".gdb": "vector",
    ".kml": "vector",
    ".kmz": "vector",
    ".fgb": "vector",
    ".gml": "vector",
    ".sqlite": "vector",
    ".parquet": "parquet",
    ".geoparquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".xlsx": "sheet",
    ".xlsm": "sheet",
    ".xls": "sheet",
}
_FOREIGN = {
    ".ods": Message("Save it as .xlsx"),
    ".et": Message("Save it as .xlsx"),
    ".dwg": Message("Export it as a Shapefile or GeoPackage"),
    ".dxf": Message("Export it as a Shapefile or GeoPackage"),
    ".mdb": Message("Export its layers as GeoPackage"),
    ".rar": Message("Unpack it"),
    ".7z": Message("Unpack it"),
}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_PAGE = re.compile(rb"<(!doctype|html|head|meta|table|\?xml)", re.IGNORECASE)
READABLE = ", ".join(_KINDS)
_DATABASES = ("postgresql", "postgres")


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
        return without_password(self.text) if self.kind == "database" else self.text

    @property
    def suffix(self) -> str:
        """The extension that tells the format."""
        return Path(self.member or self.path).suffix.lower()

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
            When it cannot be read.
        """
        try:
            if self.member is None:
                return self.path.read_bytes()
            with zipfile.ZipFile(self.path) as archive:
                return archive.read(self.member)
        except (OSError, *BROKEN_ZIP) as error:
            raise unreadable(self.name, error) from error

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
    MemoryError,
)
"""What readers of Parquet raise on damaged files."""

BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,  # an encrypted member
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
        return _database(text)
    bare, _, member = text.removeprefix("zip://").partition("!")
    path, layer = _split_layer(bare)
    _check_readable(path)
    if path.suffix.lower() in {".zip", ".kmz"} and path.is_file():
        return _archive(text, path, layer, member or None)
    if path.is_dir() and path.suffix.lower() != ".gdb":
        raise InputError("`{path}` is a folder. Name a file in it.", path=path)
    kind = _KINDS.get(path.suffix.lower())
    foreign = _FOREIGN.get(path.suffix.lower())
    if foreign is not None:
        raise InputError(
            "`{path}` cannot be read, being {suffix}. {foreign}.",
            path=path,
            suffix=path.suffix,
            foreign=foreign,
        )
    if kind is None:
        raise InputError(
            "`{path}` is of no known format. Readable are {readable} and .zip.",
            path=path,
            readable=READABLE,
        )
    if path.is_file() and path.stat().st_size == 0:
        raise InputError("`{path}` is empty (0 bytes). Ask for the file again.", path=path)
    return Source(text, _by_content(path, kind), path, layer)


def _by_content(path: Path, kind: Kind) -> Kind:
    """Tell a workbook from a text whatever it calls itself: portals name their texts .xls.

    Raises
    ------
    InputError
        When it is a web page.
    """
    if kind not in ("csv", "sheet"):
        return kind
    with path.open("rb") as file:
        head = file.read(512)
    if head.startswith(_WORKBOOKS):
        return "sheet"
    if kind == "sheet" and _PAGE.match(head.removeprefix(b"\xef\xbb\xbf").lstrip()):
        raise InputError(
            "`{path}` is a web page, not a workbook. Open it in Excel or WPS and save it as .xlsx.",
            path=path,
        )
    return "csv" if kind == "sheet" and b"\0" not in head else kind


def names_database(path: str | os.PathLike[str]) -> bool:
    """Tell whether a place to write to is a database URL."""
    return os.fspath(path).startswith(tuple(f"{scheme}://" for scheme in _DATABASES))


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


def unreadable(name: str, error: BaseException) -> InputError:
    """Return the error of one line that a failed read becomes."""
    if isinstance(error, PermissionError):
        return InputError("`{name}` may not be read. Ask for the right to read it.", name=name)
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        "`{name}` cannot be read: {reason}. It may be damaged or of another format; "
        "ask for the file again.",
        name=name,
        reason=reason[:200].rstrip("."),
    )


def without_password(url: str) -> str:
    """Return a database URL that can be printed."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    user = f"{parts.username}:***@" if parts.username else ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=user + host))


def _database(text: str) -> Source:
    try:
        parts = urlsplit(text)
    except ValueError as error:  # whose text may hold the password
        raise InputError(
            "The database URL is none. Write it as "
            "`postgresql://USER@HOST/DATABASE?table=NAME`, with signs such as @, /, [ and "
            "# in a password as %40, %2F, %5B and %23."
        ) from error
    query = parse_qs(parts.query)
    table = query.pop("table", [None])[0]
    rest = "&".join(f"{key}={value}" for key, values in query.items() for value in values)
    url = urlunsplit(parts._replace(scheme="postgresql", query=rest))
    return Source(text, "database", Path(), table, url=url)


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
            names = [_decoded(info) for info in archive.infolist() if not info.is_dir()]
    except (OSError, *BROKEN_ZIP) as error:
        raise unreadable(str(path), error) from error
    names = [name for name in names if not Path(name).name.startswith((".", "__MACOSX"))]
    known = sorted({_outer(name) for name in names if Path(_outer(name)).suffix.lower() in _KINDS})
    if member is not None:
        known = [name for name in known if name == member]
    elif len(known) > 1 and layer is not None:
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
    return Source(text, _KINDS[Path(known[0]).suffix.lower()], path, layer, known[0])


def _outer(name: str) -> str:
    """Return the FileGDB that a member belongs to, or the member itself."""
    parts = Path(name).parts
    for depth, part in enumerate(parts, start=1):
        if part.lower().endswith(".gdb"):
            return "/".join(parts[:depth])
    return name


def _decoded(info: zipfile.ZipInfo) -> str:
    return info.filename


ROW = "gridmap_row"  # keeps the order of the rows
_WAIT = 10  # seconds for a connection


def _psycopg() -> Any:
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise InputError(
            "Databases need the package psycopg. Install it: `pip install gridmap-gis[postgis]`."
        ) from error


@contextmanager
def connected(source: Source) -> Iterator[Any]:
    """Yield a connection; what was written is kept only when the block ends well."""
    psycopg = _psycopg()
    try:
        with psycopg.connect(source.url, connect_timeout=_WAIT) as connection:
            yield connection
    except (psycopg.Error, UnicodeError) as error:  # of an address that is no text
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise InputError(
            "The database {url} failed: {reason}. Check its address, your rights and the "
            "table; nothing was changed.",
            url=without_password(source.url or ""),
            reason=reason.rstrip("."),
        ) from error


def table_of(source: Source) -> tuple[str, str]:
    """Return schema and table."""
    if not source.layer:
        raise InputError(
            "`{source}` names no table. Add `?table=NAME` or `?table=SCHEMA.NAME`.",
            source=source.name,
        )
    schema, _, table = source.layer.rpartition(".")
    return schema or "public", table


def exists(connection: Any, name: tuple[str, str]) -> bool:
    query = "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    return connection.execute(query, name).fetchone() is not None


def hold(connection: Any, names: list[tuple[str, str]], source: Source) -> None:
    """Keep others from replacing tables while they are read."""
    sql = importlib.import_module("psycopg.sql")
    listed = sql.SQL(", ").join(sql.Identifier(*name) for name in names)
    try:
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(listed))
    except _psycopg().errors.UndefinedTable as error:
        raise InputError(
            "`{source}` is no grid: {error}. Write one there with `gridmap partition -o`.",
            source=source.name,
            error=str(error).splitlines()[0],
        ) from error


def existing(connection: Any, source: Source) -> tuple[str, str]:
    name = table_of(source)
    for candidate in (name, (name[0], f"{name[1]}_cells")):
        if exists(connection, candidate):
            hold(connection, [candidate], source)
            return candidate
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1"
    found = [row[0] for row in connection.execute(query, [name[0]]).fetchall()]
    raise InputError(
        "`{name}` has no table {table!r} in schema {schema!r}; there is {found}.",
        name=source.name,
        table=name[1],
        schema=name[0],
        found=found[:20] or Message("none"),
    )
