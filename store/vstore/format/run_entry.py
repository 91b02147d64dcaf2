"""The entry of a run of facts in the state. Pure."""

from __future__ import annotations

from vstore.format.canonical import Json
from vstore.quick_tuple import NamedTuple


class RunRef(NamedTuple):
    """A run of facts, as the log lists it.

    root: the digest of its root page.
    rows: its facts.
    """

    root: bytes
    rows: int

    @classmethod
    def from_json(cls, value: Json) -> RunRef:
        return cls(bytes.fromhex(value[0]), value[1])

    def to_json(self) -> Json:
        return [self.root.hex(), self.rows]
