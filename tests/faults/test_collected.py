"""Readers take no lock. If a gc deletes a file that a reader is about to open, the reader starts again: its answer is
one from before the gc, or one from after it."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.failing_disks import Acting
from support.kind_operations import READERS, with_forgotten
from support.stores import opened, quick_folder, with_garbage

from vstore.disk import durable
from vstore.search.query import Operand
from vstore.store import Store


def search(store: Store) -> Any:
    return store.search([Operand(1.0, image=os.fsencode(store.folder.parent / "pictures" / "e.png"))])


def exported(store: Store) -> bytes:
    out = store.folder.parent / "out.jsonl"
    try:
        store.snapshot_export("current", out)
        return out.read_bytes()
    finally:
        out.unlink(missing_ok=True)


def shown(store: Store) -> Any:
    """Show a picture, without what a copy of the store has otherwise: places of files, and what the catalogue notes."""
    report = store.show("pictures/e.png")
    assert report.neighbours is not None
    like = [(one.key, one.score, one.path) for one in report.neighbours]
    return report._replace(names=(), facts={}, neighbours=None, file=None), [name.path for name in report.names], like


Command = tuple[Callable[[Path], None], Callable[[Store], Any]]  # what makes the store, and what reads it
_COMMANDS: dict[str, Callable[[Store], Any]] = {
    "search": search,
    "dupes": lambda store: store.dupes(near=0.9),
    "status": lambda store: {**store.status().to_json(), "seconds": 0, "full_seconds": 0, "embed_seconds": 0},
    "show": lambda store: store.snapshot_show(),
    "diff": lambda store: store.snapshot_diff("current"),
    "model list": lambda store: store.model_list(),
    "model show": lambda store: store.model_show("fake-2"),
    "model add": lambda store: store.model_add("fake-2", model="fake:fake-2"),
    "export": exported,
    "ls": lambda store: store.ls(recursive=True, long=True).to_json(),
    "ls --space-missing": lambda store: store.ls(space_missing="fake-2").to_json(),
    "find": lambda store: store.find_pictures("*.png", all=True).to_json(),
    "show a picture": shown,
    "check": lambda store: store.check(read_data=True).ok,
    "check --source": lambda store: store.check(source=True).ok,
    "check --reembed": lambda store: store.check(reembed=2).reembed,
}
COMMANDS: dict[str, Command] = {name: (with_garbage, command) for name, command in _COMMANDS.items()}
COMMANDS |= {name: (with_forgotten, command) for name, command in READERS.items()}
COMMANDS["list"] = with_forgotten, lambda store: store.snapshot_list()
COMMANDS["check with every kind"] = with_forgotten, _COMMANDS["check"]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_read_during_gc_starts_again_and_answers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The gc comes just before a segment, a pack or a part is opened: the first of them, the second, up to the last."""
    with quick_folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("vstore.repository.proof.PROBES", ("tiny",))
        template = folder / "template"
        template.mkdir()
        make, command = COMMANDS[name]
        make(template)
        with opened(template) as store:
            before = command(store)
        number = 0
        while True:
            top = folder / f"{number}"
            shutil.copytree(template, top)
            opens = itertools.count()
            freed: list[int] = []

            def is_next(path: str, opens: Iterator[int] = opens, number: int = number) -> bool:
                return path.endswith((".faiss", ".pack", ".part")) and next(opens) == number

            def collect(top: Path = top, freed: list[int] = freed) -> None:
                with opened(top) as other:
                    freed.append(other.gc(drop_unnamed=True).packs)

            with opened(top) as store:
                with pytest.MonkeyPatch.context() as acting:
                    acting.setattr(durable, "disk", Acting("open", is_next, collect))
                    found = command(store)
                assert found in (before, command(store)), number
            shutil.rmtree(top)
            if not freed:
                break
            assert freed[0] > 1, "a gc that takes nothing away proves nothing"
            number += 1
    assert number
    with capsys.disabled():
        print(f"\n{name}: {number} moments", end=" ")
