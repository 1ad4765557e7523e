"""Progress for a program that shows it itself, such as the QGIS plugin."""

from __future__ import annotations

from gridmap.cli._shell import Shell


def test_progress_is_a_line_with_tabs_when_asked_for(monkeypatch, capsys):
    monkeypatch.setenv("GRIDMAP_PROGRESS", "lines")
    Shell().progress()("solve", 3, 11)
    assert capsys.readouterr().err == "progress\tsolve\t3\t11\n"


def test_without_a_terminal_there_is_none(monkeypatch, capsys):
    monkeypatch.delenv("GRIDMAP_PROGRESS", raising=False)
    Shell().progress()("solve", 3, 11)
    assert capsys.readouterr().err == ""
