"""The keys of the user's file: each is an option, or a command with a table of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from vstore import UsageError
from vstore_cli.settings.only_typed import ONLY_TYPED
from vstore_cli.settings.options import WITHOUT, command_of, options_below, options_of
from vstore_cli.settings.user_file import UserFile
from vstore_cli.settings.values import looked_at, not_in_file


def faults(group: click.Group, file: UserFile, words: tuple[str, ...] = ()) -> Iterator[UsageError]:
    """Yield the faults of a table: each key is to be an option, or a command with a table of its own."""
    command = command_of(group, words)
    for key, value in file.table(words).items():
        place = file.place(words, key)
        if isinstance(value, dict):
            below = command.list_commands(click.Context(command)) if isinstance(command, click.Group) else []
            if not words and key in WITHOUT:
                yield UsageError(f"{place}: the options of vstore {key} are all typed", "take it out there")
            elif key not in below:
                yield _unknown(place, f"there is no command {' '.join(['vstore', *words, key])}", key, below)
            else:
                yield from faults(group, file, (*words, key))
            continue
        fault = not_in_file(place, key)
        if fault is not None:
            yield fault
            continue
        option = next((options[key] for options in options_below(command) if key in options), None)
        if option is None:
            every = {name for options in options_below(command) for name in options}
            whose = " ".join(["vstore", *words, "has no"]) if words else "no command has an"
            yield _unknown(place, f"{whose} option --{key}", key, every - ONLY_TYPED.keys())
        elif key in options_of(command):  # else the command below that has it looks at it
            fault = looked_at(option, value, "file", place).fault
            if fault is not None:
                yield fault


def _unknown(place: str, says: str, key: str, among: Iterator[str] | Sequence[str] | set[str]) -> UsageError:
    import difflib

    near = difflib.get_close_matches(key, sorted(among), 1, 0.65)
    step = "all options that it may have: vstore config list"
    return UsageError(f"{place}: {says}", f"did you mean {near[0]}? {step}" if near else step)
