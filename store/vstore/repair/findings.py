"""What a repair has found out so far: what the log is to say, what was done, what is to be moved out of the way."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from vstore.format.canonical import Json
from vstore.format.entries import FileRef, Snapshot, Space
from vstore.format.state import State, merge_patch
from vstore.repair.report import Loss

PACK = re.compile(r"[0-9a-f]{32}\.pack")
SEGMENT = re.compile(r"[0-9a-f]{32}\.faiss")


def files(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    """The files of a folder whose names are ours, sorted; none where there is no folder."""
    names = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [folder / name for name in names if pattern.fullmatch(name)]


@dataclass(slots=True)
class Findings:
    """document: the state that will be published. done, left: lines of the report. aside: files for `quarantine/`.

    gap: records are lost, whose snapshots are those from `next_before_gap` on. tail_is_lost: the newest is among them.
    changed: whether the log has anything to learn. dry_run: nothing may be written.
    """

    dry_run: bool
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

    @property
    def state(self) -> State:
        return State(self.document)

    def did(self, what: str) -> None:
        """Note something that the log has to learn."""
        self.done.append(what)
        self.changed = True

    def put_aside(self, path: Path) -> None:
        if path.exists() and path not in self.aside:  # two spaces may list one segment
            self.aside.append(path)

    def mark_gap(self) -> None:
        """Note that what the document says next does not follow what it says now."""
        if not self.gap:
            self.next_before_gap = self.state.next_v
        self.gap = True

    def put_snapshot(self, snapshot: Snapshot) -> None:
        self.document["snapshots"] = {**self.document.get("snapshots", {}), snapshot.name: snapshot.to_json()}

    def put_space(self, space: Space) -> None:
        self.document["spaces"] = {**self.document.get("spaces", {}), space.id: space.to_json()}

    def list_segment(self, space: str, ref: FileRef) -> None:
        changes = self.state.segments_changed(space, [*self.state.segments(space), ref])
        self.document = merge_patch(self.document, {"segments": changes})
