"""What a repair says of itself."""

from __future__ import annotations

from typing import NamedTuple

from vstore.format.canonical import Json, named_path


class Loss(NamedTuple):
    """A snapshot that could not be made whole: how many paths it has less, and some of them, where they are known."""

    snapshot: str
    lost: int
    paths: tuple[bytes, ...]

    def to_json(self) -> dict[str, Json]:
        return {"snapshot": self.snapshot, "lost": self.lost, "paths": [named_path(path) for path in self.paths]}


class RepairReport(NamedTuple):
    """What was mended, or would be.

    done: one line each. embedded: vectors computed anew. quarantined: damaged files, as they were called.
    degraded: snapshots that hold less than they did. left: what could not be mended, and what to do.
    changed: whether the log had to learn anything.
    """

    dry_run: bool
    changed: bool
    done: tuple[str, ...]
    embedded: int
    quarantined: tuple[str, ...]
    degraded: tuple[Loss, ...]
    left: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["degraded"] = [loss.to_json() for loss in self.degraded]
        for name in ("done", "quarantined", "left"):
            value[name] = list(value[name])
        return value
