"""Versions on the command line: list, show, diff, tag, export, rollback, undo, redo, log; stats and check."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from itertools import count
from pathlib import Path

import pytest
from support.arrays import read_npz
from support.builder import Builder, unit_vectors
from support.folders import drawn
from support.lines import Line

from vstore.disk.cache import read_cache_object, write_cache
from vstore.format.manifest import content_id
from vstore.format.tree import Tree
from vstore.search import views

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


@pytest.fixture
def history(pictures: Line) -> Line:
    """Three snapshots: as in the fixture; a renamed, copied, removed, changed and added picture; that and one more."""
    os.rename("pictures/a.png", "pictures/moved.png")
    shutil.copy("pictures/moved.png", "pictures/x-copy.png")
    os.unlink("pictures/b.png")
    pictures.put({"pictures/sub/c.png": 4, "pictures/new.png": 5})
    pictures("sync", "-q", "-m", "tidied up")
    pictures.put({"pictures/more.png": 6})
    pictures("sync", "-q")
    return pictures


# list, show, diff


def test_list_shows_the_newest_first_and_marks_the_current(history: Line) -> None:
    history("snapshot", "tag", "v1", "original")
    lines = history("snapshot", "list").lines
    assert lines[0].split() == ["snapshot", "id", "time", "paths", "pictures", "space"]
    assert [text.split()[0] for text in lines[1:]] == ["*", "v2", "v1"]
    assert re.fullmatch(rf"\*  v3 +[0-9a-f]{{8}}  {TIME} +5 +4  builtin-2", lines[1])
    assert lines[2].endswith("  tidied up")
    assert lines[3].endswith("  [original]")
    rows = history("snapshot", "list", "--json").json
    assert list(rows[0]) == [
        "snapshot", "id", "parent", "time", "space", "space_name", "paths", "images", "message", "tags", "current",
        "partial", "degraded",
    ]  # fmt: skip
    assert [row["snapshot"] for row in rows] == ["v3", "v2", "v1"]
    assert [row["parent"] for row in rows] == ["v2", "v1", None]
    assert [row["current"] for row in rows] == [True, False, False]
    assert rows[2]["tags"] == ["original"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", rows[0]["time"])


def test_an_empty_list_says_how_to_begin(line: Line) -> None:
    line("init")
    ran = line("snapshot", "list")
    assert (ran.out, ran.err) == ("", "No snapshot yet. Make one with: vstore sync FOLDER\n")
    assert line("snapshot", "list", "--json").json == []


def test_show_tells_of_one_snapshot(history: Line) -> None:
    shown = dict(text.split(maxsplit=1) for text in history("snapshot", "show", "v2").lines)
    assert shown["snapshot"] == "v2"
    assert shown["message"] == "tidied up"
    assert shown["parent"] == "v1"
    assert shown["in"] == "pictures  4 paths"
    assert history("snapshot", "show").lines[0] == "snapshot     v3 (current)"
    document = history("snapshot", "show", "--json").json
    assert (document["snapshot"], document["roots"]) == ("v3", {"pictures": 5})


def test_diff_says_what_became_of_each_path(history: Line) -> None:
    assert history("snapshot", "diff", "v1", "v2").lines == [
        "+ pictures/new.png",
        "- pictures/b.png",
        "M pictures/sub/c.png",
        "C pictures/x-copy.png",
        "R pictures/a.png -> pictures/moved.png",
        "v1 -> v2: 1 added, 1 removed, 1 changed, 1 copied, 1 renamed",
    ]
    assert history("snapshot", "diff", "v2").lines[-1] == "v2 -> v3: 1 added"
    assert history("snapshot", "diff", "v3").lines == ["v3 -> v3: the same pictures under the same paths"]
    document = history("snapshot", "diff", "v1", "v2", "--json").json

    def named(path: str) -> dict[str, str]:
        return {"path": path, "file": str(history.home / path)}

    (renamed,), (added,) = document["renamed"], document["added"]
    key = history("show", "pictures/moved.png", "--no-neighbours", "--json").json["key"]
    assert renamed == {"from": named("pictures/a.png"), "to": named("pictures/moved.png"), "key": key}
    assert added == {**named("pictures/new.png"), "key": added["key"]}
    assert (document["before"], document["after"], document["same_space"]) == ("v1", "v2", True)


def test_a_snapshot_has_many_names(history: Line) -> None:
    history("snapshot", "tag", "v1", "original")
    history("rollback", "v1")
    id = history("snapshot", "show", "v2", "--json").json["id"]
    for name, meant in {
        "v2": "v2", "V2": "v2", id: "v2", id[:8]: "v2", "original": "v1", "current": "v1", "latest": "v3",
        "latest~1": "v2", "v3~2": "v1", "@{0}": "v1", "@{1}": "v3", "@{2}": "v2",
    }.items():  # fmt: skip
        assert history("snapshot", "show", name, "--json").json["snapshot"] == meant, name


@pytest.mark.parametrize("name", ["v9", "nothing", "abcd", "v1~1", "@{9}", "", "v", "~1", "v1~x", "../v1"])
def test_a_snapshot_that_is_not_there_is_said(name: str, history: Line) -> None:
    for words in (["snapshot", "show"], ["rollback"], ["snapshot", "diff"], ["snapshot", "export"]):
        more = ["out"] if words[-1] == "export" else []
        error = history(*words, name, *more, "--json", code=1).error
        assert error["code"] == "no_such_snapshot"
        assert error["next"].endswith("list them with: vstore snapshot list")
    assert history.current() == "v3"


def test_an_ambiguous_snapshot_is_refused_with_the_candidates(line: Line) -> None:
    builder = Builder(line.store)
    vectors = unit_vectors(1)
    first: dict[str, bytes] = {}
    for number in count():
        key = number.to_bytes(16)
        tree = Tree.empty(builder.repo.hash, builder.repo.packs.get).edited({b"p/a.png": key})
        prefix = content_id(builder.repo.hash, builder.space, tree.root)[:4]
        if prefix in first:
            break
        first[prefix] = key
    names = [builder.add_pictures({b"p/a.png": (key, vectors[0])}) for key in (first[prefix], key)]
    for words in (["snapshot", "show"], ["rollback"]):
        error = line(*words, prefix, "--json", code=1).error
        assert error["code"] == "ambiguous_snapshot"
        assert all(f"{found.name} ({found.id[:12]})" in error["message"] for found in names)
        assert error["next"] == "give more digits, or the name"
    assert line("snapshot", "show", names[0].id[:12], "--json").json["snapshot"] == "v1"


# tags


def test_tags_are_given_and_taken_away(history: Line) -> None:
    assert history("snapshot", "tag", "v1", "original").out == "v1 is tagged original\n"
    assert history("snapshot", "tag", "v1", "original", "--json").json == {
        "tag": "original",
        "snapshot": "v1",
        "store": str(history.store),
    }
    err = history("snapshot", "tag", "v2", "original", code=2).err
    assert err == ("Error: v1 already has the tag 'original'\n  remove it first: vstore snapshot untag original\n")
    assert history("snapshot", "untag", "original").out == "Removed the tag original\n"
    err = history("snapshot", "untag", "original", code=2).err
    assert err == "Error: there is no tag 'original'\n  the tags of this store: none\n"


@pytest.mark.parametrize("name", ["v7", "latest", "current", "a b", "a@b", "a~b", "a{b", "-x", "a/b", "", "a\nb"])
def test_names_that_mean_something_else_are_no_tags(name: str, history: Line) -> None:
    assert history("snapshot", "tag", "--json", "--", "v1", name, code=2).error["code"] == "usage"


# export


def test_export_writes_what_other_tools_read(history: Line) -> None:
    ran = history("snapshot", "export", "v2", "out.jsonl")
    assert ran.out.startswith("Wrote 3 pictures of v2 to out.jsonl (")
    entries = [json.loads(text) for text in Path("out.jsonl").read_text().splitlines()]
    assert sorted(path for entry in entries for path in entry["paths"]) == [
        "pictures/moved.png", "pictures/new.png", "pictures/sub/c.png", "pictures/x-copy.png",
    ]  # fmt: skip
    document = history("snapshot", "export", "v2", "out.npz", "--format", "npz", "--json").json
    assert (document["format"], document["images"], document["paths"]) == ("npz", 3, 4)
    arrays = read_npz("out.npz")
    assert arrays["vectors"].shape == (3, len(entries[0]["vector"]))
    assert sorted(arrays["keys"]) == sorted(entry["key"] for entry in entries)


def test_export_overwrites_nothing_and_needs_a_folder(history: Line) -> None:
    Path("mine.txt").write_text("words")
    assert "mine.txt already exists" in history("snapshot", "export", "v1", "mine.txt", code=2).err
    assert Path("mine.txt").read_text() == "words"
    error = history("snapshot", "export", "v1", "not/there.jsonl", "--json", code=2).error
    assert error["message"] == "there is no folder not to write into"
    history("snapshot", "export", "v9", "out", code=1)
    assert sorted(path.name for path in history.home.iterdir()) == [".vstore", "mine.txt", "pictures"]


@pytest.mark.parametrize(
    ("words", "name", "made"),
    [
        (["export"], "x.csv", "a folder of several files"),
        (["export"], "x.JSONL", "a folder of several files"),
        (["export"], "sub/x.npz", "a folder of several files"),
        (["snapshot", "export", "v1"], "x.npz", "a file of JSON lines"),
        (["snapshot", "export", "v1"], "x.parquet", "a file of JSON lines"),
    ],
)
def test_a_name_that_says_another_format_is_refused(history: Line, words: list[str], name: str, made: str) -> None:
    error = history(*words, name, "--json", code=2).error
    assert error["message"] == f"without --format this makes {made}, and {name} is named otherwise"
    assert error["next"].startswith(f"add --format {name.partition('.')[2].lower()}; or --format ")
    assert not Path(name).exists()


def test_a_folder_with_a_name_of_a_file_is_made_where_it_is_asked_for(history: Line) -> None:
    history("export", "x.csv", "--format", "triple")
    assert Path("x.csv/vstore.json").exists()
    history("export", "a.b")
    assert Path("a.b/vstore.json").exists()


# rollback, undo, redo, log


def test_rollback_makes_a_snapshot_current_and_says_what_that_means(history: Line) -> None:
    assert history("rollback", "v1").lines == [
        "v1 is now current (before: v3).",
        "No picture was touched: the next sync returns to what is on disk. Go back with: vstore undo",
    ]
    assert history.current() == "v1"
    assert history("rollback", "v1").lines == ["v1 is already current."]
    document = history("rollback", "v2", "--json").json
    assert (document["op"], document["current"], document["before"], document["changed"]) == (
        "rollback", "v2", "v1", True,
    )  # fmt: skip
    assert history("sync", "--json").json["embedded"] == 0
    assert history.paths("current") == history.paths("v3")


def test_a_hold_stops_syncs_until_the_release(history: Line) -> None:
    assert history("rollback", "v1", "--hold").lines == [
        "v1 is now current (before: v3).",
        "No picture was touched. Syncing is held until: vstore rollback --release",
    ]
    assert history("sync", "--json", code=5).error["code"] == "refused"
    assert (
        history("rollback", "v1").lines[1] == "No picture was touched. Syncing is held until: vstore rollback --release"
    )
    assert history("rollback", "--release").lines == ["Syncing is allowed again."]
    assert history("rollback", "--release").lines == ["Syncing was not held."]
    assert history("rollback", "v1", "--hold").lines == [
        "v1 is already current.",
        "No picture was touched. Syncing is held until: vstore rollback --release",
    ]
    history("undo")
    assert history("sync", "--json").json["snapshot"] == "v4"


@pytest.mark.parametrize("words", [[], ["--hold"], ["--hold", "--release"], ["v1", "--release"]], ids=" ".join)
def test_a_rollback_to_nothing_is_a_usage_error(words: list[str], history: Line) -> None:
    assert history("rollback", *words, "--json", code=2).error["code"] == "usage"


def test_undo_and_redo_go_back_and_forth(history: Line) -> None:
    history("rollback", "v1")
    lines = history("undo").lines
    assert re.fullmatch(rf"Undone: rollback of {TIME} \(to v1\)", lines[0])
    assert lines[1:] == ["v3 is current."]
    assert re.fullmatch(rf"Undone: sync of {TIME} \(v3: 5 paths\)", history("undo").lines[0])
    history("undo")
    assert history("undo").lines[1] == "No snapshot is current."
    error = history("undo", "--json", code=1).error
    assert error["code"] == "nothing_to_undo"
    history("gc")
    assert re.match(rf"Error: nothing before the gc of {TIME} can be undone\n", history("undo", code=1).err)
    history("redo", code=1)


def test_a_dry_run_of_gc_says_what_it_would_rewrite(history: Line) -> None:
    history.put({f"pictures/cut{n}.png": drawn(n)[: len(drawn(n)) * 93 // 100] for n in range(9, 14)})
    history("sync", "--accept-truncated", "80%")
    history("snapshot", "forget", "v1", "v2")
    before = sorted(path.name for path in Path(".vstore").rglob("*.pack"))
    lines = history("gc", "--dry-run").lines
    assert lines[0].startswith("Would free ") and re.match(r"Would rewrite \d+ files as ", lines[1])
    assert sorted(path.name for path in Path(".vstore").rglob("*.pack")) == before
    assert re.match(r"Rewrote \d+ files as ", history("gc").lines[1])


def test_redo_brings_back_one_after_the_other_until_something_new_is_done(history: Line) -> None:
    history("rollback", "v1")
    for _ in range(4):
        history("undo")
    for current in ("v1", "v2", "v3", "v1"):
        ran = history("redo")
        assert ran.lines[0].startswith("Redone: ")
        assert history.current() == current
    err = history("redo", code=1).err
    assert err == "Error: there is nothing to redo\n  a new operation ends redo\n"


def test_the_log_lists_operations_and_what_was_current_after_each(history: Line) -> None:
    history("snapshot", "tag", "v1", "original")
    history("undo")
    lines = history("log").lines
    assert lines[0].split() == ["time", "operation", "current"]
    assert re.fullmatch(rf"6  {TIME}  undo       v3       tag of {TIME} \(original at v1\)", lines[1])
    assert re.fullmatch(rf"5  {TIME}  tag        v3       original at v1 \(undone\)", lines[2])
    assert re.fullmatch(rf"1  {TIME}  init                builtin-2", lines[-1])
    assert len(history("log", "-n", "2").lines) == 3
    rows = history("log", "--limit", "2", "--json").json
    assert [list(row) for row in rows] == [["number", "op", "time", "about", "current", "undone"]] * 2
    assert [(row["number"], row["op"], row["undone"]) for row in rows] == [(6, "undo", False), (5, "tag", True)]
    history("log", "-n", "0", code=2)


def test_the_log_marks_where_undo_ends(history: Line) -> None:
    assert "undo ends here" not in history("log").out, "everything can be undone"
    history("snapshot", "untag", "v1", code=2)
    history("snapshot", "tag", "v1", "one")
    history("snapshot", "untag", "one")
    history("gc")
    history("snapshot", "forget", "v1")
    history("gc")
    history("snapshot", "tag", "v2", "two")
    marked = [line for line in history("log").lines if line.endswith(" (undo ends here)")]
    assert len(marked) == 1 and marked[0] == history("log").lines[2], "the newest gc alone"
    assert "undo ends here" not in history("log", "-n", "1").out
    history("undo")
    history("undo", code=1)


def test_an_undo_prints_what_it_leaves(history: Line) -> None:
    history.put({"copy/a.png": 1})
    history("sync", "--exclude", "*.tif")
    (history.home / "pictures").rename(history.home / "moved")
    history("sync", "moved", "--as", "pictures")
    ran = history("undo")
    assert ran.lines[0].startswith("Undone: sync of ") and "folders changed: pictures" in ran.lines[0]
    assert ran.err.startswith("Note: the folder 'pictures' stays where it is: its old place is gone, or you have not")
    assert "notes" not in history("undo", "--json").json


# stats, check


def test_stats_say_where_the_bytes_are(history: Line) -> None:
    text = history("stats").out
    assert text.startswith(f"{history.store}: ")
    assert "3 snapshots, 6 vectors, each stored once; a separate index for each would take " in text
    assert re.search(r"^pictures  /.*/pictures$", text, re.MULTILINE)
    document = history("stats", "--json").json
    files = [path for path in history.store.rglob("*") if path.is_file()]
    assert document["total"] == sum(path.stat().st_size for path in files)
    assert (document["snapshots"], document["images"]) == (3, 6)
    shutil.rmtree("pictures")
    assert re.search(r"^pictures  /.*/pictures  \(not found\)$", history("stats").out, re.MULTILINE)


def test_one_snapshot_is_one_snapshot(pictures: Line) -> None:
    assert pictures("stats").lines[-1] == "1 snapshot, 3 vectors, each stored once."


@pytest.mark.parametrize(
    ("days", "said"),
    [
        (0, "today"),
        (1, "1 day ago"),
        (12, "12 days ago"),
        (31, "31 days ago; syncs are too short to read them within 30 days: vstore check --read-data reads all"),
        (None, "not known; the next syncs read them, or: vstore check --read-data"),
    ],
)
def test_stats_say_since_when_all_vectors_of_a_large_space_have_been_read(
    pictures: Line, monkeypatch: pytest.MonkeyPatch, days: int | None, said: str
) -> None:
    monkeypatch.setattr(views, "REMEMBERED_FROM", 1)
    pictures("search", "./pictures/a.png")
    if days is None:
        (pictures.store / "cache" / "verified").unlink()
    else:
        note = read_cache_object(pictures.store / "cache", "verified")
        read = dict.fromkeys(note, int(time.time()) - days * 86_400 - 60)
        write_cache(pictures.store / "cache", "verified", json.dumps(read).encode())
    assert pictures("stats").lines[-1] == f"Vectors last read in full: {said}"
    document = pictures("stats", "--json").json
    assert document["in_turn"] > 0 and (document["oldest_reading"] is None) == (days is None)


def test_check_says_that_the_store_is_whole(history: Line) -> None:
    assert history("check").out.startswith("No problem found: 4 records, 3 snapshots, 3 segments, 4 packs; ")
    document = history("check", "--read-data", "--json").json
    assert (document["ok"], document["problems"]) == (True, [])


def test_check_names_what_is_damaged_and_what_it_affects(history: Line) -> None:
    segment = max((history.store / "segments").iterdir(), key=lambda path: path.stat().st_size)  # that of v1
    data = bytearray(segment.read_bytes())
    data[100] ^= 1
    segment.write_bytes(data)
    ran = history("check", "--read-data", code=4)
    assert ran.out == ""
    lines = ran.err.splitlines()
    document = history("check", "--read-data", "--json", code=4).json
    assert document["ok"] is False
    (problem,) = document["problems"]
    assert problem["file"] == f"segments/{segment.name}"
    assert lines[0].startswith(f"DAMAGE segments/{segment.name}: rows 0 to ")
    assert problem["paths"] == [{"path": "pictures/moved.png"}, {"path": "pictures/x-copy.png"}]
    assert lines[1:3] == ["    affects pictures/moved.png", "    affects pictures/x-copy.png"]
    assert lines[-1].startswith("1 problem found in ")


def test_one_of_a_kind_is_said_as_one(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    assert "Wrote snapshot v1: 1 picture" in line("sync", "pictures").lines
    assert line("log").lines[1].endswith("  v1: 1 path")
    assert "in pictures  1 path" in line("snapshot", "show").lines
    assert line("stats").lines[-1] == "1 snapshot, 1 vector, each stored once."
    assert line("check").out.startswith("No problem found: 2 records, 1 snapshot, 1 segment, 2 packs; ")


def test_a_diff_by_folder_has_a_column_for_each_kind_that_there_is(pictures: Line) -> None:
    pictures.put({"pictures/new/d.png": 4, "pictures/new/e/f.png": 5, "pictures/a.png": 6})
    (pictures.home / "pictures/sub/c.png").unlink()
    pictures("sync", "--allow-mass-delete", "-q")
    ran = pictures("snapshot", "diff", "v1", "--stat")
    assert ran.lines == [
        "          M 1  pictures/",
        "+ 2            pictures/new/  (new)",
        "     - 1       pictures/sub/  (gone)",
        "v1 -> v2: 2 added, 1 removed, 1 changed",
    ]
    ran = pictures("snapshot", "diff", "v1", "--only", "added,removed", "--under", "pictures/new")
    assert ran.lines == ["+ pictures/new/d.png", "+ pictures/new/e/f.png", "v1 -> v2: 2 added"]
    value = pictures("snapshot", "diff", "v1", "--only", "changed", "--only", "removed", "--json").json
    assert (value["added"], len(value["changed"]), len(value["removed"])) == ([], 1, 1)
    assert "stat" not in value
    for words in (["--only", "copied"], ["--only", "removed", "--under", "pictures/new", "--stat"]):
        assert pictures("snapshot", "diff", "v1", *words).lines == ["v1 -> v2: no such difference"]


def test_the_pictures_that_differ_are_written_to_a_page(history: Line) -> None:
    ran = history("snapshot", "diff", "v1", "v2", "--html", "diff.html", "-q")
    pattern = r"Wrote 6 pictures of v1 -> v2 to diff\.html \(\d+\.\d KiB\); 2 of them cannot be shown\n"
    assert re.fullmatch(pattern, ran.out)
    page = (history.home / "diff.html").read_text()
    assert "<h1>v1 → v2</h1>" in page
    assert "was pictures/a.png" in page
    words = ["--only", "renamed", "--under", "pictures", "--html", "part.html", "--json"]
    document = history("snapshot", "diff", "v1", "v2", *words).json
    size = (history.home / "part.html").stat().st_size
    assert document == {
        "store": document["store"], "snapshot": "v2", "out": "part.html",
        "pictures": 1, "shown": 1, "missing": 0, "bytes": size,
    }  # fmt: skip


def test_a_page_of_differences_replaces_nothing_and_counts_by_no_folder(history: Line) -> None:
    (history.home / "mine.html").write_text("mine")
    ran = history("snapshot", "diff", "v1", "v9", "--html", "mine.html", code=2)
    assert "mine.html already exists\n  name another one, or remove it" in ran.err
    assert (history.home / "mine.html").read_text() == "mine"
    ran = history("snapshot", "diff", "v1", "--html", "new.html", "--stat", code=2)
    assert "--stat does not go with --html" in ran.err
    ran = history("snapshot", "diff", "v1", "--html", "none/new.html", code=2)
    assert "there is no folder none to write into" in ran.err
    assert history("snapshot", "diff", "v9", "--html", "new.html", code=1).err
    assert not (history.home / "new.html").exists()


def test_a_page_of_differences_is_made_where_a_configuration_counts_by_folder(
    history: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSTORE_STAT", "1")
    assert "pictures/" in history("snapshot", "diff", "v1", "v2").lines[0]
    assert history("snapshot", "diff", "v1", "v2", "--html", "diff.html").out.startswith("Wrote 6 pictures")


def test_a_kind_of_difference_that_is_none_is_named(pictures: Line) -> None:
    assert "'moved' is no kind of difference" in pictures("snapshot", "diff", "v1", "--only", "moved", code=2).err


def test_a_label_of_a_folder_that_another_took_the_place_of_is_explained(pictures: Line) -> None:
    pictures("root", "remove", "pictures")
    pictures.put({"elsewhere/pictures/new.png": 70})
    pictures("sync", "elsewhere/pictures", "-q")
    pictures("rollback", "v1")
    pictures("rollback", "--release")
    pictures("sync", "-q")
    ran = pictures("snapshot", "diff", "v2", "current")
    note = "Note: pictures (before v3)/ is the folder that was called pictures before v3; since then another one is"
    assert "+ pictures (before v3)/a.png" in ran.lines
    assert ran.lines.count(note) == 1
    assert note in pictures("snapshot", "diff", "v2", "current", "--stat").lines
    assert note not in pictures("snapshot", "diff", "v2", "v3").out


def test_paths_and_pictures_are_counted_in_the_same_words(pictures: Line) -> None:
    shutil.copy("pictures/a.png", "pictures/again.png")
    held = "4 paths, 3 pictures"
    assert f"Wrote snapshot v2: {held}\n" in pictures("sync").out
    assert f"Nothing changed. v2: {held}, " in pictures("status").out
    assert f"Wrote {held} of v2 to " in pictures("export", "out").out
    assert f": {held}; 0 paths would stay." in pictures("root", "remove", "pictures", "-n").out
    assert [" ".join(line.split()[-2:]) for line in pictures("root", "list").lines][1:] == ["4 3"]
    os.unlink("pictures/again.png")
    pictures("sync", "-q")
    assert ": 3 pictures; 0 paths would stay." in pictures("root", "remove", "pictures", "-n").out
