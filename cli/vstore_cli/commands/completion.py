"""`vstore completion`."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import click

from vstore_cli.completion.scripts import INSTALL, SCRIPTS
from vstore_cli.output import echo_json, json_option, tell


class Completion(NamedTuple):
    """The script of a shell.

    shell:   its name.
    script:  what the shell is to source.
    install: how it is installed, for people.
    """

    shell: str
    script: str
    install: str

    def to_json(self) -> dict[str, Any]:
        return self._asdict()


@click.command()
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
@json_option
def completion(shell: str, as_json: bool) -> None:
    """Print the script that lets SHELL complete vstore: commands, options and their values, snapshots, tags, spaces and
    the labels of folders.

    The shell sources it when it starts: the line for ~/.bashrc, the one for ~/.zshrc (after compinit), and the file of
    fish are

    \b
      eval "$(vstore completion bash)"
      eval "$(vstore completion zsh)"
      ~/.config/fish/completions/vstore.fish

    Each TAB asks vstore itself: names come from the store that the command would use. Nothing is written.

    \b
    Example:
      vstore completion bash
    """
    report = Completion(shell, SCRIPTS[shell], INSTALL[shell])
    if as_json:
        echo_json(report)
        return
    click.echo(report.script, nl=False)
    if sys.stdout.isatty():
        tell(f"To install it, {report.install}", err=True)
