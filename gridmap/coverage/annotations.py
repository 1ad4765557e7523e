"""A validation as pipelines read it: JUnit, SARIF, GitLab code quality, and a badge."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from json.decoder import JSONDecodeError
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree import ElementTree

from gridmap._version import __version__
from gridmap.coverage.defect_names import KINDS, NOTES, name_of
from gridmap.coverage.defect_table import findings
from gridmap.coverage.report import defect_line, sentence
from gridmap.language import Lang, Message, tr

if TYPE_CHECKING:
    import geopandas as gpd

SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
PROOF = "proof"


class Lines(NamedTuple):
    """The first and the last line of a feature in its file, counted from 1."""

    first: int
    last: int


class Annotation(NamedTuple):
    """One remark for a reviewer, at the features that it is about."""

    rule: str
    name: str
    note: bool
    text: str
    cells: tuple[str, ...]
    places: list[Lines]


def report(
    form: str, defects: gpd.GeoDataFrame, codes: Sequence[object], path: Path, lang: Lang = "zh"
) -> str:
    """Return the text of one report: "junit", "sarif", "code-quality" or "badge".

    Parameters
    ----------
    form : str
    defects : GeoDataFrame
        What `validate` returned.
    codes : sequence
        The name of each cell, in the order of the file.
    path : Path
        The file of the cells.
    lang : "zh" or "en", default "zh"
    """
    if form == "junit":
        return junit(defects, lang)
    if form == "badge":
        return badge(defects, lang)
    here = path.is_relative_to(Path.cwd())
    file = (path.relative_to(Path.cwd()) if here else path).as_posix()
    made = annotate(defects, codes, feature_lines(path), lang)
    return sarif(made, file, lang) if form == "sarif" else code_quality(made, file)


def feature_lines(path: Path) -> list[Lines]:
    """Return where each feature of a GeoJSON file stands, nothing for other files.

    Parameters
    ----------
    path : Path
        The file of the cells.

    Returns
    -------
    list of Lines
        One a feature, in the order of the file.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "cells.geojson")
    >>> _ = file.write_text('{"type": "FeatureCollection",\\n"features": [\\n{},\\n{"id":\\n1}]}')
    >>> feature_lines(file)
    [Lines(first=3, last=3), Lines(first=4, last=5)]
    """
    if path.suffix.lower() not in {".geojson", ".json"} or not path.is_file():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
        spans = list(_features(text))
    except (UnicodeDecodeError, JSONDecodeError, StopIteration, IndexError):
        return []  # the reader of layers, which understands more, has read it
    lines, line, seen = [], 1, 0
    for start, end in spans:
        line += text.count("\n", seen, start)
        last = line + text.count("\n", start, end)
        lines.append(Lines(line, last))
        line, seen = last, end
    return lines


def _features(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each member of the outermost "features" begins and ends."""
    value = json.JSONDecoder().raw_decode
    at = _next(text, _next(text, 0) + 1)
    while text[at] == '"':
        key, at = value(text, at)
        at = _next(text, _next(text, at) + 1)
        if key == "features" and text[at] == "[":
            at = _next(text, at + 1)
            while text[at] != "]":
                end = value(text, at)[1]
                yield at, end
                at = _next(text, end)
                at = _next(text, at + 1) if text[at] == "," else at
            return
        at = _next(text, value(text, at)[1])
        at = _next(text, at + 1) if text[at] == "," else at


def _next(text: str, at: int) -> int:
    while text[at].isspace():
        at += 1
    return at


def annotate(
    defects: gpd.GeoDataFrame, codes: Sequence[object], lines: Sequence[Lines], lang: Lang = "zh"
) -> list[Annotation]:
    """Return a remark for each defect, and one when the proof alone fails.

    Parameters
    ----------
    defects : GeoDataFrame
        What `validate` returned.
    codes : sequence
        The name of each cell, in the order of the file.
    lines : sequence of Lines
        Where each cell stands, from `feature_lines`; may be empty.
    lang : "zh" or "en", default "zh"
    """
    where: dict[str, list[Lines]] = {}
    for code, place in zip(codes, lines, strict=False):
        where.setdefault(str(code), []).append(place)
    wrong = set(findings(defects).index)
    made = []
    culprits = zip(defects["cells"], defects["neighbours"], strict=True)
    for row, (cells, neighbours) in zip(defects.itertuples(), culprits, strict=True):
        names = tuple(map(str, cells or neighbours))
        places = [place for name in names for place in where.get(name, [])]
        text = defect_line(row, lang).strip().removeprefix(f"{row.id}  ")
        made.append(
            Annotation(str(row.kind), str(row.id), row.Index not in wrong, text, names, places)
        )
    if not wrong and defects.attrs["verdict"] in ("failed", "unprovable"):
        made.insert(0, Annotation(PROOF, PROOF, False, sentence(defects, lang), (), []))
    return made


def sarif(made: Sequence[Annotation], file: str, lang: Lang = "zh") -> str:
    """Return annotations as a SARIF 2.1.0 log.

    Parameters
    ----------
    made : sequence of Annotation
    file : str
        The file of the cells, as the repository knows it.
    lang : "zh" or "en", default "zh"
        Of the names of the rules.
    """
    rules = [
        {
            "id": kind,
            "name": name_of(kind, "en").title().replace(" ", ""),
            "shortDescription": {"text": name_of(kind, lang)},
            "defaultConfiguration": {"level": "note" if kind in NOTES else "error"},
        }
        for kind in KINDS
    ]
    rules.append({"id": PROOF, "shortDescription": {"text": tr("the proof", lang=lang)}})
    driver = {"name": "gridmap", "semanticVersion": __version__, "rules": rules}
    number = {rule["id"]: k for k, rule in enumerate(rules)}
    results = [
        {
            "ruleId": one.rule,
            "ruleIndex": number[one.rule],
            "level": "note" if one.note else "error",
            "message": {"text": one.text},
            "locations": [_location(one, place, file) for place in one.places or [Lines(1, 1)]],
            "partialFingerprints": {"gridmapDefect/v1": one.name},
        }
        for one in made
    ]
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints"}
    log = {"$schema": SARIF, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=1) + "\n"


def _location(one: Annotation, place: Lines, file: str) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": file},
            "region": {"startLine": place.first, "endLine": place.last},
        }
    }
    if one.cells:
        location["logicalLocations"] = [{"name": name, "kind": "cell"} for name in one.cells]
    return location


def code_quality(made: Sequence[Annotation], file: str) -> str:
    """Return annotations as the report that GitLab shows beside a merge request."""
    rows = [
        {
            "description": one.text,
            "check_name": one.rule,
            "fingerprint": f"{one.name}-{number}",
            "severity": "info" if one.note else "critical",
            "location": {"path": file, "lines": {"begin": place.first}},
        }
        for one in made
        for number, place in enumerate(one.places or [Lines(1, 1)], 1)
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def junit(defects: gpd.GeoDataFrame, lang: Lang = "zh") -> str:
    """Return a validation as JUnit XML: one test the proof, one more a finding."""
    wrong = findings(defects)
    verdict = defects.attrs["verdict"]
    failed = verdict in ("failed", "unprovable")
    suite = ElementTree.Element(
        "testsuite",
        name="gridmap.validate",
        tests=str(1 + len(wrong)),
        failures=str(len(wrong) + (verdict == "failed")),
        errors=str(int(verdict == "unprovable")),
    )
    case = ElementTree.SubElement(suite, "testcase", classname="coverage", name="proof")
    if failed:
        tag = "error" if verdict == "unprovable" else "failure"
        ElementTree.SubElement(case, tag, message=sentence(defects, lang), type=verdict)
    for row in wrong.itertuples():
        case = ElementTree.SubElement(suite, "testcase", classname=str(row.kind), name=str(row.id))
        message = defect_line(row, lang).strip()
        ElementTree.SubElement(case, "failure", message=message, type=str(row.kind))
    ElementTree.indent(suite)
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return head + ElementTree.tostring(suite, encoding="unicode") + "\n"


def badge(defects: gpd.GeoDataFrame, lang: Lang = "zh") -> str:
    """Return the verdict in the JSON that badge servers draw (schema version 1).

    Parameters
    ----------
    defects : GeoDataFrame
        What `validate` returned.
    lang : "zh" or "en", default "zh"

    Examples
    --------
    >>> import geopandas as gpd, shapely
    >>> from gridmap.coverage.validate import validate
    >>> squares = gpd.GeoSeries(shapely.box([0, 6], 0, [5, 10], 5), crs=4547)
    >>> json.loads(badge(validate(squares, shapely.box(0, 0, 10, 5)), "en"))["message"]
    '1 defect'
    """
    count = len(findings(defects))
    said, colour = {
        "exact": (Message("proved"), "brightgreen"),
        "exact_with_t_junctions": (Message("proved, with notes"), "green"),
        "within_tolerance": (Message("within tolerance"), "yellow"),
        "failed": (Message("{n:,} {n:defect|defects}", n=count), "red"),
        "unprovable": (Message("unprovable"), "lightgrey"),
    }[defects.attrs["verdict"]]
    label = tr("coverage of cells", lang=lang)
    shown = {"label": label, "message": said.text(lang), "color": colour}
    return json.dumps({"schemaVersion": 1, **shown}, ensure_ascii=False) + "\n"
