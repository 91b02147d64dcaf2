"""Decisions as entries of a table, and the newest one about two pictures."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.errors import Damage, UsageError
from vstore.format.decisions import MOST, VERBS, Decision, Verdicts, decode_decision, encode_decision
from vstore.format.pages import Entry

ID = b"i" * 16
STAMP = (7).to_bytes(8, "big") + ID
KEYS = [bytes([n]) * 16 for n in range(12)]
A, B, C, D, *_ = KEYS
SETS = st.sets(st.binary(min_size=16, max_size=16), min_size=2, max_size=40)


@st.composite
def decisions(draw: st.DrawFn) -> Decision:
    verb = draw(st.sampled_from(sorted(VERBS)))
    keys = sorted(draw(SETS))
    kept = draw(st.sets(st.sampled_from(keys), min_size=1)) if verb == "keep" else ()
    id, time = draw(st.binary(min_size=16, max_size=16)), draw(st.integers(0, 2**64 - 1))
    return Decision.of(verb, keys, kept, id=id, time=time)


@given(decisions())
def test_a_decision_is_read_back_as_it_was_written(decision: Decision) -> None:
    assert decode_decision(encode_decision(decision), 16) == decision


def test_keys_of_the_other_hash_are_read_back() -> None:
    decision = Decision.of("keep", [b"b" * 32, b"a" * 32], [b"b" * 32], id=ID, time=1)
    assert decode_decision(encode_decision(decision), 32) == decision


def test_a_decision_is_laid_out_as_format_says() -> None:
    written = [
        (Decision.of("different", [B, A], id=ID, time=7), b"\x01\x02" + A + B),
        (Decision.of("same", [A, C, C, B], id=ID, time=7), b"\x02\x03" + A + B + C),
        (Decision.of("keep", KEYS, [B, KEYS[9]], id=ID, time=7), b"\x03\x0c" + b"".join(KEYS) + b"\x02\x02"),
        (Decision.of("keep", [A], [A], id=ID, time=7), b"\x03\x01" + A + b"\x01"),
    ]
    for decision, value in written:
        assert encode_decision(decision) == (STAMP, value)


def test_the_key_of_a_newer_decision_is_greater() -> None:
    times = [0, 1, 255, 256, 2**63, 2**64 - 1]
    keys = [encode_decision(Decision.of("same", [A, B], id=ID, time=time))[0] for time in times]
    assert keys == sorted(keys)


def test_the_largest_decision_is_read_back() -> None:
    keys = [n.to_bytes(32, "big") for n in range(MOST)]
    decision = Decision.of("keep", keys, keys[::3], id=ID, time=7)
    stamp, value = encode_decision(decision)
    assert MOST == 10_000
    assert len(value) < 1 << 20
    assert decode_decision((stamp, value), 32) == decision


@pytest.mark.parametrize(
    ("verb", "keys", "kept"),
    [
        ("other", [A, B], []),
        ("different", [A], []),
        ("same", [A, A], []),
        ("keep", [], []),
        ("keep", [A, B], []),
        ("keep", [A, B], [C]),
        ("same", [A, B], [A]),
        ("different", [A, B], [A]),
        ("same", [n.to_bytes(16, "big") for n in range(MOST + 1)], []),
    ],
)
def test_what_is_no_decision_is_refused(verb: str, keys: list[bytes], kept: list[bytes]) -> None:
    with pytest.raises(UsageError, match="no decision"):
        Decision.of(verb, keys, kept, id=ID, time=7)


@pytest.mark.parametrize(("id", "time"), [(b"short", 7), (ID, -1), (ID, 2**64)])
def test_an_id_or_a_time_that_is_none_is_refused(id: bytes, time: int) -> None:
    with pytest.raises(UsageError, match="its id or its time"):
        Decision.of("same", [A, B], id=id, time=time)


MANY = b"".join(n.to_bytes(16, "big") for n in range(MOST + 1))


@pytest.mark.parametrize(
    "entry",
    [
        (STAMP, b""),
        (STAMP, b"\x00\x02" + A + B),
        (STAMP, b"\x04\x02" + A + B),
        (STAMP, b"\x01"),
        (STAMP, b"\x01\x00"),
        (STAMP, b"\x01\x01" + A),
        (STAMP, b"\x01\x82\x00" + A + B),
        (STAMP, b"\x01\x02" + A + B[:15]),
        (STAMP, b"\x01\x02" + A + B + b"\x01"),
        (STAMP, b"\x01\x02" + B + A),
        (STAMP, b"\x01\x02" + A + A),
        (STAMP, b"\x03\x00"),
        (STAMP, b"\x03\x01" + A),
        (STAMP, b"\x03\x01" + A + b"\x00"),
        (STAMP, b"\x03\x01" + A + b"\x03"),
        (STAMP, b"\x03\x02" + A + B + b"\x81"),
        (STAMP, b"\x03\x02" + A + B + b"\x01\x00"),
        (STAMP, b"\x02\x91\x4e" + MANY),
        (STAMP, b"\x02" + b"\xff" * 8 + b"\x7f"),
        (STAMP[:-1], b"\x01\x02" + A + B),
        (STAMP + b"i", b"\x01\x02" + A + B),
        (b"", b"\x01\x02" + A + B),
    ],
    ids=range(22),
)
def test_what_is_no_decision_is_damage(entry: Entry) -> None:
    with pytest.raises(Damage):
        decode_decision(entry, 16)


@given(decisions(), st.data())
def test_a_changed_byte_is_damage_or_another_decision_in_its_one_spelling(
    decision: Decision, data: st.DataObject
) -> None:
    stamp, value = encode_decision(decision)
    at, byte = data.draw(st.integers(0, len(value) - 1)), data.draw(st.integers(0, 255))
    changed = value[:at] + bytes([byte]) + value[at + 1 :]
    try:
        found = decode_decision((stamp, changed), 16)
    except Damage:
        return
    assert encode_decision(found) == (stamp, changed)


# Verdicts


def made(time: int, verb: str, *keys: bytes, id: bytes = ID) -> Decision:
    return Decision.of(verb, keys, keys[:1] if verb == "keep" else (), id=id, time=time)


def test_the_newest_decision_about_two_pictures_holds_whatever_the_order_they_are_read_in() -> None:
    first, second, third = made(1, "different", A, B, C), made(2, "same", A, B), made(3, "keep", C, D)
    for order in ([first, second, third], [third, second, first]):
        verdicts = Verdicts(order)
        assert verdicts.of(A, B) == verdicts.of(B, A) == second
        assert verdicts.of(A, C) == verdicts.of(B, C) == first
        assert verdicts.of(C, D) == third
        assert verdicts.of(A, D) is None
        assert verdicts.of(A, b"?" * 16) is None


def test_of_two_decisions_of_one_time_the_greater_id_is_the_newer() -> None:
    older, newer = made(1, "same", A, B, id=b"a" * 16), made(1, "different", A, B, id=b"b" * 16)
    assert Verdicts([newer, older]).of(A, B) == newer


@given(st.lists(st.sets(st.sampled_from(KEYS), min_size=2), max_size=12), st.integers())
def test_verdicts_are_those_of_a_look_at_each_decision_in_turn(sets: list[set[bytes]], seed: int) -> None:
    every = [made(time, "same", *keys) for time, keys in enumerate(sets)]
    verdicts = Verdicts(random.Random(seed).sample(every, len(every)))
    for a in KEYS:
        for b in KEYS:
            about = [decision for decision in every if {a, b} <= set(decision.keys)]
            assert verdicts.of(a, b) == (about[-1] if about else None)


def keep(time: int, keys: Iterable[bytes], kept: Iterable[bytes]) -> Decision:
    return Decision.of("keep", keys, kept, id=ID, time=time)


def test_another_is_to_stay_instead_where_the_newest_decision_on_the_pair_says_so() -> None:
    verdicts = Verdicts([keep(1, [A, B], [B]), keep(2, [A, C, D], [C, D]), made(3, "same", A, D)])
    assert [set(verdicts.kept_for(key)) for key in (A, B, C, D)] == [{B, C}, set(), set(), set()]


def test_nothing_stays_instead_of_what_is_to_stay_with_all_its_files() -> None:
    over = keep(1, [A, B, C], [C])
    assert [[*Verdicts([over, keep(2, [A, B], [A, B])]).kept_for(key)] for key in (A, B)] == [[], []]
    assert [*Verdicts([over, keep(2, [A], [A]), keep(3, [A, B], [B])]).kept_for(A)] == [B, C], "a newer one"
    assert [*Verdicts([over, keep(2, [A, D], [A])]).kept_for(A)] == [C], "of the other pair"


class Counted(bytes):
    """A key whose comparisons are counted."""

    count = 0

    def __eq__(self, other: object) -> bool:
        Counted.count += 1
        return bytes.__eq__(self, other)

    def __lt__(self, other: bytes) -> bool:
        Counted.count += 1
        return bytes.__lt__(self, other)

    __hash__ = bytes.__hash__


@pytest.mark.parametrize("also", [False, True], ids=["keep all", "and then one over the others"])
def test_who_stays_instead_is_found_without_a_look_at_each_pair(also: bool) -> None:
    keys = [Counted(n.to_bytes(16, "big")) for n in range(200)]
    verdicts = Verdicts([keep(1, keys, keys), *([keep(2, keys, keys[:1])] if also else [])])
    Counted.count = 0
    found = [list(verdicts.kept_for(key)) for key in keys]
    assert found == [[], *([[keys[0]] if also else []] * 199)]
    assert Counted.count < len(keys) * len(keys)
