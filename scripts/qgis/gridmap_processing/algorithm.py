"""What the algorithms share: layers become files, a command runs, its results are styled."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, ClassVar

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputNumber,
    QgsProcessingOutputString,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterString,
    QgsProviderRegistry,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QUrl

from .language import pick
from .runner import FINDINGS, run

ADVANCED = QgsProcessingParameterDefinition.FlagAdvanced
OPTIONS, SENTENCE = "OPTIONS", "SENTENCE"


class GridmapAlgorithm(QgsProcessingAlgorithm):
    """One command of gridmap; a subclass names its parameters and puts its line together."""

    COMMAND = ""
    TITLE = ("", "")
    HELP = ("", "")

    def createInstance(self) -> GridmapAlgorithm:
        """Return another one."""
        return type(self)()

    def name(self) -> str:
        """Return the id behind `gridmap:`."""
        return self.COMMAND

    def displayName(self) -> str:
        """Return the name in the toolbox."""
        return pick(*self.TITLE)

    def shortHelpString(self) -> str:
        """Return what the dialog says at its side."""
        return pick(*self.HELP)

    def initAlgorithm(self, _: Any = None) -> None:
        """Declare the parameters, and the outputs that every command has."""
        self.declare()
        text = pick("其他命令行选项", "Further options of the command line")
        options = QgsProcessingParameterString(OPTIONS, text, optional=True)
        options.setFlags(options.flags() | ADVANCED)
        self.addParameter(options)
        self.addOutput(QgsProcessingOutputString(SENTENCE, pick("结论", "The answer")))
        self.addOutput(QgsProcessingOutputNumber("EXIT_CODE", pick("退出码", "Exit code")))

    def declare(self) -> None:
        """Declare the parameters of this command."""
        raise NotImplementedError

    def line(self, given: Given) -> list[str]:
        """Return the arguments behind the name of the command."""
        raise NotImplementedError

    def results(self, given: Given, document: dict[str, Any]) -> dict[str, Any]:
        """Return the outputs of this command."""
        return {}

    def sentence(self, document: dict[str, Any]) -> str:
        """Return the answer in words, in the language of QGIS."""
        raise NotImplementedError

    def processAlgorithm(
        self,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, Any]:
        """Run the command and pass on its answer."""
        given = Given(self, parameters, context, feedback)
        further = shlex.split(given.text(OPTIONS) or "")
        code, document = run([self.COMMAND, *self.line(given), *further], feedback)
        sentence = self.sentence(document)
        (feedback.pushWarning if code == FINDINGS else feedback.pushInfo)(sentence)
        return {SENTENCE: sentence, "EXIT_CODE": code, **self.results(given, document)}


class Given:
    """The parameters of a run, as the command line takes them."""

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> None:
        self._algorithm, self._parameters = algorithm, parameters
        self._context, self._feedback = context, feedback
        self._styles: list[Any] = []

    def layer(self, name: str, *, whole_file: bool = False) -> str | None:
        """Return a layer as `path:layer`, exported first if its provider is no file."""
        layer = self._algorithm.parameterAsVectorLayer(self._parameters, name, self._context)
        if layer is None:
            if self._parameters.get(name):
                raise QgsProcessingException(self._algorithm.invalidSourceError(
                    self._parameters, name))  # fmt: skip
            return None
        return self._spec(layer, whole_file) or ":".join(
            filter(None, self._algorithm.parameterAsCompatibleSourceLayerPathAndLayerName(
                self._parameters, name, self._context, ["gpkg"], "gpkg", self._feedback))
        )  # fmt: skip

    def layers(self, name: str) -> list[str]:
        """Return several layers, each of which must be a file."""
        found = self._algorithm.parameterAsLayerList(self._parameters, name, self._context)
        specs = [self._spec(layer, False) for layer in found or []]
        if None in specs:
            raise QgsProcessingException(pick("请先把这些图层另存为文件。",
                                              "Save these layers as files first."))  # fmt: skip
        return specs

    def _spec(self, layer: QgsVectorLayer, whole_file: bool) -> str | None:
        if layer.isModified():
            raise QgsProcessingException(
                pick(f"图层“{layer.name()}”有未保存的编辑，请先保存。",
                     f"The layer {layer.name()} has edits that are not saved. Save them first.")
            )  # fmt: skip
        if layer.providerType() == "delimitedtext":
            return QUrl(layer.source()).toLocalFile()
        if layer.providerType() != "ogr" or layer.subsetString():
            return None
        parts = QgsProviderRegistry.instance().decodeUri("ogr", layer.source())
        named = parts.get("layerName")
        return parts["path"] if whole_file or not named else f"{parts['path']}:{named}"

    def text(self, name: str) -> str:
        """Return a parameter of text, a file or a field."""
        return self._algorithm.parameterAsString(self._parameters, name, self._context)

    def choice(self, name: str, values: list[str]) -> str:
        """Return the value chosen."""
        return values[self._algorithm.parameterAsEnum(self._parameters, name, self._context)]

    def fields(self, name: str) -> list[str]:
        """Return the fields chosen."""
        return self._algorithm.parameterAsFields(self._parameters, name, self._context)

    def number(self, name: str) -> str | None:
        """Return a whole number, None where none was given."""
        if self._parameters.get(name) is None:
            return None
        return str(self._algorithm.parameterAsInt(self._parameters, name, self._context))

    def option(self, flag: str, value: str | None) -> list[str]:
        """Return an option with its value, nothing without one."""
        return [flag, value] if value else []

    def output(self, name: str, style: Callable[[QgsVectorLayer], None] | None = None) -> str:
        """Return the path of a layer to write, which gets its style when QGIS opens it."""
        path = self._algorithm.parameterAsOutputLayer(self._parameters, name, self._context)
        if style is not None and self._context.willLoadLayerOnCompletion(path):
            details = self._context.layerToLoadOnCompletionDetails(path)
            details.setPostProcessor(_Styling.of(style))
        return path

    def file(self, name: str) -> str:
        """Return the path of a file to write that is no layer."""
        return self._algorithm.parameterAsFileOutput(self._parameters, name, self._context)


class _Styling(QgsProcessingLayerPostProcessorInterface):
    """Gives a layer its style after it was opened."""

    kept: ClassVar[list[_Styling]] = []  # QGIS holds no reference of its own

    @classmethod
    def of(cls, style: Callable[[QgsVectorLayer], None]) -> _Styling:
        made = cls()
        made.style = style
        cls.kept.append(made)
        return made

    def postProcessLayer(self, layer: QgsVectorLayer, *_: Any) -> None:
        self.style(layer)
        layer.triggerRepaint()
