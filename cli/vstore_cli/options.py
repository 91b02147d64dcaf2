"""Options that several commands have. Those of models are in `models`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def message_option(command: F) -> F:
    """Add --message to a command that writes a snapshot."""
    return _message("A note for the snapshot.")(command)


def messages_option(command: F) -> F:
    """Add --message to a command that writes snapshots."""
    return _message("A note for the snapshots.")(command)


def _message(help: str) -> Callable[[F], F]:
    return click.option("-m", "--message", default="", help=help)


def dry_run_option(help: str) -> Callable[[F], F]:
    """Add --dry-run."""
    return click.option("-n", "--dry-run", is_flag=True, help=help)


def where_option(help: str) -> Callable[[F], F]:
    """Add --where to a command that shows pictures."""
    return click.option("--where", metavar="EXPR", help=help)


def wait_option(command: F) -> F:
    """Add --wait to a command that changes the store."""
    return click.option("--wait", is_flag=True, help="Wait for another process that is changing the store.")(command)


def max_file_size_option(command: F) -> F:
    """Add --max-file-size to a command that reads pictures."""
    from vstore_cli.units import Size

    return click.option(
        "--max-file-size", type=Size(), default="256M", show_default=True, help="Do not read larger files."
    )(command)


def max_pixels_option(command: F) -> F:
    """Add --max-pixels to a command that decodes pictures."""
    return click.option(
        "--max-pixels", type=int, metavar="N", help="Do not decode larger pictures (default 179 million pixels)."
    )(command)


def reading_options(run: str) -> Callable[[F], F]:
    """Add the options of a command that syncs. run: its name in their help."""

    def add(command: F) -> F:
        command = click.option(
            "--isolate-decoding",
            is_flag=True,
            help=f"For pictures of strangers: a picture that crashes its decoder or hangs it does not end the {run}.",
        )(command)
        command = duration_option(
            "--commit-every", "30m", "Write a partial snapshot after this much time of embedding."
        )(command)
        return max_file_size_option(max_pixels_option(command))

    return add


def duration_option(name: str, default: str, help: str) -> Callable[[F], F]:
    """Add an option that takes a time."""
    from vstore_cli.units import Duration

    return click.option(name, type=Duration(), default=default, show_default=True, help=help)
