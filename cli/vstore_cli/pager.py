"""Long output on a terminal, shown by the user's pager: `with paged(): click.echo(…)`.

Which pager it is, only the user's environment says.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from vstore_cli.interrupts import cancelling, is_ending
from vstore_cli.output import tell

if TYPE_CHECKING:
    import subprocess

_USUAL = "less"
_LESS = "FRX"  # leaves at once what fits the screen, lets colours through, leaves the text on the screen at the end
_OF_A_SHELL = "|&;<>()$`"


class _ToPager(io.TextIOWrapper):
    """The standard output while a pager shows it: what is written still reaches a terminal.

    takes_colour: the pager lets colours through.
    """

    takes_colour = True

    def isatty(self) -> bool:
        return True


@contextlib.contextmanager
def paged(*, as_json: bool = False) -> Iterator[None]:
    """Show what is printed to stdout meanwhile in the pager, if there is one and stdout is a terminal.

    A pager that its user quits ends the output quietly: the rest of the block is not run. Ctrl-C ends the block, too,
    but the pager has the terminal until its user leaves it: nothing is written there meanwhile.
    as_json: it is for a program.
    """
    command = None if as_json else pager()
    process = None if command is None else _start(command)
    if process is None:
        yield
        return
    assert process.stdin is not None
    terminal = sys.stdout
    stream = sys.stdout = _ToPager(process.stdin, terminal.encoding, terminal.errors, write_through=False)
    stream.takes_colour = _takes_colour(command or "")
    with cancelling():
        try:
            with contextlib.suppress(BrokenPipeError):
                yield
        finally:
            sys.stdout = terminal
            _end(stream)
            _wait(process)


def pager() -> str | None:
    """Find the command of the pager. Returns: None where output goes straight to stdout."""
    ctx = click.get_current_context(silent=True)
    if ctx is not None and (ctx.find_object(dict) or {}).get("no_pager"):
        return None
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        return None
    named = next((os.environ[name] for name in ("VSTORE_PAGER", "PAGER") if name in os.environ), None)
    if named is None:
        import shutil

        named = shutil.which(_USUAL) or ""
    return named if named.strip() not in ("", "cat") else None


def _takes_colour(command: str) -> bool:
    """Tell whether a pager lets colours through: `less` does so if its options say so."""
    return not {"R", "r"}.isdisjoint(os.environ.get("LESS", _LESS)) or "less" not in command


def _start(command: str) -> subprocess.Popen[bytes] | None:
    """Start a pager. Returns: None if it does not start, and says so."""
    import shlex
    import subprocess

    try:
        words = ["/bin/sh", "-c", command] if set(command) & set(_OF_A_SHELL) else shlex.split(command)
        return subprocess.Popen(words, stdin=subprocess.PIPE, env={"LESS": _LESS, "LV": "-c", **os.environ})
    except (OSError, ValueError) as err:
        why = err.strerror if isinstance(err, OSError) else str(err)
        tell(f"Warning: the pager {command!r} did not start: {why}. Name another one in VSTORE_PAGER.", err=True)
        return None


def _end(stream: io.TextIOWrapper) -> None:
    """Close the pipe to a pager, which may be gone, or read no further for long."""
    try:
        stream.close()
    except (BrokenPipeError, KeyboardInterrupt):
        assert isinstance(stream.buffer, io.BufferedWriter)
        with contextlib.suppress(OSError):
            stream.buffer.raw.close()  # without what is left to write


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait until the user leaves the pager. Ctrl-C is the pager's own affair; a request to end vstore ends both."""
    while True:
        try:
            if is_ending():
                process.terminate()
            process.wait()
        except KeyboardInterrupt:
            continue
        return
