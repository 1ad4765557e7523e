"""The command line: one thin file a command, loaded when it is called."""

from __future__ import annotations

import importlib

import click

from gridmap._version import __version__
from gridmap.cli._shell import Commands, Shell, lang_option, quiet_option

COMMANDS = {
    "example": "Write a made-up city to try everything on.",
    "info": "Look into a file before using it.",
    "partition": "Cut jurisdictions into proved cells of 300-600 households.",
    "adopt": "Make a grid of cells that somebody else drew.",
    "validate": "Prove that cells tile their boundary, or show every defect.",
    "repair": "Mend the defects and touch nothing else.",
    "assign": "Give every incident exactly one cell.",
    "hotspots": "Find the cells with more incidents than chance explains.",
    "indicators": "Compute closure rates and the like, with their denominators.",
    "map": "Draw a grid as one HTML page that opens offline.",
    "briefing": "Write the one-file briefing, or the sheet of one cell.",
    "compare": "Tell what moved between two grids.",
    "account": "Prove that no household is left out, building by building.",
    "share": "Make a table that may leave the house.",
    "export": "File a grid as a workbook, one sheet per level.",
    "staff": "Match the roster to the cells.",
    "patrol": "Route the patrol through every street of each cell, or count its visits.",
    "streets": "Give each piece of street or river its responsible post.",
    "duplicates": "Link reports that tell of one problem.",
    "recheck": "List the problems to look at again.",
}


CHINESE = {
    "example": "生成一座虚构城市，供试用。",
    "info": "使用文件前先看清其内容。",
    "partition": "把辖区划分为每格 300–600 户、经过证明的网格。",
    "adopt": "把别人画好的网格核验后收为网格文件。",
    "validate": "证明网格恰好铺满边界，或逐项列出缺陷。",
    "repair": "只修缺陷，其余一律不动。",
    "assign": "把每起事件归入唯一的一个网格。",
    "hotspots": "找出事件多于偶然的网格。",
    "indicators": "计算结案率等指标，并写明分母。",
    "map": "把网格画成断网可开的单页地图。",
    "briefing": "生成单文件简报，或一个网格的单页。",
    "compare": "说明两套网格之间变动了什么。",
    "account": "逐栋核对，证明没有漏掉一户。",
    "share": "生成可以对外提供的表。",
    "export": "把网格归档为工作簿，每一级一张表。",
    "staff": "把人员名册对到网格。",
    "patrol": "为每个网格排出走遍各条街道的巡查路线，或统计到场情况。",
    "streets": "为每一段街道、河道落实责任岗位。",
    "duplicates": "把说同一问题的上报连起来。",
    "recheck": "列出需要复诊的问题。",
}
ABOUT = """从头到尾做好城市网格：划分、证明、归格、找热点、出简报。

结果写到标准输出，进度和提示写到标准错误。
  退出码：0 通过，1 有发现，2 输入不可用，70 程序出错，130 中断。

English: gridmap --lang en --help"""
"""What the group says of itself in Chinese; the options are described in English."""


class _Lazy(Commands):
    """The group of all commands, each imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"gridmap.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say what all this is for, in the language asked for."""
        if ctx.ensure_object(Shell).lang == "en":
            super().format_help_text(ctx, formatter)
            return
        for paragraph in ABOUT.split("\n\n"):
            formatter.write(f"\n  {paragraph}\n")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        english = ctx.ensure_object(Shell).lang == "en"
        with formatter.section("Commands" if english else "命令"):
            formatter.write_dl(list((COMMANDS if english else CHINESE).items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gridmap")
@lang_option
@quiet_option
def main() -> None:
    """Partition, prove, assign, find hotspots, brief: urban grids from end to end.

    Answers go to stdout, news to stderr. Exit codes: 0 passed, 1 findings, 2 unusable input,
    70 a bug, 130 interrupted.
    """
