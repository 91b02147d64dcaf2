"""The command `vstore`: its group, and the edge at which errors become words and exit codes."""

from __future__ import annotations

import errno
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

gc.set_threshold(100_000)  # what is loaded at the start stays: looking through it again and again is wasted

import click  # noqa: E402

from vstore._version import __version__  # noqa: E402
from vstore.errors import VstoreError  # noqa: E402

WIDTH = 100

# Where each command lives, in the order and under the headings of the help.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Keep an index up to date": {
        "init": ("init:init", "Make an empty store."),
        "sync": ("sync:sync", "Embed what is new in folders, and write a snapshot."),
        "status": ("sync:status", "Say what a sync would do."),
    },
    "Use it": {
        "search": ("search:search", "Find pictures that look like a picture."),
        "dupes": ("dupes:dupes", "List identical pictures."),
    },
    "Versions": {
        "snapshot": ("snapshot:snapshot", "List, compare, tag and export versions."),
        "rollback": ("rollback:rollback", "Make an older snapshot current."),
        "undo": ("rollback:undo", "Take back the newest operation."),
        "redo": ("rollback:redo", "Bring back what undo took."),
        "log": ("rollback:log", "List the operations."),
    },
    "Models": {
        "model": ("model:model", "List, add, use and drop embedding spaces."),
    },
    "The store itself": {
        "check": ("check:check", "Prove the store whole."),
        "stats": ("stats:stats", "Say where the bytes are."),
        "doctor": ("doctor:doctor", "Say what is installed and fits together, and how to mend the rest."),
    },
}
COMMANDS = {name: place for section in SECTIONS.values() for name, place in section.items()}


class Group(click.Group):
    """Loads a command's module when the command is called, takes --store anywhere, and turns errors into words."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"vstore_cli.commands.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, commands in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, words) for name, (_, words) in commands.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        store, rest = _store_option(args)
        if store is not None:
            ctx.ensure_object(dict)["store"] = store
        return super().parse_args(ctx, rest)


def _store_option(args: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take `--store DIR` out of the words of a command, wherever it stands before a `--`."""
    store: str | None = None
    rest: list[str] = []
    words = iter(args)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--store":
            store = next(words, None)
            if store is None:
                raise click.UsageError("--store wants a folder")
        elif word.startswith("--store="):
            store = word.partition("=")[2]
        else:
            rest.append(word)
    return store, rest


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH})
@click.version_option(__version__, message="vstore %(version)s")
def vstore() -> None:
    """Keeps a searchable, versioned index of folders of pictures up to date at the cost of what changed.

    The store is the folder given by --store DIR (anywhere on the line), else by the environment variable VSTORE_DIR,
    else the nearest .vstore upwards from here.

    \b
    Example:
      vstore sync pictures/
      vstore search ./pictures/cat.jpg
    """


def run(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if args is None else args)
    as_json = "--json" in words
    if os.environ.get("VSTORE_DEBUG"):
        result = vstore.main(words, standalone_mode=False)
        return result if isinstance(result, int) else 0
    try:
        result = vstore.main(words, standalone_mode=False)
        return result if isinstance(result, int) else 0
    except VstoreError as err:
        return _fail(as_json, err.code, err.exit_code, err.message, err.next_step)
    except click.exceptions.Exit as err:
        return err.exit_code
    except click.UsageError as err:
        if err.ctx is not None and not as_json:
            click.echo(err.ctx.get_usage(), err=True)
        return _fail(as_json, "usage", 2, err.format_message(), "")
    except click.ClickException as err:
        return _fail(as_json, "failure", 1, err.format_message(), "")
    except (KeyboardInterrupt, click.Abort):
        return _fail(as_json, "interrupted", 130, "interrupted; what was finished is kept", "run the command again")
    except BrokenPipeError:
        # Whoever read our output has enough. Python would complain when it flushes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except MemoryError:
        return _fail(as_json, "failure", 1, "there was not enough memory", "close other programs and try again")
    except OSError as err:
        where = f"{os.fsdecode(err.filename)}: " if err.filename is not None else ""
        step = "free some space and run it again" if err.errno == errno.ENOSPC else ""
        return _fail(as_json, "failure", 1, f"{where}{err.strerror or err}", step)


def _fail(as_json: bool, code: str, exit_code: int, message: str, step: str) -> int:
    if as_json:
        import json

        error: dict[str, Any] = {"code": code, "exit": exit_code, "message": message, "next": step}
        click.echo(json.dumps({"error": error}), err=True)
    else:
        click.echo(f"Error: {message}" + (f"\n  {step}" if step else ""), err=True)
    return exit_code


def main() -> None:
    """The entry point: run the command line of this process and leave with its exit code."""
    code = run()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    # Everything is closed by now. Taking the interpreter apart would be a tenth of a quick command.
    os._exit(code)


def help_text(*words: str) -> str:
    """The help of a command, as README shows it: `help_text("sync")`."""
    command: click.Command = vstore
    ctx = click.Context(vstore, info_name="vstore", max_content_width=WIDTH, terminal_width=WIDTH)
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(ctx, word)
        assert found is not None
        command = found
        ctx = click.Context(command, ctx, info_name=word, max_content_width=WIDTH, terminal_width=WIDTH)
    return command.get_help(ctx)


def all_commands() -> Iterator[tuple[str, ...]]:
    """The words of every command, as README lists them: (), ("init",), …, ("snapshot",), ("snapshot", "list"), …"""
    yield ()
    for name in COMMANDS:
        yield (name,)
        command = vstore.get_command(click.Context(vstore), name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)
