"""Static figures, the QGIS style, the four bounds of a cell, and the commands."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from matplotlib.backends.backend_agg import RendererAgg

import gridmap as gm
from gridmap.briefings.cell_sheet import sheet_figures
from gridmap.briefings.charts import four_bounds
from gridmap.cli import main
from gridmap.maps.figure import font_for, halo, save_figure
from gridmap.maps.qgis import save_qgis_style
from tests.lattice import lattice


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_a_figure_is_written_whole(suffix: str, tmp_path: Path) -> None:
    drawn = gm.figure(lattice(4, 5), lang="en", title="Lattice")
    path = save_figure(drawn, tmp_path / f"grid{suffix}")
    head = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(head)
    with pytest.raises(gm.InputError, match="exists already"):
        save_figure(drawn, path)
    with pytest.raises(gm.InputError, match=r"no \.png, \.pdf or \.svg"):
        save_figure(drawn, tmp_path / "grid.docx")


def test_no_two_names_on_a_figure_touch(grid: gm.Grid) -> None:
    drawn = gm.figure(grid, size=(5, 3.5), lang="zh")
    renderer = RendererAgg(1, 1, drawn.dpi)
    axes = drawn.axes[0]
    levels = {str(name) for level in grid.levels for name in grid.cells[level]}
    names = [text for text in axes.texts if text.get_text() in levels]
    boxes = [text.get_window_extent(renderer) for text in names]
    assert len(boxes) > 2
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_a_notebook_shows_figures_and_sheets_without_pyplot() -> None:
    from IPython.core.formatters import PNGFormatter

    plain = lattice(4, 5)
    sheet = gm.street_sheet(plain, plain.cells["parent"].iloc[0], lang="en")
    for drawn in (gm.figure(plain, lang="en"), sheet):
        assert PNGFormatter()(drawn).startswith(b"\x89PNG")


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", [(5, 3.5), (6, 9), (11.69, 8.27)])
def test_title_and_legend_keep_off_the_rim_and_the_map(
    grid: gm.Grid, size: tuple[float, float], lang: Any
) -> None:
    drawn = gm.figure(grid, size=size, lang=lang, title="Cells at a glance · 各网格一览")
    renderer = RendererAgg(1, 1, drawn.dpi)
    title = drawn.texts[0].get_window_extent(renderer)
    assert title.y1 <= drawn.bbox.height and title.x1 <= drawn.bbox.width
    west, _, _, north = grid.cells.total_bounds
    corner = drawn.axes[0].transData.transform((west, north))
    assert drawn.legends[0].get_window_extent(renderer).x1 <= corner[0] + 2


def test_columns_have_words_of_the_language(grid: gm.Grid) -> None:
    drawn = gm.figure(grid.in_language("zh"), color="kind", lang="zh")
    rows = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert [row.split(" · ")[0] for row in rows][:2] == ["居民网格", "专属网格"]
    assert gm.figure(grid, color="area_m2").legends[0].get_title().get_text() == "面积（平方米）"


def test_the_legend_of_a_figure_counts_every_cell() -> None:
    plain = lattice(4, 5)
    drawn = gm.figure(plain, lang="en")
    rows = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert sum(int(row.split()[-1].replace(",", "")) for row in rows) == len(plain)


@pytest.mark.parametrize("dpi", [60, 75, 100])
def test_straight_signs_keep_their_strokes_on_a_coarse_screen(dpi: int) -> None:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def inked(dpi: int) -> float:
        drawn = Figure(figsize=(2, 1), dpi=dpi)
        drawn.text(0.503, 0.507, "華中里", fontsize=9, color="black", path_effects=halo(1.8))
        sheet = FigureCanvasAgg(drawn)
        sheet.draw()
        return float((255 - np.asarray(sheet.buffer_rgba())[..., 0].astype(float)).sum()) / dpi**2

    with matplotlib.rc_context({"font.family": font_for(["華中里"])}):
        assert inked(dpi) == pytest.approx(inked(600), rel=0.05)


def test_outlines_stand_in_the_legend_and_over_the_map() -> None:
    plain = lattice(4, 5)
    areas = gpd.GeoDataFrame(geometry=[shapely.box(120, 120, 240, 240)], crs=4547)
    away = areas.to_crs(4326)  # which is drawn where the grid has it
    lines = gpd.GeoDataFrame(geometry=[shapely.LineString([(-900, 50), (900, 50)])], crs=4547)
    drawn = gm.figure(plain, lang="en", outlines={"planted": areas, "afar": away, "road": lines})
    rows = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert rows[-3:] == ["planted", "afar", "road"]
    ends = [
        shapely.MultiLineString([path.vertices for path in one.get_paths()]).bounds
        for one in drawn.axes[0].collections
        if one.get_zorder() == 2.5
    ]
    np.testing.assert_allclose(ends[0], (120, 120, 240, 240))
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-3)
    np.testing.assert_allclose(ends[2], (0, 50, 500, 50))  # nothing beyond the grid
    with pytest.raises(gm.CRSError, match="outlines"):
        gm.figure(plain, lang="en", outlines={"road": lines.set_crs(None, allow_override=True)})


def test_a_figure_draws_the_density_in_place_of_the_rate(grid: gm.Grid, town: Any) -> None:
    drawn = gm.figure(grid, incidents=town.incidents, heat=True, lang="en")
    (image,) = drawn.axes[0].get_images()
    assert (
        len(drawn.legends[0].get_texts()) == 5
        and "Density" in drawn.legends[0].get_title().get_text()
    )
    assert {tuple(c) for c in np.rint(image.get_array().reshape(-1, 4) * 255).astype(int)} > {
        (0, 0, 0, 0)
    }
    nothing = gm.figure(grid, incidents=town.incidents.iloc[:0], heat=True, lang="en")
    assert [text.get_text() for text in nothing.legends[0].get_texts()] == ["no data"]


def test_a_cell_without_neighbours_says_so_and_a_sheet_without_names_has_a_title() -> None:
    alone = lattice(1, 1)
    points = gpd.GeoDataFrame(geometry=[shapely.Point(50, 50)], crs=4547)
    page = str(gm.briefing(alone, points, cell="r00c00", lang="en").html)
    assert "No cell touches this one." in page and "<p>r00c00</p>" not in page
    own = page.split("By its own count")[1].split("With its neighbours")[0]
    assert "not significant" in own and "expected 1.0, q 0.632" in own
    drawn = gm.street_sheet(alone, alone.cells["parent"].iloc[0], lang="en")
    assert not [text for text in drawn.texts if text.get_text().startswith(":")]


def test_chinese_without_a_font_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import gridmap.maps.figure as room

    monkeypatch.setattr(room, "FONTS", ())
    with pytest.raises(gm.InputError, match="No installed font can write Chinese"):
        gm.figure(lattice(2, 2), lang="zh")


def test_the_qgis_style_has_a_rule_and_a_symbol_for_each_class(
    grid: gm.Grid, tmp_path: Path
) -> None:
    path = save_qgis_style(grid, tmp_path / "grid.qml", lang="en")
    root = ElementTree.fromstring(path.read_text("utf-8"))
    rules, symbols = root.findall(".//rule"), root.findall(".//symbol")
    assert len(rules) == len(symbols) == 8
    assert {rule.get("symbol") for rule in rules} == {s.get("name") for s in symbols}
    # QGIS gives the style to all layers of the file; units have households, but no area
    *cells, other = [rule.get("filter") for rule in rules]
    assert other == "ELSE" and all('"area_m2" > 0' in str(condition) for condition in cells)


def crossing(name: str, line: list[tuple[float, float]]) -> dict[str, Any]:
    return {"name": name, "geometry": shapely.LineString(line)}


def test_a_cell_is_bounded_by_streets_cells_and_the_end_of_the_grid() -> None:
    plain = lattice(3, 3)
    west, south, east, north = plain.cells.total_bounds
    side = (east - west) / 3
    middle = plain.locate(west + 1.5 * side, south + 1.5 * side)
    lines = gpd.GeoDataFrame(
        [
            crossing("East Street", [(west + 2 * side, south), (west + 2 * side, north)]),
            crossing("South River", [(west, south + side), (east, south + side)]),
            crossing(
                "Short Lane", [(west + side, south + 1.9 * side), (west + side, south + 2 * side)]
            ),
        ],
        crs=plain.crs,
    )
    assert middle is not None
    bounds = {b.side: b for b in four_bounds(plain, middle, lines)}
    assert bounds["east"].name == "East Street" and bounds["east"].share == pytest.approx(1)
    assert bounds["south"].name == "South River"
    left = plain.locate(west + 0.5 * side, south + 1.5 * side)
    assert bounds["west"].kind == "cell" and bounds["west"].name == plain.cells.loc[left, "name"]
    corner = plain.locate(west + 0.5 * side, south + 0.5 * side)
    assert corner is not None
    rim = {b.side: b for b in four_bounds(plain, corner)}
    assert rim["west"].kind == rim["south"].kind == "outside"
    with pytest.raises(gm.InputError, match="no column `name`"):
        four_bounds(plain, middle, lines.drop(columns="name"))


def test_the_sheet_counts_its_own_cell(grid: gm.Grid, town: Any) -> None:
    placed = gm.assign(town.incidents, grid)
    code = placed["code"].value_counts().index[0]
    told = sheet_figures(grid, town.incidents, code, staff=town.staff, buildings=town.buildings)
    assert told["incidents"] == (placed["code"] == code).sum()
    assert told["households"] == grid.cells.loc[code, "households"]
    inside = town.buildings.within(grid.cells.geometry[code]).sum()
    assert told["buildings"] == pytest.approx(inside, abs=2)
    assert [n["code"] for n in told["neighbours"]] and {
        n["code"] for n in told["neighbours"]
    } == set(grid.contiguity[code])
    assert json.dumps(told, allow_nan=False)


@pytest.mark.parametrize(("epsg", "side"), [(4490, 0.01), (2272, 328.084)])  # degrees, feet
def test_the_sheet_of_a_cell_is_right_in_any_unit(epsg: int, side: float) -> None:
    """Each side is bounded by the cell beyond; a shared border is told in metres or not at all."""
    east, north = (113, 22) if epsg == 4490 else (2_700_000, 200_000)
    x, y = np.divmod(np.arange(9), 3)
    shapes = shapely.box(
        east + x * side, north + y * side, east + (x + 1) * side, north + (y + 1) * side
    )
    names = {"code": [f"c{k}" for k in range(9)], "households": 400}
    cells = gpd.GeoDataFrame(names, geometry=shapes, crs=epsg)
    squares = gm.adopt(cells, cells.union_all("coverage"), code="code")
    bounds = [bound.name for bound in four_bounds(squares, "c4")]
    assert bounds == [squares.cells.at[code, "name"] for code in ("c7", "c3", "c1", "c5")]
    nobody = gpd.GeoDataFrame({"x": [], "y": []}, geometry=[], crs=epsg)
    lengths = [one["length"] for one in sheet_figures(squares, nobody, "c4")["neighbours"]]
    metres = [None] * 4 if epsg == 4490 else pytest.approx([100.0] * 4, abs=0.1)
    assert lengths == metres
    said = gm.briefing(squares, nobody, cell="c4", lang="en").html
    assert ("100 m shared" in said) == (epsg == 2272) and "0 m shared" not in said.replace(
        "100", ""
    )
    assert "No incident on record." in said and "no times" not in said


@pytest.fixture(scope="module")
def files(grid: gm.Grid, town: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the tiny town as files."""
    folder = tmp_path_factory.mktemp("files")
    gm.write_grid(grid, folder / "grid.gpkg")
    town.incidents.drop(columns="geometry").to_csv(
        folder / "incidents.csv", index=False, encoding="utf-8-sig"
    )
    town.staff.to_csv(folder / "staff.csv", index=False, encoding="utf-8-sig")
    town.barriers.to_file(folder / "barriers.gpkg")
    return folder


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(main, [str(a) for a in arguments])


WHERE = ("--x", "x", "--y", "y", "--datum", "EPSG:4547")


def test_gridmap_map_writes_pages_figures_and_styles(files: Path, tmp_path: Path) -> None:
    for name in ("grid.html", "grid.svg", "grid.qml"):
        done = run("map", files / "grid.gpkg", "-o", tmp_path / name, "--lang", "en", "--quiet")
        assert done.exit_code == 0, done.output
        assert (tmp_path / name).stat().st_size > 1000
        assert str(tmp_path / name) in done.stdout
    again = run("map", files / "grid.gpkg", "-o", tmp_path / "grid.html")
    assert again.exit_code == 2 and "--overwrite" in again.stderr
    done = run(
        "map", files / "grid.gpkg", "-o", tmp_path / "heat.html", "--heat", "--incidents",
        files / "incidents.csv", "--staff", files / "staff.csv", *WHERE,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "data:image/png;base64" in (tmp_path / "heat.html").read_text("utf-8")


def test_gridmap_map_reads_what_gridmap_hotspots_wrote(files: Path, tmp_path: Path) -> None:
    for lang in ("zh", "en"):
        table = tmp_path / f"spots-{lang}.csv"
        done = run(
            "hotspots", files / "grid.gpkg", files / "incidents.csv", "-o", table, "--by", "month",
            "--lang", lang, *WHERE,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        path = tmp_path / f"spots-{lang}.html"
        done = run("map", files / "grid.gpkg", "-o", path, "--hotspots", table, "--lang", lang)
        assert done.exit_code == 0, done.output
        assert '"periods":[{' in path.read_text("utf-8")


def test_gridmap_briefing_prints_its_conclusion(files: Path, tmp_path: Path) -> None:
    done = run(
        "briefing", files / "grid.gpkg", files / "incidents.csv", "-o", tmp_path / "b.html",
        "--staff", files / "staff.csv", "--since", "2026-04-01", "--by", "month", *WHERE,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "无空白、无交叉" in done.stdout
    as_json = run(
        "briefing", files / "grid.gpkg", files / "incidents.csv", "-o", tmp_path / "j.html",
        "--json", *WHERE,
    )  # fmt: skip
    told = json.loads(as_json.stdout)
    assert told["schema"] == "gridmap.briefing/1"
    assert told["account"]["read"] == sum(
        told["account"][k] for k in ("assigned", "outside", "invalid")
    )


def test_gridmap_briefing_writes_the_sheet_of_a_cell(
    files: Path, grid: gm.Grid, tmp_path: Path
) -> None:
    done = run(
        "briefing", files / "grid.gpkg", files / "incidents.csv", "-o", tmp_path / "cell.html",
        "--cell", grid.cells.index[3], "--barriers", files / "barriers.gpkg", *WHERE,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "东至" in done.stdout
    wrong = run(
        "briefing", files / "grid.gpkg", files / "incidents.csv", "-o", tmp_path / "x.html",
        "--cell", "nope", *WHERE,
    )  # fmt: skip
    assert wrong.exit_code == 2 and not (tmp_path / "x.html").exists()


def test_shapes_of_a_broken_layer_can_be_drawn() -> None:
    bowtie = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    cells = gpd.GeoDataFrame(
        {"code": ["a", "a", None]},
        geometry=np.array([bowtie, None, shapely.box(20, 0, 30, 10)], dtype=object),
        crs=4547,
    )
    defects = gm.validate(cells, shapely.box(0, 0, 30, 10), code="code")
    assert len(defects)
    assert "ring-invalid" not in gm.defect_map(cells, defects).page().split("<script")[0]


def test_each_area_of_a_key_map_is_named_or_counted_as_without_room(grid: gm.Grid) -> None:
    book = gm.atlas(grid, level=grid.levels[-1], lang="en")
    assert book.overview is not None
    for long in (1, 60):
        names = [f"{name} " * long for name in book.overview.names]
        page = book.book.one_page(replace(book.overview, names=names))
        written = [text.get_text() for text in page.page.texts]
        assert sum(name in written for name in names) + page.left_out == len(names)
        hatched = any("Dedicated or without households" in text for text in written)
        assert hatched == (grid.cells["kind"] != "residential").any()
        told = any("Without room for a label" in text for text in written)
        assert told == (page.left_out > 0) == (long > 1)


def test_the_legend_of_a_sheet_names_no_hatch_that_it_lacks() -> None:
    plain = lattice(3, 3)
    page = gm.street_sheet(plain, plain.cells["parent"].iloc[0], lang="en")
    said = {text.get_text() for axes in page.axes for text in axes.texts}
    assert "Cell" in said and "Dedicated or without households" not in said
