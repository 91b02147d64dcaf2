"""The options of all commands, and their names: as they are typed, in the user's file, in the environment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click

# What a sync keeps with a folder. From the file it holds for folders that keep none, and is not recorded.
KEPT = (
    *("exclude", "include", "follow-symlinks", "one-file-system"),
    *("ignore-inode", "ignore-ctime", "accept-truncated"),
)
KEEPERS = (("sync",),)  # commands that have them
WITHOUT = ("config", "completion")  # commands whose options are all typed: they work beside a faulty file


def name_of(option: click.Option) -> str:
    """Name an option as the file does: `batch-size`; `k`."""
    return max(option.opts, key=len).lstrip("-")


def dashed(name: str) -> str:
    """Write the name of an option as it is typed."""
    return f"-{name}" if len(name) == 1 else f"--{name}"


def options_of(command: click.Command) -> dict[str, click.Option]:
    """List the options of a command by their names; --help and --version are none."""
    return {name_of(param): param for param in command.params if isinstance(param, click.Option) and not param.is_eager}


def options_below(command: click.Command) -> Iterator[dict[str, click.Option]]:
    """Yield the options of a command, or those of all commands of a group, one command after another."""
    yield options_of(command)
    if not isinstance(command, click.Group):
        return
    ctx = click.Context(command)
    for name in command.list_commands(ctx):
        below = command.get_command(ctx, name)
        if below is not None and name not in WITHOUT:
            yield from options_below(below)


def variables(words: Sequence[str], name: str) -> list[str]:
    """Name the variables of an option of a command, the closest first."""
    return ["_".join(["VSTORE", *words[:depth], name]).upper().replace("-", "_") for depth in range(len(words), -1, -1)]


def converted(option: click.Option, value: Any) -> Any:
    """Convert a checked value as click does with one that was typed."""
    anywhere: Any = None  # no context
    return option.type_cast_value(anywhere, value)


def command_of(group: click.Group, words: Sequence[str]) -> click.Command:
    """Find the command that some words call."""
    command: click.Command = group
    for word in words:
        assert isinstance(command, click.Group)
        below = command.get_command(click.Context(command), word)
        assert below is not None
        command = below
    return command


def every_command(group: click.Group) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield all commands that take settings, with their words, in the order of the help; first the group itself."""
    yield (), group
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        if name in WITHOUT:
            continue
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from (((name, *words), below) for words, below in every_command(command) if words)
        elif command is not None:
            yield (name,), command
