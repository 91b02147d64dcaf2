"""Errors as messages and exit codes."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from typing import Any

import click

from vstore import VstoreError
from vstore_cli.output import local, shown, tell

_STEPS = {
    errno.ENOSPC: "free some space and run it again",
    errno.EDQUOT: "free some space and run it again",
    errno.EACCES: "look at its permissions, and those of the folders above it; its owner can change them",
    errno.EMFILE: "let a process open more files (ulimit -n 1024), and run it again",
}

_LEAST_ALIKE = 0.6  # of difflib, as click has it


def fail(err: BaseException, *, as_json: bool) -> int:
    """Report an error: to people in words, to programs as the last line of stderr. Returns: the exit code.

    With VSTORE_DEBUG set, and for a bug of ours, a traceback comes first.
    """
    if os.environ.get("VSTORE_DEBUG"):
        _trace(err)
    code, exit_code, message, step = _words(err)
    with contextlib.suppress(OSError):  # if nobody can read it, the exit code still says what it was
        if as_json:
            click.echo(_document(code, exit_code, message, step), err=True)
        else:
            _print(err, message, step)
    return exit_code


def _print(err: BaseException, message: str, step: str) -> None:
    """Print an error for people."""
    if isinstance(err, click.UsageError) and err.ctx is not None:
        click.echo(err.ctx.get_usage(), err=True)
    lines = [shown(line.expandtabs()) for line in message.splitlines()] if isinstance(err, click.UsageError) else []
    first, *more = lines or [shown(local(message))]
    tell("\n".join([f"Error: {first}", *more]), err=True, hang=len("Error: "))
    if step:
        tell(f"  {shown(step)}", err=True, hang=2)


def document_of(err: BaseException) -> str:
    """Write an error as programs get it, on one line."""
    return _document(*_words(err))


def _document(code: str, exit_code: int, message: str, step: str) -> str:
    import json

    error: dict[str, Any] = {"code": code, "exit": exit_code, "message": message, "next": step}
    return json.dumps({"error": error})  # ASCII only: a name that is not UTF-8 cannot break the line


def _words(err: BaseException) -> tuple[str, int, str, str]:
    """Work out the code, the exit code, the message and the next step of an error."""
    if isinstance(err, VstoreError):
        return err.code, err.exit_code, err.message, err.next_step
    if isinstance(err, click.UsageError):
        help_of = f"{_as_option(err)}see: {err.ctx.command_path} --help" if err.ctx is not None else ""
        near = _mistyped(err)
        if near is None or err.ctx is None:
            return "usage", 2, err.format_message(), help_of
        from vstore_cli.suggestions import meant_command

        meant = meant_command(err.ctx, *near) or near[1]
        message = err.message if isinstance(err, click.NoSuchOption) else err.format_message()
        return "usage", 2, message, f"did you mean: {meant}; {help_of}"
    if isinstance(err, click.ClickException):
        return "failure", 1, err.format_message(), ""
    if isinstance(err, (KeyboardInterrupt, click.Abort)):
        return "interrupted", 130, "interrupted", ""
    if isinstance(err, MemoryError):
        return "failure", 1, "there is not enough memory", "close other programs and try again"
    if isinstance(err, OSError):
        where = f"{os.fsdecode(err.filename)}: " if err.filename is not None else ""
        return "failure", 1, f"{where}{err.strerror or err}", _STEPS.get(err.errno or 0, "")
    if not os.environ.get("VSTORE_DEBUG"):
        _trace(err)
    return (
        "failure",
        1,
        f"{type(err).__name__}: {err}",
        "this is a bug in vstore: please report it with the lines above",
    )


def _mistyped(err: click.UsageError) -> tuple[str, str] | None:
    """Find the mistyped option of an error, or value where a few are allowed, and the nearest one there is."""
    if isinstance(err, click.NoSuchOption):
        near = [one for one in err.possibilities or () if _alike(err.option_name, one)]
        # `--keep` begins several options: whatever one took from a suggestion would decide what is deleted.
        is_one = sum(name.startswith(err.option_name) for name in near) < 2
        return (err.option_name, near[0]) if near and is_one else None
    kind = err.param.type if isinstance(err, click.BadParameter) and err.param is not None else None
    found = re.match(r"'(.+)' is not one of ", err.message)
    if not isinstance(kind, click.Choice) or found is None:
        return None
    from difflib import get_close_matches  # few words are mistyped

    near = get_close_matches(found[1].lower(), map(str, kind.choices), n=1)
    return (found[1], near[0]) if near else None


def _alike(typed: str, option: str) -> bool:
    """Tell whether two options are alike without their dashes, which would make any two short ones so."""
    from difflib import SequenceMatcher

    return SequenceMatcher(a=typed.lstrip("-").lower(), b=option.lstrip("-")).ratio() >= _LEAST_ALIKE


def _as_option(err: click.UsageError) -> str:
    """Say how a path is given that stands where a command takes none, as git would take it."""
    extra = re.fullmatch(r"Got unexpected extra argument \((.+)\)", err.message)
    if extra is None or err.ctx is None or not any("--under" in one.opts for one in err.ctx.command.params):
        return ""
    import shlex

    return f"to look below a folder: --under {shlex.quote(extra[1])}; "


def _trace(err: BaseException) -> None:
    import traceback

    with contextlib.suppress(OSError):
        click.echo("".join(traceback.format_exception(err)), err=True, nl=False)
