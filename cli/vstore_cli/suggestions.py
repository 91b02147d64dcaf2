"""Commands that messages suggest, as they are to be typed here: for the same store, and offline if this command was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import click

from vstore import VstoreError

# A command at the beginning, or after a space or a bracket: other characters belong to a path or a quoted prompt.
_COMMAND = r"(?:(?<=^)|(?<=[ (`]))vstore (?P<words>[a-z]+(?: [a-z]+)?)(?P<rest>[^;,)`]*)"
_WITHOUT_STORE = ("model recommend", "model convert", "trust")
_TAKE_AWAY = {("snapshot", "forget"), ("snapshot", "untag"), ("root", "remove"), ("model", "drop"), ("fields", "unset")}
_MESSAGES = ("next", "fix", "notes", "left")  # fields of reports


def typed(text: str) -> str:
    """Add to each command in a text what this command line had: the store that it named or found, and --offline."""
    ctx = click.get_current_context(silent=True)
    given = (ctx.find_object(dict) or {}) if ctx is not None else {}
    store, offline = given.get("store") or given.get("found"), given.get("offline", False)
    if ctx is None or (store is None and not offline):
        return text
    import shlex  # most commands suggest nothing

    root = ctx.find_root()

    def whole(match: re.Match[str]) -> str:
        found = _command(root, match["words"].split())
        if found is None or match["rest"].strip() == "--help":
            return match[0]
        name, command = found
        words = ["vstore"]
        if store is not None and name not in _WITHOUT_STORE and "--store" not in match["rest"]:
            words += ["--store", shlex.quote(str(store))]
        words.append(name)
        if offline and "--offline" not in match["rest"] and any("--offline" in one.opts for one in command.params):
            words.append("--offline")
        return " ".join(words) + match[0].removeprefix(f"vstore {name}")

    return re.sub(_COMMAND, whole, text)


def corrected(err: VstoreError) -> str:
    """Put the whole command that was meant into the next step of an error about a mistyped name."""
    ctx = click.get_current_context(silent=True)
    if err.instead is None or ctx is None or _takes_away(ctx):
        return err.next_step
    meant = meant_command(ctx, *err.instead)
    if meant is None:
        return err.next_step
    return err.next_step.replace(f"did you mean {err.instead[1]}?", f"did you mean: {meant};", 1)


def _takes_away(ctx: click.Context) -> bool:
    """Tell whether the command takes away what it names: a guess at the name is no command to be typed unread."""
    words = (ctx.find_object(dict) or {}).get("words", [])
    return any(tuple(words[at : at + 2]) in _TAKE_AWAY for at in range(len(words)))


def meant_command(ctx: click.Context, wanted: str, near: str) -> str | None:
    """Give this command line with a mistyped word put right; None if the word is not in it exactly once."""
    words = (ctx.find_object(dict) or {}).get("words", [])
    meant = [_replaced(word, wanted, near) for word in words]
    if sum(a != b for a, b in zip(words, meant, strict=True)) != 1:
        return None
    import shlex

    return shlex.join(["vstore", *meant])


def _replaced(word: str, wanted: str, near: str) -> str:
    """Replace a name in a word of a command, which may be an option, or a value: `--option=NAME`."""
    option, equals, value = word.partition("=")
    if option == wanted and option.startswith("--"):
        return f"{near}{equals}{value}"
    if option.startswith("--") and equals and value == wanted:
        return f"{option}={near}"
    return near if word == wanted else word


def typed_fields(value: Any) -> Any:
    """Do the same in the messages of a report's JSON document."""
    if isinstance(value, Mapping):
        return {name: _texts(one) if name in _MESSAGES else typed_fields(one) for name, one in value.items()}
    return [typed_fields(one) for one in value] if isinstance(value, (list, tuple)) else value


def _texts(value: Any) -> Any:
    if isinstance(value, str):
        return typed(value)
    return [_texts(one) for one in value] if isinstance(value, (list, tuple)) else typed_fields(value)


def _command(root: click.Context, words: list[str]) -> tuple[str, click.Command] | None:
    """Find the command that words begin with. Returns: its name and itself; None if they are prose."""
    assert isinstance(root.command, click.Group)
    command = root.command.get_command(root, words[0])
    if command is None or not isinstance(command, click.Group):
        return None if command is None else (words[0], command)
    below = command.get_command(root, words[1]) if len(words) > 1 else None
    return (words[0], command) if below is None else (" ".join(words[:2]), below)
