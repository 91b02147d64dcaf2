"""The tables of a page in Markdown, taken out to be compared with the code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Row = dict[str, str]


class Tables:
    """The tables of one page. anchors: what stands in the line above each table, and in no other line."""

    def __init__(self, text: str, anchors: Mapping[str, str]) -> None:
        self.lines = text.split("\n")
        self._anchors = anchors

    def rows_after(self, at: int) -> list[Row]:
        """Take the first table at or after a line: one dict per row, by the words of its head."""
        while not self.lines[at].lstrip().startswith("|"):
            at += 1
        head = cells(self.lines[at])
        found = []
        at += 2
        while at < len(self.lines) and self.lines[at].lstrip().startswith("|"):
            found.append(dict(zip(head, cells(self.lines[at]), strict=True)))
            at += 1
        return found

    def table(self, name: str) -> list[Row]:
        (at,) = [at for at, line in enumerate(self.lines) if self._anchors[name] in line]
        return self.rows_after(at)

    def fields(self, name: str) -> dict[str, str]:
        """Map field -> type, of a table of fields."""
        return {word(row["field"]): row["type"] for row in self.table(name)}


def cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def word(cell: str) -> str:
    """Take `hits[].key` out of a cell that holds it as code."""
    found = re.fullmatch(r"`([^`]+)`", cell)
    assert found, cell
    return found[1]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


KINDS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}


def fits(value: Any, kind: str) -> bool:
    return any(KINDS[one](value) for one in kind.removesuffix(", optional").split(" or "))


def is_optional(row: Row) -> bool:
    return row["type"].endswith("optional") or row["meaning"].startswith("optional")


def compare(value: Any, rows: list[Row], command: str) -> set[str]:
    """Hold a document against its table. Returns: the fields of the table that it had."""
    listed = {word(row["field"]): row for row in rows}
    seen: set[str] = set()

    def entry(value: dict[str, Any], prefix: str) -> None:
        here = {name.removeprefix(prefix): row for name, row in listed.items() if name.startswith(prefix)}
        here = {name: row for name, row in here.items() if "." not in name and not name.startswith("[")}
        missing = {name for name, row in here.items() if not is_optional(row)} - value.keys()
        assert not missing, f"{command}: {prefix}{missing} are in the table, and not in the output"
        assert value.keys() <= here.keys(), f"{command}: {prefix}{value.keys() - here.keys()} are not in the table"
        for name, inner in value.items():
            assert fits(inner, here[name]["type"]), f"{command}: {prefix}{name} is {inner!r}"
            seen.add(prefix + name)
            walk(inner, prefix + name)

    def walk(value: Any, name: str) -> None:
        if isinstance(value, list):
            for one in value:
                if isinstance(one, dict):
                    entry(one, f"{name}[].")
        elif isinstance(value, dict) and any(other.startswith(f"{name}.") for other in listed):
            entry(value, f"{name}.")

    if isinstance(value, list):
        walk(value, "")
    else:
        entry(value if "store" in listed else {name: one for name, one in value.items() if name != "store"}, "")
    return seen
