"""--where with the columns of `cache/` played against --where without, through syncs, fields, facts, moves and harm."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.folders import World

from vstore.format.facts import CAMERA, RATING, WIDTH, Fact
from vstore.repository.facts import added
from vstore.repository.fields import set_fields
from vstore.repository.repository import Repository
from vstore.search import numbers
from vstore.search.operand import Operand
from vstore.where import kept

NAMES = st.sets(st.sampled_from([f"{number}.png" for number in range(6)]), min_size=1)
EXPRESSIONS = [
    "width > 25 and (camera is null or camera like 'C%')",
    "rating >= 3 or rating is null",
    "flat = 0 and format = 'PNG'",
]
OF_FIELDS = ["label = 'cat' and width > 25", "label is null or label > 4"]


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.world = World(self.top)
        self.sync({"0.png", "1.png"})

    def teardown(self) -> None:
        self.world.store.close()
        shutil.rmtree(self.top)

    @rule(names=NAMES)
    def sync(self, names: set[str]) -> None:
        shutil.rmtree(self.world.pictures)
        self.world.pictures.mkdir()
        self.world.put({name: int(name[0]) for name in sorted(names)})
        self.world.sync(allow_mass_delete=True)

    @rule(data=st.data(), value=st.sampled_from([None, "cat", 4, 5.5]))
    def label(self, data: st.DataObject, value: Any) -> None:
        self.write(lambda repo, key: set_fields(repo, {(key, "label"): value}), data)

    @rule(data=st.data(), reader=st.integers(0, 2), width=st.integers(20, 30), camera=st.sampled_from(["C", "D", None]))
    def note(self, data: st.DataObject, reader: int, width: int, camera: str | None) -> None:
        def facts(repo: Repository, key: bytes) -> None:
            values = {WIDTH: width, RATING: width % 5} | ({} if camera is None else {CAMERA: camera})
            with repo.committing("bench"):
                changes, blobs = added(repo, [Fact(key, reader, values)])
                repo.publish("seal", changes, blobs=blobs)

        self.write(facts, data)

    def write(self, change: Any, data: st.DataObject) -> None:
        with self.world.store.view() as view:
            key = data.draw(st.sampled_from(list(view)))
        repo = Repository(self.world.folder)
        change(repo, key)
        repo.close()

    @rule()
    def fill(self) -> None:
        self.world.store.facts(fill=True)

    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        names = [row.snapshot for row in self.world.store.snapshot_list()]
        self.world.store.rollback(data.draw(st.sampled_from(names)))

    @rule()
    def collect(self) -> None:
        self.world.store.gc(drop_unnamed=True)

    @rule(data=st.data(), how=st.sampled_from(["flip", "cut", "swap", "remove"]))
    def harm(self, data: st.DataObject, how: str) -> None:
        cache = self.world.folder / "cache"
        files = sorted(one for one in cache.iterdir() if one.name.startswith(("columns-", "numbers-")))
        if files:
            file = data.draw(st.sampled_from(files))
            content = file.read_bytes()
            if how == "flip":
                at = data.draw(st.integers(0, len(content) - 1))
                file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            elif how == "cut":
                file.write_bytes(content[:-1])
            elif how == "swap":
                file.write_bytes(data.draw(st.sampled_from(files)).read_bytes())
            else:
                file.unlink()

    def answers(self, least: int) -> list[Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(kept, "_FROM", least)
            patch.setattr(numbers, "_KEPT_FROM", least)
            with self.world.another() as store:
                has_label = any(row.name == "label" for row in store.fields_list())
                return [
                    (report.hits, report.notes, [*store.ls(where=where).entries])
                    for where in EXPRESSIONS + OF_FIELDS * has_label
                    for report in [store.search(Operand(1.0, key=next(iter(self.keys))), k=9, where=where)]
                ]

    @invariant()
    def with_columns_that_are_kept_as_without(self) -> None:
        with self.world.store.view() as view:
            self.keys = list(view)
        expected = self.answers(1 << 40)
        assert self.answers(1) == expected
        assert self.answers(1) == expected


Machine.TestCase.settings = settings(max_examples=6, stateful_step_count=10, suppress_health_check=list(HealthCheck))
TestKeptColumns = Machine.TestCase
