"""`vstore show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vstore_cli.listing import nearer, span_text
from vstore_cli.locate import open_store
from vstore_cli.output import count, echo_json, json_option, local, number, say, shown, size, table

if TYPE_CHECKING:
    from vstore import ShowReport

_NAMES = 20  # paths that the terminal names
_STATUS = {
    "here": "",
    "changed": "its file has changed since",
    "gone": "its file is no longer there",
    "elsewhere": "not in the snapshot under this name: its bytes are, under others",
    "older": "not in this snapshot: only others hold it",
    "failed": "in no snapshot: it could not be read",
    "unknown": "in no snapshot: these bytes are not known here",
}


@click.command(short_help="Show what the store knows of one picture.")
@click.argument("picture")
@click.option("--at", metavar="SNAP", help="Look in this snapshot; by default the current one.")
@click.option("--no-neighbours", is_flag=True, help="Faster: without the most similar pictures.")
@json_option
def show(picture: str, at: str | None, no_neighbours: bool, as_json: bool) -> None:
    """Show what the store knows of a picture: its key and names, the snapshots it is in, the spaces with a vector of
    it, facts, and the five pictures of the snapshot that are most similar.

    PICTURE is a file, a stored path (LABEL/FOLDER/NAME), or a key, or its first 6 digits or more. A file is read, and
    compared with what the snapshot holds: whether it has changed since, or is known by another name. For a picture that
    could not be read, the reason is shown.

    \b
    Example:
      vstore show pictures/cat.jpg
      vstore show 3f2a9c --at v3 --no-neighbours
    """
    with open_store([picture]) as store:
        report = store.show(picture, at=at, no_neighbours=no_neighbours)
    if as_json:
        echo_json(report)
        return
    rows, paths = _rows(report)
    table(rows, unbroken=paths)
    if report.next:
        say(f"{report.next[0].upper()}{report.next[1:]}", err=True)


def _rows(report: ShowReport) -> tuple[list[list[str]], list[str]]:
    """Give the rows of a report, and the paths in them."""
    path_of = nearer()
    rows = [["picture", shown(path_of(report.file, report.path))]] if report.path is not None else []
    found = [(one.file, one.path) for one in report.names[:_NAMES]]
    found += [(one.file, one.path) for one in report.neighbours or ()]
    paths = [shown(path_of(*one)) for one in found]
    rows.append(["key", report.key.hex()])
    status = _STATUS[report.status]
    if status:
        rows.append(["status", status])
    if report.new_key is not None:
        rows.append(["key now", report.new_key.hex()])
    if report.reason is not None:
        rows.append(["reason", shown(report.reason)])
    rows += _labelled("names", _names(report))
    if report.snapshots:
        rows.append(["snapshots", span_text(report.snapshots)])
    rows.append(["spaces", ", ".join(shown(one.name) for one in report.spaces) or "none holds a vector of it"])
    rows += [[name, text] for name, text in _facts(report.facts)]
    if report.cut is not None:
        rows.append(["cut", f"{number(report.cut[0])} of {count(report.cut[1], 'line')}: the file is cut"])
    rows += [[f"field {shown(name)}", shown(_value(value))] for name, value in report.fields.items()]
    like = [f"{one.score:.3f}  {shown(path_of(one.file, one.path))}" for one in report.neighbours or ()]
    return rows + _labelled("similar", like), [*paths, *(row[1] for row in rows if row[0] == "picture")]


def _names(report: ShowReport) -> list[str]:
    words = {False: "  (no longer there)", True: "", None: "  (its folder is not known here)"}
    path_of = nearer()
    names = [shown(path_of(name.file, name.path)) + words[name.there] for name in report.names[:_NAMES]]
    more = len(report.names) - _NAMES
    return [*names, f"and {number(more)} more; --json lists all"] if more > 0 else names


def _labelled(label: str, texts: list[str]) -> list[list[str]]:
    return [["" if at else label, text] for at, text in enumerate(texts)]


def _value(value: Any) -> str:
    """Write the value of a field as a CSV of fields has it."""
    from datetime import UTC, datetime  # click has loaded both, and json

    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        import json

        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _facts(facts: Any) -> list[tuple[str, str]]:
    """Write facts for people, in the order in which they are listed."""
    rest = dict(facts)
    found = []
    if "bytes" in rest:
        found.append(("size", size(rest.pop("bytes"))))
    if "width" in rest and "height" in rest:
        found.append(("pixels", f"{rest.pop('width')} x {rest.pop('height')}"))
    if "flat" in rest:
        found.append(("colours", "one colour"))
        del rest["flat"]
    if "zone" in rest:
        east = rest.pop("zone")
        found.append(("zone", f"{'-' if east < 0 else '+'}{abs(east) // 60:02}:{abs(east) % 60:02}"))
    return found + [(name, shown(local(str(value)))) for name, value in rest.items()]
