"""Run the gridmap command line outside QGIS's own Python, and pass on what it says."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import QgsProcessingException, QgsProcessingFeedback

from .language import lang, pick

SETTING = "GRIDMAP_COMMAND"
FOREIGN = ("PYTHON", "GDAL_", "PROJ_", "QT_", "QGIS_", "GISBASE", "OSGEO")
"""How variables begin that belong to QGIS and mislead another Python."""
PASSED, FINDINGS, BUG = 0, 1, 70


def run(arguments: Sequence[str], feedback: QgsProcessingFeedback) -> tuple[int, dict[str, Any]]:
    """Run one command with --json; return its exit code, 0 or 1, and its document.

    Raises
    ------
    QgsProcessingException
        With what the command says, when it could not do its work or was cancelled.
    """
    command = [find_command(), "--lang", lang(), *arguments, "--json"]
    feedback.pushCommandInfo(subprocess.list2cmdline(command))
    hidden = {"creationflags": subprocess.CREATE_NO_WINDOW} if os.name == "nt" else {}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment(),
        **hidden,
    )
    with process:
        answer, last = _follow(process, feedback)
    if feedback.isCanceled():
        raise QgsProcessingException(pick("已取消，没有写出任何文件。",
                                          "Cancelled; nothing was written."))  # fmt: skip
    if process.returncode not in (PASSED, FINDINGS):
        raise QgsProcessingException(last or f"gridmap: {process.returncode}")
    return process.returncode, json.loads(answer)


def find_command() -> str:
    """Return the path of the command: from the setting, the environment or PATH."""
    named = ProcessingConfig.getSetting(SETTING) or os.environ.get(SETTING)
    found = shutil.which(named or "gridmap")
    if found is None:
        raise QgsProcessingException(
            pick(
                f"找不到命令 {named or 'gridmap'}。请在独立环境中安装（pipx install gridmap-gis），"
                "并在“设置 → 选项 → 处理 → 数据源 → gridmap”中填写其路径。",
                f"There is no command {named or 'gridmap'}. Install it in an environment of its "
                "own (pipx install gridmap-gis) and give its path under Settings > Options > "
                "Processing > Providers > gridmap.",
            )
        )
    return found


def environment() -> dict[str, str]:
    """Return the environment without what QGIS set for its own Python and libraries."""
    kept = {k: v for k, v in os.environ.items() if not k.upper().startswith(FOREIGN)}
    return {**kept, "PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8", "GRIDMAP_PROGRESS": "lines"}


def _follow(process: subprocess.Popen[str], feedback: QgsProcessingFeedback) -> tuple[str, str]:
    """Pass on the news as they come; return the answer and the last line of news."""
    news: queue.Queue[str | None] = queue.Queue()
    answer: list[str] = []

    def listen() -> None:
        for line in process.stderr:
            news.put(line.rstrip())
        news.put(None)

    threads = [
        threading.Thread(target=listen, daemon=True),
        threading.Thread(target=lambda: answer.append(process.stdout.read()), daemon=True),
    ]
    for thread in threads:
        thread.start()
    last = ""
    while True:
        if feedback.isCanceled():
            process.terminate()
        try:
            line = news.get(timeout=0.2)
        except queue.Empty:
            continue
        if line is None:
            break
        if line and not _progress(line, feedback):
            last = line
            feedback.pushInfo(line)
    for thread in threads:
        thread.join()
    process.wait()
    return "".join(answer), last


def _progress(line: str, feedback: QgsProcessingFeedback) -> bool:
    """Tell whether a line is progress, and show it if so."""
    parts = line.split("\t")
    if len(parts) != 4 or parts[0] != "progress":
        return False
    stage, done, total = parts[1], int(parts[2]), int(parts[3])
    feedback.setProgressText(stage)
    if total:
        feedback.setProgress(100 * done / total)
    return True
