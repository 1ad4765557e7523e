"""Whether every command reads every file of the corpus alike, each printed cure followed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import pandas as pd
import shapely
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.io import write_grid
from gridmap.io.declared import declaring
from gridmap.io.inputs import read_incidents
from tests import corpus

READ = ("rows", "skipped", "encoding", "date_order", "time_zone", "datum", "columns")
COMMANDS = {
    "info": "info {file}",
    "assign": "assign {grid} {file} -o {out}/placed.csv --overwrite",
    "hotspots": "hotspots {grid} {file} -o {out}/spots.csv --overwrite",
    "briefing": "briefing {grid} {file} -o {out}/page.html --overwrite",
    "indicators": "indicators {grid} {file}",
}
_ALWAYS = 3  # how often a cure may lead to another
_CRASHED = 70


class Case(NamedTuple):
    """A file, and what is true of it; `options` are what a user who knows it could say."""

    path: Path
    rows: int
    commands: tuple[str, ...] = tuple(COMMANDS)
    words: list[str] = []  # noqa: RUF012 - never written to
    times: list[pd.Timestamp] = []  # noqa: RUF012
    options: dict[str, str] = {}  # noqa: RUF012


def wuhan(folder: Path) -> Path:
    """Write a grid of eight cells around the places of the corpus, in EPSG:4547."""
    shapes = shapely.box(range(520_000, 540_000, 2_500), 3_370_000,
                         range(522_500, 542_500, 2_500), 3_400_000)  # fmt: skip
    cells = gpd.GeoDataFrame(
        {"code": [f"a{n}" for n in range(8)], "households": 400}, geometry=shapes, crs=4547
    )
    boundary = shapely.coverage_union_all(shapes)
    write_grid(gm.adopt(cells, boundary, code="code"), folder / "grid.gpkg")
    return folder / "grid.gpkg"


def cases(folder: Path) -> Iterator[Case]:
    """Write the corpus, one file of a kind after the other, and tell what is in each."""
    for encoding in corpus.ENCODINGS:
        path = _place(folder, f"csv-{encoding}") / "a.csv"
        words = corpus.csv_in(encoding, path)
        yield Case(path, 5, words=words, options={"encoding": encoding})
        for declared in [None, encoding] if encoding not in corpus.WIDE else []:
            path = _place(folder, f"dbf-{encoding}-{declared}") / "a.dbf"
            words = corpus.dbf_in(encoding, path, declared=declared)
            yield Case(path, 5, words=words, options={"encoding": encoding})
    for number, form in enumerate(corpus.DATE_FORMS):
        table, means = corpus.table_of_dates(form), [pd.Timestamp(mean) for mean in form.means]
        options = {"date-order": form.order} if form.order else {}
        for ending, write in ((".csv", table.to_csv), (".xlsx", table.to_excel)):
            path = _place(folder, f"date-{number}") / f"a{ending}"
            write(path, index=False)
            yield Case(path, 2, times=means, options=options)
    for name, shape in corpus.SHAPES.items():
        table = corpus.table_of_shape(shape)
        writers = {".csv": table.to_csv, ".xlsx": table.to_excel, ".parquet": table.to_parquet}
        for ending, write in writers.items():
            path = _place(folder, f"shape-{re.sub('[^a-z]', '-', name)}") / f"a{ending}"
            write(path, index=False)
            yield Case(path, 5, words=corpus.WORDS["simplified"][1])
    for name, write in corpus.FORMATS.items():
        path = _place(folder, f"format-{name.replace('.', '-')}") / name
        write(path)
        # in GPX there is no place for the stage of a case
        staged = tuple(c for c in COMMANDS if c != "indicators" or path.suffix != ".gpx")
        yield Case(path, 5, staged, words=corpus.WORDS["simplified"][1])


def _place(folder: Path, name: str) -> Path:
    (folder / name).mkdir(exist_ok=True)
    return folder / name


def disagreements(case: Case, grid: Path, out: Path) -> list[str]:
    """Read a file by every command, following cures; return what is wrong or differs."""
    said: dict[str, str] = {}
    for _ in range(_ALWAYS):
        answers = {name: _run(COMMANDS[name], case, grid, out, said) for name in case.commands}
        refused = {name: answer for name, answer in answers.items() if answer[0]}
        if not refused:
            return [*_compared(case, answers, said), *_true(case, out, answers["briefing"][1])]
        found = {cure for answer in refused.values() if (cure := _cure(answer[1], case.options))}
        if len(found) != 1 or dict(found) == said:
            told = {name: answer[1].get("error") for name, answer in refused.items()}
            return [f"refused without one cure that helps: {told}"]
        said |= dict(found)
    return ["cures without end"]


def _run(
    line: str, case: Case, grid: Path, out: Path, said: dict[str, str]
) -> tuple[int, dict[str, Any]]:
    words = line.format(file=case.path, grid=grid, out=out).split()
    options = [word for name, value in said.items() for word in (f"--{name}", value)]
    done = CliRunner().invoke(main, [*words, *options, "--json", "--lang", "en"])
    try:
        return done.exit_code, json.loads(done.stdout)
    except json.JSONDecodeError:  # a bug, or words where a machine reads: a finding
        return _CRASHED, {"error": f"no JSON: {done.stdout[:200]!r} {done.exception!r}"}


def _cure(document: dict[str, Any], true: dict[str, str]) -> tuple[str, str] | None:
    """Return the option that a refusal offers, of those offered the true one."""
    told = document.get("error") or " ".join(
        text for layer in document.get("layers", []) for text in layer["suspicions"]
    )
    offered = set(re.findall(r"--([a-z-]+) (\w+)", told))
    offered |= {("encoding", name) for name in re.findall(r"(\w+) \('", told)}
    for name, value in offered:
        if _same(true.get(name, ""), value):
            return name, value
    return None


def _same(a: str, b: str) -> bool:
    """Tell whether two names are of one encoding, for what the corpus writes, or the same."""
    if a == b:
        return True
    words = corpus.WORDS[corpus.ENCODINGS[a]][1] if a in corpus.ENCODINGS else []
    try:
        return bool(words) and all(word.encode(a).decode(b) == word for word in words)
    except (LookupError, UnicodeError):
        return False


def _compared(
    case: Case, answers: dict[str, tuple[int, dict[str, Any]]], said: dict[str, str]
) -> list[str]:
    """Hold what each command says of its reading against what the Python face says."""
    with declaring(**{name.replace("-", "_"): value for name, value in said.items()}):
        known = read_incidents(case.path)[1].as_dict()
    wrong = [] if known["rows"] == case.rows else [f"{known['rows']} rows for {case.rows}"]
    for name, (_, document) in answers.items():
        (reading,) = document["reading"]
        wrong += [
            f"{name}: {key} {reading.get(key)!r} for {known.get(key)!r}"
            for key in READ
            if reading.get(key) != known.get(key)
        ]
    return wrong


def _true(case: Case, out: Path, briefing: dict[str, Any]) -> list[str]:
    """Hold what came out against what was put in."""
    with (out / "placed.csv").open(encoding="utf-8-sig", newline="") as file:
        placed = list(csv.DictReader(file))
    wrong = [] if len(placed) == case.rows else [f"{len(placed)} rows placed"]
    wrong += [f"{row['status']}" for row in placed if row["status"] not in ("inside", "boundary")]
    if case.words and not any([row[name] for row in placed] == case.words for name in placed[0]):
        wrong.append(f"none of the columns is {case.words}")
    if case.times:
        days = [str(time.date()) for time in (min(case.times), max(case.times))]
        found = [briefing["period"]["since"], briefing["period"]["until"]]
        wrong += [] if found == days else [f"the days {found} for {days}"]
    return wrong
