"""The snapshots of a state: its window, and behind it the tree of all others. Pure.

A state stays small however many snapshots there are: it holds those that a command needs at once. Each is written into
the tree `snapshots` sooner or later; `listed` tells which already are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from vstore.errors import Damage
from vstore.format.canonical import SMALL, Document, Json, canonical, parsed
from vstore.format.entries import Snapshot
from vstore.format.hashing import Hash
from vstore.format.names import is_origin
from vstore.format.state import State, merge_patch

if TYPE_CHECKING:
    from vstore.format.table import Table

WINDOW = 100  # snapshots of the line of the current one that the state holds
PENDING = 128  # snapshots that stand in the state alone at most

Entries = dict[str, Document | None]


class Listing:
    """All snapshots of a state, forgotten ones too.

    state: the state.
    """

    def __init__(self, state: State, hash: Hash, fetch: Callable[[bytes], bytes]) -> None:
        """fetch: reads a blob by its digest, and checks it."""
        self.state = state
        self._hash = hash
        self._fetch = fetch
        self._window = state.window
        self._tree: Table | None = None

    @property
    def tree(self) -> Table:
        """The tree of snapshots. Its first use imports what reads trees."""
        if self._tree is None:
            from vstore.format.table import Table  # most commands need the window alone

            self._tree = Table(self._hash, self._fetch, self.state.root("snapshots"))
        return self._tree

    def entry(self, name: str) -> Document | None:
        """Find the entry of a snapshot. Raises: Damage."""
        entry = self._window.get(name)
        if entry is None and not self.state.is_pending(name) and self.state.root("snapshots") is not None:
            value = self.tree.get(snapshot_key(name))
            entry = None if value is None else entry_of(value)
        return entry

    def find(self, name: str) -> Snapshot | None:
        """Find a snapshot by its name, forgotten or not. Raises: Damage."""
        entry = self.entry(name)
        return None if entry is None else Snapshot.from_json(name, entry)

    def every(self) -> Iterator[Snapshot]:
        """Yield all snapshots: those of this store first, newest first, then fetched ones. Raises: Damage."""
        for name in sorted(filter(self.state.is_pending, self._window), key=lambda n: -int(n[1:])):
            yield Snapshot.from_json(name, self._window[name])
        if self.state.root("snapshots") is None:
            others = sorted((name for name in self._window if "/" in name), key=snapshot_key, reverse=True)
            yield from (Snapshot.from_json(name, self._window[name]) for name in others)
            return
        fetched = []
        for key, value in self.tree.newest():  # fetched ones first, by their keys
            snapshot = Snapshot.from_json(snapshot_name(key), entry_of(value))
            if snapshot.is_own:
                yield snapshot
            else:
                fetched.append(snapshot)
        yield from fetched

    def kept(self) -> Iterator[Snapshot]:
        """Yield the snapshots not forgotten, in the order of `every`. Raises: Damage."""
        return (snapshot for snapshot in self.every() if snapshot.kept)

    def settled(self, changes: Document) -> tuple[dict[str, Json], dict[bytes, bytes]]:
        """Write changes as format 2 records them: entries go to the window and to the tree as they belong.

        changes: a JSON Merge Patch on a state that held all snapshots.
        Returns: the patch on this state; the new pages of the tree, by digest. Raises: Damage.
        """
        patches: Document = changes.get("snapshots", {})
        rest = {name: value for name, value in changes.items() if name != "snapshots"}
        after = self.state.after(rest)
        changed: Entries = {
            name: None if patch is None else merge_patch(self.entry(name) or {}, patch)
            for name, patch in patches.items()
        }
        listed = after.listed
        pending: Entries = {n: e for n, e in {**self._window, **changed}.items() if e and after.is_pending(n)}
        # A repair lists all snapshots in the state, and no tree.
        outside = self._window if self.state.root("snapshots") is None else {}
        into_tree = {n: e for n, e in {**outside, **changed}.items() if not after.is_pending(n)}
        if len(pending) > PENDING:
            into_tree |= pending
            listed = max(after.next_v, *(int(name[1:]) + 1 for name in pending))
            pending = {}
        window = {name: entry for name, entry in (pending | self._shown(after, changed)).items() if entry}
        settled, fresh = self._put(into_tree)
        patch = _patch(self._window, window)
        if patch:
            rest["snapshots"] = patch
        if listed != after.listed:
            rest["listed"] = listed
        if settled:
            rest["trees"] = {**rest.get("trees", {}), **settled}
        return rest, fresh

    def _put(self, entries: Entries) -> tuple[dict[str, Json], dict[bytes, bytes]]:
        """Edit the tree. Returns: the change of its root; its new pages."""
        if not entries:
            return {}, {}
        edits = {snapshot_key(name): canonical(entry) if entry else None for name, entry in entries.items()}
        tree = self.tree.edited(edits)
        if tree.root == self.tree.root:
            return {}, {}
        return {"snapshots": tree.root.hex() if tree.root else None}, dict(tree.fresh)

    def _shown(self, after: State, changed: Entries) -> Entries:
        """Collect the entries that the state shows: current and its line, the held one, tagged ones."""

        def entry(name: str) -> Document | None:
            return changed[name] if name in changed else self.entry(name)

        shown: Entries = {name: entry(name) for name in {after.hold, *after.tags.values()} if name is not None}
        name = after.current
        for _ in range(WINDOW):
            found = entry(name) if name is not None else None
            if name is None or found is None:
                break
            shown[name] = found
            name = found.get("parent")
        return shown


def flipped(now: Listing, earlier: Listing) -> dict[str, bool]:
    """Find the snapshots in both that are kept in one and forgotten in the other. Raises: Damage.

    Returns: whether each was kept earlier, by name. Equal pages of the two trees are not read.
    """
    names = now.state.window.keys() | earlier.state.window.keys()
    if now.state.root("snapshots") != earlier.state.root("snapshots"):
        from vstore.format.differences import differences

        names |= {snapshot_name(key) for key, _, _ in differences(earlier.tree, now.tree)}
    kept: dict[str, bool] = {}
    for name in names:
        before, after = earlier.find(name), now.find(name)
        if before is not None and after is not None and before.kept != after.kept:
            kept[name] = before.kept
    return kept


def snapshot_key(name: str) -> bytes:
    """Give the key of a snapshot in the tree: the name of the other store (empty: this one), 0, its number there."""
    origin, _, own = name.rpartition("/")
    return origin.encode() + b"\0" + int(own[1:]).to_bytes(8, "big")


def snapshot_name(key: bytes) -> str:
    """Read the name of a snapshot off its key. Raises: Damage."""
    try:
        origin, number = key[:-9].decode(), int.from_bytes(key[-8:], "big")
    except UnicodeDecodeError as err:
        raise Damage(f"the list of snapshots has a wrong key: {key.hex()}", "run: vstore repair") from err
    if len(key) < 9 or key[-9] or not 0 < number < 1 << 62 or (origin and not is_origin(origin)):
        raise Damage(f"the list of snapshots has a wrong key: {key.hex()}", "run: vstore repair")
    return f"{origin}/v{number}" if origin else f"v{number}"


def entry_of(value: bytes) -> Document:
    """Read an entry of the tree. Raises: Damage."""
    try:
        entry = parsed(value, SMALL)
        if not isinstance(entry, dict) or not Snapshot.is_whole(entry):
            raise TypeError("it is no snapshot")
    except (ValueError, TypeError) as err:
        raise Damage(f"an entry of the list of snapshots cannot be read: {err!r}", "run: vstore repair") from err
    return entry


def _patch(old: Mapping[str, Document], new: Mapping[str, Document]) -> dict[str, Json]:
    """Give the JSON Merge Patch from some entries to others."""
    patch: dict[str, Json] = dict.fromkeys(old.keys() - new.keys())
    for name, entry in new.items():
        before = old.get(name, {})
        if entry != before:
            gone = dict.fromkeys(before.keys() - entry.keys())
            patch[name] = {**gone, **{field: value for field, value in entry.items() if before.get(field) != value}}
    return patch
