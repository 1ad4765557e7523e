"""The provider that lists the algorithms, and the setting of where gridmap is installed."""

from __future__ import annotations

from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsApplication, QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms import ALGORITHMS
from .language import pick
from .runner import SETTING


class Plugin:
    """Adds the provider while the plugin is on."""

    def __init__(self) -> None:
        self._provider: Provider | None = None

    def initProcessing(self) -> None:
        """Add the provider; qgis_process calls this alone."""
        self._provider = Provider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:
        """Add the provider in QGIS Desktop."""
        self.initProcessing()

    def unload(self) -> None:
        """Take the provider away."""
        if self._provider is not None:
            QgsApplication.processingRegistry().removeProvider(self._provider)


class Provider(QgsProcessingProvider):
    """gridmap's algorithms."""

    def load(self) -> bool:
        """Offer the setting, then the algorithms."""
        title = pick("gridmap 命令的路径（留空则从 PATH 查找）",
                     "Path of the gridmap command (empty: look on PATH)")  # fmt: skip
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        ProcessingConfig.addSetting(Setting(self.name(), SETTING, title, ""))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Take the setting away."""
        ProcessingConfig.removeSetting(SETTING)

    def loadAlgorithms(self) -> None:
        """List the algorithms."""
        for algorithm in ALGORITHMS:
            self.addAlgorithm(algorithm())

    def id(self) -> str:
        """Return the prefix of each algorithm's id."""
        return "gridmap"

    def name(self) -> str:
        """Return the name in the toolbox."""
        return "gridmap"

    def icon(self) -> QIcon:
        """Return the picture in the toolbox."""
        return QIcon(str(Path(__file__).parent / "icon.svg"))
