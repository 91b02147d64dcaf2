"""Pictures that clients look for: kept in memory, a few, and never written anywhere."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore import Missing, UsageError, VstoreError

if TYPE_CHECKING:
    from vstore import Previews, Thumb

MOST = 64
MEMORY = 200 << 20  # bytes of all
_NAME = 32  # hex digits


class NotKept(VstoreError):
    """A picture that was sent once, and let go of."""

    code = "not_found"


class Upload(NamedTuple):
    """A picture that a client sent.

    data:  the content of its file.
    thumb: made of it.
    """

    data: bytes
    thumb: Thumb

    def to_json(self) -> dict[str, Any]:
        return {"width": self.thumb.width, "height": self.thumb.height, "bytes": len(self.data)}


class Uploads:
    """The pictures that clients sent last. Usable from several threads."""

    def __init__(self, previews: Previews, most: int = MOST, memory: int = MEMORY) -> None:
        """
        previews: makes them small, in processes of their own.
        most:     of them at most.
        memory:   bytes of them at most.
        """
        self._previews = previews
        self._most, self._memory = most, memory
        self._of: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, data: bytes) -> str:
        """Take a picture. Returns: its name, the same for the same bytes. Raises: UsageError if it is none."""
        name = hashlib.sha256(data).hexdigest()[:_NAME]
        with self._lock:
            if name in self._of:
                self._of.move_to_end(name)
                return name
        thumb = self._previews.given(data)
        if isinstance(thumb, Missing):
            raise UsageError(f"the picture {thumb.reason}", "choose another one")
        with self._lock:
            self._of[name] = Upload(data, thumb)
            while len(self._of) > self._most or sum(len(one.data) for one in self._of.values()) > self._memory:
                self._of.popitem(last=False)
        return name

    def of(self, name: str) -> Upload:
        """Find a picture. Raises: NotKept if it was let go of."""
        with self._lock:
            found = self._of.get(name)
            if found is None:
                raise NotKept("a picture that was looked for is no longer kept here", "choose it again")
            self._of.move_to_end(name)
            return found
