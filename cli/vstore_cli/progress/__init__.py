"""--progress and --quiet: whether and how the progress of a run is shown."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vstore_cli.interrupts import Shown, showing

if TYPE_CHECKING:
    from vstore import Stage
    from vstore_cli.progress.bar import Bar

F = TypeVar("F", bound=Callable[..., Any])

# Stages in which no library works whose lines would have to be caught. Most runs have no other.
_OF_OURS = ("listing folders", "writing the snapshot")
WAYS = ("auto", "bar", "lines", "json", "none")


def progress_option(command: F) -> F:
    """Add --progress to a command that may take long."""
    return click.option(
        "--progress",
        "progress_as",
        type=click.Choice(WAYS),
        default="auto",
        show_default=True,
        expose_value=False,
        callback=_keep,
        help="Show progress on standard error as a bar (by default, on a terminal), a line every 30 s (by default, "
        "elsewhere), JSON lines for programs, or not at all.",
    )(command)


def _keep(ctx: click.Context, param: click.Parameter, value: str) -> None:
    ctx.meta[__name__] = value


class Later(Shown):
    """A listener that begins to show progress when there is some: most quick commands have none."""

    def __init__(self, how: str, stack: contextlib.ExitStack) -> None:
        self._how = how
        self._stack = stack
        self._bar: Bar | None = None

    def stage(self, name: str, total: int | None) -> None:
        pass  # `watch` tells more

    def advance(self, n: int = 1) -> None:
        pass

    def watch(self, stage: Stage) -> None:
        if self._bar is None:
            if self._how == "none" and stage.name in _OF_OURS:
                return
            from vstore_cli.progress.bar import drawing

            self._bar = self._stack.enter_context(drawing(self._how))
        self._bar.watch(stage)

    def put_down(self, file: bytes) -> None:
        if self._bar is not None:
            self._bar.put_down(file)

    def note(self, text: str) -> None:
        from vstore_cli.output import local, say

        if self._how != "json":
            text = local(text)
        if self._bar is not None:
            self._bar.note(text)
        else:
            say(text, err=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def abandon(self) -> None:
        if self._bar is not None:
            self._bar.abandon()

    def interject(self, text: str) -> bool:
        if self._bar is None or not self._bar.is_ticking:
            return False
        self._bar.soon(text)
        return True


def progress(quiet: bool) -> contextlib.AbstractContextManager[Later]:
    """Show the progress of a run, as the command line says, which only the thread of the command knows.

    Raises: UsageError if what it says makes no sense here.
    """
    return _shown(_way(quiet))


@contextlib.contextmanager
def _shown(way: str) -> Iterator[Later]:
    with contextlib.ExitStack() as stack:
        listener = Later(way, stack)
        with showing(listener):
            yield listener


def _way(quiet: bool) -> str:
    """Choose the way to show progress. Raises: UsageError if the command line asks for one that cannot be."""
    from vstore import UsageError

    ctx = click.get_current_context()
    how = ctx.meta[__name__]
    is_typed = ctx.get_parameter_source("progress_as") is click.core.ParameterSource.COMMANDLINE
    if quiet:
        if is_typed and how in ("bar", "lines", "json"):
            raise UsageError(f"--progress {how} shows progress, and --quiet shows none", "leave one of them out")
        return "none"
    can_draw = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if how == "bar" and is_typed and not can_draw:
        raise UsageError(
            "--progress bar needs a terminal on standard error", "use --progress lines, or json for a program"
        )
    if how in ("auto", "bar"):
        return "bar" if can_draw else "lines"
    return str(how)
