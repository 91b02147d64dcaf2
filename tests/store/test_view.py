"""A view: a snapshot that a program opens once, and that answers whatever happens to the store."""

from __future__ import annotations

import copy
import os
import pickle
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.folders import World, drawn, plain
from support.watching import until

from vstore.errors import ModelError, SnapshotNotFound, StoreClosed, StoreGone, UsageError, VstoreError
from vstore.pictures import decoding
from vstore.repository.add_space import add_space
from vstore.search import query as query_module
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.operand import Operand
from vstore.search.report import SearchReport
from vstore.search.view import View
from vstore.store import Store
from vstore.testing import FakeEmbedder

PATHS = {"one/a.png": 1, "one/b.png": 2, "two/c.png": 3, "two/d.png": 1, "e.png": 4}


@pytest.fixture
def world(world: World) -> World:
    """A store with a snapshot of some pictures, v1, and one with two more, v2."""
    world.put(PATHS)
    world.put({"white.png": plain((255, 255, 255))})
    world.sync()
    world.put({"two/f.png": 6, "g.png": 7})
    world.sync()
    (world.top / "query.png").write_bytes((world.pictures / "g.png").read_bytes() + b"unknown")
    return world


def queries(world: World) -> dict[str, list[Operand]]:
    """Queries with every kind of operand."""
    return {
        "on disk": [Operand(1.0, image=bytes(world.pictures / "one/a.png"))],
        "unknown": [Operand(1.0, image=bytes(world.top / "query.png"))],
        "stored path": [Operand(1.0, image=b"pictures/two/c.png")],
        "two": [Operand(2.0, image=b"pictures/e.png"), Operand(-1.0, image=bytes(world.pictures / "g.png"))],
        "key": [Operand(1.0, key=bytes.fromhex(world.key(4)))],
        "flat": [Operand(1.0, image=b"pictures/white.png")],
    }


WAYS: dict[str, dict[str, object]] = {
    "all": {},
    "two": {"k": 2},
    "under": {"under": "pictures/two"},
    "score": {"min_score": 0.1},
    "new": {"new_since": "v1"},
    "new under": {"new_since": "v1", "under": b"pictures/two"},
}


def every_answer(world: World, ask: Callable[..., SearchReport], **options: object) -> dict[tuple[str, str], object]:
    return {
        (query, way): ask(operands, **words, **options).hits
        for query, operands in queries(world).items()
        for way, words in WAYS.items()
    }


def collect(world: World) -> None:
    """Replace all pictures by others, and remove what only older snapshots hold."""
    for file in world.pictures.rglob("*.png"):
        file.unlink()
    world.put({f"new/{number}.png": 50 + number for number in range(8)})
    world.sync(allow_mass_delete=True)
    world.store.snapshot_forget(keep_last=1)
    world.store.gc(drop_unnamed=True)


@pytest.mark.parametrize("at", ["v1", "v2", "current", "latest"])
def test_it_answers_as_a_search_of_its_snapshot(world: World, at: str) -> None:
    with world.store.view(at) as view:
        assert every_answer(world, view.search) == every_answer(world, world.store.search, at=at)


def test_it_knows_its_pictures(world: World) -> None:
    with world.store.view("v1") as view:
        keys = {bytes.fromhex(key) for key in world.aliases("v1").values()}
        assert view.snapshot == "v1"
        assert len(view) == len(keys) == 5
        assert list(view) == sorted(keys)
        assert list(view.items()) == [(key, view.paths_of(key)) for key in sorted(keys)]
        assert bytes.fromhex(world.key(1)) in view
        assert bytes.fromhex(world.key(6)) not in view
        assert "a" not in view
        assert view.paths_of(bytes.fromhex(world.key(1))) == (b"pictures/one/a.png", b"pictures/two/d.png")
        assert view.paths_of(bytes.fromhex(world.key(6))) == ()
        with pytest.raises(UsageError, match="is no key; give its bytes"):
            view.paths_of(world.key(1))  # type: ignore[arg-type]
        assert repr(view) == "View('v1', 5 pictures)"


def test_a_snapshot_that_was_forgotten_and_collected_goes_on_being_answered(world: World) -> None:
    view = world.store.view("v2")
    operands = queries(world)
    expected = {name: view.search(query) for name, query in operands.items()}
    below = {name: view.search(query, under="pictures/two") for name, query in operands.items()}
    kept = world.pictures / "one/a.png", (world.pictures / "one/a.png").read_bytes()
    collect(world)
    kept[0].parent.mkdir(exist_ok=True)
    kept[0].write_bytes(kept[1])
    operands["two"] = [operands["two"][0], Operand(-1.0, image=b"pictures/g.png")]
    segments = [segment.path for segment in view._now.rows._segments]
    assert not any(path.exists() for path in segments)
    with pytest.raises(SnapshotNotFound):
        world.store.search(operands["on disk"], at="v2")
    for name, query in operands.items():
        assert view.search(query).hits == expected[name].hits, name
        assert view.search(query).flat_query == expected[name].flat_query, name
        assert view.search(query, under="pictures/two").hits == below[name].hits, name
    assert view._now._own_tree is not None, "the pages were read"
    newer = view.search(operands["on disk"], new_since="current")
    assert {hit.key for hit in newer.hits} == set(view)
    assert view.search_many(list(operands.values()))[0].hits == expected["on disk"].hits
    with pytest.raises(SnapshotNotFound):
        view.search(operands["on disk"], new_since="v1")


def test_what_is_damaged_after_it_was_opened_is_in_no_answer(world: World) -> None:
    from vstore.errors import Damage

    view = world.store.view()
    (segment, *_) = view._now.rows._segments
    with segment.path.open("r+b") as file:
        file.seek(segment.footer.header)
        row = file.read(segment.footer.width)
        file.seek(segment.footer.header)
        file.write(row[2:] + row[:2])
    with pytest.raises(Damage, match="do not match their checksums"):
        view.search(queries(world)["unknown"], k=100)


def test_its_places_of_files_are_those_of_its_opening(world: World) -> None:
    view = world.store.view()
    (before, *_) = view.search(queries(world)["key"]).hits
    world.store.root_remove("pictures")
    (after, *_) = view.search(queries(world)["key"]).hits
    assert after == before
    assert before.files == (bytes(world.pictures / "e.png"),)
    assert world.store.search(queries(world)["key"], at="v2").hits[0].files == (None,)


def test_a_narrowing_that_is_used_again_is_remembered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    real = OpenSnapshot.narrowed

    def narrowed(self: OpenSnapshot, numbers: object) -> object:
        made.append(numbers)
        return real(self, numbers)  # type: ignore[arg-type]

    monkeypatch.setattr(OpenSnapshot, "narrowed", narrowed)
    query = queries(world)["key"]
    with world.store.view() as view:
        for _ in range(3):
            for under in ("pictures/one", world.pictures / "one", None):
                view.search(query, under=under)
        assert len(made) == 1
        world.store.snapshot_tag("v1", "then")
        assert len(view.search(query, new_since="then").hits) == 2
        world.store.snapshot_untag("then")
        world.store.snapshot_tag("v2", "then")
        assert len(view.search(query, new_since="then").hits) == 0
        assert len(made) == 3
        for path in sorted(PATHS)[:5]:
            for since in ("v1", "v2"):
                view.search(query, under=f"pictures/{path}", new_since=since)
        assert len(view._now._parts) == 8


def test_a_repository_that_is_older_than_it_is_brought_up_to_date(world: World) -> None:
    store = world.store
    with store._pool.one(), store._pool.one():
        pass  # two repositories of now
    world.put({"h.png": 8})
    with store._pool.one():  # the newer one is in use, the other one falls behind
        world.another().sync([world.pictures])
        view = store.view()
    assert view.snapshot == "v3"
    idle = list(store._pool._idle)
    assert len({repo.tip.highest for repo in idle}) == 2
    for _ in idle:
        repo = store._pool._idle.pop(0)
        store._pool._idle.append(repo)
        assert view.search(queries(world)["stored path"], new_since="v2").hits[0].paths == (b"pictures/h.png",)


def test_a_model_of_a_dropped_space_is_missed_with_words(world: World) -> None:
    view = world.store.view("v2")
    other = FakeEmbedder("fake-2", dim=12)
    add_space(world.repo, other.recipe, "other")
    with Store(world.folder, load_embedder=lambda recipe: other) as store:
        store.sync(space="other")
        store.snapshot_forget(keep_last=1)
        store.model_drop("fake-1")
        store.gc(drop_unnamed=True)
    assert view.search(queries(world)["key"]).hits[0].score == 1.0
    with pytest.raises(ModelError, match="was dropped since this view was opened"):
        view.search(queries(world)["unknown"])


def test_an_empty_snapshot_has_no_hits(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({"a.png": 1})
    world.sync()
    (world.pictures / "a.png").unlink()
    world.sync(allow_mass_delete=True)
    with world.store.view() as view:
        assert len(view) == 0
        assert view
        assert list(view) == []
        assert view.search([Operand(1.0, key=bytes(16))]).hits == ()
        assert [report.hits for report in view.search_many([[Operand(1.0, text="a")]] * 2)] == [(), ()]


# Closing


def test_a_closed_view_says_so(world: World) -> None:
    with world.store.view() as view:
        view.search(queries(world)["key"])
    view.close()
    for use in (
        len,
        list,
        repr,
        lambda view: view.items(),
        lambda view: view.search(queries(world)["key"]),
        lambda view: view.paths_of(b""),
    ):
        if use is repr:
            assert repr(view) == "View(closed)"
            continue
        with pytest.raises(StoreClosed, match="the view was closed"):
            use(view)
    with pytest.raises(StoreClosed):
        view.search_many([queries(world)["key"]])


def test_a_view_of_a_closed_store_searches_no_more(world: World) -> None:
    store = world.another()
    view = store.view()
    store.close()
    with pytest.raises(StoreClosed, match=r"the store .* was closed"):
        view.search(queries(world)["key"])
    assert len(view) == 7


def test_a_view_of_a_store_that_is_gone_says_so(world: World) -> None:
    view, query = world.store.view(), queries(world)["key"]
    world.folder.rename(world.top / "away")
    with pytest.raises(StoreGone):
        view.search(query)
    (world.top / "away").rename(world.folder)
    assert view.search(query).hits


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_is_not_sent_to_another_process(world: World, send: Callable[[View], object]) -> None:
    with world.store.view() as view, pytest.raises(UsageError, match=r"cannot be sent .* store\.view\(\)"):
        send(view)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_it_works_after_a_fork(world: World) -> None:
    with world.store.view() as view:
        expected = view.search(queries(world)["unknown"]).hits
        pid = os.fork()
        if not pid:
            code = 1
            try:
                found = (
                    view.search(queries(world)["unknown"]).hits,
                    view.search_many([queries(world)["unknown"]])[0].hits,
                )
                code = 0 if found == (expected, expected) else 2
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0


def test_wrong_words_are_refused(world: World) -> None:
    with world.store.view() as view:
        with pytest.raises(UsageError, match="-k must be at least 1"):
            view.search(queries(world)["key"], k=0)
        with pytest.raises(UsageError, match="neither on disk nor in this snapshot"):
            view.search(queries(world)["key"], under="pictures/nowhere")
        with pytest.raises(UsageError, match="there is no picture"):
            view.search([Operand(1.0, image=b"pictures/nowhere.png")])
    with pytest.raises(SnapshotNotFound):
        world.store.view("v9")


# The content of a file as a query


def content(world: World, name: str) -> Operand:
    return Operand(1.0, data=(world.pictures / name).read_bytes())


def test_the_content_of_a_file_is_looked_for_as_the_file_is(world: World) -> None:
    unknown = world.top / "query.png"
    for ask in (world.store.search, world.store.view().search, world.store.view(isolate_decoding=True).search):
        assert ask(content(world, "e.png")).hits == ask(world.pictures / "e.png").hits
        assert ask(Operand(1.0, data=unknown.read_bytes())).hits == ask(unknown).hits
        with pytest.raises(VstoreError, match="cannot search with the picture that was given: "):
            ask(Operand(1.0, data=b"no picture"))
    with pytest.raises(UsageError, match="is no content of a file"):
        world.store.search(Operand(1.0, data="e.png"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="several things to search for: text, data"):
        world.store.search(Operand(1.0, text="a cat", data=b"x"))
    assert content(world, "e.png") == content(world, "e.png") != content(world, "g.png")
    assert len({content(world, "e.png"), content(world, "e.png"), content(world, "g.png")}) == 2


def test_a_view_embeds_a_picture_that_it_does_not_know_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    view = world.store.view()
    query = Operand(1.0, data=(world.top / "query.png").read_bytes())
    before = view.search(query)
    monkeypatch.setattr(query_module, "_embed_missing", lambda *_, **__: pytest.fail("embedded again"))
    assert view.search(query, k=3).hits == before.hits[:3]


def test_a_picture_of_one_colour_is_said_each_time(world: World) -> None:
    view = world.store.view()
    query = Operand(1.0, data=plain((9, 9, 9)))
    assert [view.search(query).flat_query for _ in range(2)] == [True, True]


def test_a_view_of_strangers_decodes_in_another_process(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    query = Operand(1.0, data=(world.top / "query.png").read_bytes())
    monkeypatch.setattr(decoding, "prepare", lambda *_: pytest.fail("decoded here"))
    views = [world.store.view(isolate_decoding=True) for _ in range(2)]
    assert all(view.search(query).hits for view in views)
    assert len(world.store._decoder._all) == 1, "its process is kept for the next query"
    with pytest.raises(pytest.fail.Exception):
        world.store.view().search(query)


def test_a_decoder_that_hangs_ends_with_the_store(world: World) -> None:
    store = world.another()
    view = store.view(isolate_decoding=True)
    view.search(Operand(1.0, data=(world.top / "query.png").read_bytes()))
    (worker,) = store._decoder._all
    os.kill(worker._process.pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(view.search, Operand(1.0, data=drawn(77)))
        until(lambda: worker.is_asked)
        store.close()
        with pytest.raises(VstoreError, match="cannot search with the picture that was given"):
            asked.result(60)
    assert worker._process.poll() is not None


# Parts of it


def test_it_selects_what_a_search_would_look_among(world: World) -> None:
    view = world.store.view()
    every = world.store.search(content(world, "e.png"), k=99).hits
    assert view.select().keys == tuple(sorted(hit.key for hit in every))
    for words in (
        {"under": "pictures/two"},
        {"new_since": "v1"},
        {"where": "width > 20 and name like '%.png'"},
        {"where": "path like '%/a.png' or name = 'g.png'", "under": "pictures/one"},
        {"where": "width > 20", "new_since": "v1", "under": "pictures/two"},
    ):
        found = view.search(content(world, "e.png"), k=99, **words)  # type: ignore[arg-type]
        assert found.hits
        assert view.select(**words).keys == tuple(sorted(hit.key for hit in found.hits))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no such column"):
        view.select(where="colour = 1")


def test_it_counts_the_values_of_facts_and_fields(world: World) -> None:
    world.store.fields_set({"stars": 5}, [world.pictures / "e.png", world.pictures / "g.png"])
    world.store.fields_set({"stars": 3}, [world.pictures / "one/b.png"])
    view = world.store.view()
    assert view.counts("field.stars") == {5: 2, 3: 1}
    assert view.counts("format") == {"PNG": len(view)}
    assert view.counts("camera") == {}
    for column in ("name", "width and height", "1", "nothing"):
        with pytest.raises(UsageError):
            view.counts(column)
