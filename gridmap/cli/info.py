"""gridmap info: look into a file before using it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _shell

if TYPE_CHECKING:
    from gridmap.io.inspect import Layer


_TABLES = {"jurisdiction": "辖区", "building": "楼栋", "cell": "网格", "incident": "事件",
           "staff": "人员", "barrier": "道路河流", "dedicated": "专属区域"}  # fmt: skip
_SHAPES = {"Point": "点", "LineString": "线", "Polygon": "面", "MultiPoint": "多点",
           "MultiLineString": "多段线", "MultiPolygon": "多部件面"}  # fmt: skip
_KINDS = {"str": "文字", "int": "整数", "float": "小数", "bool": "是否", "date": "日期"}
_REASONS = {"heading": "列名", "identity number": "身份证号", "mobile number": "手机号",
            "telephone number": "电话号码", "e-mail address": "邮箱",
            "name of a person": "人名"}  # fmt: skip


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
    from gridmap.io.inspect import alarm_against, look

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
    zh = shell.lang == "zh"
    shape = "/".join(_SHAPES.get(part, part) for part in layer.geometry.split("/"))
    table = _TABLES.get(layer.reads_as, "")
    facts = [
        f"{layer.features:,} " + shell.pick("行", "rows"),
        (shape if zh else layer.geometry) or shell.pick("无几何", "no geometry"),
        layer.crs or (shell.pick("无坐标系", "no CRS") if layer.geometry else ""),
        layer.encoding,
        shell.pick("范围 ", "") + _box(layer.extent) if layer.extent is not None else "",
        shell.pick(f"像是{table}表", f"reads as {layer.reads_as}") if layer.reads_as else "",
    ]
    lines = [layer.name + shell.pick("：", ": ") + shell.pick("，", ", ").join(filter(None, facts))]
    width = max((_columns_wide(column.name) for column in layer.columns), default=0)
    lines += [_column_line(shell, column, width) for column in layer.columns]
    return lines + [f"  ! {note[0 if zh else 1]}" for note in layer.suspicions]


def _box(extent: tuple[float, ...]) -> str:
    """Write degrees to a decimetre, metres to a millimetre."""
    digits = 6 if max(map(abs, extent)) <= 360 else 3
    return "[" + ", ".join(f"{v:.{digits}f}".rstrip("0").rstrip(".") for v in extent) + "]"


def _column_line(shell: _shell.Shell, column: Any, width: int) -> str:
    kind = column.kind
    if shell.lang == "zh":
        kind = _KINDS.get(kind.rstrip("0123456789"), "时间" if "datetime" in kind else kind)
    pads = [" " * (width - _columns_wide(column.name)), " " * (10 - _columns_wide(kind))]
    line = f"  {column.name}{pads[0]}  {kind}{pads[1]}"
    if column.field:
        line += f"  → {column.field}"
    if column.personal:
        line += shell.pick(
            f"  ！疑似个人信息（{_REASONS.get(column.personal, column.personal)}），不进入地图",
            f"  ! looks personal ({column.personal}), never reaches a map",
        )
    return line.rstrip()


def _columns_wide(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if ord(character) > 0x2E80 else 1 for character in text)
