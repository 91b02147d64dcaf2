"""The writing part of an import: a segment, the rows set aside, and the one record that makes them count."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from vstore.clock import now
from vstore.counts import counted
from vstore.format.canonical import Json, canonical
from vstore.format.entries import NAMED, FileRef, Snapshot, Space, listed_packs
from vstore.format.facts import Fact
from vstore.format.rest_entry import Import
from vstore.format.table import Table
from vstore.format.tree import Tree
from vstore.importing.fields import Fields
from vstore.importing.finishing import selected
from vstore.importing.old_index import Old
from vstore.importing.options import ImportOptions
from vstore.importing.pairing import Pairing
from vstore.importing.space import Chosen
from vstore.importing.verdict import Verdict
from vstore.importing.ways import Way
from vstore.repository.add_space import add_space
from vstore.repository.facts import added
from vstore.repository.fields import fields_of
from vstore.repository.leftovers import left_rows, write_leftovers
from vstore.repository.repository import Repository
from vstore.repository.snapshots import images_of, new_snapshot
from vstore.stop import finish_all


class Decided(NamedTuple):
    """The decisions of an import.

    old:     the index.
    chosen:  the space of its rows.
    pairing: the files of its entries.
    verdict: the fate of each row.
    resumed: the earlier import whose set-aside rows are the index, or None.
    fields:  what its list says of the pictures besides.
    facts:   those that the store lacks.
    """

    old: Old
    chosen: Chosen
    pairing: Pairing
    verdict: Verdict
    resumed: Import | None
    fields: Fields = Fields()
    facts: Sequence[Fact] = ()


class Written(NamedTuple):
    """The results of writing an import.

    import_id:     name of the rows set aside, or None.
    snapshot:      the new snapshot, or None.
    created_store: the import wrote the store's first record.
    notes:         remarks for the report.
    """

    import_id: str | None
    snapshot: str | None
    created_store: bool
    notes: tuple[str, ...]


class _Left(NamedTuple):
    """Rows set aside until their pictures are found.

    entry: their entry in the log.
    packs: their new packs; none if they were set aside before.
    """

    entry: Import
    packs: list[FileRef]


class Commit:
    """The commit of one import."""

    def __init__(self, repo: Repository, options: ImportOptions, decided: Decided, stop: threading.Event) -> None:
        self._repo = repo
        self._options = options
        self._decided = decided
        self._stop = stop
        self._changes: dict[str, Json] = {}
        self._blobs: dict[bytes, bytes] = {}
        self._notes: list[str] = []

    def write(self) -> Written:
        """Write the rows, the rows set aside, and then the one record that makes them count.

        Raises: Locked, Damage, DiskTrouble, MissingPackage.
        """
        repo, (old, chosen, pairing, verdict, *_) = self._repo, self._decided
        founding = repo.tip.number == 0
        if founding:  # a store begins with a record
            assert chosen.recipe is not None
            add_space(repo, chosen.recipe, chosen.name, status=chosen.status, place=self._options.place)
        refs = self._write_rows()
        left = self._write_left()
        finish_all(self._stop, "the commit")  # from here on nobody may say that the store is unchanged
        with repo.committing("import"):
            state = repo.state
            self._changes |= pairing.scope.changes()
            self._put_space(added=bool(refs))
            if refs:
                self._changes["segments"] = state.segments_changed(chosen.id, [*state.segments(chosen.id), *refs])
            import_id = self._put_left(left)
            snapshot = self._put_snapshot()
            if self._decided.facts:
                facts = added(repo, self._decided.facts)
                self._changes |= facts.changes
                self._blobs |= facts.blobs
            if left is not None and left.packs:
                self._changes["packs"] = listed_packs(left.packs)
            if self._changes or self._blobs:
                repo.publish(
                    "import",
                    self._changes,
                    blobs=self._blobs,
                    about=f"{counted(len(verdict.aliases), 'path')} from {old.origin}"[:200],
                )
        return Written(import_id, snapshot.name if snapshot else None, founding, tuple(self._notes))

    def _write_rows(self) -> list[FileRef]:
        old, verdict = self._decided.old, self._decided.verdict
        order = sorted(verdict.winners)
        if not order:
            return []
        keys = [verdict.winners[row] for row in order]
        rows = selected(old.source, old.seen, order, self._repo.dtype)
        return [self._repo.write_segment(self._decided.chosen.id, keys, rows)]

    def _write_left(self) -> _Left | None:
        """Write the rows set aside, unless they already are. None without such rows."""
        repo, (old, chosen, pairing, verdict, resumed, fields, _) = self._repo, self._decided
        order = sorted(verdict.left)
        if not order:
            return None
        waiting = [verdict.left[row]._replace(fields=fields.waiting.get(row, {})) for row in order]
        earlier = (i for i in repo.state.imports.values() if i.space == chosen.id and left_rows(repo, i) == waiting)
        known = resumed or next(earlier, None)
        if known is not None and left_rows(repo, known) == waiting:
            return _Left(known, [])
        names, vectors, packs = write_leftovers(repo, waiting, selected(old.source, old.seen, order, repo.dtype))
        entry = Import(
            id=known.id if known is not None else f"i{repo.tip.highest + 1}",
            space=chosen.id,
            root=pairing.label or "",
            rows=len(order),
            names=names,
            vectors=tuple(vectors),
            written=old.written,
            time=now(),
            moved=_told(pairing.ways) if repo.format >= 2 else (),
        )
        return _Left(entry, packs)

    def _put_space(self, *, added: bool) -> None:
        """Tell the log of the space, unless it knows the space, its recipe, and what it holds by name."""
        state, (old, chosen, _, verdict, resumed, *_) = self._repo.state, self._decided
        known = state.spaces.get(chosen.id)
        named = [verdict.winners[row] for row in sorted(verdict.by_name) if row in verdict.winners]
        by_name = (*named, *(known.by_name if known is not None else ()))[:NAMED]
        if known is None:
            entry = Space(
                id=chosen.id,
                name=chosen.name,
                status="claimed",
                recipe=self._put_recipe(chosen),
                dim=old.source.dim,
                place=self._options.place,
                by_name=by_name,
            )
            self._changes["spaces"] = {chosen.id: entry.to_json()}
            if state.start_space is None:
                self._changes["start_space"] = chosen.id
        elif not known.recipe and resumed is None:
            self._changes["spaces"] = {chosen.id: {"recipe": self._put_recipe(chosen).hex(), "status": "claimed"}}
            self._notes.append(f"the recipe of the space {known.name} was lost and is restored")
        elif added and known.status != "claimed" and (resumed is None or named):
            self._changes["spaces"] = {chosen.id: {"status": "claimed"}}
            self._notes.append("the space was verified; rows that are only claimed were added to it")
        if named and known is not None:
            of_space = dict(self._changes.get("spaces", {}).get(chosen.id, {}))
            self._changes["spaces"] = {chosen.id: {**of_space, "by_name": [key.hex() for key in by_name]}}

    def _put_recipe(self, chosen: Chosen) -> bytes:
        """Add the recipe to the blobs. Returns: its digest."""
        recipe = canonical(chosen.recipe)
        digest = self._repo.hash.digest(recipe)
        self._blobs[digest] = recipe
        return digest

    def _put_left(self, left: _Left | None) -> str | None:
        resumed = self._decided.resumed
        if left is not None:
            if left.packs:
                self._changes["imports"] = {left.entry.id: left.entry.to_json()}
            return left.entry.id
        if resumed is not None:
            self._changes["imports"] = {resumed.id: None}
        return None

    def _put_snapshot(self) -> Snapshot | None:
        """Add the import's aliases to those of the current snapshot, if it is in the same space."""
        repo, (_, chosen, pairing, verdict, resumed, *_) = self._repo, self._decided
        current = repo.state.current_snapshot
        fields = self._fields_after(current)
        same = current is not None and current.space == chosen.id
        if current is not None and not same:
            if resumed is not None:
                self._notes.append(f"{current.name} is in another embedding space: no path was added to its snapshot")
                return self._snapshot(current.space, repo.mapped_tree(current), current, fields) if fields else None
            self._notes.append(f"{current.name} was in another embedding space; vstore undo makes it current again")
        base = repo.mapped_tree(current if same else None, repo.after_folders(pairing.scope.changes()))
        tree = base.edited(verdict.aliases)
        if same and tree.root == base.root and fields is None:
            return None
        return self._snapshot(chosen.id, tree, current, fields)

    def _fields_after(self, current: Snapshot | None) -> Table | None:
        """Edit the fields of the current snapshot; None if nothing changes."""
        before = fields_of(self._repo, current)
        after = before.edited(self._decided.fields.edits)
        return None if after.root == before.root else after

    def _snapshot(self, space: str, tree: Tree, current: Snapshot | None, fields: Table | None) -> Snapshot:
        snapshot, changes, pages = new_snapshot(
            self._repo,
            space=space,
            tree=tree,
            images=images_of(tree),
            parent=current,
            message=self._options.message,
            fields=fields,
        )
        self._changes |= changes
        self._blobs |= pages
        return snapshot


def _told(ways: Sequence[Way]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((b"/".join(way.old), b"/".join(way.new)) for way in ways)
