"""The report of a repair."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named_files, named_path
from vstore.repository.files import UNKNOWN, Files


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

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        """Make the JSON form. where: finds the files of the paths."""
        return {
            "snapshot": self.snapshot,
            "lost": self.lost,
            "paths": [named_path(path) for path in self.paths],
            **named_files([where.file_of(path) for path in self.paths]),
        }


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
    where:       finds the files of the lost paths.
    """

    dry_run: bool
    changed: bool
    done: tuple[str, ...]
    embedded: int
    quarantined: tuple[str, ...]
    degraded: tuple[Loss, ...]
    left: tuple[str, ...]
    where: Files = Files()

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        del value["where"]
        value["degraded"] = [loss.to_json(self.where) for loss in self.degraded]
        for name in ("done", "quarantined", "left"):
            value[name] = list(value[name])
        return value
