"""The findings of a repair: the state to publish, the lines of the report, the files to move out of the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from vstore.disk import inside
from vstore.errors import Damage
from vstore.format.canonical import Document, Json
from vstore.format.entries import FileRef, Snapshot, Space
from vstore.format.hashing import Hash
from vstore.format.listing import Listing
from vstore.format.state import State, merge_patch
from vstore.repair.report import Loss

PACK = re.compile(r"[0-9a-f]{32}\.pack")
SEGMENT = re.compile(r"[0-9a-f]{32}\.faiss")


def _no_blob(digest: bytes) -> bytes:
    raise Damage(f"the blob {digest.hex()} is read before the list of snapshots is")


def files(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """List the files of a folder whose names fit, sorted; none if there is no such folder."""
    return [folder / name for name in sorted(inside.names_if_any(folder)) if pattern.fullmatch(name)]


@dataclass(slots=True)
class Findings:
    """The findings so far.

    dry_run:         nothing may be written.
    hash:            of the store.
    document:        the state to publish.
    done:            lines of the report: repairs.
    left:            lines of the report: damage not repaired.
    aside:           files to move to `quarantine/`.
    degraded:        snapshots with losses.
    embedded:        vectors computed again.
    changed:         the log has to be written.
    gap:             records are lost; their snapshots are those from `next_before_gap` on.
    next_before_gap: the number of the next snapshot before the gap.
    tail_is_lost:    the newest record is among the lost ones.
    fragments:       later changes of snapshots whose entry is lost with its record, by name.
    decided:         roots of the decisions that sound records name, oldest first.
    may_be_decided:  a lost record may have named other decisions than the state does.
    """

    dry_run: bool
    hash: Hash
    document: dict[str, Json] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    aside: list[Path] = field(default_factory=list)
    degraded: list[Loss] = field(default_factory=list)
    embedded: int = 0
    changed: bool = False
    gap: bool = False
    next_before_gap: int = 1
    tail_is_lost: bool = False
    fragments: dict[str, Document] = field(default_factory=dict)
    decided: list[bytes] = field(default_factory=list)
    may_be_decided: bool = False

    @property
    def state(self) -> State:
        return State(self.document)

    @property
    def listing(self) -> Listing:
        """All snapshots of the state to publish, once they are all in it."""
        return Listing(self.state, self.hash, _no_blob)

    def did(self, what: str) -> None:
        """Add a line about a change of the log."""
        self.done.append(what)
        self.changed = True

    def put_aside(self, path: Path) -> None:
        if inside.exists(path) and path not in self.aside:  # two spaces may list one segment
            self.aside.append(path)

    def mark_gap(self) -> None:
        """Note that records are lost between those folded so far and the next one."""
        if not self.gap:
            self.next_before_gap = self.state.next_v
        self.gap = True

    def note_decisions(self, trees: Document) -> None:
        """Note the decisions that a sound record names: those of lost records before it count no more."""
        if "decisions" in trees:
            self.may_be_decided = False
            if trees["decisions"] is not None:
                self.decided.append(bytes.fromhex(trees["decisions"]))

    def put_snapshot(self, snapshot: Snapshot) -> None:
        self.document.setdefault("snapshots", {})[snapshot.name] = snapshot.to_json()  # a copy each would be quadratic

    def put_root(self, tree: str, root: bytes | None) -> None:
        """Put the root of a tree of the state; None if it is empty."""
        trees = {name: digest for name, digest in self.document.get("trees", {}).items() if name != tree}
        self.document["trees"] = trees if root is None else {**trees, tree: root.hex()}

    def put_space(self, space: Space) -> None:
        self.document["spaces"] = {**self.document.get("spaces", {}), space.id: space.to_json()}

    def list_segment(self, space: str, ref: FileRef) -> None:
        changes = self.state.segments_changed(space, [*self.state.segments(space), ref])
        self.document = merge_patch(self.document, {"segments": changes})
