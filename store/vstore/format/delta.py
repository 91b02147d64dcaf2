"""The differences between two sets of aliases, in the classes of a report. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable

EXAMPLES = 10  # paths of each class that a report names
CLASSES = ("changed", "renamed", "copied", "known", "new", "removed")

Change = tuple[bytes, bytes | None, bytes | None]  # path, key before, key after
Edit = tuple[bytes, bytes, bytes]  # a change of a path that had a picture, and has another


class Delta:
    """The paths in each class.

    limit:    how many paths of each class are kept as examples.
    counts:   the number of paths, by class.
    examples: the first few paths, by class; of a renamed one, both.
    """

    __slots__ = ("counts", "examples", "limit")

    def __init__(self, limit: int = EXAMPLES) -> None:  # a dataclass would cost each command a millisecond
        self.limit = limit
        self.counts = dict.fromkeys(CLASSES, 0)
        self.examples: dict[str, list[tuple[bytes, ...]]] = {name: [] for name in CLASSES}

    def add(self, name: str, *paths: bytes) -> None:
        """Count a path in a class; of a renamed one, both its paths."""
        self.counts[name] += 1
        if len(self.examples[name]) < self.limit:
            self.examples[name].append(paths)


def classify(
    changes: Iterable[Change], named: Container[bytes], stored: Container[bytes], examples: int = EXAMPLES
) -> Delta:
    """Put every path that differs into exactly one class.

    changes:  the differences, each path once.
    named:    the keys that the snapshot before lists under any path.
    stored:   the keys whose vector was stored before this run.
    examples: how many paths of each class to keep.

    Pairs are compared: two files that swap contents are two `changed`. A path that is gone and a new one with its key
    are one `renamed`, in path order; further paths of that key are copies.
    """
    ordered = sorted(changes)
    gone: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for path, old, new in reversed(ordered):
        if new is None and old is not None:
            gone[old].append(path)  # reversed, so that pop() gives the first in path order
    delta = Delta(examples)
    seen: set[bytes] = set()
    for path, old, new in ordered:
        if new is None:
            continue
        if old is not None:
            delta.add("changed", path)
        elif gone.get(new):
            delta.add("renamed", gone[new].pop(), path)
        elif new in seen or new in named:
            delta.add("copied", path)
        elif new in stored:
            delta.add("known", path)
        else:
            delta.add("new", path)
        seen.add(new)
    for path in sorted(path for paths in gone.values() for path in paths):
        delta.add("removed", path)
    return delta
