"""The results of looking at folders and changing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named, named_all


@briefly
class RootRow(NamedTuple):
    """A folder, or a label of pictures that no folder has.

    label:   the first part of its stored paths.
    place:   its absolute path; None for a label of pictures alone.
    there:   it exists now; False where it may not be looked at.
    named:   it may be looked at: its user named it at this machine, or it lies beside the store.
    paths:   its paths in the current snapshot.
    images:  its distinct pictures there.
    options: the options that its scans keep, without those at their defaults.
    earlier: labels of before: of folders that it took in, and its own.
    """

    label: str
    place: bytes | None
    there: bool
    named: bool
    paths: int
    images: int
    options: Mapping[str, bool | int | list[str]]
    earlier: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        value = {**self._asdict(), "options": dict(self.options), **named_all("earlier", self.earlier)}
        return {**value, **named("label", self.label), **named("place", self.place)}


@briefly
class RootRemoved(NamedTuple):
    """The result of taking a folder out.

    label:    its label.
    place:    where it is; None for a label of pictures alone.
    snapshot: the snapshot that was written; None if the current one had no picture of it.
    current:  the current snapshot.
    before:   the current snapshot before.
    paths:    the paths that left.
    images:   the pictures that left.
    left:     the paths of the current snapshot that stay.
    dry_run:  nothing was written.
    """

    label: str
    place: bytes | None
    snapshot: str | None
    current: str | None
    before: str | None
    paths: int
    images: int
    left: int
    dry_run: bool

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), **named("label", self.label), **named("place", self.place)}


@briefly
class RootRenamed(NamedTuple):
    """The result of giving a folder another label.

    old:      its label before.
    label:    its label now.
    place:    where it is.
    snapshot: the snapshot that was written; None if the current one had no picture of it.
    current:  the current snapshot.
    before:   the current snapshot before.
    paths:    the paths that got the new label.
    dry_run:  nothing was written.
    """

    old: str
    label: str
    place: bytes
    snapshot: str | None
    current: str | None
    before: str | None
    paths: int
    dry_run: bool

    def to_json(self) -> dict[str, Json]:
        names = {**named("old", self.old), **named("label", self.label), **named("place", self.place)}
        return {**self._asdict(), **names}
