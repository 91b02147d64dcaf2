"""Patterns that can match nothing, as people write them for other programs, and their right form.

A pattern of an ignore file is relative to its folder and knows no `.`, no `..`, no braces and no lists.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import NamedTuple

from vstore.pictures.patterns import LONGEST, Pattern

_BRACES = re.compile(r"(?<!\\)\{([^{}]*(?:,|\.\.)[^{}]*)(?<!\\)\}")
_CLASS = re.compile(r"(?<!\\)\[[^\]]*\]")
_BACKSLASH = re.compile(r"\\(?=[^\W_])")  # before a letter or a digit it escapes nothing
_WILD = re.compile(r"[*?\[\\]")
_ABSOLUTE = ("/", "~/", "file://")
_MOST = 20  # patterns that a refusal proposes


class Fault(NamedTuple):
    """The reason why a pattern can match nothing, and the patterns to give in its place, if any do."""

    reason: str
    right: tuple[str, ...] = ()


def fault_of(glob: str, place: str, label: str) -> Fault | None:
    """Find out why a pattern can match nothing below a folder; None if it may.

    place: absolute path of the folder.
    label: the name under which paths of the folder are known.
    """
    if len(glob) > LONGEST:
        return Fault(f"it is longer than {LONGEST:,} characters")
    no, body = ("!", glob[1:]) if glob.startswith("!") else ("", glob)
    fault = _fault(body, place, label)
    if fault is None or not no:
        return fault
    return fault._replace(right=tuple(no + one for one in fault.right))


def fault_of_line(line: str) -> Fault | None:
    """Find out why a line of an ignore file is no pattern; None if it is one."""
    try:
        Pattern.parse(line)
    except ValueError as err:
        return Fault(str(err))
    return None


def is_absolute(glob: str) -> bool:
    """Tell whether a pattern may be meant as an absolute path: `fault_of` looks for it outside of the folder."""
    return glob.removeprefix("!").startswith(_ABSOLUTE)


def _fault(body: str, place: str, label: str) -> Fault | None:
    if len(body) > 2 and body[0] == body[-1] and body[0] in "'\"":
        return Fault("it is in quotes, and they count as characters of the name", (body[1:-1],))
    if _BRACES.search(_CLASS.sub("x", body)):
        return Fault("braces count as characters of the name", _expanded(body))
    listed = body.split(",")
    if len(listed) > 1 and all(one.strip().startswith("*.") for one in listed):
        return Fault("it is one pattern, and the comma a character of the name", tuple(one.strip() for one in listed))
    if _BACKSLASH.search(body):
        return Fault("a backslash separates no folders", (body.replace("\\", "/"),))
    if body.startswith(_ABSOLUTE):
        return _of_absolute(body, place)
    parts = body.removesuffix("/").split("/")
    if "" in parts or "." in parts or ".." in parts:
        return _of_dots(body)
    if len(parts) > 1 and parts[0] in (label, os.path.basename(place)) and not os.path.lexists(f"{place}/{parts[0]}"):
        rest = body[len(parts[0]) :]
        return Fault(f"paths are relative to the folder, without {parts[0]!r}", (rest,))
    return None


def _of_dots(body: str) -> Fault:
    """Explain a path with `.`, `..` or an empty name."""
    clean = posixpath.normpath(body)
    if clean == ".." or clean.startswith("../"):
        return Fault("it leads out of the folder")
    end = "/" if body.endswith("/") else ""
    reason = "it has a name that no file has: a pattern knows no '.', no '..' and no '//'"
    return Fault(reason, () if clean == "." else (f"/{clean.lstrip('/')}{end}",))


def _of_absolute(body: str, place: str) -> Fault | None:
    """Explain a path that begins at the root of the file system, or at home; None if it may begin at the folder."""
    path = body
    if body.startswith("file://"):
        from urllib.parse import unquote

        path = unquote(body.removeprefix("file://"))
    below = _below(os.path.expanduser(path), place)
    if below is not None:
        return Fault("paths are relative to the folder", () if below == "/" else (below,))
    if not body.startswith("/"):
        return Fault("it is a path outside the folder")
    parts = body.strip("/").split("/")
    if "" in parts or "." in parts or ".." in parts:
        return _of_dots(body)
    outside = len(parts) > 1 and os.path.lexists("/" + "/".join(parts[:2]))
    if outside and not os.path.lexists(f"{place}/{parts[0]}"):
        return Fault("it is a path outside the folder")
    return None


def _below(path: str, place: str) -> str | None:
    """Return a path as a pattern of a folder above it, by its text or by what it leads to; else None."""
    wild = _WILD.search(path)
    literal = path if wild is None else path[: wild.start()]
    literal, rest = (literal, "") if wild is None else (literal[: literal.rfind("/")], path[literal.rfind("/") :])
    end = "/" if literal.endswith("/") else ""
    for one in (os.path.normpath(literal or "/"), os.path.realpath(literal or "/")):
        for folder in (place, os.path.realpath(place)):
            if one == folder:
                return rest or "/"
            if one.startswith(folder.rstrip("/") + "/"):
                return one[len(folder.rstrip("/")) :] + end + rest
    return None


def _expanded(body: str) -> tuple[str, ...]:
    """Expand braces as a shell does, up to the words that are proposed: thirty pairs make millions."""
    before: tuple[str, ...] = ()
    words: tuple[str, ...] = (body,)
    while words != before:
        before, words = words, tuple(islice(chain.from_iterable(map(_once_expanded, words)), _MOST))
    return words


def _once_expanded(body: str) -> Iterator[str]:
    """Expand the first braces. Yields at least one word."""
    found = _BRACES.search(body)
    if found is None:
        yield body
        return
    inside = found[1]
    ends = re.fullmatch(r"([0-9]{1,9})\.\.([0-9]{1,9})", inside)
    words: Iterable[str]
    if "," in inside:
        words = inside.split(",")
    elif ends and int(ends[1]) <= int(ends[2]):
        words = map(str, range(int(ends[1]), int(ends[2]) + 1))
    else:
        words = [f"\\{{{inside}\\}}"]
    head, tail = body[: found.start()], body[found.end() :]
    for word in words:
        yield head + word + tail
