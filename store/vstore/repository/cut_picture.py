"""A picture of the store whose file is cut, for reports."""

from __future__ import annotations

from typing import NamedTuple

from vstore.format.canonical import Json, named_path


class Truncated(NamedTuple):
    """A picture that was taken although its file is cut.

    path:  stored path.
    lines: lines that are there; the others are grey.
    of:    lines of the whole picture.
    """

    path: bytes
    lines: int
    of: int

    def to_json(self) -> dict[str, Json]:
        return {**named_path(self.path), "lines": self.lines, "of": self.of}
