"""The changes of a survey to the aliases of a snapshot: new keys, removals, and aliases carried over."""

from __future__ import annotations

from collections.abc import Container, Iterator

from vstore.format.delta import Change
from vstore.format.tree import Tree
from vstore.intake.survey import GONE, TOO_LARGE, TROUBLE, UNKNOWN, Chunk, Survey
from vstore.repository.places import is_below


class Edits:
    """The changes of aliases.

    changes:   path, key before, key after, if they differ.
    dropped:   paths of files that do not decode, with the key they lose.
    unreached: paths not read yet, with the key they keep until then.
    unchanged: number of paths with their old key.
    carried:   number of paths with their old key, as their file could not be read.
    """

    __slots__ = ("carried", "changes", "dropped", "unchanged", "unreached")

    def __init__(self, unchanged: int = 0) -> None:  # a dataclass would cost each command a millisecond
        self.changes: list[Change] = []
        self.dropped: list[tuple[bytes, bytes]] = []
        self.unreached: list[tuple[bytes, bytes]] = []
        self.unchanged = unchanged
        self.carried = 0

    def every(self) -> list[Change]:
        """List all changes, those of dropped paths included."""
        return [*self.changes, *((path, old, None) for path, old in self.dropped)]


def edits_of(
    survey: Survey, tree: Tree, stored: Container[bytes], failed: Container[bytes], *, complete: bool
) -> Edits:
    """Compare a survey with the aliases of a snapshot.

    tree:     the aliases; each of their keys has a vector.
    stored:   keys with a vector.
    failed:   keys without one, for a known reason.
    complete: every file was hashed, and an unseen path is gone; else nothing is removed.

    A file not read, or not reached, keeps its old alias. A file that does not decode loses it, once all files are
    hashed. Aliases below an unlisted folder are carried over.
    """
    edits = Edits(unchanged=survey.clean)
    for folder, chunks in survey.folders():
        before = _aliases_in(folder, chunks, survey, tree)
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
            _leave(edits, survey, path, old, complete=complete)
    for path, old in _unseen(survey, tree):
        _leave(edits, survey, path, old, complete=complete)
    return edits


def _aliases_in(folder: bytes, chunks: list[Chunk], survey: Survey, tree: Tree) -> dict[bytes, bytes]:
    """Return the aliases to compare with the files of a folder: path -> key."""
    if not chunks[0].only and folder not in survey.names:
        return dict(tree.directly_in(folder))
    paths = {path for chunk in chunks for _, path, _ in chunk.files()}  # also those of an earlier commit of the run
    if not chunks[0].only:
        paths.update(folder + b"/" + name for name in survey.names[folder])
    return {path: key for path in sorted(paths) if (key := tree.get(path)) is not None}


def _leave(edits: Edits, survey: Survey, path: bytes, old: bytes, *, complete: bool) -> None:
    """Decide about an alias without a file in the survey."""
    if path in survey.unsure or survey.is_unlisted(path):
        edits.carried += 1
    elif complete:
        edits.changes.append((path, old, None))


def _unseen(survey: Survey, tree: Tree) -> Iterator[tuple[bytes, bytes]]:
    """Yield the aliases without a file in the survey, each path once."""
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
