"""Themes: one class a cell, with colours, labels and counts for the legend."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from gridmap._arrays import Floats, Ints, positions
from gridmap._checks import check_column
from gridmap.errors import InputError
from gridmap.language import Lang, Message, measure, tr
from gridmap.maps.payload import packed
from gridmap.privacy import refuse_personal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from gridmap.grid.grid import Grid

YELLOW_BROWN = ["#ffffd4", "#fed98e", "#fe9929", "#d95f0e", "#8c2d04"]
BLUES = ["#eff3ff", "#bdd7e7", "#6baed6", "#3182bd", "#08519c"]
QUALITATIVE = ["#8dd3c7", "#fee391", "#bebada", "#fb9a85", "#80b1d3", "#fdb462", "#b3de69"]
KINDS = {
    "residential": Message("residential"), "dedicated": Message("dedicated"),
    "vacant": Message("nobody lives there"),
}  # fmt: skip
NO_DATA, NO_BASE = Message("no data"), Message("no households")
SKEWED = 10  # times its lower end: where the last class ends tells nothing of its cells
NOTHING, NOTHING_HATCH = "#f3f4f4", "rgba(70,85,95,.38)"
COLD_HATCH = "rgba(8,40,90,.6)"

LEVEL_TITLES = {
    "district": Message("District"), "street": Message("Street"),
    "community": Message("Community"), "town": Message("Town"), "village": Message("Village"),
    "county": Message("County"), "city": Message("City"),
    "neighborhood": Message("Neighborhood"), "neighbourhood": Message("Neighbourhood"),
    "ward": Message("Ward"), "parent": Message("Jurisdiction"),
    "households": Message("Households"), "area_m2": Message("Area (m²)"),
}  # fmt: skip


def level_title(level: str, lang: Lang) -> str:
    """Name a column of the hierarchy for readers."""
    known = LEVEL_TITLES.get(level.lower())
    return known.text(lang) if known else level


Numbers = list[float | None]


class Class(NamedTuple):
    """One row of a legend."""

    label: str
    color: str
    hatch: str | None = None
    seek: str | None = None  # the colour of the outline and the ring that let it be found


class Period(NamedTuple):
    """The classes of one period, and how many incidents it has."""

    label: str
    of: Ints
    values: Numbers | None = None
    total: int | None = None


@dataclass(frozen=True)
class Theme:
    """What colours a map: a class for each cell, and its number, in the order of the cells."""

    title: str
    classes: Sequence[Class]
    of: Ints
    unit: str = ""
    tab: str = ""
    note: str = ""
    periods: Sequence[Period] = field(default=())
    whole_time: bool = True
    values: Numbers | None = None
    digits: int = 0
    steps: dict[str, Any] | None = None  # what a slider walks through, as `heat.steps` packs it

    def sent(self) -> dict[str, Any]:
        """Return the theme as the browser reads it."""
        return {
            "title": self.title,
            "tab": self.tab or self.title,
            "unit": self.unit,
            "note": self.note,
            "classes": [
                {key: value for key, value in row._asdict().items() if value is not None}
                for row in self.classes
            ],
            **self._classed(self.of, self.values),
            "periods": [
                {"label": p.label, "total": p.total, **self._classed(p.of, p.values)}
                for p in self.periods
            ]
            or None,
            "steps": self.steps,
            "wholeTime": self.whole_time,
            "digits": self.digits,
        }

    def _classed(self, of: Ints, values: Numbers | None) -> dict[str, Any]:
        counts = np.bincount(of, minlength=len(self.classes))
        digits = (of.astype(np.uint8) + ord("0")).tobytes().decode("ascii")
        told = {} if values is None else {"values": packed(values, self.digits)}
        return {"of": digits, "counts": counts.tolist(), **told}


def drawn(theme: Theme, always: int = 0) -> Theme:
    """Leave out of the legend what no cell is, but for the classes of a scale, which come first."""
    kept = np.bincount(theme.of, minlength=len(theme.classes)) > 0
    kept[:always] = True
    classes = [row for row, stays in zip(theme.classes, kept, strict=True) if stays]
    return replace(theme, classes=classes, of=np.cumsum(kept)[theme.of] - 1)


BAND_LOOKS = (
    ("#2166ac", COLD_HATCH), ("#eaf2f7", None), ("#dfe3d6", None), ("#f3c9a3", None),
    ("#b2182b", None),
)  # fmt: skip


def thirds(low: Any, high: Any) -> tuple[Any, Any, Any, Any]:
    """Return the edges of the classes of households: the thirds of a band, or of each band."""
    third = (high - low) / 3
    inner = [np.rint(low + k * third).astype(int) for k in (1, 2)]
    return low, *inner, high + 1


def _band_labels(grid: Grid, small: str, large: str, lang: Lang) -> list[str]:
    """Name the classes of households by their ends, or by the band where each has its own."""
    if grid.bands.own:
        return [
            tr("below its band", lang=lang),
            tr("lower third of its band", lang=lang),
            tr("middle third of its band", lang=lang),
            tr("upper third of its band", lang=lang),
            tr("above its band", lang=lang),
        ]
    low, first, second, over = map(int, thirds(*grid.band))
    return [
        f"< {low} {small}",
        f"{low} – {first - 1}",
        f"{first} – {second - 1}",
        f"{second} – {over - 1}",
        f"> {over - 1} {large}",
    ]


def households(grid: Grid, lang: Lang) -> Theme:
    """Show the households of each cell against the band; dedicated cells stand apart."""
    return drawn(every_class_of_households(grid, lang), always=len(BAND_LOOKS))


def every_class_of_households(grid: Grid, lang: Lang) -> Theme:
    """Class the households of each cell against the band, with the classes that no cell is, too."""
    count = grid.cells["households"].to_numpy()
    low, high = (end.to_numpy() for end in grid.bands.ends(grid.cells["parent"]))
    of = sum((count >= edge).astype(int) for edge in thirds(low, high))
    kind = grid.cells["kind"].to_numpy()
    of = np.where(kind == "dedicated", 5, np.where(kind == "vacant", 6, of))
    small, large = tr("too few", lang=lang), tr("too many", lang=lang)
    classes = [
        Class(label, colour, hatch)
        for label, (colour, hatch) in zip(
            _band_labels(grid, small, large, lang), BAND_LOOKS, strict=True
        )
    ] + [
        Class(tr("dedicated, exempt", lang=lang), "#d9d4c3", NOTHING_HATCH),
        Class(tr("nobody lives there", lang=lang), "#f7f7f5", NOTHING_HATCH),
    ]
    listed = len(grid.exceptions)
    note = tr(
        "band of households {band}; {listed} {listed:exception|exceptions} on record",
        lang=lang,
        band=grid.bands.printed,
        listed=listed,
    )
    return Theme(
        tr("Households per cell", lang=lang),
        classes,
        of,
        unit=tr("households", lang=lang, context="a cell"),
        tab=tr("Households", lang=lang),
        note=note,
    )


def kinds(grid: Grid, lang: Lang) -> Theme:
    """Show which cells are residential, which dedicated, and where nobody lives."""
    looks = (("#cfe0ea", None), ("#e3b567", NOTHING_HATCH), ("#f7f7f5", NOTHING_HATCH))
    classes = [
        Class(word.text(lang), *look) for word, look in zip(KINDS.values(), looks, strict=True)
    ]
    title, tab = tr("Kind of cell", lang=lang), tr("Kind", lang=lang)
    return drawn(Theme(title, classes, kind_of(grid), tab=tab))


def kind_of(grid: Grid) -> Ints:
    """Return the place of each cell's kind in `KINDS`."""
    return pd.Index(KINDS).get_indexer(pd.Index(grid.cells["kind"])).clip(0).astype(np.int64)


def areas(grid: Grid, level: str, lang: Lang) -> Theme:
    """Colour the areas of a level so that neighbours differ."""
    codes, names = pd.factorize(area_keys(grid, level))
    colour = colouring(grid, codes, len(names))
    used = int(colour.max(initial=0)) + 1
    colours = [QUALITATIVE[k % len(QUALITATIVE)] for k in range(used)]
    title = level_title(level, lang)
    classes = [
        Class(tr("{title} group {k}", lang=lang, title=title, k=k + 1), colour_k)
        for k, colour_k in enumerate(colours)
    ]
    note = tr(
        "{names:,} {names:area|areas} ({title}); colours only tell neighbours apart",
        lang=lang,
        names=len(names),
        title=title,
    )
    return Theme(
        tr("{title} areas", lang=lang, title=title), classes, colour[codes], tab=title, note=note
    )


def area_keys(grid: Grid, level: str) -> pd.Series:
    """Name the area each cell lies in, by the path of names from the coarsest level."""
    if not grid.levels:
        return grid.cells["parent"].astype(str)
    cells = grid.cells
    path = cells[list(grid.levels[: grid.levels.index(level) + 1])].astype(str)
    keys = path.iloc[:, 0]
    for name in path.columns[1:]:
        keys = keys + "\x1f" + path[name]
    return keys


def colouring(grid: Grid, area: Ints, count: int) -> Ints:
    """Give touching areas different colours, the greedy way, busiest area first; -1 is none."""
    import networkx as nx

    a, b = (area[side] for side in grid.touching)
    apart = (a != b) & (np.minimum(a, b) >= 0)
    touching: nx.Graph[int] = nx.Graph()
    touching.add_nodes_from(range(count))
    touching.add_edges_from(zip(a[apart].tolist(), b[apart].tolist(), strict=True))
    colour = nx.greedy_color(touching, strategy="largest_first")
    return np.array([colour[k] for k in range(count)], dtype=np.int64)


def quantity(
    values: npt.ArrayLike,
    title: str,
    *,
    lang: Lang,
    unit: str = "",
    tab: str = "",
    note: str | None = None,
    digits: int = 2,
    scheme: str = "quantiles",
    k: int = 5,
    breaks: Sequence[float] | None = None,
    colors: Sequence[str] = YELLOW_BROWN,
    whole_time: bool = True,
    periods: Sequence[tuple[str, npt.ArrayLike]] = (),
    absent: Message = NO_DATA,
    exact: bool = True,
    steps: dict[str, Any] | None = None,
) -> Theme:
    """Class a number with mapclassify or by given breaks; no number is a class of its own.

    Unless `exact`, only the class of a cell reaches the page, not its number.
    """
    whole = np.asarray(values, dtype=float)
    every = np.concatenate([whole, *(np.asarray(v, dtype=float) for _, v in periods)])
    known = every[np.isfinite(every)]
    edges = upper_edges(known, scheme, k, breaks)
    ramp = [colors[round(c)] for c in np.linspace(0, len(colors) - 1, len(edges))]
    single = not len(known) or (breaks is None and len(np.unique(known)) == len(edges))
    low = edges if single else [known.min(), *edges[:-1]]
    if exact and not single and breaks is None and low[0] == edges[0]:
        low[1] = known[known > edges[0]].min()  # the first class is one value, mostly 0
    classes = [
        Class(range_label(a, b, digits), color)
        for a, b, color in zip(low, edges, ramp, strict=True)
    ]
    skewed = breaks is None and not single and edges[-1] > SKEWED * low[-1] > 0
    if skewed:  # the end of so wide a class tells nothing of its cells
        over = tr("over {low}", lang=lang, low=range_label(low[-1], low[-1], digits))
        classes[-1] = Class(over, ramp[-1])

    def classed(numbers: npt.ArrayLike) -> Ints:
        numbers = np.asarray(numbers, dtype=float)
        of = np.minimum(np.searchsorted(edges, numbers, side="left"), len(edges) - 1)
        return np.where(np.isfinite(numbers), of, len(edges)).astype(np.int64)

    def plain(numbers: npt.ArrayLike) -> Numbers | None:
        rounded = np.round(np.asarray(numbers, dtype=float), digits)
        return [None if np.isnan(n) else n for n in rounded.tolist()] if exact else None

    if note is None:
        told = breaks is None and not single and scheme.lower() == "quantiles"
        note = _by_quantiles(len(edges), apart=low[0] == edges[0]).text(lang) if told else ""
    if skewed:
        most = tr("highest {most}", lang=lang, most=range_label(edges[-1], edges[-1], digits))
        note = tr("; ", context="clauses", lang=lang).join(filter(None, [note, most]))
    if len(known) < len(every):
        classes.append(Class(absent.text(lang), NOTHING, NOTHING_HATCH))
    return Theme(
        title,
        classes,
        classed(whole),
        unit=unit,
        tab=tab,
        note=note,
        periods=[
            Period(label, classed(numbers), plain(numbers), int(np.nansum(numbers)))
            for label, numbers in periods
        ],
        whole_time=whole_time,
        values=plain(whole),
        digits=digits,
        steps=steps,
    )


def _by_quantiles(classes: int, *, apart: bool) -> Message:
    if apart:
        return Message("lowest value apart, {n} {n:class|classes} by quantiles", n=classes - 1)
    return Message("{n} {n:class|classes} by quantiles", n=classes)


def range_label(low: float, high: float, digits: int) -> str:
    """Write the ends of a class; those below zero with a sign of their own, not a hyphen."""
    ends = dict.fromkeys(f"{end:,.{digits}f}" for end in (low, high))
    return " – ".join(ends).replace("-", "−")


def upper_edges(known: Floats, scheme: str, k: int, breaks: Sequence[float] | None) -> Floats:
    """Return the upper edges of the classes, each once."""
    if not len(known):
        return known
    if breaks is not None:
        edges = np.unique(np.asarray(breaks, dtype=float))
        return np.append(edges[edges < known.max()], known.max())
    if len(np.unique(known)) <= k:
        return np.unique(known)
    if scheme.lower() == "quantiles":  # as mapclassify does, without compiling it first
        edges = np.unique(np.quantile(known, np.arange(1, k + 1) / k))
        least = known.min()
        if edges[0] == least and len(edges) < k:  # most are alike: the others tell more
            others = np.quantile(known[known > least], np.arange(1, k) / (k - 1))
            return np.unique([least, *others])
        return edges if len(edges) > 1 else np.unique(known)[-2:]  # nearly all are the largest
    return _by_mapclassify(known, scheme, k)


def _by_mapclassify(known: Floats, scheme: str, k: int) -> Floats:
    import warnings

    import mapclassify

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of fewer classes, which is what ties mean
            bins = mapclassify.classify(known, scheme, k=k).bins
    except ValueError as error:
        raise InputError(
            "`scheme` is {scheme!r}, which mapclassify does not know.", scheme=scheme
        ) from error
    return np.unique(np.asarray(bins, dtype=float))


def column(grid: Grid, name: str | pd.Series, lang: Lang) -> Theme:
    """Colour by one column of the cells, or values by code: numbers in classes, words apart."""
    if isinstance(name, pd.Series):
        refuse_personal(name.to_frame(), name="color", to=Message("a map"))
        if not name.index.isin(grid.cells.index).all():
            raise InputError("`color` has codes that no cell has. Index it by the cells' codes.")
        return _by_value(name.reindex(grid.cells.index), str(name.name or ""), lang)
    if name not in grid.cells or name == "geometry":
        columns = ", ".join(map(str, grid.cells.columns.drop("geometry")))
        raise InputError(
            "`color` is {name!r}, but the cells have {columns}.", name=name, columns=columns
        )
    if name == "kind":
        return kinds(grid, lang)
    refuse_personal(pd.DataFrame(grid.cells[[name]]), name="grid.cells", to=Message("a map"))
    return _by_value(grid.cells[name], name, lang)


def _by_value(values: pd.Series, name: str, lang: Lang) -> Theme:
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        digits = 0 if pd.api.types.is_integer_dtype(values) else 2
        return quantity(values, level_title(name, lang), lang=lang, digits=digits, colors=BLUES)
    return words_theme(values, level_title(name, lang), lang)


def words_theme(values: pd.Series, title: str, lang: Lang) -> Theme:
    """Give each word a colour, the commonest first; rare ones share the last."""
    missing = values.isna().to_numpy()
    values = values.astype(object).astype(str)
    order = values[~missing].value_counts().index
    most = len(QUALITATIVE)
    shown = list(order[:most]) if len(order) <= most else list(order[: most - 1])
    of = pd.Index(shown).get_indexer(values)
    classes = [Class(str(word), QUALITATIVE[k]) for k, word in enumerate(shown)]
    classes.append(Class(tr("others", lang=lang), "#d9dee1"))
    classes.append(Class(NO_DATA.text(lang), NOTHING, NOTHING_HATCH))
    of = np.where(missing, len(shown) + 1, np.where(of < 0, len(shown), of))
    return drawn(Theme(title, classes, of.astype(np.int64)))


def staffing(grid: Grid, cells: pd.DataFrame, limit: str, lang: Lang) -> Theme:
    """Show which cells have a leader, which have nobody, and where workers have too many homes."""
    cells = cells.reindex(grid.cells.index)
    order = [
        "staffed", "several leaders", "overcharged", "no leader", "unstaffed", "not covered"
    ]  # fmt: skip
    status = cells["status"].where(
        ~(cells["overcharged"].astype(bool) & cells["status"].isin(order[:2])), "overcharged"
    )
    classes = [
        Class(tr("has its leader", lang=lang), "#dfe8ec"),
        Class(tr("several leaders", lang=lang), "#8fb6cd"),
        Class(tr("more than {limit} each", lang=lang, limit=limit), "#fdbb6b"),
        Class(tr("no leader", lang=lang), "#ef6548", NOTHING_HATCH),
        Class(tr("nobody", lang=lang), "#990000"),
        Class(tr("not in the roster by cell", lang=lang), NOTHING),
    ]
    return Theme(
        tr("Staffing", lang=lang),
        classes,
        positions(pd.Index(order), status).clip(0),
        tab=tr("Staff", lang=lang),
        note=tr("by the 1+X+Y roster; no names", lang=lang),
    )


HISTORIES = {
    "hot": ("#f768a1", "#fa9fb5", "#7a0177", "#c51b8a", "#fdae6b", "#fde0dd", "#e0c9a6", "#bdbdbd"),
    "cold": (
        "#41b6c4", "#7fcdbb", "#081d58", "#225ea8", "#a1dab4", "#cfe2f3", "#b9b0d6", "#cfd8dc"),
}  # fmt: skip


def histories(found: pd.DataFrame, grid: Grid, lang: Lang) -> Theme:
    """Show what the history of each cell says of it; only what occurs is in the legend."""
    from gridmap.hotspot_analysis.emerging import NAMED
    from gridmap.hotspot_analysis.method_text import PATTERNS

    if found.index.nlevels > 1:
        raise InputError(
            "`spots` has histories by {others}; choose one: `spots.xs(…, level={last!r})`.",
            others=", ".join(map(str, found.index.names[1:])), last=str(found.index.names[-1]),
        )  # fmt: skip
    own = found.reindex(grid.cells.index)
    classes = [Class(tr("neither hot nor cold", lang=lang), "#eceff1")]
    of = np.zeros(len(grid), np.int64)
    for side, tones in HISTORIES.items():
        for pattern, tone in zip(NAMED, tones, strict=True):
            mine = ((own["side"] == side) & (own["pattern"] == pattern)).to_numpy()
            if mine.any():
                of[mine] = len(classes)
                label = f"{Message(side).text(lang)} · {PATTERNS[pattern].text(lang)}"
                classes.append(Class(label, tone, COLD_HATCH if side == "cold" else None))
    if (never := (own["tested"].fillna(0) == 0).to_numpy()).any():
        of[never] = len(classes)
        classes.append(Class(tr("not tested", lang=lang), NOTHING, NOTHING_HATCH))
    return Theme(
        tr("Histories: new to historical", lang=lang),
        classes,
        of,
        tab=tr("Histories", lang=lang),
        note=tr("each period against its own level; trend by Mann–Kendall", lang=lang),
    )


BLUE_GREY_RED = ["#2166ac", "#67a9cf", "#c9e0ee", "#eceff1", "#fddbc7", "#ef8a62", "#b2182b"]


def hotspot(spots: pd.DataFrame, grid: Grid, lang: Lang) -> Theme:
    """Show the bins of Gi*, blue (fewer than expected) to red (more), and what was not tested."""
    of, periods = _by_period(spots, grid, _bins)
    return Theme(
        tr("Hot and cold neighbourhoods", lang=lang),
        _bin_classes(lang, "q"),
        of,
        unit="Gi*",
        tab=tr("Hotspots", lang=lang),
        note=tr(
            "Getis-Ord Gi* on standardised rates, contiguity and self, FDR corrected", lang=lang
        ),
        periods=periods,
        whole_time=False,
    )


def own_count(spots: pd.DataFrame, grid: Grid, lang: Lang) -> Theme:
    """Show the bins of each cell's own count; a cell that was not compared was not tested."""
    of, periods = _by_period(spots, grid, _own_bins)
    return Theme(
        tr("Cells by their own count", lang=lang),
        _bin_classes(lang, "q"),
        of,
        tab=tr("Cells", lang=lang, context="question"),
        note=tr("exact test of each cell's own count, FDR corrected", lang=lang),
        periods=periods,
        whole_time=False,
    )


def _by_period(
    spots: pd.DataFrame, grid: Grid, bins: Callable[[pd.DataFrame, Grid], Ints]
) -> tuple[Ints, list[Period]]:
    """Return the bins that are shown first, and those of each period when there are several."""
    told = "incidents" in spots
    periods = [
        Period(str(when), bins(part, grid), total=int(part["incidents"].sum()) if told else None)
        for when, part in maps_of(spots)
    ]
    return periods[-1].of, periods if spots.index.nlevels > 1 else []


def in_clusters(found: pd.DataFrame, grid: Grid, lang: Lang) -> Theme:
    """Show the members of clusters, low to high, as `clusters` found them on one map."""
    check_column("clusters", "members", found.columns)
    bins = pd.Series(0, index=grid.cells.index)
    for p, side, members in zip(found["p"], found["side"], found["members"], strict=True):
        depth = 1 + (p <= 0.05) + (p <= 0.01)
        bins.loc[list(members)] = depth if side == "hot" else -depth
    return Theme(
        tr("Clusters of any size", lang=lang),
        _bin_classes(lang, "p")[:-1],
        np.asarray(bins, dtype=np.int64) + 3,
        tab=tr("Clusters", lang=lang),
        note=tr("scan statistic: one p for all zones of the map together", lang=lang),
    )


def ways(share: pd.Series, grid: Grid, lang: Lang) -> Theme:
    """Show in how many of a hundred ways to draw the cells the households of each are hot."""
    edges = [1e-9, 0.1, 0.5, 0.9]
    given = share.reindex(grid.cells.index).fillna(0.0).to_numpy(float)
    labels = ["0", "< 10 %", "10 – 49 %", "50 – 89 %", "≥ 90 %"]
    colors = ["#f3f4f4", *YELLOW_BROWN[1:]]
    return Theme(
        tr("Robustness: hot however the lines run", lang=lang),
        [Class(label, color) for label, color in zip(labels, colors, strict=True)],
        np.digitize(given, edges).astype(np.int64),
        unit=tr("of the ways to draw the cells", lang=lang),
        tab=tr("Robustness", lang=lang),
        values=[round(100 * value) for value in given],
        digits=0,
    )


def maps_of(spots: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Split a frame by what stands in its index behind the code; one map when nothing does."""
    if spots.index.nlevels == 1:
        return [("", spots)]
    others: list[Hashable] = list(range(1, spots.index.nlevels))
    by = others[0] if len(others) == 1 else others
    return [
        (" · ".join(map(str, key)) if isinstance(key, tuple) else str(key), part.droplevel(others))
        for key, part in spots.groupby(level=by, sort=True, observed=True)
    ]


def _bins(spots: pd.DataFrame, grid: Grid) -> Ints:
    check_column("spots", "bin", spots.columns)
    spots = spots.reindex(grid.cells.index)
    gate = spots["gate"] if "gate" in spots else pd.Series("", spots.index)
    return _binned(spots["bin"], spots["bin"].notna() & (gate.fillna("").astype(str) == ""))


def _own_bins(spots: pd.DataFrame, grid: Grid) -> Ints:
    spots = spots.reindex(grid.cells.index)
    return _binned(
        spots["cell_bin"], spots["cell_bin"].notna() & (spots["exposure"].fillna(0.0) > 0)
    )


def _binned(bins: pd.Series, tested: pd.Series) -> Ints:
    return (bins.fillna(0) + 3).where(tested, 7).to_numpy().astype(np.int64)


def _bin_classes(lang: Lang, measure: str) -> list[Class]:
    levels = [f"{measure} ≤ {level}" for level in ("0.01", "0.05", "0.10")]
    cold, hot = tr("cold", lang=lang), tr("hot", lang=lang)
    labels = [
        *(f"{cold} {level}" for level in levels), tr("not significant", lang=lang),
        *(f"{hot} {level}" for level in reversed(levels)),
    ]  # fmt: skip
    looks = enumerate(zip(labels, BLUE_GREY_RED, strict=True))
    classes = [Class(label, tone, COLD_HATCH if k < 3 else None) for k, (label, tone) in looks]
    return [*classes, Class(tr("not tested", lang=lang), NOTHING, NOTHING_HATCH)]


def rate_theme(
    counts: pd.Series,
    grid: Grid,
    lang: Lang,
    *,
    exact: bool = True,
    steps: dict[str, Any] | None = None,
) -> Theme:
    """Class incidents per 100 households; cells without households have no base."""
    base = grid.cells["households"].to_numpy().astype(float)
    rate = np.divide(100 * counts.to_numpy(), base, out=np.full(len(base), np.nan), where=base > 0)
    return quantity(
        rate,
        tr("Incident rate", lang=lang),
        unit=tr("per 100 households", lang=lang),
        tab=tr("Rate", lang=lang, context="incidents"),
        absent=NO_BASE,
        lang=lang,
        exact=exact,
        steps=steps,
    )


def smoothed_theme(counts: pd.Series, grid: Grid, lang: Lang) -> Theme:
    """Class empirical-Bayes rates (Marshall 1991), which pull small cells to the mean."""
    from gridmap.hotspot_analysis.rates import smoothed

    base = grid.cells["households"].to_numpy().astype(float)
    has = base > 0
    rate = np.full(len(base), np.nan)
    rate[has] = 100 * smoothed(counts.to_numpy()[has].astype(float), base[has])
    return quantity(
        rate,
        tr("Smoothed rate", lang=lang),
        unit=tr("per 100 households", lang=lang),
        tab=tr("Smoothed", lang=lang),
        note=tr(
            "empirical Bayes (Marshall): small cells drawn to the mean, for display", lang=lang
        ),
        absent=NO_BASE,
        lang=lang,
    )


def count_theme(
    counts: pd.Series,
    grid: Grid,
    lang: Lang,
    spots: pd.DataFrame | None = None,
    steps: dict[str, Any] | None = None,
) -> Theme:
    """Class plain counts; with a split table, each period can be chosen."""
    split = spots is not None and spots.index.nlevels > 1
    periods = [
        (when, part["incidents"].reindex(grid.cells.index, fill_value=0).to_numpy())
        for when, part in (maps_of(spots) if split and spots is not None else ())
    ]
    whole = periods[-1][1] if periods else counts.to_numpy()
    return quantity(
        whole,
        tr("Incident counts", lang=lang),
        unit=measure(Message("piece", context="measure word"), lang),
        tab=tr("Counts", lang=lang, context="incidents"),
        note=tr("not divided by households, for reference", lang=lang),
        digits=0,
        periods=periods,
        whole_time=steps is not None,
        lang=lang,
        steps=steps,
    )


def counted(placed: pd.DataFrame, grid: Grid) -> pd.Series:
    """Count assigned incidents per cell."""
    return placed["code"].value_counts().reindex(grid.cells.index, fill_value=0)


def staff_columns(cells: pd.DataFrame, grid: Grid, lang: Lang) -> list[dict[str, Any]]:
    """Return leaders, other staff and volunteers of each cell as columns of the card."""
    cells = cells.reindex(grid.cells.index)
    titles = {
        "leaders": Message("Leaders"),
        "x": Message("Staff", context="role"),
        "y": Message("Volunteers"),
    }
    return [column_of(titles[key].text(lang), cells[key]) for key in titles]


def count_column(counts: pd.Series, lang: Lang) -> dict[str, Any]:
    """Return incident counts as a column of the card."""
    return column_of(tr("Incidents", lang=lang), counts)


def column_of(title: str, values: pd.Series, digits: int = 0) -> dict[str, Any]:
    """Return numbers by cell as a column of the card."""
    rounded = values.fillna(0).round(digits)
    kept = rounded.astype(int) if digits == 0 else rounded
    return {"title": title, "values": kept.tolist(), "digits": digits}
