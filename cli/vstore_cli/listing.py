"""Lists of pictures, printed while they are read: as paths, with details, raw, or as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from vstore import UsageError
from vstore_cli.output import json_bytes, local, number, openable, shown, size, with_store

if TYPE_CHECKING:
    from vstore import FindReport, LsReport, PathEntry

F = TypeVar("F", bound=Callable[..., Any])

_AT_ONCE = 1024  # lines of a write
_FIRST = 32  # of the first one: whoever reads the first lines alone does not wait for more
_KEY = 12  # digits of a key that a line shows


class Form(NamedTuple):
    """How a list is printed.

    long:    with details.
    null:    raw paths, each ended by NUL.
    as_json: one JSON document.
    """

    long: bool = False
    null: bool = False
    as_json: bool = False

    def require(self) -> None:
        """Refuse words that contradict one another. Raises: UsageError."""
        if self.null and (self.long or self.as_json):
            raise UsageError("-0 prints paths and nothing else", "leave out -0, or --long and --json")


def listing_options(command: F) -> F:
    """Add --long and --null."""
    command = click.option("-0", "--null", is_flag=True, help="Print only paths, each ended by NUL.")(command)
    return click.option(
        "-l", "--long", is_flag=True, help="With key, size, pixels and date, as far as they are known."
    )(command)


def echo_document(report: LsReport | FindReport) -> None:
    """Print a list as one JSON document on one line, written while it is read."""
    out = sys.stdout.buffer
    out.write(json_bytes({**with_store(report.head()), "entries": []})[: -len(b"]}")])
    for at, run in enumerate(_runs(report.entries)):
        out.write((b", " if at else b"") + b", ".join(json_bytes(entry.to_json()) for entry in run))
        out.flush()
    out.write(b"]}\n")
    out.flush()


def echo_lines(entries: Iterable[PathEntry], form: Form) -> int:
    """Print a line for each entry. Returns: how many."""
    count = 0
    is_raw = form.null or not sys.stdout.isatty()
    end, path_of = b"\0" if form.null else b"\n", nearer()
    for run in _runs(entries):
        lines = [_line(entry, path_of(entry.file, entry.path), form, is_raw=is_raw) for entry in run]
        if is_raw:
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(line + end for line in lines))
            sys.stdout.buffer.flush()
        else:
            click.echo(os.fsdecode(b"\n".join(lines)))
        count += len(run)
    return count


def span_text(spans: Iterable[tuple[str, str]]) -> str:
    """Write rows of snapshots: `v1-v3, v5`."""
    return ", ".join(first if first == last else f"{first}-{last}" for first, last in spans)


def nearer() -> Callable[[bytes | None, bytes], bytes]:
    """Give a function that turns a file, and its stored path, into the path by which it is opened from here.

    A file whose folder is no longer known is None: it has its stored path alone.
    """
    near: dict[bytes, bytes] = {}  # of folders: most lines are of the same one as the line before

    def path_of(file: bytes | None, path: bytes) -> bytes:
        if file is None:
            return path
        folder, _, name = file.rpartition(b"/")
        if folder not in near:
            here = openable(folder or b"/")
            near[folder] = b"" if here == b"." else here.rstrip(b"/") + b"/"
        return near[folder] + name

    return path_of


def _line(entry: PathEntry, path: bytes, form: Form, *, is_raw: bool) -> bytes:
    path += b"/" if entry.is_folder else b""
    if form.null:
        return path
    name = path if is_raw else os.fsencode(shown(path))
    after = f"  ({span_text(entry.snapshots)})" if entry.snapshots else ""
    if entry.reason is not None:
        after = f": {shown(entry.reason)}"
    before = _details(entry) if form.long else ""
    return os.fsencode(before) + name + os.fsencode(after)


def _details(entry: PathEntry) -> str:
    """Write the columns before a path. They have fixed widths, as nobody knows yet what comes."""
    if entry.is_folder:
        return f"{'':{_KEY}}  {number(entry.paths or 0):>10}  {'':11}  {'':16}  "
    key = entry.key.hex()[:_KEY] if entry.key is not None else ""
    known = entry.details
    bytes_ = size(known.bytes) if known is not None and known.bytes is not None else ""
    pixels = f"{known.width}x{known.height}" if known is not None and known.width and known.height else ""
    moment = (known.taken or known.modified or "") if known is not None else ""
    date = local(moment).replace("T", " ")[:16]
    return f"{key:{_KEY}}  {bytes_:>10}  {pixels:>11}  {date:16}  "


def _runs(entries: Iterable[PathEntry]) -> Iterator[list[PathEntry]]:
    rest, length = iter(entries), _FIRST
    while run := list(islice(rest, length)):
        yield run
        length = min(2 * length, _AT_ONCE)
