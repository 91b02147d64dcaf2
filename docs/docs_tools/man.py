"""Man pages, made of the commands themselves: `python -m docs_tools.man` writes them to docs/man/.

docs/decisions/0018-own-man-pages.md says why this is not left to click-man.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from vstore._version import __version__
from vstore_cli.help import all_commands
from vstore_cli.main import HELP, vstore

FOLDER = Path(__file__).resolve().parents[1] / "man"


def context(words: tuple[str, ...]) -> click.Context:
    """Build the context of the command that some words call."""
    ctx = click.Context(vstore, info_name="vstore", help_option_names=HELP)
    for word in words:
        assert isinstance(ctx.command, click.Group)
        command = ctx.command.get_command(ctx, word)
        assert command is not None
        ctx = click.Context(command, info_name=word, parent=ctx, help_option_names=HELP)
    return ctx


def escaped(text: str) -> str:
    """Write a text so that roff shows it as it is: hyphens can be copied, and no line is taken for a request."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq").replace("^", "\\(ha")
    )
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE).replace("~", "\\(ti")


def paragraphs(help: str) -> Iterator[str]:
    """Write a help text as roff. Paragraphs that click leaves as they are keep their lines."""
    for paragraph in re.split(r"\n\s*\n", help.strip()):
        yield ".PP"
        if paragraph.lstrip().startswith("\b"):
            heading, *lines = [line for line in paragraph.split("\n") if line.strip("\b ")]
            if lines:
                yield f"{escaped(heading.strip())}\n.nf\n.RS 4"
                yield from (escaped(re.sub(r"^ {2}", "", line)) for line in lines)
                yield ".RE\n.fi"
            else:
                yield escaped(heading.strip())
        else:
            yield re.sub(r"\\\(ga(.+?)\\\(ga", r"\\fB\1\\fP", escaped(" ".join(paragraph.split())))


def page(words: tuple[str, ...]) -> str:
    """Write the man page of a command as roff."""
    ctx = context(words)
    name = "-".join(("vstore", *words))
    help = inspect.cleandoc(ctx.command.help or "")
    lines = [
        '.\\" Written by docs_tools/man.py from the command itself: do not edit.',
        f'.TH "{name.upper()}" "1" "" "vstore {__version__}" "vstore"',
        f".SH NAME\n{escaped(name)} \\- {escaped(_summary(help))}",
        f".SH SYNOPSIS\n.B {escaped(ctx.command_path)}\n{escaped(' '.join(ctx.command.collect_usage_pieces(ctx)))}",
        ".SH DESCRIPTION",
        *list(paragraphs(help))[1:],
    ]
    options = [record for param in ctx.command.get_params(ctx) if (record := param.get_help_record(ctx))]
    lines.append(".SH OPTIONS")
    for names, text in options:
        if text:  # an argument without a help text stands in the synopsis alone
            lines += [".TP", f"\\fB{escaped(names)}\\fP", escaped(" ".join(text.split()))]
    if isinstance(ctx.command, click.Group):
        lines.append(".SH COMMANDS")
        for below in ctx.command.list_commands(ctx):
            command = context((*words, below)).command
            about = _summary(inspect.cleandoc(command.help or ""))
            lines += [".TP", f"\\fB{escaped(f'{name}-{below}')}\\fP(1)", escaped(about)]
    above = ["vstore", *(("-".join(("vstore", *words[:-1])),) if len(words) > 1 else ())]
    if words:
        lines.append(".SH SEE ALSO\n" + ", ".join(f"\\fB{escaped(one)}\\fP(1)" for one in above))
    return "\n".join(lines) + "\n"


def _summary(help: str) -> str:
    """Return the first sentence of a help text, without its full stop and its code marks."""
    first = " ".join(re.split(r"\n\s*\n", help)[0].split())
    return re.split(r"\.(?: |$)", first)[0].replace("`", "")


def man_pages() -> dict[str, str]:
    """Write all pages. Returns: file name -> roff."""
    return {"-".join(("vstore", *words)) + ".1": page(words) for words in all_commands()}


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the man pages to docs/man/.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where a page is not up to date")
    options = parser.parse_args()
    made = man_pages()
    there = {path.name: path.read_text() for path in FOLDER.glob("*.1")} if FOLDER.is_dir() else {}
    if options.check:
        stale = sorted(name for name in made.keys() | there.keys() if made.get(name) != there.get(name))
        for name in stale:
            print(f"docs/man/{name} is not up to date; run `make docs-output`", file=sys.stderr)
        return bool(stale)
    FOLDER.mkdir(exist_ok=True)
    for name in there.keys() - made.keys():
        (FOLDER / name).unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text)
    print(f"docs/man: {len(made)} man pages")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
