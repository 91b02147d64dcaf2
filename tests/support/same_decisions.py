"""Decisions with ids and times of a fixed series: their pages are cut alike in every run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from vstore.repository import decisions


class _Ids:
    """A stand-in for `os` whose random bytes are a series."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers

    def urandom(self, size: int) -> bytes:
        return next(self._numbers).to_bytes(size, "big")


def same_decisions(patch: pytest.MonkeyPatch) -> None:
    """Give the decisions made from now on ids and times of a series."""
    patch.setattr(decisions, "os", _Ids(itertools.count(1)))
    times = itertools.count(1_800_000_000_000_000, 1_000_003)
    patch.setattr(decisions, "microseconds", lambda: next(times))
