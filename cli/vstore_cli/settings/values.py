"""Values that were not typed: each is checked as click checks one that was."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import click

from vstore import UsageError
from vstore_cli.settings.only_typed import NOT_IN_ENVIRONMENT, NOT_IN_FILE, ONLY_TYPED
from vstore_cli.settings.options import converted, dashed, name_of


class Setting(NamedTuple):
    """The value of an option that was not typed.

    value:  as the option takes it from a command line: text, a list of texts, or for a switch true or false.
    origin: environment or file.
    where:  the variable, or the file, line and key.
    fault:  makes the command refuse it; None if it is right.
    """

    value: Any
    origin: str
    where: str
    fault: UsageError | None = None


def looked_at(option: click.Option, value: Any, origin: str, where: str) -> Setting:
    """Make a setting of a value, right or wrong."""
    try:
        return _checked(option, value, origin, where)
    except UsageError as err:
        return Setting(value, origin, where, err)


def _checked(option: click.Option, value: Any, origin: str, where: str) -> Setting:
    """Make sure that a value fits an option, as click does with one that was typed. Raises: UsageError."""
    text = _as_typed(option, value, where)
    try:
        converted(option, text)
    except click.BadParameter as err:
        raise UsageError(f"{where}: {err.message}", _help(option)) from err
    except UsageError as err:
        raise UsageError(f"{where}: {err.message}", f"{err.next_step}; {_help(option)}") from err
    return Setting(text, origin, where)


def _as_typed(option: click.Option, value: Any, where: str) -> Any:
    """Give a value as a command line would. Raises: UsageError for one of another kind."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{where}: {value!r} is not true or false", "write true or false, without quotes")
        return value
    if option.multiple:
        values = value if isinstance(value, list) else [value]
        return [_text(option, one, where) for one in values]
    return _text(option, value, where)


def _text(option: click.Option, value: Any, where: str) -> str:
    wants_text = isinstance(option.type, click.types.StringParamType | click.Path)
    if not isinstance(value, str) and (wants_text or isinstance(value, bool) or not isinstance(value, int | float)):
        what = "a list of texts" if option.multiple else "a text" if wants_text else "a number or a text"
        raise UsageError(f"{where}: {_shown(value)} is not {what}", f"write {what}, such as {_sample(option)}")
    text = str(value)
    if not text:
        raise UsageError(f"{where}: the value is empty", "give it one, or take the option out there")
    if isinstance(option.type, click.Path):
        text = os.path.expanduser(text)
        if not os.path.isabs(text):
            raise UsageError(f"{where}: {text!r} is not an absolute path", "begin it with / or ~/")
    return text


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, str | int | float | list | dict) else str(value)  # a date


def _sample(option: click.Option) -> str:
    name = name_of(option)
    return f'{name} = ["…"]' if option.multiple else f'{name} = "…"'


def _help(option: click.Option) -> str:
    return f"correct it there; on a command line {dashed(name_of(option))} comes before it"


def not_in_file(place: str, key: str) -> UsageError | None:
    """Make the error for an option that no file sets; None for another."""
    reason = ONLY_TYPED.get(key) or NOT_IN_FILE.get(key)
    return None if reason is None else not_taken(place, key, reason, "take it out there", is_file=True)


def not_taken(place: str, name: str, reason: str, step: str, *, is_file: bool = False) -> UsageError:
    """Make the error for an option that does not come from this place."""
    if name in NOT_IN_FILE and is_file:
        return UsageError(f"{place} is not taken from a file", reason)
    source = "your file or the command line" if name in NOT_IN_ENVIRONMENT else "the command line alone"
    return UsageError(f"{place} is not taken: {dashed(name)} comes from {source}", f"{step}: {reason}")
