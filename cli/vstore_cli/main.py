"""The command `vstore`: the group of all commands."""

from __future__ import annotations

from vstore_cli import loading

_loads = loading.begin()

import gc  # noqa: E402

# Modules stay loaded: collecting among them again and again is wasted, those of the standard library included.
gc.set_threshold(100_000)

import contextlib  # noqa: E402
import importlib  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from typing import TYPE_CHECKING, Any, NoReturn  # noqa: E402

import click  # noqa: E402

from vstore import UsageError, VstoreError, __version__  # noqa: E402
from vstore_cli.failures import fail  # noqa: E402
from vstore_cli.groups import Commands  # noqa: E402
from vstore_cli.homes import ignore_unusable  # noqa: E402
from vstore_cli.interrupts import heed, was_interrupted  # noqa: E402
from vstore_cli.store_option import store_option  # noqa: E402
from vstore_cli.terminal.outlets import outlets  # noqa: E402

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

loading.end(_loads)

WIDTH = 100
HELP = ["-h", "--help"]

# Where each command lives, in the order and under the headings of the help.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Keep an index up to date": {
        "init": ("init:init", "Make an empty store."),
        "sync": ("sync:sync", "Embed new pictures and write a snapshot."),
        "watch": ("watch:watch", "Sync whenever pictures change."),
        "status": ("status:status", "Show what a sync would do."),
        "import": ("import_:import_", "Import an index that another tool made."),
        "root": ("root:root", "List the folders, take one out, rename one."),
    },
    "Use it": {
        "search": ("search:search", "Find pictures that look like a picture or match a text."),
        "serve": ("serve:serve", "Show the store in a browser."),
        "export": ("export:export", "Write a snapshot in a format that other tools read."),
        "dupes": ("dupes:dupes", "List identical or similar pictures."),
        "ls": ("ls:ls", "List the folders and pictures of a snapshot."),
        "find": ("find:find", "Find pictures by their names."),
        "show": ("show:show", "Show what the store knows of one picture."),
        "fields": ("fields:fields", "Say things of pictures: labels, captions, ratings."),
        "decide": ("decide:decide", "Decide which pictures are copies, and which are to stay."),
        "decisions": ("decide:decisions", "List these decisions."),
    },
    "Snapshots": {
        "snapshot": ("snapshot:snapshot", "List, compare, tag, forget and export snapshots."),
        "rollback": ("rollback:rollback", "Make an older snapshot current."),
        "undo": ("rollback:undo", "Take back the newest operation."),
        "redo": ("rollback:redo", "Restore what undo took back."),
        "log": ("rollback:log", "List the operations."),
    },
    "Models": {
        "model": ("model:model", "List, add, use and drop embedding spaces."),
    },
    "The store itself": {
        "facts": ("facts:facts", "Show which facts of pictures are missing, and fill them in."),
        "check": ("check:check", "Verify the store."),
        "repair": ("repair:repair", "Repair a damaged store."),
        "migrate": ("migrate:migrate", "Upgrade a store of an older format."),
        "gc": ("gc:gc", "Delete data that no snapshot uses."),
        "index": ("index:index", "Build the index for searches of millions of pictures."),
        "stats": ("stats:stats", "Show disk usage."),
        "trust": ("trust:trust", "Trust a store of another user."),
        "completion": ("completion:completion", "Print the script for a shell that completes vstore."),
        "config": ("config:config", "Show the options that you set once for all."),
        "doctor": ("doctor:doctor", "Check the installation and suggest fixes."),
    },
}
COMMANDS = {name: place for section in SECTIONS.values() for name, place in section.items()}


_ABOUT_OPTIONS = ("usage", "model")  # codes of errors that may name an option or its value
# What reads these refuses an empty value itself, or takes it: a prompt may be empty.
_READ_OPTIONS = ("--prompt", "--query-prompt", "--accept-truncated")
_READ_OPERANDS = ("fields", "rollback", "search", "snapshot")  # commands


class Group(Commands):
    """A group that loads the module of a command when the command is called, and accepts --store anywhere."""

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
        store, rest = store_option(args)
        trust, rest = _flag(rest, "--trust")
        no_pager, rest = _flag(rest, "--no-pager")
        if not ctx.resilient_parsing:
            _refuse_empty(rest)
        given = ctx.ensure_object(dict)
        given["trust"], given["no_pager"] = trust, no_pager
        if store is not None:
            given["store"] = store
        given["words"] = args
        given["offline"] = "--offline" in (rest[: rest.index("--")] if "--" in rest else rest)
        return super().parse_args(ctx, rest)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        named = [  # without loading each command
            CompletionItem(name, help=about) for name, (_, about) in COMMANDS.items() if name.startswith(incomplete)
        ]
        return [*named, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None and not ctx.resilient_parsing and _may_be_set():
            from vstore_cli.settings.applying import apply

            apply(ctx, [str(name)], command, rest)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except VstoreError as err:
            if err.code in _ABOUT_OPTIONS and "settings" in ctx.ensure_object(dict):
                from vstore_cli.settings.applying import name_settings

                name_settings(ctx, err)
            from vstore_cli.suggestions import corrected, typed

            if err.code == "foreign_store" and ctx.ensure_object(dict).get("above"):
                err.next_step += "; or make a store of your own here: vstore init"
            err.message, err.next_step = typed(err.message), typed(corrected(err))
            raise


def _may_be_set() -> bool:
    """Tell whether options may be set by the environment or by the user's file."""
    from vstore_cli.locate import config_file

    file = config_file()
    return any(name.startswith("VSTORE_") for name in os.environ) or (file is not None and os.path.lexists(file))


def _flag(words: Sequence[str], flag: str) -> tuple[bool, list[str]]:
    """Take a flag out of the words of a command, anywhere before a `--`."""
    end = words.index("--") if "--" in words else len(words)
    own = [word for word in words[:end] if word != flag]
    return len(own) < end, [*own, *words[end:]]


def _refuse_empty(words: Sequence[str]) -> None:
    """Refuse an empty word: a script gave a variable that is not set. Raises: UsageError."""
    for before, word in zip(["", *words], words, strict=False):
        option, equals, value = word.partition("=")
        if option.startswith("--") and equals:
            is_wrong = not value and option not in _READ_OPTIONS
        elif before.startswith("-") and before != "--":
            is_wrong = not word and before not in _READ_OPTIONS
        else:
            is_wrong = not word and words[0] not in _READ_OPERANDS
        if is_wrong:
            import shlex

            raise UsageError(
                f"an argument is empty: {shlex.join(['vstore', *words])}",
                "give it a value, or leave it out; if it is a variable of a script, that is not set",
            )


@click.group(cls=Group, context_settings={"help_option_names": HELP, "max_content_width": WIDTH})
@click.option("--store", metavar="DIR", expose_value=False, help="The store. Accepted anywhere on the command line.")
@click.option(
    "--trust",
    is_flag=True,
    expose_value=False,
    help="Write into the store even if it belongs to another user. Accepted anywhere, too.",
)
@click.option("--no-pager", is_flag=True, expose_value=False, help="Show long lists without a pager. Also anywhere.")
@click.version_option(__version__, message="vstore %(version)s")
def vstore() -> None:
    """Keep a searchable, versioned index of folders of pictures, and update it at the cost of what changed.

    The store is the folder named by --store or by the environment variable VSTORE_DIR. If neither is given, it is the
    nearest .vstore in this folder or a folder above, or else in or above the PATH given to the command. If there is
    none, sync, import and init make one in .vstore here. A command that changes another store than .vstore here says
    which one it is. One that belongs to another user is only read, unless you trust it: see vstore trust --help.

    Options can be set once for all, in a file or by environment variables: see vstore config --help.

    \b
    Example:
      vstore sync pictures/
      vstore search ./pictures/cat.jpg

    \b
    Exit codes:
        0  done
        1  failure
        2  mistyped command
        3  done, but some pictures unread, or not moved
        4  damage
        5  refused by a guard
       10  no store
       11  locked by another process
       12  format too new
       13  wrong or missing model
      130  interrupted
    """


def run(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code. With VSTORE_DEBUG set, errors come with a traceback."""
    words = list(sys.argv[1:] if args is None else args)
    as_json = _is_json(words)
    try:
        result = vstore.main(words, prog_name="vstore", standalone_mode=False, obj={"words": words})
        sys.stdout.flush()  # a full disk or a closed pipe shows here at the latest
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as err:
        from vstore_cli.output import echo_aside

        echo_aside(err.format_message())
        return err.exit_code
    except (BrokenPipeError, SystemExit):  # click raises SystemExit for a broken pipe alone
        # The reader of our output is gone. Python would complain when it flushes the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except BaseException as err:
        with outlets():
            return fail(was_interrupted(err), as_json=as_json)


def _is_json(words: Sequence[str]) -> bool:
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def main() -> None:
    """Run the command line of this process, and exit with its exit code."""
    _open_streams()
    ignore_unusable()
    if "_VSTORE_COMPLETE" in os.environ:
        _complete()
    code = 130
    with contextlib.suppress(KeyboardInterrupt):  # before the run heeds them, or as it says why it ended
        heed(lambda err: fail(err, as_json=_is_json(sys.argv[1:])))
        code = run()
    with contextlib.suppress(OSError):
        sys.stderr.flush()
    # Everything is closed by now. Taking the interpreter down would cost a tenth of a quick command.
    os._exit(code)


def _complete() -> NoReturn:
    """Complete the command line of a shell, and end. Nothing is ever said of a mistake: it would stand in that line."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - it is closed with the process
    with contextlib.suppress(BaseException):
        from vstore_cli.completion.answer import answer

        answer(vstore)
    os._exit(0)


def _open_streams() -> None:
    """Open /dev/null for each standard stream that is closed: else the next file opened would take its number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(0)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w")
