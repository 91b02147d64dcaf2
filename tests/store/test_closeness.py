"""Names near a mistyped one."""

from __future__ import annotations

import pytest

from vstore.closeness import instead, nearest

COMMANDS = ["sync", "status", "search", "snapshot", "log", "stats", "rollback", "list"]


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("sycn", "sync"),
        ("lits", "list"),
        ("stauts", "status"),
        ("lst", "list"),
        ("lgo", "log"),
        ("LOG", "log"),
        ("snap", "snapshot"),
        ("rol", "rollback"),
        ("stat", "stats"),
        ("ls", "list"),
        ("du", None),
        ("xyzzy", None),
        ("", None),
    ],
)
def test_the_nearest_name(wanted: str, near: str | None) -> None:
    assert nearest(wanted, COMMANDS) == near


def test_letters_count_before_likeness_and_of_no_names_none_is_near() -> None:
    assert nearest("Good", ["goods", "good"]) == "good"
    assert nearest("good", []) is None


def test_the_order_of_the_names_does_not_matter() -> None:
    assert nearest("a1", ["a2", "a3"]) == nearest("a1", ["a3", "a2"])


def test_errors_take_both_names_or_nothing() -> None:
    assert instead("sycn", COMMANDS) == ("sycn", "sync")
    assert instead("xyzzy", COMMANDS) is None
