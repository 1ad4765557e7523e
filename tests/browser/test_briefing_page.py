"""The briefing as a reader meets it: offline, clicked, searched, printed, photographed."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import gridmap as gm

pytestmark = pytest.mark.browser

SIZES = [(1366, 768), (1920, 1080), (390, 844)]
ROOM = "gridmap.rooms[0]"


def test_it_asks_for_nothing_and_complains_of_nothing(
    opened: Callable[..., Any], briefing_file: Path
) -> None:
    seen = opened(briefing_file)
    for tab in range(4):
        seen.page.click(f".gm-tabs button >> nth={tab}")
    seen.page.click("button.gm-heat")
    seen.page.wait_for_timeout(200)
    assert seen.requests == []
    assert seen.complaints == []


def test_a_request_would_be_refused_by_the_page_itself(
    opened: Callable[..., Any], briefing_file: Path
) -> None:
    seen = opened(briefing_file)
    refused = seen.run(
        """async () => {
            const told = new Promise((done) =>
                document.addEventListener('securitypolicyviolation', (e) => done(e.blockedURI)));
            new Image().src = 'https://example.org/x.png';
            return told;
        }"""
    )
    assert "example.org" in refused


def test_a_street_in_the_ranking_zooms_there(
    opened: Callable[..., Any], briefing_file: Path
) -> None:
    seen = opened(briefing_file)
    before = seen.run(f"{ROOM}.map.getZoom()")
    row = seen.page.locator("tbody.places tr").nth(1)
    place, level = int(row.get_attribute("data-place")), int(row.get_attribute("data-level"))
    row.click()
    assert seen.run(f"{ROOM}.map.getZoom()") > before
    inside = seen.run(
        f"""([level, place]) => {{
            const room = {ROOM};
            const cells = room.cellsOf(room.data.levels[level], place);
            return room.layer.chosen.length === cells.length && cells.length > 0 &&
                room.map.getBounds().contains(
                    gridmap.toBounds(gridmap.boxOf(room.data.shape, cells)));
        }}""",
        [level, place],
    )
    assert inside


def test_a_hotspot_in_the_list_is_highlighted(
    opened: Callable[..., Any], briefing_file: Path
) -> None:
    seen = opened(briefing_file)
    row = seen.page.locator("tbody.cells tr").first
    cell = int(row.get_attribute("data-cell"))
    name = row.locator("td").nth(1).inner_text()
    row.press("Enter")
    assert seen.run(f"{ROOM}.layer.chosen") == [cell]
    assert seen.run(f"{ROOM}.current().title") == "连同邻格的冷热"
    assert name in seen.page.locator(".gm-card").inner_text()


def test_searching_a_code_highlights_its_cell(
    opened: Callable[..., Any], briefing_file: Path, grid: gm.Grid
) -> None:
    seen = opened(briefing_file)
    seen.page.fill(".gm-search input", grid.cells.index[17])
    seen.page.press(".gm-search input", "Enter")
    assert seen.run(f"{ROOM}.layer.chosen") == [17]
    assert grid.cells.index[17] in seen.page.locator(".gm-card").inner_text()
    seen.page.fill(".gm-search input", "no such place")
    assert seen.page.locator(".gm-search p").is_visible()


def test_a_point_on_the_map_is_answered_by_its_own_cell(
    opened: Callable[..., Any], briefing_file: Path, grid: gm.Grid
) -> None:
    seen = opened(briefing_file)
    spots = grid.cells.representative_point().to_crs(4326)
    for cell in (0, 23, 41):
        at = [spots.y.iloc[cell], spots.x.iloc[cell]]
        seen.run(f"(at) => {ROOM}.map.fire('click', {{latlng: L.latLng(at)}}) && 0", at)
        assert seen.run(f"{ROOM}.layer.chosen") == [cell]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_ranking_fits_its_card_with_a_change_to_tell(
    lang: str, opened: Callable[..., Any], grid: gm.Grid, town: Any, tmp_path: Path
) -> None:
    made = gm.briefing(grid, town.incidents, staff=town.staff, lang=lang,
                       since="2026-04-01", until="2026-06-29")  # fmt: skip
    page = made.save(tmp_path / "briefing.html")
    for wide, high in ((1280, 720), (1366, 768), (1600, 1000), (1920, 1080)):
        seen = opened(page, {"width": wide, "height": high})
        over = seen.run(
            """() => {
                const card = document.querySelector('.ranking .scroll').getBoundingClientRect();
                const ends = [...document.querySelectorAll('.ranking th, .ranking td')];
                return ends.filter((e) => e.getBoundingClientRect().right > card.right + 1).length;
            }"""
        )
        assert over == 0, (wide, high)


def test_it_prints_one_page_with_the_map_on_it(
    opened: Callable[..., Any], briefing_file: Path
) -> None:
    seen = opened(briefing_file)
    sheet = seen.page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", sheet)) == 1
    assert re.search(rb"/MediaBox\s*\[\s*0 0 84[12][.\d]* 59[45][.\d]*\s*\]", sheet)
    assert seen.run(f"{ROOM}.printed.naturalWidth") >= 1600
    seen.page.emulate_media(media="print")
    box = seen.page.locator(".gm-printed").bounding_box()
    assert box["width"] > 400 and box["height"] > 250
    assert not seen.page.locator("#map").is_visible()


def test_the_png_button_gives_a_picture(opened: Callable[..., Any], briefing_file: Path) -> None:
    from PIL import Image

    seen = opened(briefing_file)
    with seen.page.expect_download() as waiting:
        seen.page.click(".gm-png")
    picture = Image.open(io.BytesIO(Path(waiting.value.path()).read_bytes())).convert("RGB")
    assert waiting.value.suggested_filename.endswith(".png")
    assert picture.size == (2400, 1350)
    assert len(picture.getcolors(maxcolors=2**24)) > 100


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_overlaps_or_is_cut(
    opened: Callable[..., Any],
    briefing_files: dict[str, Path],
    size: tuple[int, int],
    lang: str,
) -> None:
    seen = opened(briefing_files[lang], {"width": size[0], "height": size[1]})
    assert seen.run("document.documentElement.scrollWidth <= window.innerWidth")
    boxes = seen.run(
        """() => ['.gm-tabs', '.gm-toggles', '.gm-search', '.gm-buttons', '.gm-legend',
            '.leaflet-control-scale'].map((name) => {
            const box = document.querySelector(name).getBoundingClientRect();
            return [box.left, box.top, box.right, box.bottom];
        })"""
    )
    frame = seen.page.locator("#map").bounding_box()
    for k, a in enumerate(boxes):
        assert a[0] >= frame["x"] - 1 and a[2] <= frame["x"] + frame["width"] + 1
        assert a[1] >= frame["y"] - 1 and a[3] <= frame["y"] + frame["height"] + 1
        for b in boxes[k + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
    names = ".panel, .cards > div, .cards em, .gm-legend" + (", .scroll" if size[0] > 700 else "")
    cut = seen.run(
        """(names) => Array.from(document.querySelectorAll(names))
            .filter((box) => box.scrollWidth > box.clientWidth + 1)
            .map((box) => box.innerText.slice(0, 40))""",
        names,
    )
    assert cut == []


ROWS = """(many) => {
    const more = document.querySelector('.more');
    const first = more.firstElementChild;
    more.replaceChildren(...Array.from({ length: many }, () => first.cloneNode(true)));
    const rows = Map.groupBy(more.children, (one) => Math.round(one.getBoundingClientRect().top));
    const end = more.getBoundingClientRect().right;
    return [...rows.values()].map((row) =>
        [row.length, end - Math.max(...row.map((one) => one.getBoundingClientRect().right))]);
}"""


@pytest.mark.parametrize("width", [390, 820, 1024, 1280, 1440, 1920])
def test_panels_fill_their_rows_and_none_stands_alone_on_a_desk(
    opened: Callable[..., Any], briefing_file: Path, width: int
) -> None:
    seen = opened(briefing_file, {"width": width, "height": 900})
    for many in range(1, 13):
        rows = seen.run(ROWS, many)
        assert all(abs(empty) <= 1 for _, empty in rows)
        if width > 1240 and many > 1:
            assert all(panels > 1 for panels, _ in rows), (many, rows)


@pytest.mark.parametrize("width", [1241, 1280, 1366, 1440])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_card_is_cut_off_on_a_small_desk(
    opened: Callable[..., Any], briefing_files: dict[str, Path], width: int, lang: str
) -> None:
    seen = opened(briefing_files[lang], {"width": width, "height": 800})
    cut = "(all) => all.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.innerText)"
    assert seen.page.locator(".cards em").evaluate_all(cut) == []
    hot = seen.page.locator(".cards em").nth(4)  # on a larger town both counts have two digits
    hot.evaluate("(e) => { e.innerText = e.innerText.replace(/\\d+/g, '38'); }")
    assert hot.evaluate("(e) => e.innerText").count("38") == 2
    assert seen.page.locator(".cards em").evaluate_all(cut) == []


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [(1366, 768), (1600, 1000), (1920, 1080)], ids=str)
def test_a_desk_sees_all_that_matters_without_scrolling(
    opened: Callable[..., Any], briefing_files: dict[str, Path], size: tuple[int, int], lang: str
) -> None:
    seen = opened(briefing_files[lang], {"width": size[0], "height": size[1]})
    boxes = {
        name: seen.page.locator(name).bounding_box()
        for name in (".map", ".ranking", ".hot", ".course", ".quality", ".brief")
    }
    for box in boxes.values():
        assert box["y"] >= 0 and box["y"] + box["height"] <= size[1]
    frame = boxes[".map"]
    assert frame["height"] >= (330 if size[1] < 900 else 420)
    assert frame["y"] + frame["height"] < boxes[".course"]["y"]
    assert seen.run(f"{ROOM}.map.getSize().y") == round(frame["height"])
    assert seen.run(f"({ROWS})()") == []


ROWS = """() => Array.from(document.querySelectorAll('.scroll')).flatMap((box) => {
    const at = box.getBoundingClientRect();
    return Array.from(box.querySelectorAll('tbody tr')).map((row) => row.getBoundingClientRect())
        .filter((row) => row.top < at.bottom - 1 && row.bottom > at.bottom + 1)
        .map((row) => [row.top, row.bottom, at.bottom]);
})"""


def test_all_can_be_reached_and_told_by_keyboard(
    opened: Callable[..., Any], briefing_file: Path, grid: gm.Grid
) -> None:
    seen = opened(briefing_file)
    tabs = seen.page.locator(".gm-tabs button")
    tabs.first.focus()
    seen.page.keyboard.press("ArrowRight")
    assert seen.run("document.activeElement.getAttribute('aria-selected')") == "true"
    assert seen.run(f"{ROOM}.themeIndex") == 1
    reached = set()
    for _ in range(60):
        seen.page.keyboard.press("Tab")
        reached.add(
            seen.run(
                """() => {
                    const on = document.activeElement, look = getComputedStyle(on);
                    const drawn = look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) > 0;
                    const part = on.closest('tbody,.gm-search,.gm-buttons,.gm-toggles,.brief');
                    return [part?.className, drawn].join(' ');
                }"""
            )
        )
    for part in ("places", "cells", "gm-search", "gm-buttons", "gm-toggles", "brief"):
        assert f"{part} true" in reached, (part, reached)
        assert f"{part} false" not in reached
    seen.page.fill(".gm-search input", grid.cells.index[3])
    assert seen.page.get_by_role("combobox", expanded=True).count() == 1
    assert seen.page.get_by_role("option", selected=True).count() == 1
    seen.page.keyboard.press("Enter")
    assert seen.page.get_by_role("combobox", expanded=False).count() == 1
    assert grid.cells.index[3] in seen.page.get_by_role("status").inner_text()


def test_who_wants_no_motion_gets_none(opened: Callable[..., Any], briefing_file: Path) -> None:
    moving = "[gridmap.rooms[0].map._zoomAnimated, getComputedStyle(document.documentElement)" + (
        ".scrollBehavior]"
    )
    assert opened(briefing_file, reduced_motion="reduce").run(moving) == [False, "auto"]
    assert opened(briefing_file, reduced_motion="no-preference").run(moving) == [True, "smooth"]


def test_a_tall_window_does_not_stretch_the_map(
    opened: Callable[..., Any], briefing_file: Path
) -> None:
    seen = opened(briefing_file, {"width": 1600, "height": 2100})
    frame = seen.page.locator(".map").bounding_box()
    assert frame["width"] * 0.6 < frame["height"] < frame["width"] * 1.05


CONTRAST = """() => {
    const light = (c) => c.map((v) => v / 255).map((v) =>
        v <= .03928 ? v / 12.92 : Math.pow((v + .055) / 1.055, 2.4));
    const luminance = (c) => light(c).reduce((sum, v, k) => sum + [.2126, .7152, .0722][k] * v, 0);
    const parse = (s) => (s.match(/[\\d.]+/g) || []).map(Number);
    const ground = (e) => {
        for (; e; e = e.parentElement) {
            const c = parse(getComputedStyle(e).backgroundColor);
            if (c.length === 3 || c[3] > .9) return c.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const faint = [];
    document.querySelectorAll('body *').forEach((e) => {
        const texts = Array.from(e.childNodes).filter((n) => n.nodeType === 3);
        if (!texts.some((n) => n.nodeValue.trim()) || !e.offsetParent || e.disabled) return;
        const style = getComputedStyle(e);
        const a = luminance(parse(style.color).slice(0, 3));
        const b = luminance(ground(e));
        const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
        const least = parseFloat(style.fontSize) >= 24 ? 3 : 4.5;
        if (ratio < least) faint.push([e.className, e.innerText.slice(0, 20), ratio]);
    });
    return faint;
}"""


def test_text_has_the_contrast_of_wcag_aa(opened: Callable[..., Any], briefing_file: Path) -> None:
    seen = opened(briefing_file)
    seen.page.click("tbody.cells tr >> nth=0")
    faint = seen.run(CONTRAST)
    assert faint == []


def test_the_classes_of_the_map_tell_apart_in_grey(
    opened: Callable[..., Any], briefing_file: Path
) -> None:
    seen = opened(briefing_file)
    rows = seen.run(f"{ROOM}.data.themes[0].classes.slice(0, 5).map((row) => row.color)")
    grey = [
        0.299 * int(c[1:3], 16) + 0.587 * int(c[3:5], 16) + 0.114 * int(c[5:7], 16) for c in rows
    ]
    assert all(a - b > 15 for a, b in pairwise(grey))
    hot = seen.run(f"{ROOM}.data.themes[1].classes.map((row) => row.hatch)")
    assert all(hot[:3]) and not any(hot[3:7])  # cold cells are hatched, hot ones are not


EVIL = '<script>window.broken=1</script><img src=x onerror="window.broken=1">"\'&</style>'


@pytest.mark.filterwarnings("ignore::gridmap.errors.UnknownWordsWarning")
def test_markup_in_names_and_categories_stays_text(
    opened: Callable[..., Any], town: Any, grid: gm.Grid, tmp_path: Path
) -> None:
    cells = grid.cells.reset_index()
    cells["name"] = EVIL
    jurisdictions = grid.jurisdictions.assign(street=EVIL + "</script>")
    evil = gm.Grid(
        cells.drop(columns=list(grid.levels)),
        grid.boundary,
        grid.levels,
        jurisdictions=jurisdictions,
        parameters=grid.parameters,
    )
    incidents = town.incidents.assign(category=EVIL, source=EVIL)
    made = gm.briefing(evil, incidents, title=EVIL, source=EVIL)
    seen = opened(made.save(tmp_path / "evil.html"))
    seen.page.fill(".gm-search input", "script")
    seen.page.press(".gm-search input", "Enter")
    seen.page.click("tbody.places tr >> nth=0")
    assert seen.run("window.broken") is None
    assert seen.requests == [] and seen.complaints == []
    assert EVIL in seen.page.locator("h1").inner_text()
    assert seen.page.locator("img[src=x]").count() == 0


def test_the_sheet_of_a_cell_is_one_page_without_a_script(
    browser: Any, grid: gm.Grid, town: Any, tmp_path: Path
) -> None:
    made = gm.briefing(
        grid, town.incidents, cell=grid.cells.index[5], barriers=town.barriers, staff=town.staff
    )
    context = browser.new_context(offline=True, viewport={"width": 900, "height": 1200})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.goto(made.save(tmp_path / "sheet.html").as_uri())
    sheet = page.pdf(prefer_css_page_size=True, print_background=True)
    assert len(re.findall(rb"/Type\s*/Page\b", sheet)) == 1
    assert page.locator("script").count() == 0
    assert page.locator("figure svg path").count() > 5
    assert complaints == []
    context.close()


def weeks_of(placed: Any) -> tuple[Any, Any, pd.PeriodIndex]:
    """Return the incidents inside the grid, the week of each, and all weeks of the period."""
    inside = placed[placed["code"].notna()]
    weeks = pd.to_datetime(inside["time"]).dt.to_period("W-SUN")
    return inside, weeks, pd.period_range(weeks.min(), weeks.max())


def test_the_time_slider_walks_through_the_weeks(
    opened: Callable[..., Any], briefing_files: dict[str, Path], grid: gm.Grid, placed: Any
) -> None:
    seen = opened(briefing_files["en"])
    inside, weeks, every = weeks_of(placed)
    table = pd.crosstab(inside["code"], weeks).reindex(
        index=grid.cells.index, columns=every, fill_value=0
    )
    homes = grid.cells["households"].to_numpy()
    first, last = (pd.to_datetime(inside["time"]).agg(end).normalize() for end in ("min", "max"))
    slider = seen.page.get_by_role("slider")
    slider.focus()
    assert seen.page.locator(".gm-slider output").inner_text() == "Whole time"
    span = " – ".join(str(day.date()) for day in (first, last))
    assert seen.run(f"{ROOM}.heading()").endswith(span)  # on paper, where no slider is
    for week in every:
        seen.page.keyboard.press("ArrowRight")
        whole = week.start_time >= first and week.end_time.normalize() <= last
        told = str(week.start_time.date()) + ("" if whole else " · cut short")
        assert seen.page.locator(".gm-slider output").inner_text() == told
        assert slider.get_attribute("aria-valuetext") == told
        theme = seen.run(
            f"(({{of, values, classes, counts}}) => ({{of: [...of], values, classes, counts}}))"
            f"({ROOM}.layer.theme)"
        )
        for cell, count in enumerate(table[week]):
            label = theme["classes"][theme["of"][cell]]["label"]
            if not homes[cell]:
                assert theme["values"][cell] is None and label == "no households"
                continue
            rate = 100 * count / homes[cell]
            assert theme["values"][cell] == pytest.approx(rate, abs=1e-12)
            ends = [float(end) for end in label.split(" – ")]
            assert ends[0] - 0.005001 <= rate <= ends[-1] + 0.005001
            assert (label == "0") == (count == 0)
        assert sum(theme["counts"]) == len(grid)
    bars = seen.page.locator(".gm-track > i")
    assert bars.count() == len(every)
    cut = [k for k, bar in enumerate(bars.all()) if "gm-cut" in (bar.get_attribute("class") or "")]
    assert cut == [
        k for k, week in enumerate(every)
        if week.start_time < first or week.end_time.normalize() > last
    ]  # fmt: skip
    assert set(cut) <= {0, len(every) - 1} and cut
    high = bars.evaluate_all(
        "(all) => all.map((i) => parseInt(i.style.getPropertyValue('--high')))"
    )
    total = table.sum()
    assert high == [max(4, int(100 * n / total.max() + 0.5)) for n in total]
    assert seen.complaints == [] and seen.requests == []


def test_time_runs_by_itself_and_a_finger_leads_it(
    opened: Callable[..., Any], briefing_files: dict[str, Path]
) -> None:
    seen = opened(briefing_files["zh"])
    seen.page.click(".gm-play")
    told = [seen.page.locator(".gm-slider output").inner_text()]
    for _ in range(2):
        seen.page.wait_for_function(
            "(before) => document.querySelector('.gm-slider output').textContent !== before",
            arg=told[-1],
        )
        told.append(seen.page.locator(".gm-slider output").inner_text())
    assert len(set(told)) == 3
    seen.page.click(".gm-play")
    bars = seen.page.locator(".gm-track > i")
    for k in (0, 7, bars.count() - 1):
        box = bars.nth(k).bounding_box()
        seen.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        assert seen.run(f"{ROOM}.period") == k
        assert "gm-now" in bars.nth(k).get_attribute("class")


def test_the_card_shows_the_course_of_its_cell(
    opened: Callable[..., Any], briefing_files: dict[str, Path], grid: gm.Grid, placed: Any
) -> None:
    seen = opened(briefing_files["en"])
    inside, weeks, every = weeks_of(placed)
    for cell in (3, 20):
        seen.run(f"{ROOM}.choose([{cell}])")
        own = weeks[inside["code"] == grid.cells.index[cell]].value_counts().reindex(every)
        told = seen.page.locator(".gm-spark").get_attribute("aria-label").split(": ")[1]
        assert told == ", ".join(str(int(n)) for n in own.fillna(0))


def test_a_public_briefing_has_no_slider(
    opened: Callable[..., Any], grid: gm.Grid, busy: Any, tmp_path: Path
) -> None:
    path = tmp_path / "public.html"
    gm.briefing(grid, busy, audience="public").save(path)
    seen = opened(path)
    assert not seen.page.locator(".gm-slider").is_visible()
    assert '"steps":null' in path.read_text() and '"where":' not in path.read_text()


def test_without_times_there_is_no_slider(
    opened: Callable[..., Any], grid: gm.Grid, busy: Any, tmp_path: Path
) -> None:
    path = tmp_path / "timeless.html"
    gm.briefing(grid, busy.drop(columns="time")).save(path)
    seen = opened(path)
    assert not seen.page.locator(".gm-slider").is_visible()
    assert seen.page.locator(".gm-tabs button").count() > 2
