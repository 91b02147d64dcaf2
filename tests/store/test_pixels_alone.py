"""Whose vectors depend on prepared pixels alone: told without loading a model."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vstore.embed.hf.families import FAMILIES
from vstore.embed.pixels_alone import sees_pixels_alone


@pytest.mark.parametrize("family", ["builtin", *sorted(FAMILIES.keys() - {"remote"})])
def test_our_own_do(family: str) -> None:
    assert sees_pixels_alone({"family": family})


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_code_that_came_with_a_model_is_not_believed(family: str) -> None:
    assert not sees_pixels_alone({"family": family, "code": {"modeling.py": "ab"}})


@pytest.mark.parametrize("recipe", [{"family": "remote"}, {"family": "imported"}, {"family": "of nobody"}, {}])
def test_what_nobody_computes_does_not(recipe: dict[str, str]) -> None:
    assert not sees_pixels_alone(recipe)


@pytest.mark.parametrize(
    ("plugin", "does"),
    [
        (SimpleNamespace(sees_pixels_alone=True), True),
        (SimpleNamespace(sees_pixels_alone=False), False),
        (SimpleNamespace(sees_pixels_alone="yes"), False),
        (SimpleNamespace(), False),
    ],
)
def test_a_plugin_does_if_it_says_so(plugin: object, does: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.embed.plugins.find_plugin", lambda family: plugin)
    assert sees_pixels_alone({"family": "a plug-in"}) is does
