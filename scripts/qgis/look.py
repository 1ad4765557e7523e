"""Render a layer as the plugin styles it; run by QGIS's own Python.

QT_QPA_PLATFORM=offscreen /usr/bin/python3 scripts/qgis/look.py LAYER STYLE PICTURE.png
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from gridmap_processing import styles
from qgis.core import (
    QgsApplication,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def main(source: str, style: str, picture: str) -> None:
    """Write the picture, and say how many features each class draws."""
    application = QgsApplication([], False)
    application.initQgis()
    layer = QgsVectorLayer(source, style, "ogr")
    if not layer.isValid():
        sys.exit(f"{source}: no layer")
    getattr(styles, style)(layer)
    counter = layer.countSymbolFeatures()
    counter.waitForFinished()
    for item in layer.renderer().legendSymbolItems():
        print(item.label(), counter.featureCount(item.ruleKey()), sep="\t")
    settings = QgsMapSettings()
    settings.setLayers([layer])
    extent = layer.extent()
    extent.scale(1.05)
    settings.setExtent(extent)
    settings.setDestinationCrs(layer.crs())
    settings.setOutputSize(QSize(900, 700))
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(picture)
    sys.stdout.flush()
    os._exit(0)  # what Qt and Python tear down at the end, they tear down in no safe order


if __name__ == "__main__":
    main(*sys.argv[1:4])
