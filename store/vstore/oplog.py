"""The operation log `refs/`: the highest record is the truth."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from vstore import durable
from vstore.errors import CommitRace, Damage, VstoreError
from vstore.hashing import Hash, checksum
from vstore.layout import Layout, record_number
from vstore.records import Document, Record, State, canonical, ends_the_log, merge_patch

_CACHE = "state"
_REPAIR = "run: vstore repair"


class Tip(NamedTuple):
    """The newest sound record, folded.

    number, digest: of that record; 0 and "" for an empty log.
    highest:   the highest number that any name in `refs/` holds, sound or not.
    complaint: why the highest is not the newest sound one, if it is not.
    loose:     bytes of the records since the last one that carries the whole state.
    """

    state: State
    number: int
    digest: str
    highest: int
    loose: int
    complaint: str | None = None


class Oplog:
    """Reads and extends the log of one store."""

    def __init__(self, layout: Layout, hash: Hash) -> None:
        self._layout = layout
        self._hash = hash

    def numbers(self) -> list[int]:
        """The numbers of the records, rising."""
        try:
            names = os.listdir(self._layout.refs)
        except FileNotFoundError:
            return []
        return sorted(n for n in map(record_number, names) if n is not None)

    def read(self, number: int) -> Record:
        """Read one record. Raises: Damage, FileNotFoundError."""
        path = self._layout.record(number)
        record = Record.from_bytes(durable.read(path), self._hash, path.name)
        if record.number != number:
            raise Damage(f"refs/{path.name} holds record {record.number}", _REPAIR)
        return record

    def records(self) -> Iterator[Record]:
        """The records in force, oldest first: from the newest gc or repair on, else from the first.

        What lies before those is no part of the log any more, and may be there in part: its removal is not flushed.
        """
        found: list[Record] = []
        for number in reversed(self.numbers()):
            ended = bool(found) and ends_the_log(found[-1])
            try:
                record = self.read(number)
            except Damage:
                if ended:
                    break
                raise
            if found and found[-1].before != record.digest:
                if ended:
                    break
                raise Damage(f"record {found[-1].number} does not follow the one before it", _REPAIR)
            if ended and not ends_the_log(record):
                break
            found.append(record)
            if ended:
                break  # they come in pairs
        yield from reversed(found)

    def state_before(self, number: int) -> State:
        """Fold up to the record before `number`."""
        state: Document = {}
        for record in self.records():
            if record.number >= number:
                break
            state = record.whole if record.whole is not None else merge_patch(state, record.changes)
        return State(state)

    def load(self, usable: Callable[[State], str | None] = lambda state: None) -> Tip:
        """Fold the log to its newest sound record.

        usable: says what is missing for a state to be usable, or None.
        """
        numbers = self.numbers()
        highest = numbers[-1] if numbers else 0
        complaint = None
        for number in reversed(numbers):
            try:
                tip = self._fold(number, highest)
            except (Damage, FileNotFoundError) as err:
                if number == highest and number not in self.numbers():
                    return self.load(usable)  # collected while we looked: look again
                complaint = complaint or str(err)
                continue
            missing = usable(tip.state)
            if missing is None:
                return Tip(tip.state, tip.number, tip.digest, highest, tip.loose, complaint)
            if self.numbers()[-1:] != [highest]:
                return self.load(usable)
            complaint = complaint or missing
        if numbers:
            raise Damage(f"no record of the log is sound: {complaint}", _REPAIR)
        return Tip(State({}), 0, "", 0, 0)

    def _fold(self, number: int, highest: int) -> Tip:
        cached = self._cached()
        newest = record = self.read(number)
        chain: list[Record] = []
        while True:
            # The record itself is read even so: the fold in `cache/` may be older than its rot.
            if cached is not None and (cached.number, cached.digest) == (record.number, record.digest):
                document, loose = cached.state.document, cached.loose
                break
            if record.whole is not None:
                document, loose = record.whole, 0
                break
            chain.append(record)
            if not record.before:
                document, loose = {}, 0
                break
            earlier = self.read(record.number - 1)
            if earlier.digest != record.before:
                raise Damage(f"record {record.number} does not follow record {earlier.number}", _REPAIR)
            record = earlier
        for record in reversed(chain):
            document = merge_patch(document, record.changes)
            loose += record.size
        tip = Tip(State(document), number, newest.digest, highest, loose)
        if sum(record.size for record in chain) > max(1 << 14, loose // 2):
            self.keep(tip)
        return tip

    def append(
        self,
        tip: Tip,
        op: str,
        changes: Document,
        time: str,
        *,
        undoes: int | None = None,
        redoes: int | None = None,
        about: str = "",
        whole: bool = False,
    ) -> Tip:
        """Publish the record after `tip`. The caller holds `commit`, and all that the changes name is durable.

        Raises: CommitRace if the number is taken after all; DiskTrouble.
        """
        number = tip.highest + 1
        state = tip.state.after(changes)
        record = Record(number, op, durable.nonce(), time, tip.digest, changes, None, undoes, redoes, about)
        data = record.to_bytes(self._hash)
        document = canonical(state.document)
        if whole or tip.number == 0 or tip.loose + len(data) > len(document):
            record = Record(number, op, record.nonce, time, tip.digest, changes, state.document, undoes, redoes, about)
            data = record.to_bytes(self._hash)
        if not durable.publish(self._layout.record(number), data, "commit"):
            raise CommitRace(f"record {number} was published by somebody else", "run the command again")
        digest = data[:-1].rpartition(b"\n")[2].decode("ascii")
        return Tip(state, number, digest, number, 0 if record.whole is not None else tip.loose + len(data))

    def keep(self, tip: Tip) -> None:
        """Leave the fold in `cache/`; it is checked against the record that it belongs to whenever it is used."""
        body = canonical([tip.number, tip.digest, tip.loose, tip.state.document])
        durable.write_cache(self._layout.cache / _CACHE, checksum(_CACHE.encode(), body) + body)

    def _cached(self) -> Tip | None:
        with contextlib.suppress(OSError, ValueError, VstoreError):
            data = durable.read(self._layout.cache / _CACHE)
            if data[:8] == checksum(_CACHE.encode(), data[8:]):
                number, digest, loose, document = json.loads(data[8:])
                return Tip(State(document), number, digest, number, loose)
        return None
