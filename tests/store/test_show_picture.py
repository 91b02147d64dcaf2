"""Showing what the store knows of one picture."""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.folders import World, drawn, put
from support.numbered import NumberedStore, key

from vstore.errors import SnapshotNotFound, UsageError, VstoreError
from vstore.format.facts import CAMERA, LATITUDE, TAKEN, WIDTH, Fact
from vstore.intake.new_facts import NewFacts
from vstore.repository.fields import set_fields
from vstore.store import Store


def spans(report: object) -> list[tuple[str, str]]:
    return [tuple(span) for span in report.snapshots]  # type: ignore[attr-defined]


@pytest.fixture
def four(settled: World) -> World:
    """Four snapshots: a.png in all but v3, under a second name in v2."""
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"sub/a2.png": 1})
    settled.sync()
    (settled.pictures / "a.png").unlink()
    (settled.pictures / "sub/a2.png").unlink()
    settled.sync()
    settled.put({"a.png": 1})
    settled.sync()
    return settled


@pytest.mark.parametrize("how", ["stored", "relative", "absolute", "key", "prefix"])
def test_a_picture_is_shown_by_any_of_its_names(four: World, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(four.top / "pictures" if how == "relative" else four.top.parent)
    hexes = four.key(1)
    word = {
        "stored": "pictures/a.png",
        "relative": "a.png",
        "absolute": str(four.pictures / "a.png"),
        "key": hexes.upper(),
        "prefix": hexes[:6],
    }[how]
    report = four.store.show(word)
    assert (report.status, report.key.hex(), report.snapshot) == ("here", hexes, "v4")
    assert [(name.path, name.file, name.there) for name in report.names] == [
        (b"pictures/a.png", os.fsencode(four.pictures / "a.png"), True)
    ]
    assert spans(report) == [("v1", "v2"), ("v4", "v4")]
    assert [one.name for one in report.spaces] == ["fake-1"]
    assert report.path == (None if how in ("key", "prefix") else b"pictures/a.png")
    assert (report.facts["width"], report.facts["height"], report.facts["format"]) == (30, 20, "PNG")
    assert report.facts["bytes"] == len(drawn(1))
    assert report.neighbours is not None
    assert [one.path for one in report.neighbours] == [b"pictures/b.png"]
    assert -1 <= report.neighbours[0].score < 0.999
    quick = four.store.show(word, no_neighbours=True)
    assert quick._replace(facts=report.facts) == report._replace(neighbours=None)
    assert quick.facts == {"bytes": len(drawn(1)), "format": "PNG", "width": 30, "height": 20}


def test_a_key_is_never_the_name_of_a_file(four: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = bytes.fromhex(four.key(1))
    monkeypatch.chdir(four.top)
    (four.top / wanted.hex()).write_bytes(drawn(2))
    assert four.store.show(wanted.hex(), no_neighbours=True).key.hex() == four.key(2), "a word may be a file"
    report = four.store.show_key(wanted)
    assert report == four.store.show("pictures/a.png", no_neighbours=True)._replace(path=None, file=None)
    assert [name.path for name in four.store.show_key(wanted, at="v2").names] == [
        b"pictures/a.png",
        b"pictures/sub/a2.png",
    ]
    assert (four.store.show_key(wanted, at="v3").status, four.store.show_key(bytes(16)).status) == ("older", "unknown")
    with pytest.raises(UsageError, match="is no key"):
        four.store.show_key(wanted.hex())  # type: ignore[arg-type]


def test_an_older_snapshot_is_looked_in(four: World) -> None:
    report = four.store.show("pictures/sub/a2.png", at="v2")
    assert [name.path for name in report.names] == [b"pictures/a.png", b"pictures/sub/a2.png"]
    assert [name.there for name in report.names] == [True, False]
    assert report.status == "gone"  # the name that was asked for
    with pytest.raises(SnapshotNotFound):
        four.store.show("pictures/a.png", at="v9")


def test_a_path_that_only_older_snapshots_have_is_found_there(four: World) -> None:
    (four.pictures / "a.png").unlink()
    four.sync()
    report = four.store.show("pictures/a.png", no_neighbours=True)
    assert (report.status, report.names) == ("older", ())
    assert spans(report) == [("v1", "v2"), ("v4", "v4")]
    assert report.next == f"look at it there: vstore show {four.key(1)[:12]} --at v4"
    assert four.store.show(four.key(1), no_neighbours=True).status == "older"
    assert four.store.show(four.key(1)[:12], at="v4", no_neighbours=True).names != ()


def test_a_file_that_changed_since_says_so(four: World) -> None:
    four.put({"a.png": 7})
    report = four.store.show(four.pictures / "a.png")
    assert (report.status, report.key.hex()) == ("changed", four.key(1))
    assert report.new_key is not None
    assert report.new_key.hex() == four.key(7)
    assert report.next == "take its new bytes in with: vstore sync"
    (four.pictures / "a.png").unlink()
    gone = four.store.show("pictures/a.png")
    assert (gone.status, gone.names[0].there) == ("gone", False)


def test_a_file_that_changed_is_seen_by_its_stored_path_and_its_only_name(
    four: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    four.put({"a.png": 7})
    for word in ("pictures/a.png", four.key(1)[:8]):
        report = four.store.show(word, no_neighbours=True)
        assert (report.status, report.new_key) == ("changed", bytes.fromhex(four.key(7)))
    four.put({"a.png": 1, "again.png": 2})
    four.sync()
    four.put({"again.png": 8})
    assert four.store.show(four.key(2)[:8], no_neighbours=True).status == "here"  # under its other name
    assert four.store.show("pictures/again.png", no_neighbours=True).status == "changed"
    (four.pictures / "again.png").unlink()
    (four.pictures / "again.png").mkdir()
    assert four.store.show("pictures/again.png", no_neighbours=True).status == "here"  # something is there


def test_without_facts_the_catalogue_tells_and_is_not_asked_for_a_quick_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.put({"a.png": 1})
    monkeypatch.setattr(NewFacts, "unlisted", lambda self, having: [])
    world.sync()
    known = {"bytes": len(drawn(1)), "format": "PNG", "width": 30, "height": 20}
    assert world.store.show("pictures/a.png").facts == known
    assert world.store.show("pictures/a.png", no_neighbours=True).facts == {"bytes": len(drawn(1))}


def test_a_file_outside_is_known_by_its_bytes_or_not(four: World) -> None:
    copy, stranger = four.top / "copy.png", four.top / "stranger.png"
    copy.write_bytes(drawn(2))
    stranger.write_bytes(drawn(50))
    known = four.store.show(copy)
    assert (known.status, known.path, [name.path for name in known.names]) == ("elsewhere", None, [b"pictures/b.png"])
    unknown = four.store.show(stranger)
    assert (unknown.status, unknown.snapshots, unknown.spaces, unknown.neighbours) == ("unknown", (), (), ())
    assert unknown.next == "take its folder in with: vstore sync FOLDER"
    four.put({"new/n.png": 2})
    inside = four.store.show(four.pictures / "new/n.png")
    assert (inside.status, inside.path) == ("elsewhere", b"pictures/new/n.png")
    assert inside.next == "take this name in with: vstore sync"


def test_a_file_that_no_sync_takes_shows_the_reason(four: World) -> None:
    picture = drawn(77)
    four.put(
        {
            ".vstoreignore": b"bad*\n",
            "notes.txt": b"notes",
            "scan.psd": b"psd",
            ".hidden.png": picture,
            "bad.png": picture,
            "tmp/a.png": picture,
            "#recycle/a.png": picture,
            ".thumb/a.png": picture,
            "fresh.png": drawn(78),
        }
    )
    (four.top / "beside").mkdir()
    (four.top / "beside/a.png").write_bytes(picture)
    (four.pictures / "linked").symlink_to(four.top / "beside")
    four.store.sync([four.pictures / "a.png"], exclude=["tmp/"])
    for name, reason, step in (
        ("notes.txt", "its name is not that of a picture", "vstore sync FOLDER --include '*.txt'"),
        ("scan.psd", r"vstore does not read pictures of this kind \(psd\)", ""),
        (".hidden.png", r"hidden.png: its name begins with a dot", "give it another name"),
        ("bad.png", "bad.png: an exclude hides it", "remove its pattern from .vstoreignore, or with --no-exclude"),
        ("tmp/a.png", "tmp: an exclude hides it", "remove its pattern"),
        ("#recycle/a.png", "#recycle: deleted files are left out by default", "--exclude '!#recycle/'"),
        (".thumb/a.png", r"\.thumb: its name begins with a dot", "give it another name"),
        ("linked/a.png", "it lies in a folder that syncs do not enter", "vstore sync --follow-symlinks"),
    ):
        report = four.store.show(four.pictures / name, no_neighbours=True)
        assert (report.status, report.kind) == ("unknown", None), name
        assert re.search(reason, report.reason or ""), (name, report.reason)
        assert step in report.next, (name, report.next)
        assert report.next != "take it in with: vstore sync"
    fresh = four.store.show(four.pictures / "fresh.png", no_neighbours=True)
    assert (fresh.reason, fresh.next) == (None, "take it in with: vstore sync")
    assert four.store.sync().new == 1, "and that takes it, and none of the others"


def test_a_changed_file_that_no_sync_takes_any_more_shows_the_reason(four: World) -> None:
    four.put({"a.png": 7, ".vstoreignore": b"a.png\n"})
    report = four.store.show(four.pictures / "a.png", no_neighbours=True)
    assert (report.status, report.new_key) == ("changed", bytes.fromhex(four.key(7)))
    assert "an exclude hides it" in str(report.reason)
    assert "remove its pattern" in report.next


def test_a_copy_under_a_name_that_no_sync_takes_shows_the_reason(four: World) -> None:
    four.put({"copy.txt": drawn(1)})
    report = four.store.show(four.pictures / "copy.txt", no_neighbours=True)
    assert (report.status, report.next) == (
        "elsewhere",
        "if it is a picture, take it in with: vstore sync FOLDER --include '*.txt'",
    )
    outside = four.top / "outside.txt"
    outside.write_bytes(b"notes")
    report = four.store.show(outside, no_neighbours=True)
    assert report.status == "unknown" and "is not that of a picture" in str(report.reason)


def test_a_file_that_is_too_large_shows_the_reason(four: World) -> None:
    four.put({"large.png": drawn(79) + bytes(5000)})
    four.store.sync(max_file_size=5000)
    report = four.store.show(four.pictures / "large.png", no_neighbours=True)
    assert (report.status, report.reason) == ("unknown", "it is larger than the limit; raise it with --max-file-size")


def test_a_picture_that_no_sync_could_read_shows_the_reason(four: World) -> None:
    four.put({"broken.png": b"no picture"})
    assert four.store.show(four.pictures / "broken.png").status == "unknown"
    four.sync()
    report = four.store.show(four.pictures / "broken.png")
    assert (report.status, report.kind, report.path) == ("failed", "not_an_image", b"pictures/broken.png")
    assert report.reason
    assert report.to_json()["reason"] == report.reason


def test_a_picture_that_no_sync_could_read_is_found_by_its_key(four: World) -> None:
    four.put({"broken.png": b"no picture", "twice.png": b"no picture"})
    four.sync()
    report = four.store.show(four.key(b"no picture")[:8])
    assert (report.status, report.kind, report.path) == ("failed", "not_an_image", b"pictures/broken.png")
    assert report.key.hex() == four.key(b"no picture")


def test_a_file_that_is_gone_is_found_in_older_snapshots_by_its_path_on_disk(
    four: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(four.pictures)
    for word in ("sub/a2.png", str(four.pictures / "sub/a2.png")):
        report = four.store.show(word)
        assert (report.status, report.path, report.key.hex()) == ("elsewhere", b"pictures/sub/a2.png", four.key(1))
        assert [name.path for name in report.names] == [b"pictures/a.png"]


def test_a_path_of_an_older_snapshot_is_found_under_the_label_of_today(four: World) -> None:
    four.store.root_rename("pictures", "photos")
    for word in ("photos/sub/a2.png", "pictures/sub/a2.png", four.pictures / "sub/a2.png"):
        report = four.store.show(word)
        assert (report.status, report.path, report.key.hex()) == ("elsewhere", b"photos/sub/a2.png", four.key(1))


def test_a_path_of_a_folder_whose_label_another_one_has_says_so(four: World) -> None:
    four.store.root_remove("pictures")
    put(four.top / "other/pictures", {"z.png": 9})
    four.store.sync([four.top / "other/pictures"])
    for word in ("pictures/sub/a2.png", "pictures (before v6)/sub/a2.png"):
        report = four.store.show(word)
        assert (report.status, report.path) == ("older", b"pictures (before v6)/sub/a2.png")
    with pytest.raises(UsageError, match="neither on disk nor in this snapshot"):
        four.store.show(four.top / "other/pictures/sub/a2.png")


def test_a_folder_with_a_blank_in_its_name_is_quoted_for_the_shell(four: World) -> None:
    put(four.pictures, {"my trip/z.png": 9})
    four.sync()
    for word in ("pictures/my trip", str(four.pictures / "my trip")):
        with pytest.raises(UsageError, match=f"vstore ls '{word}'"):
            four.store.show(word)


def test_a_folder_or_nothing_is_refused_with_the_next_step(four: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(four.top)
    show = four.store.show
    for word in ("pictures", "pictures/sub", str(four.top)):
        (four.pictures / "sub").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match="is a folder; list what is in it: vstore ls"):
            show(word)
    with pytest.raises(UsageError, match=r"did you mean pictures/a\.png"):
        show("pictures/aa.png")
    with pytest.raises(UsageError, match=r"vstore find zebra; or give the first 6 digits of its key"):
        show("zebra")
    with pytest.raises(UsageError, match="no snapshot has a picture whose key begins with abcdef01"):
        show("abcdef01")
    (four.top / "pipe").parent.mkdir(exist_ok=True)
    os.mkfifo(four.top / "pipe")
    with pytest.raises(VstoreError, match="cannot read pipe: it is not a regular file"):
        show("pipe")


def test_a_prefix_of_several_keys_is_refused(tmp_path: Path) -> None:
    world = NumberedStore(tmp_path)
    world.sync({"a.png": 1, "b.png": 2})
    with Store(world.builder.repo.layout.folder) as store:
        with pytest.raises(UsageError, match=r"2 pictures have keys that begin with 000000: .*; give more digits"):
            store.show("000000")
        assert store.show(key(1).hex(), no_neighbours=True).names[0].path == b"p/a.png"


def test_facts_fields_and_cut_lines_are_shown(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    digest = bytes.fromhex(settled.key(1))
    repo = settled.repo
    from vstore.repository.facts import added

    with repo.committing("facts"):
        values = {CAMERA: "Box\x1b", TAKEN: 1_600_000_000_000_000, LATITUDE: 1.5, WIDTH: 99}
        changes, blobs = added(repo, [Fact(digest, 9, values)])
        repo.publish("seal", changes, blobs=blobs)
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    set_fields(settled.repo, {(digest, "stars"): 4, (digest, "when"): moment, (digest, "tags"): ("a", "b")})
    report = settled.store.show("pictures/a.png")
    assert report.facts["camera"] == "Box\x1b"
    assert report.facts["taken"] == "2020-09-13T12:26:40"
    assert (report.facts["latitude"], report.facts["width"], report.facts["height"]) == (1.5, 99, 20)
    assert report.fields == {"stars": 4, "when": moment, "tags": ("a", "b")}
    assert report.to_json()["fields"] == {"stars": 4, "when": "2026-01-02T00:00:00Z", "tags": ["a", "b"]}
    assert report.cut is None
    cut = drawn(40)[: -len(drawn(40)) // 4]
    settled.put({"cut.png": cut})
    settled.sync(accept_truncated=1)
    shown = settled.store.show("pictures/cut.png", no_neighbours=True)
    assert shown.cut is not None
    assert 0 < shown.cut[0] < shown.cut[1] == 20


def test_a_strangers_folder_is_not_looked_at(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put({"a.png": 1})
    elsewhere = settled.top / "far"
    shutil.move(settled.folder, elsewhere / ".vstore")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(settled.top / "config"))
    settled.store = Store(elsewhere / ".vstore", load_embedder=settled.load, config=settled.top / "mine")
    settled.sync()
    shutil.copytree(elsewhere, settled.top / "unpacked")
    with Store(settled.top / "unpacked/.vstore", config=settled.top / "another") as store:
        looked: list[object] = []
        exists = os.path.lexists

        def lexists(path: object) -> bool:
            looked.append(path)
            return exists(path)  # type: ignore[arg-type]

        monkeypatch.setattr(os.path, "lexists", lexists)
        (name,) = store.show("pictures/a.png", no_neighbours=True).names
        assert (name.there, name.file) == (None, os.fsencode(settled.pictures / "a.png"))
        assert not any(os.fsencode(settled.pictures) in os.fsencode(path) for path in looked)  # type: ignore[arg-type]
        (entry,) = store.ls(recursive=True).entries
        assert entry.unnamed
        assert entry.to_json()["unnamed"]
