"""The home of a user: no folder below the working one, whose maker could put consents there."""

from __future__ import annotations

from pathlib import Path

import pytest

from vstore.disk.owner import User
from vstore.embed.consent import Consent
from vstore.errors import UsageError
from vstore.models.converted_folder import default_top
from vstore.paths import in_home


@pytest.mark.parametrize("value", [".", "home"])
def test_a_home_that_is_not_absolute_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", value)
    assert in_home("x") is None
    assert Consent.of_user().folder is None
    assert User().config_folder() is None
    with pytest.raises(UsageError, match="no folder for caches"):
        default_top(None)
    assert not list(tmp_path.iterdir())


def test_an_absolute_home_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert in_home("x") == tmp_path / "x"
    assert Consent.of_user().folder == tmp_path / ".config" / "vstore" / "models"
