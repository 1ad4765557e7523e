"""The page on which cells are redrawn: opened offline, used by mouse and keyboard, applied."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner

import gridmap as gm
from gridmap.cli import main
from gridmap.errors import InputError
from gridmap.grid.grid import Grid
from gridmap.io.gridfile import read_grid, write_grid
from gridmap.maps.edit import edit_page

pytestmark = pytest.mark.browser

HELPERS = """
() => {
  const editor = globalThis.gridmapEditor;
  const plan = editor.plan;
  globalThis.spot = (unit) => {
    const box = editor.find('ink').getBoundingClientRect();
    const { x, y } = plan.shape;
    return [box.left + editor.painter.px(x[unit]), box.top + editor.painter.py(y[unit])];
  };
  globalThis.clear = (unit) => plan.unitAt(plan.shape.x[unit], plan.shape.y[unit]) === unit;
  globalThis.homes = (at) => !plan.dedicated(at) && plan.cells[at].before.pieces === 1;
  // a unit that can move into a neighbouring cell, alone, with both in the band
  globalThis.easyMove = () => {
    for (let unit = 0; unit < plan.count; unit++) {
      if (!clear(unit) || !homes(plan.cell[unit])) continue;
      for (const cell of plan.cellsBeside(unit).filter(homes)) {
        const hint = plan.hint(unit, cell);
        const easy = hint.good && !hint.pocket.length && !hint.empties && hint.households > 0;
        if (!hint.refused && easy) {
          const inside = [...plan.cells[cell].units].find(clear);
          if (inside !== undefined) return { unit, cell, inside, from: plan.cell[unit] };
        }
      }
    }
    return null;
  };
  // two neighbouring cells that nothing has changed yet
  globalThis.pair = () => {
    for (let unit = 0; unit < plan.count; unit++) {
      const a = plan.cell[unit];
      if (!homes(a) || plan.changed(a)) continue;
      const b = plan.cellsBeside(unit).find((one) => homes(one) && !plan.changed(one));
      const one = (at) => at === undefined ? at : [...plan.cells[at].units].find(clear);
      const first = one(a), second = one(b);
      if (first !== undefined && second !== undefined) return { a, b, first, second };
    }
    return null;
  };
  // a cell that nothing has changed yet, and a line across it
  globalThis.cuttable = () => {
    const whole = (cell, k) => homes(k) && !plan.changed(k) && cell.units.size > 6;
    const at = plan.cells.findIndex(whole);
    const [west, south, east, north] = editor.painter.box(at);
    const box = editor.find('ink').getBoundingClientRect();
    const px = (x) => box.left + editor.painter.px(x), py = (y) => box.top + editor.painter.py(y);
    const middle = (west + east) / 2;
    return { at, inside: [...plan.cells[at].units].find(clear),
      line: [[px(middle), py(north) - 4], [px(middle), py(south) + 4]] };
  };
}
"""


@pytest.fixture(scope="module")
def files(grid: Grid, tmp_path_factory: Any) -> Path:
    """Return a folder with the grid file of the tiny town and its page."""
    folder: Path = tmp_path_factory.mktemp("edit")
    write_grid(grid, folder / "grid.gpkg")
    (folder / "plan.html").write_text(edit_page(grid, lang="zh"), encoding="utf-8")
    return folder


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open pages in a context that is offline; nothing may complain or ask for anything."""
    contexts, complaints = [], []

    def opened(path: Path, **options: Any) -> Any:
        options.setdefault("viewport", {"width": 1366, "height": 768})
        context = browser.new_context(offline=True, accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
        page.on("request", lambda asked: _note(complaints, asked.url))
        page.goto(path.as_uri())
        page.wait_for_function("() => globalThis.gridmapEditor")
        page.evaluate(HELPERS)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _note(complaints: list[str], url: str) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        complaints.append(url)


def brush(page: Any, move: dict[str, int]) -> None:
    """Make the target active and dab the unit."""
    page.keyboard.press("Escape")
    page.click('[data-do="brush"]')
    page.mouse.click(*page.evaluate("spot", move["inside"]))
    page.mouse.click(*page.evaluate("spot", move["unit"]))


def merge(page: Any, pair: dict[str, int]) -> None:
    page.keyboard.press("m")
    for unit in (pair["first"], pair["second"]):
        page.mouse.click(*page.evaluate("spot", unit))


def split(page: Any, cut: dict[str, Any]) -> None:
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    start, end = cut["line"]
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def approve_all(page: Any) -> int:
    """Approve what is on the list, by the dialog."""
    count = 0
    listed = """() => document.querySelectorAll('.todo [data-do="approve"]').length"""
    while left := page.evaluate(listed):
        page.locator('.todo [data-do="approve"]').first.click()
        page.fill('[data-part="answer"]', "街道会议纪要")
        page.click('[data-do="accept"]')
        page.wait_for_function(f"left => ({listed})() < left", arg=left)
        count += 1
        assert count < 20
    return count


def saved(page: Any, path: Path) -> dict[str, Any]:
    """Save the change file by its button, and return it."""
    with page.expect_download() as download:
        page.click('[data-do="save"]')
    download.value.save_as(path)
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def test_a_plan_is_drawn_saved_applied_and_opened_again(open_page: Any, files: Path) -> None:
    page = open_page(files / "plan.html")
    move = page.evaluate("easyMove()")
    brush(page, move)
    assert page.evaluate("u => gridmapEditor.plan.cell[u]", move["unit"]) == move["cell"]
    pair = page.evaluate("pair()")
    merge(page, pair)
    cut = page.evaluate("cuttable()")
    split(page, cut)
    after = page.evaluate("JSON.stringify(gridmapEditor.plan.changes())")
    page.keyboard.press("Control+z")
    undone = page.evaluate("JSON.stringify(gridmapEditor.plan.changes())")
    assert undone != after
    page.keyboard.press("Control+Shift+z")
    assert page.evaluate("JSON.stringify(gridmapEditor.plan.changes())") == after
    approve_all(page)
    assert page.evaluate("gridmapEditor.plan.good")
    document = saved(page, files / "changes.json")
    expected = page.evaluate(
        "() => gridmapEditor.plan.cells.filter((c, k) => gridmapEditor.plan.lives(k)"
        " && gridmapEditor.plan.changed(k) && c.before).map((c) => c.code)"
    )
    shown = page.evaluate(
        "() => Object.fromEntries(gridmapEditor.plan.cells.filter((c) => c.units.size)"
        ".map((c) => [c.code, c.homes]))"
    )

    out = files / "new.gpkg"
    ran = CliRunner().invoke(
        main,
        ["apply", str(files / "grid.gpkg"), str(files / "changes.json"), "-o", str(out), "--json"],
    )
    assert ran.exit_code == 0, ran.output
    old, new = read_grid(files / "grid.gpkg"), read_grid(out)
    assert new.proof.verdict == "exact"
    same = [
        code
        for code in old.cells.index.intersection(new.cells.index)
        if shapely.equals_identical(old.cells.geometry[code], new.cells.geometry[code])
    ]
    assert set(old.cells.index.intersection(new.cells.index)) - set(same) == set(expected)
    assert new.cells["households"].sum() == old.cells["households"].sum()
    for code, homes in shown.items():
        if not code.startswith("new:"):
            assert new.cells.at[code, "households"] == homes
    gone = set(old.cells.index) - set(new.cells.index)
    assert len(gone) == 1 and gone <= set(new.retired["code"])
    assert len(set(new.cells.index) - set(old.cells.index)) == 1

    fresh = open_page(files / "plan.html")
    fresh.set_input_files('[data-part="file"]', files / "changes.json")
    fresh.wait_for_function("() => gridmapEditor.plan.done.length === 1")
    assert fresh.evaluate("gridmapEditor.plan.changes()") == document
    assert fresh.evaluate("gridmapEditor.plan.difference()") == pytest.approx(
        page.evaluate("gridmapEditor.plan.difference()")
    )


def test_a_pocket_is_shown_before_the_click(open_page: Any, files: Path) -> None:
    page = open_page(files / "plan.html")
    found = page.evaluate(
        """() => {
          const plan = gridmapEditor.plan;
          for (let unit = 0; unit < plan.count; unit++) {
            if (!clear(unit)) continue;
            for (const cell of plan.cellsBeside(unit)) {
              const hint = plan.hint(unit, cell);
              if (!hint.refused && hint.pocket.length) return { unit, cell, pocket: hint.pocket };
            }
          }
        }"""
    )
    page.evaluate("cell => gridmapEditor.choose(cell)", found["cell"])
    page.mouse.move(*page.evaluate("spot", found["unit"]))
    said = page.inner_text('[data-part="hint"]')
    assert f"另有 {len(found['pocket'])} 个地块" in said
    assert page.evaluate("gridmapEditor.plan.done.length") == 0
    page.mouse.click(*page.evaluate("spot", found["unit"]))
    cells = page.evaluate("u => u.map((one) => gridmapEditor.plan.cell[one])", found["pocket"])
    assert set(cells) == {found["cell"]}


def test_keyboard_alone_moves_a_unit(open_page: Any, files: Path) -> None:
    page = open_page(files / "plan.html")
    move = page.evaluate("easyMove()")
    page.evaluate("m => { gridmapEditor.cursor = m.inside; }", move)
    page.keyboard.press("Space")
    assert page.evaluate("gridmapEditor.active") == move["cell"]
    page.evaluate("m => { gridmapEditor.cursor = m.unit; }", move)
    page.keyboard.press("Enter")
    assert page.evaluate("u => gridmapEditor.plan.cell[u]", move["unit"]) == move["cell"]
    page.keyboard.press("ArrowRight")
    assert page.evaluate("gridmapEditor.cursor") >= 0


def test_lasso_lock_name_and_the_list(open_page: Any, files: Path) -> None:
    page = open_page(files / "plan.html")
    pair = page.evaluate("pair()")
    page.click('[data-do="lock"]')
    page.mouse.click(*page.evaluate("spot", pair["first"]))
    assert page.evaluate("at => gridmapEditor.plan.cells[at].locked", pair["a"])
    merge(page, pair)
    assert page.evaluate("gridmapEditor.plan.difference().touched") == 0, "a locked cell stays"
    page.keyboard.press("k")
    page.mouse.click(*page.evaluate("spot", pair["first"]))
    merge(page, pair)
    assert page.locator(".todo li").count() == 1
    page.locator('.todo [data-do="goto"]').first.click()
    kept = page.evaluate("gridmapEditor.active")
    box = page.evaluate("at => gridmapEditor.painter.box(at)", kept)
    seen = page.evaluate(
        "() => { const p = gridmapEditor.painter;"
        " return [p.wx(0), p.wy(p.height), p.wx(p.width), p.wy(0)]; }"
    )
    assert seen[0] <= box[0] and seen[1] <= box[1] and seen[2] >= box[2] and seen[3] >= box[3]
    page.locator(f'tr[data-cell="{kept}"] [data-do="rename"]').click()
    page.fill('[data-part="answer"]', "新名 <b>")
    page.click('[data-do="accept"]')
    # the browser tells of a closed dialog a task later
    named = "Object.keys(gridmapEditor.plan.changes().names).length"
    for _ in range(200):  # the page's policy forbids the browser to wait for an expression
        if page.evaluate(named):
            break
        page.wait_for_timeout(50)
    assert page.locator("aside b", has_text="新名").count() == 1
    page.keyboard.press("Escape")
    page.click('[data-do="whole"]')
    page.keyboard.press("l")
    centre = page.evaluate("spot", pair["second"])
    page.mouse.move(centre[0] - 30, centre[1] - 30)
    page.mouse.down()
    for dx, dy in ((30, -30), (30, 30), (-30, 30), (-30, -30)):
        page.mouse.move(centre[0] + dx, centre[1] + dy, steps=3)
    page.mouse.up()
    assert any(
        code.startswith("new:") for code in page.evaluate("gridmapEditor.plan.changes().moves")
    )


def test_a_file_of_another_grid_is_refused_in_one_line(open_page: Any, files: Path) -> None:
    page = open_page(files / "plan.html")
    grid = page.evaluate("gridmapEditor.plan.changes().grid")
    handing = {"schema": "gridmap.changes/1", "grid": grid, "hand": {"x": [1]}}
    for document, words in (
        ({"schema": "gridmap.changes/1", "grid": "0" * 64}, "另一版网格"),
        ({"schema": "x"}, "这不是调整文件"),
        ([], "这不是调整文件"),
        (handing, "另一辖区"),
    ):
        (files / "other.json").write_text(json.dumps(document), encoding="utf-8")
        page.set_input_files('[data-part="file"]', files / "other.json")
        page.wait_for_function(
            "words => gridmapEditor.find('hint').textContent.includes(words)", arg=words
        )
    assert page.evaluate("gridmapEditor.plan.done.length") == 0


def test_bands_by_area_are_judged_on_the_page_as_by_apply(open_page: Any, tmp_path: Path) -> None:
    """Every single move of a street of two communities: good on the page, taken by `apply`."""
    counts = {"town": [200, 250, 150, 350, 100, 250], "farm": [30, 45, 60, 50, 70, 45]}
    rows = [
        (name, homes, shapely.box(100 * k, 100 * at, 100 * k + 100, 100 * at + 100))
        for at, (name, row) in enumerate(counts.items())
        for k, homes in enumerate(row)
    ]
    parent, households, shapes = map(list, zip(*rows, strict=True))
    units = gpd.GeoDataFrame(
        {"parent": parent, "households": households}, geometry=shapes, crs=4547
    )
    low, high = pd.Series({"town": 300, "farm": 60}), pd.Series({"town": 600, "farm": 120})
    grid = gm.partition(units, (low, high))
    (tmp_path / "plan.html").write_text(edit_page(grid, lang="en"), encoding="utf-8")
    page = open_page(tmp_path / "plan.html")
    tried = page.evaluate(
        """() => {
          const plan = gridmapEditor.plan, found = [];
          for (let unit = 0; unit < plan.count; unit++)
            for (const cell of plan.cellsBeside(unit)) {
              const hint = plan.hint(unit, cell);
              if (hint.refused || hint.pocket.length || hint.empties) continue;
              found.push([plan.label[unit], plan.cells[cell].code, hint.good]);
            }
          return found;
        }"""
    )
    assert {good for _, _, good in tried} == {True, False}
    for unit, code, good in tried:
        changes = {"schema": "gridmap.changes/1", "grid": "", "moves": {code: [unit]}}
        if good:
            assert gm.apply(grid, changes).in_band.all()
        else:
            with pytest.raises(InputError, match="outside"):
                gm.apply(grid, changes)


def test_numbers_stay_in_their_cells_and_names_speak_the_language(
    open_page: Any, files: Path, grid: Grid
) -> None:
    """The grid of this page was named in Chinese; no number touches another."""
    (files / "en.html").write_text(edit_page(grid, lang="en"), encoding="utf-8")
    page = open_page(files / "en.html")
    names = page.evaluate("gridmapEditor.plan.cells.map((cell) => cell.name)")
    assert any("cell 1" in name for name in names) and not any("网格" in name for name in names)
    assert "网格" in grid.cells["name"].iloc[0]
    written = page.evaluate(
        """() => {
          const painter = gridmapEditor.painter, pen = painter.pen, drawn = [];
          const real = pen.fillText.bind(pen);
          pen.fillText = (text, x, y) => {
            const half = pen.measureText(text).width / 2;
            drawn.push([x - half, y - 6, x + half, y + 6]);
            real(text, x, y);
          };
          painter.all();
          return drawn;
        }"""
    )
    assert len(written) > 20
    told = page.evaluate(
        """() => {
          const painter = gridmapEditor.painter, real = painter.pen.fillText, said = [];
          painter.pen.fillText = (text) => said.push(text);
          painter.measure(painter.pen);
          painter.pen.fillText = real;
          return [said, painter.scale, gridmapEditor.data.metres];
        }"""
    )
    assert told[0][0] == "N" and re.fullmatch(r"[125]0* k?m", told[0][1])
    assert told[2] == 1 and int(told[0][1].split()[0]) * told[1] < 90
    boxes = shapely.box(*zip(*written, strict=True))
    one, other = shapely.STRtree(boxes).query(boxes, predicate="intersects")
    assert (one == other).all()


def test_cells_outside_the_band_are_told_with_what_is_on_record(
    open_page: Any, grid: Grid, tmp_path: Path
) -> None:
    """Nothing is to be settled on a page just opened, but exceptions are not passed over."""
    homes = grid.cells["kind"] == "residential"
    off = grid.cells.index[homes & ~grid.cells["households"].between(*grid.band)]
    why = grid.in_language("en").exceptions.set_index("code")["reason"]
    assert 0 < why.index.isin(off).sum() == len(off)
    (tmp_path / "plan.html").write_text(edit_page(grid, lang="en"), "utf-8")
    page = open_page(tmp_path / "plan.html")
    assert page.inner_text('[data-part="todo-title"]') == "Nothing left to settle"
    told = f"Outside the band as before: {len(off)} (on record: {len(off)})"
    assert page.inner_text('[data-part="standing-title"]') == told
    page.evaluate("document.querySelector('[data-part=standing]').open = true")
    said = page.inner_text('[data-part="standing-list"]')
    assert all(why[code] in said for code in off)
    assert "no reason on record" not in said
    page.click('[data-part="standing-list"] [data-do="goto"]')
    assert page.evaluate("gridmapEditor.plan.cells[gridmapEditor.active].code") == off[0]
    page.evaluate("code => { const { plan } = gridmapEditor; "
                  "const at = plan.cells.findIndex((cell) => cell.code === code); "
                  "plan.create([[...plan.cells[at].units][0]]); gridmapEditor.refresh(true); }",
                  off[0])  # fmt: skip
    assert f"as before: {len(off) - 1} " in page.inner_text('[data-part="standing-title"]')


def test_fingers_on_a_small_screen(open_page: Any, files: Path) -> None:
    page = open_page(
        files / "plan.html", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    move = page.evaluate("easyMove()")
    page.touchscreen.tap(*page.evaluate("spot", move["inside"]))
    page.touchscreen.tap(*page.evaluate("spot", move["unit"]))
    assert page.evaluate("u => gridmapEditor.plan.cell[u]", move["unit"]) == move["cell"]
    low = page.evaluate(
        "() => Math.min(...[...document.querySelectorAll('nav button')].map((b) => b.offsetHeight))"
    )
    assert low >= 40, "a finger needs room"


def test_search_leads_to_cells_areas_and_buildings(
    open_page: Any, grid: Grid, town: Any, tmp_path: Path
) -> None:
    (tmp_path / "plan.html").write_text(edit_page(grid.with_buildings(town.buildings)), "utf-8")
    page = open_page(tmp_path / "plan.html")
    box = ".gm-search input"

    def marked(text: str) -> set[int]:
        page.fill(box, text)
        page.press(box, "Enter")
        return set(page.evaluate("gridmapEditor.marked"))

    home = town.buildings[town.buildings["compound"].fillna("") != ""].iloc[0]
    unit = grid.units.sindex.query(home.geometry, predicate="intersects")
    assert marked(home["name"]) == set(unit.tolist())
    assert marked("没有的地方") == set()
    street = grid.cells["street"].iloc[0]
    inside = grid.units["code"].map(grid.cells["street"]) == street
    assert marked(street) == set(inside.to_numpy().nonzero()[0].tolist())
    code = grid.cells.index[9]
    marked(code)
    active = page.evaluate("gridmapEditor.plan.cells[gridmapEditor.active].code")
    assert active == code
    assert page.evaluate("gridmapEditor.plan.done.length") == 0


def test_a_saved_notebook_shows_the_page_with_what_was_drawn(
    open_page: Any, grid: Grid, tmp_path: Path
) -> None:
    plan = gm.edit(grid, lang="en")
    homes = grid.cells["parent"][grid.cells["kind"] == "residential"]
    a, b = next((a, b) for a, b in grid.contiguity.edges if a in homes and homes[a] == homes.get(b))
    moved = grid.units.index[grid.units["code"] == b].tolist()
    plan.changes = {"schema": "gridmap.changes/1", "grid": grid.content_hash, "moves": {a: moved}}
    data, _ = plan._repr_mimebundle_()
    assert any("widget-view" in kind for kind in data)
    still = data["text/html"].rpartition("</style>")[2]
    assert "data:image/svg+xml" in still and "not trusted" in still
    framed = data["text/html"].removeprefix('<iframe srcdoc="').split('"')[0]
    (tmp_path / "saved.html").write_text(html.unescape(framed), encoding="utf-8")
    page = open_page(tmp_path / "saved.html")
    assert page.inner_text('[data-sum="touched"] b') == "2"
