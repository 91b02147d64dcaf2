"""History: lines that are appended in chunks of 1,000, and what is lost of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.errors import Damage
from vstore.format.canonical import Json, canonical
from vstore.format.hashing import store_hash
from vstore.format.history import LINES, LONGEST, Chunk, History, Line

HASH = store_hash("xxh3_128")


def line(number: int) -> Line:
    return Line(number, "sync", "2026-11-23T20:02:39Z", f"no {number}", f"v{number}" if number % 3 else None, False)


def lines(numbers: Iterable[int]) -> list[Line]:
    return [line(number) for number in numbers]


class Blobs:
    """A store of blobs, some of which may be lost, which counts what is read."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.read = 0

    def fetch(self, digest: bytes) -> bytes:
        self.read += 1
        if digest not in self.stored:
            raise Damage("a blob is lost")
        return self.stored[digest]

    def empty(self) -> History:
        return History(HASH, self.fetch, None)

    def save(self, history: History) -> History:
        """Store what is fresh in a history, and open it again."""
        for digest, blob in history.fresh.items():
            assert HASH.digest(blob) == digest
            self.stored[digest] = blob
        return History(HASH, self.fetch, history.root)

    def put(self, blob: bytes) -> bytes:
        self.stored[HASH.digest(blob)] = blob
        return HASH.digest(blob)


def numbers(history: History) -> list[int]:
    return [line.number for line in history.newest()][::-1]


def test_history_is_laid_out_as_format_says() -> None:
    history = Blobs().empty().appended([Line(3, "tag", "2026-11-23T20:02:39Z", "", None, True), line(7)])
    assert history.root is not None
    ((first, last, digest),) = json.loads(history.fresh[history.root])
    assert (first, last) == (3, 7)
    chunk = b'[[3,"tag","2026-11-23T20:02:39Z","",null,true],[7,"sync","2026-11-23T20:02:39Z","no 7","v7",false]]'
    assert history.fresh[bytes.fromhex(digest)] == chunk
    assert history.blobs() == set(history.fresh) == {history.root, bytes.fromhex(digest)}


def test_a_history_without_lines_has_no_root() -> None:
    history = Blobs().empty()
    assert (history.root, history.chunks, history.blobs(), list(history.newest())) == (None, [], set(), [])
    assert history.appended([]) is history
    assert history.without_lost() is history
    assert not history.is_lost


@given(st.lists(st.sampled_from([1, 2, 400, 999, 1000, 1001, 2500]), max_size=5), st.booleans())
def test_lines_are_kept_in_chunks_of_1000_however_they_come(counts: list[int], save: bool) -> None:
    blobs = Blobs()
    history = blobs.empty()
    last = 0
    for count in counts:
        history = history.appended(lines(range(last + 1, last + count + 1)))
        last += count
        if save:
            history = blobs.save(history)
    assert list(history.newest()) == lines(range(last, 0, -1))
    assert [len(history.lines(chunk)) for chunk in history.chunks] == [LINES] * (last // LINES) + (
        [last % LINES] if last % LINES else []
    )
    whole = Blobs().empty().appended(lines(range(1, last + 1)))
    assert history.root == whole.root
    if not save:
        assert history.fresh == whole.fresh, "blobs that nothing names any more are no part of it"


def test_lines_that_it_has_are_not_appended_again() -> None:
    history = Blobs().empty().appended(lines([1, 2, 5]))
    assert history.appended(lines([1, 2, 5])) is history
    assert history.appended(lines([3])) is history
    assert numbers(history.appended(lines([4, 5, 6]))) == [1, 2, 5, 6]


def test_an_append_reads_the_list_and_the_last_chunk_and_writes_these_two() -> None:
    blobs = Blobs()
    history = blobs.save(blobs.empty().appended(lines(range(1, 4501))))
    blobs.read = 0
    longer = history.appended(lines([9000]))
    assert blobs.read == 2
    assert len(longer.fresh) == 2
    full = blobs.save(longer.appended(lines(range(9001, 9500))))
    assert [len(full.lines(chunk)) for chunk in full.chunks] == [LINES] * 5
    assert len(full.appended(lines([9500])).fresh) == 2


@pytest.fixture
def saved() -> tuple[Blobs, History]:
    blobs = Blobs()
    return blobs, blobs.save(blobs.empty().appended(lines(range(1, 3501))))


def test_a_lost_chunk_is_passed_over(saved: tuple[Blobs, History]) -> None:
    blobs, history = saved
    second = history.chunks[1]
    del blobs.stored[second.digest]
    assert numbers(history) == [*range(1, 1001), *range(2001, 3501)]
    assert history.lost_chunks() == [second]
    assert second.digest in history.blobs()
    mended = blobs.save(history.without_lost())
    assert mended.chunks == [chunk for chunk in history.chunks if chunk != second]
    assert numbers(mended) == numbers(history)
    assert mended.lost_chunks() == [] and mended.without_lost() is mended
    assert numbers(history.appended(lines([3501])))[-2:] == [3500, 3501]


def test_a_lost_last_chunk_is_left_out_by_an_append(saved: tuple[Blobs, History]) -> None:
    blobs, history = saved
    del blobs.stored[history.chunks[-1].digest]
    longer = blobs.save(history.appended(lines(range(3400, 3502))))
    assert numbers(longer) == [*range(1, 3001), 3501]
    assert longer.lost_chunks() == []
    assert [len(longer.lines(chunk)) for chunk in longer.chunks] == [LINES, LINES, LINES, 1]


def test_a_lost_list_is_an_empty_history_that_says_so(saved: tuple[Blobs, History]) -> None:
    blobs, history = saved
    assert history.root is not None and not history.is_lost
    del blobs.stored[history.root]
    lost = History(HASH, blobs.fetch, history.root)
    assert lost.is_lost
    assert (list(lost.newest()), lost.lost_chunks(), lost.blobs()) == ([], [], {history.root})
    assert lost.without_lost().root is None
    assert numbers(blobs.save(lost.appended(lines([4000])))) == [4000]


ROW = [1, "sync", "2026-11-23T20:02:39Z", "", None, False]


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        [ROW[:5]],
        [[*ROW, 1]],
        [{}],
        [1],
        [[*ROW[:5], 0]],
        [[True, *ROW[1:]]],
        [["1", *ROW[1:]]],
        [[*ROW[:4], 1, False]],
        [ROW, ROW],
        [[2, *ROW[1:]], ROW],
        [[n, *ROW[1:]] for n in range(1, LINES + 2)],
    ],
    ids=range(13),
)
def test_what_is_no_chunk_is_lost(document: Json) -> None:
    blobs = Blobs()
    digest = blobs.put(canonical(document))
    last = len(document) if document and len(document) > LINES else 1
    history = History(HASH, blobs.fetch, blobs.put(canonical([[1, last, digest.hex()]])))
    assert history.chunks == [Chunk(1, last, digest)]
    assert history.lost_chunks() == history.chunks
    with pytest.raises(Damage):
        history.lines(history.chunks[0])


def test_a_chunk_of_other_numbers_is_lost() -> None:
    blobs = Blobs()
    digest = blobs.put(canonical([[2, *ROW[1:]]]))
    for named in ([1, 2], [2, 3]):
        history = History(HASH, blobs.fetch, blobs.put(canonical([[*named, digest.hex()]])))
        assert history.lost_chunks() == history.chunks != []


def test_a_chunk_as_long_as_may_be_is_read_and_a_longer_one_is_lost() -> None:
    blobs = Blobs()
    around = len(canonical([[*ROW[:3], "", *ROW[4:]]]))
    for longer in (0, 1):
        digest = blobs.put(canonical([[*ROW[:3], "x" * (LONGEST - around + longer), *ROW[4:]]]))
        history = History(HASH, blobs.fetch, blobs.put(canonical([[1, 1, digest.hex()]])))
        assert len(history.lost_chunks()) == longer


HEX = "00" * 16


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"{}",
        b"1",
        b"[]",
        b"[" * 100_000,
        canonical([[1, 2]]),
        canonical([[1, 2, HEX[2:]]]),
        canonical([[1, 2, "x" * 32]]),
        canonical([[1, "2", HEX]]),
        canonical([[2, 1, HEX]]),
        canonical([[1, 5, HEX], [5, 9, HEX]]),
        canonical([[5, 9, HEX], [1, 4, HEX]]),
        canonical([[0, 9, HEX]]),
        canonical([[1, 10**12, HEX]]),
        canonical([[1, 5, HEX], [6, 9, HEX]]),
    ],
    ids=range(16),
)
def test_what_is_no_list_of_chunks_is_lost(data: bytes) -> None:
    blobs = Blobs()
    history = History(HASH, blobs.fetch, blobs.put(data))
    assert history.is_lost
    assert history.chunks == []
