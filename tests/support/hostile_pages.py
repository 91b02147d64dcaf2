"""Trees whose pages all have the digests that name them, and are wrong in some other way."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st
from support import facts as made_up
from support.builder import HASH

from vstore.errors import Damage
from vstore.format.canonical import canonical
from vstore.format.decisions import Decision, encode_decision
from vstore.format.fact_pages import encode_facts
from vstore.format.fields import encode_field, field_key
from vstore.format.leb128 import put_number
from vstore.format.listing import snapshot_key
from vstore.format.pages import ALIAS, FACTS, TABLE, Child, Entry, encode_leaf

KINDS = (ALIAS, TABLE, FACTS)
MISSING = b"\x55" * 16  # the digest of no blob
STRANGE = [0, 1, 2, 127, 128, 512, 513, 1024, 1025, 2**20 + 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**70]  # numbers
TEXTS = [
    b"",
    b"\xff",
    b"\0",
    "ü".encode(),
    b"[]",
    b"{}",
    b"null",
    b'{"id": 1}',
    b"[[",
    b"t\xed\xa0\x80",
    b"l\x05",
    b"d",
]


class Made(NamedTuple):
    """A page that others may name.

    digest: of its bytes.
    level:  how far it says to stand above the leaves.
    first:  its first key.
    last:   its last key.
    count:  the entries under it.
    """

    digest: bytes
    level: int
    first: bytes
    last: bytes
    count: int


class Limited:
    """Blobs by digest; whoever reads too many of them does work that no tree of this size is worth."""

    def __init__(self, blobs: dict[bytes, bytes], most: int = 3_000) -> None:
        self.blobs = blobs
        self._left = most

    def fetch(self, digest: bytes) -> bytes:
        self._left -= 1
        assert self._left > 0, "the pages of a small tree were read without an end"
        if digest not in self.blobs:
            raise Damage(f"no pack holds the blob {digest.hex()}", "run: vstore check")
        return self.blobs[digest]


class Forged(NamedTuple):
    """A tree that is wrong somewhere, or nowhere.

    kind:  the letter of the pages.
    root:  the page on top.
    blobs: all pages, by digest.
    """

    kind: bytes
    root: Made
    blobs: dict[bytes, bytes]


def values() -> st.SearchStrategy[bytes]:
    """Draw values of tables: those of fields, decisions and snapshots, and what is none of them."""
    fields = [encode_field(value) for value in ("a", 1, -0.5, True, ("a", "b"))]
    made = [Decision(b"i" * 16, "same", (b"a" * 16, b"b" * 16), (), 5)]
    made.append(Decision(b"i" * 16, "keep", (b"a" * 16, b"b" * 16), (b"b" * 16,), 6))
    decisions = [encode_decision(one)[1] for one in made]
    entry = {"id": "00", "manifest": "55" * 16, "space": "00" * 32, "paths": 1, "images": 1, "time": "x"}
    entries = [canonical(entry), canonical({**entry, "paths": -1}), canonical({**entry, "manifest": "zz", "parent": 7})]
    return st.sampled_from([*fields, *decisions, *entries, *TEXTS]) | st.binary(max_size=40)


def keys() -> st.SearchStrategy[bytes]:
    """Draw keys of tables: those of fields, decisions and snapshots, and others."""
    some = [snapshot_key(name) for name in ("v1", "v2", "v3", "v99", "origin/v7", "o/v0")]
    some += [field_key(made_up.key(n), name) for n in (1, 2) for name in ("a", "b")]
    some += [b"\0" * 7 + bytes([n]) + b"i" * 16 for n in (1, 2)]
    return st.sampled_from(some) | st.binary(max_size=30)


@st.composite
def forged(draw: st.DrawFn, kind: bytes | None = None) -> Forged:
    """Draw a tree. kind: the letter of its pages; None for any."""
    kind = draw(st.sampled_from(KINDS)) if kind is None else kind
    blobs: dict[bytes, bytes] = {}
    made: list[Made] = []
    for _ in range(draw(st.integers(1, 9))):
        above = bool(made) and draw(st.booleans())
        letter = kind if draw(st.integers(0, 15)) else draw(st.sampled_from(KINDS))
        data, page = draw(_inner(letter, made)) if above else draw(_leaf(letter))
        if not draw(st.integers(0, 5)):
            data = draw(_spoilt(data))
        digest = HASH.digest(data)
        blobs[digest] = data
        made.append(page._replace(digest=digest))
    return Forged(kind, made[-1], blobs)


@st.composite
def _leaf(draw: st.DrawFn, kind: bytes) -> tuple[bytes, Made]:
    if kind == FACTS:
        numbers = sorted(draw(st.sets(st.integers(0, 40), min_size=1, max_size=9)))
        rows = made_up.made(draw(st.integers(0, 3)), numbers, draw(st.integers(0, 3)))
        return encode_facts(rows, HASH.size), Made(b"", 0, rows[0].key, rows[-1].key, len(rows))
    found: list[Entry] = sorted(draw(st.dictionaries(keys(), values(), max_size=6)).items())
    span = Made(b"", 0, found[0][0], found[-1][0], len(found)) if found else Made(b"", 0, b"", b"", 0)
    if kind == ALIAS:
        return encode_leaf([(key, value.ljust(16, b"k")[:16]) for key, value in found]), span
    if not draw(st.integers(0, 7)):
        found.reverse()
    out = bytearray(b"vt0")
    put_number(out, _or_strange(draw, len(found)))
    _put_keys(draw, out, [key for key, _ in found])
    for _, value in found:
        put_number(out, _or_strange(draw, len(value)))
    return bytes(out) + b"".join(value for _, value in found), span


@st.composite
def _inner(draw: st.DrawFn, kind: bytes, made: list[Made]) -> tuple[bytes, Made]:
    """Draw a page over others: any of them, in any order and number, named rightly or not."""
    level = min(9, 1 + max(page.level for page in made)) if draw(st.integers(0, 7)) else draw(st.integers(1, 9))
    below = draw(st.lists(st.sampled_from(made), min_size=1, max_size=6))
    if draw(st.integers(0, 3)):
        below = sorted({page.first: page for page in below}.values(), key=lambda page: page.first)
    children = [Child(page.first, page.digest, page.count) for page in below]
    if not draw(st.integers(0, 5)):  # a few such pages would unfold to more than a disk holds
        one = children[0]
        children = [one, *(one._replace(first=one.first + bytes([n])) for n in range(draw(st.integers(1, 200))))]
    elif not draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(children) - 1))
        wrong: dict[str, Any] = {"first": draw(keys()), "digest": MISSING, "count": draw(st.sampled_from(STRANGE))}
        name = draw(st.sampled_from(sorted(wrong)))
        children[at] = children[at]._replace(**{name: wrong[name]})
    out = bytearray(b"v" + kind + b"%d" % level)
    put_number(out, _or_strange(draw, len(children)))
    _put_keys(draw, out, [child.first for child in children])
    for child in children:
        out += child.digest
        put_number(out, child.count)
    total = sum(child.count for child in children)
    return bytes(out), Made(b"", level, children[0].first, below[-1].last, total)


def _or_strange(draw: st.DrawFn, number: int) -> int:
    return number if draw(st.integers(0, 30)) else draw(st.sampled_from(STRANGE))


def _put_keys(draw: st.DrawFn, out: bytearray, keys: list[bytes]) -> None:
    for key in keys:
        put_number(out, _or_strange(draw, 0))
        put_number(out, _or_strange(draw, len(key)))
        out += key


@st.composite
def _spoilt(draw: st.DrawFn, data: bytes) -> bytes:
    """Change a page anywhere."""
    at = draw(st.integers(0, len(data)))
    other = draw(st.binary(max_size=9))
    return data[:at] + other + data[at + draw(st.integers(0, len(other) + 1)) :]


def histories() -> st.SearchStrategy[bytes]:
    """Draw lists of chunks, chunks, and what is neither."""
    numbers = st.sampled_from([-1, 0, 1, 2, 3, 2**64, 1.5, True, None, "1"])
    digests = st.sampled_from([MISSING.hex(), "zz", "", 5, None])
    lists = st.lists(st.tuples(numbers, numbers, digests) | st.just([]), max_size=3)
    lines = st.lists(st.tuples(numbers, digests, digests, digests, digests, st.booleans() | numbers), max_size=3)
    documents = (lists | lines).map(lambda found: canonical([list(one) for one in found]))
    return documents | st.sampled_from([b"[" * 100_000, b"[[1,2," + b"[" * 100_000, b"NaN", b"[[1,1,\xff]]", b""])
