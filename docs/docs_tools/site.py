"""Additions to the extensions of the site: files from outside docs/, and help texts as reStructuredText."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import click
    from sphinx.application import Sphinx

TOP = Path(__file__).resolve().parents[2]
INCLUDED = {"reference/format": "store/FORMAT.md", "reference/benchmarks": "benchmarks/README.md"}


def include(app: Sphinx, page: str, source: list[str]) -> None:
    """Put a file of the repository in place of the page that stands for it."""
    if page in INCLUDED:
        source[0] = (TOP / INCLUDED[page]).read_text()


def help_text(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Write a help text as reStructuredText. Examples, which sphinx-click gives as lines with a bar, become code."""
    found: list[str] = []
    for line in lines:
        bar = re.fullmatch(r"\| ?(.*)", line)
        if bar is None:
            found.append(restructured(line))
        elif not found or not found[-1].startswith(("    ", ".. code-block")):
            found += ["", f"{restructured(bar[1].strip())}", ""]
            found += [f".. code-block:: {'console' if bar[1].startswith('Example') else 'text'}", ""]
            found.append("    ")  # the next bar is code
        else:
            found.append(f"    {'$ ' if bar[1].strip().startswith('vstore') else ''}{bar[1].strip()}")
    lines[:] = found


def option_help(app: Sphinx, ctx: click.Context, lines: list[str]) -> None:
    """Write the help of options as reStructuredText."""
    lines[:] = [line if "::" in line or line.strip().startswith(":") else restructured(line) for line in lines]


def restructured(line: str) -> str:
    """Turn a line of a help text or a docstring into reStructuredText."""
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(
        f"`{part}`" if at % 2 else re.sub(r"([*|])", r"\\\1", re.sub(r"(?<=\w)_(?!\w)", r"\\_", part))
        for at, part in enumerate(parts)
    )


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", include)
    app.connect("sphinx-click-process-description", help_text)
    app.connect("sphinx-click-process-options", option_help)
    return {"version": "1", "parallel_read_safe": True}
