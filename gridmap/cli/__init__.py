"""The command line: one thin file a command, loaded when it is called."""

from __future__ import annotations

import importlib

import click

from gridmap._version import __version__
from gridmap.cli._shell import Commands, lang_option, quiet_option

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
    "patrol": "Route the patrol through every street of each cell.",
}


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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gridmap")
@lang_option
@quiet_option
def main() -> None:
    """Partition, prove, assign, find hotspots, brief: urban grids from end to end.

    Answers go to stdout, news to stderr. Exit codes: 0 passed, 1 findings, 2 unusable input,
    70 a bug, 130 interrupted.
    """
