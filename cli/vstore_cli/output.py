"""Output of reports: JSON for programs, words for people."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import click

from vstore_cli.terminal.styles import has_colour, styled

if TYPE_CHECKING:
    from vstore import Files

# Characters that JSON may hold as they are, and that steer a terminal or turn the direction of a line.
_UNSEEN = "[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]"

# A word that is in no path: a name has 255 bytes at most, each of which may be written as four characters.
_TOO_LONG = r"[^\s/]{1100,}|\S{17000,}"
_HEAD, _TAIL = 60, 20  # characters of it that an error shows

_USUAL = 80  # cells of a line of a terminal that does not know

# Words at the beginning of a line, after the time in a log, and what they mean.
_LABELS = {
    "Error:": "error",
    "TROUBLE": "error",
    "DAMAGE": "error",
    "LOST": "error",
    "WOULD LOSE": "warning",
    "Warning:": "warning",
    "Note:": "note",
    "note:": "note",
    "note   ": "note",
    "ok     ": "ok",
}
_LABEL = rf"((?:[\d-]{{10}} [\d:]{{8}}  )?)({'|'.join(_LABELS)})"

F = TypeVar("F", bound=Callable[..., Any])


@runtime_checkable
class Report(Protocol):
    """A report of the library."""

    def to_json(self) -> dict[str, Any]: ...


def json_option(command: F) -> F:
    """Add --json, which every command has."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document on one line.")(command)


def echo_json(report: Report | Sequence[Report]) -> None:
    """Print one JSON document on one line, in UTF-8 whatever the encoding of the terminal.

    The document of a report names the store that the command used.
    """
    # A report is a named tuple, thus a sequence too.
    value = with_store(report.to_json()) if isinstance(report, Report) else [one.to_json() for one in report]
    from vstore_cli.suggestions import typed_fields

    click.echo(json_bytes(typed_fields(value)))


def are_for_people(rows: Sequence[Report], *, as_json: bool, none: str) -> bool:
    """Tell whether there are rows to print for people. Else print them as JSON, or say that there are none."""
    if as_json:
        echo_json(rows)
    elif not rows:
        say(none, err=True)
    return not as_json and bool(rows)


def json_bytes(value: Any) -> bytes:
    """Write JSON as programs get it."""
    # A text that is not UTF-8 (a message) must not break the document; paths and labels come in base64, too.
    text = json.dumps(value, ensure_ascii=False)
    text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    return re.sub(_UNSEEN, lambda char: f"\\u{ord(char[0]):04x}", text).encode()


def with_store(document: Mapping[str, Any]) -> dict[str, Any]:
    """Add the store that the command used to its document, where that is known."""
    ctx = click.get_current_context(silent=True)
    used = (ctx.find_object(dict) or {}).get("used") if ctx is not None else None
    value = dict(document) if used is None or "store" in document else {**document, "store": used}
    return {**value, **in_base64("store", value.get("store"))}


def in_base64(field: str, path: Any) -> dict[str, str]:
    """Make the field `FIELD_b64` of a path or label that is not UTF-8; of any other, nothing."""
    if not isinstance(path, str) or not any("\udc80" <= char <= "\udcff" for char in path):
        return {}
    import binascii

    return {f"{field}_b64": binascii.b2a_base64(os.fsencode(path), newline=False).decode()}


def say(text: str, *, err: bool = False, hang: int | None = None, unbroken: Sequence[str] = ()) -> None:
    """Print a line that suggests commands, as `tell` does."""
    from vstore_cli.suggestions import typed

    tell(typed(text), err=err, hang=hang, unbroken=unbroken)


def tell_notes(notes: Iterable[str]) -> None:
    """Print remarks on stderr."""
    for note in notes:
        say(f"Note: {shown(note)}", err=True)


def tell(text: str, *, err: bool = False, hang: int | None = None, unbroken: Sequence[str] = ()) -> None:
    """Print a line of words. A terminal gets it broken between words, and a label as `Warning:` in colour.

    hang:     cells that its further lines are indented there.
    unbroken: paths in it, which stay whole even if they have blanks; those of the command line do so anyway.
    """
    if err:
        text = re.sub(_TOO_LONG, lambda word: f"{word[0][:_HEAD]}…{word[0][-_TAIL:]}", text)
    width = width_of(err=err)
    if width is not None:
        from vstore_cli.terminal.wrapping import wrapped

        kept = [*unbroken, *_given_paths()]
        text = "\n".join(wrapped(line, width, hang=hang, unbroken=kept) for line in text.split("\n"))
    label = re.match(_LABEL, text)
    if label is not None:
        text = label[1] + styled(label[2], _LABELS[label[2]], err=err) + text[label.end() :]
    if err:
        echo_aside(text)
    else:
        click.echo(text)


def echo_aside(text: str = "", *, nl: bool = True) -> None:
    """Print on stderr. Where that cannot be written, as on a full disk, nothing stops: it holds no results."""
    try:
        click.echo(text, nl=nl, err=True)
    except BrokenPipeError:
        raise
    except OSError:
        pass


@contextlib.contextmanager
def kept_for_the_end() -> Iterator[None]:
    """Let no full disk behind stdout stop a command that has yet to do its work: `run` flushes it, and fails then."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as err:
        if err.filename is not None:  # of another file
            raise


def tell_path(path: str, after: str = "", *, before: str = "  ", err: bool = False) -> None:
    """Print a line about a path, which stays whole. after, before: the rest of the line."""
    tell(f"{before}{path}{after}", err=err, unbroken=[path])


def _given_paths() -> list[str]:
    """List what the command line names, and the folder that it was typed in."""
    words = [word.rpartition("=")[2] if word.startswith("--") else word for word in sys.argv[1:]]
    with contextlib.suppress(OSError):
        words.append(os.getcwd())
    return [shown(word) for word in words]


def width_of(*, err: bool) -> int | None:
    """Tell how many cells a line of the terminal has, behind stdout or stderr. Returns: None for a pipe or a file."""
    if not (sys.stderr if err else sys.stdout).isatty():
        return None
    try:
        named = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        named = 0
    try:
        return named if named > 0 else os.get_terminal_size(2 if err else 1).columns or _USUAL
    except OSError:
        return _USUAL


def shown(path: bytes | str) -> str:
    """Make a path safe to print: a name can neither break the line nor send escapes to the terminal."""
    text = os.fsdecode(path)
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    # A byte that is not UTF-8 is a lone surrogate here: \xff says more to people than \udcff.
    return f"\\x{ord(char) - 0xDC00:02x}" if "\udc80" <= char <= "\udcff" else ascii(char)[1:-1]


def openable(path: bytes) -> bytes:
    """Shorten a path: relative to the working directory, if that is shorter."""
    try:
        relative = os.path.relpath(path)
    except (OSError, ValueError):
        return path
    return relative if len(relative) < len(path) else path


def placed(path: bytes, where: Files) -> str:
    """Show a stored path as its file is opened from here; as it is stored if its folder is no longer known."""
    file = where.file_of(path)
    return shown(path if file is None else openable(file))


def write_raw(paths: Iterable[bytes], end: bytes) -> None:
    """Print paths as raw bytes, each followed by `end`."""
    out = sys.stdout.buffer
    for path in paths:
        out.write(path + end)
    out.flush()


def table(
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    *,
    drop: Sequence[int] | None = None,
    whole: Sequence[int] = (),
    heading: bool = False,
    colours: Mapping[int, str] | None = None,
    unbroken: Sequence[str] = (),
) -> None:
    """Print rows in columns.

    right:    columns that are aligned right.
    drop:     columns that may be left out on a narrow terminal, the least important first; other texts are cut there.
              None cuts nothing, as what is printed is to be opened, or copied: the last column is broken between words.
    whole:    more columns that are never cut, as times.
    heading:  the first row is one.
    colours:  what columns mean, where a terminal shows it.
    unbroken: paths, which stay whole even if they have blanks.
    """
    from vstore_cli.terminal.fitting import columns

    width = width_of(err=False)
    paint = _paint(heading, colours or {}) if has_colour(err=False) else None
    if drop is not None or width is None or not rows:
        for line in columns(rows, right, width=width, drop=drop or (), whole=whole, paint=paint):
            click.echo(line)
        return
    from vstore_cli.terminal.wrapping import beside

    last = len(rows[0]) - 1
    marked = [[*row[:last], "|"] for row in rows]  # a mark keeps the blanks before it
    labels = zip(columns(marked, right), columns(marked, right, paint=_all_but(last, paint)), strict=True)
    for at, (label, coloured) in enumerate(labels):
        between, text = beside(label[:-1], rows[at][last], width, unbroken)
        text = paint(at, last, text) if paint is not None else text
        click.echo((coloured[:-1].rstrip() + between + text).rstrip())


def _all_but(last: int, paint: Callable[[int, int, str], str] | None) -> Callable[[int, int, str], str] | None:
    return None if paint is None else lambda row, at, text: text if at == last else paint(row, at, text)


def _paint(heading: bool, colours: Mapping[int, str]) -> Callable[[int, int, str], str]:
    def paint(row: int, at: int, text: str) -> str:
        meaning = "heading" if heading and row == 0 else colours.get(at)
        return text if meaning is None else styled(text, meaning)

    return paint


def number(value: int) -> str:
    """Format a number: 29104 as 29,104."""
    return f"{value:,}"


def recall(share: float) -> str:
    """Format a measured recall, rounded down: 1.000 is said only where nothing was missed."""
    return f"{round(share * 1_000_000) // 1000 / 1000:.3f}"


def size(value: int) -> str:
    """Format a number of bytes for people."""
    amount = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError


def duration(seconds: float) -> str:
    """Format seconds for people."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds >= 0.001 else "0 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def local(text: str) -> str:
    """Convert the times in a text (ISO 8601, UTC, as a store writes them) to local time."""
    from datetime import datetime  # click has loaded both

    def by_the_clock(found: re.Match[str]) -> str:
        try:
            return datetime.fromisoformat(found[0]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        except (ValueError, OSError, OverflowError):
            return found[0]

    return re.sub(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", by_the_clock, text)


def holdings(paths: int, images: int) -> str:
    """Count paths and the pictures under them: `34 paths, 33 pictures`, or `33 pictures` where each has one path."""
    pictures = count(images, "picture")
    return pictures if paths == images else f"{count(paths, 'path')}, {pictures}"


def count(amount: int, noun: str, several: str = "") -> str:
    """Format a count: `1 picture`, `2 pictures`."""
    return f"{number(amount)} {noun if amount == 1 else several or noun + 's'}"
