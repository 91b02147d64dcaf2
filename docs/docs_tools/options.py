"""Tables of docs/reference/configuration.md, made of the commands themselves.

`python -m docs_tools.options` writes them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from vstore_cli.main import vstore
from vstore_cli.settings.only_typed import NOT_IN_ENVIRONMENT, NOT_IN_FILE, ONLY_TYPED
from vstore_cli.settings.options import KEPT, dashed, every_command, options_of, variables
from vstore_cli.settings.variables import OF_OTHERS, OWN

PAGE = Path(__file__).resolve().parents[1] / "reference" / "configuration.md"


def commands_of() -> dict[str, list[str]]:
    """List the commands of each option, by its name."""
    found: dict[str, list[str]] = {}
    for words, command in every_command(vstore):
        for name in options_of(command):
            found.setdefault(name, []).append(" ".join(words) or "every command")
    return dict(sorted(found.items()))


def settable() -> Iterator[str]:
    yield "| option | of | in the file | variable |"
    yield "|---|---|---|---|"
    for name, commands in commands_of().items():
        if name not in ONLY_TYPED:
            note = " (1)" if name in KEPT else ""
            key = f"`{name}`{note}" if name not in NOT_IN_FILE else "no (2)"
            variable = f"`{variables((), name)[0]}`" if name not in NOT_IN_ENVIRONMENT else "no (3)"
            yield f"| `{dashed(name)}` | {', '.join(commands)} | {key} | {variable} |"


def only_typed() -> Iterator[str]:
    yield "| option | of | why |"
    yield "|---|---|---|"
    for name, commands in commands_of().items():
        if name in ONLY_TYPED:
            yield f"| `{dashed(name)}` | {', '.join(commands)} | {ONLY_TYPED[name]} |"


def own() -> Iterator[str]:
    yield "| variable | meaning |"
    yield "|---|---|"
    yield from (f"| `{name}` | {meaning} |" for name, meaning in {**OWN, **OF_OTHERS}.items())


TABLES = {"settable": settable, "only typed": only_typed, "variables": own}


def written(text: str) -> str:
    """Put the tables of today into the text of the page."""
    for name, table in TABLES.items():
        begin = text.index(f"<!-- {name} -->\n") + len(f"<!-- {name} -->\n")
        text = text[:begin] + "\n".join(table()) + "\n" + text[text.index("<!-- end -->", begin) :]
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description="Bring the tables of options up to date.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if they are not up to date")
    options = parser.parse_args()
    text = PAGE.read_text()
    made = written(text)
    if options.check:
        if made != text:
            print("docs/reference/configuration.md is not up to date; run `make docs-output`", file=sys.stderr)
        return made != text
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
