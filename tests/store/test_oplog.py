"""The operation log: what it folds to, how it grows, and what is true when its newest record cannot be used."""

from __future__ import annotations

import errno
import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.builder import Builder, unit_vectors
from support.failing_disks import Acting, Watched, disk
from support.folders import newest_pack

from vstore.disk import durable, oplog
from vstore.disk.oplog import Oplog, Tip
from vstore.errors import CommitRace, Damage, FormatTooNew
from vstore.format.canonical import canonical
from vstore.format.hashing import store_hash
from vstore.format.layout import NEWEST, Layout
from vstore.format.records import Record
from vstore.format.state import State, merge_patch
from vstore.repository.repository import Repository
from vstore.store import Store

__all__ = ["disk"]
HASH = store_hash("xxh3_128")
TIME = "2026-11-23T20:02:39Z"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path)
    for folder in layout.folders():
        folder.mkdir()
    return layout


@pytest.fixture
def log(layout: Layout) -> Oplog:
    return Oplog(layout, HASH)


def append(log: Oplog, changes: Any, op: str = "tag", **options: Any) -> Tip:
    return log.append(log.load(), op, changes, TIME, format=2, **options)


def records(log: Oplog) -> list[Record]:
    return list(log.records(log.load().number))


def filled(log: Oplog, count: int, size: int = 10) -> list[dict[str, Any]]:
    """Append records, and return the state after each. size: characters of what the first one says."""
    states: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        changes = {"n": number, "tags": {f"t{number % 7}": f"v{number}"}}
        if number == 1:
            changes["base"] = "x" * size
        tip = append(log, changes)
        states.append(dict(tip.state.document))
    return states


# Writing


@pytest.mark.parametrize(
    "changes",
    [
        {"roots": {"x" * 256: {"place": "/p", "relative": False}}},
        {"tags": {"t\x1b": "v1"}},
        {"next_v": -1},
        {"current": "v1", "snapshots": {"v1": {"id": "a" * 32}}},
    ],
    ids=["label", "tag", "number", "snapshot"],
)
def test_what_nobody_could_read_is_not_written(log: Oplog, layout: Layout, changes: Any) -> None:
    filled(log, 2)
    with pytest.raises(AssertionError, match="record 3 was not written"):
        append(log, changes)
    assert len(records(log)) == len(list(layout.refs.iterdir())) == 2
    assert append(log, {"n": 3}).number == 3


# Folding


def test_what_an_operation_is_about_is_cut_short(log: Oplog) -> None:
    append(log, {}, op="seal", about="label, " * 1000)
    assert len(log.read(1).about) == 1000


def test_an_empty_log_folds_to_an_empty_state(log: Oplog) -> None:
    assert log.load() == Tip(State({}), 0, "", 0, 0, 0)
    assert records(log) == []


def test_the_first_record_carries_the_whole_state(log: Oplog) -> None:
    tip = append(log, {"tags": {"a": "v1"}})
    assert (tip.number, tip.highest, tip.loose) == (1, 1, 0)
    assert log.read(1).whole == {"tags": {"a": "v1"}}
    assert log.load() == tip


CHANGES = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.none()
    | st.text(max_size=60)
    | st.dictionaries(st.sampled_from("xyz"), st.none() | st.integers(-(1 << 63), (1 << 63) - 1), max_size=3),
    max_size=3,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(
    steps=st.lists(CHANGES, max_size=12),
    cache=st.lists(st.sampled_from(["keep", "delete", "garbage"]), min_size=12, max_size=12),
)
def test_the_state_is_the_fold_of_the_changes_whatever_lies_in_the_cache(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, Any]], cache: list[str]
) -> None:
    layout = Layout(tmp_path_factory.mktemp("log"))
    for folder in layout.folders():
        folder.mkdir()
    log, state = Oplog(layout, HASH), {}
    for number, (changes, then) in enumerate(zip(steps, cache, strict=False), 1):
        state = merge_patch(state, changes)
        tip = append(log, changes)
        assert tip.state.document == state and tip.number == number
        if then == "keep":
            log.keep(tip)
        elif then == "garbage":
            (layout.cache / "state").write_bytes(b"garbage")
        else:
            (layout.cache / "state").unlink(missing_ok=True)
        assert log.load() == tip
        assert Oplog(layout, HASH).load() == tip
    folded: Any = {}
    for record in records(log):
        folded = merge_patch(folded, record.changes)
        assert record.whole is None or record.whole == folded


def test_the_state_before_a_record_is_the_fold_up_to_it(log: Oplog) -> None:
    states = filled(log, 30)
    for number in range(1, 32):
        expected = states[number - 2] if number > 1 else {}
        assert log.state_before(number).document == expected


# Growth


def test_the_log_grows_linearly(log: Oplog, layout: Layout) -> None:
    filled(log, 150, size=2500)
    sizes = [path.stat().st_size for path in sorted(layout.refs.iterdir())]
    whole = [r.number for r in records(log) if r.whole is not None]
    changes = sum(len(canonical(r.changes)) + 300 for r in records(log))
    assert sum(sizes) < 3 * (changes + 2500)
    assert 5 < len(whole) < 30
    for one, other in pairwise(whole):
        # Between two whole states lies about as much as a state is long.
        assert sum(sizes[one : other - 1]) < 2 * 3000


def test_a_record_is_whole_once_those_since_the_last_whole_one_are_larger_than_it(log: Oplog) -> None:
    base = append(log, {"base": "x" * 2000}).base
    assert base == log.read(1).size
    loose = 0
    while True:
        tip = append(log, {"n": "y" * 100})
        record = log.read(tip.number)
        if record.whole is not None:
            break
        loose += record.size
        assert tip.loose == loose
    slim = len(record._replace(whole=None).to_bytes(HASH))
    assert loose <= base < loose + slim
    assert (tip.loose, tip.base) == (0, record.size)
    assert tip.loose == 0


def test_a_record_can_be_made_to_carry_the_whole_state(log: Oplog) -> None:
    filled(log, 3, size=5000)
    tip = append(log, {"n": 4}, whole=True)
    assert log.read(4).whole == tip.state.document


def test_reading_a_long_log_leaves_its_fold_in_the_cache(log: Oplog, layout: Layout, disk: Watched) -> None:
    filled(log, 90, size=100_000)
    (layout.cache / "state").unlink(missing_ok=True)
    log.load()
    assert (layout.cache / "state").exists()
    disk.calls.clear()
    log.load()
    assert set(disk.named("read")) <= {"names-refs", "000000000090.json", "state"}


# The cache is a hint


def states_of(log: Oplog, layout: Layout) -> tuple[Tip, Path]:
    filled(log, 20, size=3000)
    tip = log.load()
    log.keep(tip)
    return tip, layout.cache / "state"


def test_a_fold_that_is_deleted_damaged_or_older_changes_no_answer(log: Oplog, layout: Layout) -> None:
    tip, state = states_of(log, layout)
    data = state.read_bytes()
    older = data
    for number in range(21, 24):
        tip = append(log, {"n": number})
    for harmed in (None, b"", data[:-1], data[:4], older, b"\0" * len(data), data[:20] + b"x" + data[21:]):
        if harmed is None:
            state.unlink()
        else:
            state.write_bytes(harmed)
        assert log.load() == tip


def test_a_fold_from_before_the_newest_whole_state_is_not_parsed(log: Oplog, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(log, 20, size=3000)
    log.keep(log.load())
    append(log, {"n": 21}, whole=True)
    parsed: list[object] = []
    monkeypatch.setattr(oplog, "_parsed", parsed.append)
    for n in range(22, 25):
        append(log, {"n": n})
    assert log.load().state.document["n"] == 24
    assert not parsed


def test_a_fold_that_was_signed_for_another_record_is_not_used(log: Oplog, layout: Layout) -> None:
    tip, _ = states_of(log, layout)
    for number, digest in ((tip.number, "0" * 32), (tip.number - 1, tip.digest), (tip.number + 1, tip.digest)):
        log.keep(tip._replace(number=number, digest=digest, state=State({"current": "v99"})))
        assert log.load() == tip
    log.keep(tip._replace(state=State({"current": "v99"})))
    assert log.load().state.current == "v99", "this test would see a fold that is used"


def test_from_a_fold_that_is_known_only_what_came_after_is_read(log: Oplog, layout: Layout, disk: Watched) -> None:
    filled(log, 20, size=3000)
    known = log.load()
    tip = append(log, {"n": 21})
    tip = append(log, {"n": 22})
    disk.calls.clear()
    assert log.load(known=known) == tip
    read = [path for path in disk.named("read") if path.endswith(".json")]
    assert len(read) == 3, "the two that came after, and the one that they follow"
    assert log.load(known=tip) == tip


def test_a_fold_that_is_known_of_another_log_is_not_used(log: Oplog) -> None:
    filled(log, 20, size=3000)
    tip = log.load()
    for number, digest in ((tip.number, "0" * 32), (tip.number - 1, tip.digest), (tip.number + 1, tip.digest)):
        known = tip._replace(number=number, digest=digest, state=State({"current": "v99"}))
        assert log.load(known=known) == tip


def test_a_fold_does_not_hide_that_the_newest_record_is_damaged(log: Oplog, layout: Layout) -> None:
    tip, _ = states_of(log, layout)
    tear(layout, tip.number, "flipped")
    found = log.load()
    assert found.number == tip.number - 1 and found.complaint is not None


def test_a_log_on_a_disk_that_cannot_be_written_is_read_all_the_same(log: Oplog, layout: Layout, disk: Watched) -> None:
    filled(log, 100, size=100_000)
    (layout.cache / "state").unlink(missing_ok=True)
    tip = log.load()
    (layout.cache / "state").unlink(missing_ok=True)
    disk.fail("open", errno.EROFS)
    assert log.load() == tip
    assert not (layout.cache / "state").exists()


# A newest record that cannot be used


def tear(layout: Layout, number: int, how: str) -> None:
    path = layout.record(number)
    data = path.read_bytes()
    if how == "flipped":
        path.write_bytes(data[:30] + bytes([data[30] ^ 1]) + data[31:])
    elif how == "torn":
        path.write_bytes(data[: len(data) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "zeros":
        path.write_bytes(bytes(len(data)))
    elif how == "another's":
        path.write_bytes(layout.record(number - 1).read_bytes())
    else:
        path.unlink()


HARMS = ["flipped", "torn", "empty", "zeros", "another's"]


@pytest.mark.parametrize("how", HARMS)
def test_readers_use_the_newest_sound_record_and_say_so(log: Oplog, layout: Layout, how: str) -> None:
    states = filled(log, 8)
    tear(layout, 8, how)
    tip = log.load()
    assert (tip.number, tip.highest, tip.state.document) == (7, 8, states[6])
    assert tip.complaint is not None and "refs/000000000008.json" in tip.complaint
    assert "repair" not in tip.complaint, "what to do is said once, by whoever shows it"
    assert [r.number for r in records(log)] == list(range(1, 8))


@pytest.mark.parametrize("how", HARMS)
def test_a_number_is_not_used_again_although_its_record_is_not_sound(log: Oplog, layout: Layout, how: str) -> None:
    filled(log, 8)
    tear(layout, 8, how)
    tip = log.append(log.load(), "repair", {}, TIME, format=2)
    assert tip.number == 9


@pytest.mark.parametrize("how", [*HARMS, "missing"])
def test_records_that_follow_one_that_is_not_sound_are_not_sound_either(log: Oplog, layout: Layout, how: str) -> None:
    states = filled(log, 12, size=20_000)
    assert [r.number for r in records(log) if r.whole is not None] == [1]
    tear(layout, 5, how)
    tip = log.load()
    assert (tip.number, tip.highest, tip.state.document) == (4, 12, states[3])
    assert tip.complaint is not None and "refs/000000000005.json" in tip.complaint


def test_a_log_that_begins_where_it_began_or_was_collected_lacks_nothing(log: Oplog, layout: Layout) -> None:
    tip = append(log, {"n": 1})
    assert log.why_not_earlier(tip.number) is None
    tip = append(log, {"n": 2}, whole=True)
    assert log.why_not_earlier(tip.number) is None
    for _ in range(2):
        tip = log.append(log.load(), "gc", {}, TIME, format=2, whole=True)
    layout.record(1).unlink()
    assert log.why_not_earlier(tip.number) is None
    assert log.why_not_earlier(0) is None


@pytest.mark.parametrize("how", [*HARMS, "missing"])
def test_a_whole_state_heals_what_lies_before_it(log: Oplog, layout: Layout, how: str) -> None:
    filled(log, 12, size=20_000)
    tip = append(log, {"n": 13}, whole=True)
    tear(layout, 5, how)
    for _ in range(2):
        found = log.load()
        assert found.complaint is None
        assert found.state == tip.state
        assert [r.number for r in records(log)] == list(range(13, tip.number + 1))
        why = log.why_not_earlier(tip.number)
        assert why is not None and ("refs/000000000005.json" in why or "record 5" in why)
        tip = append(log, {"n": 14})


def test_a_broken_chain_is_not_read_over_and_over(log: Oplog, layout: Layout, disk: Watched) -> None:
    filled(log, 100, size=100_000)
    (layout.cache / "state").unlink(missing_ok=True)
    tear(layout, 10, "flipped")
    disk.calls.clear()
    assert log.load().number == 9
    assert len(disk.named("read")) < 250


def test_a_log_without_a_sound_record_is_damage(log: Oplog, layout: Layout) -> None:
    filled(log, 3)
    for number in (1, 2, 3):
        tear(layout, number, "empty")
    with pytest.raises(Damage, match=r"no record of the log is intact: refs/000000000003\.json is damaged") as caught:
        log.load()
    assert caught.value.exit_code == 4


def test_a_record_that_cannot_be_read_is_as_good_as_a_damaged_one(log: Oplog, layout: Layout, disk: Watched) -> None:
    filled(log, 8)
    disk.fail("read", errno.EIO, "000000000008")
    tip = log.load()
    assert tip.number == 7
    assert tip.complaint is not None and "refs/000000000008.json cannot be read" in tip.complaint


def test_a_record_under_another_ones_name_is_damage(log: Oplog, layout: Layout) -> None:
    filled(log, 3)
    os.rename(layout.record(3), layout.record(9))
    assert log.load().number == 2
    with pytest.raises(Damage, match="holds record 3"):
        log.read(9)


def test_a_record_of_a_later_format_is_refused_and_not_passed_over(log: Oplog, layout: Layout) -> None:
    filled(log, 3)
    line = canonical({**json.loads(layout.record(3).read_bytes().split(b"\n")[0]), "vstore": NEWEST + 1})
    line += b"\n"
    layout.record(3).write_bytes(line + HASH.digest(line).hex().encode() + b"\n")
    with pytest.raises(FormatTooNew):
        log.load()


def test_other_names_in_refs_mean_nothing(log: Oplog, layout: Layout) -> None:
    states = filled(log, 3)
    for name in (".tmp-commit-12", "9.json", "000000000009.json.bak", "readme"):
        (layout.refs / name).write_bytes(b"?")
    assert log.load().state.document == states[2]
    assert log.load().highest == 3


# What a record needs


def test_a_record_that_needs_a_missing_object_is_passed_over(log: Oplog) -> None:
    states = filled(log, 4)
    tip = log.load(lambda state: "the pack x is missing" if state.document["n"] > 2 else None)
    assert (tip.number, tip.highest, tip.complaint) == (2, 4, "the pack x is missing")
    assert tip.state.document == states[1]
    with pytest.raises(Damage, match="no record of the log is intact: nothing is there"):
        log.load(lambda state: "nothing is there")


# Others at work meanwhile


def collected(log: Oplog, layout: Layout, upto: int) -> None:
    """Publish two records that carry the whole state, then remove the older ones, as gc does."""
    for _ in range(2):
        log.append(log.load(), "gc", {}, TIME, format=2, whole=True)
    for number in range(1, upto + 1):
        layout.record(number).unlink()


@pytest.mark.parametrize("at", [20, 19, 10, 3, 1])
def test_a_log_that_was_collected_while_it_was_folded_is_folded_again(
    log: Oplog, layout: Layout, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    states = filled(log, 20, size=20_000)
    name = str(layout.record(at))
    # Just before one of its records is read, all that were there when the fold began go; the newest one last, so that
    # a reader may find it and miss the one before it.
    acting = Acting("read", lambda path: path == name, lambda: collected(Oplog(layout, HASH), layout, 20))
    monkeypatch.setattr(durable, "disk", acting)
    tip = log.load()
    assert (tip.number, tip.complaint) == (22, None)
    assert tip.state.document == states[-1]


def test_a_log_of_which_only_older_records_were_collected_yet_is_folded_again(
    log: Oplog, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = filled(log, 20, size=20_000)
    name = str(layout.record(10))
    acting = Acting("read", lambda path: path == name, lambda: collected(Oplog(layout, HASH), layout, 15))
    monkeypatch.setattr(durable, "disk", acting)
    tip = log.load()
    assert (tip.number, tip.complaint, tip.state.document) == (22, None, states[-1])


def test_what_lies_before_a_collection_is_not_read_although_it_may_still_be_there(
    log: Oplog, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(log, 10, size=20_000)
    collected(log, layout, upto=0)
    append(log, {"n": 11}, "sync")
    newest = log.load().number
    # gc goes on removing older records while the log is read.
    removed = Acting(
        "read",
        lambda path: path.endswith("12.json"),
        lambda: [layout.record(n).unlink() for n in range(1, 11)] and None,
    )
    monkeypatch.setattr(durable, "disk", removed)
    assert [record.number for record in log.records(newest)] == [12, 13]


def test_a_record_that_came_while_objects_were_looked_for_is_used(log: Oplog, layout: Layout) -> None:
    filled(log, 3)
    asked: list[int] = []

    def usable(state: State) -> str | None:
        asked.append(state.document["n"])
        if len(asked) == 1:
            Oplog(layout, HASH).append(Oplog(layout, HASH).load(), "gc", {"n": 4}, TIME, format=2)
        return None if state.document["n"] == 4 else "collected"

    tip = log.load(usable)
    assert (tip.number, tip.complaint, asked) == (4, None, [3, 4])


def test_of_two_writers_with_one_number_one_is_told(log: Oplog, layout: Layout) -> None:
    tip = append(log, {"n": 1})
    log.append(tip, "tag", {"n": 2}, TIME, format=2)
    with pytest.raises(CommitRace, match="record 2"):
        log.append(tip, "tag", {"n": 3}, TIME, format=2)
    assert log.load().state.document == {"n": 2}


# Through a whole store


@pytest.fixture
def store(tmp_path: Path) -> Builder:
    builder = Builder(tmp_path / "top" / ".vstore")
    for number in range(3):
        builder.add_pictures({b"r/%d.png" % i: (HASH.digest(b"%d" % i), v) for i, v in pictures(number)})
    return builder


def pictures(number: int) -> list[tuple[int, Any]]:
    return list(enumerate(unit_vectors(number + 1)))


@pytest.fixture(autouse=True)
def made_top(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()


@pytest.mark.parametrize("how", HARMS)
def test_a_store_whose_newest_record_is_torn_answers_and_refuses_to_be_written(store: Builder, how: str) -> None:
    layout = store.repo.layout
    newest = store.repo.tip.number
    tear(layout, newest, how)
    with Store(layout.folder) as opened:
        assert [row.snapshot for row in opened.snapshot_list()] == ["v2", "v1"]
        assert opened.complaint is not None and layout.record(newest).name in opened.complaint
        assert opened.log()[0].number == newest - 1
        assert opened.snapshot_show("@{1}").row.snapshot == "v1"
        for write in (
            lambda: opened.rollback("v1"),
            lambda: opened.snapshot_tag("v1", "good"),
            lambda: opened.undo(),
            lambda: opened.sync(()),
        ):
            with pytest.raises(Damage, match="run: vstore repair") as caught:
                write()
            assert caught.value.exit_code == 4
    assert store.repo.log.numbers()[-1] == newest


def test_the_command_line_says_that_it_answers_from_an_older_record(
    store: Builder, capsys: pytest.CaptureFixture[str]
) -> None:
    from vstore_cli.main import run

    layout = store.repo.layout
    words = ["--store", str(layout.folder), "snapshot", "list", "--json"]
    assert run(words) == 0
    assert capsys.readouterr().err == ""
    tear(layout, store.repo.tip.number, "torn")
    assert run(words) == 0
    shown = capsys.readouterr()
    assert [row["snapshot"] for row in json.loads(shown.out)] == ["v2", "v1"]
    assert shown.err.startswith("Warning: refs/") and "vstore repair" in shown.err


@pytest.mark.parametrize("kind", ["packs", "segments"])
def test_a_record_whose_pack_or_segment_is_gone_is_not_used(store: Builder, kind: str) -> None:
    layout = store.repo.layout
    state = store.repo.state
    ref = newest_pack(store.repo) if kind == "packs" else state.segments(store.space)[-1]
    (layout.folder / kind / ref.name).unlink()
    repo = Repository(layout.folder)
    assert [s.name for s in list(repo.listing.kept())] == ["v2", "v1"]
    assert repo.tip.complaint == f"the {kind.removesuffix('s')} {ref.name} is missing"
    with pytest.raises(Damage), repo.committing("tag"):
        pass


@pytest.mark.parametrize("kind", ["packs", "segments"])
def test_a_store_without_a_folder_of_objects_is_damaged(store: Builder, kind: str) -> None:
    import shutil

    shutil.rmtree(store.repo.layout.folder / kind)
    if kind == "packs":
        with pytest.raises(Damage, match=r"no record of the log is intact: the pack .* is missing"):
            Repository(store.repo.layout.folder)
    else:
        assert Repository(store.repo.layout.folder).tip.complaint is not None


@pytest.mark.parametrize("how", ["emptied", "removed"])
def test_a_store_whose_whole_log_is_gone_is_damaged_and_not_empty(store: Builder, how: str) -> None:
    import shutil

    layout = store.repo.layout
    shutil.rmtree(layout.refs)
    if how == "emptied":
        layout.refs.mkdir()
    with pytest.raises(Damage, match="refs/ holds no record, but segments/ holds vectors"):
        Repository(layout.folder)
