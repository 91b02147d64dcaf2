"""Brings a store of an older format up to the newest. There is one format so far."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json
from vstore.format.layout import FORMAT_VERSION
from vstore.repository.repository import Repository


@briefly
class MigrateReport(NamedTuple):
    """The result of a migration.

    dry_run: nothing was changed; the report says what would be.
    format:  the format that the store has now.
    steps:   what was done, a line each.
    """

    dry_run: bool
    format: int
    steps: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "steps": list(self.steps)}


def migrate(repo: Repository, *, dry_run: bool = False) -> MigrateReport:
    """Bring a store up to the newest format.

    A store that could be opened is of a format that this version of vstore knows, and the first format is the newest:
    there is no step to take, and nothing is written.
    """
    return MigrateReport(dry_run, FORMAT_VERSION, ())
