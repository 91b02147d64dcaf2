"""Decisions about pictures that were edited: what is said of the new ones."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st
from support.builder import key

from vstore.format.decisions import Decision, Verdicts
from vstore.format.inherited_decisions import inherited


def made(time: int, verb: str, *numbers: int, kept: tuple[int, ...] = ()) -> Decision:
    return Decision.of(verb, map(key, numbers), map(key, kept), id=bytes([time]) * 16, time=time)


def said(decisions: list[Decision]) -> list[tuple[str, set[bytes], set[bytes]]]:
    return [(decision.verb, set(decision.keys), set(decision.kept)) for decision in decisions]


def keys(*numbers: int) -> set[bytes]:
    return set(map(key, numbers))


def test_a_decision_is_made_once_more_about_the_heir() -> None:
    old = [made(1, "different", 1, 2, 3), made(2, "keep", 1, 4, kept=(1,)), made(3, "same", 5, 6)]
    assert said(inherited(old, {key(1): [key(9)]})) == [
        ("different", keys(9, 2, 3), set()),
        ("keep", keys(9, 4), keys(9)),
    ]


def test_what_is_said_is_valid_and_in_the_order_of_the_old_ones() -> None:
    old = [made(2, "same", 1, 2), made(1, "different", 1, 3), made(3, "keep", 1, kept=(1,))]
    found = inherited(old, {key(1): [key(9)]})
    assert [decision.verb for decision in found] == ["different", "same", "keep"]
    assert all(decision._replace(id=b"i" * 16).fault() is None for decision in found)


def test_a_decision_that_a_newer_one_replaced_is_not_inherited() -> None:
    old = [made(1, "different", 1, 2), made(2, "same", 1, 2)]
    assert said(inherited(old, {key(1): [key(9)]})) == [("same", keys(9, 2), set())]


def test_what_holds_already_is_not_said_again() -> None:
    old = [made(1, "different", 1, 2), made(2, "different", 9, 2)]
    assert inherited(old, {key(1): [key(9)]}) == []


def test_what_was_said_of_the_heir_itself_stays_the_newer_word() -> None:
    """As after a rollback, when the next sync finds the same edit again."""
    heirs = {key(1): [key(9)]}
    assert inherited([made(1, "different", 1, 2), made(2, "different", 9, 2), made(3, "same", 9, 2)], heirs) == []
    found = inherited([made(1, "different", 1, 2, 3), made(2, "same", 9, 2)], heirs)
    assert said(found) == [("different", keys(9, 2, 3), set()), ("same", keys(9, 2), set())]
    found = inherited([made(1, "keep", 1, kept=(1,)), made(2, "different", 9, 2)], heirs)
    assert said(found) == [("keep", keys(9), keys(9))]
    assert inherited([made(1, "keep", 1, kept=(1,)), made(2, "keep", 9, 2, kept=(2,))], heirs) == []


def test_what_was_said_of_the_other_pictures_stays_the_newer_word() -> None:
    heirs = {key(1): [key(9)]}
    found = inherited([made(1, "same", 1, 2, 3), made(2, "different", 2, 3)], heirs)
    assert said(found) == [("same", keys(9, 2, 3), set()), ("different", keys(2, 3), set())]
    found = inherited([made(1, "keep", 1, 2, 3, kept=(2,)), made(2, "keep", 2, 3, kept=(3,))], heirs)
    assert said(found) == [("keep", keys(9, 2, 3), keys(2)), ("keep", keys(2, 3), keys(3))]
    found = inherited([made(1, "keep", 1, 2, kept=(1,)), made(2, "keep", 2, 4, kept=(2,))], heirs)
    assert said(found) == [("keep", keys(9, 2), keys(9)), ("keep", keys(2, 4), keys(2))], "the newest keep about it"
    found = inherited([made(1, "same", 1, 2), made(2, "different", 2, 4), made(3, "keep", 2, kept=(2,))], heirs)
    assert said(found) == [("same", keys(9, 2), set())], "of another pair"


def test_what_is_made_again_outdoes_nothing_that_is_newer_either() -> None:
    old = [made(1, "different", 1, 2, 7), made(2, "same", 9, 2, 3), made(3, "different", 2, 3), made(4, "same", 2, 3)]
    found = inherited(old, {key(1): [key(9)]})
    assert said(found) == [
        ("different", keys(9, 2, 7), set()),
        ("same", keys(9, 2, 3), set()),
        ("different", keys(2, 3), set()),
        ("same", keys(2, 3), set()),
    ]


SAID = st.one_of(
    st.frozensets(st.integers(1, 6), min_size=2, max_size=4).flatmap(
        lambda about: st.one_of(
            st.tuples(st.sampled_from(["same", "different"]), st.just(about), st.just(frozenset[int]())),
            st.frozensets(st.sampled_from(sorted(about)), min_size=1).map(lambda kept: ("keep", about, kept)),
        )
    ),
    st.integers(1, 6).map(lambda one: ("keep", frozenset([one]), frozenset([one]))),
)


@given(st.lists(SAID, max_size=6))
def test_an_edit_changes_no_verdict_on_pictures_that_were_not_edited(
    every: list[tuple[str, frozenset[int], frozenset[int]]],
) -> None:
    old = [made(at, verb, *about, kept=tuple(kept)) for at, (verb, about, kept) in enumerate(every)]
    found = inherited(old, {key(1): [key(6)]})
    after = [*old, *(decision._replace(id=bytes([n]) * 16, time=n) for n, decision in enumerate(found, 100))]
    verdicts = [Verdicts(some) for some in (old, after)]
    for pair in combinations(map(key, range(1, 6)), 2):
        one, two = (verdict.of(*pair) for verdict in verdicts)
        assert (one and (one.verb, {*one.kept} & {*pair})) == (two and (two.verb, {*two.kept} & {*pair}))
    for number in range(1, 6):
        assert newest_keep(old, key(number)) == newest_keep(after, key(number))


def newest_keep(decisions: list[Decision], picture: bytes) -> tuple[bool, bool] | None:
    """Whether the newest `keep` about a picture lets it stay, and all of its files."""
    found = [one for one in decisions if one.verb == "keep" and picture in one.keys]
    return (picture in found[-1].kept, found[-1].keys == found[-1].kept) if found else None


def test_an_edit_that_is_taken_back_brings_the_newest_word() -> None:
    old = [made(1, "different", 1, 2), made(2, "different", 9, 2), made(3, "same", 9, 2)]
    first = inherited(old, {key(9): [key(1)]})
    assert said(first) == [("same", keys(1, 2), set())]
    old.append(first[0]._replace(id=b"j" * 16, time=4))
    assert inherited(old, {key(1): [key(9)]}) == []
    old.append(made(5, "different", 1, 2))
    assert said(inherited(old, {key(1): [key(9)]})) == [("different", keys(9, 2), set())]


def test_edits_of_several_pictures_of_a_decision_are_one_decision() -> None:
    old = [made(1, "different", 1, 2)]
    assert said(inherited(old, {key(1): [key(8)], key(2): [key(9)]})) == [("different", keys(8, 9), set())]


def test_a_picture_that_became_several_is_inherited_by_each() -> None:
    old = [made(1, "different", 1, 2)]
    assert said(inherited(old, {key(1): [key(8), key(9)]})) == [
        ("different", keys(8, 2), set()),
        ("different", keys(9, 2), set()),
    ]


def test_pictures_that_became_one_are_no_longer_decided_about() -> None:
    old = [made(1, "different", 1, 2), made(2, "different", 1, 2, 3)]
    assert inherited(old, {key(1): [key(9)], key(2): [key(9)]}) == []
    assert inherited(old, {key(1): [key(2)]}) == []


def test_the_verdicts_on_the_heir_are_those_on_the_picture() -> None:
    old = [made(1, "different", 1, 2, 3), made(2, "same", 1, 3), made(3, "different", 2, 3)]
    found = inherited(old, {key(1): [key(9)]})
    stamped = [decision._replace(id=bytes([n]) * 16, time=n) for n, decision in enumerate(found, 10)]
    before, after = Verdicts(old), Verdicts([*old, *stamped])
    for other in (2, 3):
        one, two = before.of(key(1), key(other)), after.of(key(9), key(other))
        assert one is not None and two is not None and one.verb == two.verb
