"""Render the layers of a grid file as QGIS shows them with its .qml; run by QGIS's own Python.

QT_QPA_PLATFORM=offscreen /usr/bin/python3 scripts/look_in_qgis.py grid.gpkg grid.qml FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def main(grid: str, style: str, folder: str) -> None:
    """Write a picture a layer, and say how many features each rule draws."""
    application = QgsApplication([], False)
    application.initQgis()
    for name in ("cells", "jurisdictions", "units"):
        layer = QgsVectorLayer(f"{grid}|layername={name}", name, "ogr")
        told, good = layer.loadNamedStyle(style)
        if not (layer.isValid() and good):
            sys.exit(f"{name}: {told or 'no such layer'}")
        for key, count in _counts(layer).items():
            print(name, key, count, sep="\t")
        _render(layer, Path(folder) / f"{name}.png")
    application.exitQgis()


def _counts(layer: QgsVectorLayer) -> dict[str, int]:
    counter = layer.countSymbolFeatures()
    counter.waitForFinished()
    legend = layer.renderer().legendSymbolItems()
    return {item.label(): counter.featureCount(item.ruleKey()) for item in legend}


def _render(layer: QgsVectorLayer, path: Path) -> None:
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setExtent(layer.extent())
    settings.setDestinationCrs(layer.crs())
    settings.setOutputSize(QSize(900, 700))
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(str(path))


if __name__ == "__main__":
    main(*sys.argv[1:4])
