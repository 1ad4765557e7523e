"""Every kind of page that gridmap writes, of one made-up town, for tests and for the gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.maps.edit import edit_page
from gridmap.maps.maps import plans_page
from gridmap.partitioning.report import report


def every_page(town: Any, grid: gm.Grid, lang: Any, folder: Path) -> dict[str, Path]:
    """Write each kind of page into a folder, and return the files by what they are."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = grid.with_buildings(town.buildings)
    placed = gm.assign(town.incidents, grid)
    spots = gm.hotspots(gm.tally(placed, grid, by="month"), grid)
    busy = placed["code"].value_counts().index[0]
    hole = grid.cells.drop(grid.cells.index[20]).reset_index()
    defects = gm.validate(hole, grid.boundary)
    mended, _ = gm.repair(hole, grid.boundary)
    other = redrawn(grid)
    now, then = ("现行", "方案一") if lang == "zh" else ("now", "other")
    grids = {now: grid, then: other}
    maps = {
        "map": gm.coverage_map(grid, incidents=placed, staff=town.staff, lang=lang),
        "hotspots": gm.hotspot_map(grid, spots, incidents=placed, lang=lang),
        "validate": gm.defect_map(hole, defects, grid.boundary, lang),
        "repair": gm.defect_map(hole, defects, grid.boundary, lang, mended=mended),
        "compare": gm.compare_map(grid, other, lang=lang),
    }
    briefings = {
        "briefing": gm.briefing(grid, placed, staff=town.staff, lang=lang),
        "cell": gm.briefing(grid, placed, cell=busy, barriers=town.barriers, lang=lang),
    }
    texts = {
        "partition": report(grid).html(lang),
        "plans": plans_page(gm.plans(grids), grids, present=(now, grid), lang=lang),
        "edit": edit_page(grid, lang=lang),
    }
    files = {name: folder / f"{name}.html" for name in (*briefings, *maps, *texts)}
    for name, page in {**briefings, **maps}.items():
        page.save(files[name], overwrite=True)
    for name, text in texts.items():
        files[name].write_text(text, encoding="utf-8")
    return {**files, "weekly": weekly(town, grid, lang, folder)}


def redrawn(grid: gm.Grid) -> gm.Grid:
    """Return the grid with two neighbours made one."""
    homes = grid.cells["kind"] == "residential"
    pairs = (
        (a, b)
        for a, b in grid.contiguity.edges
        if homes[a] and homes[b] and grid.cells["parent"][a] == grid.cells["parent"][b]
    )
    a, b = next(pairs)
    return gm.merge(grid, [a, b], approve="for a comparison")


def weekly(town: Any, grid: gm.Grid, lang: str, folder: Path) -> Path:
    """Write the page of a week by its command."""
    gm.write_grid(grid, folder / "grid.gpkg", overwrite=True)
    town.incidents.to_csv(folder / "incidents.csv", index=False)
    out = folder / "week"
    words = ["--lang", lang, "weekly", "--grid", str(folder / "grid.gpkg"), "--incidents",
             str(folder / "incidents.csv"), "--x", "x", "--y", "y", "-o", str(out)]  # fmt: skip
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code in (0, 1), ran.output
    return next(out.rglob("*.html"))
