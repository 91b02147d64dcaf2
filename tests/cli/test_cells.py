"""The width of texts on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore_cli.terminal.cells import cells, shortened

MIXED = st.text(st.sampled_from("abc/._-äé写真📷e\u0301"), max_size=60)


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), ("äé", 2), ("写真", 4), ("📷", 2), ("e\u0301", 1), ("\u200bx", 1)]
)
def test_a_text_is_as_wide_as_a_terminal_shows_it(text: str, width: int) -> None:
    assert cells(text) == width


def test_a_path_loses_its_middle_and_keeps_its_name() -> None:
    path = "pictures/2019/holiday at the sea/IMG_1234.jpg"
    assert shortened(path, 45) == path
    assert shortened(path, 24) == "picture…sea/IMG_1234.jpg"
    assert shortened(path, 24, "...") == "picture...a/IMG_1234.jpg"


@given(MIXED, st.integers(0, 70))
def test_a_shortened_text_fits_and_uses_the_room(text: str, width: int) -> None:
    short = shortened(text, width)
    assert cells(short) <= width
    if cells(text) <= width:
        assert short == text
    elif width > 1:
        assert "…" in short
        assert cells(short) >= width - 2, "a wide character at each side may not fit"
        before, _, after = short.partition("…")
        assert text.startswith(before)
        assert text.endswith(after)
