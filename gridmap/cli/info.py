"""gridmap info: look into a file before using it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _shell

if TYPE_CHECKING:
    from gridmap.io.look import Layer


@_shell.command(name="info")
@click.argument("file", metavar="FILE")
@click.option("--against", metavar="FILE", help="Jurisdictions that the positions should lie in.")
@click.option("--datum", default="wgs84", help="Datum to hold against them.")
@_shell.crs_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell, file: str, against: str | None, datum: str, crs: str | None, as_json: bool
) -> None:
    """Tell what FILE holds, how each column would be understood, and what seems wrong."""
    from gridmap.io.look import alarm_against, look

    layers = look(file)
    alarm = alarm_against(file, against, datum=datum, crs=crs) if against else None
    if as_json:
        shell.emit_json(
            {
                "schema": "gridmap.info/1",
                "file": file,
                "layers": [layer.as_dict(shell.lang) for layer in layers],  # type: ignore[arg-type]
                "datum_alarm": None if alarm is None else vars(alarm),
            }
        )
        return
    for layer in layers:
        shell.answer("\n".join(_lines(shell, layer)))
    if alarm is not None:
        shell.answer("! " + alarm.sentence(shell.lang))  # type: ignore[arg-type]


def _lines(shell: _shell.Shell, layer: Layer) -> list[str]:
    facts = [
        f"{layer.features:,} " + shell.pick("行", "rows"),
        layer.geometry or shell.pick("无几何", "no geometry"),
        layer.crs or (shell.pick("无坐标系", "no CRS") if layer.geometry else ""),
        layer.encoding,
    ]
    if layer.extent is not None:
        facts.append("[" + ", ".join(f"{v:.10g}" for v in layer.extent) + "]")
    if layer.reads_as:
        facts.append(shell.pick("读作 ", "reads as ") + layer.reads_as)
    lines = [f"{layer.name}: " + ", ".join(fact for fact in facts if fact)]
    width = max((_columns_wide(column.name) for column in layer.columns), default=0)
    lines += [_column_line(shell, column, width) for column in layer.columns]
    chosen = 0 if shell.lang == "zh" else 1
    return lines + [f"  ! {note[chosen]}" for note in layer.suspicions]


def _column_line(shell: _shell.Shell, column: Any, width: int) -> str:
    pad = " " * (width - _columns_wide(column.name))
    line = f"  {column.name}{pad}  {column.kind:<10}"
    if column.field:
        line += f"  → {column.field}"
    if column.personal:
        line += shell.pick(
            f"  ！疑似个人信息（{column.personal}），不进入地图",
            f"  ! looks personal ({column.personal}), never reaches a map",
        )
    return line.rstrip()


def _columns_wide(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if ord(character) > 0x2E80 else 1 for character in text)
