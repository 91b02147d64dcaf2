"""Options that were not typed: from the environment, and from the user's file.

An option of a command is looked for on the command line, in the environment, in what is kept with a folder, and in the
user's file; the first of these that has it decides. In the environment it is VSTORE_SYNC_BATCH_SIZE for one command, or
VSTORE_BATCH_SIZE for all that have it. In the file it stands in the table of its command, or above, for all below.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from vstore import UsageError
from vstore_cli.settings import user_file
from vstore_cli.settings.only_typed import NOT_IN_ENVIRONMENT, NOT_IN_FILE, ONLY_TYPED
from vstore_cli.settings.variables import OWN

if TYPE_CHECKING:
    from vstore_cli.settings.user_file import UserFile

# What a sync keeps with a folder. From the file it holds for folders that keep none, and is not recorded.
KEPT = (
    *("exclude", "include", "follow-symlinks", "one-file-system"),
    *("ignore-inode", "ignore-ctime", "accept-truncated"),
)
KEEPERS = (("sync",),)  # commands that have them
WITHOUT = ("config", "completion")  # commands whose options are all typed: they work beside a faulty file
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


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


def name_of(option: click.Option) -> str:
    """Name an option as the file does: `batch-size`; `k`."""
    return max(option.opts, key=len).lstrip("-")


def dashed(name: str) -> str:
    """Write the name of an option as it is typed."""
    return f"-{name}" if len(name) == 1 else f"--{name}"


def options_of(command: click.Command) -> dict[str, click.Option]:
    """List the options of a command by their names; --help and --version are none."""
    return {name_of(param): param for param in command.params if isinstance(param, click.Option) and not param.is_eager}


def variables(words: Sequence[str], name: str) -> list[str]:
    """Name the variables of an option of a command, the closest first."""
    return ["_".join(["VSTORE", *words[:depth], name]).upper().replace("-", "_") for depth in range(len(words), -1, -1)]


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
        given["usual"] = usual_words(ctx.command, found.usual)
    options = options_of(command)
    values: dict[str, Any] = {
        str(option.name): found.options[name].value for name, option in options.items() if name in found.options
    }
    for word in reversed(words):
        values = {word: values}
    ctx.default_map = values


def name_settings(ctx: click.Context, err: UsageError) -> None:
    """Add to a message which option that it names was not typed, and where it is set."""
    found: Found = ctx.ensure_object(dict)["settings"]
    for name, one in {**found.usual, **found.options}.items():
        values = one.value if isinstance(one.value, list) else [one.value]
        if dashed(name) in err.message or any(isinstance(value, str) and value in err.message for value in values):
            err.next_step += f" ({dashed(name)} is set by {one.where})"


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
            fault = _not_taken(f"the environment variable {variable}", name, reason, "unset it")
            found[name] = Setting(text, "environment", variable, fault)
        else:
            found[name] = _looked_at(option, _read(text, option), "environment", variable)
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
            keys = _table(file.tables, words[:depth])
            if name in keys and not isinstance(keys[name], dict):
                place = file.place(words[:depth], name)
                fault = _not_in_file(place, name)
                found[name] = (
                    _looked_at(option, keys[name], "file", place)
                    if fault is None
                    else Setting(keys[name], "file", place, fault)
                )
                break
    return found


def _usual(group: click.Group, file: UserFile) -> dict[str, Setting]:
    """Find what the file says of the options that are kept with folders, right or wrong."""
    if not any(name in _table(file.tables, words) for words in ((), *KEEPERS) for name in KEPT):
        return {}  # no command need be loaded
    found = from_file(file, KEEPERS[0], _command(group, KEEPERS[0]))
    return {name: found[name] for name in KEPT if name in found}


def usual_words(group: click.Group, found: Mapping[str, Setting]) -> dict[str, Any]:
    """Convert such options to the words of `UsualWords`."""
    options = options_of(_command(group, KEEPERS[0]))
    return {str(options[name].name): converted(options[name], one.value) for name, one in found.items()}


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


def unknown_variables(group: click.Group) -> list[str]:
    """List the variables of the environment that look like those of vstore, and set nothing."""
    known = {
        variable
        for words, command in every_command(group)
        for name in options_of(command)
        for variable in variables(words, name)
    }
    return sorted(name for name in os.environ if name.startswith("VSTORE_") and name not in known | OWN.keys())


def converted(option: click.Option, value: Any) -> Any:
    """Convert a checked value as click does with one that was typed."""
    anywhere: Any = None  # no context
    return option.type_cast_value(anywhere, value)


def _table(tables: Mapping[str, Any], words: Sequence[str]) -> Mapping[str, Any]:
    for word in words:
        below = tables.get(word)
        tables = below if isinstance(below, dict) else {}
    return tables


def _command(group: click.Group, words: Sequence[str]) -> click.Command:
    command: click.Command = group
    for word in words:
        assert isinstance(command, click.Group)
        below = command.get_command(click.Context(command), word)
        assert below is not None
        command = below
    return command


def faults(group: click.Group, file: UserFile, words: tuple[str, ...] = ()) -> Iterator[UsageError]:
    """Yield the faults of a table: each key is to be an option, or a command with a table of its own."""
    command = _command(group, words)
    for key, value in _table(file.tables, words).items():
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
        fault = _not_in_file(place, key)
        if fault is not None:
            yield fault
            continue
        option = next((options[key] for options in _options_below(command) if key in options), None)
        if option is None:
            every = {name for options in _options_below(command) for name in options}
            whose = " ".join(["vstore", *words, "has no"]) if words else "no command has an"
            yield _unknown(place, f"{whose} option --{key}", key, every - ONLY_TYPED.keys())
        elif key in options_of(command):  # else the command below that has it looks at it
            fault = _looked_at(option, value, "file", place).fault
            if fault is not None:
                yield fault


def _not_in_file(place: str, key: str) -> UsageError | None:
    """Make the error for an option that no file sets; None for another."""
    reason = ONLY_TYPED.get(key) or NOT_IN_FILE.get(key)
    return None if reason is None else _not_taken(place, key, reason, "take it out there", is_file=True)


def _options_below(command: click.Command) -> Iterator[dict[str, click.Option]]:
    """Yield the options of a command, or those of all commands of a group, one command after another."""
    yield options_of(command)
    if not isinstance(command, click.Group):
        return
    ctx = click.Context(command)
    for name in command.list_commands(ctx):
        below = command.get_command(ctx, name)
        if below is not None and name not in WITHOUT:
            yield from _options_below(below)


def _looked_at(option: click.Option, value: Any, origin: str, where: str) -> Setting:
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


def _not_taken(place: str, name: str, reason: str, step: str, *, is_file: bool = False) -> UsageError:
    if name in NOT_IN_FILE and is_file:
        return UsageError(f"{place} is not taken from a file", reason)
    return UsageError(f"{place} is not taken: {dashed(name)} comes from the command line alone", f"{step}: {reason}")


def _unknown(place: str, says: str, key: str, among: Iterator[str] | Sequence[str] | set[str]) -> UsageError:
    import difflib

    near = difflib.get_close_matches(key, sorted(among), 1, 0.65)
    step = "all options that it may have: vstore config list"
    return UsageError(f"{place}: {says}", f"did you mean {near[0]}? {step}" if near else step)
