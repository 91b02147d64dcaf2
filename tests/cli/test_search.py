"""`vstore search`: words in, pictures out. Also `vstore dupes`."""

from __future__ import annotations

import contextlib
import csv
import os
import pty
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from PIL import Image
from support.folders import drawn, plain
from support.lines import COMMAND, Line, environment, process


def hits(line: Line, *words: str) -> list[tuple[float, list[str]]]:
    return [(hit["score"], hit["paths"]) for hit in line("search", *words, "--json").json["hits"]]


def names(line: Line, *words: str) -> list[str]:
    return [path for _, paths in hits(line, *words) for path in paths]


# Operands


def test_a_picture_finds_itself_first_with_score_1(pictures: Line) -> None:
    found = hits(pictures, "./pictures/b.png")
    assert found[0] == (1.0, ["pictures/b.png"])
    assert len(found) == 3
    assert [score for score, _ in found] == sorted((score for score, _ in found), reverse=True)


@pytest.mark.parametrize(
    "words",
    [
        ["./pictures/b.png"],
        ["image:pictures/b.png"],
        ["--image", "pictures/b.png"],
        ["+", "./pictures/b.png"],
        ["2:./pictures/b.png"],
        ["0.25:image:pictures/b.png"],
    ],
    ids=" ".join,
)
def test_there_are_several_ways_to_name_a_picture(words: list[str], pictures: Line) -> None:
    assert hits(pictures, *words) == hits(pictures, "./pictures/b.png")


def test_a_tilde_is_ones_home(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(pictures.home))
    assert hits(pictures, "~/pictures/b.png") == hits(pictures, "./pictures/b.png")


def test_several_operands_are_weighed_and_added(pictures: Line) -> None:
    a, b, c = "./pictures/a.png", "./pictures/b.png", "./pictures/sub/c.png"
    assert set(names(pictures, a, "+", b, "-k", "2")) == {"pictures/a.png", "pictures/b.png"}
    assert names(pictures, a, "+", f"0.1:{b}")[0] == "pictures/a.png"
    assert names(pictures, f"0.1:{a}", "+", b)[0] == "pictures/b.png"
    assert hits(pictures, a, "+", b) == hits(pictures, a, "--image", "pictures/b.png")
    assert hits(pictures, a, b) == hits(pictures, a, "+", b)
    away = hits(pictures, a, "-", c)
    assert away[-1][1] == ["pictures/sub/c.png"]
    assert away[-1][0] < 0 < away[0][0]
    assert names(pictures, "-", a)[-1] == "pictures/a.png"


def test_a_picture_that_the_store_does_not_know_is_embedded(pictures: Line) -> None:
    pictures.put({"else/where.png": 2, "else/unknown.png": 77})
    assert hits(pictures, "./else/where.png")[0] == (1.0, ["pictures/b.png"])
    assert hits(pictures, "./else/unknown.png")[0][0] < 1


URL = "save it first: curl -Lo query.jpg https://e.org/a.jpg, and search with it: vstore search ./query.jpg"


def test_text_needs_a_model_that_reads_it(pictures: Line) -> None:
    err = pictures("search", "a cat", code=13).err
    assert "the model of the space 'builtin-2' does not read text" in err
    assert "'a cat'" in err
    assert pictures("search", "a cat", "--json", code=13).error["code"] == "model"


def test_a_word_that_is_the_name_of_a_file_is_the_picture_where_no_text_is_read(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy("pictures/a.png", "no-ending")
    for word in ("pictures/a.png", "no-ending"):
        ran = pictures("search", word, "-k", "1")
        assert ran.lines == ["1.000  pictures/a.png"]
        assert ran.err == f"Note: {word} is taken as the picture: this space reads no text\n"
    assert hits(pictures, "0.5:pictures/a.png", "-", "pictures/b.png") == hits(
        pictures, "0.5:./pictures/a.png", "-", "./pictures/b.png"
    )
    assert pictures("search", "pictures/a.png", "--json").json["notes"] == [
        "pictures/a.png is taken as the picture: this space reads no text"
    ]
    assert "notes" not in pictures("search", "./pictures/a.png", "--json").json
    monkeypatch.chdir(pictures.home / "pictures")
    assert pictures("search", "a.png", "-k", "1").lines == ["1.000  a.png"]
    assert "write './a cat'; to search by words" in pictures("search", "a cat", code=13).err
    assert "write ./b; to search by words" in pictures("search", "b", code=13).err
    (pictures.home / "pictures" / "b").mkdir()
    assert "does not read text" in pictures("search", "b", code=13).err, "a name of a folder may be a text"


def test_a_picture_is_found_by_its_path_in_the_snapshot(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures.home / "pictures" / "sub")
    ran = pictures("search", "pictures/a.png", "-k", "1")
    assert ran.lines == ["1.000  ../a.png"]
    beside = f"Note: pictures/a.png is taken as {pictures.home}/pictures/a.png\n"
    assert ran.err == "Note: pictures/a.png is taken as the picture: this space reads no text\n" + beside
    monkeypatch.chdir(pictures.home)
    (pictures.home / "pictures" / "a.png").unlink()
    kept = "Note: {} is not on disk; it is taken as the snapshot has it\n"
    for word in ("pictures/a.png", "./pictures/a.png", str(pictures.home / "pictures/a.png"), "image:pictures/a.png"):
        ran = pictures("search", word, "-k", "1")
        assert ran.lines[0].startswith("1.000  pictures/a.png")
        assert ran.err.endswith(kept.format(word.removeprefix("image:")))
    pictures("sync")
    assert "there is no picture pictures/a.png" in pictures("search", "pictures/a.png", code=2).err
    assert pictures("search", "pictures/a.png", "--at", "v1", "-k", "1").lines[0].startswith("1.000  ")


@pytest.mark.parametrize(
    ("word", "said", "step"),
    [
        ("https://e.org/a.jpg", "https://e.org/a.jpg is an address, and vstore downloads no pictures", URL),
        ("image:https://e.org/a.jpg", "https://e.org/a.jpg is an address", URL),
        ("2:https://e.org/a.jpg", "https://e.org/a.jpg is an address", URL),
        ("s3://bucket/a.jpg", "s3://bucket/a.jpg is an address", "save it to a file, and search with that"),
        ("data:image/png;base64,aaaa", "data:image/png;base64,aaaa… holds the picture itself", "save it to a file"),
        ("file://nas/a.png", "file://nas/a.png is on the machine nas", "mount its disk here"),
        ("file:///no/such.png", "there is no picture file:///no/such.png", "vstore find such.png"),
        ("*.jpg", "no file matches *.jpg", "name a picture file, or look for some with: vstore find '*.jpg'"),
        ("./pictures/*.JPG", "no file matches ./pictures/*.JPG", "vstore find '*.JPG'"),
        ("image:p[0-9].png", "no file matches p[0-9].png", "vstore find"),
        ("pictures/", "pictures/ is a folder", "name a picture file; to search in a folder: --under pictures/"),
        ("./pictures", "./pictures is a folder", "--under ./pictures"),
        (
            "film.MP4",
            "film.MP4 is a video, and vstore searches with pictures",
            "ffmpeg -i film.MP4 -frames:v 1 frame.png",
        ),
        ("./film.MP4", "./film.MP4 is a video", "ffmpeg"),
        ("no.JPG", "there is no picture no.JPG", "look for it with: vstore find no.JPG"),
        ("pictures/aa.png", "there is no picture pictures/aa.png", "did you mean: vstore search pictures/a.png;"),
        ("./pictures/sub/d.png", "there is no picture", "did you mean: vstore search ./pictures/sub/c.png;"),
        (
            "image:pictures/aa.png",
            "there is no picture pictures/aa.png",
            "did you mean pictures/a.png? look for it with: vstore find aa.png",
        ),
    ],
)
def test_what_is_no_picture_gets_an_answer_of_its_own(pictures: Line, word: str, said: str, step: str) -> None:
    pictures.put({"film.MP4": b"moving"})
    error = pictures("search", word, code=2).err.splitlines()
    assert said in error[0] and step in error[1], error


def test_the_address_of_a_file_is_the_file(pictures: Line) -> None:
    pictures.put({"a b%.png": 1})
    for address in (
        f"file://{pictures.home}/a%20b%25.png",
        f"file://localhost{pictures.home}/a%20b%25.png",
        f"image:file://{pictures.home}/a%20b%25.png",
    ):
        assert pictures("search", address, "-k", "1").lines == ["1.000  pictures/a.png"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "nothing to search for"),
        (["+"], 2, "+ or - at the end has no operand"),
        (["+", "-", "./pictures/a.png"], 2, "'-' follows another sign"),
        (["./nowhere.png"], 2, "there is no picture ./nowhere.png"),
        (["./pictures/a.png/b.png"], 2, "there is no picture ./pictures/a.png/b.png"),
        (["./pictures"], 2, "./pictures is a folder"),
        (["image:"], 2, "image: has no file name"),
        ([""], 2, "an operand is empty"),
        (["0:./pictures/a.png"], 2, "a weight of 0 has no effect"),
        (["./pictures/a.png", "-", "./pictures/a.png"], 2, "cancel each other out"),
        (["./pictures/a.png", "-k", "0"], 2, "-k must be at least 1"),
        (["./pictures/a.png", "--min-score", "nan"], 2, "nan is not a valid score"),
        (["./pictures/a.png", "--min-score", "1e400"], 2, "inf is not a valid score"),
        (["./pictures/a.png", "-k", "many"], 2, "not a valid integer"),
        (["./pictures/a.png", "--under", "/etc"], 2, "/etc is not in any synced folder"),
        (["./pictures/a.png", "--at", "v9"], 1, "no snapshot 'v9'"),
        (["./pictures/a.png", "--new-since", "v9"], 1, "no snapshot 'v9'"),
        (["./notes.txt"], 1, "cannot search with ./notes.txt"),
        (["-x"], 2, "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_searched_for_is_said(words: list[str], code: int, said: str, pictures: Line) -> None:
    Path("notes.txt").write_text("words")
    ran = pictures("search", *words, code=code)
    assert ran.out == ""
    assert said in ran.err
    assert said in pictures("search", *words, "--json", code=code).error["message"]


def test_a_store_without_a_snapshot_says_how_to_make_one(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    line("init")
    err = line("search", "./pictures/a.png", code=1).err
    assert err == "Error: this store has no snapshot yet\n  make one with: vstore sync FOLDER\n"


def test_json_names_snapshot_key_score_paths_and_files(pictures: Line) -> None:
    report = pictures("search", "./pictures/b.png", "--json").json
    assert list(report) == ["snapshot", "hits", "flat_query", "store"]
    assert list(report["hits"][0]) == ["key", "score", "paths", "files"]
    assert len(report["hits"][0]["key"]) == 32
    assert report["hits"][0]["files"] == [f"{pictures.home}/pictures/b.png"]


# Which pictures


def test_k_says_how_many(pictures: Line) -> None:
    assert len(hits(pictures, "./pictures/a.png", "-k", "2")) == 2
    pictures.put({f"pictures/{number}.png": 10 + number for number in range(12)})
    pictures("sync")
    assert len(hits(pictures, "./pictures/a.png")) == 10
    assert len(hits(pictures, "./pictures/a.png", "-k", "999")) == 15


def test_under_looks_only_below_a_folder(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    for under in ("pictures/sub", "./pictures/sub", f"{pictures.home}/pictures/sub", "pictures/sub/c.png"):
        assert names(pictures, "./pictures/a.png", "--under", under, "-k", "1") == ["pictures/sub/c.png"]
    monkeypatch.chdir(pictures.home / "pictures")
    assert names(pictures, "./a.png", "--under", "sub") == ["pictures/sub/c.png"]
    assert len(names(pictures, "./a.png", "--under", ".")) == 3


def test_min_score_leaves_out_what_looks_less_alike(pictures: Line) -> None:
    assert names(pictures, "./pictures/a.png", "--min-score", "0.999") == ["pictures/a.png"]
    ran = pictures("search", "./pictures/a.png", "--min-score", "1.5")
    assert (ran.out, ran.err) == ("", "No picture of v1 matches.\n")


@pytest.fixture
def album(line: Line) -> Line:
    """Store 60 pictures, and two copies of one of them."""
    for number in range(60):
        line.put({f"pictures/{number:02d}.png": 100 + number})
    with Image.open("pictures/07.png") as picture:
        picture.save("pictures/07 again.jpg", quality=95)
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("pictures/07 mirrored.png")
    line("sync", "pictures", "-q")
    return line


def test_min_p_leaves_out_what_is_there_by_chance(album: Line) -> None:
    report = album("search", "./pictures/07.png", "-k", "99", "--min-p", "0.0001", "--json").json
    assert {path for hit in report["hits"] for path in hit["paths"]} == {"pictures/07.png", "pictures/07 again.jpg"}
    assert all(hit["chance"] <= 0.0001 and hit["score"] >= report["least"] for hit in report["hits"])
    ran = album("search", "./pictures/07.png", "--min-p", "0.0001", "--under", "pictures/03.png")
    assert (ran.out, ran.err) == (
        "",
        f"Nothing relevant found in v1: no picture scores {report['least']:.3f} or more.\n",
    )
    said = ran.err
    ran = album(
        "search", "./pictures/07.png", "--min-p", "0.0001", "--under", "pictures/03.png", "--html", "h.html", "-q"
    )
    assert ran.err == said and ran.out.startswith("Wrote 0 pictures of v1 to h.html")
    assert said.strip() in (album.home / "h.html").read_text()
    for share in ("0", "1", "-1", "nan"):
        said = album("search", "./pictures/07.png", "--min-p", share, code=2).err
        assert "is not a valid --min-p" in said and "give a share above 0, below 1: 0.001" in said


def test_collapse_shows_near_duplicates_once(album: Line) -> None:
    lines = album("search", "./pictures/07.png", "-k", "2", "--collapse").lines
    assert lines[0] == "1.000  pictures/07.png  (2 near-duplicates)"
    assert len(lines) == 2 and "07" not in lines[1]
    report = album("search", "./pictures/07.png", "-k", "2", "--collapse", "--json").json
    folded = [path for hit in report["hits"][0]["collapsed"] for path in hit["paths"]]
    assert sorted(folded) == ["pictures/07 again.jpg", "pictures/07 mirrored.png"]
    assert report["alike"] == album("dupes", "--near", "--json").json["near"]
    paths = album("search", "./pictures/07.png", "-k", "2", "--collapse", "-l").lines
    assert paths[0] == "pictures/07.png" and len(paths) == 2


def test_an_export_of_a_search_takes_both(album: Line) -> None:
    def exported(out: str, *words: str) -> list[str]:
        album("export", out, "./pictures/07.png", "--format", "csv", "-k", "99", *words)
        with open(out, newline="", encoding="utf-8") as file:
            return [row["path"] for row in csv.DictReader(file)]

    assert sorted(exported("all.csv", "--min-p", "0.0001")) == ["pictures/07 again.jpg", "pictures/07.png"]
    assert exported("one.csv", "--min-p", "0.0001", "--collapse") == ["pictures/07.png"]
    said = album("export", "none.csv", "--format", "csv", "--collapse", code=2).err
    assert "collapse only applies to a search" in said


def test_at_answers_from_an_older_snapshot_with_its_paths(pictures: Line) -> None:
    os.rename("pictures/a.png", "pictures/moved.png")
    os.unlink("pictures/b.png")
    pictures("sync")
    report = pictures("search", "./pictures/moved.png", "--at", "v1", "--json").json
    assert report["snapshot"] == "v1"
    assert sorted(path for hit in report["hits"] for path in hit["paths"]) == [
        "pictures/a.png", "pictures/b.png", "pictures/sub/c.png",
    ]  # fmt: skip
    lines = pictures("search", "./pictures/moved.png", "--at", "v1").lines
    assert lines[0] == "1.000  pictures/a.png  (no longer there)"
    assert names(pictures, "./pictures/moved.png", "-k", "1") == ["pictures/moved.png"]


def test_new_since_shows_only_what_a_snapshot_did_not_have(pictures: Line) -> None:
    pictures.put({"pictures/new.png": 8})
    shutil.copy("pictures/a.png", "pictures/copy.png")
    pictures("sync")
    assert names(pictures, "./pictures/a.png", "--new-since", "v1") == ["pictures/new.png"]


# How they are shown


def test_the_terminal_shows_openable_paths_from_where_one_stands(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pictures("search", "./pictures/a.png", "-k", "1").out == "1.000  pictures/a.png\n"
    monkeypatch.chdir(pictures.home / "pictures" / "sub")
    assert pictures("search", "./c.png", "-k", "1").out == "1.000  c.png\n"
    assert pictures("search", "../a.png", "-k", "1").out == "1.000  ../a.png\n"
    scores = [text.partition("  ")[0] for text in pictures("search", "-", "./c.png").lines]
    assert scores[-1] == "-1.000"
    assert len({len(score) for score in scores}) == 1, "scores stand below one another"


def test_a_picture_with_several_names_is_one_hit(pictures: Line) -> None:
    shutil.copy("pictures/a.png", "pictures/again.png")
    shutil.copy("pictures/a.png", "pictures/zzz.png")
    pictures("sync")
    assert pictures("search", "./pictures/a.png", "-k", "1").out == "1.000  pictures/a.png  (and 2 more)\n"
    os.unlink("pictures/a.png")
    assert pictures("search", "./pictures/zzz.png", "-k", "1").out == "1.000  pictures/again.png  (and 2 more)\n"
    assert pictures("search", "./pictures/zzz.png", "-k", "1", "-l").lines == [
        "pictures/a.png", "pictures/again.png", "pictures/zzz.png",
    ]  # fmt: skip


def test_paths_alone_come_as_lines_or_ended_by_nuls(pictures: Line) -> None:
    assert pictures("search", "./pictures/a.png", "-k", "1", "-l").out == "pictures/a.png\n"
    assert pictures("search", "./pictures/a.png", "-k", "1", "-0").out == "pictures/a.png\0"
    assert len(pictures("search", "./pictures/a.png", "--null").out.split("\0")) == 4


def odd(line: Line) -> list[bytes]:
    """A store of pictures with odd names, in the order of their bytes."""
    names = [b"\x1b[31mred.png", b"two\nlines.png", "é.png".encode(), b"\xff.png"]
    os.mkdir("pictures")
    for name in names:
        with open(b"pictures/" + name, "wb") as file:
            file.write(drawn(1))
    line("sync", "pictures", "-q")
    return names


def test_odd_names_come_whole_where_programs_read_them(line: Line) -> None:
    wanted = odd(line)
    done = subprocess.run(
        [*COMMAND, "search", "-0", b"./pictures/\xff.png"], cwd=line.home, env=environment(), capture_output=True
    )
    assert done.stdout == b"".join(b"pictures/" + name + b"\0" for name in wanted)
    (hit,) = line("search", "./pictures/é.png", "--json").json["hits"]
    assert hit["paths"] == [
        "pictures/\x1b[31mred.png",
        "pictures/two\nlines.png",
        "pictures/é.png",
        "pictures/\ufffd.png",
    ]
    assert hit["paths_b64"] == [None, None, None, "cGljdHVyZXMv/y5wbmc="]
    assert len(hit["files_b64"]) == 4


def test_odd_names_are_safe_on_a_terminal(line: Line) -> None:
    odd(line)
    assert line("search", "./pictures/é.png").out == "1.000  pictures/\\x1b[31mred.png  (and 3 more)\n"
    master, slave = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "search", "-l", "./pictures/é.png"], cwd=line.home, env=environment(), stdout=slave, check=True
    )
    assert done.returncode == 0
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: all was read
        while some := os.read(master, 4096):
            shown += some
    os.close(master)
    assert shown.decode().split("\r\n") == [
        "pictures/\\x1b[31mred.png", "pictures/two\\nlines.png", "pictures/é.png", "pictures/\\xff.png", "",
    ]  # fmt: skip


# Duplicates


def test_dupes_lists_groups_and_what_they_waste(pictures: Line) -> None:
    assert pictures("dupes").out == "v1 holds no identical pictures.\n"
    shutil.copy("pictures/a.png", "pictures/sub/again.png")
    pictures("sync")
    size = f"{len(drawn(1)) / 1024:.1f} KiB"
    expected = [f"2 × {size}", "  pictures/a.png  (best: older file)", "  pictures/sub/again.png"]
    assert pictures("dupes").lines == [*expected, f"1 group, 1 copy, {size} wasted"]
    assert pictures("dupes", "--verify").lines[:3] == expected
    assert pictures("dupes", "--at", "v1").out == "v1 holds no identical pictures.\n"
    none = "v2 holds no identical pictures below pictures/sub.\n"
    assert pictures("dupes", "--under", "pictures/sub").out == none
    none = "v2 holds no identical pictures below pictures/sub where width < 1.\n"
    assert pictures("dupes", "--under", "pictures/sub", "--where", "width < 1").out == none
    none = "v2 holds no pictures that look alike (score 0.9 or more) where width < 1.\n"
    assert pictures("dupes", "--near", "0.9", "--where", "width < 1").out.startswith(none)
    report = pictures("dupes", "--verify", "--json").json
    assert (report["snapshot"], report["verified"], report["wasted"]) == ("v2", True, len(drawn(1)))
    (group,) = report["groups"]
    assert [(one["path"], one["size"]) for one in group["paths"]] == [
        ("pictures/a.png", len(drawn(1))),
        ("pictures/sub/again.png", len(drawn(1))),
    ]
    os.unlink("pictures/a.png")
    assert "  pictures/a.png  (No such file or directory)" in pictures("dupes").lines


def test_dupes_near_lists_pictures_that_look_alike(pictures: Line) -> None:
    none = "v1 holds no pictures that look alike (score 0.81 or more)"
    rare = "score 0.81 or more: 1 in 120,000 pairs of unrelated pictures scores this high\n"
    assert pictures("dupes", "--near").out == f"{none}.\n{rare}"
    below = f"{none} below pictures.\n{rare}"
    assert pictures("dupes", "--near", "--under", "pictures").out == below  # what follows is another option
    with Image.open("pictures/a.png") as picture:
        picture.save("pictures/a again.jpg", quality=95)
    pictures("sync")
    lines = pictures("dupes", "--near", "0.6").lines
    score = lines[2].split()[0]
    assert lines[0] == f"2 files that look alike (score {score} or more)"
    names = ["pictures/a again.jpg", "pictures/a.png  (best: better format)"]
    assert lines[1:3] in (
        [f"  1.000  {names[0]}", f"  {score}  {names[1]}"],
        [f"  1.000  {names[1]}", f"  {score}  {names[0]}"],
    )
    assert 0.6 <= float(score) < 1
    assert lines[3].startswith("1 group, 1 copy, ")
    report = pictures("dupes", "--near=0.6", "--json").json
    assert (report["near"], report["one_in"]) == (0.6, 630)
    assert len(report["groups"][0]["pictures"]) == 2
    assert pictures("dupes", "--near", "1").lines[-1] == (
        "score 1 or more: fewer than 1 in 1,000,000,000 pairs of unrelated pictures score this high"
    )
    loose = pictures("dupes", "--near", "0.6", "--loose").lines
    assert loose == [lines[0].replace("alike", "like the first"), *lines[1:]]
    assert pictures("dupes", "--near", "much", "--json", code=2).error["code"] == "usage"


@pytest.mark.parametrize("word", ["loose", "bursts"])
def test_words_about_look_alikes_need_near_unless_a_configuration_says_them(
    pictures: Line, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    error = pictures("dupes", f"--{word}", "--json", code=2).error
    assert error["next"] == f"add --near, or leave out --{word}"
    monkeypatch.setenv(f"VSTORE_{word.upper()}", "1")
    assert pictures("dupes", "--json").json[word] is False
    assert pictures("dupes", "--near", "--json").json[word] is True


def test_what_is_typed_comes_before_what_a_configuration_says_for_other_runs(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSTORE_VERIFY", "1")
    assert pictures("dupes", "--near", "0.9", "--json").json["verified"] is False
    monkeypatch.delenv("VSTORE_VERIFY")
    monkeypatch.setenv("VSTORE_NEAR", "0.9")
    assert pictures("dupes", "--json").json["near"] == 0.9
    assert pictures("dupes", "--verify", "--json").json["near"] is None
    monkeypatch.setenv("VSTORE_VERIFY", "1")
    assert pictures("dupes", "--json", code=2).error["next"] == "leave out --verify, or --near"


def test_pictures_of_a_burst_are_marked_and_counted_apart(pictures: Line) -> None:
    for n in range(2):
        exif = Image.Exif()
        exif[0x0110] = "X100V"
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:01 12:00:0{n}"
        with Image.open("pictures/b.png") as picture:
            picture.save(f"pictures/{n}.jpg", quality=95 - 5 * n, exif=exif)
    pictures("sync")
    lines = pictures("dupes", "--near", "0.6").lines
    assert lines[0].endswith(" or more), 2 of a burst") and lines[0].startswith("3 files that look alike")
    assert sum(" burst  pictures/" in line for line in lines) == 2
    assert any(line.startswith("1 group, 1 copy, ") for line in lines)
    assert lines[-1] == "2 pictures of bursts: those of one burst are no copies of one another (else: --bursts)"
    out = pictures("dupes", "--near", "0.6", "--bursts").out
    assert "\n1 group, 2 copies, " in out and "pictures of bursts" not in out


def test_dupes_marks_the_best_file_by_the_rules_that_are_given(pictures: Line) -> None:
    shutil.copy("pictures/a.png", "pictures/sub/again.png")
    pictures("sync")
    old, new = "  pictures/a.png", "  pictures/sub/again.png"
    for words, expected in (
        (["--prefer", "pictures/sub"], [old, f"{new}  (best: in a preferred folder)"]),
        (["--prefer", "pictures/a.png", "--prefer", "pictures/sub"], [f"{old}  (best: in a preferred folder)", new]),
        (["--keep-by", "pixels,bytes"], [f"{old}  (best: first by its path)", new]),
    ):
        assert pictures("dupes", *words).lines[1:3] == expected
    assert pictures("dupes", "--prefer", "pictures/sub", "--json").json["groups"][0]["best"][0]["rules"] == [
        "preferred"
    ]
    error = pictures("dupes", "--keep-by", "pixel", "--json", code=2).error
    assert error["message"] == "'pixel' is no rule for the best file"
    assert error["next"].startswith("did you mean: vstore dupes --keep-by pixels --json;")


def test_dupes_says_what_is_decided(pictures: Line) -> None:
    with Image.open("pictures/a.png") as picture:
        for quality in (90, 95):
            picture.save(f"pictures/a{quality}.jpg", quality=quality)
    pictures("sync")
    pictures("decide", "same", "pictures/a90.jpg", "pictures/a95.jpg")
    assert pictures("dupes", "--near", "0.6").lines[0].endswith(" or more), 1 of 3 pairs decided")
    pictures("decide", "keep", "pictures/a.png", "--over", "pictures/a90.jpg", "--over", "pictures/a95.jpg")
    assert pictures("dupes", "--near", "0.6").lines[:2] == [
        "v2 holds no other pictures that look alike (score 0.6 or more).",
        "1 group left out, as all is decided about it (else: --all)",
    ]
    assert pictures("dupes", "--near", "0.6", "--all").lines[0].endswith(" or more), all decided")
    (pictures.home / "pictures/copy.png").write_bytes((pictures.home / "pictures/a.png").read_bytes())
    pictures("sync")
    assert pictures("dupes").lines[0].startswith("2 × ")
    pictures("decide", "keep", "pictures/a.png")
    assert pictures("dupes").lines == [
        "v3 holds no other identical pictures.",
        "1 group left out, as all is decided about it (else: --all)",
    ]
    assert pictures("dupes", "--all").lines[0].endswith(", all decided")
    assert pictures("dupes", "--json").json["decided"] == 1


# Pictures of one colour


def test_pictures_of_one_colour_are_marked_warned_of_and_left_out_of_copies(pictures: Line) -> None:
    warning = (
        "Warning: the query picture is one colour: what is found is like it in colour alone, "
        "and pictures of one colour come first; search with another picture\n"
    )
    pictures.put({"pictures/black.png": plain((0, 0, 0)), "pictures/night.png": plain((2, 2, 2))})
    pictures("sync")

    flat = pictures("search", "./pictures/black.png", "-k", "2")
    shown = pictures("search", "./pictures/b.png", "-k", "9")
    listed = pictures("search", "./pictures/black.png", "-k", "9", "--json")

    assert flat.err == listed.err == warning and shown.err == ""
    assert [row.endswith("(one colour)") for row in flat.out.splitlines()] == [True, True]
    assert sum(row.endswith("(one colour)") for row in shown.out.splitlines()) == 2
    assert {hit["paths"][0] for hit in listed.json["hits"] if hit.get("flat")} == {
        "pictures/black.png",
        "pictures/night.png",
    }
    assert listed.json["flat_query"] is True
    near = pictures("dupes", "--near", "-q")
    assert near.out.endswith("2 flat pictures (one colour) left out of pictures that look alike\n")
    assert pictures("dupes", "--near", "--json").json["flat"] == 2
    assert "flat" not in pictures("dupes").out


# --html


def test_the_hits_are_written_to_a_page(pictures: Line) -> None:
    ran = pictures("search", "./pictures/b.png", "--html", "hits.html", "-q")
    assert re.fullmatch(r"Wrote 3 pictures of v1 to hits\.html \(\d+\.\d KiB\)\n", ran.out)
    page = (pictures.home / "hits.html").read_text()
    assert page.count("<img") == 3
    assert "<h1>Search: ./pictures/b.png</h1>" in page
    (pictures.home / "pictures/b.png").unlink()
    document = pictures("search", "--image", "pictures/a.png", "--html", "again.html", "--json").json
    size = (pictures.home / "again.html").stat().st_size
    assert document == {
        "store": document["store"], "snapshot": "v1", "out": "again.html",
        "pictures": 3, "shown": 3, "missing": 1, "bytes": size,
    }  # fmt: skip
    said = pictures("search", "./pictures/a.png", "--html", "more.html").out
    assert said.endswith("; 1 of them cannot be shown\n")


@pytest.mark.parametrize("option", ["-l", "-0", "--interactive"])
def test_a_page_goes_with_no_other_way_to_show_hits(pictures: Line, option: str) -> None:
    words = [] if option == "--interactive" else ["./pictures/b.png"]
    ran = pictures("search", *words, "--html", "hits.html", option, code=2)
    assert "does not go with --html" in ran.err
    assert not (pictures.home / "hits.html").exists()


def test_a_page_replaces_no_file_and_nothing_is_looked_for_then(pictures: Line) -> None:
    (pictures.home / "mine.html").write_text("mine")
    ran = pictures("search", "./pictures/none.png", "--html", "mine.html", code=2)
    assert "mine.html already exists\n  name another one, or remove it" in ran.err
    assert (pictures.home / "mine.html").read_text() == "mine"
    ran = pictures("search", "./pictures/b.png", "--html", "none/hits.html", code=2)
    assert "there is no folder none to write into" in ran.err


# --open


@pytest.mark.skipif(sys.platform != "linux", reason="there is a screen")
def test_a_browser_for_terminals_is_not_started_beside_a_pipe(pictures: Line) -> None:
    browser = pictures.home / "programs" / "www-browser"
    browser.parent.mkdir()
    browser.write_text("#!/bin/sh\necho started\n")
    browser.chmod(0o755)
    none = dict.fromkeys(("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"), "")
    env = environment(PATH=f"{browser.parent}", TERM="xterm", **none)
    ran = process("search", "./pictures/b.png", "--html", "hits.html", "--open", "-q", cwd=pictures.home, env=env)
    assert ran.code == 1 and "the page is in hits.html: open it yourself" in ran.err
    assert "started" not in ran.out


def fetching(home: Path) -> dict[str, str]:
    """Make a browser that writes the page of its address to a file."""
    browser = home / "browser.py"
    browser.write_text(
        "import sys, urllib.request\n"
        "open('address', 'w').write(sys.argv[1])\n"
        "open('page.html', 'wb').write(urllib.request.urlopen(sys.argv[1]).read())\n"
    )
    return environment(BROWSER=f"{sys.executable} {browser} %s", TMPDIR=str(home / "scratch"))


@pytest.mark.parametrize("form", ["people", "json", "paths"])
def test_the_hits_are_shown_in_a_browser_and_the_page_lies_nowhere(pictures: Line, form: str) -> None:
    (pictures.home / "scratch").mkdir()
    words = {"people": [], "json": ["--json"], "paths": ["-l"]}[form]
    plainly = process("search", "./pictures/b.png", *words, cwd=pictures.home)
    ran = process("search", "./pictures/b.png", "--open", "-q", *words, cwd=pictures.home, env=fetching(pictures.home))
    assert (ran.code, ran.out) == (0, plainly.out)
    assert ran.err == "Opening 3 pictures in your browser\n"
    page = (pictures.home / "page.html").read_text()
    assert page.count("<img") == 3 and "<h1>Search: ./pictures/b.png</h1>" in page
    assert "file://" not in page and str(pictures.home) not in page
    assert not list((pictures.home / "scratch").iterdir())
    address = (pictures.home / "address").read_text()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{43}", address)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=5)


def test_a_page_that_was_written_is_shown_itself(pictures: Line) -> None:
    words = ["search", "./pictures/b.png", "--html", "hits.html", "--open", "-q"]
    ran = process(*words, cwd=pictures.home, env=fetching(pictures.home))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Wrote 3 pictures")
    assert (pictures.home / "address").read_text() == (pictures.home / "hits.html").as_uri()
    assert (pictures.home / "page.html").read_bytes() == (pictures.home / "hits.html").read_bytes()


def test_nothing_is_opened_without_hits_nor_line_by_line(pictures: Line) -> None:
    env = fetching(pictures.home)
    words = ["search", "./pictures/b.png", "--min-score", "0.99", "--under", "pictures/a.png", "--open"]
    ran = process(*words, cwd=pictures.home, env=env)
    assert (ran.code, ran.err) == (0, "No picture of v1 matches.\n")
    assert not (pictures.home / "address").exists()
    assert "does not go with --interactive" in pictures("search", "--open", "--interactive", code=2).err


def test_a_machine_without_a_browser_says_so(pictures: Line) -> None:
    env = environment(BROWSER="/nowhere/browser %s", PATH="/nowhere")
    ran = process("search", "./pictures/b.png", "--open", "-q", "--json", cwd=pictures.home, env=env)
    assert ran.code == 1
    assert (ran.out, ran.err.splitlines()[0]) == ("", "Opening 3 pictures in your browser")
    assert "no browser can be started here" in ran.err and "--html FILE" in ran.err
    ran = process("search", "./pictures/b.png", "--html", "hits.html", "--open", "-q", cwd=pictures.home, env=env)
    assert ran.code == 1 and "the page is in hits.html: open it yourself" in ran.err
