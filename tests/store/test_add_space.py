"""A space that is added again: what was proved of its vectors, and where its model lies."""

from __future__ import annotations

from pathlib import Path

from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.store import Store

RECIPE = {"family": "fake", "dim": 8}


def test_a_claimed_space_stays_claimed_when_its_model_is_said_again(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    repo = Repository(tmp_path / ".vstore")
    start = repo.state.start_space
    add_space(repo, RECIPE, "two", status="claimed", place={"model": "a", "compute": "bf16"})
    add_space(repo, RECIPE, "two", place={"model": "b"})
    space = repo.space("two")
    assert (space.status, space.place) == ("claimed", {"model": "b"})
    assert repo.state.start_space == start, "the first space is the one in which the first sync starts"
