"""Reports on plans: what was written, moved away, and moved back."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named, named_path
from vstore.repository.files import UNKNOWN, Files


class Unmoved(NamedTuple):
    """A row of a plan that was not carried out.

    path:   the stored path; of a restore, the path below the folder; empty where the row names none.
    reason: why, for people.
    row:    where it stands in the plan: `groups[2].files[1]`; empty for a restore.
    """

    path: bytes
    reason: str
    row: str = ""

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        return {**where.named(self.path), "reason": self.reason, "row": self.row}


@briefly
class DupesPlanned(NamedTuple):
    """A plan that was written, to be read and edited. Nothing was moved.

    plan:     its id.
    file:     its file, absolute.
    snapshot: the snapshot from which it was made.
    groups:   groups of copies of which some are to go.
    moves:    files that are to go, sidecars included.
    size:     bytes of these.
    """

    plan: str
    file: bytes
    snapshot: str
    groups: int
    moves: int
    size: int

    def to_json(self) -> dict[str, Json]:
        return {
            "plan": self.plan,
            **named("file", self.file),
            "snapshot": self.snapshot,
            "groups": self.groups,
            "moves": self.moves,
            "bytes": self.size,
        }


@briefly
class DupesApplied(NamedTuple):
    """A plan that was carried out, as far as it fits the disk.

    plan:        its id.
    moved:       stored paths of the files that were moved to the trash.
    linked:      those in whose place a hard link to the file that stays was made.
    done:        files that were moved by an earlier run, or are such links already.
    size:        bytes of the moved files.
    refused:     rows that were not carried out.
    decided:     decisions that were recorded: which pictures are to stay.
    trash:       the trash folders, absolute.
    interrupted: the user stopped it; run again, it goes on.
    where:       finds the files of the stored paths.
    """

    plan: str
    moved: tuple[bytes, ...]
    done: int
    size: int
    refused: tuple[Unmoved, ...]
    decided: int
    trash: tuple[bytes, ...]
    interrupted: bool = False
    where: Files = UNKNOWN
    linked: tuple[bytes, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "plan": self.plan,
            "moved": [self.where.named(path) for path in self.moved],
            "linked": [self.where.named(path) for path in self.linked],
            "done": self.done,
            "bytes": self.size,
            "refused": [row.to_json(self.where) for row in self.refused],
            "decided": self.decided,
            "trash": [named("folder", folder) for folder in self.trash],
            "interrupted": self.interrupted,
        }


@briefly
class DupesRestored(NamedTuple):
    """Files that were moved back from a trash folder.

    trash:       the trash folder, absolute.
    folder:      the folder of pictures that holds it, absolute; all paths are relative to it.
    moved:       files that are back at their places.
    done:        files that were there already.
    refused:     files that were not moved, and why.
    left:        files in the trash folder that its record does not name; they were not touched.
    interrupted: the user stopped it; run again, it goes on.
    """

    trash: bytes
    folder: bytes
    moved: tuple[bytes, ...]
    done: int
    refused: tuple[Unmoved, ...]
    left: tuple[bytes, ...]
    interrupted: bool = False

    def to_json(self) -> dict[str, Json]:
        return {
            **named("trash", self.trash),
            **named("folder", self.folder),
            "moved": [named_path(path) for path in self.moved],
            "done": self.done,
            "refused": [{**named_path(row.path), "reason": row.reason} for row in self.refused],
            "left": [named_path(path) for path in self.left],
            "interrupted": self.interrupted,
        }
