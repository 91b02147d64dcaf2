"""Values that are dear to make: the last few that were asked for are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


class Kept(Generic[Name, Value]):
    """The values that were asked for last. Usable from several threads.

    Several that ask for one at once make it once; who asks for another one does not wait for them.
    """

    def __init__(self, most: int) -> None:
        """most: values that are kept."""
        self._most = most
        self._of: OrderedDict[Name, _Place[Value]] = OrderedDict()
        self._turn = threading.Lock()

    def of(self, name: Name, make: Callable[[], Value]) -> Value:
        """Give a value, or make it. Raises: what `make` does; nothing is kept then."""
        with self._turn:
            place = self._of.setdefault(name, _Place())
            self._of.move_to_end(name)
            while len(self._of) > self._most:
                self._of.popitem(last=False)
        with place.turn:
            if not place.found:
                try:
                    place.found.append(make())
                except BaseException:
                    with self._turn:
                        if self._of.get(name) is place:
                            del self._of[name]
                    raise
            return place.found[0]

    def clear(self) -> None:
        """Let go of all values."""
        with self._turn:
            self._of.clear()


class _Place(Generic[Value]):
    """The place of a value. found: holds it once it is made."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.found: list[Value] = []
