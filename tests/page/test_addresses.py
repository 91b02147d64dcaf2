"""The addresses of the page for programs: the tables of the reference are compared with what a server answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from docs_tools.console import TOP
from support.folders import drawn
from support.page_server import PageServer
from support.tables import Row, Tables, compare, word, words
from support.two_spaces import add_space_other

from vstore import Store

REFERENCE = TOP / "docs" / "reference"
PAGE = Tables((REFERENCE / "page.md").read_text(encoding="utf-8"), {"picture": "tables call a picture *(tested)*"})
SHOW = Tables((REFERENCE / "json.md").read_text(encoding="utf-8"), {})
ASKED = {
    "/thumbnail/KEY": ("/thumbnail/{key}", "/thumbnail/{gone}?at=v2"),
    "/preview/KEY": ("/preview/{key}", "/preview/{gone}?at=v2"),
    "/search": (
        "/search?t=%2B1:key:{fish}&t=-0.1:up:{up}",
        "/search?t=%2B1:key:{fish}&min_p=0.9&collapse=1&k=40",
        "/search?t=%2B1:key:{gone}&under=pictures/animals&where=width+%3E+1&min_score=2",
        "/search?at=v2",
    ),
    "/search/choices": ("/search/choices", "/search/choices?at=v1"),
    "/names": ("/names?count=3", "/names?from=99999"),
    "/picture/KEY": ("/picture/{key}", "/picture/{gone}"),
    "/snapshots": ("/snapshots", "/snapshots?from=9"),
    "/compare": (
        "/compare",
        "/compare?t=%2B1:key:{key}&t=-1:up:{up}",
        "/compare?t=%2B1:text:cat",
        "/compare?t=1:key:{key}",
    ),
    "/compare/neighbours": ("/compare/neighbours",),
    "/duplicates": ("/duplicates?near=none", "/duplicates?near=none&group={key}"),
    "/diff": ("/diff?a=v1", "/diff?a=v1&kind=added"),
    "/health": ("/health", "/health?from=9"),
}


def sections() -> dict[str, list[Row]]:
    """Address -> its table."""
    found = {}
    for at, line in enumerate(PAGE.lines):
        if line.startswith("## `/"):
            for address in words(line):
                found[address] = PAGE.rows_after(at)
    return found


def shown() -> list[Row]:
    """The table of `vstore show`, without its neighbours, of which the page has its own."""
    at = SHOW.lines.index("## `vstore show`")
    return [row for row in SHOW.rows_after(at) if not word(row["field"]).startswith("neighbours")]


def rows_of(command: str) -> list[Row]:
    """The table of a command that prints rows."""
    return [
        {**row, "field": row["field"].replace("[].", "")} for row in SHOW.rows_after(SHOW.lines.index(f"## {command}"))
    ]


def expanded(rows: list[Row]) -> list[Row]:
    """Put the fields of a picture where a table says that there is one."""
    found = []
    for row in rows:
        name = word(row["field"])
        is_each = row["meaning"] == "each a picture"
        found.append({**row, "type": row["type"].replace("picture", "object")})
        if row["type"].startswith("picture") or is_each:
            inner = f"{name}[]." if is_each else f"{name}."
            found += [{**one, "field": f"`{inner}{word(one['field'])}`"} for one in PAGE.table("picture")]
        if same := re.search("as `([a-z]+)` has them", row["meaning"]):
            begin = f"{same[1]}."
            fields = [one for one in rows if word(one["field"]).startswith(begin)]
            found += [{**one, "field": f"`{name}[].{word(one['field']).removeprefix(begin)}`"} for one in fields]
        if command := re.search("a row of \\[?(`vstore [a-z ]+`)", row["meaning"]):
            inner = f"{name}[]." if row["type"] == "array" else f"{name}."
            found += [{**one, "field": f"`{inner}{word(one['field'])}`"} for one in rows_of(command[1])]
    return found


def uploaded(server: PageServer) -> str:
    """Send a picture to look for. Returns: its name."""
    words = {"Content-Type": "application/octet-stream", "Origin": server.origin, "X-Vstore": "1"}
    return str(json.loads(server.ask("POST", "/uploads", words, drawn(1))[2])["upload"])


def test_every_address_of_the_reference_is_asked() -> None:
    assert sections().keys() == ASKED.keys()


@pytest.mark.parametrize("address", ASKED)
def test_an_answer_has_the_fields_of_its_table(
    address: str, own_library: Path, serve: Callable[..., PageServer]
) -> None:
    with Store(own_library / ".vstore") as store:
        store.fields_set({"rating": 4}, ["pictures/animals/cat-3.jpg"])
        key = store.show("pictures/animals/cat-3.jpg", no_neighbours=True).key.hex()
        fish = store.show("pictures/animals/fish-1.jpg", no_neighbours=True).key.hex()
        gone = store.show("pictures/animals/cat-2.jpg", at="v2", no_neighbours=True).key.hex()
    own = expanded(sections()[address])
    rows = own + (shown() if address == "/picture/KEY" else [])
    seen: set[str] = set()
    if address.startswith("/compare"):
        add_space_other(own_library)
    server = serve(own_library / ".vstore")
    for asked in ASKED[address]:
        up = uploaded(server) if "{up}" in asked else ""
        answer = server.get(asked.format(key=key, fish=fish, gone=gone, up=up))
        seen |= compare(answer, rows, asked)
        while "report" in answer and answer["report"] is None:
            answer = server.get(asked)
            seen |= compare(answer, rows, asked)
    met = {re.sub(r"^rows\[\]\.", "row.", field) for field in seen} | seen
    assert {re.sub(r"^rows\[\]\.", "row.", word(row["field"])) for row in own} <= met, "each field of the table was met"
    met = {re.sub(r"^rows\[\]\.", "row.", field) for field in seen} | seen
    assert {re.sub(r"^rows\[\]\.", "row.", word(row["field"])) for row in own} <= met, "each field of the table was met"
