"""The six algorithms: each declares its parameters and puts one command line together."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsProcessing,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterEnum,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingParameterVectorLayer,
)

from . import styles
from .algorithm import Given, GridmapAlgorithm
from .language import lang, pick

AREAS = [QgsProcessing.TypeVectorPolygon]
ANY = [QgsProcessing.TypeVector]
DATUMS = ["", "wgs84", "cgcs2000", "gcj02", "bd09"]
POLICIES = ["longest-border", "fewest-households"]
BOUNDARY = ("边界（网格文件自带；留空则由网格推出）",
            "Boundary (a grid file brings its own; empty: derived from the cells)")  # fmt: skip


def _layer(name: str, zh: str, en: str, kinds: list[Any] = AREAS, *, optional: bool = False) -> Any:
    return QgsProcessingParameterVectorLayer(name, pick(zh, en), kinds, optional=optional)


def _field(name: str, zh: str, en: str, parent: str, *, several: bool = False) -> Any:
    return QgsProcessingParameterField(
        name, pick(zh, en), parentLayerParameterName=parent, allowMultiple=several, optional=True
    )


def _whole(name: str, zh: str, en: str, default: int | None, least: int = 0) -> Any:
    return QgsProcessingParameterNumber(
        name, pick(zh, en), defaultValue=default, minValue=least, optional=default is None
    )


def _out(name: str, zh: str, en: str, *, optional: bool = False) -> Any:
    return QgsProcessingParameterVectorDestination(
        name, pick(zh, en), optional=optional, createByDefault=True
    )


def _grid() -> Any:
    return _layer("GRID", "网格文件（其中任一图层）", "Grid file (any layer of it)", ANY)


def _incidents() -> list[Any]:
    return [
        _layer("INCIDENTS", "事件（点图层或表）", "Incidents (points, or a table)", ANY),
        _field("X", "经度或横坐标列", "Column of longitude or easting", "INCIDENTS"),
        _field("Y", "纬度或纵坐标列", "Column of latitude or northing", "INCIDENTS"),
        QgsProcessingParameterEnum(
            "DATUM", pick("坐标系", "Datum of the coordinates"), DATUMS, defaultValue=0
        ),
    ]


def _incident_line(given: Given) -> list[str]:
    return [
        *(given.layer("GRID", whole_file=True), given.layer("INCIDENTS")),
        *given.option("--x", given.text("X")),
        *given.option("--y", given.text("Y")),
        *given.option("--datum", given.choice("DATUM", DATUMS)),
    ]


class Validate(GridmapAlgorithm):
    """gridmap validate."""

    COMMAND = "validate"
    TITLE = ("证明网格", "Validate cells")
    HELP = (
        "证明网格恰好铺满边界，无空白、无交叉；否则逐项列出缺陷的类别、位置和大小。",
        "Prove that cells tile their boundary exactly, or show every defect by kind, place and "
        "size.",
    )

    def declare(self) -> None:
        """Declare the parameters of `validate`."""
        self.addParameter(_layer("CELLS", "网格", "Cells"))
        self.addParameter(_layer("BOUNDARY", *BOUNDARY, optional=True))
        self.addParameter(_field("CODE", "编码列", "Column of the codes", "CELLS"))
        self.addParameter(_out("DEFECTS", "缺陷", "Defects"))
        self.addOutput(QgsProcessingOutputString("VERDICT", pick("结论代码", "Verdict")))
        self.addOutput(QgsProcessingOutputNumber("FINDINGS", pick("缺陷数", "Findings")))

    def line(self, given: Given) -> list[str]:
        """Return the arguments of `validate`."""
        boundary = given.layer("BOUNDARY")
        cells = given.layer("CELLS")
        path, _, name = cells.rpartition(":")
        if boundary is None and name == "cells" and path.endswith(".gpkg"):
            cells = path  # a grid file, which is proved with what it holds
        elif boundary is None and not cells.endswith(".gpkg"):
            boundary = "outline"
        return [
            cells,
            *given.option("--boundary", boundary),
            *given.option("--code", given.text("CODE")),
            *("--defects", given.output("DEFECTS", styles.defects), "--overwrite"),
        ]

    def sentence(self, document: dict[str, Any]) -> str:
        """Return the answer in words."""
        return str(document["sentence"][lang()])

    def results(self, given: Given, document: dict[str, Any]) -> dict[str, Any]:
        """Return the layer of defects, the verdict and the number of findings."""
        return {
            "DEFECTS": given.output("DEFECTS"),
            "VERDICT": document["verdict"],
            "FINDINGS": document["findings"],
        }


class Partition(GridmapAlgorithm):
    """gridmap partition."""

    COMMAND = "partition"
    TITLE = ("划分网格", "Partition into cells")
    HELP = (
        "把辖区划分为连通的网格，户数在上下限之间，并证明无空白、无交叉。给住户点或面，或给不可分割的单元。",
        "Cut jurisdictions into connected cells within the band of households, proved gapless. "
        "Give households, or units that are never split.",
    )

    def declare(self) -> None:
        """Declare the parameters of `partition`."""
        several = QgsProcessingParameterMultipleLayers
        levels = ("层级列，由粗到细", "Columns of the hierarchy, coarse to fine")
        for one in (
            _layer("JURISDICTIONS", "辖区", "Jurisdictions"),
            _layer("HOUSEHOLDS", "楼栋或住户", "Buildings or households", ANY, optional=True),
            _layer("UNITS", "不可分割的单元", "Units that are never split", optional=True),
            _field("COUNT", "户数列", "Column of households", "HOUSEHOLDS"),
            several("BARRIERS", pick("道路、河流、铁路", "Streets, rivers, railways"),
                    QgsProcessing.TypeVector, optional=True),
            _layer("DEDICATED", "专属网格（学校、市场、公园）",
                   "Dedicated areas (schools, markets, parks)", optional=True),
            _field("LEVELS", *levels, "JURISDICTIONS", several=True),
            _field("CODE", "辖区编码列", "Column of the jurisdictions' codes", "JURISDICTIONS"),
            _whole("MIN", "每格最少户数", "Least households of a cell", 300, 1),
            _whole("MAX", "每格最多户数", "Most households of a cell", 600, 1),
            _whole("SEED", "随机种子", "Seed", 0),
            _layer("KEEP", "尽量保持的现有网格", "Grid to change as little as possible", ANY,
                   optional=True),
            _out("GRID", "网格文件", "Grid file"),
        ):  # fmt: skip
            self.addParameter(one)
        self.addOutput(QgsProcessingOutputNumber("CELLS", pick("网格数", "Number of cells")))

    def line(self, given: Given) -> list[str]:
        """Return the arguments of `partition`."""
        line = [given.layer("JURISDICTIONS")]
        for name in ("HOUSEHOLDS", "UNITS", "DEDICATED"):
            line += given.option(f"--{name.lower()}", given.layer(name))
        for barrier in given.layers("BARRIERS"):
            line += ["--barriers", barrier]
        for level in given.fields("LEVELS"):
            line += ["--level", level]
        for name in ("MIN", "MAX", "SEED"):
            line += given.option(f"--{name.lower()}", given.number(name))
        line += given.option("--count", given.text("COUNT"))
        line += given.option("--code", given.text("CODE"))
        line += given.option("--keep", given.layer("KEEP", whole_file=True))
        return [*line, "-o", given.output("GRID", styles.cells), "--overwrite"]

    def sentence(self, document: dict[str, Any]) -> str:
        """Return the answer in words."""
        made, within = document["cells"], document["in_band"]
        return pick(f"{made} 个网格，其中 {within} 个户数在区间内，已证明。",
                    f"{made} cells, {within} of them in the band, proved.")  # fmt: skip

    def results(self, given: Given, document: dict[str, Any]) -> dict[str, Any]:
        """Return the grid file and how many cells it has."""
        return {"GRID": given.output("GRID"), "CELLS": document["cells"]}


class Repair(GridmapAlgorithm):
    """gridmap repair."""

    COMMAND = "repair"
    TITLE = ("修复网格", "Repair cells")
    HELP = (
        "只修空白、重叠和未对齐的顶点，其余一律不动；修好并证明之后才写出。",
        "Mend gaps, overlaps and unmatched vertices and touch nothing else; written only when "
        "proved.",
    )

    def declare(self) -> None:
        """Declare the parameters of `repair`."""
        self.addParameter(_layer("CELLS", "网格", "Cells"))
        self.addParameter(_layer("BOUNDARY", *BOUNDARY, optional=True))
        self.addParameter(_field("CODE", "编码列", "Column of the codes", "CELLS"))
        self.addParameter(
            QgsProcessingParameterEnum(
                "POLICY", pick("重叠归谁", "Who gets an overlap"), POLICIES, defaultValue=0
            )
        )
        self.addParameter(_out("REPAIRED", "修复后的网格", "Repaired cells"))
        self.addParameter(
            QgsProcessingParameterFileDestination(
                "LOG", pick("改动清单", "List of changes"), "CSV (*.csv)", optional=True,
                createByDefault=False,
            )
        )  # fmt: skip

    def line(self, given: Given) -> list[str]:
        """Return the arguments of `repair`."""
        return [
            given.layer("CELLS"),
            *("--boundary", given.layer("BOUNDARY") or "outline"),
            *given.option("--code", given.text("CODE")),
            *("--policy", given.choice("POLICY", POLICIES)),
            *given.option("--log", given.file("LOG")),
            *("-o", given.output("REPAIRED", styles.cells), "--overwrite"),
        ]

    def sentence(self, document: dict[str, Any]) -> str:
        """Return the answer in words."""
        changed = len(document["log"])
        return pick(f"改动 {changed} 个网格，其余一律未动。",
                    f"Cells changed: {changed}; everything else is as it was.")  # fmt: skip

    def results(self, given: Given, document: dict[str, Any]) -> dict[str, Any]:
        """Return the layer of mended cells."""
        return {"REPAIRED": given.output("REPAIRED")}


class Assign(GridmapAlgorithm):
    """gridmap assign."""

    COMMAND = "assign"
    TITLE = ("事件归格", "Assign incidents")
    HELP = (
        "每起事件归入唯一的一个网格；格外的给出最近的网格和距离。",
        "Give every incident exactly one cell; those outside get the nearest and the distance.",
    )

    def declare(self) -> None:
        """Declare the parameters of `assign`."""
        for one in (_grid(), *_incidents(), _out("ASSIGNED", "归格结果", "Assigned incidents")):
            self.addParameter(one)

    def line(self, given: Given) -> list[str]:
        """Return the arguments of `assign`."""
        output = given.output("ASSIGNED", styles.assigned)
        return [*_incident_line(given), "-o", output, "--overwrite"]

    def sentence(self, document: dict[str, Any]) -> str:
        """Return the answer in words."""
        counts = [f"{document[key]} {pick(zh, en)}" for key, (zh, en, _) in styles.STATUSES.items()]
        return f"{document['read']} {pick('读入', 'read')} = {' + '.join(counts)}"

    def results(self, given: Given, document: dict[str, Any]) -> dict[str, Any]:
        """Return the layer of incidents."""
        return {"ASSIGNED": given.output("ASSIGNED")}


class Hotspots(GridmapAlgorithm):
    """gridmap hotspots."""

    COMMAND = "hotspots"
    TITLE = ("识别热点", "Find hotspots")
    HELP = (
        "找出事件多于偶然的网格：按住户数算率，校正偏度和多重检验；判断不了的写明原因。",
        "Find cells with more incidents than chance explains: rates by households, corrected for "
        "skew and for many tests.",
    )

    def declare(self) -> None:
        """Declare the parameters of `hotspots`."""
        text = QgsProcessingParameterString
        for one in (
            _grid(),
            *_incidents(),
            text("SINCE", pick("起始日", "First day"), optional=True),
            text("UNTIL", pick("截止日", "Last day"), optional=True),
            _out("HOTSPOTS", "热点", "Hotspots"),
        ):
            self.addParameter(one)

    def line(self, given: Given) -> list[str]:
        """Return the arguments of `hotspots`."""
        return [
            *_incident_line(given),
            *given.option("--since", given.text("SINCE")),
            *given.option("--until", given.text("UNTIL")),
            *("-o", given.output("HOTSPOTS", styles.hotspots), "--overwrite"),
        ]

    def sentence(self, document: dict[str, Any]) -> str:
        """Return the answer in words."""
        told = document.get("sentence", document["hotspots"].get("sentence", ""))
        return str(told.get(lang(), "") if isinstance(told, dict) else told)

    def results(self, given: Given, document: dict[str, Any]) -> dict[str, Any]:
        """Return the layer of scored cells."""
        return {"HOTSPOTS": given.output("HOTSPOTS")}


class Apply(GridmapAlgorithm):
    """gridmap apply."""

    COMMAND = "apply"
    TITLE = ("应用手工改动", "Apply changes made by hand")
    HELP = (
        "把编辑页面导出的改动应用到网格文件，并重新证明。",
        "Apply the changes that the editing page saved to a grid file, and prove it anew.",
    )

    def declare(self) -> None:
        """Declare the parameters of `apply`."""
        title = pick("改动文件", "File of changes")
        changes = QgsProcessingParameterFile("CHANGES", title, extension="json")
        for one in (_grid(), changes, _out("NEW", "新网格文件", "New grid file")):
            self.addParameter(one)

    def line(self, given: Given) -> list[str]:
        """Return the arguments of `apply`."""
        output = given.output("NEW", styles.cells)
        grid = given.layer("GRID", whole_file=True)
        return [grid, given.text("CHANGES"), "-o", output, "--overwrite"]

    def sentence(self, document: dict[str, Any]) -> str:
        """Return the answer in words."""
        return pick(
            "改动已应用，新网格已证明。", "The changes are applied, the new grid is proved."
        )

    def results(self, given: Given, document: dict[str, Any]) -> dict[str, Any]:
        """Return the new grid file."""
        return {"NEW": given.output("NEW")}


ALGORITHMS = (Partition, Validate, Repair, Assign, Hotspots, Apply)
