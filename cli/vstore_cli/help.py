"""All commands, and their help as the pages show it. No command needs them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from vstore_cli.main import COMMANDS, HELP, WIDTH, vstore


def help_text(*words: str) -> str:
    """Format the help of a command for a wide terminal, as README shows it: `help_text("sync")`."""
    command: click.Command = vstore
    width = WIDTH - 2  # click keeps two columns free
    ctx = click.Context(vstore, info_name="vstore", terminal_width=width, help_option_names=HELP)
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(ctx, word)
        assert found is not None
        command = found
        ctx = click.Context(command, ctx, info_name=word)  # the rest is inherited
    return command.get_help(ctx)


def all_commands() -> Iterator[tuple[str, ...]]:
    """List the words of every command in the order of README: (), ("init",), …, ("snapshot", "list"), …"""
    yield ()
    for name in COMMANDS:
        yield (name,)
        command = vstore.get_command(click.Context(vstore), name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)
