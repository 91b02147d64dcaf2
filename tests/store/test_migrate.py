"""Migrating a store to the newest format."""

from __future__ import annotations

from support.folders import World


def test_there_is_nothing_to_migrate(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    numbers = world.repo.log.numbers()
    report = world.store.migrate()
    assert (report.format, report.steps) == (2, ())
    assert world.repo.log.numbers() == numbers
