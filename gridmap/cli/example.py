"""gridmap example: write a made-up city."""

from __future__ import annotations

from pathlib import Path

import click

from gridmap.cli import _shell
from gridmap.examples import HEADINGS, example_city
from gridmap.language import tr

LAYERS = ("jurisdictions", "buildings", "barriers", "dedicated")
TABLES = {"incidents": "incidents.csv", "staff": "staff.xlsx"}


@_shell.command(name="example", reads=False)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(0), default=0, help="Another seed, another city.")
@click.option("--size", type=click.Choice(["tiny", "town", "city"]), default="town")
@_shell.overwrite_option
@click.pass_obj
def command(shell: _shell.Shell, folder: Path, seed: int, size: str, overwrite: bool) -> None:
    """Write a made-up city into DIR: four layers for QGIS, incidents (CSV) and staff (XLSX)."""
    from gridmap.io import write_layer, write_table
    from gridmap.io.atomic import check_writable

    folder.mkdir(parents=True, exist_ok=True)
    layers = {name: folder / f"{name}.gpkg" for name in LAYERS}
    tables = {name: folder / file for name, file in TABLES.items()}
    for path in (*layers.values(), *tables.values()):
        check_writable(path, overwrite=overwrite)
    city = example_city(seed=seed, size=size)  # type: ignore[arg-type]
    for name, path in layers.items():
        write_layer(getattr(city, name), path, overwrite=overwrite)
    for name, path in tables.items():
        frame = getattr(city, name)
        write_table(frame, path, overwrite=overwrite, headings=HEADINGS[shell.lang][name])
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
