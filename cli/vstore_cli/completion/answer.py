"""Completion of command lines: what a shell asks for when its user presses TAB.

The script of `vstore completion` calls vstore with _VSTORE_COMPLETE=SHELL_complete, with the command line up to the
cursor in COMP_LINE, and with what the shell takes for its last word in COMP_WORD. Each line of the answer is a kind and
a value, and what it is: `plain,v12<TAB>2026-11-20 …`. The kinds `file` and `dir` ask the shell for its own files.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem, ShellComplete

from vstore_cli.locate import find_store, user_words
from vstore_cli.store_option import store_option
from vstore_cli.typed_line import escaped, split

if TYPE_CHECKING:
    from vstore import Names

    Found = Iterator[CompletionItem[str]]  # click 8.4 knows no such type while it runs

VARIABLE = "_VSTORE_COMPLETE"
_LONGEST = 60  # characters of a message
_MOST = 1_000  # names of a kind


def answer(group: click.Group) -> None:
    """Print what completes the command line of the environment. Whatever goes wrong, nothing is said."""
    shell = os.environ[VARIABLE].partition("_")[0]
    line, word = os.environ.get("COMP_LINE", ""), os.environ.get("COMP_WORD", "")
    lines = list(completions(group, shell, line, word))
    sys.stdout.buffer.write("".join(f"{one}\n" for one in lines).encode("utf-8", "surrogateescape"))
    sys.stdout.flush()


def completions(group: click.Group, shell: str, line: str, word: str) -> Iterator[str]:
    """Complete a command line.

    word: its last word, as the shell sees it: what bash replaces may be a part of it only.
    Yields: the lines of the answer.
    """
    typed = split(line)
    if not typed.words:
        return
    is_option = typed.last.startswith("--") and "=" in typed.last and "--" not in typed.words
    option = typed.last.partition("=")[0] + "=" if is_option else ""
    items = list(_items(group, list(typed.words[1:]), typed.last))
    has_files = any(item.type != "plain" for item in items)
    for item in items:
        if item.type != "plain":
            yield f"{item.type},"
            continue
        if not item.value.isprintable():
            continue
        value = option + item.value
        if shell == "bash":
            whole = value if has_files else escaped(value, typed.quote)
            if whole is None:
                continue
            # It replaces what follows the last of its separators, such as = and :.
            value = whole[len(typed.raw) - len(word) :] if typed.raw.endswith(word) else whole
        yield f"plain,{value}\t{_line(item.help or '')}"


def _line(text: str) -> str:
    """Shorten what is said of a value to a line that can do a terminal no harm."""
    return "".join(char if char.isprintable() else " " for char in text)


def _items(group: click.Group, words: list[str], last: str) -> Found:
    """Yield what may stand in the place of the last word of a command line."""
    if "--" not in words and (words[-1:] == ["--store"] or last.startswith("--store=")):
        yield CompletionItem("", type="dir")
        return
    words = [os.path.expanduser(word) if before == "--store" else word for before, word in _pairs(words)]
    ctx_args: dict[str, Any] = {"obj": {}}
    completer = _Completer(group, ctx_args, "vstore", VARIABLE)
    with click.Context(group, obj=ctx_args["obj"]) as ctx, _taught(ctx, group, words):
        yield from completer.get_completions(words, last)
        if last.startswith("-") and "--" not in words and "=" not in last:
            for param in group.params:  # they may stand anywhere
                if (
                    isinstance(param, click.Option)
                    and not param.is_eager
                    and words
                    and group.get_command(ctx, words[0])
                ):
                    yield from (
                        CompletionItem(name, help=param.help)
                        for name in param.opts
                        if name.startswith(last) and name not in words
                    )


def _pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    return zip(["", *words], words, strict=False)


class _Completer(ShellComplete):
    """The completion of click, but for the words of the shell, which `split` reads."""

    name = "vstore"


class _Named(click.ParamType[Any]):
    """The type of a parameter whose values have names: they are taken as they are, and completed.

    kinds: what it takes, such as SNAP.
    """

    name = "named"

    def __init__(self, kinds: list[str]) -> None:
        self._kinds = kinds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        found: list[CompletionItem[str]] = []
        for kind in self._kinds:
            found += KINDS[kind](_Asked(incomplete, takes_paths="PATH" in self._kinds))
        return found


@contextlib.contextmanager
def _taught(ctx: click.Context, group: click.Group, words: list[str]) -> Iterator[None]:
    """Let the parameters of the command in some words complete what their help calls SNAP, SPACE, LABEL, PATH …"""
    store, rest = store_option(words)
    if store is not None:
        ctx.obj["store"] = store
    command: click.Command | None = group
    path = []
    for word in rest:
        if not isinstance(command, click.Group) or command is None:
            break
        command = command.get_command(ctx, word)
        path.append(word)
    types = [(param, param.type) for param in (command.params if command is not None else ())]
    for param, _ in types:
        kinds = kinds_of(tuple(path), param)
        if kinds:
            param.type = _Named(kinds)
    try:
        yield
    finally:
        for param, type in types:
            param.type = type


def kinds_of(words: tuple[str, ...], param: click.Parameter) -> list[str]:
    """Tell what the values of a parameter name. words: the command."""
    if isinstance(param, click.Option) and param.is_flag:
        return []
    own = _ARGUMENTS.get(str(param.name)) or _ARGUMENTS.get(" ".join((*words, str(param.name))))
    if own is not None and isinstance(param, click.Argument):
        return own.split()
    shown = param.metavar or (str(param.name).upper() if isinstance(param, click.Argument) else "")
    found = [_WORDS.get(word, word) for word in re.findall(r"[A-Z]+=?", shown)]
    kinds = [word for word in dict.fromkeys(found) if word in KINDS]
    if isinstance(param, click.Option):  # the fields that options name are columns of an old index
        kinds = [kind for kind in kinds if kind != "FIELD"]
    return [kind for kind in kinds if kind != "LABEL" or "PATH" not in kinds]  # a path may begin with a label


class _Asked(NamedTuple):
    """A value that is completed.

    begin:       its beginning.
    takes_paths: it may be a path, too.
    """

    begin: str
    takes_paths: bool = False


def _names(begin: str | None = None) -> Names | None:
    """Read the names of the store that the command line would use; None without one."""
    from vstore import Store

    folder = find_store()
    if folder is None:
        return None
    with Store(folder, **user_words(folder)) as store:
        return store.names(begin)


def _snapshots(asked: _Asked) -> Found:
    found = _names(asked.begin)
    if found is None:
        return
    if found.current is not None:
        yield from _beginning(asked, {"current": found.current, "latest": "the newest"})
    yield from _beginning(asked, found.tags)
    for row in found.snapshots if asked.begin or not asked.takes_paths else ():
        about = f"{row.time.replace('T', ' ').rstrip('Z')}  {row.images} pictures  {row.message[:_LONGEST]}"
        yield CompletionItem(row.snapshot, help=about.strip())


def _beginning(asked: _Asked, values: dict[str, str]) -> Found:
    found = (name for name in values if name.startswith(asked.begin) and not name.startswith("-"))
    return (CompletionItem(name, help=values[name]) for name in islice(found, _MOST))


def _tags(asked: _Asked) -> Found:
    found = _names()
    return _beginning(asked, found.tags) if found is not None else iter(())


def _spaces(asked: _Asked) -> Found:
    found = _names()
    return _beginning(asked, found.spaces) if found is not None else iter(())


def _labels(asked: _Asked) -> Found:
    found = _names()
    return _beginning(asked, found.folders) if found is not None else iter(())


def _roots(asked: _Asked) -> Found:
    """A folder of the store: its label, or its path where one is begun."""
    if asked.begin[:1] in (".", "/", "~"):
        yield CompletionItem("", type="dir")
    else:
        yield from _labels(asked)


def _paths(asked: _Asked) -> Found:
    """A file, or the label of a folder: a path may be one of the store."""
    if asked.begin[:1] not in (".", "/", "~"):
        yield from _labels(asked)
    yield CompletionItem("", type="file")


def _files(asked: _Asked) -> Found:
    yield CompletionItem("", type="file")


def _folders(asked: _Asked) -> Found:
    yield CompletionItem("", type="dir")


def _devices(asked: _Asked) -> Found:
    about = {"auto": "the best there is", "cpu": "", "cuda": "every CUDA GPU", "cuda:0": "the first", "mps": "of Apple"}
    return _listed(asked, about)


def _kinds(asked: _Asked) -> Found:
    from vstore import FolderDiff

    return _listed(asked, dict.fromkeys(FolderDiff._fields[2:], ""))


def _rules(asked: _Asked) -> Found:
    return _listed(asked, dict.fromkeys(("complete", "pixels", "format", "metadata", "bytes", "oldest"), ""))


def _listed(asked: _Asked, values: dict[str, str]) -> Found:
    """Complete the last of several values that commas separate."""
    before, comma, begin = asked.begin.rpartition(",")
    for item in _beginning(asked._replace(begin=begin), values):
        yield CompletionItem(before + comma + item.value, help=item.help)


def _fields(asked: _Asked) -> Found:
    """Complete the name of a field, up to its value where one follows: `label=`."""
    from vstore import Store

    folder = find_store()
    if folder is None:
        return iter(())
    with Store(folder, **user_words(folder)) as store:
        names = {row.name: ", ".join(row.types) for row in store.fields_list()}
    return _beginning(asked, names)


def _assignments(asked: _Asked) -> Found:
    for item in _fields(asked):
        yield CompletionItem(f"{item.value}=", help=item.help)


def _commands(asked: _Asked) -> Found:
    root = click.get_current_context().find_root()
    return iter(root.command.shell_complete(root, asked.begin))


# What completes a parameter, by the words of its metavar or by the name of the argument.
KINDS: dict[str, Callable[[_Asked], Found]] = {
    "SNAP": _snapshots,
    "TAG": _tags,
    "SPACE": _spaces,
    "LABEL": _labels,
    "PATH": _paths,
    "ROOT": _roots,
    "FILE": _files,
    "DIR": _folders,
    "DEVICE": _devices,
    "KIND": _kinds,
    "RULES": _rules,
    "FIELD": _fields,
    "ASSIGNMENT": _assignments,
    "COMMAND": _commands,
}
_WORDS = {
    "A": "SNAP",
    "B": "SNAP",
    "SNAPS": "SNAP",
    "OUT": "FILE",
    "PICTURE": "PATH",
    "OPERAND": "FILE",
    "FIELD=": "ASSIGNMENT",
}
_ARGUMENTS = {  # where their metavar says too little
    "paths": "FILE",
    "model diff a": "SPACE SNAP",
    "model diff b": "SPACE SNAP",
    "snapshot untag name": "TAG",
    "root remove root": "ROOT",
    "root rename old": "ROOT",
}
