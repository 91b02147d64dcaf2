"""`vstore config list|path`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from vstore import UsageError, VstoreError
from vstore_cli.groups import InOrder
from vstore_cli.homes import ignored
from vstore_cli.locate import config_file, find_store, open_store
from vstore_cli.output import echo_json, in_base64, json_option, say, shown, table, tell
from vstore_cli.pager import paged
from vstore_cli.settings import user_file
from vstore_cli.settings.finding import unknown_variables, written
from vstore_cli.settings.keys import faults
from vstore_cli.settings.only_typed import ONLY_TYPED
from vstore_cli.settings.options import KEEPERS, KEPT, converted, every_command, options_of

_UNSET = ("default", "command line")  # origins


class Row(NamedTuple):
    """An option of a command, and its value in force.

    command: its words; empty for an option of every command.
    option:  its name in the file.
    value:   as a command line or the file gives it; None without one.
    origin:  default, file, environment, kept (with a folder), or command line: it is taken from there alone.
    where:   the variable, the place in the file, or the label of the folder; else None.
    fault:   the reason why the command refuses it; None if it is right.
    """

    command: tuple[str, ...]
    option: str
    value: Any
    origin: str
    where: str | None
    fault: str | None = None

    @property
    def key(self) -> str:
        return ".".join((*self.command, self.option))

    def to_json(self) -> dict[str, Any]:
        return {**self._asdict(), "command": " ".join(self.command), **in_base64("where", self.where)}


class ConfigList(NamedTuple):
    """All options with their values.

    file:    the user's file of options; None for a user without a home.
    there:   it exists.
    options: one row an option of a command, and one for each folder that keeps it.
    unknown: variables of the environment that begin with VSTORE_ and mean nothing.
    faults:  errors of the file and of variables, with what to do: most commands refuse to run.
    ignored: lines about those that should name a folder of yours, and do not.
    """

    file: str | None
    there: bool
    options: list[Row]
    unknown: list[str]
    faults: list[str]
    ignored: list[str]

    def to_json(self) -> dict[str, Any]:
        return {**self._asdict(), "options": [row.to_json() for row in self.options]}


class ConfigPath(NamedTuple):
    """The place of the user's file of options.

    file:  its path.
    there: it exists.
    """

    file: str
    there: bool

    def to_json(self) -> dict[str, Any]:
        return self._asdict()


@click.group(cls=InOrder)
def config() -> None:
    """Show the options that you set once for all, in a file or by environment variables.

    The file is vstore/config.toml in your folder for configurations (~/.config, or XDG_CONFIG_HOME). Each key is the
    name of an option: at the top for every command that has it, below [sync] for that command. The environment variable
    VSTORE_DEVICE sets --device of every command, VSTORE_SYNC_DEVICE that of sync. What is typed comes first, then the
    environment, then what a folder keeps, then the file. Nothing in a store sets an option, and what allows, deletes or
    changes something is typed each time.

    \b
    Example:
      vstore config list --origin
      vstore config path
    """


@config.command("list", short_help="List the options with their values.")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.option("--set", "only_set", is_flag=True, help="List only what is set: by a file, a variable or a folder.")
@click.option(
    "--origin", is_flag=True, help="Show where each value comes from, and the options that only a command line has."
)
@json_option
def list_(words: tuple[str, ...], only_set: bool, origin: bool, as_json: bool) -> None:
    """List the options of COMMAND, or of all commands, with their values in force. A value that a folder keeps is
    listed besides the one for folders that keep none. What is set wrongly is listed too, and what is wrong with it.

    \b
    Example:
      vstore config list --set --origin
      vstore config list sync
    """
    group = click.get_current_context().find_root().command
    assert isinstance(group, click.Group)
    file = config_file()
    wrong: dict[str, None] = {}
    rows = [row for row in _rows(group, wrong) if row.command[: len(words)] == words]
    if not rows:
        raise UsageError(f"there is no command vstore {' '.join(words)}", "list all options with: vstore config list")
    if only_set:
        rows = [row for row in rows if row.origin not in _UNSET]
    is_there = file is not None and os.path.lexists(file)
    report = ConfigList(file, is_there, rows, unknown_variables(group), list(wrong), ignored())
    if as_json:
        echo_json(report)
        return
    some = [row for row in rows if origin or row.origin != "command line"]
    with paged():
        if origin and report.there:
            click.echo(f"file: {shown(file or '')}")
        if not some:
            tell("Nothing is set: all options have their defaults.", err=True)
        else:
            table(
                [
                    ["option", "value", *(["origin"] if origin else [])],
                    *(_cells(row, origin, file or "") for row in some),
                ],
                heading=True,
            )
    for fault in report.faults:
        say(f"Warning: {shown(fault)}", err=True)
    for note in report.ignored if origin else []:
        tell(f"Note: {shown(note)}", err=True)
    for name in report.unknown:
        tell(f"Note: the environment variable {shown(name)} sets nothing", err=True)


def _cells(row: Row, origin: bool, file: str) -> list[str]:
    where = row.origin
    if row.origin == "kept":
        where = f"kept with {shown(row.where or '')}"
    elif row.origin == "command line":
        where = "command line"
    elif row.origin == "environment":
        where = shown(row.where or "")
    elif row.origin == "file" and row.where is not None:
        where += row.where.removeprefix(file).rpartition(", ")[0]  # its line
    value = _text(row.value) + ("" if row.fault is None else "  (wrong)")
    return [row.key, value, *([where] if origin else [])]


def _text(value: Any) -> str:
    """Write a value as the file has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, str):
        return f'"{shown(value)}"'
    return "" if value is None else str(value)


def _rows(group: click.Group, wrong: dict[str, None]) -> Iterator[Row]:
    """Yield the options of all commands, in the order of the help. wrong: takes the faults."""
    kept = _kept()
    file = None
    try:
        file = user_file.read()
    except UsageError as err:
        wrong[_fault(err)] = None
    if file is not None:
        wrong.update(dict.fromkeys(map(_fault, faults(group, file))))
    for words, command in every_command(group):
        found = written(group, words, command, file)
        wrong.update(dict.fromkeys(map(_fault, found.wrong)))
        for name, option in options_of(command).items():
            one = found.options.get(name) or (found.usual.get(name) if words in KEEPERS else None)
            if one is not None and one.fault is not None:
                yield Row(words, name, _plain(one.value), one.origin, one.where, _fault(one.fault))
            elif one is not None:
                yield Row(words, name, _number(option, one.value), one.origin, one.where)
            else:
                yield Row(words, name, _default(option), "command line" if name in ONLY_TYPED else "default", None)
            if words in KEEPERS and name in KEPT:
                for label, options in kept.items():
                    if str(option.name) in options:
                        value = options[str(option.name)]
                        yield Row(words, name, list(value) if isinstance(value, tuple) else value, "kept", label)


def _fault(err: UsageError) -> str:
    """Write an error as one line."""
    return f"{err.message}; {err.next_step}".removesuffix("; ")


def _plain(value: Any) -> Any:
    """Give a wrong value as JSON has it: the file may hold a date."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float | bool) else str(value)


def _kept() -> dict[str, Any]:
    """Find the options that are kept with the folders of the store, if there is one."""
    try:
        if find_store() is None:
            return {}
        with open_store() as store:
            return dict(store.folder_options())
    except VstoreError as err:
        tell(f"Note: what folders keep is not listed: {shown(err.message)}", err=True)
        return {}


def _number(option: click.Option, value: Any) -> Any:
    """Give a number as one; other values stay as they were typed."""
    is_number = isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
    return converted(option, value) if is_number and not option.multiple else value


def _default(option: click.Option) -> Any:
    if option.is_flag:
        return option.default is True
    value = option.get_default(click.Context(click.Command("")), call=False)
    return value if isinstance(value, str | int | float) else [] if option.multiple else None


@config.command()
@json_option
def path(as_json: bool) -> None:
    """Print the place of your file of options, whether or not it is there.

    \b
    Example:
      vstore config path
    """
    file = config_file()
    if file is None:
        raise UsageError("you have no home, so there is no file of options", "name a folder with XDG_CONFIG_HOME")
    report = ConfigPath(file, os.path.lexists(file))
    if as_json:
        echo_json(report)
        return
    click.echo(shown(report.file))
    if not report.there:
        tell("There is no such file yet; all options have their defaults.", err=True)
