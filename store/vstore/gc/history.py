"""Moves the lines of the records that gc deletes into the history: gc ends undo, not memory."""

from __future__ import annotations

from vstore.format.canonical import Json
from vstore.repository.history import history_of, lines_after
from vstore.repository.repository import Repository


def history_changes(repo: Repository) -> tuple[dict[str, Json], dict[bytes, bytes]]:
    """Append the lines of all records to the history. In format 1 there is none.

    Returns: the changes of the state, and the blobs that they name. Raises: FileNotFoundError.
    """
    before = history_of(repo)
    after = before.without_lost()
    if repo.format > 1:
        after = after.appended(lines_after(repo, before))
    if after.root == before.root:
        return {}, {}
    return {"trees": {"history": after.root and after.root.hex()}}, dict(after.fresh)
