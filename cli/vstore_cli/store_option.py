"""The option --store, which may stand anywhere on a command line."""

from __future__ import annotations

from collections.abc import Sequence

import click


def store_option(args: Sequence[str]) -> tuple[str | None, list[str]]:
    """Take `--store DIR` out of the words of a command, anywhere before a `--`."""
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
        raise click.UsageError("--store needs a folder")
    return store, rest
