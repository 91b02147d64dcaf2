"""Options that were not typed, given to a command, and named in its errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from vstore import UsageError, VstoreError
from vstore_cli.settings.finding import Found, settings
from vstore_cli.settings.options import KEEPERS, WITHOUT, command_of, converted, dashed, options_of
from vstore_cli.settings.values import Setting


def apply(ctx: click.Context, words: list[str], command: click.Command, rest: list[str]) -> None:
    """Give a command the options that were not typed, and remember them for messages.

    rest: what was typed after `words`.
    Raises: UsageError.
    """
    if words[0] in WITHOUT:
        return
    if isinstance(command, click.Group):
        below = command.get_command(ctx, rest[0]) if rest else None
        if below is None:
            return  # help, or a mistake
        words, command = [*words, rest[0]], below
    assert isinstance(ctx.command, click.Group)
    try:
        found = settings(ctx.command, words, command)
    except UsageError:
        if {"-h", "--help"} & set(rest[: rest.index("--")] if "--" in rest else rest):
            return  # a faulty file leaves the help as it is
        raise
    given = ctx.ensure_object(dict)
    given["settings"] = found
    for name, option in options_of(ctx.command).items():  # those of every command
        if name in found.options:
            given[str(option.name)] = given.get(str(option.name)) or found.options[name].value
    if found.usual:
        given["usual"] = _usual_words(ctx.command, found.usual)
    options = options_of(command)
    values: dict[str, Any] = {
        str(option.name): found.options[name].value for name, option in options.items() if name in found.options
    }
    for word in reversed(words):
        values = {word: values}
    ctx.default_map = values


def name_settings(ctx: click.Context, err: VstoreError) -> None:
    """Add to a message which option that it names was not typed, and where it is set."""
    found: Found = ctx.ensure_object(dict)["settings"]
    for name, one in {**found.usual, **found.options}.items():
        values = one.value if isinstance(one.value, list) else [one.value]
        is_named = re.search(rf"(?<![\w./-]){re.escape(dashed(name))}(?![\w-])", err.message) is not None
        if is_named or any(isinstance(value, str) and _is_about(err.message, value) for value in values):
            err.next_step += f" ({dashed(name)} is set by {one.where})"


def _is_about(message: str, value: str) -> bool:
    """Tell whether a message is about a value: it quotes it, or begins with it. A word like `5` may be in any."""
    return repr(value) in message or re.match(rf"{re.escape(value)}(?![\w./-])", message) is not None


def _usual_words(group: click.Group, found: Mapping[str, Setting]) -> dict[str, Any]:
    """Convert such options to the words of `UsualWords`."""
    options = options_of(command_of(group, KEEPERS[0]))
    return {str(options[name].name): converted(options[name], one.value) for name, one in found.items()}
