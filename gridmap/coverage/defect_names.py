"""The words for verdicts and defects, in Chinese and in English."""

from __future__ import annotations

from gridmap.language import Lang, Message, joined

KINDS = {
    "gap": Message("{n:gap|gaps}"),
    "overlap": Message("{n:overlap|overlaps}"),
    "outside": Message("{n:area|areas} outside the boundary"),
    "t-junction": Message("unmatched {n:vertex|vertices}"),
    "ring-invalid": Message("invalid {n:ring|rings}"),
    "geom-empty": Message("empty {n:geometry|geometries}"),
    "multipart": Message("{n:cell|cells} in several parts"),
    "duplicate-vertex": Message("{n:cell|cells} with repeated vertices"),
    "crosses-parent": Message("{n:area|areas} across a parent"),
    "parent-gap": Message("{n:gap in a parent|gaps in parents}"),
    "excluded-gap": Message("declared {n:gap|gaps}"),
    "ground-moved": Message("{n:area|areas} that would change cells"),
    "content-changed": Message("changed {n:content|contents}"),
    "code-duplicate": Message("repeated {n:code|codes}"),
    "code-missing": Message("missing {n:code|codes}"),
    "parent-unknown": Message("unknown {n:parent|parents}"),
    "crs-missing": Message("missing {n:CRS|CRSs}"),
    "crs-mismatch": Message("CRS {n:mismatch|mismatches}"),
    "crs-geographic": Message("geographic {n:CRS|CRSs}"),
    "extent-disjoint": Message("disjoint {n:extent|extents}"),
    "households-out-of-range": Message("{n:cell|cells} outside the household band"),
}
"""Each kind of defect, for one and for several."""

NOTES = frozenset({"t-junction", "duplicate-vertex", "multipart", "excluded-gap", "crs-geographic"})
"""Kinds that are worth knowing but do not make a coverage fail."""

QUALIFIERS = {
    "hole": Message("inside"),
    "edge": Message("at the rim"),
    "missing-cell": Message("a whole cell missing"),
    "partial": Message("partial"),
    "nested": Message("nested"),
    "duplicate": Message("duplicate"),
    "sliver": Message("sliver"),
    "sub-resolution": Message("below the resolution of the coordinates"),
    "accepted": Message("accepted"),
    "recorded": Message("recorded exception"),
}

REASONS = {
    reason.template: reason
    for reason in (
        Message("Self-intersection"),
        Message("Ring Self-intersection"),
        Message("Hole lies outside shell"),
        Message("Holes are nested"),
        Message("Interior is disconnected"),
        Message("Nested shells"),
        Message("Duplicate Rings"),
        Message("Too few points in geometry component"),
        Message("Invalid Coordinate"),
    )
}
"""What GEOS says of a ring."""


def reason_in(lang: Lang, reason: str) -> str:
    """Return what GEOS says of an invalid ring.

    Examples
    --------
    >>> reason_in("zh", "Self-intersection[2 3]")
    '自相交[2 3]'
    """
    words, bracket, place = reason.partition("[")
    known = REASONS.get(words)
    return (known.text(lang) if known else words) + bracket + place


def name_of(kind: str, lang: Lang, count: int = 1) -> str:
    """Return the name of a kind of defect."""
    return KINDS[kind](n=count).text(lang)


def qualified(qualifier: str, lang: Lang) -> str:
    """Return the words of qualifiers joined by commas."""
    return joined([QUALIFIERS[name] for name in qualifier.split(",") if name], lang)


def square_metres(area: float) -> str:
    """Return an area with as many digits as it has to say.

    Examples
    --------
    >>> square_metres(90000), square_metres(2.5e-9), square_metres(3.19e10)
    ('90,000.0 m²', '2.5e-09 m²', '31,900.0 km²')
    """
    if area >= 1e7:
        return f"{area / 1e6:,.1f} km²"
    return f"{area:,.1f} m²" if area >= 0.05 or area == 0 else f"{area:.2g} m²"
