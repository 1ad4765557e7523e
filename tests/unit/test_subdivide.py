"""Subdivide: what comes in, what is refused, and what is said about it."""

from __future__ import annotations

import json
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from gridmap.contiguity import contacts
from gridmap.errors import CoverageError, CRSError, InputError
from gridmap.language import Message
from gridmap.partitioning.partition import partition
from gridmap.units.attach import attach
from gridmap.units.barriers import kinds_of, read_barriers
from gridmap.units.subdivide import subdivide

CRS = 4547
ORIGIN = np.array([500_000.0, 3_400_000.0])


def frame(geometry: Any, crs: Any = CRS, **columns: Any) -> gpd.GeoDataFrame:
    moved = shapely.transform(np.asarray(geometry, dtype=object), lambda xy: xy + ORIGIN)
    return gpd.GeoDataFrame(columns, geometry=moved, crs=crs)


def homes(xy: Any, count: Any) -> gpd.GeoDataFrame:
    return frame(shapely.points(np.asarray(xy, dtype=float)), households=count)


def lines(*ends: Any, kind: str = "street") -> gpd.GeoDataFrame:
    return frame([shapely.LineString(e) for e in ends], kind=[kind] * len(ends))


def areas(units: gpd.GeoDataFrame) -> list[float]:
    return sorted(units.area.round(1))


TOWN = frame(shapely.box([0, 200], 0, [200, 400], 200), community=["A", "B"])
FOUR = homes([[50, 50], [150, 150], [250, 50], [350, 150]], [20, 20, 20, 20])


def test_columns_and_facts() -> None:
    units = subdivide(TOWN, FOUR)
    assert units.index.name == "unit" and units.index.equals(gpd.pd.RangeIndex(4))
    assert units.columns.tolist() == [
        "parent", "community", "households", "kind", "block", "path", "side", "name", "geometry",
    ]  # fmt: skip
    assert units["households"].dtype == units["block"].dtype == units["side"].dtype == np.int64
    assert units.crs == CRS
    assert all(isinstance(note, Message) for note in units.attrs.pop("notes"))
    facts = json.loads(json.dumps(units.attrs))
    assert facts["households_in"] == 80 and facts["households_outside"] == 0
    assert facts["levels"] == ["community"] and facts["repaired"] == []
    assert facts["deviation_m"] < 0.002


def test_streets_bound_blocks_and_culs_de_sac_do_not() -> None:
    street = lines([(-50, 100), (450, 100)], [(100, 0), (100, 60)])
    units = subdivide(TOWN, FOUR, barriers=street)
    assert areas(units) == [20_000.0] * 4
    assert units["block"].nunique() == 4 and set(units["path"]) == {""}


def test_streets_in_another_crs_are_moved_and_it_is_said() -> None:
    street = lines([(-50, 100), (450, 100)]).to_crs(4326)
    units = subdivide(TOWN, FOUR, barriers=[street])
    assert len(units) == 4
    assert any("EPSG:4326" in note["en"] and note["zh"] for note in units.attrs["notes"])


def test_geographic_jurisdictions_come_out_in_metres() -> None:
    units = subdivide(TOWN.to_crs(4326), FOUR.to_crs(4490))
    assert units.crs.to_epsg() == CRS
    assert units["households"].sum() == 80
    assert "vertex by vertex" in units.attrs["notes"][0]["en"]


def test_units_come_in_the_crs_of_the_grid_that_is_kept() -> None:
    old = partition(subdivide(TOWN, FOUR), (20, 60))
    elsewhere = TOWN.to_crs(4548)
    units = subdivide(elsewhere, FOUR, crs=old.crs)
    assert units.crs == old.crs and units.area.sum() == pytest.approx(80_000)
    assert any("was transformed" in note["en"] for note in units.attrs["notes"])
    assert partition(units, (20, 60), keep=old).parameters["change"]["households_moved"] == 0
    again = subdivide(TOWN.to_crs(4326), FOUR, crs=old.crs)
    assert partition(again, (20, 60), keep=old).parameters["change"]["unchanged"] == 2
    with pytest.raises(CRSError, match=r"`crs` is EPSG:4326, .*ogr2ogr"):
        subdivide(TOWN, FOUR, crs=4326)


def test_a_railway_divides_sides_and_a_street_does_not() -> None:
    street = subdivide(TOWN, FOUR, barriers=lines([(-9, 100), (409, 100)]))
    assert street.groupby("parent")["side"].nunique().tolist() == [1, 1]
    rail = subdivide(TOWN, FOUR, barriers=lines([(-9, 100), (409, 100)], kind="railway"))
    assert rail.groupby("parent")["side"].nunique().tolist() == [2, 2]


def test_parallel_tracks_leave_one_line() -> None:
    tracks = [[(-9, y), (409, y)] for y in (100, 104, 108, 112)]
    units = subdivide(TOWN, FOUR, barriers=lines(*tracks, kind="rail"))
    assert len(units) == 4
    assert units.groupby("parent")["side"].nunique().tolist() == [2, 2]


def test_water_belongs_to_one_bank_and_divides_the_others() -> None:
    river = frame([shapely.box(-50, 90, 450, 130)], kind=["river"])
    bridge = lines([(100, -10), (100, 210)])
    units = subdivide(TOWN, FOUR, barriers=[river, bridge])
    west = units[units["parent"] == "A"]
    water = west[west.geometry.representative_point().y - ORIGIN[1] > 90]
    water = water[water.geometry.representative_point().y - ORIGIN[1] < 130]
    assert len(water) == 2 and water["households"].sum() == 0
    assert west["side"].nunique() == 2 and set(water["side"]) <= set(west["side"])


def test_polygons_of_ways_are_land_and_bound_blocks() -> None:
    street = frame([shapely.box(-9, 95, 409, 105)], kind=["街道"])
    units = subdivide(TOWN, FOUR, barriers=street)
    assert areas(units) == [19_000.0] * 2 + [21_000.0] * 2
    assert units["side"].nunique() == 2
    motorway = subdivide(TOWN, FOUR, barriers=street.assign(kind="motorway"))
    assert motorway["side"].nunique() == 4


def test_water_where_people_live_is_split_as_land_and_said() -> None:
    units = subdivide(TOWN, FOUR, barriers=TOWN)
    assert units["households"].tolist() == [20] * 4
    assert any("taken for water: 80" in note["en"] for note in units.attrs["notes"])
    assert not any("water" in note["en"] for note in subdivide(TOWN, FOUR).attrs["notes"])


def test_a_pond_joins_its_block() -> None:
    pond = frame([shapely.Point(60, 140).buffer(25)], kind=["water"])
    assert areas(subdivide(TOWN, FOUR[2:3], barriers=pond)) == [40_000.0] * 2


def test_slivers_along_a_border_join_their_own_side() -> None:
    street = lines([(201.5, -9), (201.5, 120), (198.5, 209)])
    units = subdivide(TOWN, FOUR[:1], barriers=street)
    assert areas(units) == [40_000.0] * 2
    assert any(
        note["en"].startswith("Slivers") and "jurisdiction: 2." in note["en"]
        for note in units.attrs["notes"]
    )


def test_dedicated_and_whole_areas() -> None:
    market = frame([shapely.box(20, 20, 90, 90)], name=["市场"])
    garden = frame([shapely.box(210, 10, 390, 190)], name=["花园"])
    crowd = homes([[250, 50], [350, 150], [50, 50], [150, 150]], [90, 90, 3, 5])
    street = lines([(-9, 100), (409, 100)])
    units = subdivide(TOWN, crowd, barriers=street, dedicated=market, whole=garden)
    named = units.set_index("name")
    assert named.loc["市场", "kind"] == "dedicated" and named.loc["市场", "households"] == 3
    assert named.loc["花园", "kind"] == "residential" and named.loc["花园", "households"] == 180
    assert named.loc["花园"].geometry.area == pytest.approx(180 * 180, abs=1)
    assert any("no band binds: 3." in note["en"] for note in units.attrs["notes"])


def test_dedicated_areas_that_overlap_are_said() -> None:
    market = frame(shapely.box([10, 40], 10, [60, 90], 40), name=["早市", "夜市"])
    units = subdivide(TOWN, FOUR, dedicated=market)
    assert units.loc[units["name"] == "早市"].area.tolist() == [1500.0]
    assert any("1 pair (first: 早市, 夜市)" in note["en"] for note in units.attrs["notes"])


def test_compounds_across_a_border_are_parted_and_named() -> None:
    garden = frame([shapely.box(150, 50, 250, 150), shapely.box(10, 10, 60, 60)], name=["花园", ""])
    units = subdivide(TOWN, FOUR, whole=garden)
    assert units.loc[units["name"] == "花园", "parent"].tolist() == ["A", "B"]
    assert any("`whole` in several" in note["en"] and "花园" in note["en"]
               for note in units.attrs["notes"])  # fmt: skip


def test_compounds_by_column_are_kept_together() -> None:
    crowd = homes([[20, 20], [40, 40], [160, 160], [180, 180]], [20] * 4)
    crowd["compound"] = ["甲", "甲", "乙", "乙"]
    units = subdivide(TOWN, crowd, whole="compound")
    assert sorted(units["households"]) == [0, 40, 40]
    assert len(subdivide(TOWN, crowd)) == 5


def test_households_outside_are_listed_and_borders_counted_once() -> None:
    crowd = homes([[200, 50], [0, 0], [400, 200], [900, 50]], [1, 2, 3, 4])
    crowd.index = ["border", "corner", "rim", "away"]
    units = subdivide(TOWN, crowd)
    assert units.groupby("parent")["households"].sum().to_dict() == {"A": 2, "B": 4}
    assert units.attrs["outside"] == ["away"]
    assert any("rows (away), with" in note["en"] for note in units.attrs["notes"])
    assert units.attrs["households_outside"] == 4


@pytest.mark.parametrize("place", [None, shapely.Point(), shapely.Point(np.nan, 1)])
def test_homes_without_a_place_are_refused(place: shapely.Geometry | None) -> None:
    crowd = FOUR.copy()
    crowd.loc[1, "geometry"] = place
    with pytest.raises(InputError, match=r"no position in .*1.* households in all"):
        subdivide(TOWN, crowd)
    crowd.loc[1, "households"] = 0
    assert subdivide(TOWN, crowd).attrs["households_outside"] == 0


def test_footprints_without_area_are_refused() -> None:
    flat = shapely.Polygon([(10, 10), (90, 10), (50, 10), (10, 10)])
    crowd = frame([flat, shapely.box(250, 50, 260, 60)], households=[3, 4])
    with pytest.raises(InputError, match=r"no position in .*3 households"):
        subdivide(TOWN, crowd)


def test_buildings_of_a_larger_place_are_no_units() -> None:
    xy = np.arange(0, 2000, 50.0)
    crowd = frame(shapely.box(xy, 300, xy + 45, 900), households=[1] * len(xy))
    crowd = gpd.pd.concat([crowd, frame([shapely.box(50, 50, 60, 60)], households=[7])])
    crowd = crowd.reset_index(drop=True)
    units = subdivide(TOWN, crowd)
    assert areas(units) == [40_000.0] * 2 and units["households"].sum() == 7


def test_the_same_input_gives_the_same_bytes() -> None:
    street = lines([(-50, 97), (450, 103)], [(37, -9), (61, 209)], kind="rail")
    one, two = (subdivide(TOWN, FOUR, barriers=street, cap=10) for _ in range(2))
    assert one.to_wkb().equals(two.to_wkb()) and one.attrs == two.attrs


def test_rows_without_counts_are_households() -> None:
    units = subdivide(TOWN, FOUR[["geometry"]])
    assert units["households"].sum() == 4
    assert any("one household" in note["en"] for note in units.attrs["notes"])


def test_repeated_identifiers_are_counted_and_said() -> None:
    crowd = FOUR.assign(building_id=["a", "a", "b", "c"])
    units = subdivide(TOWN, crowd)
    assert units["households"].sum() == 80
    assert any("each counted: 1." in note["en"] for note in units.attrs["notes"])


def test_slivers_between_jurisdictions_are_listed_or_refused() -> None:
    torn = frame(
        [shapely.box(0, 0, 200, 200), shapely.Polygon(
            [(200, 0), (400, 0), (400, 200), (200, 200), (200.3, 120), (199.8, 60)])],
        community=["A", "B"],
    )  # fmt: skip
    units = subdivide(torn, FOUR)
    kinds = {entry["kind"] for entry in units.attrs["repaired"]}
    assert kinds == {"gap", "overlap"}
    assert sum(units.area) == pytest.approx(80_000, abs=1)
    with pytest.raises(CoverageError, match="slivers and overlaps: 2") as caught:
        subdivide(torn, FOUR, repair=False)
    assert set(caught.value.defects["kind"]) == kinds


def test_an_open_slit_between_jurisdictions_is_closed_and_listed() -> None:
    slit = frame(shapely.box([0, 200.4], 0, [200, 400], 200), community=["A", "B"])
    units = subdivide(slit, FOUR)
    assert units.area.sum() == pytest.approx(80_000)
    assert [entry["kind"] for entry in units.attrs["repaired"]] == ["gap"]
    assert any("mended in 1 place (80.0 m² in all)" in note["en"] for note in units.attrs["notes"])
    with pytest.raises(CoverageError, match="leave slivers and overlaps: 1"):
        subdivide(slit, FOUR, repair=False)
    apart = frame(shapely.box([0, 202.0], 0, [200, 400], 200), community=["A", "B"])
    assert subdivide(apart, FOUR).attrs["repaired"] == []


def test_thin_parcels_between_others_are_no_slits() -> None:
    fence = frame(shapely.box([0, 99.7, 100], 0, [99.7, 100, 200], 200), households=[5, 0, 6])
    units = attach(fence, TOWN[:1])
    assert units.attrs["repaired"] == []
    assert shapely.equals_exact(units.geometry, fence.geometry, normalize=True).all()


def test_parcels_with_slits_between_them_become_neighbours() -> None:
    x, y = (30.3 * v.ravel() for v in np.meshgrid(np.arange(6), np.arange(5)))
    parcels = frame(shapely.box(x, y, x + 30, y + 30), households=[30] * 30)
    place = frame([shapely.box(0, 0, 181.5, 151.2)], community=["A"])
    units = attach(parcels, place)
    assert len(units) == 30 and units["households"].sum() == 900
    assert units.area.sum() == pytest.approx(181.5 * 151.2)
    assert any(note["en"].startswith("Units mended in") for note in units.attrs["notes"])
    assert len(partition(units).cells) == 2
    with pytest.raises(CoverageError, match="`units` leave slivers"):
        attach(parcels, place, repair=False)


def test_slivers_finer_than_a_millimetre_are_listed_too() -> None:
    torn = frame(
        [shapely.box(0, 0, 200, 200), shapely.Polygon(
            [(200, 0), (400, 0), (400, 200), (200, 200), (200.0002, 100)])],
        community=["A", "B"],
    )  # fmt: skip
    units = subdivide(torn, FOUR)
    assert [entry["kind"] for entry in units.attrs["repaired"]] == ["gap"]
    with pytest.raises(CoverageError, match="overlaps: 1 "):
        subdivide(torn, FOUR, repair=False)


def test_jurisdictions_that_overlap_in_earnest_are_refused() -> None:
    both = frame(shapely.box([0, 150], 0, [200, 350], 200), community=["A", "B"])
    with pytest.raises(CoverageError, match="'A' and 'B' share 25%") as caught:
        subdivide(both, FOUR)
    assert caught.value.defects.area.sum() == pytest.approx(10_000, abs=1)


def test_a_crossing_ring_is_mended_and_listed() -> None:
    bow = shapely.Polygon(
        [(0, 0), (200, 0), (200, 200), (100, 200), (150, 250), (100, 250), (150, 200), (0, 200)]
    )
    town = frame([bow], community=["A"])
    units = subdivide(town, FOUR[:1])
    assert units.attrs["repaired"][0]["kind"] == "ring-invalid"
    with pytest.raises(InputError, match="cross themselves"):
        subdivide(town, FOUR[:1], repair=False)


def test_heights_and_measures_are_dropped() -> None:
    high = TOWN.set_geometry(shapely.force_3d(TOWN.geometry.to_numpy(), 7.0))
    high = high.set_crs(CRS, allow_override=True)
    units = subdivide(high, FOUR.set_geometry(shapely.force_3d(FOUR.geometry.to_numpy())))
    assert not units.has_z.any() and len(units) == 4


def test_levels_and_codes() -> None:
    nested = TOWN.assign(district=["D", "D"], street=["s", "t"], community=["X", "X"])
    units = subdivide(nested, FOUR)
    assert units.attrs["levels"] == ["district", "street", "community"]
    assert set(units["parent"]) == {"D/s/X", "D/t/X"}
    coded = subdivide(nested.assign(code=[7.0, 8.0]), FOUR, levels=["street"])
    assert set(coded["parent"]) == {"7", "8"} and coded.attrs["levels"] == ["street"]


def test_codes_are_a_level_where_no_level_tells_jurisdictions_apart() -> None:
    coded = TOWN.drop(columns="community").assign(code=["7", "8"], district=["D", "D"])
    for levels in (None, ["district"]):
        units = subdivide(coded, FOUR, levels=levels, code="code")
        assert units.attrs["levels"] == ["district", "community"]
        assert (units["community"] == units["parent"]).all()
    town = coded.rename(columns={"district": "community"})
    units = subdivide(town.rename(columns={"code": "id"}), FOUR, code="id")
    assert units.attrs["levels"] == ["community", "id"]
    named = TOWN.assign(code=["7", "8"], district=["D", "D"])
    for given, levels in ((town, ["community"]), (named, ["district"])):
        units = subdivide(given, FOUR, levels=levels, code="code")
        assert units.attrs["levels"] == [*levels, "jurisdiction"]


def test_one_level_may_be_named_plainly() -> None:
    assert subdivide(TOWN, FOUR, levels="community").attrs["levels"] == ["community"]


def test_progress_is_reported() -> None:
    seen: list[tuple[str, int, int]] = []
    subdivide(TOWN, FOUR, progress=lambda *step: seen.append(step))
    assert [step[1] for step in seen] == [0, 1, 2, 3, 4, 5]


def test_units_that_fill_the_town_are_used_as_they_are() -> None:
    atoms = frame(shapely.box([0, 100, 210], 0, [100, 210, 400], 200), households=[5, 6, 7])
    units = subdivide(TOWN, atoms)
    assert units["parent"].tolist() == ["A", "A", "B"]
    assert units.attrs["jurisdictions"]["A"] == {"area_share": 0.05, "deviation_m": 10.0}
    assert any("largest overlap" in note["en"] for note in units.attrs["notes"])


def test_parcels_are_led_round_and_never_cut() -> None:
    parcels = frame(
        shapely.box([0, 70, 130, 0, 90, 150], [10, 10, 10, 110, 110, 110],
                    [70, 130, 200, 90, 150, 200], [105, 94, 95, 190, 190, 190]),
        households=[20] * 6,
    )  # fmt: skip
    street = lines([(-9, 100), (409, 100)])
    units = subdivide(TOWN, parcels, barriers=street)
    parts = shapely.intersection(
        parcels.geometry.to_numpy()[:, None], units.geometry.to_numpy()[None, :]
    )
    assert ((shapely.area(parts) > 0.1).sum(axis=1) == 1).all()
    assert units["households"].tolist().count(20) == 6


with np.errstate(invalid="ignore"):
    NOWHERE = shapely.from_wkt("POLYGON ((0 0, 1 0, NaN NaN, 0 0))")
BAD = [
    ({"households": FOUR.assign(households=["3户", "1", "2", "3"])}, "'3户' where a count belongs"),
    ({"households": FOUR.assign(households=[1, -2, 3, 4])}, "negative in 1 of 4 rows \\(1\\)"),
    ({"households": FOUR.assign(households=[1, np.nan, 3, 4])}, "missing or not finite"),
    ({"households": FOUR.assign(households=[1, 2.5, 3, 4])}, "fractional in 1 of 4"),
    ({"households": FOUR[:0]}, "`households` is empty"),
    ({"jurisdictions": TOWN[:0]}, "`jurisdictions` is empty"),
    ({"count": "户数"}, "no column '户数'"),
    ({"households": FOUR.assign(households=0)}, "is 0 in all rows, so nobody lives anywhere"),
    ({"levels": ["街道"]}, "no column '街道'"),
    ({"code": "id"}, "no column 'id'"),
    ({"jurisdictions": TOWN.assign(code=["1", "1"])}, "repeats '1' in column 'code'"),
    ({"jurisdictions": TOWN.assign(code=["1", None])}, "'code' is missing"),
    ({"jurisdictions": TOWN.assign(community=["A", None])}, "'community' is missing"),
    ({"jurisdictions": TOWN.assign(name=["x", "y"]), "levels": ["name"]}, "Rename"),
    ({"jurisdictions": TOWN.set_geometry(TOWN.boundary)}, "no polygons in 2 of 2"),
    ({"jurisdictions": TOWN.set_geometry([TOWN.geometry[0], None])}, "no usable geometry"),
    (
        {"jurisdictions": TOWN.set_geometry([TOWN.geometry[0], NOWHERE], crs=CRS)},
        "no usable geometry in 1 of 2 rows \\(B\\)",
    ),
    ({"households": lines([(0, 0), (1, 1)])}, "mixes points, lines or polygons"),
    ({"barriers": ["streets"]}, "`barriers` holds a str"),
    ({"households": gpd.pd.DataFrame({"x": [1]})}, "without geometries"),
    ({"whole": "compound"}, "column 'compound'"),
    ({"dedicated": FOUR}, "`dedicated` has geometries that are no polygons"),
    ({"households": homes([[900, 900]], [5])}, "outside every jurisdiction, all of them"),
    ({"cap": 0}, "`cap` is 0"),
    ({"cap": "30"}, "`cap` is '30'"),
    ({"cap": float("nan")}, "`cap` is nan"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_refused_in_one_line(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        subdivide(**{"jurisdictions": TOWN, "households": FOUR, **change})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["jurisdictions", "households", "barriers", "dedicated", "whole"])
def test_layers_without_a_crs_are_refused(name: str) -> None:
    bare = TOWN.set_crs(None, allow_override=True)
    with pytest.raises(CRSError, match=f"`{name}` has no CRS"):
        subdivide(**{"jurisdictions": TOWN, "households": FOUR, name: bare})


def test_kinds_are_read_from_many_columns() -> None:
    streets = lines([(0, 0), (9, 9)], [(0, 0), (9, 5)], [(0, 0), (9, 1)])
    osm = streets.drop(columns="kind").assign(
        highway=["motorway", None, None], railway=[None, "abandoned", None],
        waterway=[None, None, "river"],
    )  # fmt: skip
    assert kinds_of(osm).tolist() == ["motorway", "abandoned", "river"]
    extent = np.array([*ORIGIN, *(ORIGIN + 10)])
    assert read_barriers(osm, streets.crs, extent).hard.tolist() == [True, False, True]
    trail = streets.assign(kind=["trail", "RAIL-ACTIVE", "高速公路"])
    assert read_barriers(trail, streets.crs, extent).hard.tolist() == [False, True, True]
    assert kinds_of(streets.drop(columns="kind")).tolist() == ["", "", ""]


def test_barriers_that_are_neither_lines_nor_areas_are_said() -> None:
    street = shapely.LineString([(-9, 100), (409, 100)])
    odd = frame([shapely.Point(1, 1), None, street], kind=["x", "y", "street"])
    units = subdivide(TOWN, FOUR, barriers=odd)
    assert len(units) == 4
    assert any("nor polygons, left out: 2." in note["en"] for note in units.attrs["notes"])


def test_attach_repairs_lists_and_refuses() -> None:
    atoms = frame(shapely.box([0, 99.8, 205], 0, [100, 204.9, 400], 200), households=[5, 6, 7])
    units = attach(atoms, TOWN)
    assert {entry["kind"] for entry in units.attrs["repaired"]} >= {"overlap"}
    assert units["households"].sum() == 18
    with pytest.raises(CoverageError, match="`units` leave"):
        attach(atoms, TOWN, repair=False)


def test_attach_keeps_coordinates_that_tile_already() -> None:
    atoms = frame(shapely.box([0, 1 / 3], 0, [1 / 3, 199.9], 200), households=[5, 6])
    units = attach(atoms, TOWN[:1])
    assert shapely.equals_exact(units.geometry, atoms.geometry, normalize=True).all()


def test_attach_says_what_lies_outside_and_what_is_in_parts() -> None:
    parts = shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(100, 0, 200, 200)])
    atoms = frame(
        [parts, shapely.box(10, 0, 100, 200), shapely.box(900, 0, 950, 50)],
        households=[5, 6, 7],
    )
    units = attach(atoms, TOWN[:1])
    assert sorted(units["households"]) == [0, 5, 6]
    assert units.attrs["outside"] == [2] and units.attrs["households_outside"] == 7


def test_units_that_fill_their_jurisdictions_leave_nothing_to_tell():
    """No note says that outlines lie within 0 m, or that 0.0% of the area is another."""
    boxes = [shapely.box(0, 0, 50, 200), shapely.box(50, 0, 100, 200)]
    exact = attach(frame(boxes, households=[5, 6]), frame([shapely.box(0, 0, 100, 200)]))
    assert not [note for note in exact.attrs["notes"] if " 0 m " in note["en"]]
    assert not [note for note in exact.attrs["notes"] if "0.0%" in note["en"]]


def test_attach_takes_sides_uses_and_compounds() -> None:
    atoms = frame(shapely.box(range(0, 400, 50), 0, range(50, 450, 50), 200), households=[9] * 8)
    market = frame([shapely.box(240, 0, 310, 200)], name=["市场"])
    garden = frame([shapely.box(290, 0, 410, 200)], name=["花园"])
    rail = lines([(100, -9), (100, 209)], kind="railway")
    units = attach(atoms, TOWN, barriers=rail, dedicated=market, whole=garden)
    assert units["households"].tolist() == [9, 9, 9, 9, 9, 9, 18]
    assert units["name"].tolist() == ["", "", "", "", "", "市场", "花园"]
    assert units["side"].nunique() == 3
    assert len(contacts(units.geometry.to_numpy())) == 6


def test_attach_refuses_units_elsewhere_and_units_within_units() -> None:
    away = frame(shapely.box([900], 0, [950], 50), households=[3])
    with pytest.raises(InputError, match="outside every jurisdiction"):
        attach(away, TOWN)
    with pytest.raises(
        CoverageError, match=r"in 1 pair .*\(0 and 1 100%; 40,000 m² in all, most at"
    ):
        attach(frame(shapely.box([0, 0], 0, [200, 200], 200), households=[3, 4]), TOWN[:1])


def test_units_that_overlap_in_earnest_are_refused_by_name() -> None:
    boxes = shapely.box([0, 172, 200, 300], 0, [200, 380, 330, 400], 200)
    atoms = frame(boxes, households=[5, 6, 7, 8]).set_axis(["b1", "b2", "b3", "b4"])
    for call in (attach, lambda units, town: subdivide(town, units)):
        with pytest.raises(CoverageError, match=r"`units` overlap in 4 pairs") as caught:
            call(atoms, TOWN)
        assert "'b2' and 'b3' 100%" in str(caught.value) and "gridmap repair" in str(caught.value)
        assert caught.value.defects.area.sum() == pytest.approx(208 * 200)


def test_overlapping_footprints_that_only_add_up_to_the_town_are_buildings() -> None:
    """Two storeys drawn one above the other fill no more ground than one."""
    shapes = shapely.box([0, 0, 210, 210], 0, [190, 190, 400, 400], 110)
    units = subdivide(TOWN, frame(shapes, households=[5, 6, 7, 8]))
    assert areas(units) == [40_000.0] * 2
    assert units["households"].tolist() == [11, 15]


def test_jurisdictions_without_units_are_refused_or_listed() -> None:
    west = frame(shapely.box([0, 100], 0, [100, 210], 200), households=[5, 6])
    with pytest.raises(InputError, match=r"leave jurisdictions bare.* 1 of 2 rows \(B\)"):
        attach(west, TOWN)
    strips = frame(
        shapely.box([0, 90, 110], 0, [90, 110, 200], 200), community=["A", "middle", "C"]
    )
    halves = frame(shapely.box([0, 99], 0, [99, 200], 200), households=[5, 6])
    units = attach(halves, strips)
    assert units["parent"].tolist() == ["A", "C"]
    assert units.attrs["without_units"] == ["middle"]
    assert any(
        "(middle)" in note["en"] and "no cell" in note["en"] for note in units.attrs["notes"]
    )


def test_a_workload_of_the_buildings_is_summed_into_the_units_and_balanced() -> None:
    """The column is refused before any work when it is missing or holds no numbers."""
    x = np.arange(12)
    houses = gpd.GeoDataFrame(
        {"households": 100, "calls": [90, 10] * 6},
        geometry=shapely.points(np.c_[50 + 100 * x, np.full(12, 50)]),
        crs=4547,
    )
    area = gpd.GeoDataFrame({"code": ["A"]}, geometry=[shapely.box(0, 0, 1200, 100)], crs=4547)
    units = subdivide(area, houses, weight="calls")
    assert units["calls"].sum() == 600
    assert units["households"].sum() == 1200
    boxes = gpd.GeoDataFrame(
        houses.drop(columns="geometry"),
        geometry=shapely.box(100 * x, 0, 100 * x + 100, 100),
        crs=4547,
    )
    assert attach(boxes, area, weight="calls")["calls"].tolist() == [90, 10] * 6
    grid = partition(units, weight="calls")
    loads = grid.units.groupby("code")["calls"].sum()
    assert loads.max() - loads.min() <= 100
    with pytest.raises(InputError, match="'jobs', which `households` lack"):
        subdivide(area, houses, weight="jobs")
    with pytest.raises(InputError, match="holds '-1'"):
        subdivide(area, houses.assign(calls=-1), weight="calls")
