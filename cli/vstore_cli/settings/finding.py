"""Options that were not typed: from the environment, and from the user's file.

An option of a command is looked for on the command line, in the environment, in what is kept with a folder, and in the
user's file; the first of these that has it decides. In the environment it is VSTORE_SYNC_BATCH_SIZE for one command, or
VSTORE_BATCH_SIZE for all that have it. In the file it stands in the table of its command, or above, for all below.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from vstore import UsageError
from vstore_cli.settings import user_file
from vstore_cli.settings.keys import faults
from vstore_cli.settings.only_typed import NOT_IN_ENVIRONMENT, ONLY_TYPED
from vstore_cli.settings.options import KEEPERS, KEPT, command_of, every_command, options_of, variables
from vstore_cli.settings.user_file import UserFile
from vstore_cli.settings.values import Setting, looked_at, not_in_file, not_taken
from vstore_cli.settings.variables import OWN

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Found(NamedTuple):
    """The settings of one command.

    options: option -> setting, for the command.
    usual:   option -> setting, for folders that keep none of their own.
    wrong:   the faults of all that was looked at, of what another setting comes before, too.
    """

    options: dict[str, Setting]
    usual: dict[str, Setting]
    wrong: tuple[UsageError, ...]


def settings(group: click.Group, words: Sequence[str], command: click.Command) -> Found:
    """Find what the environment and the user's file say of the options of a command.

    group: of all commands: what the file says of others has to be right, too.
    Raises: UsageError.
    """
    file = user_file.read()
    if file is not None:
        for fault in faults(group, file):
            raise fault
    found = written(group, words, command, file)
    for fault in found.wrong:
        raise fault
    return found


def written(group: click.Group, words: Sequence[str], command: click.Command, file: UserFile | None) -> Found:
    """Find the same, right or wrong."""
    options, usual = {}, {}
    if file is not None:
        usual = _usual(group, file)
        options = {**from_file(file, (), group), **from_file(file, words, command)}
        if tuple(words) in KEEPERS:
            options = {name: one for name, one in options.items() if name not in KEPT}
    named = {**from_environment((), group), **from_environment(words, command)}
    every = (*usual.values(), *options.values(), *named.values())
    return Found({**options, **named}, usual, tuple(one.fault for one in every if one.fault is not None))


def from_environment(words: Sequence[str], command: click.Command) -> dict[str, Setting]:
    """Find what the environment says of the options of a command, right or wrong."""
    if not any(name.startswith("VSTORE_") for name in os.environ):
        return {}
    found = {}
    for name, option in options_of(command).items():
        variable = next((one for one in variables(words, name) if os.environ.get(one) and one not in OWN), None)
        if variable is None:
            continue
        reason = ONLY_TYPED.get(name) or NOT_IN_ENVIRONMENT.get(name)
        text = os.environ[variable]
        if reason is not None:
            fault = not_taken(f"the environment variable {variable}", name, reason, "unset it")
            found[name] = Setting(text, "environment", variable, fault)
        else:
            found[name] = looked_at(option, _read(text, option), "environment", variable)
    return found


def _read(text: str, option: click.Option) -> Any:
    """Read the value of a variable. Several values are separated by colons."""
    if option.is_flag:
        return True if text.lower() in _TRUE else False if text.lower() in _FALSE else text
    return [one for one in text.split(os.pathsep) if one] if option.multiple else text


def from_file(file: UserFile, words: Sequence[str], command: click.Command) -> dict[str, Setting]:
    """Find what the user's file says of the options of a command, right or wrong."""
    found = {}
    for name, option in options_of(command).items():
        for depth in range(len(words), -1, -1):
            keys = file.table(words[:depth])
            if name in keys and not isinstance(keys[name], dict):
                place = file.place(words[:depth], name)
                fault = not_in_file(place, name)
                found[name] = (
                    looked_at(option, keys[name], "file", place)
                    if fault is None
                    else Setting(keys[name], "file", place, fault)
                )
                break
    return found


def _usual(group: click.Group, file: UserFile) -> dict[str, Setting]:
    """Find what the file says of the options that are kept with folders, right or wrong."""
    if not any(name in file.table(words) for words in ((), *KEEPERS) for name in KEPT):
        return {}  # no command need be loaded
    found = from_file(file, KEEPERS[0], command_of(group, KEEPERS[0]))
    return {name: found[name] for name in KEPT if name in found}


def unknown_variables(group: click.Group) -> list[str]:
    """List the variables of the environment that look like those of vstore, and set nothing."""
    known = {
        variable
        for words, command in every_command(group)
        for name in options_of(command)
        for variable in variables(words, name)
    }
    return sorted(name for name in os.environ if name.startswith("VSTORE_") and name not in known | OWN.keys())
