"""Spaces of the first version of recipes: some were computed without part of their adapter, and most were not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.adapters import rewrite, save_adapter
from support.moved_model import World
from support.zoo import Zoo

from vstore.embed.hf.adapters import version
from vstore.errors import ModelError
from vstore.format.recipes import space_id
from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.store import Store


@pytest.fixture
def trained(zoo: Zoo, tmp_path: Path) -> Path:
    """An adapter with a pattern that decides its vectors."""
    return save_adapter(tmp_path / "trained", zoo["clip"], ["q_proj", "v_proj"], alpha_pattern={"v_proj": 64})


@pytest.fixture
def plain(trained: Path, tmp_path: Path) -> Path:
    """The same adapter, as it is without the pattern."""
    return rewrite(trained, tmp_path / "plain", alpha_pattern={})


def begin_older(world: World, probes_of: str) -> str:
    """Add the space of a world's model as an earlier version of vstore made it. Returns: its id.

    probes_of: the name of the space whose model was computed.
    """
    repo = Repository(world.folder)
    newer = repo.space("one")
    recipe = {**repo.recipe(newer.id), "version": 1}
    probes = repo.packs.get(repo.space(probes_of).probes)
    add_space(repo, recipe, "older", place=newer.place, probes=probes)
    older = space_id(recipe)
    with repo.committing("test"):
        repo.publish("verify", {"spaces": {newer.id: None}, "start_space": older}, about="test")
    world.store = Store(world.folder)
    return older


def test_the_version_of_a_recipe_rises_with_what_was_left_out(zoo: Zoo, trained: Path, plain: Path) -> None:
    from support.embedders import recipe_of

    assert recipe_of(zoo["clip"], trained)["version"] == 2
    assert [recipe_of(zoo["clip"], adapter)["version"] for adapter in (plain, None)] == [1, 1]
    assert [version(config) for config in ({"modules_to_save": ["merger"]}, {"alpha_pattern": {}}, {})] == [2, 1, 1]


def test_an_older_space_whose_probes_agree_is_that_of_its_model(zoo: Zoo, tmp_path: Path, trained: Path) -> None:
    world = World(tmp_path, zoo["clip"], trained)
    older = begin_older(world, probes_of="one")
    assert world.sync(2, space="older").embedded == 2
    added = world.store.model_add("older", device="cpu", **world.words)
    assert (added.known, added.space) == (True, older)
    assert [row.space_name for row in world.store.model_list()] == ["older"]
    assert world.repo.space("older").identity


def test_an_older_space_without_part_of_its_adapter_is_refused_with_the_whole_command(
    zoo: Zoo, tmp_path: Path, trained: Path, plain: Path
) -> None:
    world = World(tmp_path, zoo["clip"], trained, compute="fp32")
    world.store.model_add("without", model=str(zoo["clip"]), adapter=str(plain), device="cpu")
    older = begin_older(world, probes_of="without")
    with pytest.raises(
        ModelError, match=r"computed without part of the adapter: .* left out its alpha_pattern"
    ) as caught:
        world.sync(space="older")
    assert caught.value.exit_code == 13
    command = f"vstore model add NEWNAME --model {world.model} --adapter {world.adapter} --compute fp32"
    assert command in caught.value.next_step
    added = world.store.model_add("newer", device="cpu", **world.words)
    assert (added.known, added.notes) == (False, ())
    assert added.space != older
    recipe: Any = world.repo.recipe(added.space)
    assert recipe["version"] == 2 and "computed_by" not in recipe
    assert world.sync(space="newer").embedded == 2
    assert world.store.check().ok


def test_an_older_space_that_was_proved_since_has_drifted_for_another_reason(
    zoo: Zoo, tmp_path: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.embed.hf.families import dual

    world = World(tmp_path, zoo["clip"], trained)
    begin_older(world, probes_of="one")
    world.sync(space="older")
    plain = dual.DualEncoder.prepare
    shifted = lambda self, picture: {n: v * 1.5 + 0.3 for n, v in plain(self, picture).items()}  # noqa: E731
    monkeypatch.setattr(dual.DualEncoder, "prepare", shifted)
    with pytest.raises(ModelError, match="does not give the vectors that it gave"):
        world.sync(space="older")
