"""The decisions that say something new: those that would change nothing are not made again. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from vstore.format.decisions import Decision
from vstore.repository.decisions import Choice


class _Said(NamedTuple):
    """The content of a decision, whenever it was made."""

    verb: str
    keys: tuple[bytes, ...]
    kept: tuple[bytes, ...]

    @property
    def keeps_all(self) -> bool:
        """It is about the copies of each of its pictures, too."""
        return self.verb == "keep" and self.keys == self.kept


def news_among(choices: Sequence[Choice], newest: Iterable[Decision]) -> list[Choice]:
    """Leave out the choices that are in force already, so that a file of decisions may be read as often as one likes.

    choices: in the order in which they are to be made.
    newest:  the decisions in force, newest first.
    """
    wanted = {key for choice in choices for key in choice.keys}
    held = _Held()
    for decision in reversed([one for one in newest if not wanted.isdisjoint(one.keys)]):
        held.add(_Said(decision.verb, decision.keys, decision.kept))
    said = [_Said(choice.verb, tuple(choice.keys), tuple(choice.kept)) for choice in choices]
    later = Counter(said)
    news = []
    for choice, one in zip(choices, said, strict=True):
        later[one] -= 1
        # What overrides it stays the newer one, if it is said after it here, too.
        if not held.has(one) or any(not later[other] for other in held.overriding(one)):
            held.add(one)
            news.append(choice)
    return news


class _Held:
    """Decisions in the order in which they were made, looked up by their pictures."""

    def __init__(self) -> None:
        self._all: list[_Said] = []
        self._newest: dict[_Said, int] = {}
        self._about: dict[bytes, list[int]] = {}

    def add(self, said: _Said) -> None:
        self._newest[said] = len(self._all)
        for key in said.keys:
            self._about.setdefault(key, []).append(len(self._all))
        self._all.append(said)

    def has(self, said: _Said) -> bool:
        return said in self._newest

    def overriding(self, said: _Said) -> Iterator[_Said]:
        """Yield those newer than the newest of its kind that are about two of its pictures, or about copies of one."""
        lists = sorted((self._about[key] for key in said.keys), key=len)
        if len(lists) > 1 and said.verb != "keep":
            lists.pop()  # who is about two of them stands in another list, too; and this one may be very long
        at, keys, seen = self._newest[said], set(said.keys), set[int]()
        for numbers in lists:
            for number in reversed(numbers):
                if number <= at:
                    break
                other = self._all[number]
                if number not in seen:
                    seen.add(number)
                    is_of_copies = said.verb == other.verb == "keep" and (said.keeps_all or other.keeps_all)
                    if is_of_copies or len(keys.intersection(other.keys)) > 1:
                        yield other
