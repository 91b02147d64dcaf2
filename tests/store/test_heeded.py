"""Decisions as plans heed them: which picture is the best, and which must not go for it."""

from __future__ import annotations

import pytest
from support.builder import key

from vstore.format.decisions import Decision
from vstore.plans.heeded import DIFFERENT, STAYS, Heeded

A, B, C = key(1), key(2), key(3)


def heeded(*said: tuple[str, list[bytes], list[bytes]]) -> Heeded:
    """Decisions, the oldest first."""
    made = [Decision.of(verb, keys, kept, id=bytes(16), time=at) for at, (verb, keys, kept) in enumerate(said)]
    return Heeded(reversed(made))


def test_without_a_decision_all_may_go() -> None:
    assert heeded().in_order([B, A, C]) == [B, A, C]
    assert heeded().why_it_stays(A, B) == heeded().why_it_stays(A, A) == ""


def test_what_another_is_kept_over_comes_last() -> None:
    one = heeded(("keep", [A, B], [B]))
    assert one.in_order([A, B, C]) == [B, C, A]
    assert one.in_order([A, C]) == [A, C], "what is to be kept is not among them"
    assert one.in_order([A, C, B]) == [B, C, A]
    assert (one.why_it_stays(A, B), one.why_it_stays(B, A)) == ("", STAYS)


@pytest.mark.parametrize(
    ("verb", "kept", "reason"),
    [("different", [], DIFFERENT), ("same", [], ""), ("keep", [A, B], STAYS), ("keep", [A], STAYS), ("keep", [B], "")],
)
def test_the_verdict_between_two_says_whether_one_goes_for_the_other(verb: str, kept: list[bytes], reason: str) -> None:
    assert heeded((verb, [A, B], kept)).why_it_stays(A, B) == reason


def test_what_is_to_stay_goes_for_no_other_picture() -> None:
    one = heeded(("keep", [A, B], [A]))
    assert one.in_order([C, A]) == [A, C]
    assert (one.why_it_stays(A, C), one.why_it_stays(C, A)) == (STAYS, "")
    one = heeded(("keep", [A, B], [A]), ("keep", [A, C], [C]))
    assert one.in_order([A, C]) == [C, A]
    assert one.why_it_stays(A, C) == ""


def test_the_newest_holds() -> None:
    assert heeded(("different", [A, B], []), ("same", [A, B], [])).why_it_stays(A, B) == ""
    assert heeded(("same", [A, B], []), ("different", [A, B], [])).why_it_stays(A, B) == DIFFERENT
    assert heeded(("keep", [A], [A]), ("keep", [A, B], [B])).why_it_stays(A, B) == ""


def test_a_picture_that_is_to_stay_with_all_its_files_goes_for_none() -> None:
    assert heeded(("keep", [A], [A])).why_it_stays(A, A) == STAYS
    assert heeded(("keep", [A, B], [A, B])).why_it_stays(A, C) == STAYS
    assert heeded(("keep", [A, B], [A])).why_it_stays(A, A) == "", "its copies may go"


def test_what_is_to_stay_with_all_its_files_comes_behind_none() -> None:
    one = heeded(("keep", [A, B], [B]), ("keep", [A], [A]))
    assert (one.in_order([A, B]), one.in_order([C, A])) == ([A, B], [A, C])
    one = heeded(("keep", [A, B], [B]), ("keep", [A, C], [A]))
    assert (one.in_order([A, B]), one.why_it_stays(A, B)) == ([B, A], ""), "of the other pair"
