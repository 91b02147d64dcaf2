"""Lists of pictures, printed while they are read: as paths, with details, raw, or as JSON."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from vstore import UsageError
from vstore_cli.output import json_bytes, local, number, openable, shown, size, width_of, with_store
from vstore_cli.pager import paged

if TYPE_CHECKING:
    from vstore import FindReport, LsReport, PathEntry

F = TypeVar("F", bound=Callable[..., Any])

_AT_ONCE = 1024  # lines of a write
_FIRST = 32  # of the first one: whoever reads the first lines alone does not wait for more
_WIDEST = 1 << 20  # cells: a pipe takes any width


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
        "-l",
        "--long",
        is_flag=True,
        help="With key, size, pixels and date (when it was taken, else when its file was last changed), as far as they "
        "are known.",
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
    columns = _Columns.of(form)
    end, path_of = b"\0" if form.null else b"\n", nearer()
    for run in _runs(entries):
        lines = [_line(entry, path_of(entry.file, entry.path), form, columns, is_raw=is_raw) for entry in run]
        if is_raw:
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(line + end for line in lines))
            sys.stdout.buffer.flush()
        else:
            click.echo(os.fsdecode(b"\n".join(lines)))
        count += len(run)
    return count


def echo_list(report: LsReport | FindReport, form: Form) -> bool:
    """Print a list as a command line asks for it. Returns: False if a person should hear that nothing was found."""
    if form.as_json:
        echo_document(report)
        return True
    count = None  # who quits the pager has seen some
    with paged(as_json=form.null):
        count = echo_lines(report.entries, form)
    return count != 0


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


def _line(entry: PathEntry, path: bytes, form: Form, columns: _Columns, *, is_raw: bool) -> bytes:
    path += b"/" if entry.is_folder else b""
    if form.null:
        return path
    name = path if is_raw else os.fsencode(shown(path))
    after = f"  ({span_text(entry.snapshots)})" if entry.snapshots else ""
    if entry.reason is not None:
        after = f": {shown(entry.reason)}"
    return os.fsencode(columns.line(entry)) + name + os.fsencode(after)


class _Columns(NamedTuple):
    """The widths of the columns before a path, fixed as nobody knows yet what comes; 0 leaves a column out."""

    key: int = 12
    size: int = 10
    pixels: int = 11
    date: int = 16

    @classmethod
    def of(cls, form: Form) -> _Columns:
        """Choose the columns of a list: on a narrow terminal those that leave half of it to the paths."""
        if not form.long:
            return cls(0, 0, 0, 0)
        columns, width = cls(), width_of(err=False) or _WIDEST
        for narrower in ({"pixels": 0}, {"date": 0}, {"key": 8}):
            if sum(columns) + 2 * len(columns) > width // 2:
                columns = columns._replace(**narrower)
        return columns

    def line(self, entry: PathEntry) -> str:
        """Write the columns of an entry."""
        known = entry.details
        amount = number(entry.paths) if entry.paths is not None else ""
        if known is not None and known.bytes is not None:
            amount = size(known.bytes)
        pixels = f"{known.width}x{known.height}" if known is not None and known.width and known.height else ""
        moment = (known.taken or known.modified or "") if known is not None else ""
        texts = (
            (entry.key.hex() if entry.key is not None else "")[: self.key].ljust(self.key),
            amount.rjust(self.size),
            pixels.rjust(self.pixels),
            local(moment).replace("T", " ")[:16].ljust(self.date),
        )
        return "".join(f"{text}  " for text, width in zip(texts, self, strict=True) if width)


def _runs(entries: Iterable[PathEntry]) -> Iterator[list[PathEntry]]:
    rest, length = iter(entries), _FIRST
    while run := list(islice(rest, length)):
        yield run
        length = min(2 * length, _AT_ONCE)
