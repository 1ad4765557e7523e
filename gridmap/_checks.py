"""Checks that several rooms make at their doors, and layers of other libraries taken in there."""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gridmap.errors import CRSError, GridmapError, InputError
from gridmap.language import Message

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import pyproj

    from gridmap._arrays import Bools, Floats, Geometries, Ints


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a string option that is not one of its choices."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        raise InputError(
            "`{name}` is {value!r}; choose one of {choices}.",
            name=name,
            value=value,
            choices=[repr(one) for one in choices],
        )


def check_band(band: tuple[object, object]) -> tuple[int, int]:
    """Return the household band as two integers, 0 < min <= max."""
    try:
        low, high = (_whole(bound) for bound in band)
    except (TypeError, ValueError):
        low = high = 0
    if min(low, high) < 1:
        raise InputError(
            "`households` is {band!r}; give two whole numbers from 1, as (300, 600).", band=band
        )
    if low > high:
        raise InputError(
            "`households` has min {low} over max {high}; give (min, max).", low=low, high=high
        )
    return low, high


Each = Callable[[Callable[..., Any], list[tuple[Any, ...]]], Iterable[Any]]
"""Calls a function many times, wherever it likes, and yields the answers in any order."""


def here(function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> Iterable[Any]:
    """Call a function many times in this process."""
    return (function(*call) for call in calls)


@dataclass(frozen=True)
class Bands:
    """Least and most households of a cell: one band for all, or one a jurisdiction.

    `low` and `high` are the ends of the band, or of all where `own` holds several by jurisdiction.
    """

    low: int
    high: int
    own: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def by_area(cls, own: Mapping[str, tuple[int, int]]) -> Bands:
        """Return the bands of jurisdictions; equal ones are one band for all."""
        ends = set(own.values())
        if len(ends) == 1:
            return cls(*ends.pop())
        return cls(min(low for low, _ in ends), max(high for _, high in ends), dict(own))

    @classmethod
    def kept(cls, parameters: Mapping[str, Any]) -> Bands:
        """Return the bands that the parameters of a grid hold."""
        own = parameters.get("bands", {}).items()
        return cls(
            int(parameters.get("min", 300)),
            int(parameters.get("max", 600)),
            {code: (int(low), int(high)) for code, (low, high) in own},
        )

    def of(self, parent: str) -> tuple[int, int]:
        """Return the band of one jurisdiction."""
        return self.own.get(parent, (self.low, self.high))

    def ends(self, parents: pd.Series) -> tuple[pd.Series, pd.Series]:
        """Return the least and the most households for each of some cells, by their parents."""
        low, high = (parents.map(lambda parent, end=end: self.of(parent)[end]) for end in (0, 1))
        return low.astype("int64"), high.astype("int64")

    def hold(self, households: pd.Series, parents: pd.Series) -> pd.Series:
        """Tell for each of some cells whether its households are in the band of its parent."""
        if not self.own:
            return households.between(self.low, self.high)
        return households.between(*self.ends(parents))

    def __str__(self) -> str:
        """Write the bands, each once."""
        every = sorted(set(self.own.values())) or [(self.low, self.high)]
        shown = [f"{low}-{high}" for low, high in every[:_BANDS]]
        return " / ".join([*shown, "…"] if len(every) > _BANDS else shown)

    @property
    def printed(self) -> str:
        """Write the bands as a page does."""
        return str(self).replace("-", "–")


_BANDS = 3  # bands that are written out


def _whole(number: Any) -> int:
    """Return a whole number as an integer, anything else as 0."""
    if not isinstance(number, numbers.Real) or not math.isfinite(number):
        return 0
    return int(float(number)) if float(number).is_integer() else 0


def as_numbers(values: pd.Series) -> pd.Series:
    """Return a column as numbers, NaN for what is none; a truth value is none.

    Examples
    --------
    >>> import pandas as pd
    >>> as_numbers(pd.Series([True, "7", 2.5, None])).tolist()
    [nan, 7.0, 2.5, nan]
    """
    import pandas as pd

    if values.dtype == object or pd.api.types.is_bool_dtype(values):
        values = values.astype(object).mask(
            values.map(lambda v: type(v).__name__ in ("bool", "bool_"))
        )
    return pd.to_numeric(values, errors="coerce")


MOST = 2**53
"""The greatest number up to which doubles count every one."""


def whole_counts(name: str, frame: pd.DataFrame, column: str = "households") -> Ints:
    """Return a column of counts as whole numbers of which a sum is exact, or refuse it by name."""
    import numpy as np

    if column not in frame.columns:
        raise InputError(
            "`{name}` has no column {column!r}; name the counts so, or rename the column.",
            name=name,
            column=column,
        )
    values = frame[column]
    number = as_numbers(values).to_numpy(float, na_value=np.nan)
    text = values.notna().to_numpy() & np.isnan(number)
    refuse_texts(name, column, values, text)
    refusals = {
        Message("is missing or not finite"): ~np.isfinite(number),
        Message("is negative"): number < 0,
        Message("is too large"): number > MOST / max(len(number), 1),
        Message("is fractional"): number != np.floor(number),
    }
    for what, bad in refusals.items():
        if bad.any():
            raise InputError(
                "`{name}` column {column!r} {what} in {labels}. Give whole numbers from 0; "
                "round fractions so that the sum stays.",
                name=name,
                column=column,
                what=what,
                labels=named(values.index, bad),
            )
    return np.asarray(number, dtype=np.int64)


def refuse_texts(name: str, column: str, values: pd.Series, text: Bools) -> None:
    """Refuse texts that stand where counts belong, of which the first is shown."""
    if text.any():
        raise InputError(
            "`{name}` column {column!r} holds {text!r} where a count belongs, in {labels}. Make it "
            "numbers.",
            name=name,
            column=column,
            text=values.iloc[int(text.argmax())],
            labels=named(values.index, text),
        )


def named(labels: Sequence[Any] | pd.Index, chosen: Bools) -> Message:
    """Return how many rows are meant and the labels of the first of them."""
    import numpy as np

    rows = np.flatnonzero(chosen)
    return Message(
        "{n:,} of {all:,} {all:row|rows} ({first}{more})",
        n=len(rows),
        all=len(chosen),
        first=[str(labels[k]) for k in rows[:3]],
        more=", …" if len(rows) > 3 else "",
    )


def check_column(name: str, column: str, columns: Iterable[Any]) -> None:
    """Refuse a column that a table does not have."""
    known = [*columns]
    if column not in known:
        raise InputError(
            "`{name}` has no column {column!r}; it has {columns}.",
            name=name,
            column=column,
            columns=known,
        )


def check_layer(name: str, layer: object) -> None:
    """Refuse what is no layer, a path or a table without geometry for instance."""
    import geopandas as gpd

    if not isinstance(layer, gpd.GeoDataFrame):
        raise InputError(
            "`{name}` is a {type} without geometries; give a GeoDataFrame, such as "
            "`gridmap.io.read_layer(path)`.",
            name=name,
            type=type(layer).__name__,
        )


def check_crs(name: str, frame: gpd.GeoDataFrame | gpd.GeoSeries) -> pyproj.CRS:
    """Return the CRS of a frame, or refuse one that has none."""
    if frame.crs is None:
        raise CRSError(
            "`{name}` has no CRS, so its coordinates mean nothing. Declare it: "
            "`{name}.set_crs(4547)`, or `--crs EPSG:4547`.",
            name=name,
        )
    check_sound(name, frame.crs)
    return frame.crs


def check_sound(name: str, crs: pyproj.CRS) -> None:
    """Refuse a CRS that can be that of no place, as a damaged .prj has it."""
    if not is_sound(crs):
        raise CRSError(
            "`{name}` is in {crs}, whose units or ellipsoid are none of a planet. Mend its .prj, "
            "or take it away and declare the CRS: `--crs EPSG:4547`.",
            name=name,
            crs=label(crs),
        )


def is_sound(crs: pyproj.CRS) -> bool:
    """Tell whether the units and the ellipsoid of a CRS can be those of a place on a planet."""
    body = crs.ellipsoid
    radii = [] if body is None else [body.semi_major_metre, body.semi_minor_metre]
    units = [axis.unit_conversion_factor for axis in crs.axis_info]
    return all(1e-6 < unit < 1e6 for unit in units) and all(1e5 < radius < 1e9 for radius in radii)


def check_same_crs(name: str, frame: Any, other_name: str, other: Any) -> None:
    """Refuse two frames in different CRSs."""
    if check_crs(name, frame) != check_crs(other_name, other):
        raise CRSError(
            "`{name}` is in {crs} but `{other_name}` in {crs_2}. Transform one: "
            "`{other_name}.to_crs({name}.crs)`.",
            name=name,
            crs=label(frame.crs),
            other_name=other_name,
            crs_2=label(other.crs),
        )


_SHAPES = {
    "Point": Message("Point"),
    "LineString": Message("LineString"),
    "LinearRing": Message("LinearRing"),
    "Polygon": Message("Polygon"),
    "MultiPoint": Message("MultiPoint"),
    "MultiLineString": Message("MultiLineString"),
    "MultiPolygon": Message("MultiPolygon"),
    "GeometryCollection": Message("GeometryCollection"),
}


def shape_name(kind: str) -> Message | str:
    """Return the kind of a geometry, to be named in a sentence."""
    return _SHAPES.get(kind, kind)


def coordinates_of(shapes: Geometries, name: str) -> tuple[Floats, Floats]:
    """Return the coordinates of points and of MultiPoints of one point, NaN for missing ones.

    Raises
    ------
    InputError
        When there is a shape that is no point.
    """
    import numpy as np
    import shapely

    shapes = np.asarray(shapes, dtype=object)
    x, y, kinds = np.empty(len(shapes)), np.empty(len(shapes)), np.empty(len(shapes), np.int32)
    step = 1 << 14  # shapes that are looked at twice while they are at hand
    for start in range(0, len(shapes), step):
        some = slice(start, start + step)
        x[some], y[some] = shapely.bounds(shapes[some]).T[:2]  # in half the time of get_x and get_y
        kinds[some] = shapely.get_type_id(shapes[some])
    look = np.flatnonzero(kinds > shapely.GeometryType.POINT)
    if len(look):
        lone = kinds[look] == shapely.GeometryType.MULTIPOINT
        lone &= shapely.get_num_geometries(shapes[look]) == 1
        _refuse_others(shapes[look], look, ~lone, name)
    return x, y


def _refuse_others(shapes: Geometries, rows: Ints, odd: Bools, name: str) -> None:
    if odd.any():
        first = int(odd.argmax())
        raise InputError(
            "{name!r} has {odd:,} {odd:geometry that is no point|geometries that are no "
            "points}, the first a {geom_type} in row {odd_2}. Use representative points.",
            name=name,
            odd=int(odd.sum()),
            geom_type=shape_name(shapes[first].geom_type),
            odd_2=int(rows[first]) + 1,
        )


def as_seen(code: object) -> str:
    """Return a code as it is seen: letters composed, nothing without a width, no blanks around.

    Examples
    --------
    >>> as_seen(" A\u200b")
    'A'
    """
    text = str(code)
    if not (text.isascii() and text.isprintable()):
        letters = unicodedata.normalize("NFC", text)
        text = "".join(c for c in letters if unicodedata.category(c) not in ("Cc", "Cf"))
    return text.strip()


def label(crs: Any) -> str:
    """Return a short name of a CRS, as EPSG:4547, the number by which files know it."""
    if crs is None:
        return "none"
    number = crs.to_epsg()
    authority = ("EPSG", str(number)) if number else crs.to_authority()
    return ":".join(authority) if authority else str(crs.name)


_TELLING = {"PROJECTION", "METHOD", "PARAMETER", "EXTENSION"}
"""Parts of a definition of which the name says how coordinates are meant."""


def definition(crs: Any) -> str:
    """Return the definition of a CRS as a GeoPackage holds it."""
    from pyproj.exceptions import CRSError as UntoldError

    text: str = crs.to_wkt("WKT2_2015")
    with suppress(UntoldError):  # not all can be told in the older form
        text = crs.to_wkt("WKT1_GDAL", output_axis_rule=True)
    return text


def defined(crs: Any) -> str:
    """Return what a CRS is by its own definition: methods, numbers and directions, no names.

    Names of datums and areas change from one version of the register to the next.

    Examples
    --------
    >>> import pyproj
    >>> defined(pyproj.CRS("+proj=longlat +R=6371000"))[:36]
    'GEOGCS DATUM SPHEROID 6371000.0 0.0 '
    """
    if crs is None:
        return ""
    text = re.sub(r"\b(?:AUTHORITY|ID|BBOX)\[[^\[\]]*\]", "", definition(crs))
    words, part = [], ""
    for quoted, number, word in re.findall(r'("[^"]*")|(?<![\w.])([-+]?\d[-+.\de]*)|(\w+)', text):
        if number:
            words.append(repr(float(number)))
        elif word:
            words.append(part := word.upper())
        elif part in _TELLING:
            words.append(quoted)
    return " ".join(words)


DASHES = {"-", "--", "/", "\\", "无", "没有", "—", "——"}
_NOTHING = {"", "none", "null", "nan", "n/a", "nat"}
_SHOWN = 5  # rows named in a message
_LONG = 60  # characters of a value in a message


def is_nothing(value: Any) -> bool:
    """Tell whether a value, or a dash in its place, says that there is none."""
    return value is None or value != value or str(value).strip().lower() in _NOTHING | DASHES


def jsonable(value: Any) -> Any:
    """Return what JSON knows in place of what it does not, as the scalars and arrays of NumPy."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return sorted(value) if isinstance(value, (set, frozenset)) else str(value)


def named_rows(values: pd.Series, most: int = _SHOWN) -> Message:
    """Name the first of some rows, counted from 1, with what stands there."""
    shown = [
        Message("row {row} {value}", row=at + 1 if isinstance(at, int) else at, value=_brief(value))
        for at, value in values.head(most).items()
    ]
    return Message("{rows} …" if len(values) > most > 1 else "{rows}", rows=shown)


def _brief(value: Any) -> str | Message:
    text = repr(value)
    if text in ("nan", "None", "NaT", "<NA>"):
        return Message("empty")
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


Progress = Callable[[str, int, int], None]
"""Called with the stage, the steps done and the steps in all (0 when unknown)."""


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


def is_private(folder: Path) -> bool:
    """Tell whether only the user (or root) can write to a folder that is, or is to be, made.

    What is read back and run, or trusted, is kept in no other. Nobody else may put another folder
    in its place either: those above are private too, or sticky as the folder of temporary files.
    """
    if not hasattr(os, "getuid"):
        return True
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    above = {*folder.parents, *folder.resolve().parents}  # also where a link leads
    return _is_own(folder, sticky=False) and all(_is_own(f, sticky=True) for f in above)


def _is_own(folder: Path, *, sticky: bool) -> bool:
    found = folder.stat()
    others = 0o002 if found.st_gid == os.getgid() == os.getuid() else 0o022  # one's own group
    kept = not found.st_mode & others or (sticky and bool(found.st_mode & stat.S_ISVTX))
    return found.st_uid in (0, os.getuid()) and kept


@lru_cache(maxsize=1)
def simplified() -> dict[int, int]:
    """Return the table by which `str.translate` writes traditional characters simplified."""
    text = files("gridmap").joinpath("tables/traditional.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    table: dict[int, int] = {}
    for old, new in zip(lines[::2], lines[1::2], strict=True):
        table.update(str.maketrans(old, new))
    return table


OURS = {"DataFrame", "Series", "ndarray", "ExtensionArray", "Geometry"}
"""Kinds that verbs know already; named, so that nothing need be imported to tell."""

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


def as_layer(name: str, data: object) -> gpd.GeoDataFrame | pd.DataFrame:
    """Return a foreign layer as a frame.

    Parameters
    ----------
    name : str
        What the argument is called.
    data : object
        With ``to_geopandas``, ``__arrow_c_stream__`` or ``__geo_interface__``, or a GeoJSON
        mapping. A table of Arrow without geometry becomes a plain frame.

    Returns
    -------
    GeoDataFrame or DataFrame
        In the CRS that the data say; without one where they say none.

    Examples
    --------
    >>> square = {"type": "Polygon", "coordinates": [[(0, 0), (1, 0), (1, 1), (0, 0)]]}
    >>> as_layer("cells", square).area.tolist()
    [0.5]
    """
    if callable(ready := getattr(data, "to_geopandas", None)):
        frame: gpd.GeoDataFrame | pd.DataFrame = ready()  # of a Grid, say
        return frame
    if hasattr(data, "__arrow_c_stream__"):
        return _of_arrow(data)
    return _of_features(name, data)


def foreign(data: object) -> bool:
    """Tell whether an argument is a layer of another library."""
    if isinstance(data, Mapping):
        return "type" in data
    if {kind.__name__ for kind in type(data).__mro__} & OURS:
        return False
    marks = ("to_geopandas", "__arrow_c_stream__", "__geo_interface__")
    return any(hasattr(data, mark) for mark in marks)


def _of_arrow(data: object) -> gpd.GeoDataFrame | pd.DataFrame:
    import geopandas as gpd
    import pyarrow as pa

    table = pa.table(data)
    spoken = [(field.metadata or {}).get(b"ARROW:extension:name", b"") for field in table.schema]
    if any(name.startswith(b"geoarrow") for name in spoken) or any(
        str(getattr(kind, "extension_name", "")).startswith("geoarrow")
        for kind in table.schema.types
    ):
        return gpd.GeoDataFrame.from_arrow(table)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _of_features(name: str, data: object) -> gpd.GeoDataFrame:
    import geopandas as gpd

    told = data if isinstance(data, Mapping) else getattr(data, "__geo_interface__", {})
    kind = told.get("type")
    if kind == "FeatureCollection":
        features = told.get("features", [])
    else:
        features = [told if kind == "Feature" else {"properties": {}, "geometry": told}]
    crs = getattr(data, "crs", None) or told.get("crs", {}).get("properties", {}).get("name")
    try:
        return gpd.GeoDataFrame.from_features(features, crs=crs)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "`{name}` is no layer of features: {error}. Give a GeoDataFrame, GeoJSON, or Arrow "
            "with a geometry column.",
            name=name,
            error=repr(error),
        ) from error


def at_the_door(verb: Callable[P, R]) -> Callable[P, R]:
    """Let a verb of the face take layers of other libraries, and name what is of a wrong kind.

    A Grid is asked for at once; other kinds are looked at only after the verb has failed, so that
    nothing that works is refused.

    Examples
    --------
    >>> @at_the_door
    ... def pace(metres: "float", days: "Sequence[int]") -> "float":
    ...     return metres / sum(days)
    >>> pace("far", [1, 2])
    Traceback (most recent call last):
    gridmap.errors.InputError: `metres` is a str; give float.
    """
    signature = inspect.signature(verb)
    kinds = {name: _kinds(str(one.annotation)) for name, one in signature.parameters.items()}

    @functools.wraps(verb)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:  # one is missing or unknown, as Python itself tells
            return verb(*args, **kwargs)
        given = bound.arguments
        _check_grids(given, kinds)
        for name in given:
            layer = not {"GeoDataFrame", "GeoSeries"}.isdisjoint(kinds[name])
            if layer and foreign(given[name]) and not _fits_any(given[name], kinds[name]):
                given[name] = as_layer(name, given[name])
        try:
            return verb(*bound.args, **bound.kwargs)
        except GridmapError:
            raise
        except (TypeError, ValueError, AttributeError, LookupError, NotImplementedError):
            _refuse_kinds(given, kinds)
            raise

    return called


_MANY = {"Sequence", "Iterable", "Collection", "tuple", "ArrayLike"}
_ABSTRACT: dict[str, type] = {
    "None": type(None),
    **dict.fromkeys(["int", "bool"], numbers.Integral),
    "float": numbers.Real,
    "PathLike": os.PathLike,
    "Mapping": Mapping,
}
_CLASSES = {"str", "date", "Path", "Grid", "DataFrame", "GeoDataFrame", "GeoSeries", "Series",
            "Geometry", "Graph", "sparray", "Map", "Formula", "Changes", "CRS"}  # fmt: skip
_MEANT = {
    **dict.fromkeys(["Lang", "Literal"], "str"),
    "Bounds": "tuple[float]",
    "Day": "str | date",
    "Document": "Mapping",
    **dict.fromkeys(["Frame", "Layer"], "GeoDataFrame | GeoSeries"),
    "Outline": "GeoDataFrame | GeoSeries | Geometry",
    "Polygons": "GeoDataFrame | GeoSeries | Sequence[Geometry]",
    "Reference": "CRS | str | int",
    "SparseArray": "sparray",
}
_READ = {"DataFrame": "table", "GeoDataFrame": "layer"}


def _check_grids(given: Mapping[str, Any], kinds: Mapping[str, list[str]]) -> None:
    """Refuse what is no Grid where a Grid is wanted, cells or a path for instance."""
    wrong = next((k for k in given if kinds[k] == ["Grid"] and not _fits(given[k], "Grid")), None)
    if wrong is None:
        return
    told = Message(
        "`{name}` is a {kind}, not a Grid. Read a grid file with gridmap.read_grid(path), or make "
        "one of cells with gridmap.adopt(cells, boundary)."
    )
    if any(_fits(given[name], "Grid") and "Grid" not in kinds[name] for name in given):
        told = Message("`{name}` is a {kind}, and the Grid stands elsewhere. Swap the two.")
    raise InputError(told(name=wrong, kind=type(given[wrong]).__name__))


def _refuse_kinds(given: Mapping[str, Any], kinds: Mapping[str, list[str]]) -> None:
    """Refuse the first argument that is of no kind that the signature names."""
    for name, value in given.items():
        if _fits_any(value, kinds[name]):
            continue
        wanted = " | ".join(kind for kind in kinds[name] if kind != "None")
        read = [f" (`gridmap.io.read_{_READ[one]}(path)`)" for one in kinds[name] if one in _READ]
        raise InputError(
            "`{name}` is a {kind}; give {kinds}.",
            name=name,
            kind=type(value).__name__,
            kinds="".join([wanted, *read[:1]]),
        ) from None


def _kinds(annotation: str) -> list[str]:
    """Return the kinds that an annotation names, without modules, aliases as what they mean."""
    plain = re.sub(r"\w+\.(?=\w)|[\"']", "", annotation)
    parts = re.split(r" \| (?![^\[]*\])", plain)
    meant = ((_MEANT.get(part.partition("[")[0]), part) for part in parts)
    return [kind for kinds, part in meant for kind in (kinds.split(" | ") if kinds else [part])]


def _fits(given: Any, kind: str) -> bool:
    """Tell whether a value is of a kind; what no table here names is not judged."""
    head, _, inside = kind.removesuffix("]").partition("[")
    parts = [*filter(None, inside.split(", "))]
    if head in _MANY:
        listed = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)
        return (
            listed and not hasattr(given, "columns") and all(_fits_any(one, parts) for one in given)
        )
    if head in _CLASSES:
        return head in {base.__name__ for base in type(given).__mro__}
    if head == "Mapping" and isinstance(given, Mapping):
        return all(_fits_any(one, parts[1:]) for one in given.values())
    return isinstance(given, _ABSTRACT.get(head, object))


def _fits_any(given: Any, kinds: list[str]) -> bool:
    return not kinds or any(_fits(given, kind) for kind in kinds)
