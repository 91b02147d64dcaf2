"""What stored paths are called since a wider root took theirs in."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from vstore.format.relabelling import today, yesterday

ABSORBED = {"2024": "pictures/2024", "pictures": "home/pictures", "b": "home/b"}


def test_a_path_of_a_root_that_stands_is_called_as_it_was() -> None:
    assert today(b"home/a.png", ABSORBED) == b"home/a.png"
    assert today(b"2024x/a.png", ABSORBED) == b"2024x/a.png"
    assert today(b"home/2024/a.png", ABSORBED) == b"home/2024/a.png"


def test_a_path_is_followed_through_every_root_that_took_it_in() -> None:
    assert today(b"2024/sub/a.png", ABSORBED) == b"home/pictures/2024/sub/a.png"
    assert today(b"pictures/a.png", ABSORBED) == b"home/pictures/a.png"


def test_a_label_alone_is_followed_too() -> None:
    assert today(b"2024", ABSORBED) == b"home/pictures/2024"


def test_yesterdays_names_of_a_path_come_latest_first() -> None:
    assert yesterday(b"home/pictures/2024/a.png", ABSORBED) == [b"pictures/2024/a.png", b"2024/a.png"]
    assert yesterday(b"home/pictures/2024", ABSORBED) == [b"pictures/2024", b"2024"]
    assert yesterday(b"home/pictures/2024x/a.png", ABSORBED) == [b"pictures/2024x/a.png"]
    assert yesterday(b"home/c.png", ABSORBED) == []


def test_a_label_that_is_not_utf_8_is_followed() -> None:
    absorbed = {os.fsdecode(b"\xff"): os.fsdecode(b"w\xfe/\xff")}
    assert today(b"\xff/a", absorbed) == b"w\xfe/\xff/a"
    assert yesterday(b"w\xfe/\xff/a", absorbed) == [b"\xff/a"]


@given(
    rest=st.lists(st.binary(min_size=1, max_size=5).filter(lambda name: b"/" not in name and b"\0" not in name)),
    label=st.sampled_from([b"2024", b"pictures", b"b", b"home"]),
)
def test_every_former_name_of_a_path_leads_to_it(rest: list[bytes], label: bytes) -> None:
    path = b"/".join([label, *rest])
    now = today(path, ABSORBED)
    assert now.partition(b"/")[0] == b"home"
    assert path == now or path in yesterday(now, ABSORBED)
    assert all(today(older, ABSORBED) == now for older in yesterday(now, ABSORBED))
