"""A second space for the store of a test, whose vectors have nothing to do with the pictures."""

from __future__ import annotations

from pathlib import Path

from vstore import Store
from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.testing import FakeEmbedder

OTHER = FakeEmbedder("other", dim=12)


def add_space_other(home: Path, *, filled: bool = True) -> Path:
    """Add the space `other` to a store. filled: with a snapshot. Returns: the folder that holds the store."""
    add_space(Repository(home / ".vstore"), OTHER.recipe, "other")
    if filled:
        fill_space_other(home)
    return home


def fill_space_other(home: Path) -> None:
    """Give all pictures a vector in the space `other`, and make it current."""
    with Store(home / ".vstore", load_embedder=lambda recipe: OTHER) as store:
        store.sync(space="other")
