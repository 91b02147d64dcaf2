"""The operation log `refs/`: the highest record is the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vstore.disk import durable, inside
from vstore.disk.cache import read_cache, write_cache
from vstore.disk.long_folders import look, note, recall
from vstore.disk.trouble import LOST
from vstore.errors import CommitRace, Damage
from vstore.format.canonical import Document, canonical, parsed
from vstore.format.hashing import Hash
from vstore.format.layout import Layout, record_number
from vstore.format.names import is_number
from vstore.format.records import LONGEST, Record
from vstore.format.state import State, merge_patch
from vstore.format.state_form import require_state
from vstore.limits import refuse_limit
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from typing import Unpack

    from vstore.format.typed_words import RecordWords

_CACHE = "state"
_LONG = 1 << 13  # bytes of records from which on a fold is left in the cache; more where it costs more to write
_LONGEST_ABOUT = 1000  # characters: a thousand lines of the log stay far below what a reader takes
_REPAIR = "run: vstore repair"
_COLLECTING = frozenset({"gc", "repair"})  # operations that carry the whole state and remove what lies before


class Tip(NamedTuple):
    """The newest sound record, folded.

    state:     the state after it.
    number:    of the record; 0 for an empty log.
    digest:    of the record; "" for an empty log.
    highest:   the highest number of any name in `refs/`, sound or not.
    loose:     bytes of the records since the last one with the whole state.
    base:      bytes of the last one with it.
    complaint: why the highest record is not the newest sound one, if it is not.
    format:    the format of the store when the record was written; 0 for an empty log.
    """

    state: State
    number: int = 0
    digest: str = ""
    highest: int = 0
    loose: int = 0
    base: int = 0
    complaint: str | None = None
    format: int = 0


class _Unsound(Exception):
    """A record of a chain cannot be used, nor its successors up to a whole state."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(what)
        self.number = number


class Oplog:
    """The log of one store, to be read and extended."""

    def __init__(self, layout: Layout, hash: Hash) -> None:
        self._layout = layout
        self._hash = hash
        self._oldest: tuple[str, int, str | None] | None = None

    def numbers(self) -> list[int]:
        """List the numbers of the records, rising."""
        try:
            names = inside.names(self._layout.refs)
        except FileNotFoundError:
            return []
        return sorted(n for n in map(record_number, names) if n is not None)

    def highest(self) -> int:
        """Find the highest number of a name, 0 if there is none. Every command asks for it: no list is parsed."""
        refs, cache = self._layout.refs, self._layout.cache
        try:
            known = record_number(recall(cache, refs) or "")
            # Some filesystems never change the times of a folder: the records themselves have to fit, too.
            if known is not None and self._has(known) and not self._has(known + 1):
                return known
            seen, names = look(refs), inside.names(refs)
        except FileNotFoundError:
            return 0
        note(cache, refs, seen, names)
        number = record_number(max(names, default=""))
        return number if number is not None else max(self.numbers(), default=0)

    def _has(self, number: int) -> bool:
        return inside.exists(self._layout.record(number))

    def has(self, tip: Tip) -> bool:
        """Tell whether the record of a fold is in this log, as it was then."""
        try:
            return tip.number > 0 and self.read(tip.number).digest == tip.digest
        except (Damage, OSError):
            return False

    def read(self, number: int) -> Record:
        """Read one record. Raises: Damage, FileNotFoundError."""
        path = self._layout.record(number)
        try:
            data = durable.read(path, LONGEST)
        except OSError as err:
            refuse_limit(err, f"read {path}")
            if err.errno not in LOST:
                raise
            raise Damage(f"refs/{path.name} cannot be read: {err.strerror}", _REPAIR) from err
        record = Record.from_bytes(data, self._hash, path.name)
        if record.number != number:
            raise Damage(f"refs/{path.name} holds record {record.number}", _REPAIR)
        return record

    def records(self, newest: int) -> Iterator[Record]:
        """Read the records up to a sound one, oldest first, from the oldest whole state leading to it.

        Raises: Damage, FileNotFoundError (collected meanwhile).
        """
        if newest:
            yield from map(self.read, range(self._oldest_before(newest)[0], newest + 1))

    def backwards(self, newest: int) -> Iterator[Record]:
        """Read the records up to a sound one, newest first, as far as an unbroken chain leads. Raises: Damage."""
        record = self.read(newest) if newest else None
        while record is not None:
            yield record
            if record.whole is not None and (record.op in _COLLECTING or not record.before):
                return
            try:
                record = self._earlier(record)
            except _Unsound:
                return

    def why_not_earlier(self, newest: int) -> str | None:
        """Say why `records` does not begin earlier, if records are lost; None if the log began there."""
        return self._oldest_before(newest)[1] if newest else None

    def _oldest_before(self, newest: int) -> tuple[int, str | None]:
        record = self.read(newest)
        digest = record.digest
        if self._oldest is None or self._oldest[0] != digest:
            oldest, why = newest, None
            while True:
                if record.whole is not None:
                    oldest = record.number
                    if record.op in _COLLECTING or not record.before:
                        break  # what lies before it goes at any moment, or never was
                try:
                    record = self._earlier(record)
                except _Unsound as err:
                    why = str(err)
                    break
            self._oldest = digest, oldest, why
        return self._oldest[1:]

    def state_before(self, number: int) -> State:
        """Fold up to the record before `number`. Raises: Damage."""
        try:
            return self._fold(number - 1)[0].state if number > 1 else State({})
        except _Unsound as err:
            raise Damage(str(err), _REPAIR) from err

    def load(self, usable: Callable[[State], str | None] = lambda state: None, known: Tip | None = None) -> Tip:
        """Fold the log to its newest sound record.

        usable: names the missing part of an unusable state, or None.
        known:  an earlier fold: if the log continues from it, only later records are read.
        Raises: Damage if no record is sound.
        """
        while True:
            highest = below = self.highest()
            if not highest:
                return Tip(State({}))
            complaint: str | None = None
            while below > 0:
                try:
                    tip, folded = self._fold(below, known)
                    wrong, at = usable(tip.state), below
                    if wrong is None:
                        if complaint is None and folded > max(_LONG, tip.base // 16):
                            self.keep(tip)
                        return tip._replace(highest=highest, complaint=complaint)
                except _Unsound as err:
                    wrong, at = str(err), err.number
                numbers = self.numbers()
                if numbers[-1:] != [highest]:
                    break  # somebody published or collected meanwhile: look again
                complaint = complaint or wrong
                below = max((number for number in numbers if number < at), default=0)
            else:
                raise Damage(f"no record of the log is intact: {complaint}", _REPAIR)

    def _fold(self, number: int, known: Tip | None = None) -> tuple[Tip, int]:
        """Fold up to one record.

        Returns: the tip; the bytes of the folded records. Raises: _Unsound.
        """
        newest = record = self._sound(number)
        chain: list[Record] = []
        fold = known if known is not None and 0 < known.number <= number else None
        cached = None if fold else read_cache(self._layout.cache, _CACHE, LONGEST)
        ends = _ends(cached)
        while True:
            # The record itself is read even so: the fold in `cache/` may be older than its rot.
            if record.whole is not None:
                document, loose, base = record.whole, 0, record.size
                break
            if record.number == ends:  # a fold from before the last whole state is never parsed
                fold = _parsed(cached)
            if fold is not None and (fold.number, fold.digest) == (record.number, record.digest):
                document, loose, base = fold.state.document, fold.loose, fold.base
                break
            chain.append(record)
            record = self._earlier(record)
        document = merge_patch(document, *(record.changes for record in reversed(chain)))
        if chain or fold is None or fold is not known:
            require_state(document, number)
        folded = sum(record.size for record in chain)
        tip = Tip(
            state=State(document),
            number=number,
            digest=newest.digest,
            highest=number,
            loose=loose + folded,
            base=base,
            format=newest.format,
        )
        return tip, folded

    def _sound(self, number: int) -> Record:
        try:
            return self.read(number)
        except Damage as err:
            raise _Unsound(number, err.message) from err
        except FileNotFoundError as err:
            raise _Unsound(number, f"refs/{self._layout.record(number).name} is missing") from err

    def _earlier(self, record: Record) -> Record:
        if not record.before:
            raise _Unsound(record.number, f"record {record.number} is the first, but does not hold a complete state")
        earlier = self._sound(record.number - 1)
        if earlier.digest != record.before:
            raise _Unsound(record.number, f"record {record.number} does not follow record {earlier.number}")
        return earlier

    def append(
        self, tip: Tip, op: str, changes: Document, time: str, *, format: int, **words: Unpack[RecordWords]
    ) -> Tip:
        """Publish the record after `tip`. The caller holds `commit`, and all objects of the changes are durable.

        format: of the store.
        Raises: CommitRace if the number is taken after all; DiskTrouble, ReadOnly.
        """
        number = tip.highest + 1
        state = tip.state.after(changes)
        _refuse_unreadable(state, number)
        record = Record(
            number=number,
            op=op,
            nonce=durable.nonce(),
            time=time,
            before=tip.digest,
            changes=changes,
            undoes=words.get("undoes"),
            redoes=words.get("redoes"),
            about=words.get("about", "")[:_LONGEST_ABOUT],
            origin=words.get("origin"),
            format=format,
        )
        data = record.to_bytes(self._hash)
        loose, base = tip.loose + len(data), tip.base
        # The last whole state tells how long this one would be: to write it down would cost more than the record.
        if words.get("whole") or tip.number == 0 or loose > base:
            data = record._replace(whole=state.document).to_bytes(self._hash)
            loose, base = 0, len(data)
        if not durable.publish(self._layout.record(number), data, "commit"):
            raise CommitRace(f"record {number} was published first by another process", "run the command again")
        digest = data[:-1].rpartition(b"\n")[2].decode("ascii")
        return Tip(state, number, digest, highest=number, loose=loose, base=base, format=format)

    def keep(self, tip: Tip) -> None:
        """Leave the fold in `cache/`. Each use checks it against its record."""
        body = canonical([tip.number, tip.digest, tip.loose, tip.base, tip.state.document])
        write_cache(self._layout.cache, _CACHE, body)


def _refuse_unreadable(state: State, number: int) -> None:
    """Make sure that a state can be read again before it is written: no store is spoilt by a mistake of ours."""
    try:
        require_state(state.document, number)
        state.current_snapshot  # noqa: B018  # is looked at where it is read
    except Damage as err:
        raise AssertionError(f"record {number} was not written, as nobody could read it: {err.message}") from err


def _ends(cached: bytes | None) -> int | None:
    """Read off a fold of `cache/` the number of the record that it ends with."""
    number = (cached or b"")[1:14].partition(b",")[0]
    return int(number) if number.isdigit() else None


def _parsed(cached: bytes | None) -> Tip | None:
    try:
        number, digest, loose, base, document = parsed(cached or b"", LONGEST)
    except (ValueError, TypeError):
        return None
    if not (is_number(number) and is_number(loose) and is_number(base)) or type(document) is not dict:
        return None
    return Tip(State(document), number, digest, highest=number, loose=loose, base=base)
