"""Sets and removes tags: the user's names for snapshots."""

from __future__ import annotations

from typing import NamedTuple

from vstore.closeness import instead
from vstore.errors import AmbiguousSnapshot, SnapshotNotFound, UsageError
from vstore.format.canonical import Json
from vstore.format.layout import why_not_a_tag
from vstore.paths import as_text
from vstore.quoting import quoted
from vstore.repository.repository import Repository


class TagReport(NamedTuple):
    """A tag set or removed.

    tag:      its name.
    snapshot: its snapshot; None if it was removed.
    """

    tag: str
    snapshot: str | None

    def to_json(self) -> dict[str, Json]:
        return {"tag": self.tag, "snapshot": self.snapshot}


def snapshot_tag(repo: Repository, snap: str, name: str) -> TagReport:
    """Give a snapshot a tag, which also keeps it from being forgotten.

    Raises: UsageError for a name that is not valid, or is already the tag of another snapshot; SnapshotNotFound.
    """
    why_not = why_not_a_tag(as_text(name, "the tag"))
    if why_not:
        raise UsageError(why_not, "choose another name")
    with repo.committing("tag"):
        snapshot = repo.snapshot(snap)
        at = repo.state.tags.get(name)
        if at is None:
            _refuse_meaning(repo, name)
        if at is not None and at != snapshot.name:
            raise UsageError(
                f"{at} already has the tag {name!r}", f"remove it first: vstore snapshot untag {quoted(name)}"
            )
        if at is None:
            repo.publish("tag", {"tags": {name: snapshot.name}}, about=f"{name} at {snapshot.name}")
        return TagReport(name, snapshot.name)


def _refuse_meaning(repo: Repository, name: str) -> None:
    """Refuse a name that begins the id of a snapshot: it would mean another one then. Raises: UsageError."""
    try:
        meant = repo.snapshot(name).name
    except AmbiguousSnapshot:
        meant = "several snapshots"
    except SnapshotNotFound:
        return
    raise UsageError(f"{name!r} already means {meant}: the id begins so", "choose another name")


def snapshot_untag(repo: Repository, name: str) -> TagReport:
    """Remove a tag. The snapshot stays. Raises: UsageError if there is no such tag."""
    with repo.committing("untag"):
        if as_text(name, "the tag") not in repo.state.tags:
            tags = f"the tags of this store: {', '.join(sorted(repo.state.tags)) or 'none'}"
            raise UsageError(f"there is no tag {name!r}", tags, instead=instead(name, repo.state.tags))
        repo.publish("untag", {"tags": {name: None}}, about=name)
        return TagReport(name, None)
