"""The command `vstore`: its group, and the edge at which errors become words and exit codes."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

gc.set_threshold(100_000)  # what is loaded at the start stays: looking through it again and again is wasted

import click  # noqa: E402

from vstore import VstoreError, __version__  # noqa: E402
from vstore_cli.output import local, shown  # noqa: E402

WIDTH = 100
HELP = ["-h", "--help"]

# Where each command lives, in the order and under the headings of the help.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Keep an index up to date": {
        "init": ("init:init", "Make an empty store."),
        "sync": ("sync:sync", "Embed what is new in folders, and write a snapshot."),
        "status": ("status:status", "Say what a sync would do."),
        "import": ("import_:import_", "Take in an index that another tool made."),
    },
    "Use it": {
        "search": ("search:search", "Find the pictures that look like a picture."),
        "export": ("export:export", "Write a version in a form that other tools read."),
        "dupes": ("dupes:dupes", "List identical pictures."),
    },
    "Versions": {
        "snapshot": ("snapshot:snapshot", "List, compare, tag, forget and export versions."),
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
        "repair": ("repair:repair", "Mend a damaged store."),
        "migrate": ("migrate:migrate", "Bring a store of an older format up to date."),
        "gc": ("gc:gc", "Free what no kept version names."),
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
            store = next(words, "")
        elif word.startswith("--store="):
            store = word.partition("=")[2]
        else:
            rest.append(word)
    if store == "":
        raise click.UsageError("--store wants a folder")
    return store, rest


@click.group(cls=Group, context_settings={"help_option_names": HELP, "max_content_width": WIDTH})
@click.option("--store", metavar="DIR", expose_value=False, help="The store. May stand anywhere on the line.")
@click.version_option(__version__, message="vstore %(version)s")
def vstore() -> None:
    """Keeps a searchable, versioned index of folders of pictures up to date at the cost of what changed.

    The store is the folder given by --store, else by the environment variable VSTORE_DIR, else the nearest .vstore
    upwards from here, else from the PATH that a command is about.

    \b
    Example:
      vstore sync pictures/
      vstore search ./pictures/cat.jpg

    \b
    Exit codes:
      0 done, 1 failure, 2 usage, 3 done, but some pictures could not be read,
      4 damage, 5 refused by a guard, 10 no store, 11 locked, 12 format too new,
      13 wrong or missing model, 130 interrupted
    """


def run(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code. With VSTORE_DEBUG set, errors come with a traceback."""
    words = list(sys.argv[1:] if args is None else args)
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    try:
        result = vstore.main(words, prog_name="vstore", standalone_mode=False)
        sys.stdout.flush()  # a full disk or a reader that has gone shows here at the latest
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as err:
        click.echo(err.format_message(), err=True)
        return err.exit_code
    except (BrokenPipeError, SystemExit):  # click makes this of the other, and of nothing else
        # Whoever read our output has enough. Python would complain when it flushes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except BaseException as err:
        if os.environ.get("VSTORE_DEBUG"):
            _trace(err)
        return _fail(as_json, err)


def _fail(as_json: bool, err: BaseException) -> int:
    """Say what went wrong: to people in words, to programs as the last line of stderr. Returns: the exit code."""
    code, exit_code, message, step = _words(err)
    if as_json:
        import json

        error: dict[str, Any] = {"code": code, "exit": exit_code, "message": message, "next": step}
        # ASCII alone, so that a name that is not UTF-8 cannot spoil the line.
        click.echo(json.dumps({"error": error}), err=True)
    else:
        if isinstance(err, click.UsageError) and err.ctx is not None:
            click.echo(err.ctx.get_usage(), err=True)
        lines = [shown(line.expandtabs()) for line in message.splitlines()] if isinstance(err, click.UsageError) else []
        click.echo(
            "\n".join([f"Error: {lines[0]}", *lines[1:]] if lines else [f"Error: {shown(local(message))}"]), err=True
        )
        if step:
            click.echo(f"  {shown(step)}", err=True)
    return exit_code


def _words(err: BaseException) -> tuple[str, int, str, str]:
    """The code, the exit code, the message and the next step of an error."""
    if isinstance(err, VstoreError):
        return err.code, err.exit_code, err.message, err.next_step
    if isinstance(err, click.UsageError):
        help_of = f"see: {err.ctx.command_path} --help" if err.ctx is not None else ""
        return "usage", 2, err.format_message(), help_of
    if isinstance(err, click.ClickException):
        return "failure", 1, err.format_message(), ""
    if isinstance(err, (KeyboardInterrupt, click.Abort)):
        return "interrupted", 130, "interrupted", ""
    if isinstance(err, MemoryError):
        return "failure", 1, "there was not enough memory", "close other programs and try again"
    if isinstance(err, OSError):
        where = f"{os.fsdecode(err.filename)}: " if err.filename is not None else ""
        full = err.errno in (errno.ENOSPC, errno.EDQUOT)
        return "failure", 1, f"{where}{err.strerror or err}", "free some space and run it again" if full else ""
    if not os.environ.get("VSTORE_DEBUG"):
        _trace(err)
    return "failure", 1, f"{type(err).__name__}: {err}", "this is a fault of vstore: report it with the lines above"


def _trace(err: BaseException) -> None:
    import traceback

    click.echo("".join(traceback.format_exception(err)), err=True, nl=False)


def main() -> None:
    """The entry point: run the command line of this process and leave with its exit code."""
    _open_streams()
    code = run()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    # Everything is closed by now. Taking the interpreter apart would be a tenth of a quick command.
    os._exit(code)


def _open_streams() -> None:
    """Lead what the caller closed to nowhere: else the next file that is opened would be taken for stdout or stderr."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")


def help_text(*words: str) -> str:
    """The help of a command as a wide terminal shows it, and README: `help_text("sync")`."""
    command: click.Command = vstore
    width = WIDTH - 2  # click keeps two columns free
    ctx = click.Context(vstore, info_name="vstore", terminal_width=width, help_option_names=HELP)
    for word in words:
        assert isinstance(command, click.Group)
        found = command.get_command(ctx, word)
        assert found is not None
        command = found
        ctx = click.Context(command, ctx, info_name=word)  # the rest is inherited
    return command.get_help(ctx)


def all_commands() -> Iterator[tuple[str, ...]]:
    """The words of every command, as README lists them: (), ("init",), …, ("snapshot",), ("snapshot", "list"), …"""
    yield ()
    for name in COMMANDS:
        yield (name,)
        command = vstore.get_command(click.Context(vstore), name)
        if isinstance(command, click.Group):
            yield from ((name, below) for below in command.commands)
