"""The command line: thin commands, each loaded when it is called."""

from __future__ import annotations

import gettext
import importlib

import click
from click.shell_completion import CompletionItem

from gridmap._version import __version__
from gridmap.cli._shell import Commands, lang_option, quiet_option, translated
from gridmap.language import Message

COMMANDS = {
    "example": Message("Write a made-up city to try everything on."),
    "info": Message("Look into a file before using it."),
    "partition": Message("Cut jurisdictions into proved cells of 300-600 households."),
    "edit": Message("Write the page on which a planner redraws cells."),
    "apply": Message("Put a planner's changes into force, proved."),
    "adopt": Message("Make a grid of cells that somebody else drew."),
    "validate": Message("Prove that cells tile their boundary, or show every defect."),
    "repair": Message("Mend the defects and touch nothing else."),
    "assign": Message("Give every incident exactly one cell."),
    "hotspots": Message("Find the cells with more incidents than chance explains."),
    "clusters": Message("Find the places, of any size, with more incidents than chance explains."),
    "indicators": Message("Compute closure rates and the like, with their denominators."),
    "map": Message("Draw a grid as one HTML page that opens offline, or as a sheet of paper."),
    "atlas": Message("Put a sheet of every street into one PDF."),
    "briefing": Message("Write the one-file briefing, or the sheet of one cell."),
    "weekly": Message("Write the page, workbook, map and figures of a week, for cron."),
    "compare": Message("Tell what moved between two grids."),
    "plans": Message("Set alternatives side by side."),
    "account": Message("Prove that no household is left out, building by building."),
    "share": Message("Make a table that may leave the house."),
    "export": Message("Write a grid as a workbook, or its cells for phones and other programs."),
    "staff": Message("Match the roster to the cells."),
    "patrol": Message("Route the patrol through every street of each cell, or count its visits."),
    "streets": Message("Give each piece of street or river its responsible post."),
    "duplicates": Message("Link reports that tell of one problem."),
    "recheck": Message("List the problems to look at again."),
}
FILES = {
    "example": "info",
    "apply": "edit",
    "repair": "adopt",
    "clusters": "hotspots",
    "atlas": "map",
    "indicators": "cases",
    "duplicates": "cases",
    "recheck": "cases",
    "weekly": "briefing",
    "plans": "compare",
    "account": "staff",
    "share": "export",
    "streets": "patrol",
}
"""Where the commands stand that share a file with others of their concern."""


class _Lazy(Commands):
    """The group of all commands, each imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        file = importlib.import_module(f"gridmap.cli.{FILES.get(cmd_name, cmd_name)}")
        command = getattr(file, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands without importing them."""
        found = [(name, about) for name, about in COMMANDS.items() if name.startswith(incomplete)]
        options = click.Command.shell_complete(translated(self), ctx, incomplete)
        return [CompletionItem(name, help=str(about)) for name, about in found] + options

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section(gettext.gettext("Commands")):
            formatter.write_dl([(name, str(about)) for name, about in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gridmap", help="Show the version and exit.")
@lang_option
@quiet_option
def main() -> None:
    """Partition, prove, assign, find hotspots, brief: urban grids from end to end.

    Answers go to stdout, news to stderr. Exit codes: 0 passed, 1 findings, 2 unusable input,
    70 a bug, 130 interrupted.
    """
