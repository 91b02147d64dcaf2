"""Lines that are typed, or sent by a program, one after the other: `vstore search --interactive`."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import click

from vstore import UsageError, VstoreError
from vstore_cli.failures import document_of, fail
from vstore_cli.interrupts import cancellable, cancelling
from vstore_cli.output import echo_aside
from vstore_cli.suggestions import typed
from vstore_cli.typed_line import escaped, split

T = TypeVar("T")

LONGEST = 1 << 16  # bytes of a line
END = "exit"  # alone on its line; in quotes it is a text
HELP = "help"  # the same, of a person
PROMPT = "search> "


class TooLong(UsageError):
    """A line that is longer than any."""

    def __init__(self) -> None:
        super().__init__(f"a line is longer than {LONGEST:,} bytes", "write a shorter one")


class Lines:
    """The lines of stdin: of a person at a terminal, with a prompt, or of a program."""

    def __init__(self, *, as_json: bool) -> None:
        self.is_typed = sys.stdin.isatty()
        # Only then does Python edit lines; elsewhere its prompt would stand among the answers.
        self._is_edited = self.is_typed and sys.stdout.isatty() and not as_json
        if self._is_edited:
            _edit()

    def every(self) -> Iterator[str | TooLong]:
        """Yield the lines, without their ends, up to `exit`. A line that is cancelled while it is typed is none."""
        while True:
            got = cancellable(self._next, echo_aside)
            if not got:
                continue
            (line,) = got
            if line is None or (not isinstance(line, TooLong) and line.strip() == END):
                return
            yield line

    def _next(self) -> str | TooLong | None:
        if self._is_edited:
            try:
                line = input(PROMPT)
            except EOFError:
                click.echo()
                return None
            except SystemError as err:  # CPython calls the handler of one signal while the error of another rises
                if isinstance(err.__cause__, KeyboardInterrupt):
                    raise KeyboardInterrupt from err
                raise
            return TooLong() if len(os.fsencode(line)) > LONGEST else line
        if self.is_typed:
            echo_aside(PROMPT, nl=False)
        data = sys.stdin.buffer.readline(LONGEST + 1)
        if not data:
            return None
        if len(data) > LONGEST and not data.endswith(b"\n"):
            while (data := sys.stdin.buffer.readline(LONGEST)) and not data.endswith(b"\n"):
                pass
            return TooLong()
        return os.fsdecode(data.rstrip(b"\r\n"))


def _edit() -> None:
    """Let lines be edited, and names of files be completed, where Python has a library for that."""
    try:
        import readline
    except ImportError:
        return
    readline.set_completer_delims(" \t\n")
    readline.set_completer(_completed)
    readline.parse_and_bind("tab: complete")


def _completed(text: str, number: int) -> str | None:
    """Complete the name of a file; called with 0, 1, … until there is none."""
    import readline

    found = completions(readline.get_line_buffer()[: readline.get_endidx()], text)
    return found[number] if number < len(found) else None


def completions(line: str, text: str) -> list[str]:
    """List the names of files with which the last word of a line goes on, quoted as `words_of` reads them.

    line:    up to the cursor.
    text:    its end after the last space, quoted or not, which a completion takes the place of.
    """
    import glob

    word = split(line)
    home = os.path.expanduser(word.last)
    raw, before = word.raw, len(word.raw) - len(text)
    if word.quote != "'" and (len(raw) - len(raw.rstrip("\\"))) % 2:
        raw = raw[:-1]  # it is written again before what it quotes
    if home != word.last and not before and not word.quote:
        raw = escaped(home) or ""
    found = []
    for path in sorted(glob.iglob(glob.escape(home) + "*")):
        rest = escaped(path[len(home) :], word.quote)
        if rest is None or any(char < " " for char in path):
            continue
        end = "/" if os.path.isdir(path) else word.quote
        found.append((raw + rest.removeprefix(word.quote) + end)[before:])
    return found


def words_of(line: str | TooLong) -> list[str]:
    """Divide a line into words as a shell does, and expand nothing. Raises: UsageError."""
    import shlex

    if isinstance(line, TooLong):
        raise line
    if "\0" in line:
        raise UsageError("a line holds a NUL", "write one query a line")
    try:
        return shlex.split(line)
    except ValueError as err:
        raise UsageError(f"a quote is not closed: {line}", 'close it; a quote in a word is written "\'"') from err


def answered(ask: Callable[[], T]) -> T:
    """Ask in a thread of its own, and wait.

    A query that is cancelled goes on there: a model that is being loaded is of use to the next one, which waits for it,
    and half-loaded it would be of use to none.
    Raises: what `ask` raises; KeyboardInterrupt.
    """
    found: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(ask())
        except BaseException as err:
            errors.append(err)

    thread = threading.Thread(target=run, name="vstore-query", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return found[0]


def converse(
    ready: Callable[[list[str]], Callable[[], T]],
    show: Callable[[T], None],
    *,
    as_json: bool,
    end: bytes,
    hint: str,
    more: str,
) -> int:
    """Answer lines until they end; an error ends none but its own.

    ready:   reads the words of a line, and returns what asks the store, in another thread.
    end:     of an answer, for programs that read paths.
    hint:    tells a person what to type.
    more:    tells more of it, where they type help.
    Returns: the exit code: 1 if a line of a program failed.
    Raises:  OSError if an answer cannot be written.
    """
    lines = Lines(as_json=as_json)
    is_read = as_json or bool(end)  # by a program, which counts answers
    failed = False
    if lines.is_typed:
        echo_aside(hint)

    def answer(line: str | TooLong) -> None:
        nonlocal failed
        try:
            words = words_of(line)
            found = [answered(ready(words))] if words or is_read else []
        except Exception as err:
            failed = True
            _say(err, as_json=as_json)
        else:
            for one in found:  # an answer that cannot be written is no fault of its line: nor can the next one
                show(one)

    with cancelling() if lines.is_typed else contextlib.nullcontext():
        for line in lines.every():
            if lines.is_typed and not isinstance(line, TooLong) and line.strip() == HELP:
                echo_aside(more)
                continue
            cancellable(partial(answer, line), lambda: echo_aside("\nCancelled."))
            if end:
                sys.stdout.buffer.write(end)
                sys.stdout.buffer.flush()
    return 1 if failed and not lines.is_typed else 0


def _say(err: Exception, *, as_json: bool) -> None:
    if isinstance(err, VstoreError):
        err.message, err.next_step = typed(err.message), typed(err.next_step)
    if as_json:
        click.echo(document_of(err))
    else:
        fail(err, as_json=False)
