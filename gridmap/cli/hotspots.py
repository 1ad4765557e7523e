"""gridmap hotspots and clusters: cells, or places of any size, with more than chance explains."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridmap.cli import _options, _shell
from gridmap.language import Message, tr

if TYPE_CHECKING:
    import pandas as pd

    from gridmap._checks import Each
    from gridmap.grid.grid import Grid


HEADINGS = {"category": "问题类型", "expected": "期望件数", "n": "参与比较网格数",
            "window": "窗口网格数", "z": "Gi*得分", "q": "q值（错误发现率）", "bin": "冷热等级",
            "side": "冷热", "hot": "热点期数", "cold": "冷点期数"}  # fmt: skip
PERIODS = ["day", "week", "month", "quarter", "year"]


@_shell.command(name="hotspots")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", required=True, type=_shell.Output(), metavar="OUT",
              help=".csv, .xlsx, .parquet, .gpkg or .geojson.")  # fmt: skip
@click.option("--by", type=click.Choice(PERIODS), help="One map a period.")
@click.option("--exposure", metavar="COL", default="households",
              help="Denominator: a column of the cells, or none for raw counts.")  # fmt: skip
@click.option("--p", "p", type=click.Choice(["skew", "pearson", "normal", "permutation"]),
              default="skew",
              help="How p is found; permutation needs at most 500 cells.")  # fmt: skip
@click.option("--correction", type=click.Choice(["bh", "by", "holm", "bonferroni"]), default="bh",
              help="For many tests; bh and by hold the false discovery rate.")  # fmt: skip
@click.option("--seed", type=int, default=0, help="For --p permutation and --robustness.")
@click.option("--robustness", "grids", type=click.IntRange(min=2), metavar="N",
              help="Draw the cells in N ways and tell in how many each is hot.")  # fmt: skip
@click.option("--emerging", type=_shell.FileOutput(), metavar="OUT",
              help="Write the history of each cell as well; needs --by.")  # fmt: skip
@click.option("--dask", metavar="ADDRESS",
              help="Draw the cells of --robustness on a Dask cluster.")  # fmt: skip
@_options.given_options(category=Message("One map for each value of this column."))
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def hotspots_command(
    shell: _shell.Shell,
    grid: str,
    incidents: str,
    output: Path,
    by: str | None,
    exposure: str,
    p: Any,
    correction: Any,
    seed: int,
    grids: int | None,
    emerging: Path | None,
    dask: str | None,
    given: dict[str, Any],
    overwrite: bool,
    as_json: bool,
) -> None:
    """Find the cells with more incidents than chance explains.

    Each cell is asked twice: by its own count (exact test: cell_p, cell_q, cell_bin), and together
    with its neighbours (Gi*: z, p, q, bin, with the counts of the window). Both are corrected for
    the number of cells. What cannot be judged says why. For places of any size see clusters.
    """
    from gridmap.hotspot_analysis.emerging import emerging as histories
    from gridmap.hotspot_analysis.hotspots import hotspots
    from gridmap.io import read_grid
    from gridmap.io.atomic import together

    if emerging is not None and by is None:
        raise click.UsageError(tr("--emerging needs --by day, week or month."))
    if grids is not None and (by or given["category"]):
        raise click.UsageError(tr("--robustness is for one map, without --by and --category."))
    if dask is not None and grids is None:
        raise click.UsageError(tr("--dask goes with --robustness; the rest takes seconds."))
    proved = read_grid(grid, whole=False)
    placed, accounts = placed_of(shell, proved, incidents, **given)
    category, to = given["category"], Message("a table of hotspots")
    table = counted_of(shell, proved, placed, category, by, file=incidents, to=to)
    denominator = None if exposure == "none" else _options.of_cells(proved, exposure)
    options = {"p": p, "correction": correction, "seed": seed}
    results = {"hotspots": hotspots(table, proved, exposure=denominator, **options)}
    if emerging is not None:
        results["emerging"] = histories(table, proved, exposure=denominator)
    ways = None
    if grids is not None:
        with _options.spread(dask) as each:
            ways = _drawn_anew(
                shell, results["hotspots"], placed, proved, denominator, grids, seed, each
            )
    own = {} if correction in ("bh", "by") else {"q": "校正后p值"}
    with together():
        _write(shell, results["hotspots"], proved, output, overwrite, HEADINGS | own)
        if emerging is not None:
            _write(shell, results["emerging"], proved, emerging, overwrite, HEADINGS)
    methods = {name: found.attrs["method"] for name, found in results.items()}
    if as_json:
        document = {"schema": "gridmap.hotspots/1", "output": str(output), **accounts, **methods}
        if ways is not None:
            document["robustness"] = ways
        shell.emit_json(document)
    for method in methods.values():
        _tell(shell, method, as_json=as_json)
    if ways is not None and not as_json:
        shell.answer(ways["headline"][shell.lang])
        shell.answer(ways["sentence"][shell.lang])


def _drawn_anew(
    shell: _shell.Shell,
    spots: pd.DataFrame,
    placed: pd.DataFrame,
    grid: Grid,
    exposure: str | None,
    grids: int,
    seed: int,
    each: Each,
) -> dict[str, Any]:
    """Draw the cells in many ways, add to each cell in what share of them it is hot, and tell."""
    from gridmap.zoning import options_of, robustness, ways_of, ways_sentence

    found = robustness(
        placed, grid.units, grids=grids, households=grid.band, exposure=exposure, seed=seed,
        datum=placed.attrs.get("datum"), progress=shell.progress(), each=each,
        **options_of(grid),
    )  # fmt: skip
    spots["ways"] = ways_of(grid, found)
    said = ways_sentence(spots, spots["ways"], grids)
    return {**found.attrs["method"], "headline": said.both()}


def _tell(shell: _shell.Shell, method: dict[str, Any], *, as_json: bool) -> None:
    """Answer with the sentence of a method, unless a document did, and say its caveats."""
    if not as_json:
        shell.answer(method["sentence"][shell.lang])
    for caveat in method["caveats"][shell.lang]:
        shell.say(caveat)


def counted_of(
    shell: _shell.Shell,
    grid: Grid,
    placed: pd.DataFrame,
    category: str | None,
    by: str | None,
    *,
    file: str,
    to: Message,
) -> pd.DataFrame:
    """Count incidents by cell, category and period.

    How many have no time is told; when none has, or the category looks personal, it is refused.
    """
    import warnings

    from gridmap.errors import InputError, UnassignedWarning
    from gridmap.incidents.tally import tally
    from gridmap.privacy import refuse_personal

    if category is not None:
        said = placed[["category"]].rename(columns={"category": category})
        refuse_personal(said, name=file, to=to)
    columns = [name for name, asked in (("category", category), (by, by)) if asked and name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnassignedWarning)
        table = tally(placed, grid, by=columns)
    undated = table.attrs["undated"]
    if undated and not table.attrs["counted"]:
        raise InputError(
            "None of the {undated:,} {undated:incident|incidents} in cells has a readable "
            "time. Mend the column, name another with --time, or leave out --by.",
            undated=undated,
        )
    if undated:
        shell.say(
            tr(
                "{undated:,} {undated:incident has|incidents have} no readable time and "
                "{undated:is|are} counted in no period.",
                undated=undated,
            )
        )
    return table


def placed_of(
    shell: _shell.Shell,
    grid: Grid,
    incidents: str,
    *,
    since: str | None,
    until: str | None,
    **options: Any,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read and assign the incidents of the days asked for, and print the accounts."""
    from gridmap.incidents.assign import STATUSES, in_cells
    from gridmap.incidents.space_time import during

    frame = _options.read_cases(
        shell, incidents, to=grid.crs, levels=grid.levels, codes=True, **options
    )
    placed = in_cells(during(frame, since, until), grid)
    placed.attrs["datum"] = frame.attrs.get("datum")
    status = placed["status"].value_counts()
    counts = {"read": len(placed), **{name: int(status.get(name, 0)) for name in STATUSES}}
    counted = counts["inside"] + counts["boundary"] + counts["rim"]
    shell.say(
        tr(
            "{frame:,} read, {read:,} in the period = {counted:,} in cells + {outside:,} "
            "outside + {invalid:,} without position.",
            frame=len(frame),
            read=counts["read"],
            counted=counted,
            outside=counts["outside"],
            invalid=counts["invalid"],
        )
    )
    return placed, {"rows": len(frame), **counts}


def _write(
    shell: _shell.Shell,
    found: pd.DataFrame,
    grid: Grid,
    path: Path,
    overwrite: bool,
    headings: dict[str, str],
) -> None:
    """Write scores as a table, or as a layer with the cells' geometry."""
    import geopandas as gpd

    from gridmap._arrays import geometries
    from gridmap.hotspot_analysis.method_text import CAVEATS, GATES, PATTERNS, SIDES
    from gridmap.io import write_layer

    words: dict[str, Any] = {
        "gate": GATES, "caveat": CAVEATS, "pattern": PATTERNS, "side": SIDES
    }  # fmt: skip
    table = found.reset_index()
    for name in table.columns.intersection(list(words)):
        said = {key: str(word) for key, word in words[name].items()}
        table[name] = table[name].astype(str).map(said)
    for name in table.columns.intersection(PERIODS):
        table[name] = table[name].astype(str)
    table.attrs = {}
    if not _options.is_layer(path):
        _options.write_filed(shell, table, path, headings, overwrite=overwrite)
        return
    shapes = geometries(grid.cells.geometry.reindex(table["code"]))
    layer = gpd.GeoDataFrame(table, geometry=shapes, crs=grid.crs)
    write_layer(layer, path, overwrite=overwrite)


_CLUSTER_HEADINGS = {"members": "很可能属于的网格编码", "zone": "受检区域网格编码",
                     "since": "起", "risk": "相对风险", "score": "对数似然比",
                     "p": "p值（全图）"}  # fmt: skip


@_shell.command(name="clusters")
@click.argument("grid", metavar="GRID")
@click.argument("incidents", metavar="INCIDENTS")
@click.option("-o", "--output", required=True, type=_shell.FileOutput(), metavar="OUT",
              help=".csv, .xlsx, .parquet, .gpkg or .geojson.")  # fmt: skip
@click.option("--by", type=click.Choice(PERIODS), help="Look in time as well, by this period.")
@click.option("--when", type=click.Choice(["latest", "any"]), default="latest",
              help="Alive in the last period, or ever.")  # fmt: skip
@click.option("--exposure", metavar="COL", default="households",
              help="Denominator: a column of the cells, or none.")  # fmt: skip
@click.option("--baseline", type=click.Choice(["exposure", "history"]),
              help="Against the denominator, or against each cell's own history.")  # fmt: skip
@click.option("--adjust", default="period",
              type=click.Choice(["period", "weekday", "trend", "weekday and trend", "none"]),
              help="What the baseline follows in time.")  # fmt: skip
@click.option("--shape", type=click.Choice(["circular", "flexible"]), default="circular",
              help="Round zones, or all connected shapes of a few cells as well.")  # fmt: skip
@click.option("--side", type=click.Choice(["hot", "cold", "both"]), default="hot",
              help="More than expected, less, or both.")  # fmt: skip
@click.option("--largest", type=float, default=0.1, help="Share of the exposure in a zone.")
@click.option("--longest", type=int, metavar="N", help="Most periods in a span.")
@click.option("--replicates", type=int, default=999, help="Maps drawn without risk.")
@click.option("--seed", type=int, default=0, help="Of the draws.")
@click.option("--dask", metavar="ADDRESS",
              help="Scan the maps drawn without risk on a Dask cluster.")  # fmt: skip
@_options.given_options(category=Message("One map for each value of this column."))
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def clusters_command(
    shell: _shell.Shell,
    /,
    grid: str,
    incidents: str,
    output: Path,
    by: str | None,
    exposure: str,
    dask: str | None,
    given: dict[str, Any],
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Find the places, of any size, with more incidents than chance explains anywhere.

    The scan statistic grows zones from every cell, with spans of periods where --by is given, and
    holds the best against maps drawn without risk. A layer has one shape a cluster: that of its
    members, the cells in and about the zone that are likely to belong to the place.
    """
    from gridmap.hotspot_analysis.clusters import clusters
    from gridmap.io import read_grid

    proved = read_grid(grid, whole=False)
    placed, accounts = placed_of(shell, proved, incidents, **given)
    category, to = given["category"], Message("a table of clusters")
    table = counted_of(shell, proved, placed, category, by, file=incidents, to=to)
    denominator = None if exposure == "none" else _options.of_cells(proved, exposure)
    with _options.spread(dask) as each:
        options |= {"progress": shell.progress(), "each": each}
        found = clusters(table, proved, exposure=denominator, **options)
    _write_clusters(shell, found, proved, output, overwrite)
    method = found.attrs["method"]
    if as_json:
        shell.emit_json(
            {"schema": "gridmap.clusters/1", "output": str(output), **accounts, "clusters": method}
        )
    _tell(shell, method, as_json=as_json)


def _write_clusters(
    shell: _shell.Shell, found: pd.DataFrame, grid: Grid, path: Path, overwrite: bool
) -> None:
    """Write clusters as a table, or as a layer of their shapes."""
    import geopandas as gpd
    import shapely

    from gridmap._arrays import geometries
    from gridmap.io import write_layer

    table = found.reset_index()
    shapes = [
        shapely.coverage_union_all(geometries(grid.cells.geometry[list(members)]))
        for members in table["members"]
    ]
    for name in ("members", "zone"):
        table[name] = [" ".join(map(str, codes)) for codes in table[name]]
    sides = {"hot": tr("hot"), "cold": tr("cold")}
    table["side"] = table["side"].map(sides).astype("str")
    for name in table.columns.intersection(["since", "until"]):
        table[name] = table[name].astype("str")
    table.attrs = {}
    if _options.is_layer(path):
        layer = gpd.GeoDataFrame(table, geometry=shapes, crs=grid.crs)
        write_layer(layer, path, overwrite=overwrite)
        return
    own = HEADINGS | _CLUSTER_HEADINGS
    _options.write_filed(shell, table, path, own, overwrite=overwrite)
