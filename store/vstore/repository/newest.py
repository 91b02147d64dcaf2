"""Tells whether a store has the newest format, in FORMAT and in its log."""

from __future__ import annotations

from vstore.format.layout import NEWEST
from vstore.repository.form import read_form
from vstore.repository.repository import Repository


def is_newest(repo: Repository) -> bool:
    """Tell whether `vstore migrate` has nothing to do. Raises: NoStore, FormatTooNew, Damage."""
    return repo.tip.format in (0, NEWEST) and read_form(repo.layout.folder).format == NEWEST


def is_between(repo: Repository) -> bool:
    """Tell whether a migration was interrupted: FORMAT or the newest record has an older format than the other."""
    return repo.format == NEWEST and not is_newest(repo)
