"""The records of the log, one operation each, and the beginning of the log. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from vstore.errors import Damage, FormatTooNew
from vstore.format.canonical import Document, Json, canonical, parsed
from vstore.format.hashing import Hash
from vstore.format.layout import NEWEST
from vstore.format.names import is_number, is_snapshot
from vstore.quick_tuple import NamedTuple

LONGEST = 1 << 28  # bytes of a record at most
_LONGEST_WORD = 100  # characters of an operation or a time
_LAST = 999_999_999_999  # number of a record: its name has twelve digits

# What each field of a record holds, and what one that may be left out holds where it stands.
_FIELDS = {"vstore": int, "number": int, "op": str, "nonce": str, "time": str, "before": str, "changes": dict}
_OPTIONAL = {"state": dict, "undoes": int, "redoes": int, "about": str, "from": list}


class Origin(NamedTuple):
    """The record of another store from which an operation came.

    store:  the id of that store.
    number: the number of the record there.
    digest: its digest, in hex.
    """

    store: str
    number: int
    digest: str


class Record(NamedTuple):
    """One operation.

    number:  its place in the log, from 1.
    op:      the operation.
    nonce:   32 random hex digits: no two records are equal.
    time:    when it was published.
    before:  the digest of the record before it.
    changes: a JSON Merge Patch on the state.
    whole:   the state after it, if the record carries it.
    undoes:  the number of the undone record.
    redoes:  the number of the cancelled undo.
    about:   a few words for the log.
    origin:  the record of another store from which it came.
    format:  the format of its store when it was written.
    digest:  its own digest, in hex; set when it was read.
    size:    its bytes; set when it was read.
    """

    number: int
    op: str
    nonce: str
    time: str
    before: str
    changes: Document
    whole: Document | None = None
    undoes: int | None = None
    redoes: int | None = None
    about: str = ""
    origin: Origin | None = None
    format: int = NEWEST
    digest: str = ""
    size: int = 0

    def to_bytes(self, hash: Hash) -> bytes:
        """Write one line of canonical JSON, then the hex digest of that line (newline included)."""
        document: dict[str, Json] = {
            "vstore": self.format,
            "number": self.number,
            "op": self.op,
            "nonce": self.nonce,
            "time": self.time,
            "before": self.before,
            "changes": self.changes,
        }
        if self.whole is not None:
            document["state"] = self.whole
        if self.undoes is not None:
            document["undoes"] = self.undoes
        if self.redoes is not None:
            document["redoes"] = self.redoes
        if self.about:
            document["about"] = self.about
        if self.origin is not None:
            document["from"] = list(self.origin)
        line = canonical(document) + b"\n"
        return line + hash.digest(line).hex().encode("ascii") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, hash: Hash, name: str) -> Record:
        """Read a record.

        Raises: Damage if its digest is not right, FormatTooNew if a later vstore wrote it.
        """
        line, newline, tail = data.partition(b"\n")
        line += newline
        digest = hash.digest(line).hex()
        if tail != digest.encode("ascii") + b"\n":
            raise Damage(f"refs/{name} is damaged: its digest does not match", "run: vstore repair")
        try:
            document = parsed(line, LONGEST)
            if is_number(document["vstore"], NEWEST + 1):
                raise FormatTooNew(
                    f"refs/{name} was written by a later vstore (format {document['vstore']})", "upgrade vstore"
                )
            for field, kind in (*_FIELDS.items(), *((f, k) for f, k in _OPTIONAL.items() if f in document)):
                if type(document[field]) is not kind:
                    raise TypeError(f"{field} is {document[field]!r:.100}")
            _require_numbers(document)
            _require_words(document)
            return cls(
                number=document["number"],
                op=document["op"],
                nonce=document["nonce"],
                time=document["time"],
                before=document["before"],
                changes=document["changes"],
                whole=document.get("state"),
                undoes=document.get("undoes"),
                redoes=document.get("redoes"),
                about=document.get("about", ""),
                origin=_origin(document["from"]) if "from" in document else None,
                format=document["vstore"],
                digest=digest,
                size=len(data),
            )
        except (ValueError, KeyError, TypeError) as err:
            raise Damage(f"refs/{name} is not a valid record: {err!r}", "run: vstore repair") from err


def _origin(value: list[Json]) -> Origin:
    store, number, digest = value
    if (type(store), type(number), type(digest)) != (str, int, str):
        raise TypeError(f"from is {value!r:.100}")
    return Origin(store, number, digest)


def _require_words(document: Document) -> None:
    """Look at what is shown of an operation, whatever the state became later."""
    for field in ("op", "time"):
        if not document[field].isprintable() or len(document[field]) > _LONGEST_WORD:
            raise ValueError(f"{field} is {document[field]!r:.100}")
    for part in (document["changes"], document.get("state", {})):
        if not (part.get("current") is None or is_snapshot(part["current"])):
            raise ValueError(f"current is {part['current']!r:.100}")


def _require_numbers(document: Document) -> None:
    number = document["number"]
    if not is_number(number, 1, _LAST):
        raise ValueError(f"its number is {number}")
    for field in ("undoes", "redoes"):
        if field in document and not is_number(document[field], 1, number - 1):
            raise ValueError(f"{field} is {document[field]}")


def ends_the_log(record: Record) -> bool:
    """Tell whether a record is one of the pair with which gc and repair begin the log again."""
    return record.op in ("gc", "repair") and record.whole is not None


def beginning(records: Mapping[int, Record | None]) -> int:
    """Find the number from which records count: 0, or that of the newest pair with which the log begins again.

    Records before it may still exist, as their removal is not flushed.
    records: the log by number; None for a damaged record.
    """
    newest = max((number for number, record in records.items() if record and ends_the_log(record)), default=0)
    if newest - 1 in records:
        first = records[newest - 1]
        return newest - 1 if first is None or ends_the_log(first) else newest
    return newest
