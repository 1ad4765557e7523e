"""How results look in QGIS: cells by households, defects by kind, hotspots by class."""

from __future__ import annotations

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsFillSymbol,
    QgsRendererCategory,
    QgsRuleBasedRenderer,
    QgsSymbol,
    QgsVectorLayer,
    QgsWkbTypes,
)
from qgis.PyQt.QtGui import QColor

from .language import pick

LINE = "#ffffff"
DEFECTS = {
    "gap": ("空白", "gap", "#b2182b"),
    "overlap": ("重叠", "overlap", "#e08214"),
    "outside": ("超出边界", "outside the boundary", "#762a83"),
    "t-junction": ("顶点未对齐", "unmatched vertex", "#7f8c8d"),
}
HOT = {
    3: ("热点 99%", "hotspot, 99 %", "#b2182b"),
    2: ("热点 95%", "hotspot, 95 %", "#ef8a62"),
    1: ("热点 90%", "hotspot, 90 %", "#fddbc7"),
    0: ("不显著", "not significant", "#e6e9eb"),
    -1: ("冷点 90%", "cold spot, 90 %", "#d1e5f0"),
    -2: ("冷点 95%", "cold spot, 95 %", "#67a9cf"),
    -3: ("冷点 99%", "cold spot, 99 %", "#2166ac"),
}
STATUSES = {
    "inside": ("格内", "inside", "#2166ac"),
    "boundary": ("共用边上", "on a shared edge", "#67a9cf"),
    "rim": ("外边界上", "on the rim", "#8da0a8"),
    "outside": ("边界外", "outside", "#b2182b"),
    "invalid": ("坐标无效", "no valid place", "#7f8c8d"),
}


def defects(layer: QgsVectorLayer) -> None:
    """Colour defects by kind, with a line wide enough to see a sliver."""
    _categorise(layer, "kind", DEFECTS, width="0.8", other="#c51b7d")


def hotspots(layer: QgsVectorLayer) -> None:
    """Colour cells by their class, from cold to hot."""
    _categorise(layer, "bin", HOT, width="0.1", other="#f4f4f4")


def assigned(layer: QgsVectorLayer) -> None:
    """Colour incidents by how they lie."""
    _categorise(layer, "status", STATUSES, width="0.1", other="#7f8c8d")


def cells(layer: QgsVectorLayer) -> None:
    """Colour cells by their households against 300 to 600, dedicated cells apart."""
    home = '"kind" <> \'dedicated\' AND "households"'
    rules = [
        (f"{home} < 300", pick("不足 300 户", "fewer than 300 households"), "#b2abd2"),
        (f'{home} >= 300 AND "households" <= 399', "300–399", "#d9e4ea"),
        (f'{home} >= 400 AND "households" <= 499', "400–499", "#a9c1cf"),
        (f'{home} >= 500 AND "households" <= 600', "500–600", "#7799ac"),
        (f"{home} > 600", pick("超过 600 户", "more than 600 households"), "#e08214"),
        ("\"kind\" = 'dedicated'", pick("专属网格", "dedicated"), "#e3e0d3"),
        ("ELSE", pick("其他", "other"), "#f4f4f4"),
    ]
    root = QgsRuleBasedRenderer.Rule(None)
    for condition, label, color in rules:
        rule = QgsRuleBasedRenderer.Rule(_symbol(layer, color, "0.2"), label=label)
        rule.setFilterExpression(condition)
        root.appendChild(rule)
    layer.setRenderer(QgsRuleBasedRenderer(root))


def _categorise(
    layer: QgsVectorLayer,
    field: str,
    classes: dict[object, tuple[str, str, str]],
    *,
    width: str,
    other: str,
) -> None:
    """Give each value its colour; without the field the layer keeps QGIS's own style."""
    if layer.fields().indexOf(field) < 0:
        return
    rows = [
        QgsRendererCategory(value, _symbol(layer, color, width), pick(zh, en))
        for value, (zh, en, color) in classes.items()
    ]
    rest = pick("其他", "other")
    rows.append(QgsRendererCategory(None, _symbol(layer, other, width), rest))
    layer.setRenderer(QgsCategorizedSymbolRenderer(field, rows))


def _symbol(layer: QgsVectorLayer, color: str, width: str) -> QgsSymbol:
    if layer.geometryType() == QgsWkbTypes.PolygonGeometry:
        line = color if float(width) > 0.5 else LINE
        return QgsFillSymbol.createSimple(
            {"color": color, "outline_color": line, "outline_width": width}
        )
    symbol = QgsSymbol.defaultSymbol(layer.geometryType())
    symbol.setColor(QColor(color))
    return symbol
