"""What each blob of a store is for, so that a test that loses one knows what may be lost with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vstore.format.fact_pages import FactPage
from vstore.format.fact_runs import Run
from vstore.format.history import History
from vstore.format.pages import FACTS, TABLE, Entry, level_of
from vstore.format.table import Table
from vstore.repository.fields import fields_of
from vstore.repository.repository import Repository

FLAGS = ("manifest", "aliases", "fields", "recipe", "import", "snapshots", "decisions", "history", "facts", "nothing")


class Role(NamedTuple):
    """A use of a blob.

    kind: one of FLAGS.
    name: the snapshot that needs it; empty if it is of none.
    """

    kind: str
    name: str = ""


def roles_of(repo: Repository) -> dict[bytes, set[Role]]:
    """Find what each blob of the packs of the log is for; what nothing names is for nothing."""
    roles: dict[bytes, set[Role]] = {}

    def give(digests: Iterable[bytes], kind: str, name: str = "") -> None:
        for digest in digests:
            roles.setdefault(digest, set()).add(Role(kind, name))

    state = repo.state
    for snapshot in repo.listing.kept():
        give([snapshot.manifest], "manifest", snapshot.name)
        give((digest for digest, _ in repo.tree(snapshot).pages()), "aliases", snapshot.name)
        give((digest for digest, _ in fields_of(repo, snapshot).pages()), "fields", snapshot.name)
    for space in state.spaces.values():
        give({space.recipe, space.probes} - {b""}, "recipe")
    for found in state.imports.values():
        give([found.names, *found.vectors], "import")
    give(_table_pages(repo, "snapshots"), "snapshots")
    give(_table_pages(repo, "decisions"), "decisions")
    give(History(repo.hash, repo.packs.get, state.root("history")).blobs(), "history")
    for run in state.facts:
        give(Run(repo.hash, repo.packs.get, run).digests(), "facts")
    for pack in repo.packs.opened():
        give((digest for digest in pack.digests() if digest not in roles), "nothing")
    return roles


def _table_pages(repo: Repository, tree: str) -> Iterator[bytes]:
    table = Table(repo.hash, repo.packs.get, repo.state.root(tree))
    return (digest for digest, _ in table.pages())


def entries_below(repo: Repository, digest: bytes) -> list[Entry]:
    """List the entries of a table on a page, or below it."""
    return list(Table(repo.hash, repo.packs.get, digest).items())


def leaf_entries(repo: Repository, digest: bytes) -> int:
    """Count the entries on a leaf of a table; an inner page has none."""
    return 0 if level_of(repo.packs.get(digest), TABLE) else len(entries_below(repo, digest))


def facts_on(repo: Repository, digest: bytes) -> list[bytes]:
    """List the keys of the facts on a leaf; an inner page has none."""
    page = repo.packs.get(digest)
    return [] if level_of(page, FACTS) else FactPage(page, repo.hash.size).keys()
