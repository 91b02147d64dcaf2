"""The head of a part of an index: the vectors it was made from, and how. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import NoReturn

from vstore.format.canonical import Document, Json, canonical
from vstore.format.entries import FileRef
from vstore.quick_tuple import NamedTuple

_SPACE = re.compile(r"[0-9a-f]{64}")
_SEGMENT = re.compile(r"[0-9a-f]{32}\.faiss")
_CHECKSUM = re.compile(r"[0-9a-f]{16}")
_KIND = re.compile(r"[a-z0-9-]{1,100}")


class Covered(NamedTuple):
    """A segment that a part was made from.

    name:  its file.
    check: the checksum of its footer, in hex.
    """

    name: str
    check: str


class IndexHead(NamedTuple):
    """The head of a part.

    space:      the space_id of its vectors.
    kind:       the kind of index: small letters, digits and hyphens, 1 to 100.
    covers:     the segments it was made from; none means that it holds for the whole space.
    parameters: how it was made; each kind has its own.
    size:       the bytes of the payload.
    """

    space: str
    kind: str
    covers: tuple[Covered, ...]
    parameters: Document
    size: int

    def to_bytes(self) -> bytes:
        return canonical(self._asdict())

    @classmethod
    def from_bytes(cls, data: bytes) -> IndexHead:
        """Read a head. Raises: ValueError for anything else."""
        try:
            value = json.loads(data, parse_constant=_refuse)
            if not isinstance(value, dict) or canonical(value) != data:
                raise ValueError("its head is not canonical JSON")
        except RecursionError as err:
            raise ValueError("its head nests too deep") from err
        try:
            covers = tuple(Covered(name, check) for name, check in value["covers"])
            head = cls(value["space"], value["kind"], covers, value["parameters"], value["size"])
        except (KeyError, TypeError, ValueError) as err:
            raise ValueError("its head lacks a field") from err
        if not head._is_valid():
            raise ValueError("its head has a field of another type")
        return head

    def _is_valid(self) -> bool:
        texts = [(_SPACE, self.space), (_KIND, self.kind)]
        texts += [pair for one in self.covers for pair in ((_SEGMENT, one.name), (_CHECKSUM, one.check))]
        return (
            all(isinstance(text, str) and pattern.fullmatch(text) for pattern, text in texts)
            and isinstance(self.parameters, dict)
            and type(self.size) is int
            and self.size >= 0
        )

    def fits(self, refs: Iterable[FileRef]) -> bool:
        """Tell whether every covered segment is among those of its space, with the same footer."""
        return set(self.covers) <= {Covered(ref.name, ref.check) for ref in refs}


def _refuse(word: Json) -> NoReturn:
    raise ValueError(f"its head holds {word}, which is no JSON")
