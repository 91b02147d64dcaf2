"""Paths near one that does not exist: what its writer may have meant."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

_MOST = 5000  # names of a folder that are compared
_LONGEST = 255  # letters of a name: no file has a longer one
_NEAR = 3  # names that are proposed for one
_ALIKE = 0.7  # of difflib; `animal` is 0.92 to `animals`, `2024` 0.75 to `2042`, `town` 0.67 to `garden town`
_SPECIAL, _PLAIN = r"([\\\[*?])", r"\\\1"  # characters of a glob, and how they stand for themselves
_SHORT = 0.65  # for names of nearly one length: `sbu` is 0.67 to `sub`


def near_files(path: bytes) -> list[bytes]:
    """Find files and folders on disk whose paths are like one that does not exist; the most alike first.

    They are written as the path is: relative to the working folder, if it is. Hidden ones are left out, unless a name
    of the path is hidden.
    """
    start, names = b"/" if path.startswith(b"/") else b"", [name for name in path.split(b"/") if name]
    while names and (names[0] in (b".", b"..") or os.path.isdir(os.path.join(start, names[0]))):
        start = os.path.join(start, names.pop(0))
    hidden = any(name.startswith(b".") for name in names)
    found = near_paths(lambda done: _listed(os.path.join(start, done) or b".", hidden=hidden), names) if names else []
    return [os.path.join(start, one) for one in found if one]


def near_paths(names_in: Callable[[bytes], Iterable[bytes]], wanted: Sequence[bytes]) -> list[bytes]:
    """Find paths whose names are like the wanted ones. Where only the first of them are like any, those are found.

    names_in: lists the names below a path.
    """
    return _near(names_in, b"", wanted)[:_NEAR]


def as_written(near: bytes, path: bytes, given: bytes) -> bytes | None:
    """Write a path that is near another as the user wrote that one; None if it leads elsewhere.

    path:  the other: stored, say, or relative to a folder.
    given: the same in the words of the user; its last names are those of the path.
    """
    names, words = path.split(b"/"), given.rstrip(b"/").split(b"/")
    while names and words and names[-1] == words[-1]:
        del names[-1], words[-1]
    around = b"".join(name + b"/" for name in names)
    return b"".join(word + b"/" for word in words) + near[len(around) :] if near.startswith(around) else None


def did_you_mean(near: Iterable[bytes], otherwise: str) -> str:
    """Say what may be meant, as a shell takes it, or what else to do."""
    import shlex  # most commands suggest nothing

    meant = " or ".join(shlex.quote(os.fsdecode(one)) for one in dict.fromkeys(near))
    return f"did you mean {meant}?" if meant else otherwise


def find_by_name(path: str) -> str:
    """Write the command that finds a picture by the last name of a path, in whatever folder it is."""
    import shlex

    name = path.rstrip("/").rpartition("/")[2]
    return f"vstore find {shlex.quote(re.sub(_SPECIAL, _PLAIN, name))}" if name else "vstore find GLOB"


def make_it_first(folder: bytes, make: str = "make it first") -> str:
    """Say what to do where a folder to write into does not exist: it may be new, or mistyped."""
    meant = did_you_mean(near_files(folder), "")
    return f"{meant} if not, {make}" if meant else make


def _near(names_in: Callable[[bytes], Iterable[bytes]], done: bytes, names: Sequence[bytes]) -> list[bytes]:
    if not names:
        return [done]
    name, *rest = names
    there = set(islice(names_in(done), _MOST))
    if name in there:
        return _near(names_in, os.path.join(done, name), rest)
    plain = {_plain(one): one for one in sorted(there)}
    found = _alike(_plain(name), plain)
    near = [os.path.join(done, plain[one]) for one in found]
    return [path for one in near for path in _near(names_in, one, rest)] or near


def _alike(name: str, names: Iterable[str]) -> list[str]:
    if len(name) > _LONGEST:
        return []
    from difflib import SequenceMatcher, get_close_matches  # few paths are mistyped

    found = get_close_matches(name, names, n=_NEAR, cutoff=_SHORT)
    return [one for one in found if abs(len(one) - len(name)) <= 1 or SequenceMatcher(a=one, b=name).ratio() >= _ALIKE]


def _listed(folder: bytes, *, hidden: bool) -> Iterable[bytes]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from (entry.name for entry in entries if hidden or not entry.name.startswith(b"."))


def _plain(name: bytes) -> str:
    text = os.fsdecode(name)
    if text.isascii():
        return text.casefold()
    import unicodedata  # Macs give names back in another form

    return unicodedata.normalize("NFC", text).casefold()
