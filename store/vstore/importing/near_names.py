"""Files that nearly have the name of a row without a picture: a hint for people, never a match. Pure."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vstore.importing.spelling import loose

ASKED = 10_000  # names that are looked for: a list of which more are missing has another fault
SHORTEST = 5  # letters of a name of which one may differ: shorter ones are near to anything
EXTENSION, LETTER = "with another extension", "of which one letter differs"
_NUMBER = re.compile(rb"\d+")


class Near(NamedTuple):
    """The files with nearly the name of a row.

    how:   EXTENSION or LETTER.
    files: the files; those in a folder of the same name first.
    """

    how: str
    files: tuple[bytes, ...]


def near_names(asked: Mapping[int, Sequence[bytes]], files: Iterable[bytes]) -> dict[int, Near]:
    """Find the files whose name is nearly that of a row: the same but for its extension, or but for one letter.

    Cameras count: names with other numbers are other pictures.

    asked: row -> its path in loose form, by names.
    files: the paths that no row has.
    """
    wanted = dict(list(asked.items())[:ASKED])
    by_stem: defaultdict[bytes, set[int]] = defaultdict(set)
    by_part: defaultdict[str, set[int]] = defaultdict(set)
    numbers: set[tuple[bytes, ...]] = set()
    for row, names in wanted.items():
        stem = _stem(names[-1])
        numbers.add(_numbers(stem))
        by_stem[stem].add(row)
        for part in _parts(stem):
            by_part[part].add(row)
    found: dict[int, dict[str, list[bytes]]] = defaultdict(lambda: {EXTENSION: [], LETTER: []})
    for file in files:
        stem = _stem(loose(file.rpartition(b"/")[2]))
        if _numbers(stem) not in numbers:
            continue
        for row in by_stem.get(stem, ()):
            found[row][EXTENSION].append(file)
        for row in {row for part in _parts(stem) for row in by_part.get(part, ())}:
            if _is_one_apart(_stem(wanted[row][-1]), stem):
                found[row][LETTER].append(file)
    return {row: _chosen(wanted[row], kinds) for row, kinds in found.items() if any(kinds.values())}


def _chosen(names: Sequence[bytes], kinds: Mapping[str, list[bytes]]) -> Near:
    how = EXTENSION if kinds[EXTENSION] else LETTER
    return Near(
        how, tuple(sorted(kinds[how], key=lambda file: (_folder(loose(file).split(b"/")) != _folder(names), file)))
    )


def _folder(names: Sequence[bytes]) -> bytes:
    return names[-2] if len(names) > 1 else b""


def _stem(name: bytes) -> bytes:
    return os.path.splitext(name)[0]


def _numbers(stem: bytes) -> tuple[bytes, ...]:
    return tuple(_NUMBER.findall(stem))


def _parts(stem: bytes) -> set[str]:
    """List the name, and the name without each of its letters: names that differ by one letter share one of these."""
    text = _text(stem)
    return {text, *(text[:at] + text[at + 1 :] for at in range(len(text)))} if len(text) >= SHORTEST else set()


def _is_one_apart(one: bytes, other: bytes) -> bool:
    """Tell whether two names with the same numbers differ by one letter: another one, or one more."""
    if _numbers(one) != _numbers(other):
        return False
    short, long = sorted((_text(one), _text(other)), key=len)
    at = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    rest = at + 1 if len(short) == len(long) else at
    return short != long and short[rest:] == long[at + 1 :]


def _text(stem: bytes) -> str:
    return stem.decode("utf-8", "surrogateescape")
