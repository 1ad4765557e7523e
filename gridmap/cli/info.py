"""gridmap info and example: look into a file, or write a made-up city to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap._checks import shape_name
from gridmap.cli import _options, _shell
from gridmap.language import tr
from gridmap.privacy import REASONS

if TYPE_CHECKING:
    from gridmap.io.inspect import Layer


_KINDS = {"str": "文字", "int": "整数", "float": "小数", "bool": "是否", "date": "日期"}


@_shell.command(name="info")
@click.argument("file", metavar="FILE")
@click.option("--against", metavar="FILE", help="Jurisdictions that the positions should lie in.")
@_options.case_options
@_options.time_option
@_shell.crs_option
@_shell.json_option
@click.pass_obj
def info_command(
    shell: _shell.Shell,
    file: str,
    against: str | None,
    where: dict[str, Any],
    crs: str | None,
    as_json: bool,
) -> int:
    """Tell what FILE holds, how each column would be understood, and what seems wrong.

    Incidents are read as every command reads them, with the same options. Ends with 1 when a
    table or layer of them would be refused as it is; the reason is told.
    """
    from gridmap.io.inspect import held_against, look

    layers = look(file, **where)
    held = held_against(file, against, crs=crs, **where) if against else None
    inside, known, alarm = held or (0, 0, None)
    readings = [layer.reading.as_dict(file, shell.lang) for layer in layers if layer.reading]
    shell.readings.extend(readings)
    refused = int(any(layer.refused for layer in layers))
    if as_json:
        shell.emit_json(
            {
                "schema": "gridmap.info/1",
                "file": file,
                "layers": [layer.as_dict(shell.lang) for layer in layers],
                "against": held and {"file": against, "inside": inside, "known": known},
                "datum_alarm": None if alarm is None else vars(alarm),
            }
        )
        return refused
    for layer in layers:
        shell.answer("\n".join(_lines(shell, layer)))
    if held is not None:
        told = tr("{inside:,} of {known:,} {known:position lies|positions lie} in {file}",
                  inside=inside, known=known, file=against)  # fmt: skip
        shell.answer(told)
    if alarm is not None:
        shell.answer("! " + alarm.message().text(shell.lang))
    return refused


def _lines(shell: _shell.Shell, layer: Layer) -> list[str]:
    from gridmap.io.columns import TABLE_NAMES, stated

    shape = "/".join(str(shape_name(part)) for part in layer.geometry.split("/"))
    facts = [
        tr("{n:,} {n:row|rows}", n=layer.features),
        shape or tr("no geometry"),
        layer.crs or (tr("no CRS") if layer.geometry else ""),
        layer.encoding,
        tr("extent {box}", box=_box(layer.extent)) if layer.extent is not None else "",
        tr("reads as {table}", table=TABLE_NAMES[layer.reads_as]) if layer.reads_as else "",
    ]
    clauses = tr(", ", context="clauses").join(filter(None, facts))
    lines = [tr("{name}: {text}", name=layer.name, text=clauses)]
    if layer.reading is not None:
        lines.append("  " + str(stated(layer.reading.stated)))
    width = max((_columns_wide(column.name) for column in layer.columns), default=0)
    lines += [_column_line(shell, column, width) for column in layer.columns]
    return lines + [f"  ! {note}" for note in layer.suspicions]


def _box(extent: tuple[float, ...]) -> str:
    """Write degrees to a decimetre, metres to a millimetre, what is beyond any place briefly."""
    digits = 6 if max(map(abs, extent)) <= 360 else 3
    shown = (f"{v:.{digits}f}".rstrip("0").rstrip(".") if abs(v) < _FAR else f"{v:g}"
             for v in extent)  # fmt: skip
    return "[" + ", ".join(shown) + "]"


def _column_line(shell: _shell.Shell, column: Any, width: int) -> str:
    kind = column.kind
    if shell.lang == "zh":
        kind = _KINDS.get(kind.rstrip("0123456789"), "时间" if "datetime" in kind else kind)
    pads = [" " * (width - _columns_wide(column.name)), " " * (10 - _columns_wide(kind))]
    line = f"  {column.name}{pads[0]}  {kind}{pads[1]}"
    if column.field:
        line += f"  → {column.field}"
    if column.personal:
        why = REASONS[column.personal]
        line += tr("  ! looks personal ({why}), never reaches a map", why=why)
    return line.rstrip()


def _columns_wide(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if ord(character) > 0x2E80 else 1 for character in text)


_FAR = 1e9  # metres: no place of the earth
LAYERS = ("jurisdictions", "buildings", "barriers", "dedicated")
TABLES = {"incidents": "incidents.csv", "staff": "staff.xlsx"}


@_shell.command(name="example", reads=False)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, help="Another seed, another city.")
@click.option("--size", type=click.Choice(["tiny", "town", "city"]), default="town",
              help="About 10, 60 or 1,400 communities.")  # fmt: skip
@_shell.overwrite_option
@click.pass_obj
def example_command(
    shell: _shell.Shell, folder: Path, seed: int, size: str, overwrite: bool
) -> None:
    """Write a made-up city into DIR: four layers for QGIS, incidents (CSV) and staff (XLSX)."""
    from gridmap.examples import HEADINGS, example_city
    from gridmap.io import write_layer, write_table
    from gridmap.io.atomic import together

    folder.mkdir(parents=True, exist_ok=True)
    layers = {name: folder / f"{name}.gpkg" for name in LAYERS}
    tables = {name: folder / file for name, file in TABLES.items()}
    city = example_city(seed=seed, size=size)  # type: ignore[arg-type]
    with together():
        for name, path in layers.items():
            write_layer(getattr(city, name), path, overwrite=overwrite)
        for name, path in tables.items():
            frame, own = getattr(city, name), HEADINGS[shell.lang][name]
            named = _options.headings(frame.columns, own) if shell.lang == "zh" else own
            write_table(frame, path, overwrite=overwrite, headings=named)
    households, cases = int(city.buildings["households"].sum()), len(city.incidents)
    shell.answer(
        tr(
            "{folder}: a made-up city of {jurisdictions:,} "
            "{jurisdictions:community|communities}, {households:,} "
            "{households:household|households} and {cases:,} {cases:incident|incidents} "
            "in {layers} {layers:file|files}",
            folder=folder,
            jurisdictions=len(city.jurisdictions),
            households=households,
            cases=cases,
            layers=len(layers) + len(tables),
        )
    )
