"""What `vstore sync` and `vstore status` say of what they passed over."""

from __future__ import annotations

import os

from support.lines import Line


def messy(line: Line) -> None:
    line.put(
        {"pictures/a.png": 1, "pictures/#recycle/b.png": 2, "pictures/x/@eaDir/c.png": 3, "pictures/@eaDir/d": b""}
    )
    line.put({f"pictures/{name}": b"" for name in ("e.mp4", "f.mp4", "g.xmp", "h", "i.XCF", "j.psd", "k.psd")})
    line.put({"other/l.png": 4})
    os.symlink("../other", "pictures/album")
    os.symlink(".git/annex/objects/x/y.png", "pictures/m.png")


SAID = [
    "  3  pictures of kinds that vstore does not read: 2 psd, 1 xcf (such as pictures/i.XCF)",
    "  4  other files, not opened: 2 mp4, 1 xmp, 1 other",
    "  1  picture not read (such as pictures/m.png): its content is not here but in git-annex: git annex get .",
    "  1  symlinked folder, not entered without --follow-symlinks: pictures/album",
    "Left out: pictures/#recycle (deleted files), pictures/@eaDir and 1 more (previews). To take one in: vstore sync "
    "--exclude '!#recycle/'",
]


def test_the_report_of_a_sync_names_all_of_it_once(line: Line) -> None:
    messy(line)
    ran = line("sync", "pictures/")
    assert ran.lines[2:8] == ["  1  new: pictures/a.png", *SAID]
    assert ran.lines[8] == "Wrote snapshot v1: 1 picture"


def test_so_do_a_sync_that_changes_nothing_and_a_status(line: Line) -> None:
    messy(line)
    line("sync", "pictures/")
    for words in (["sync"], ["status"]):
        ran = line(*words)
        assert ran.lines[0].startswith("Nothing changed. v1: 1 picture, checked in ")
        assert ran.lines[1:] == SAID
    assert line("sync", "-q").out == ""


def test_the_json_document_holds_it(line: Line) -> None:
    messy(line)
    line("sync", "pictures/")
    for words in (["sync"], ["status"]):
        document = line(*words, "--json").json
        assert document["ignored"] == 7 and document["removed_left_out"] == 0
        assert [(one["kind"], one["name"], one["count"]) for one in document["passed"]] == [
            ("deleted", "#recycle", 1), ("previews", "@eaDir", 2), ("link", "", 1), ("elsewhere", "git-annex", 1),
            ("picture", "psd", 2), ("picture", "xcf", 1), ("other", "mp4", 2), ("other", "", 1), ("other", "xmp", 1),
        ]  # fmt: skip


def test_the_command_that_it_names_takes_the_folder_in(line: Line) -> None:
    messy(line)
    line("sync", "pictures/")
    ran = line("sync", "--exclude", "!#recycle/")
    assert ran.lines[0] == "  1  new: pictures/#recycle/b.png"
    assert (
        "Left out: pictures/@eaDir and 1 more (previews). To take one in: vstore sync --exclude '!@eaDir/'" in ran.out
    )


def test_an_old_store_says_what_left_it(line: Line) -> None:
    messy(line)
    line("sync", "pictures/", "--exclude", "!#recycle/")
    no = ("--no-exclude", "!#recycle/")
    ran = line("sync", "-n", *no)
    assert "1 path of such folders would leave the index. No file was touched" in ran.out
    ran = line("sync", *no)
    assert ran.lines[0] == "  1  removed: pictures/#recycle/b.png"
    said = "1 path of such folders left the index. No file was touched, and taking them in again embeds nothing."
    assert ran.lines[ran.lines.index(SAID[-1]) + 1] == said
    assert "left the index" not in line("sync").out


def test_many_folders_and_extensions_are_cut_short(line: Line) -> None:
    line.put({"pictures/a.png": 1, **{f"pictures/{n} Previews.lrdata/b.png": 1 for n in range(9)}})
    line.put({f"pictures/{n}.x{n}y": b"" for n in range(9)})
    ran = line("sync", "pictures/")
    assert "  9  other files, not opened: 1 x0y, 1 x1y, 1 x2y, 1 x3y, 1 x4y, 4 other" in ran.lines
    assert "4 Previews.lrdata (previews) and 4 more (--json lists all). To take one in:" in ran.out
    assert "--exclude '!0 Previews.lrdata/'" in ran.out


def test_a_name_can_send_nothing_to_the_terminal(line: Line) -> None:
    line.put({"pictures/a.png": 1, "pictures/b\x1b[31m.psd": b"", "pictures/\x1b[0m Previews.lrdata/c.png": 2})
    ran = line("sync", "pictures/")
    assert "\x1b" not in ran.out and r"\x1b[31m.psd" in ran.out


def test_a_new_folder_without_pictures_says_what_it_has(line: Line) -> None:
    messy(line)
    os.unlink("pictures/a.png")
    first = line("sync", "pictures/", code=2).err
    assert not os.path.exists(".vstore")
    line("init")
    message = line("sync", "pictures/", code=2).err
    assert "holds no pictures, only 7 other files" in first
    assert "holds no pictures, only 7 other files (2 mp4, 2 psd, 1 xcf and 1 more), 3 folders left out" in message
    assert "1 symlinked folder, entered with --follow-symlinks" in message


# Patterns


def test_a_pattern_that_can_match_nothing_is_refused_with_the_right_form(line: Line) -> None:
    line.put({"pictures/animals/a.png": 1, "pictures/b.png": 2})
    error = line("sync", "pictures/", "--exclude", "./animals/", "--json", code=2).error
    assert (error["code"], error["next"]) == ("usage", "give: --exclude /animals/")
    assert not os.path.exists(".vstore")
    line("sync", "pictures/", "-q")
    for words in (["sync"], ["sync", "-n"]):
        assert line(*words, "--exclude", os.path.abspath("pictures/animals"), "--json", code=2).error["next"] == (
            "give: --exclude /animals"
        )


def test_notes_go_to_stderr_even_when_quiet_and_into_the_document(line: Line) -> None:
    line.put({"pictures/animals/a.png": 1, "pictures/b.png": 2})
    line("sync", "pictures/")
    note = (
        "--exclude ANIMALS/ matches nothing; there is animals. "
        "To match that: vstore sync --no-exclude ANIMALS/ --exclude animals/"
    )
    ran = line("sync", "-q", "--exclude", "ANIMALS/")
    assert (ran.out, ran.err) == ("", f"Note: {note}\n")
    line("sync", "--no-exclude", "ANIMALS/")
    ran = line("sync", "--json", "--exclude", "ANIMALS/")
    assert ran.json["notes"] == [note] and ran.err == ""
    assert line("sync", "--no-exclude", "ANIMALS/", "--exclude", "animals/", "--json").json["removed"] == 1


def test_a_sync_says_which_removed_pictures_patterns_hide(line: Line) -> None:
    line.put({"pictures/in/a.png": 1, "pictures/b.png": 2})
    line("sync", "pictures/")
    said = (
        "1 path that patterns hide (--exclude, .vstoreignore) {} the index. No file was touched, and taking them in "
        "again embeds nothing."
    )
    assert said.format("would leave") in line("sync", "--exclude", "in/", "-n").lines
    assert said.format("left") in line("sync", "--exclude", "in/").lines
