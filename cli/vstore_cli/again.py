"""The command line of this process, to be typed again."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence

import click

from vstore_cli.interrupts import saying


def typed_again(without: Collection[str] = ()) -> str:
    """Write the command line again, as a shell reads it. without: names of options to leave out, with their values."""
    import shlex  # commands that finish do without it

    ctx = click.get_current_context()
    words: Sequence[str] = ctx.find_root().ensure_object(dict)["words"]
    return shlex.join(["vstore", *_left(words, ctx.command, without)])


@contextlib.contextmanager
def going_on(what: str) -> Iterator[None]:
    """Say what an interruption here leaves, and that the same command goes on from there."""
    from vstore import Interrupted

    again = typed_again()
    with saying(lambda: Interrupted(what, f"continue with: {again}")):
        yield


def _left(words: Sequence[str], command: click.Command, without: Collection[str]) -> Iterator[str]:
    options = {text: one for one in command.params if isinstance(one, click.Option) for text in one.opts}
    taken = {text for text, one in options.items() if one.name in without}
    with_value = {"--store", *(text for text, one in options.items() if not one.is_flag and not one.count)}
    rest = iter(words)
    for word in rest:
        if word == "--":
            yield from (word, *rest)
            return
        name, equals, _ = word.partition("=")
        value = list(_next(rest)) if name in with_value and not equals else []
        if name not in taken:
            yield from (word, *value)


def _next(words: Iterator[str]) -> Iterator[str]:
    for word in words:
        yield word
        return
