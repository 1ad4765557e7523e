"""gridmap staff: match the roster to the cells."""

from __future__ import annotations

from pathlib import Path

import click

from gridmap.cli import _shell

_HEADINGS = {
    "code": "网格编码",
    "name": "网格名称",
    "kind": "网格类型",
    "parent": "上级编码",
    "households": "户数",
    "leaders": "网格长",
    "x": "专职及下沉",
    "y": "志愿者",
    "workers": "专职折算人数",
    "load": "每人户数",
    "status": "配备情况",
    "overcharged": "超负荷",
}
_STATUSES = {
    "staffed": "已配齐",
    "no leader": "未配网格长",
    "several leaders": "多名网格长",
    "unstaffed": "无人员",
}


@_shell.command(name="staff")
@click.argument("grid", metavar="GRID")
@click.argument("roster", metavar="ROSTER")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="OUT",
              help="The cells with their posts: .csv, .xlsx or .parquet.")  # fmt: skip
@click.option("--level", metavar="NAME", help="Ratios by the areas of one level.")
@click.option("--limit", type=click.FloatRange(0, min_open=True), metavar="N",
              help="Households a worker from which a cell is over-charged.")  # fmt: skip
@_shell.overwrite_option
@_shell.json_option
@click.pass_obj
def command(
    shell: _shell.Shell,
    grid: str,
    roster: str,
    output: Path | None,
    level: str | None,
    limit: float | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Tell which cells lack a leader, which are over-charged, and the ratios of 1+X+Y.

    Names and telephones in the roster are not looked at and not written.
    """
    from gridmap.io import read_grid, write_table
    from gridmap.io.atomic import check_writable
    from gridmap.io.inputs import read_staff
    from gridmap.operations.staffing import staffing

    if output is not None:
        check_writable(output, overwrite=overwrite)
    table, _ = read_staff(roster)
    found = staffing(table, read_grid(grid), limit=limit)
    ratios = found.ratios(level)
    if output is not None:
        cells, zh = found.cells, shell.lang == "zh"
        cells = cells.assign(status=cells["status"].map(_STATUSES)) if zh else cells
        write_table(cells, output, overwrite=overwrite, headings=_HEADINGS if zh else None)
    without = list(found.cells.index[found.cells["leaders"] == 0])
    if as_json:
        rows = ratios.reset_index().astype(object)
        document = {
            "ratios": rows.where(rows.notna(), None).to_dict("records"),
            "without_leader": without,
            "overcharged": list(found.cells.index[found.cells["overcharged"]]),
        }
        shell.emit_json({"schema": "gridmap.staff/1", **document})
        return
    shell.answer(found.sentence(shell.lang))  # type: ignore[arg-type]
    if level is not None:
        for row in ratios.itertuples():
            shell.answer(
                shell.pick(
                    f"{row.Index}  {row.cells:,} 格  每格 {row.workers_per_cell:.2f} 人  "
                    f"未配网格长 {row.without_leader:,}",
                    f"{row.Index}  {row.cells:,} cells  {row.workers_per_cell:.2f} workers a cell  "
                    f"{row.without_leader:,} without leader",
                )
            )
    elif without:
        shell.answer(
            shell.pick("未配网格长：" + "、".join(without), "Without leader: " + ", ".join(without))
        )
