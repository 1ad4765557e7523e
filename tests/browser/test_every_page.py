"""Every kind of page, in both languages and at three sizes: nothing overlaps, is faint or is run.

Overlap is computed from the boxes of written lines and of controls as the browser has laid them
out, so that no page needs a list of its parts.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shapely

import gridmap as gm
from gridmap.maps.edit import edit_page
from gridmap.partitioning.report import report
from tests.browser.pages import every_page, redrawn
from tests.browser.test_accessibility import KINDS
from tests.browser.test_briefing_page import CONTRAST
from tests.lattice import lattice
from tests.unit.test_partition import row

pytestmark = pytest.mark.browser

SIZES = {"phone": (390, 844), "laptop": (1366, 768), "desk": (1920, 1080)}
WINDOWS = SIZES | {"notebook": (624, 600)}
COLLIDING = """() => {
    const shown = (e) => {
        for (let up = e; up; up = up.parentElement) {
            const look = getComputedStyle(up);
            if (look.visibility === 'hidden' || look.display === 'none' || +look.opacity === 0)
                return false;
        }
        return true;
    };
    // what a box that scrolls or cuts leaves of a box inside it
    const left = (e, box) => {
        let [l, t, r, b] = [box.left, box.top, box.right, box.bottom];
        for (let up = e; up; up = up.parentElement) {
            const look = getComputedStyle(up);
            if (look.overflowX === 'visible' && look.overflowY === 'visible') continue;
            const edge = up.getBoundingClientRect();
            [l, t] = [Math.max(l, edge.left), Math.max(t, edge.top)];
            [r, b] = [Math.min(r, edge.right), Math.min(b, edge.bottom)];
        }
        return r - l > 1 && b - t > 1 ? [l, t, r, b] : null;
    };
    const found = [];
    const add = (e, box, what) => {
        const kept = left(e, box);
        if (kept) found.push({ e, box: kept, what });
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const e = node.parentElement;
        if (!node.nodeValue.trim() || /^(SCRIPT|STYLE|OPTION|TITLE)$/i.test(e.tagName)) continue;
        if (!shown(e)) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const box of range.getClientRects()) add(e, box, node.nodeValue.trim().slice(0, 24));
    }
    document.querySelectorAll('button, input, select, a[href]').forEach((e) => {
        if (shown(e)) add(e, e.getBoundingClientRect(), e.tagName + ' ' + (e.title || e.type));
    });
    const kin = (a, b) => a === b || a.contains(b) || b.contains(a);
    // a label and its box, a slider and what it lies over, are one control
    const one = (a, b) => ['label', '.gm-course', '.gm-search'].some((name) =>
        a.closest(name) && a.closest(name) === b.closest(name));
    const hits = [];
    found.sort((a, b) => a.box[1] - b.box[1]);
    for (let i = 0; i < found.length; i++) {
        for (let k = i + 1; k < found.length && found[k].box[1] < found[i].box[3]; k++) {
            const [a, b] = [found[i], found[k]];
            const wide = Math.min(a.box[2], b.box[2]) - Math.max(a.box[0], b.box[0]);
            const high = Math.min(a.box[3], b.box[3]) - Math.max(a.box[1], b.box[1]);
            const least = Math.min(a.box[3] - a.box[1], b.box[3] - b.box[1]);
            // lines of one text may stand closer than their boxes are high
            if (wide > 2 && high > 0.3 * least && !kin(a.e, b.e) && !one(a.e, b.e))
                hits.push([a.what, b.what, Math.round(wide), Math.round(high)]);
        }
    }
    return { count: found.length, hits };
}"""
LEFT_FREE = """() => {
    const room = gridmap.rooms[0];
    const box = room.layer.getBounds();
    const at = (place) => room.map.latLngToContainerPoint(place).y +
        room.map.getContainer().getBoundingClientRect().top;
    return [at(box.getSouthWest()), room.legendBox.getBoundingClientRect().top,
        at(box.getNorthEast()), room.leftBox.getBoundingClientRect().bottom];
}"""
PAYLOADS = (
    "<script>window.broken=1</script>",
    "</script><script>window.broken=1</script>",
    "<img src=x onerror=window.broken=1>",
    "<svg onload=window.broken=1>",
    '"><img src=x onerror=window.broken=1>',
    "'><img src=x onerror=window.broken=1>",
    '" onmouseover="window.broken=1" x="',
    "' onfocus='window.broken=1' autofocus='",
    "javascript:window.broken=1",
    "</style><script>window.broken=1</script>",
    "</title><script>window.broken=1</script>",
    "</textarea><script>window.broken=1</script>",
    "<!--<script>window.broken=1//",
    "--><script>window.broken=1</script>",
    "]]><script>window.broken=1</script>",
    "${window.broken=1}",
    "{{ window.broken=1 }}",
    "{% raw %}<script>window.broken=1</script>",
    "`;window.broken=1;//",
    "\\u003cscript\\u003ewindow.broken=1\\u003c/script\\u003e",
    "&lt;script&gt;window.broken=1&lt;/script&gt;",
)


@pytest.fixture(scope="module")
def pages(
    grid: gm.Grid, town: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Path]]:
    """Write every page of the tiny town in both languages."""
    folder = tmp_path_factory.mktemp("every")
    return {lang: every_page(town, grid, lang, folder / lang) for lang in ("zh", "en")}


@pytest.fixture
def watched(browser: Any) -> Iterator[Callable[..., tuple[Any, list[str], list[str]]]]:
    """Open a page offline and note what it asks for and every message, of whatever kind."""
    contexts = []

    def opened(path: Path, size: str = "laptop") -> tuple[Any, list[str], list[str]]:
        width, height = WINDOWS[size]
        contexts.append(browser.new_context(viewport={"width": width, "height": height},
                                            offline=True))  # fmt: skip
        page = contexts[-1].new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda box: (said.append(box.message), box.dismiss()))
        page.on("request", lambda request: _away(asked, request.url))
        page.goto(path.as_uri())
        return page, asked, said

    yield opened
    for context in contexts:
        context.close()


def _away(asked: list[str], url: str) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        asked.append(url)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_and_no_control_lies_over_another(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], kind: str, lang: str, size: str
) -> None:
    page, asked, said = watched(pages[lang][kind], size)
    page.wait_for_timeout(150)
    found = page.evaluate(COLLIDING)
    assert found["hits"] == []
    assert found["count"] > 12
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate(CONTRAST) == []
    assert asked == [] and said == []


def test_an_overlap_would_be_seen(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["zh"]["map"])
    page.evaluate("document.querySelector('.gm-legend').style.bottom = '640px'")
    assert page.evaluate(COLLIDING)["hits"]
    page.evaluate("document.querySelector('.gm-legend').style.color = '#ddd'")
    assert page.evaluate(CONTRAST)


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_has_a_policy_that_lets_nothing_in(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], kind: str
) -> None:
    page, _, _ = watched(pages["zh"][kind])
    policy = page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";") if rule.strip())
    assert rules["default-src"] == "'none'"
    assert not {"'unsafe-eval'", "*", "http:", "https:"} & set(" ".join(rules.values()).split())
    refused = page.evaluate(
        """async () => {
            const told = new Promise((done) => {
                document.addEventListener('securitypolicyviolation', (e) => done(e.blockedURI));
                setTimeout(() => done('nothing refused'), 3000);
            });
            new Image().src = 'https://example.org/x.png';
            return told;
        }"""
    )
    assert "example.org" in refused


@pytest.fixture(scope="module")
def evil(town: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write every page of a town whose every text is a payload, into a folder that is one."""

    def texts(count: int, by: int = 0) -> list[str]:
        return [PAYLOADS[(k + by) % len(PAYLOADS)] + str((k + by) // 21) for k in range(count)]

    places = town.jurisdictions.copy()
    for by, level in enumerate(("district", "street", "community")):
        known = places[level].unique()
        names = dict(zip(known, texts(len(known), 7 * by), strict=True))
        places[level] = places[level].map(names)
    buildings = town.buildings.copy()
    for by, column in enumerate(("name", "compound", "address")):
        buildings[column] = texts(len(buildings), by)
    incidents = town.incidents.copy()
    for by, column in enumerate(("category", "subcategory", "source", "department")):
        incidents[column] = texts(len(incidents), by)
    city = dataclasses.replace(
        town, jurisdictions=places, buildings=buildings, incidents=incidents,
        dedicated=town.dedicated.assign(name=texts(len(town.dedicated))),
        barriers=town.barriers.assign(name=texts(len(town.barriers))),
    )  # fmt: skip
    units = gm.subdivide(
        city.jurisdictions, city.buildings, barriers=city.barriers, dedicated=city.dedicated,
        levels=["district", "street", "community"], code="code",
    )  # fmt: skip
    grid = gm.partition(units, households=(300, 600), seed=0)
    folder = tmp_path_factory.mktemp("evil") / PAYLOADS[4].replace("/", "")
    files = every_page(city, grid, "zh", folder)
    title, source = PAYLOADS[10] + PAYLOADS[0], PAYLOADS[2] + PAYLOADS[7]
    spots = gm.hotspots(gm.tally(gm.assign(incidents, grid), grid), grid)
    hole = grid.cells.drop(grid.cells.index[20]).reset_index()
    hole["code"] = texts(len(hole))
    titled = {
        "briefing titled": gm.briefing(grid, incidents, title=title, source=source),
        "cell titled": gm.briefing(
            grid, incidents, cell=grid.cells.index[3], title=title, source=source,
            buildings=buildings, barriers=city.barriers,
        ),
        "map titled": gm.coverage_map(grid, incidents=incidents, title=title, source=source),
        "hotspots titled": gm.hotspot_map(grid, spots, title=title, source=source),
        "compare titled": gm.compare_map(grid, redrawn(grid), title=title, source=source),
        "validate titled": gm.defect_map(
            hole, gm.validate(hole, grid.boundary), grid.boundary, title=title
        ),
    }  # fmt: skip
    for name, page in titled.items():
        files[name] = folder / (name + PAYLOADS[5].replace("/", "") + ".html")
        page.save(files[name])
    return files


TRIED = (*KINDS, *(f"{kind} titled" for kind in
                   ("briefing", "cell", "map", "hotspots", "compare", "validate")))  # fmt: skip
TOUCH = """async () => {
    for (const e of document.querySelectorAll('*'))
        for (const kind of ['mouseover', 'mouseenter', 'focus', 'load', 'error'])
            e.dispatchEvent(new Event(kind));
    for (const room of (window.gridmap ? gridmap.rooms : []))
        for (let k = 0; k < room.data.shape.cells; k++) room.choose([k]);
    await new Promise((done) => setTimeout(done, 100));
    const alien = [...document.querySelectorAll('img[src=x], svg[onload], [onmouseover], ' +
        '[onfocus], [onerror], [autofocus], [href^="javascript:"]')].map((e) => e.outerHTML);
    return [window.broken, alien];
}"""


@pytest.mark.filterwarnings("ignore::gridmap.errors.UnknownWordsWarning")
@pytest.mark.parametrize("kind", TRIED)
def test_twenty_one_payloads_stay_text(
    watched: Callable[..., Any], evil: dict[str, Path], kind: str
) -> None:
    assert len(set(PAYLOADS)) == 21
    page, asked, said = watched(evil[kind])
    search = page.locator("input[type=search]")
    if search.count():
        search.first.fill("script")
        search.first.press("Enter")
    assert page.evaluate(TOUCH) == [None, []]
    assert asked == [] and said == []
    # they are on the page, as text; the two others have codes of cells and no names
    assert "window.broken" in page.content() or kind in ("validate", "repair")


TEXTS = """() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const e = node.parentElement;
        if (/^(SCRIPT|STYLE|CODE)$/i.test(e.tagName) || !e.getClientRects().length) continue;
        if (node.nodeValue.trim()) found.push(node.nodeValue.trim());
    }
    return found;
}"""
STRAY = re.compile(r"[\u4e00-\u9fff，。；：、（）] +[\u4e00-\u9fff，。；：、（）]")
ENGLISH = re.compile(r"[A-Za-z]{3,}")
FINGERPRINT = re.compile(r"\b(?=\w*\d)[0-9a-f]{8,}\b")
NO_CHINESE_FOR = {"gridmap", "EPSG", "PNG", "Getis", "Ord", "Polsby", "Popper", "apply"}


@pytest.mark.parametrize("kind", KINDS)
def test_chinese_pages_have_no_stray_space_and_no_english(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], kind: str
) -> None:
    page, _, _ = watched(pages["zh"][kind])
    if kind == "briefing":
        page.evaluate("document.querySelectorAll('.more').forEach((e) => e.hidden = false)")
    texts = page.evaluate(TEXTS)
    assert len(texts) > 8
    assert [text for text in texts if STRAY.search(text)] == []
    words = {word for text in texts for word in ENGLISH.findall(FINGERPRINT.sub("", text))}
    assert words - NO_CHINESE_FOR == set()


def test_a_stray_space_would_be_seen() -> None:
    assert STRAY.search("末周 33 件，环比 属偶然") and not STRAY.search("末周 33 件，环比属偶然")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("kind", ["briefing", "weekly", "partition", "plans", "cell", "edit"])
def test_no_table_is_wider_than_a_phone(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], kind: str, lang: str
) -> None:
    page, _, _ = watched(pages[lang][kind], "phone")
    wide = page.evaluate(
        """() => [...document.querySelectorAll('table')].filter((table) => table.offsetHeight)
            .map((table) => [table.getBoundingClientRect().right, table.innerText.slice(0, 30)])
            .filter(([right]) => right > innerWidth + 0.5)"""
    )
    assert wide == []
    cut = page.evaluate(
        """() => [...document.querySelectorAll('td.name')]
            .filter((cell) => cell.offsetHeight && cell.scrollWidth > cell.clientWidth + 1)
            .map((cell) => cell.innerText)"""
    )
    assert cut == []


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("kind", ["briefing", "weekly"])
def test_nothing_on_a_card_is_cut_short(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], kind: str, lang: str
) -> None:
    page, _, _ = watched(pages[lang][kind])
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.cards em, .ranking th, .ranking td')]
            .filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.innerText)"""
    )
    assert cut == []
    edge = page.evaluate(
        """() => [...document.querySelectorAll('.ranking table')].map((table) =>
            table.getBoundingClientRect().right -
            table.parentElement.getBoundingClientRect().right)"""
    )
    assert max(edge) < 1


@pytest.mark.parametrize("size", ["phone", "notebook"])
@pytest.mark.parametrize("kind", ["briefing", "map", "hotspots", "compare", "repair"])
def test_on_a_phone_and_in_a_narrow_notebook_the_legend_leaves_the_map_free(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], kind: str, size: str
) -> None:
    page, _, _ = watched(pages["en"][kind], size)
    south, legend, top, left = page.evaluate(LEFT_FREE)
    assert south <= legend and top >= left - 1


@pytest.mark.parametrize("size", [(40, 16), (16, 40)])
def test_a_tall_or_wide_city_is_not_under_the_legend_of_a_phone(
    watched: Callable[..., Any], tmp_path: Path, size: tuple[int, int]
) -> None:
    grid = lattice(*size)
    cells = grid.cells.iloc[np.arange(2000) % 97]
    places = shapely.get_coordinates(cells.geometry.centroid.to_numpy())
    days = pd.date_range("2025-01-01", periods=len(places), freq="4h")
    incidents = pd.DataFrame({"x": places[:, 0], "y": places[:, 1], "time": days})
    staff = pd.DataFrame({"code": grid.cells.index[::3], "role": "leader"})
    file = gm.briefing(grid, incidents, staff=staff, lang="en").save(tmp_path / "tall.html")
    page, _, said = watched(file, "phone")
    south, legend, top, left = page.evaluate(LEFT_FREE)
    assert south <= legend and top >= left - 1
    assert page.locator(".years").inner_text().split() == ["2025"]
    assert said == []


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("kind", ["plans", "partition"])
def test_on_a_laptop_no_column_of_a_table_is_out_of_sight(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], kind: str, lang: str
) -> None:
    page, _, _ = watched(pages[lang][kind])
    hidden = page.evaluate(
        """() => [...document.querySelectorAll('.scroll')].map((box) =>
            box.scrollWidth - box.clientWidth)"""
    )
    assert hidden and max(hidden) <= 0


@pytest.mark.parametrize("kind", KINDS)
def test_every_page_prints_on_a4(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], kind: str
) -> None:
    page, _, _ = watched(pages["en"][kind])
    paper = page.pdf(prefer_css_page_size=True)
    sizes = {
        tuple(sorted(round(float(side)) for side in box.split()))
        for box in re.findall(rb"/MediaBox \[0 0 ([\d. ]+)\]", paper)
    }
    assert sizes == {(595, 842)}
    assert len(re.findall(rb"/Type /Page\b", paper)) == (2 if kind == "edit" else 1)
    assert "click" not in page.locator("header p, .gm-title p").first.inner_text()


@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_the_numbers_of_exceptions_stand_apart_and_fit_their_dots(
    watched: Callable[..., Any], tmp_path: Path, size: str
) -> None:
    homes = [700 + 10 * k for k in range(14)]
    told = tmp_path / "giants.html"
    told.write_text(report(gm.partition(row(*homes))).html("en"), encoding="utf-8")
    page, _, _ = watched(told, size)
    dots, texts = page.evaluate(
        """() => ['circle', 'text.mark'].map((one) => [...document.querySelectorAll(one)]
            .map((e) => e.getBoundingClientRect())
            .map((box) => [box.x + box.width / 2, box.y + box.height / 2, box.width]))"""
    )
    assert len(dots) == len(texts) == len(homes)
    for k, (x, y, wide) in enumerate(dots):
        assert wide >= texts[k][2]
        for a, b, _ in dots[k + 1 :]:
            assert np.hypot(x - a, y - b) >= 0.98 * wide
    assert page.locator(".options li").count() >= len(homes)


def test_on_paper_no_row_of_the_hotspots_is_cut_through(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["zh"]["briefing"])
    page.evaluate(
        """() => {
            const body = document.querySelector('.hot tbody');
            for (let k = 0; k < 40; k++) body.append(body.rows[0].cloneNode(true));
        }"""
    )
    page.emulate_media(media="print")
    shown, cut = page.evaluate(
        """() => {
            const body = document.querySelector('.hot tbody').getBoundingClientRect();
            const rows = [...document.querySelectorAll('.hot tbody tr')]
                .map((row) => row.getBoundingClientRect());
            const seen = rows.filter((row) => row.left < body.right - 1);
            return [seen.length, seen.filter((row) => row.bottom > body.bottom + 0.5).length];
        }"""
    )
    assert 0 < shown < 40 and cut == 0


def test_the_printed_map_says_what_was_found(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["zh"]["compare"])
    written = page.evaluate(INK_ON_PAPER)
    said = page.locator(".gm-title p").inner_text()
    assert said in written and "网格变化" in written and "原网格界" in written


INK_ON_PAPER = """() => {
    const texts = [];
    const pen = CanvasRenderingContext2D.prototype;
    const write = pen.fillText;
    pen.fillText = function (text, ...at) {
        if (this.canvas.width > 300) texts.push(text); // no scratch pad
        write.call(this, text, ...at);
    };
    gridmap.rooms[0].preparePrint();
    return texts;
}"""


def test_a_printed_briefing_gives_its_map_the_days_of_its_head(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["en"]["briefing"])
    days = page.locator("header p").first.inner_text().split(" (")[0]
    assert any(text.endswith(days) for text in page.evaluate(INK_ON_PAPER))


@pytest.mark.parametrize("size", ["phone", "laptop", "desk"])
def test_names_of_a_briefing_are_never_cut(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], size: str
) -> None:
    page, _, _ = watched(pages["zh"]["briefing"], size)
    cut = page.locator("td.name").evaluate_all(
        """(cells) => cells.filter((cell) => {
            cell.textContent = '高新技术产业开发区科技创新街道办事处';
            return cell.scrollWidth > cell.clientWidth;
        }).length"""
    )
    assert cut == 0


@pytest.mark.parametrize("count", [3, 81])
def test_a_printed_map_lists_the_defects_with_their_sizes_as_far_as_the_sheet_reaches(
    watched: Callable[..., Any], tmp_path: Path, count: int
) -> None:
    town = lattice(20, 20)
    apart = [20 * row + column for row in range(1, 19, 2) for column in range(1, 19, 2)]
    hole = town.cells.drop(town.cells.index[apart[:count]]).reset_index()
    found = gm.validate(hole, town.boundary)
    file = tmp_path / "defects.html"
    gm.defect_map(hole, found, town.boundary, "en").save(file)
    page, _, _ = watched(file)
    texts = page.evaluate("gridmap.rooms[0].data.marks.texts")
    written = page.evaluate(INK_ON_PAPER)
    listed = sum(text in texts for text in written)
    assert all("m²" in text for text in texts)
    rest = f"+{len(texts) - listed:,} more, in the table of defects"
    assert (rest in written) == (listed < len(texts)) == (count > 3)
    numbers = [written.count(str(k + 1)) for k in range(3)]
    assert min(numbers) >= 2  # in the list and on the map


INKED = """(color) => {
    const canvas = document.querySelector('.gm-cells');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const want = [1, 3, 5].map((k) => parseInt(color.slice(k, k + 2), 16));
    let count = 0;
    for (let i = 0; i < data.length; i += 4)
        if (want.every((value, k) => Math.abs(data[i + k] - value) < 6)) count++;
    return count;
}"""


def test_one_changed_cell_is_found_however_small_it_is_on_the_screen(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["zh"]["compare"])
    page.evaluate(
        "() => { const { map } = gridmap.rooms[0];"
        "map.setZoom(map.getZoom() - 4, { animate: false }); }"
    )
    cell = page.evaluate(
        """() => {
            const { layer } = gridmap.rooms[0];
            const cells = gridmap.seek(layer.theme);
            const box = layer.data.shape.box;
            return [cells.length, (box[4 * cells[0] + 2] - box[4 * cells[0]]) * layer.view.scale];
        }"""
    )
    assert cell[0] == 1 and cell[1] < 20
    assert page.evaluate(INKED, "#a33400") > 100
    page.evaluate(
        """() => {
            const { layer } = gridmap.rooms[0];
            layer.theme.sought = [];
            layer.draw();
        }"""
    )
    assert page.evaluate(INKED, "#a33400") < 20
    page.reload()
    page.locator(".gm-legend .gm-kind").click()
    card = page.locator(".gm-card")
    assert card.is_visible() and "调整" in card.inner_text()
    assert page.evaluate(
        "() => { const { layer } = gridmap.rooms[0];"
        "return layer.chosen.length === 1 && gridmap.seek(layer.theme)[0] === layer.chosen[0]; }"
    )


def test_a_repaired_cell_has_the_colour_of_the_legend(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["zh"]["repair"])
    born = page.evaluate("() => gridmap.rooms[0].layer.theme.classes.at(-1).color")
    with_marks = page.evaluate(INKED, born)
    page.locator("input[name=gm-marks]").uncheck()
    assert with_marks > 400
    assert with_marks > 0.6 * page.evaluate(INKED, born)


def test_the_report_leads_to_the_cell_on_the_page_to_redraw_it(
    watched: Callable[..., Any], grid: gm.Grid, tmp_path: Path
) -> None:
    edit, told = tmp_path / "plan & 方案.html", tmp_path / "report.html"
    edit.write_text(edit_page(grid, lang="en"), encoding="utf-8")
    told.write_text(report(grid).html("en", edit=edit.name), encoding="utf-8")
    page, _, said = watched(told)
    link = page.locator("td a").first
    name, code = link.inner_text(), page.locator("td code").first.inner_text()
    link.click()
    page.wait_for_url("**/plan*")
    assert page.evaluate("gridmapEditor.plan.cells[gridmapEditor.active].code") == code
    assert name in page.locator("tr.active").inner_text()
    assert said == []


def test_a_panel_of_long_texts_has_the_room_of_two_and_days_stay_whole(
    watched: Callable[..., Any], grid: gm.Grid, town: Any, tmp_path: Path
) -> None:
    names = ", ".join(f"社区 cell {k}" for k in range(9))
    panels = {
        "Alarm": pd.DataFrame({"since": ["2026-05-25"], "cells": ["9"], "Which": [names]}),
        "Short": pd.DataFrame({"open": ["219"], "overdue": ["140"]}),
    }
    file = tmp_path / "panels.html"
    gm.briefing(grid, town.incidents, lang="en", tables=panels).save(file)
    page, _, _ = watched(file)
    short, long = page.evaluate(
        """() => ['Short', 'Alarm'].map((title) => [...document.querySelectorAll('.more .panel')]
            .find((box) => box.querySelector('h2').innerText === title).offsetWidth)"""
    )
    assert long > 1.9 * short
    lines = page.locator("td.day").first.evaluate(
        """(cell) => {
            const range = document.createRange();
            range.selectNodeContents(cell);
            return range.getClientRects().length;
        }"""
    )
    assert lines == 1


WRITTEN = """() => {
    const ends = [];
    const pen = CanvasRenderingContext2D.prototype;
    const write = pen.fillText;
    pen.fillText = function (text, x, y) {
        const wide = this.measureText(text).width;
        const left = x - { left: 0, center: 0.5, right: 1 }[this.textAlign] * wide;
        ends.push([text, left, left + wide, y, this.canvas.width, this.canvas.height]);
        write.call(this, text, x, y);
    };
    gridmap.rooms[0].preparePrint();
    return ends;
}"""


@pytest.mark.parametrize(
    "title", ["社会治理网格化服务管理" * 8, "Neighbourhoodgovernance" * 9, "in short words " * 20]
)
def test_no_word_of_a_printed_map_runs_off_the_sheet(
    watched: Callable[..., Any], grid: gm.Grid, tmp_path: Path, title: str
) -> None:
    path = tmp_path / "map.html"
    gm.coverage_map(grid, title=title, source=title).save(path)
    page, _, _ = watched(path)
    head, buttons = (page.locator(name).bounding_box() for name in (".gm-title", ".gm-buttons"))
    wide = "(e) => e.scrollWidth <= e.clientWidth"
    assert head["x"] + head["width"] < buttons["x"]
    assert page.locator(".gm-title h1").evaluate(wide)
    written = page.evaluate(WRITTEN)
    assert "".join(line[0] for line in written).replace(" ", "").count(title.replace(" ", "")) == 2
    for text, left, right, y, width, height in written:
        assert left >= 0 and right <= width and 0 < y < height, text


def test_the_bars_of_a_legend_compare_and_one_alone_has_none(
    watched: Callable[..., Any], grid: gm.Grid, tmp_path: Path
) -> None:
    holed = grid.cells.drop(grid.cells.index[[20, 30]]).reset_index()
    x, y = grid.cells.total_bounds[:2]
    beyond = holed.iloc[[0]].assign(code="beyond", geometry=[shapely.box(x, y, x + 9, y + 9)])
    for cells, many in ((holed, False), (pd.concat([holed, beyond], ignore_index=True), True)):
        path = tmp_path / f"{many}.html"
        gm.defect_map(cells, gm.validate(cells, grid.boundary), grid.boundary).save(path)
        page, _, _ = watched(path)
        rows = page.evaluate(
            """() => [...document.querySelectorAll('.gm-legend-rows')].map((table) =>
                [...table.children].map((row) => [+row.querySelector('em').innerText,
                    row.querySelector('s').getBoundingClientRect().width]))"""
        )
        assert (len(rows[1]) > 1) == many
        for table in rows:
            most = max(count for count, _ in table)
            for count, wide in table:
                assert abs(wide - (40 * count / most if len(table) > 1 else 0)) <= 1


def test_the_printed_list_of_cells_is_whole(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["zh"]["edit"])
    listed = page.locator('[data-part="list"] tr[data-cell]')
    short = listed.count()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    living = page.evaluate(
        "gridmapEditor.plan.cells.filter((_, at) => gridmapEditor.plan.lives(at)).length"
    )
    assert short < listed.count() == living
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.gm-edit, .gm-edit main, .gm-edit aside')]
            .filter((e) => getComputedStyle(e).overflowY !== 'visible').length"""
    )
    assert cut == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert listed.count() == short


def test_a_printed_plan_lists_what_changed(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["zh"]["edit"])
    page.evaluate(
        """() => {
            const { plan } = gridmapEditor, homes = (at) => !plan.dedicated(at);
            const unit = [...plan.cell.keys()].find((one) => homes(plan.cell[one])
                && plan.cellsBeside(one).some(homes));
            plan.move([unit], plan.cellsBeside(unit).find(homes));
        }"""
    )
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    names = page.locator('[data-part="list"] tr:visible').evaluate_all(
        "(rows) => rows.map((row) => gridmapEditor.plan.changed(+row.dataset.cell))"
    )
    assert len(names) >= 2 and all(names)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", ["phone", "laptop"])
def test_headings_of_the_list_to_redraw_keep_apart(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], lang: str, size: str
) -> None:
    page, _, _ = watched(pages[lang]["edit"], size)
    spans = page.locator(".heads td").evaluate_all(
        """(cells) => cells.filter((one) => one.innerText).map((one) => {
            const range = document.createRange();
            range.selectNodeContents(one);
            const box = range.getBoundingClientRect();
            return [box.left, box.right];
        })"""
    )
    assert len(spans) == 3
    assert all(after[0] - before[1] >= 2 for before, after in pairwise(spans))


def test_titles_of_a_cell_stand_on_one_line(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    for lang in ("zh", "en"):
        page, _, _ = watched(pages[lang]["cell"])
        assert (
            page.locator("dt").evaluate_all("(all) => all.filter((e) => e.offsetHeight > 26)") == []
        )


def test_a_short_list_of_hotspots_leaves_no_hole_on_a_phone(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    page, _, _ = watched(pages["zh"]["briefing"], "phone")
    page.evaluate("document.querySelectorAll('.hot tbody tr ~ tr').forEach((row) => row.remove())")
    assert page.locator(".panel.hot").bounding_box()["height"] < 110


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_plans_and_their_figures_share_a_printed_page(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], lang: str
) -> None:
    page, _, _ = watched(pages[lang]["plans"])
    page.set_viewport_size({"width": 1047, "height": 718})  # A4 within its margins
    page.emulate_media(media="print")
    box = page.locator("table").first.bounding_box()
    assert box["y"] + box["height"] <= 718


def test_long_names_of_a_table_stay_on_a_phone(
    watched: Callable[..., Any], grid: gm.Grid, town: Any, tmp_path: Path
) -> None:
    names = "、".join(f"金亭社区第{k}网格" for k in range(9))
    alarm = {"自": ["2026-05-25"], "网格数": ["9"], "事件数": ["127"], "按以往应有": ["70.9"],
             "p值": ["<0.001"], "哪些": [names]}  # fmt: skip
    file = tmp_path / "alarm.html"
    gm.briefing(grid, town.incidents, tables={"扫描警报": pd.DataFrame(alarm)}).save(file)
    page, _, _ = watched(file, "phone")
    spill = "(all) => all.map((e) => e.scrollWidth - e.clientWidth)"
    assert max(page.locator(".more .panel").evaluate_all(spill)) <= 0


def test_chinese_headings_on_a_phone_break_into_no_single_signs(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]]
) -> None:
    for kind in ("briefing", "weekly", "plans"):
        page, _, _ = watched(pages["zh"][kind], "phone")
        heads = page.locator(".ranking th, main > .scroll th").evaluate_all(
            """(all) => all.filter((e) => e.offsetHeight && e.innerText.length > 1).map((e) => {
                const range = document.createRange();
                range.selectNodeContents(e);
                return range.getBoundingClientRect().width;
            })"""
        )
        assert heads and min(heads) > 20


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_plans_fit_a_narrow_phone(
    watched: Callable[..., Any], pages: dict[str, dict[str, Path]], lang: str
) -> None:
    page, _, _ = watched(pages[lang]["plans"], "phone")
    page.set_viewport_size({"width": 360, "height": 740})
    page.locator("td:last-child").evaluate_all("(all) => all.forEach((e) => e.append('0,000'))")
    ends = page.locator("table").evaluate_all(
        "(all) => all.map((e) => e.getBoundingClientRect().right)"
    )
    assert max(ends) <= 360
