"""The verdict in words, as JSON by its schema, and as JUnit."""

from __future__ import annotations

import json
from importlib import resources
from xml.etree import ElementTree

import geopandas as gpd
import jsonschema
import pytest
import shapely

from gridmap.coverage.annotations import junit
from gridmap.coverage.report import describe, document, exportable, sentence
from gridmap.coverage.validate import validate

QUARTERS = shapely.box([0, 5, 0, 5], [0, 0, 5, 5], [5, 10, 5, 10], [5, 5, 10, 10])
FILLED = shapely.coverage_union_all(QUARTERS)


def found(cells=QUARTERS, boundary=FILLED, **options) -> gpd.GeoDataFrame:
    """Validate some boxes."""
    return validate(gpd.GeoDataFrame(geometry=list(cells), crs=4547), boundary, **options)


@pytest.mark.parametrize(
    ("defects", "zh", "en"),
    [
        (
            found(),
            "无空白、无交叉：4 个网格恰好铺满边界",
            "no gaps, no overlaps: 4 cells tile the boundary exactly",
        ),
        (
            found(parents=gpd.GeoSeries([FILLED], crs=4547)),
            "无空白、无交叉：4 个网格恰好铺满 1 个辖区",
            "no gaps, no overlaps: 4 cells tile 1 jurisdiction exactly",
        ),
        (
            found(boundary=shapely.box(0, 0, 10, 10)),
            "无空白、无交叉：4 个网格恰好铺满边界（4 处顶点未对齐）",
            "no gaps, no overlaps: 4 cells tile the boundary exactly (4 unmatched vertices)",
        ),
        (found(QUARTERS[1:]), "1 处空白（25.0 m²）", "1 gap (25.0 m²)"),
        (
            found([*QUARTERS[1:], shapely.box(9, 9, 9.5, 9.5), None]),
            "1 处空白（25.0 m²）、1 处重叠（0.2 m²）、1 处图形为空",
            "1 gap (25.0 m²), 1 overlap (0.2 m²), 1 empty geometry",
        ),
        (
            found(boundary=None),
            "无法证明：没有边界（`boundary` 文件，或 outline）",
            "cannot be proved: there is no boundary (`boundary` FILE, or outline)",
        ),
        (
            found([shapely.box(0, 0, 4.999, 5), *QUARTERS[1:]], tolerance=0.01),
            "在 0.01 米容差内：4 个网格铺满边界，1 处空白（0.005 m²）",
            "within a tolerance of 0.01 m: 4 cells tile the boundary, but for 1 gap (0.005 m²)",
        ),
    ],
)
def test_the_sentence_in_both_languages(defects, zh, en):
    assert sentence(defects) == zh
    assert sentence(defects, "en") == en
    _check(document(defects))


def test_the_text_names_place_size_and_culprits():
    text = describe(found([*QUARTERS, shapely.box(1, 1, 2, 2)]), "en")
    assert "overlap [nested] 1.0 m² 0.5 m wide cells 0, 4 @ 1 1" in text
    many = describe(found([*QUARTERS, *shapely.box(range(9), 0, range(1, 10), 1)]), "en", limit=2)
    assert "... and 7 more" in many


def test_json_follows_its_schema_whatever_is_wrong():
    lonely = gpd.GeoSeries([shapely.box(0, 0, 1, 1)])
    for cells, boundary in ((lonely, FILLED), (lonely.set_crs(4326), lonely.set_crs(4547))):
        _check(document(validate(cells, boundary)))
    half = gpd.GeoSeries(shapely.box([0, 5], 0, [5, 10], 10), crs=4547)
    cells = gpd.GeoDataFrame({"parent": [0, 0, 1, 7]}, geometry=list(QUARTERS), crs=4547)
    _check(document(validate(cells, FILLED, parents=half)))
    _check(document(validate(cells, shapely.box(99, 99, 100, 100), parents=half)))


def _check(record) -> None:
    schema = json.loads(
        resources.files("gridmap.coverage")
        .joinpath("schemas/validate.schema.json")
        .read_text(encoding="utf-8")
    )
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(json.dumps(record, allow_nan=False)), schema)


def test_junit_counts_what_failed():
    suite = ElementTree.fromstring(junit(found(QUARTERS[1:]), "en"))
    assert suite.attrib == {
        "name": "gridmap.validate", "tests": "2", "failures": "2", "errors": "0",
    }  # fmt: skip
    assert suite[0][0].attrib == {"message": "1 gap (25.0 m²)", "type": "failed"}
    assert ElementTree.fromstring(junit(found())).attrib["failures"] == "0"
    assert ElementTree.fromstring(junit(found(boundary=None))).attrib["errors"] == "1"


def test_what_goes_into_a_file_has_a_place_and_plain_columns():
    layer = exportable(found([*QUARTERS[1:], QUARTERS[1], None]))
    assert layer["kind"].tolist() == ["gap", "overlap"]
    assert layer["cells"].tolist() == ["", "0;3"]
