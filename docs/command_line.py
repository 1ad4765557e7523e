"""The command line as the Chinese site shows it: each command with its help in Chinese."""

from __future__ import annotations

import click

from gridmap import cli
from gridmap.cli._shell import translated
from gridmap.language import speaking

with speaking("zh"):
    main = translated(cli.main)
    context = click.Context(cli.main)
    main.commands = {
        name: translated(command)
        for name in cli.main.list_commands(context)
        if (command := cli.main.get_command(context, name))
    }
