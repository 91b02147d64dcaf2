"""The marks of cut pictures among the facts of a store."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from typing import TYPE_CHECKING

from vstore.format.facts import CUT_HEIGHT, CUT_LINES, Fact
from vstore.repository.facts import facts_of, runs_of
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.format.fact_pages import FactPage
    from vstore.pictures.preparation import Preparation

_ANY = 1  # percent of the lines: a picture that was taken once is read again whatever is there


def _cut(fact: Fact) -> tuple[int, int] | None:
    lines, height = fact.values.get(CUT_LINES), fact.values.get(CUT_HEIGHT)
    return (lines, height) if isinstance(lines, int) and isinstance(height, int) else None


def cut_among(repo: Repository, keys: Iterable[bytes]) -> dict[bytes, tuple[int, int]]:
    """Find the cut pictures among some: the lines that are there, and all. Raises: Damage, FileNotFoundError."""
    if repo.format < 2 or not repo.state.facts:
        return {}
    facts = facts_of(repo, keys, {CUT_LINES, CUT_HEIGHT})
    return {key: cut for key, fact in facts.items() if (cut := _cut(fact)) is not None}


def every_cut(repo: Repository, keys: Container[bytes]) -> dict[bytes, tuple[int, int]]:
    """Find the cut pictures among all of a snapshot, by reading the columns alone. Raises: as `cut_among`."""
    every = (key for run in runs_of(repo) for leaf in run.leaves() for key in marked(leaf))
    return cut_among(repo, {key for key in every if key in keys})


def marked(leaf: FactPage) -> set[bytes]:
    """Find the keys of the pictures in a leaf that are marked as cut. Raises: Damage."""
    if CUT_LINES not in leaf.columns:
        return set()
    return {fact.key for fact in leaf.facts(None, {CUT_LINES}) if CUT_LINES in fact.values}


def as_taken(preparation: Preparation) -> Preparation:
    """Return the preparation of pictures that the store has, with cut ones among them."""
    return preparation._replace(least=_ANY)


def for_picture(preparation: Preparation, key: bytes, cut: Collection[bytes]) -> Preparation:
    """Return the preparation of a picture that the store has. cut: the keys of cut ones."""
    return as_taken(preparation) if key in cut else preparation
