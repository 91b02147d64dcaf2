"""The pictures of the page that README and docs show: a script makes them, and no others."""

from __future__ import annotations

import re

import pytest
from docs_tools.console import TOP
from docs_tools.screenshots import IMAGES, SHOTS, files, unknown
from PIL import Image


def test_what_is_shown_is_what_the_script_makes() -> None:
    assert unknown() == []


@pytest.mark.parametrize("name", files())
def test_they_are_small_and_as_wide_as_the_script_says(name: str) -> None:
    path = IMAGES / name
    assert path.stat().st_size < 80_000
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.width == next(shot.width for shot in SHOTS if name.startswith(shot.name))


def test_those_of_the_readme_have_words_for_who_does_not_see_them() -> None:
    shown = re.findall(r"<img [^>]*>", (TOP / "README.md").read_text())
    assert shown
    assert all(re.search(r'alt="[^"]{10,}"', one) for one in shown)
