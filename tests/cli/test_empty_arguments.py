"""An empty argument is a variable that is not set: it is refused, and never means the working folder."""

from __future__ import annotations

import pytest
from support.folders import stats_of
from support.lines import Line

from vstore.errors import SnapshotNotFound, UsageError
from vstore.paths import absolute, as_bytes, as_path
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder

EMPTY = [
    ["sync", ""], ["sync", "pictures", ""], ["sync", "--", ""], ["sync", "-n", ""], ["sync", "-m", "", "pictures"],
    ["sync", "pictures", "--message="], ["sync", "pictures", "--as", ""], ["sync", "--as=", "pictures"],
    ["sync", "--space", ""], ["sync", "--files-from", ""], ["sync", "--exclude-from="], ["sync", "--exclude", ""],
    ["sync", "--include", ""], ["status", ""], ["init", ""], ["search", "./pictures/a.png", "--under", ""],
    ["search", "./pictures/a.png", "--snapshot", ""], ["search", "./pictures/a.png", "--space="],
    ["dupes", "--under", ""], ["import", "--faiss", ""], ["import", "--metadata="], ["import", "--root", ""],
    ["import", "--resume", ""], ["model", "use", ""], ["model", "drop", ""], ["model", "add", "m", "--model", ""],
    ["ls", ""], ["ls", "v1", ""], ["ls", "--at", ""], ["find", ""], ["show", ""], ["show", "pictures/a.png", "--at="],
    ["doctor", ""], ["export", ""], ["check", "--reembed="], ["search", "./pictures/a.png", "-k", ""],
]  # fmt: skip


def test_an_empty_argument_is_refused_and_nothing_is_written(line: Line) -> None:
    line.put({"pictures/a.png": 1, "private.png": 2})
    line("sync", "pictures")
    before = stats_of(line.store)
    for words in EMPTY:
        assert "an argument is empty: vstore " in line(*words, code=2).err, words
    assert stats_of(line.store) == before


def test_the_message_shows_what_was_given(line: Line) -> None:
    assert line("sync", "a b", "", code=2).err.splitlines() == [
        "Error: an argument is empty: vstore sync 'a b' ''",
        "  give it a value, or leave it out; if it is a variable of a script, that is not set",
    ]
    error = line("sync", "", "--json", code=2).error
    assert error["code"] == "usage"
    assert not line.store.exists()


@pytest.mark.parametrize("words", [["search", ""], ["snapshot", "show", ""], ["rollback", ""]])
def test_what_reads_an_operand_refuses_an_empty_one(line: Line, words: list[str]) -> None:
    line.put({"pictures/a.png": 1})
    line("sync", "pictures")
    assert line(*words, code=2 if words[0] == "search" else 1).out == ""


def test_a_program_is_refused_as_well(line: Line) -> None:
    for turn in (as_bytes, as_path, absolute):
        for path in ("", b""):
            with pytest.raises(UsageError, match="a path is empty"):
                turn(path)
    fake = FakeEmbedder()
    Store.init(line.store, recipe=fake.recipe)
    with Store(line.store, load_embedder=lambda recipe: fake) as store:
        for call in (
            lambda: store.sync([""]), lambda: store.sync(""), lambda: store.status([b""]), lambda: store.label_of(""),
            lambda: store.sync([line.home], as_label=""), lambda: store.sync((), files_from=""),
            lambda: store.sync((), exclude_from=""), lambda: Store(""),
            lambda: store.snapshot_export("v1", ""), lambda: store.import_index(faiss="", root="x"),
            lambda: store.import_index(faiss="x", root=""), lambda: Store.init(""), lambda: Store.doctor(""),
        ):  # fmt: skip
            with pytest.raises(UsageError):
                call()
        assert store.snapshot_list() == []
        line.put({"pictures/a.png": 1})
        store.sync([line.home / "pictures"])
        query = [Operand(1.0, image=bytes(line.home / "pictures/a.png"))]
        for call in (
            lambda: store.dupes(under=""), lambda: store.search(query, under=""), lambda: store.ls([""]),
            lambda: store.ls(["v1", b""]), lambda: store.find_pictures(""), lambda: store.show(""),
        ):  # fmt: skip
            with pytest.raises(UsageError):
                call()
        for look in (
            lambda: store.dupes(at=""), lambda: store.search(query, at=""), lambda: store.ls(at=""),
            lambda: store.find_pictures("*", at=""), lambda: store.show("pictures/a.png", at=""),
        ):  # fmt: skip
            with pytest.raises(SnapshotNotFound):
                look()


def test_an_empty_model_is_not_the_built_in_one(line: Line) -> None:
    for words in ({"model": ""}, {"adapter": ""}, {"revision": ""}, {"preset": ""}):
        with pytest.raises(UsageError, match="is empty"):
            Store.init(line.store, **words)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="is empty"):
            Store.sync_new(line.store, [line.home], **words)  # type: ignore[arg-type]
    assert not line.store.exists()
