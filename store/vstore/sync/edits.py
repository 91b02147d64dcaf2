"""What a survey means for the aliases of a snapshot: which paths get another key, which go, which are carried over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field

from vstore.format.delta import Change
from vstore.format.tree import Tree
from vstore.intake.survey import GONE, TOO_LARGE, TROUBLE, UNKNOWN, Survey
from vstore.repository.places import is_below


@dataclass(slots=True)
class Edits:
    """What becomes of the aliases.

    changes:   path, key before, key after, where they differ.
    dropped:   paths that are there and read, but do not decode, with the key that they had: they lose it.
    unreached: paths that were not read yet, with the key that they keep until then.
    unchanged, carried: counts of paths.
    """

    changes: list[Change] = field(default_factory=list)
    dropped: list[tuple[bytes, bytes]] = field(default_factory=list)
    unreached: list[tuple[bytes, bytes]] = field(default_factory=list)
    unchanged: int = 0
    carried: int = 0

    def every(self) -> list[Change]:
        return [*self.changes, *((path, old, None) for path, old in self.dropped)]


def edits_of(
    survey: Survey, tree: Tree, stored: Container[bytes], failed: Container[bytes], *, complete: bool
) -> Edits:
    """Hold a survey against the aliases of a snapshot.

    stored:   keys that have a vector; what the snapshot names has one.
    failed:   keys that have none and never will, as things stand.
    complete: every file was hashed, so that what was not seen is gone; else nothing is removed.

    A file that could not be read keeps its old alias, as does one that this run did not reach; one that reads but
    does not decode loses it, once all are hashed. What lies below a folder that could not be listed is carried over.
    """
    edits = Edits(unchanged=survey.clean)
    for folder, chunks in survey.folders():
        if chunks[0].only:
            asked = (path for chunk in chunks for _, path, _ in chunk.files())
            before = {path: key for path in asked if (key := tree.get(path)) is not None}
        elif folder in survey.names:
            paths = {folder + b"/" + name for name in survey.names[folder]}
            paths.update(path for chunk in chunks for _, path, _ in chunk.files())  # an earlier commit of the run
            before = {path: key for path in sorted(paths) if (key := tree.get(path)) is not None}
        else:
            before = dict(tree.directly_in(folder))
        for chunk in chunks:
            for number, path, _ in chunk.files():
                old = before.pop(path, None)
                state, key = chunk.state(number), chunk.key(number)
                new = old
                if key is not None:
                    if (key == old and key not in failed) or key in stored:
                        new = key
                    elif key in failed and complete:
                        if old is not None:
                            edits.dropped.append((path, old))
                        continue
                elif state == GONE:
                    new = None if complete else old
                elif state == UNKNOWN and old is not None:
                    edits.unreached.append((path, old))
                elif state in (TROUBLE, TOO_LARGE) and old is not None:
                    edits.carried += 1
                    continue
                if new != old:
                    edits.changes.append((path, old, new))
                elif new is not None:
                    edits.unchanged += 1
        for path, old in before.items():
            _left(edits, survey, path, old, complete)
    for path, old in _unseen(survey, tree):
        _left(edits, survey, path, old, complete)
    return edits


def _left(edits: Edits, survey: Survey, path: bytes, old: bytes, complete: bool) -> None:
    if path in survey.unsure or survey.is_unlisted(path):
        edits.carried += 1
    elif complete:
        edits.changes.append((path, old, None))


def _unseen(survey: Survey, tree: Tree) -> Iterator[tuple[bytes, bytes]]:
    """What the snapshot has where this survey met no file, each path once."""
    for path in survey.no_files:
        key = tree.get(path)
        if key is not None:
            yield path, key
    for prefix in survey.emptied:
        yield from tree.under(prefix)
    for prefix in survey.compared:
        for path, key in tree.under(prefix):
            if path.rpartition(b"/")[0] not in survey.listed:
                yield path, key
    for prefix in survey.unlisted:
        if not any(is_below(prefix, whole) for whole in survey.compared):
            yield from tree.under(prefix)


def occurrences(tree: Tree, keys: Collection[bytes], size: int) -> Counter[bytes]:
    """How many aliases of a tree name each of these keys. Reads the key column of every leaf, and no path."""
    found: Counter[bytes] = Counter()
    if keys:
        wanted = frozenset(keys)
        for column in tree.key_columns():
            named = [column[at : at + size] for at in range(0, len(column), size)]
            if not wanted.isdisjoint(named):
                found.update(key for key in named if key in wanted)
    return found


def touched(changes: Iterable[Change]) -> set[bytes]:
    """All keys that changes name, before or after."""
    return {key for _, old, new in changes for key in (old, new) if key is not None}


def after(before: Counter[bytes], changes: Iterable[Change]) -> Counter[bytes]:
    """Occurrences once the changes are made."""
    counts = Counter(before)
    for _, old, new in changes:
        if old is not None:
            counts[old] -= 1
        if new is not None:
            counts[new] += 1
    return counts


def images_gained(before: Counter[bytes], changes: Iterable[Change]) -> int:
    """By how many the distinct keys of a tree grow, or shrink, by changes whose keys were counted in it."""
    counts = after(before, changes)
    return sum((counts[key] > 0) - (before[key] > 0) for key in counts)
