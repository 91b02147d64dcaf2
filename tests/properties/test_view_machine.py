"""Views played against searches of their snapshots, while syncs, forgets and collections go on."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.folders import World, plain

from vstore.search.hit import Hit
from vstore.search.operand import Operand
from vstore.search.view import View

NAMES = [f"{folder}{number}.png" for folder in ("", "a/", "a/b/") for number in range(4)]
FILES = st.sets(st.sampled_from(NAMES), min_size=1)
WAYS: list[dict[str, object]] = [{}, {"k": 2}, {"under": "pictures/a"}]
Answers = list[tuple[tuple[Hit, ...], bool]]


class Opened:
    """A view, and the answers of a search when it was opened."""

    def __init__(self, view: View, answers: Answers) -> None:
        self.view = view
        self.answers = answers


class Machine(RuleBasedStateMachine):
    """A store of pictures whose names say what they hold: some names hold the same picture, one a colour."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.world = World(self.top)
        (self.top / "query.png").write_bytes(plain((1, 2, 3)))
        self.views: list[Opened] = []
        self.change({"a/b/3.png", "1.png", "0.png"})

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    @rule(names=FILES)
    def change(self, names: set[str]) -> None:
        """Let the folder hold these pictures, and `a/` always one."""
        shutil.rmtree(self.world.pictures)
        for name in {*names, "a/0.png"}:
            number = NAMES.index(name) % 7
            self.world.put({name: number or plain((200, 10, 10))})
        self.world.sync(allow_mass_delete=True)

    @rule()
    def open(self) -> None:
        view = self.world.store.view()
        asked = [self.world.store.search(query, **way) for query in self.queries(view) for way in WAYS]  # type: ignore[arg-type]
        self.views.append(Opened(view, [(report.hits, report.flat_query) for report in asked]))

    @rule()
    def collect(self) -> None:
        self.world.store.snapshot_forget(keep_last=1)
        self.world.store.gc(drop_unnamed=True)

    @rule()
    def empty_the_cache(self) -> None:
        shutil.rmtree(self.world.folder / "cache")
        (self.world.folder / "cache").mkdir()

    @precondition(lambda self: self.views)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        self.views.pop(data.draw(st.integers(0, len(self.views) - 1))).view.close()

    @invariant()
    def each_view_answers_as_when_it_was_opened(self) -> None:
        for opened in self.views:
            queries = self.queries(opened.view)
            asked = [opened.view.search(query, **way) for query in queries for way in WAYS]  # type: ignore[arg-type]
            assert [(report.hits, report.flat_query) for report in asked] == opened.answers
            many = opened.view.search_many(queries)
            assert [[hit.key for hit in report.hits] for report in many] == [
                [hit.key for hit in hits] for hits, _ in opened.answers[:: len(WAYS)]
            ]

    def queries(self, view: View) -> list[Operand]:
        """Ask for a picture of the snapshot by its key and by a stored path, and for one that is unknown."""
        key = next(iter(view))
        return [
            Operand(1.0, key=key),
            Operand(1.0, image=b"pictures/a/0.png"),
            Operand(1.0, image=bytes(self.top / "query.png")),
        ]


TestViews = Machine.TestCase
TestViews.settings = settings(max_examples=8, stateful_step_count=12, suppress_health_check=list(HealthCheck))
