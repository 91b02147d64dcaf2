"""Decisions: what a user decided about a set of pictures, as entries of a table. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from vstore.errors import Damage, UsageError
from vstore.format.leb128 import get_number, put_number
from vstore.format.pages import Entry, rises

VERBS = {"different": 1, "same": 2, "keep": 3}
MOST = 10_000  # keys of a decision
ID_SIZE = 16  # random bytes
_VERBS = {number: verb for verb, number in VERBS.items()}
_TIME_SIZE = 8


class Decision(NamedTuple):
    """A decision about a set of pictures.

    id:   16 random bytes.
    verb: `different`: no two of them may share a group; `same`: they do; `keep`: only the kept ones are to stay.
    keys: the pictures, in rising order.
    kept: those of `keep` to stay, in rising order.
    time: when it was made, in microseconds since 1970; no two decisions of a store have the same.
    """

    id: bytes
    verb: str
    keys: tuple[bytes, ...]
    kept: tuple[bytes, ...]
    time: int

    @classmethod
    def of(cls, verb: str, keys: Iterable[bytes], kept: Iterable[bytes] = (), *, id: bytes, time: int) -> Decision:
        """Make a decision. Raises: UsageError if it is not a valid one."""
        decision = cls(id, verb, tuple(sorted(set(keys))), tuple(sorted(set(kept))), time)
        reason = decision.fault()
        if reason:
            raise UsageError(f"this is no decision: {reason}")
        return decision

    def fault(self) -> str | None:
        """Tell why this is no valid decision; None if it is one."""
        least = 1 if self.verb == "keep" else 2
        if self.verb not in VERBS:
            return f"{self.verb!r} is none of {', '.join(VERBS)}"
        if not least <= len(self.keys) <= MOST:
            return f"it is about {len(self.keys):,} pictures, not {least} to {MOST:,}"
        if bool(self.kept) != (self.verb == "keep"):
            return "pictures are kept by the verb keep, and by no other"
        if not set(self.kept) <= set(self.keys):
            return "it keeps a picture that it is not about"
        if len(self.id) != ID_SIZE or not 0 <= self.time < 1 << 8 * _TIME_SIZE:
            return "its id or its time is none"
        return None


def encode_decision(decision: Decision) -> Entry:
    """Write a valid decision as an entry of the table: greater keys are newer decisions."""
    out = bytearray([VERBS[decision.verb]])
    put_number(out, len(decision.keys))
    for key in decision.keys:
        out += key
    if decision.verb == "keep":
        kept = set(decision.kept)
        marks = bytearray(_marks_size(len(decision.keys)))
        for i, key in enumerate(decision.keys):
            marks[i // 8] |= (key in kept) << i % 8
        out += marks
    return decision.time.to_bytes(_TIME_SIZE, "big") + decision.id, bytes(out)


def decode_decision(entry: Entry, key_size: int) -> Decision:
    """Read an entry of the table. Raises: Damage if it is not a valid decision."""
    stamp, value = entry
    try:
        verb = _VERBS.get(value[0], str(value[0]))
        count, at = get_number(value, 1)
        end = at + count * key_size
        if len(value) != end + (_marks_size(count) if verb == "keep" else 0):
            raise ValueError("its length is wrong")
        keys = [value[i : i + key_size] for i in range(at, end, key_size)]
        if not rises(keys):
            raise ValueError("its pictures are out of order")
        marked = range(8 * (len(value) - end))
        kept = tuple(keys[i] for i in marked if value[end + i // 8] >> i % 8 & 1)
        time = int.from_bytes(stamp[:_TIME_SIZE], "big")
        decision = Decision(stamp[_TIME_SIZE:], verb, tuple(keys), kept, time)
        if reason := decision.fault():
            raise ValueError(reason)
    except (ValueError, IndexError) as err:
        raise Damage(f"a decision cannot be read: {err}", "run: vstore check") from err
    return decision


def _marks_size(count: int) -> int:
    return -(-count // 8)


class Verdicts:
    """The decisions of a store, looked up by two pictures: the newest about both holds."""

    def __init__(self, decisions: Iterable[Decision]) -> None:
        self._decisions = sorted(decisions, key=lambda decision: (decision.time, decision.id))
        self._about: dict[bytes, list[int]] = {}
        for i, decision in enumerate(self._decisions):
            for key in decision.keys:
                self._about.setdefault(key, []).append(i)
        self._keeps = {key: one for one in self._decisions if one.verb == "keep" for key in one.keys}

    def of(self, a: bytes, b: bytes) -> Decision | None:
        """Find the decision that holds between two pictures; None where nobody decided."""
        for i in reversed(self._about.get(a, [])):
            if _is_in(self._decisions[i].keys, b):
                return self._decisions[i]
        return None

    def newest_keep(self, key: bytes) -> Decision | None:
        """Find the newest `keep` about a picture, whatever else it is about."""
        return self._keeps.get(key)

    def keeps_all(self, key: bytes) -> bool:
        """Tell whether a picture is to stay with all of its files: the newest `keep` about it lets all of its own."""
        newest = self._keeps.get(key)
        return newest is not None and newest.kept == newest.keys

    def kept_for(self, key: bytes) -> Iterator[bytes]:
        """Yield the pictures that are to stay instead of one, as the decision that holds between the two says.

        None are if it is to stay with all of its files.
        """
        if self.keeps_all(key):
            return
        about = (self._decisions[i] for i in self._about.get(key, []))
        over = [one for one in about if one.verb == "keep" and not _is_in(one.kept, key)]
        for one in sorted({one for decision in over for one in decision.kept}):
            held = self.of(key, one)
            if held is not None and held.verb == "keep" and _is_in(held.kept, one) and not _is_in(held.kept, key):
                yield one


def _is_in(keys: Sequence[bytes], key: bytes) -> bool:
    """Tell whether a key is among rising ones."""
    at = bisect.bisect_left(keys, key)
    return at < len(keys) and keys[at] == key
