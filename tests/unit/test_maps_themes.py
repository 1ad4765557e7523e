"""Themes: every cell in one class, counts that add up, labels that say what they hold."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

import gridmap as gm
from gridmap.coverage.defect_names import KINDS
from gridmap.hotspot_analysis.rates import smoothed
from gridmap.maps import themes
from gridmap.maps import themes as hot
from gridmap.maps import themes as rates
from gridmap.maps.defect_map import FORMS, defect_marks
from gridmap.maps.heat import heat_image, with_places
from gridmap.maps.qgis import save_qgis_style
from gridmap.maps.scene import levels_of
from tests.lattice import lattice

LANGS: list[Any] = ["zh", "en"]


@pytest.mark.parametrize("lang", LANGS)
def test_every_theme_classes_every_cell_once(grid: gm.Grid, town: Any, lang: Any) -> None:
    placed = gm.assign(town.incidents, grid)
    spots = gm.hotspots(gm.tally(placed, grid), grid)
    counts = rates.counted(placed, grid)
    shown = [
        themes.households(grid, lang),
        themes.kinds(grid, lang),
        hot.hotspot(spots, grid, lang),
        hot.own_count(spots, grid, lang),
        hot.in_clusters(gm.clusters(gm.tally(placed, grid), grid, replicates=19), grid, lang),
        hot.ways(pd.Series(0.5, index=grid.cells.index), grid, lang),
        themes.column(grid, "area_m2", lang),
        themes.column(grid, "kind", lang),
        rates.rate_theme(counts, grid, lang),
        rates.smoothed_theme(counts, grid, lang),
        rates.count_theme(counts, grid, lang),
        *(themes.areas(grid, level, lang) for level in grid.levels),
    ]
    for theme in shown:
        sent = theme.sent()
        assert sum(sent["counts"]) == len(grid) == len(sent["of"])
        assert set(sent["of"]) <= {chr(ord("0") + k) for k in range(len(theme.classes))}
        assert len({row.label for row in theme.classes}) == len(theme.classes)


def test_a_legend_names_kinds_and_changes_only_where_a_cell_is_one() -> None:
    plain = lattice(3, 3)
    hole = plain.cells.drop(plain.cells.index[4]).reset_index()
    mended, _ = gm.repair(hole, plain.boundary)
    found = gm.validate(hole, plain.boundary)
    repaired = gm.defect_map(hole, found, plain.boundary, "en", mended=mended).page()
    for page, said in ((gm.compare_map(plain, plain, lang="en").page(), ["unchanged"]),
                       (repaired, ["unchanged", "born"])):  # fmt: skip
        classes = json.loads(re.findall(r'"classes":(\[[^]]*\])', page)[0])
        assert [row["label"] for row in classes] == said
    assert [row.label for row in themes.kinds(plain, "en").classes] == ["residential"]
    assert len(themes.households(plain, "en").classes) == 5
    every = themes.every_class_of_households(plain, "en")
    assert len(every.classes) == 7 and (every.of == themes.households(plain, "en").of).all()


def test_households_are_classed_against_the_band(grid: gm.Grid) -> None:
    low, high = grid.band
    theme = themes.households(grid, "en")
    homes, dedicated = grid.cells["households"], grid.cells["kind"] == "dedicated"
    assert (theme.of == 5).tolist() == dedicated.tolist()
    assert (theme.of[~dedicated] == 0).tolist() == (homes[~dedicated] < low).tolist()
    assert (theme.of[~dedicated] == 4).tolist() == (homes[~dedicated] > high).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.integers(1, 7))
def test_a_class_holds_what_its_edges_say(values: list[float], k: int) -> None:
    theme = themes.quantity(values, "x", lang="en", k=k)
    edges = themes.upper_edges(np.array(values), "quantiles", k, None)
    low = np.concatenate([[-np.inf], edges[:-1]])
    for value, of in zip(values, theme.of, strict=True):
        assert low[of] < value <= edges[of] or np.isclose(value, edges[of])


@pytest.mark.parametrize("k", [3, 5, 7])
def test_quantiles_are_those_of_mapclassify(k: int) -> None:
    import mapclassify

    values = np.random.default_rng(k).gamma(2, 3, 500)
    ours = themes.upper_edges(values, "quantiles", k, None)
    assert np.allclose(ours, mapclassify.Quantiles(values, k=k).bins)


def test_the_few_below_a_largest_value_that_nearly_all_have_are_seen() -> None:
    values = np.array([1.0] * 90 + [0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    theme = themes.quantity(values, "leaders a cell", lang="en")
    assert theme.sent()["counts"] == [6, 90]


def test_a_value_that_most_have_leaves_the_others_their_classes() -> None:
    counts = [0] * 80 + list(range(1, 21))
    theme = themes.quantity(counts, "incidents", lang="en", digits=0)
    assert [row.label for row in theme.classes] == ["0", "1 – 6", "6 – 10", "10 – 15", "15 – 20"]
    assert theme.sent()["counts"] == [80, 5, 5, 5, 5]
    assert theme.note == "lowest value apart, 4 classes by quantiles"


def test_other_schemes_and_given_breaks_are_followed() -> None:
    values = np.arange(100.0)
    assert np.allclose(
        themes.upper_edges(values, "equalinterval", 4, None), [24.75, 49.5, 74.25, 99]
    )
    assert themes.upper_edges(values, "", 5, [10, 50, 500]).tolist() == [10, 50, 99]
    with pytest.raises(gm.InputError, match="`scheme` is 'nonsense'"):
        themes.upper_edges(values, "nonsense", 4, None)


def test_cells_without_households_have_no_rate(grid: gm.Grid) -> None:
    counts = pd.Series(3, index=grid.cells.index)
    theme = rates.rate_theme(counts, grid, "en")
    none = grid.cells["households"].to_numpy() == 0
    assert none.any()
    assert (theme.of == len(theme.classes) - 1).tolist() == none.tolist()


def test_touching_areas_never_share_a_colour(grid: gm.Grid) -> None:
    theme = themes.areas(grid, "community", "en")
    area = themes.area_keys(grid, "community")
    colour = dict(zip(grid.cells.index, theme.of, strict=True))
    for a, b in grid.contiguity.edges:
        assert area[a] == area[b] or colour[a] != colour[b]


def test_empirical_bayes_draws_small_cells_to_the_mean() -> None:
    counts, base = np.array([1.0, 100, 30, 220]), np.array([10.0, 1000, 1000, 1000])
    smooth = smoothed(counts, base)
    mean = counts.sum() / base.sum()
    assert abs(smooth[0] - mean) < abs(counts[0] / base[0] - mean) or counts[0] / base[0] == mean
    assert np.allclose(smoothed(np.full(4, 5.0), np.full(4, 50.0)), 0.1)


def test_a_column_that_is_not_there_is_named(grid: gm.Grid) -> None:
    with pytest.raises(gm.InputError, match="`color` is 'colour', but the cells have"):
        gm.coverage_map(grid, color="colour")


def test_hotspots_need_their_column(grid: gm.Grid) -> None:
    with pytest.raises(gm.InputError, match="no column `bin`"):
        gm.hotspot_map(grid, pd.DataFrame({"z": [1.0]}))


def test_an_unknown_language_is_refused(grid: gm.Grid) -> None:
    with pytest.raises(gm.InputError, match="`lang` is 'de'"):
        gm.coverage_map(grid, lang="de")  # type: ignore[arg-type]


def test_names_are_written_inside_their_areas(grid: gm.Grid) -> None:
    from gridmap.maps.payload import web_mercator

    shapes = web_mercator(grid.cells.geometry.to_numpy(), grid.crs)
    for level in levels_of(grid, shapes, "en"):
        of = np.array(level["of"])
        for k, (x, y) in enumerate(level["xy"]):
            area = shapely.coverage_union_all(shapes[of == k])
            assert shapely.distance(area, shapely.Point(x, y)) < 1.0
        assert sorted(level["order"]) == list(range(len(level["names"])))


def test_density_holds_no_point_and_follows_the_households(grid: gm.Grid, town: Any) -> None:
    placed = with_places(town.incidents, grid)
    image = heat_image(placed, grid, "en")
    assert image is not None and image["png"].startswith("data:image/png;base64,")
    assert len(image["png"]) < 40_000
    assert set(image) == {"png", "west", "south", "east", "north", "legend"}
    assert heat_image(placed.iloc[:0], grid, "en") is None


def test_a_country_has_heat_too() -> None:
    squares = shapely.box([400_000, 700_000], 3_400_000, [700_000, 1_050_000], 3_700_000)
    cells = gpd.GeoDataFrame({"code": ["a", "b"], "households": [400, 500]}, geometry=squares,
                             crs=4547)  # fmt: skip
    grid = gm.adopt(cells, shapely.union_all(squares), code="code")
    points = pd.DataFrame({"x": np.full(60_000, 6e5), "y": np.full(60_000, 3.5e6)})
    image = heat_image(with_places(points, grid), grid, "en")
    assert image is not None and "1625 m" in image["legend"]["note"]


def test_places_in_another_datum_end_where_the_grid_has_them(grid: gm.Grid) -> None:
    centre = grid.cells.representative_point().iloc[7]
    from gridmap.crs.datum import positions_to

    x, y = positions_to(np.array([centre.x]), np.array([centre.y]), "gcj02", grid.crs)
    frame = pd.DataFrame({"x": x, "y": y})
    frame.attrs["datum"] = "gcj02"
    placed = with_places(frame, grid)
    assert placed["code"].tolist() == [grid.cells.index[7]]
    assert np.allclose(placed[["x", "y"]].to_numpy()[0], [centre.x, centre.y], atol=1e-3)


def test_places_in_text_are_drawn_where_they_were_assigned(grid: gm.Grid) -> None:
    centre = grid.cells.representative_point().iloc[7]
    placed = with_places(pd.DataFrame({"x": [f"{centre.x:,.3f}"], "y": [f" {centre.y:.3f}"]}), grid)
    assert placed["code"].tolist() == [grid.cells.index[7]]
    assert np.allclose(placed[["x", "y"]].to_numpy(float)[0], [centre.x, centre.y], atol=1e-3)


def test_cells_lie_over_tiles_in_a_shifted_datum(grid: gm.Grid) -> None:
    from gridmap.crs.datum import wgs84_to_gcj02
    from gridmap.maps.basemap import over_basemap
    from gridmap.maps.scene import grid_scene

    scene = grid_scene(grid, [themes.kinds(grid, "en")], "en")
    shifted = over_basemap(scene, "gcj02")
    assert shapely.coverage_is_valid(shifted.shapes)
    assert "GCJ-02" in shifted.credit and shifted.extras["opacity"] < 1
    at = gpd.GeoSeries([scene.shapes[0], shifted.shapes[0]], crs=3857).to_crs(4326)
    plain, there = (shapely.get_coordinates(shape)[3] for shape in at)
    assert np.allclose(there, np.ravel(wgs84_to_gcj02(*plain)), atol=1e-9)
    assert np.abs(there - plain).max() > 1e-3
    assert over_basemap(scene, "wgs84").shapes is scene.shapes
    with pytest.raises(gm.InputError, match="`basemap_datum` is 'itrf'"):
        over_basemap(scene, "itrf")  # type: ignore[arg-type]


def test_marks_tell_kind_size_and_place() -> None:
    defects = gpd.GeoDataFrame(
        {
            "kind": ["gap", "t-junction"],
            "area_m2": [25.0, np.nan],
            "width_m": [2.5, np.nan],
            "cells": [("A", "B"), ("C",)],
        },
        geometry=[shapely.box(0, 0, 5, 5), shapely.Point(9, 9)],
        crs=4547,
    )
    marks = defect_marks(defects, 4547, "en")
    assert [kind["count"] for kind in marks.kinds] == [1, 1]
    assert marks.texts[0] == "gap · 25.0 m² · 2.5 m wide · A, B"
    assert len(marks.shapes) == 2 and len(marks.xy) == 2
    assert set(FORMS) == set(KINDS) and len(set(FORMS.values())) == len(KINDS)


def test_a_grid_without_levels_or_households_can_be_mapped() -> None:
    plain = lattice(4, 5, households=0)
    assert len(gm.coverage_map(plain).page()) > 100_000


def test_compare_map_tells_what_became_of_each_cell(grid: gm.Grid) -> None:
    html = gm.compare_map(grid, grid, lang="en").page()
    assert f"{len(grid)} cells unchanged" in html


def test_own_columns_named_like_ours_are_no_assignment(grid: gm.Grid, town: Any) -> None:
    own = pd.DataFrame(town.incidents.dropna(subset=["x"]).head(20).drop(columns="geometry"))
    own = own.assign(code="zzz", distance_m="d", geometry="POINT")
    placed = with_places(own, grid)
    assert placed["code"].dropna().isin(grid.cells.index).all()
    assert placed["incident_code"].eq("zzz").all()
    assert with_places(placed, grid) is placed


@pytest.mark.parametrize("breaks", [None, [1, 2]])
def test_numbers_of_nothing_are_one_class_without_data(breaks: Any) -> None:
    theme = themes.quantity([np.nan, np.nan], "Rate", lang="en", breaks=breaks)
    assert [c.label for c in theme.classes] == ["no data"]
    assert list(theme.of) == [0, 0]


def test_a_grid_without_households_is_mapped_with_its_incidents() -> None:
    cells = gpd.GeoDataFrame(
        {"code": ["a", "b"]}, geometry=shapely.box([0, 50], 0, [50, 100], 50), crs=4547
    )
    bare = gm.adopt(cells, cells.union_all("coverage"), code="code")
    points = pd.DataFrame({"x": [5.0, 60.0], "y": [5.0, 5.0]})
    page = gm.coverage_map(bare, incidents=points, lang="en").get_root().render()
    assert '"Incident counts"' in page and '"Incident rate"' not in page


def test_a_missing_value_is_told_from_a_rare_word() -> None:
    words = pd.Series([None, *[f"word {k}" for k in range(8)], "word 0"])
    theme = themes.words_theme(words, "Use", "en")
    assert [row.label for row in theme.classes][-2:] == ["others", "no data"]
    assert theme.of[0] == len(theme.classes) - 1 and theme.of[9] == theme.of[1]
    nothing = themes.words_theme(pd.Series([None, None]), "Use", "en")
    assert [row.label for row in nothing.classes] == ["no data"]


def test_quantiles_are_named_only_where_they_are_used() -> None:
    few = themes.quantity([1, 2, 2, np.nan], "t", lang="en")
    assert few.note == "" and [row.label for row in few.classes] == ["1.00", "2.00", "no data"]
    many = themes.quantity(np.arange(-5, 20), "t", lang="en", digits=0)
    assert many.note == "5 classes by quantiles"
    assert many.classes[0].label.startswith("−5 – ")
    late = themes.quantity([1.0, 2.0], "t", lang="en", periods=[("a", [1.0, np.nan])])
    assert late.periods[0].of.max() < len(late.classes)


@pytest.mark.parametrize(
    "title",
    ["long title " * 30, "Neighbourhoodgovernance" * 9, "网格化服务管理" * 12, "户数 more · " * 7],
)
def test_long_words_of_a_figure_stay_on_the_sheet(title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from gridmap.maps.figure import figure

    plain = lattice(3, 3)
    cells = plain.cells.reset_index()
    cells["use"] = [f"a very long name of a use that goes on and on {k % 2}" for k in range(9)]
    named = gm.Grid(cells, plain.boundary, parameters=plain.parameters)
    drawn = figure(named, color="use", title=title, source="source " * 60, lang="en")
    sheet = FigureCanvasAgg(drawn)
    sheet.draw()
    canvas = sheet.get_renderer()
    wide, high = drawn.canvas.get_width_height()
    for text in [*drawn.texts, *drawn.legends[0].get_texts()]:
        box = text.get_window_extent(canvas)
        assert box.x0 >= 0 and box.x1 <= wide and box.y0 >= 0 and box.y1 <= high
    edge = drawn.axes[0].get_window_extent().x0
    assert max(t.get_window_extent(canvas).x1 for t in drawn.legends[0].get_texts()) <= edge


def test_what_is_no_grid_is_refused_with_a_cure(grid: gm.Grid, tmp_path: Path) -> None:
    cells, cure = grid.cells, r"not a Grid\. Read a grid file with gridmap\.read_grid"
    for make in (
        lambda: gm.coverage_map(cells),
        lambda: gm.hotspot_map("grid.gpkg", cells),
        lambda: gm.compare_map(grid, cells),
        lambda: gm.figure(cells),
        lambda: gm.briefing(cells, cells),
        lambda: save_qgis_style(cells, tmp_path / "grid.qml"),
    ):
        with pytest.raises(gm.InputError, match=cure):
            make()


def test_a_class_after_one_of_zeros_begins_with_what_it_holds() -> None:
    rates_of = [0.0] * 60 + [0.16 + k / 100 for k in range(20)]
    theme = themes.quantity(rates_of, "rate", lang="en", digits=2)
    assert [row.label for row in theme.classes][:2] == ["0.00", "0.16 – 0.21"]
    kept_back = themes.quantity(rates_of, "rate", lang="en", digits=2, exact=False)
    assert kept_back.classes[1].label == "0.00 – 0.21"


def test_a_last_class_too_wide_to_read_is_open_and_tells_its_end_apart() -> None:
    rates_of = [k / 100 for k in range(1, 100)]
    theme = themes.quantity([*rates_of, 8200.0], "rate", lang="en")
    assert theme.classes[-1].label == "over 0.80"
    assert theme.note == "5 classes by quantiles; highest 8,200.00"
    even = themes.quantity([*rates_of, 7.9], "rate", lang="en")
    assert even.classes[-1].label == "0.80 – 7.90" and even.note == "5 classes by quantiles"


def grey(color: str) -> float:
    """Return the luma of a colour, as a printer without colours has it (Rec. 601)."""
    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_classes_differ_without_colour(grid: gm.Grid, town: Any) -> None:
    from gridmap.operations.staffing import staffing
    from gridmap.partitioning.report import CLASSES

    posted = staffing(town.staff, grid)
    drawn = [
        [(row.color, row.hatch is not None) for row in theme.classes]
        for theme in (
            themes.households(grid, "en"),
            themes.kinds(grid, "en"),
            themes.staffing(grid, posted.cells, posted.limit, "en"),
        )
    ]
    for looks in [*drawn, [(fill, False) for _, fill in CLASSES.values()]]:
        for k, (one, hatched) in enumerate(looks):
            for other, also in looks[:k]:
                assert hatched != also or abs(grey(one) - grey(other)) >= 12, (one, other)


def test_histories_are_told_by_side_and_pattern(grid: gm.Grid, town: Any) -> None:
    found = gm.emerging(gm.tally(gm.assign(town.incidents, grid), grid, by="week"), grid)
    theme = hot.histories(found, grid, "en")
    assert sum(theme.sent()["counts"]) == len(grid)
    for code, k in zip(grid.cells.index, theme.of, strict=True):
        side, pattern, tested = found.loc[code, ["side", "pattern", "tested"]]
        told = f"{side} · {pattern}" if side else "neither hot nor cold"
        assert theme.classes[k].label == (told if tested else "not tested")
    assert "hot" in str(gm.hotspot_map(grid, found, lang="en").get_root().render())
    split = pd.concat({"waste": found}, names=["subcategory"]).swaplevel()
    with pytest.raises(gm.InputError, match="histories by subcategory; choose one"):
        gm.hotspot_map(grid, split)


def test_values_by_code_colour_the_cells_they_name(grid: gm.Grid) -> None:
    values = grid.cells["households"].iloc[3:].sample(frac=1, random_state=0).rename("homes")
    theme = themes.column(grid, values, "en")
    assert theme.title == "homes" and theme.values is not None
    assert theme.values[:3] == [None] * 3
    assert theme.values[3:] == grid.cells["households"].iloc[3:].tolist()
    with pytest.raises(gm.InputError, match="codes that no cell has"):
        themes.column(grid, values.rename(index=str.lower).rename({values.index[0]: "?"}), "en")
