"""The report of a repair."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named_path


@briefly
class Loss(NamedTuple):
    """A snapshot with losses.

    snapshot: its name.
    lost:     how many paths it lost.
    paths:    some of them, if they are known.
    """

    snapshot: str
    lost: int
    paths: tuple[bytes, ...]

    def to_json(self) -> dict[str, Json]:
        return {"snapshot": self.snapshot, "lost": self.lost, "paths": [named_path(path) for path in self.paths]}


@briefly
class RepairReport(NamedTuple):
    """The result of a repair.

    dry_run:     nothing was changed; the report is of a repair to come.
    changed:     the log was written.
    done:        the repairs, a line each.
    embedded:    vectors computed again.
    quarantined: damaged files moved to `quarantine/`, by their old names.
    degraded:    snapshots with losses.
    left:        damage not repaired, with the next step, a line each.
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
