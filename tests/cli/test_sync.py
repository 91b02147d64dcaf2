"""`vstore sync` and `vstore status`: what they do with words, and what they say."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.edited import edited
from support.folders import drawn
from support.lines import Line, process
from support.rotten import rot

from vstore import clock
from vstore.repository.repository import Repository
from vstore.search import views
from vstore.sync import read_again

FIELDS = [
    "snapshot", "current", "id", "parent", "space", "space_name", "partial", "dry_run", "paths", "images",
    "unchanged", "changed", "renamed", "copied", "known", "new", "removed", "carried", "ignored", "failed",
    "embedded", "reused", "seconds",
]  # fmt: skip


def counts(document: dict[str, object]) -> dict[str, object]:
    """The classes of a report that are not empty."""
    names = ("unchanged", "changed", "renamed", "copied", "known", "new", "removed", "carried", "ignored")
    return {name: document[name] for name in names if document[name]}


def mixed(line: Line) -> None:
    """Change the three pictures of the fixture: one of each class follows."""
    line.put({"pictures/a.png": 4, "pictures/new.png": 5, "pictures/notes.txt": b"words", "pictures/bad.jpg": b"no"})
    os.rename("pictures/b.png", "pictures/moved.png")
    shutil.copy("pictures/sub/c.png", "pictures/copy.png")


# What is printed


def test_the_first_sync_makes_a_store_and_says_so(line: Line) -> None:
    line.put({"pictures/a.png": 1, "pictures/b.png": 2})
    ran = line("sync", "pictures/")
    assert ran.lines[:4] == [
        "Made the store .vstore",
        ran.lines[1],
        "  2  new: pictures/a.png, …",
        "Wrote snapshot v1: 2 pictures",
    ]
    assert ran.lines[4].startswith("Embedded 2 pictures in ")
    assert ran.err == ""
    assert line("sync", "--json").json["created_store"] is False


def test_pictures_whose_metadata_was_edited_are_said_to_have_the_same_pixels(pictures: Line) -> None:
    names = ["pictures/a.png", "pictures/b.png", "pictures/sub/c.png"]
    pictures.put({name: edited(seed) for seed, name in enumerate(names, 1)})
    assert pictures("sync").lines[0] == "  3  changed: pictures/a.png, … (same pixels: nothing was embedded)"
    pictures.put({names[0]: edited(1, "again"), names[1]: 9})
    assert pictures("sync").lines[0] == "  2  changed: pictures/a.png, … (same pixels in 1: these were not embedded)"
    pictures.put({names[1]: edited(9)})
    found = pictures("sync", "--json").json
    assert (found["changed"], found["same_pixels"], found["reused"], found["embedded"]) == (1, 1, 1, 0)


def test_the_report_says_what_became_of_every_picture_and_what_it_cost(pictures: Line) -> None:
    mixed(pictures)
    ran = pictures("sync", "-m", "mixed", code=3)
    assert ran.lines[:8] == [
        "  1  new: pictures/new.png",
        "  1  changed: pictures/a.png",
        "  1  renamed: pictures/b.png -> pictures/moved.png",
        "  1  copied: pictures/copy.png",
        "  1  unchanged",
        "  1  failed: see below",
        "  1  other file, not opened: 1 txt",
        "Wrote snapshot v2: 5 paths, 4 pictures",
    ]
    assert ran.lines[8].startswith("Embedded 2 pictures in ")
    assert "; embedding all 4 would take about " in ran.lines[8]
    assert ran.err.startswith("1 path could not be read:\n  pictures/bad.jpg: ")
    os.unlink("pictures/sub/c.png")
    os.unlink("pictures/copy.png")
    ran = pictures("sync")
    assert ran.lines[0] == "  2  removed: pictures/copy.png, …"
    again = "vstore ls --failed lists it, --retry-failed tries it again"
    assert f"  1  failed before, and did not change; {again}" in ran.lines
    assert ran.err == ""


def test_a_sync_that_changes_nothing_says_so_in_a_line(pictures: Line) -> None:
    (only,) = pictures("sync").lines
    assert only.startswith("Nothing changed. v1: 3 pictures, checked in ")
    shutil.copy("pictures/a.png", "pictures/again.png")
    pictures("sync")
    assert pictures("sync").out.startswith("Nothing changed. v2: 4 paths, 3 pictures, checked in ")


def test_what_failed_before_is_not_an_error_again(pictures: Line) -> None:
    pictures.put({"pictures/bad.jpg": b"no", "pictures/worse.jpg": b""})
    assert "2 paths could not be read:" in pictures("sync", code=3).err
    ran = pictures("sync")
    assert ran.lines[1:] == [
        "2 pictures could not be read, as before; vstore ls --failed lists them, --retry-failed tries them again."
    ]
    assert ran.err == ""
    assert [failure["known"] for failure in pictures("sync", "--json").json["failed"]] == [True, True]
    assert "; vstore ls --failed lists them, vstore sync --retry-failed tries them again." in pictures("status").out
    store = f"--store {pictures.store}"
    assert f"vstore {store} sync --retry-failed tries them again." in pictures("status", *store.split()).out
    told = pictures("sync", "-n", "--retry-failed").lines
    assert told[-2] == "2 pictures that failed before would be tried again."


def test_a_retry_is_suggested_only_where_it_can_help(pictures: Line) -> None:
    pictures.put({"pictures/large.jpg": b"no" * 3000})
    words = ("sync", "--max-file-size", "5K")
    assert "--max-file-size" in pictures(*words, code=3).err
    (_, last) = pictures(*words).lines
    assert last == "1 picture could not be read, as before; vstore ls --failed lists it."
    pictures.put({"pictures/bad.jpg": b"no"})
    pictures(*words, code=3)
    (_, last) = pictures(*words).lines
    assert (
        last == "2 pictures could not be read, as before; vstore ls --failed lists them, --retry-failed tries 1 again."
    )


def test_a_first_sync_says_which_embedder_it_uses_and_how_to_choose_another(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    said = line("sync", "pictures", "--store", "there").lines
    assert said[0] == "Made the store there"
    assert said[1].startswith(
        "It uses the built-in embedder, which finds look-alikes and reads no text; for models see:"
    )
    assert "vstore --store there model add NAME --model MODEL" in line("model", "recommend", "--store", "there").out


@pytest.mark.parametrize("command", ["init", "sync"])
def test_a_model_that_fails_leaves_no_store_and_says_so(line: Line, command: str) -> None:
    line.put({"pictures/a.png": 1})
    words = ["pictures"] if command == "sync" else []
    assert ". No store was made\n" in line(command, *words, "--model", "./nowhere", code=13).err
    assert not line.store.exists()
    line("init")
    assert "No store was made" not in line(command, *words, "--model", "./nowhere", code=13 if words else 2).err


def test_at_most_twenty_failures_are_named(pictures: Line) -> None:
    pictures.put({f"pictures/{number:02}.jpg": b"no %d" % number for number in range(22)})
    err = pictures("sync", code=3).err.splitlines()
    assert err[0] == "22 paths could not be read:"
    assert err[20].startswith("  pictures/19.jpg: ")
    assert err[21:] == ["  and 2 more; all with: vstore ls --failed"]
    assert len(pictures("ls", "--failed").lines) == 22
    assert len(pictures("sync", "--json").json["failed"]) == 22


def test_quiet_is_silent_unless_something_is_wrong(pictures: Line) -> None:
    pictures.put({"pictures/new.png": 5})
    ran = pictures("sync", "-q")
    assert ran.out + ran.err == ""
    pictures.put({"pictures/bad.jpg": b"no"})
    ran = pictures("sync", "--quiet", code=3)
    assert ran.out == ""
    assert ran.err.startswith("1 path could not be read:\n  pictures/bad.jpg: ")
    ran = pictures("sync", "-q")
    assert ran.out + ran.err == ""


def test_numbers_stand_below_one_another(pictures: Line) -> None:
    pictures.put({f"pictures/{number}.txt": b"" for number in range(10)})
    pictures.put({"pictures/new.png": 5})
    assert pictures("sync").lines[:3] == [
        "   1  new: pictures/new.png",
        "   3  unchanged",
        "  10  other files, not opened: 10 txt",
    ]


def test_names_cannot_act_on_the_terminal(line: Line) -> None:
    os.mkdir("pictures")
    for name, what in ((b"\x1b[31mred\n.png", drawn(1)), (b"\xff.jpg", b"no")):
        with open(b"pictures/" + name, "wb") as file:
            file.write(what)
    ran = line("sync", "pictures", code=3)
    assert "  1  new: pictures/\\x1b[31mred\\n.png" in ran.lines
    assert ran.err.splitlines()[1].startswith("  pictures/\\xff.jpg: ")
    (failure,) = line("sync", "--json").json["failed"]
    assert (failure["path"], failure["path_b64"]) == ("pictures/\ufffd.jpg", "cGljdHVyZXMv/y5qcGc=")


# JSON


def test_json_is_one_document_and_has_the_promised_fields(line: Line) -> None:
    line.put({"pictures/a.png": 1, "pictures/bad.jpg": b"no"})
    ran = line("sync", "pictures", "--json", code=3)
    document = ran.json
    assert list(document)[: len(FIELDS)] == FIELDS
    assert ran.err == ""
    assert document["created_store"] is True
    assert (document["snapshot"], document["current"], document["parent"]) == ("v1", "v1", None)
    assert (document["paths"], document["images"], document["new"], document["embedded"]) == (1, 1, 1, 1)
    assert document["space_name"] == "builtin-2"
    (failure,) = document["failed"]
    assert list(failure) == ["path", "kind", "reason", "known", "file"]
    assert (failure["path"], failure["known"]) == ("pictures/bad.jpg", False)
    document = line("sync", "--json").json
    assert (document["snapshot"], document["current"], document["embedded"]) == (None, "v1", 0)


def test_json_counts_every_class(pictures: Line) -> None:
    mixed(pictures)
    document = pictures("sync", "--json", code=3).json
    assert counts(document) == {
        "unchanged": 1, "changed": 1, "renamed": 1, "copied": 1, "new": 1, "ignored": 1,
    }  # fmt: skip
    assert document["reused"] == 2
    assert document["full_seconds"] > 0
    pictures("rollback", "v1")
    shutil.rmtree("pictures/sub")
    os.unlink("pictures/copy.png")
    document = pictures("sync", "--json").json
    assert counts(document) == {"changed": 1, "renamed": 1, "known": 1, "removed": 1, "ignored": 1}
    assert document["embedded"] == 0


# Before and instead of a sync


@pytest.mark.parametrize("words", [["status"], ["sync", "-n"], ["sync", "--dry-run", "pictures"]], ids=" ".join)
def test_a_look_says_what_a_sync_would_do_and_writes_nothing(words: list[str], pictures: Line) -> None:
    mixed(pictures)
    log = pictures("log", "--json").json
    ran = pictures(*words)
    assert "  1  renamed: pictures/b.png -> pictures/moved.png" in ran.lines
    assert ran.lines[-1].startswith("A sync would embed 3 pictures, about ")
    document = pictures(*words, "--json").json
    assert document["dry_run"] is True
    assert (document["snapshot"], document["current"], document["to_embed"]) == (None, "v1", 3)
    assert counts(document)["new"] == 2, "whether one decodes is not known before it is tried"
    assert pictures("log", "--json").json == log
    assert pictures.current() == "v1"


def test_a_look_at_what_costs_nothing_says_so(pictures: Line) -> None:
    os.rename("pictures/a.png", "pictures/z.png")
    assert pictures("status").lines[-1] == "A sync would embed nothing."
    os.rename("pictures/z.png", "pictures/a.png")
    assert pictures("status").out.startswith("Nothing changed. v1: 3 pictures, checked in ")


def test_a_slip_leaves_no_store_behind(line: Line) -> None:
    line.put({"notes/a.txt": b"words", "file.png": 1})
    (line.home / "empty").mkdir()
    for words, said in (
        ((), "make one with: vstore sync FOLDER"),
        (("picturse",), "picturse does not exist"),
        (("file.png",), "file.png is not a folder"),
        (("empty",), "empty holds no pictures"),
        (("notes",), "--include GLOB adds other file names"),
        (("notes", "--space", "x"), "notes holds no pictures"),
    ):
        ran = line("sync", *words, code=2 if words else 10)
        assert ran.out == ""
        assert said in ran.err
    assert not line.store.exists()
    assert line("sync", "notes", "--include", "*.txt", code=3).out.startswith("Made the store")


# Which folders, and which files in them


def test_several_roots_and_parts_of_them(line: Line) -> None:
    line.put({"one/a.png": 1, "two/b.png": 2, "two/deep/c.png": 3})
    assert line("sync", "one", "two", "--json").json["new"] == 3
    line.put({"one/x.png": 4, "two/deep/y.png": 5})
    assert counts(line("sync", "two/deep", "--json").json) == {"unchanged": 1, "new": 1}
    assert counts(line("sync", "--json").json) == {"unchanged": 4, "new": 1}
    os.unlink("two/b.png")
    assert counts(line("sync", "two/b.png", "--json").json) == {"removed": 1}
    assert line.paths() == ["one/a.png", "one/x.png", "two/deep/c.png", "two/deep/y.png"]


def test_a_label_that_belongs_to_another_folder_is_refused_and_as_names_a_new_one(line: Line) -> None:
    line.put({"pictures/a.png": 1, "other/pictures/b.png": 2})
    line("sync", "pictures")
    ran = line("sync", "other/pictures", code=2)
    assert ran.err == f"Error: the label pictures belongs to {line.home}/pictures\n  add --as NAME\n"
    assert line("sync", "other/pictures", "--json", code=2).error["code"] == "label_taken"
    assert line("sync", "other/pictures", "--as", "more", "--json").json["new"] == 1
    assert line.paths() == ["more/b.png", "pictures/a.png"]


def test_a_root_that_moved_is_named_with_as_and_nothing_is_read_again(pictures: Line) -> None:
    shutil.move("pictures", "photos")
    ran = pictures("sync", code=5)
    assert f"{pictures.home}/pictures is missing" in ran.err
    assert "vstore sync NEW_PLACE --as pictures" in ran.err
    document = pictures("sync", "photos", "--as", "pictures", "-n", "--json").json
    assert counts(document) == {"unchanged": 3}
    assert document["moved"] == {"pictures": f"{pictures.home}/photos"}
    lines = pictures("sync", "photos", "--as", "pictures").lines
    assert lines[0] == f"pictures is now at {pictures.home}/photos."
    assert lines[1].startswith("Nothing changed. v1: 3 pictures, checked in ")
    assert pictures("log", "--json").json[0]["about"] == "no snapshot, folders changed: pictures"
    assert pictures("sync", "--json").json["moved"] == {}
    (root,) = pictures("stats", "--json").json["roots"]
    assert (root["label"], root["place"], root["there"]) == ("pictures", f"{pictures.home}/photos", True)


def test_a_root_that_moved_with_its_store_needs_no_word(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = pictures.home.parent / "moved"
    shutil.move(pictures.home, moved)
    monkeypatch.chdir(moved)
    assert counts(pictures("sync", "--json").json) == {"unchanged": 3}


def test_a_folder_around_roots_absorbs_them(pictures: Line) -> None:
    pictures.put({"other/d.png": 4})
    document = pictures("sync", ".", "--as", "all", "-n", "--json").json
    assert counts(document) == {"unchanged": 3, "new": 1}
    assert document["absorbed"] == {"pictures": "all/pictures"}
    assert pictures("sync", ".", "--as", "all").lines[:3] == [
        "pictures is now part of another folder: all/pictures",
        "  1  new: other/d.png",
        "  3  unchanged",
    ]
    assert pictures.paths() == ["all/other/d.png", "all/pictures/a.png", "all/pictures/b.png", "all/pictures/sub/c.png"]
    assert pictures("search", "./other/d.png", "--at", "v1", "-k", "9", "-l").out.count("\n") == 3
    hits = pictures("search", "./pictures/a.png", "--at", "v1", "--under", "pictures/sub", "--json").json["hits"]
    assert [hit["files"] for hit in hits] == [[f"{pictures.home}/pictures/sub/c.png"]]


def test_excludes_are_kept_with_the_root_until_taken_back(pictures: Line) -> None:
    assert counts(pictures("sync", "--exclude", "b.*", "--json").json) == {"unchanged": 2, "removed": 1}
    pictures.put({"pictures/sub/b.png": 9})
    assert counts(pictures("sync", "--json").json) == {"unchanged": 2}
    err = pictures("sync", "--no-exclude", "c.*", code=2).err
    assert "this folder has no exclude 'c.*'" in err
    assert "it has: b.*" in err
    assert counts(pictures("sync", "--no-exclude", "b.*", "--json").json) == {"unchanged": 2, "known": 1, "new": 1}


def test_files_give_excludes_and_paths(line: Line) -> None:
    line.put({"one/a.png": 1, "one/b.png": 2, "two/c.png": 3})
    Path("excludes").write_text("# not these\nb.*\n\n")
    Path("paths").write_bytes(b"one\0two\0")
    assert line("sync", "--files-from", "paths", "--exclude-from", "excludes", "--json").json["new"] == 2
    for option in ("--files-from", "--exclude-from"):
        err = line("sync", option, "nowhere", code=2).err
        assert err == "Error: cannot read nowhere: No such file or directory\n  name a file of lines\n"


def test_other_names_are_taken_in_when_asked_for(line: Line) -> None:
    line.put({"pictures/a.png": 1, "pictures/b.dat": 2})
    assert counts(line("sync", "pictures", "--json").json) == {"new": 1, "ignored": 1}
    assert counts(line("sync", "--include", "*.dat", "--json").json) == {"unchanged": 1, "new": 1}


def test_symlinked_folders_are_entered_when_asked_to(line: Line) -> None:
    line.put({"pictures/a.png": 1, "elsewhere/b.png": 2})
    os.symlink("../elsewhere", "pictures/link")
    assert line("sync", "pictures", "--json").json["paths"] == 1
    assert line("sync", "--follow-symlinks", "--json").json["paths"] == 2
    assert line("sync", "--json").json["paths"] == 2
    assert line("sync", "--no-follow-symlinks", "--json").json["paths"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ["--max-file-size", "much"],
        ["--max-file-size", "-1"],
        ["--commit-every", "soon"],
        ["--max-pixels", "x"],
        ["--space", "nowhere"],
        ["--as", "a/b"],
        ["--as", "x", "pictures", "pictures/sub"],
        ["--as"],
        ["--nonsense"],
    ],
    ids=" ".join,
)
def test_words_that_mean_nothing_are_usage_errors(words: list[str], pictures: Line) -> None:
    ran = pictures("sync", *words, code=2)
    assert ran.out == ""
    assert "Error: " in ran.err
    assert pictures("sync", *words, "--json", code=2).error["code"] == "usage"


def test_files_that_are_too_large_are_named_unread(pictures: Line) -> None:
    pictures.put({"pictures/large.png": drawn(9) + bytes(9000)})
    (failure,) = pictures("sync", "--max-file-size", "9K", "--json", code=3).json["failed"]
    assert (failure["path"], failure["kind"]) == ("pictures/large.png", "too_large")
    assert "--max-file-size" in failure["reason"]
    assert pictures("sync", "--max-file-size", "1M", "--json").json["new"] == 1


def test_a_message_is_kept(pictures: Line) -> None:
    pictures.put({"pictures/new.png": 5})
    pictures("sync", "-m", "two\nlines")
    assert pictures("snapshot", "list", "--json").json[0]["message"] == "two\nlines"
    assert pictures("snapshot", "list").lines[1].endswith("  two\\nlines")


def test_a_held_store_is_not_synced_until_it_is_let_go(pictures: Line) -> None:
    pictures.put({"pictures/new.png": 5})
    pictures("sync")
    pictures("rollback", "v1", "--hold")
    assert pictures("status").lines[-1] == "Syncing is held at v1 until: vstore rollback --release"
    assert pictures("status", "--json").json["held"] == "v1"
    ran = pictures("sync", code=5)
    assert ran.err == "Error: syncing is held at v1 since a rollback\n  go on with: vstore rollback --release\n"
    pictures("rollback", "--release")
    assert pictures("status", "--json").json["held"] is None
    assert pictures("sync", "--json").json["known"] == 1


def test_the_real_command_syncs(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    assert process("sync", "pictures", "--json", cwd=line.home).json["new"] == 1
    assert process("sync", cwd=line.home).out.startswith("Nothing changed. v1: 1 picture, checked in ")


# What it cost


def test_what_a_full_index_would_cost_does_not_hang_on_one_picture(line: Line) -> None:
    """A picture that comes alone is embedded at a much worse rate than many are."""
    line.put({f"pictures/{number:02}.png": number for number in range(60)})
    first = line("sync", "pictures", "--json").json
    line.put({"pictures/one-more.png": 99})
    second = line("sync", "--json").json
    assert second["embedded"] == 1
    assert second["full_seconds"] < 3 * first["seconds"]
    assert second["full_seconds"] > second["seconds"], "all of them cost more than one of them"


def test_a_full_index_costs_what_it_cost(line: Line) -> None:
    line.put({f"pictures/{number}.png": number for number in range(5)})
    first = line("sync", "pictures", "--json").json
    assert first["full_seconds"] == pytest.approx(first["seconds"], abs=0.002)
    again = line("status", "--json").json
    assert again["full_seconds"] > again["seconds"]
    assert again["embed_seconds"] == 0


# The environment


def test_the_threads_of_a_model_are_told_to_sleep_unless_the_user_says_otherwise(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    pictures("sync")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    pictures("sync")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_cut_pictures_are_taken_from_a_share_on_and_named(line: Line) -> None:
    line.put(
        {"pictures/a.png": 1, **{f"pictures/cut{n}.png": drawn(n)[: len(drawn(n)) * 93 // 100] for n in range(2, 7)}}
    )
    err = line("sync", "pictures", code=3).err
    assert err.count("cut short") == 5
    assert err.endswith("if enough of their lines are there: vstore sync FOLDER --accept-truncated 90%\n")
    err = line("sync", "--accept-truncated", "95%", code=3).err  # the reason says it: the hint would lead to the same
    assert err.count("18 of 20 lines are there, and --accept-truncated asks for 95%\n") == 5
    assert "can be taken" not in err
    out = line("sync", "--accept-truncated", "80%").out
    assert "Took 5 cut pictures: pictures/cut2.png (18 of 20 lines), " in out
    assert "lines) and 2 more; --json lists all.\n" in out
    assert "v2 holds 5 cut pictures: pictures/cut2.png (18 of 20 lines), " in line("facts").out
    found = line("facts", "--json").json["truncated"]
    assert [one["path"] for one in found] == [f"pictures/cut{n}.png" for n in range(2, 7)]
    file = str(line.home / "pictures/cut2.png")
    assert found[0] == {"path": "pictures/cut2.png", "lines": 18, "of": 20, "file": file}
    assert line("sync", "--accept-truncated", "off", "--json").json["truncated"] == []
    line.put({"pictures/cut7.png": drawn(7)[: len(drawn(7)) * 93 // 100]})
    assert "cut short" in line("sync", code=3).err


@pytest.mark.parametrize("share", ["pictures", "0", "101%", "0.9", "-5", "90 %", ""])
def test_a_share_that_is_none_is_refused(line: Line, share: str) -> None:
    line.put({"pictures/a.png": 1})
    err = line("sync", "pictures", f"--accept-truncated={share}", code=2).err
    assert f"{share!r} is not a share; write 90% (1% to 100%), or off" in err


def test_rot_that_is_found_by_reading_again_ends_the_sync_with_exit_code_4_after_its_work(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "REMEMBERED_FROM", 1)
    monkeypatch.setattr(read_again, "SHARE", 1000)
    pictures("search", "./pictures/a.png")
    repo = Repository(pictures.store)
    (ref,) = repo.state.all_segments()
    rot(repo.segment(ref), 0, pictures.store / "cache")
    monkeypatch.setattr(clock, "seconds", lambda: 4_000_000_000)
    pictures.put({"pictures/new.png": 7})
    ran = pictures("sync", code=4)
    assert f"segments/{ref.name} is damaged: rows 0 to 2 do not match their checksums; found by reading" in ran.err
    assert "vstore repair" in ran.err
    ran = pictures("sync", "--json", code=4)
    assert ran.out == ""
    assert json.loads(ran.err.splitlines()[-1])["error"]["next"] == "run: vstore repair"
    assert pictures("snapshot", "list", "--json").json[0]["paths"] == 4
