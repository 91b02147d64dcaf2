"""Packages that `vstore doctor` finds healthy: importing each in a process of its own takes ten seconds."""

from __future__ import annotations

from typing import Any

import pytest

from vstore.doctor import installed


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Answers of healthy packages, without importing each in a process of its own."""
    answers: dict[str, Any] = {
        "faiss": {"version": "1.15.1", "gpus": 0, "options": []},
        "torch": {"version": "2.13.0", "cuda": None, "devices": [], "mps": False},
        "torchvision": {"version": "0.28.0"},
        "models": {},
        "adapters": {"version": "0.21.2"},
    }
    plain = installed.ask
    monkeypatch.setattr(installed, "ask", lambda name: (answers[name], "") if name in answers else plain(name))
    return answers
