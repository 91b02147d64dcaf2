"""The report of what is known of pictures."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named_path
from vstore.repository.cut_picture import Truncated
from vstore.repository.files import Files


class Undecoded(NamedTuple):
    """A picture that does not decode.

    path:   stored path.
    kind:   of the failure, as a sync names it.
    reason: one line for people.
    """

    path: bytes
    kind: str
    reason: str

    def to_json(self) -> dict[str, Json]:
        return {**named_path(self.path), "kind": self.kind, "reason": self.reason}


@briefly
class FactsReport(NamedTuple):
    """The facts that the store has, and lacks, of the pictures of its current snapshot.

    snapshot:       name of the snapshot, or None.
    space_name:     name of its embedding space, or None.
    images:         its distinct pictures.
    without_pixels: those without a digest of their prepared pixels: an edit of their metadata costs an embedding.
    without_facts:  those of whose headers nothing was read yet, or by an older reader.
    read:           pictures whose headers this run read.
    filled:         digests computed by this run.
    unread:         pictures passed over: no file of theirs can be read, or all have changed.
    failed:         pictures that do not decode.
    truncated:      pictures whose file is cut.
    seconds:        time of the run.
    interrupted:    the run was asked to stop; the next one goes on from there.
    prepare:        number of the preparation of that space, whose pixels these are, or None.
    where:          finds the files of the stored paths.
    """

    snapshot: str | None
    space_name: str | None
    images: int
    without_pixels: int
    without_facts: int = 0
    read: int = 0
    filled: int = 0
    unread: int = 0
    failed: tuple[Undecoded, ...] = ()
    truncated: tuple[Truncated, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False
    prepare: int | None = None
    where: Files = Files()

    def to_json(self) -> dict[str, Json]:
        return {
            **{name: value for name, value in self._asdict().items() if name != "where"},
            "failed": [{**one.to_json(), **self.where.named(one.path)} for one in self.failed],
            "truncated": [{**one.to_json(), **self.where.named(one.path)} for one in self.truncated],
        }
