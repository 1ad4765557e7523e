"""Street sheets and the atlas: a true round scale, labels that never collide, every cell once."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.transforms import Affine2D

import gridmap as gm
from gridmap.cli import main
from gridmap.maps.figure import save_figure
from gridmap.maps.sheet_page import Room, along, inside_spots
from tests.lattice import lattice


@pytest.fixture(scope="module")
def sheet(grid: gm.Grid, town: Any) -> Any:
    """Return the sheet of one street of the tiny town, with its roads."""
    street = grid.cells["street"].iloc[0]
    return gm.street_sheet(grid, street, streets=town.barriers, period="2026 Q1", source="made up")


def stated(drawn: Any) -> float:
    """Read the scale that a sheet states."""
    texts = " ".join(text.get_text() for text in drawn.axes[1].texts)
    return float(re.search(r"1:([\d,]+)", texts)[1].replace(",", ""))


def ground(grid: gm.Grid, start: tuple[float, float], end: tuple[float, float]) -> float:
    """Measure along the earth, which no projection touches."""
    turn = pyproj.Transformer.from_crs(grid.crs, 4326, always_xy=True)
    here, there = turn.transform(*start), turn.transform(*end)
    return float(pyproj.Geod(ellps="GRS80").inv(*here, *there)[2])


@pytest.mark.parametrize("paper", ["A3", "A4"])
@pytest.mark.parametrize("size", [(2, 2), (3, 40), (40, 3)])
def test_the_stated_scale_is_round_and_true(paper: Any, size: tuple[int, int]) -> None:
    plain = lattice(*size)
    drawn = gm.street_sheet(plain, plain.cells["parent"].iloc[0], paper=paper, lang="en")
    scale = stated(drawn)
    assert len(f"{scale:.0f}".rstrip("0")) <= 3 and f"{scale:.0f}"[-2:] in ("00", "50", "25")
    axes = drawn.axes[0]
    box = axes.get_position()
    wide = box.width * drawn.get_figwidth() * 0.0254
    high = box.height * drawn.get_figheight() * 0.0254
    west, east = axes.get_xlim()
    south, north = axes.get_ylim()
    middle = (west + east) / 2, (south + north) / 2
    assert ground(plain, (west, middle[1]), (east, middle[1])) / wide == pytest.approx(scale, 1e-3)
    assert ground(plain, (middle[0], south), (middle[0], north)) / high == pytest.approx(
        scale, 1e-3
    )
    assert shapely.box(west, south, east, north).contains(plain.boundary)
    inches = sorted(drawn.get_size_inches() * 25.4)
    assert inches == pytest.approx({"A3": [297, 420], "A4": [210, 297]}[paper])


def boxes_of(drawn: Any) -> list[tuple[str, shapely.Polygon]]:
    """Return the ink box of each text within the map, turned as the text is."""
    renderer = FigureCanvasAgg(drawn).get_renderer()
    frame = drawn.axes[0].get_window_extent(renderer)
    found = []
    for text in drawn.axes[1].texts:
        turn = text.get_rotation()
        text.set_rotation(0)
        box = text.get_window_extent(renderer)
        text.set_rotation(turn)
        if frame.contains((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2):
            corners = [(box.x0, box.y0), (box.x1, box.y0), (box.x1, box.y1), (box.x0, box.y1)]
            middle = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            spun = Affine2D().rotate_deg_around(*middle, turn).transform(corners)
            found.append((text.get_text(), shapely.Polygon(spun)))
    return found


def test_no_two_labels_touch_and_each_cell_has_its_code(sheet: Any, grid: gm.Grid) -> None:
    found = boxes_of(sheet)
    for (one, a), (other, b) in itertools.combinations(found, 2):
        assert not a.intersects(b), (one, other)
    street = grid.cells["street"].iloc[0]
    own = grid.cells[grid.cells["street"] == street]
    tails = Counter(code.removeprefix(parent) for code, parent in own["parent"].astype(str).items())
    written = Counter(text for text, _ in found)
    assert all(written[tail] == count for tail, count in tails.items())
    assert set(own["community"]) <= set(written)
    assert any(text in written for text in set(grid.cells["street"]) - {street})


@pytest.mark.parametrize("labels", ["code", "name"])
def test_nothing_is_written_over_the_margins(town: Any, labels: Any) -> None:
    long = lattice(4, 4).cells.reset_index().assign(name="实验小学以东的一个很长的网格名称")
    grid = gm.Grid(long[["code", "parent", "name", "households", "geometry"]], long.union_all())
    drawn = gm.street_sheet(grid, grid.cells["parent"].iloc[0], labels=labels, lang="en")
    renderer = FigureCanvasAgg(drawn).get_renderer()
    inch = drawn.dpi / 25.4
    for text in drawn.axes[1].texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 9.5 * inch and box.x1 <= drawn.bbox.width - 9.5 * inch, text.get_text()


def test_roads_are_named_where_they_run(sheet: Any, town: Any) -> None:
    written = {text for text, _ in boxes_of(sheet)}
    names = set(town.barriers["name"].dropna()) - {""}
    assert len(written & names) > 5


def test_title_period_and_source_stand_on_the_sheet(sheet: Any) -> None:
    said = " ".join(text.get_text() for text in sheet.axes[1].texts)
    for words in ("2026 Q1", "made up", "EPSG:4547", "柳林街道网格图", "比例尺 1:"):
        assert words in said


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_the_same_sheet_is_the_same_bytes(grid: gm.Grid, suffix: str, tmp_path: Path) -> None:
    street = grid.cells["street"].iloc[0]
    one, other = (
        save_figure(gm.street_sheet(grid, street), tmp_path / f"{k}{suffix}").read_bytes()
        for k in range(2)
    )
    assert one == other


def test_the_atlas_shows_every_cell_on_one_page_and_numbers_them(
    grid: gm.Grid, tmp_path: Path
) -> None:
    book = gm.atlas(grid, lang="en")
    streets = grid.cells["street"].unique()
    assert len(book) == 1 + len(streets)
    assert (np.sum([one.rows for one in book.sheets], axis=0) == 1).all()
    homes = [int(row[3].replace(",", "")) for row in book.overview.table]
    assert sum(homes) == grid.cells["households"].sum()
    for number, one in enumerate(book.sheets, start=2):
        assert f"p. {number}" in [row[1] for row in book.overview.table]
        assert sum(int(row[2]) for row in one.table) == one.rows.sum()
    first = book.save(tmp_path / "a.pdf").read_bytes()
    assert first == book.save(tmp_path / "b.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", first)) == len(book)
    assert b"CreationDate" not in first
    with pytest.raises(gm.InputError, match=r"name it `.*a\.pdf`"):
        book.save(tmp_path / "a.png")


def test_a_grid_of_one_level_has_an_atlas_too() -> None:
    plain = lattice(3, 3)
    assert len(gm.atlas(plain, lang="en")) == 1 + plain.cells["parent"].nunique()


def test_what_has_no_sheet_is_refused(grid: gm.Grid, town: Any) -> None:
    with pytest.raises(gm.InputError, match="no jurisdiction of the grid"):
        gm.street_sheet(grid, "nowhere")
    with pytest.raises(gm.InputError, match="no column `name`"):
        gm.street_sheet(grid, "云川区", streets=town.barriers.drop(columns="name"))
    with pytest.raises(gm.InputError, match="`level` is 'county'; the grid has"):
        gm.atlas(grid, level="county")
    degrees = grid.cells.reset_index().to_crs(4490)
    flat = gm.adopt(degrees, degrees.union_all("coverage"), code="code")
    with pytest.raises(gm.CRSError, match="degrees"):
        gm.atlas(flat)


def test_an_area_whose_name_others_bear_is_asked_for_by_its_path(grid: gm.Grid) -> None:
    cells = grid.cells.assign(street="中心街道")
    outline = grid.jurisdictions.assign(street="中心街道")
    twins = gm.Grid(cells, grid.boundary, grid.levels, jurisdictions=outline)
    paths = sorted({f"{district}/中心街道" for district in cells["district"]})
    assert len(paths) == 2
    with pytest.raises(gm.InputError, match="Several areas are called"):
        gm.street_sheet(twins, "中心街道")
    drawn = gm.street_sheet(twins, paths[0])
    assert "中心街道网格图" in [text.get_text() for text in drawn.axes[1].texts]


def test_a_sign_that_no_font_has_is_named(grid: gm.Grid) -> None:
    with pytest.raises(gm.InputError, match="\U0001f9ff"):
        gm.street_sheet(grid, "云川区", title="\U0001f9ff")


def test_boxes_that_are_taken_never_touch() -> None:
    chance = np.random.default_rng(7)
    room, taken = Room(0, 0, 100, 60), []
    for x, y, w, h in chance.uniform(0, 1, (600, 4)) * [100, 60, 12, 6]:
        box = shapely.box(x, y, x + w, y + h)
        if room.take(box):
            taken.append(box)
    assert len(taken) > 20
    assert not any(a.intersects(b) for a, b in itertools.combinations(taken, 2))
    assert shapely.box(0, 0, 100, 60).contains(shapely.union_all(taken))


def test_places_for_names_lie_inside_and_along() -> None:
    ring = shapely.Point(0, 0).buffer(20).difference(shapely.Point(0, 0).buffer(15))
    assert all(ring.contains(shapely.Point(spot)) for spot in inside_spots(ring))
    line = shapely.LineString([(0, 0), (30, 30), (60, 30)])
    places = along(np.array([line]), 10.0, 2.0)
    assert places
    for x, y, angle, box in places:
        assert line.distance(shapely.Point(x, y)) < 1.5
        assert min(abs(angle - 45), abs(angle)) < 30
        assert box.area == pytest.approx(20)


def test_the_commands_write_sheets_and_say_what_they_cannot(
    grid: gm.Grid, town: Any, tmp_path: Path
) -> None:
    gm.write_grid(grid, tmp_path / "grid.gpkg")
    town.barriers.to_file(tmp_path / "roads.gpkg")

    def run(*words: str) -> Any:
        return CliRunner().invoke(main, ["--lang", "en", *words])

    file, out = str(tmp_path / "grid.gpkg"), str(tmp_path / "out.pdf")
    roads = ["--streets", str(tmp_path / "roads.gpkg")]
    made = run(
        "map", file, "--of", "柳林街道", "--paper", "A3", "--labels", "name", *roads, "-o", out
    )
    assert made.exit_code == 0, made.output
    assert Path(out).read_bytes().startswith(b"%PDF")
    made = run("atlas", file, "-o", str(tmp_path / "atlas.pdf"))
    assert "Atlas of 5 pages written" in made.output
    wrong = {
        ("map", file, "--of", "柳林街道", "-o", "x.html"): "Name the output .pdf, .svg or .png",
        ("map", file, "--paper", "A3", "-o", "x.pdf"): "--paper is for sheets",
        ("map", file, "--of", "柳林街道", "--color", "kind", "-o", "x.pdf"): "leave --color out",
        ("atlas", file, "-o", "x.html"): "An atlas is a PDF",
    }
    for words, told in wrong.items():
        refused = run(*words)
        assert refused.exit_code == 2 and told in refused.output


def test_the_list_of_areas_is_whole_names_and_codes_for_all_or_none() -> None:
    plain = lattice(7, 6, 3032)
    cells = plain.cells.reset_index()
    cells["parent"] = [f"中山區{chr(0x4E00 + k)}山里" for k in range(len(cells))]
    places = cells[["parent", "geometry"]].set_index("parent")
    places["district"], places["village"] = "中山區", [parent[-3:] for parent in places.index]
    grid = gm.Grid(
        cells[["code", "parent", "households", "geometry"]], plain.boundary,
        ("district", "village"), jurisdictions=places,
    )  # fmt: skip
    drawn = gm.street_sheet(grid, "中山區", lang="en")
    texts = [text.get_text() for text in drawn.axes[1].texts]
    assert not [text for text in texts if "…" in text]
    codes = [text for text in texts if text in set(places.index)]
    names = [text for text in texts if text in set(places["village"])]
    listed = len(names) - sum(text in set(places["village"]) for text, _ in boxes_of(drawn))
    assert listed > 20 and len(codes) in (0, listed)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_figures_stand_under_the_heads_of_their_columns(grid: gm.Grid, lang: Any) -> None:
    drawn = gm.street_sheet(grid, grid.cells["street"].iloc[0], lang=lang)
    texts = drawn.axes[1].texts
    heads = {"zh": ("网格", "户数"), "en": ("Cells", "Households")}[lang]
    ends = {
        text.get_text(): text.get_position()[0]
        for text in texts
        if text.get_ha() == "right" and text.get_text() in heads
    }
    figures = [text for text in texts if text.get_ha() == "right" and text.get_text()[:1].isdigit()]
    assert {text.get_position()[0] for text in figures if len(text.get_text()) < 6} == {
        *ends.values()
    }


def test_a_list_that_finds_no_room_goes_on_overleaf() -> None:
    plain = lattice(20, 24, 455)
    cells = plain.cells.reset_index()
    cells["parent"] = [f"9901{k:08d}" for k in range(len(cells))]
    places = cells[["parent", "geometry"]].set_index("parent")
    places["district"], places["village"] = "中山區", [f"里{k:03d}" for k in range(len(cells))]
    grid = gm.Grid(
        cells[["code", "parent", "households", "geometry"]], plain.boundary,
        ("district", "village"), jurisdictions=places,
    )  # fmt: skip
    book = gm.atlas(grid, level="district", lang="en")
    pages = list(book.book.pages(book.sheets[0], "2 / 2"))
    assert len(pages) > 1
    said = [[text.get_text() for text in page.axes[-1].texts] for page in pages]
    assert sum(texts.count("455") for texts in said) == len(places)  # a row each, none twice
    assert {text for texts in said for text in texts} >= set(places["village"])
    assert any(re.fullmatch(r"and \d+ more on the next page", text) for text in said[0])
    assert "2 / 2 (2)" in said[1] and not [t for t in said[-1] if "more on" in t]
    alone = gm.street_sheet(grid, "中山區", lang="en")
    assert any(re.fullmatch(r"and \d+ more", text.get_text()) for text in alone.axes[1].texts)


@pytest.fixture(scope="module")
def crowd() -> gm.Grid:
    """Make a district of 18 villages with 36 cells each, too many for a sheet of A4."""
    plain = lattice(18, 36, 455)
    cells = plain.cells.reset_index()
    at = shapely.get_coordinates(shapely.centroid(cells.geometry))
    side, up = (np.unique(axis, return_inverse=True)[1] // 6 for axis in at.T)
    cells["parent"] = [f"V{6 * a + b:02d}" for a, b in zip(side, up, strict=True)]
    cells["code"] = cells["parent"] + [f"{k:04d}" for k in range(len(cells))]
    places = cells.dissolve("parent")[["geometry"]]
    places["district"], places["village"] = "中山區", [f"{code}里" for code in places.index]
    return gm.Grid(
        cells[["code", "parent", "households", "geometry"]], plain.boundary,
        ("district", "village"), jurisdictions=places,
    )  # fmt: skip


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_crowded_area_has_a_key_map_and_sheets_on_which_all_is_read(
    crowd: gm.Grid, lang: Any
) -> None:
    book = gm.atlas(crowd, level="district", lang=lang)
    key, *pages = book.book.pages(book.sheets[0], "2 / 2")
    assert len(pages) > 1
    assert {stated(page) < stated(key) for page in pages} == {True}
    written: Counter[str] = Counter()
    for number, page in enumerate(pages, start=2):
        found = boxes_of(page)
        texts = {text for text, _ in found}
        assert f"2 / 2 ({number})" in [text.get_text() for text in page.axes[1].texts]
        for (one, a), (other, b) in itertools.combinations(found, 2):
            assert not a.intersects(b), (number, one, other)
        own = [name for name in crowd.jurisdictions["village"] if f"{name} ({number})" in
               {text for text, _ in boxes_of(key)}]  # fmt: skip
        assert own and set(own) <= texts
        written.update(text for text, _ in found if re.fullmatch(r"\d{4}", text))
    assert written == Counter({code[3:]: 1 for code in crowd.cells.index})


def test_an_area_with_room_stays_on_one_sheet(grid: gm.Grid) -> None:
    book = gm.atlas(grid)
    assert [len(list(book.book.pages(sheet, "2"))) for sheet in book.sheets] == [1] * len(
        book.sheets
    )


def codes_on(pages: list[Any]) -> Counter[str]:
    """Count the codes of cells that are written on the maps of some pages."""
    written = (text for page in pages for text, _ in boxes_of(page))
    return Counter(text for text in written if re.fullmatch(r"\d{4}", text))


def test_the_pdf_of_one_area_is_split_and_a_picture_says_what_it_lacks(
    crowd: gm.Grid, tmp_path: Path
) -> None:
    gm.write_grid(crowd, tmp_path / "grid.gpkg")
    words = ["--lang", "en", "map", str(tmp_path / "grid.gpkg"), "--of", "中山區", "-o"]
    made = CliRunner().invoke(main, [*words, str(tmp_path / "of.pdf")])
    assert made.exit_code == 0 and "Without room" not in made.output
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "of.pdf").read_bytes())) > 2
    made = CliRunner().invoke(main, [*words, str(tmp_path / "of.png")])
    missing = re.search(r"label on one page: (\d+) of 648 cells", made.stderr)
    assert missing and "Name the output .pdf for a key map" in made.stderr
    alone = gm.street_sheet(crowd, "中山區", lang="en")
    assert 648 - sum(codes_on([alone]).values()) == int(missing[1])


def test_an_area_without_parts_is_split_by_its_cells() -> None:
    plain = lattice(24, 30, 455)
    cells = plain.cells.reset_index().assign(parent="V")
    cells["code"] = [f"V{k:04d}" for k in range(len(cells))]
    grid = gm.Grid(cells[["code", "parent", "households", "geometry"]], plain.boundary)
    key, *pages = gm.atlas(grid, of="V", lang="en").pages()
    assert len(pages) > 1 and codes_on([key]) == {}
    assert codes_on(pages) == Counter({code[1:]: 1 for code in grid.cells.index})
    listed = [text.get_text() for text in key.axes[1].texts]
    numbers = [f"({number})" for number in range(2, len(pages) + 2)]
    assert set(numbers) <= set(listed)  # a row of the list for each page
    assert {f"V {number}" for number in numbers} <= {text for text, _ in boxes_of(key)}
    shares = [int(listed[listed.index(number) - 1]) for number in numbers]
    assert sum(shares) == len(grid)
