"""`ls`, `find` and `show` on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.lines import CALL, COMMAND, Line, environment
from support.terminal import in_terminal


def test_ls_prints_paths_as_they_are_opened_from_here(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pictures("ls").lines == ["pictures/"]
    assert pictures("ls", "pictures").lines == ["pictures/a.png", "pictures/b.png", "pictures/sub/"]
    assert pictures("ls", "-R").lines == ["pictures/a.png", "pictures/b.png", "pictures/sub/c.png"]
    monkeypatch.chdir(pictures.home / "pictures")
    assert pictures("ls", ".").lines == ["a.png", "b.png", "sub/"]
    monkeypatch.chdir(pictures.home / "pictures/sub")
    assert pictures("ls", "..").lines == ["../a.png", "../b.png", "../sub/"]
    for line in pictures("ls", "-R").lines:
        assert os.path.isfile(line)
    monkeypatch.chdir("/")
    ran = pictures("--store", pictures.store, "ls", "v1", "pictures/sub")
    assert ran.lines == [str(pictures.home / "pictures/sub/c.png").removeprefix("/")]


@pytest.mark.parametrize("command", ["ls", "find", "show"])
def test_an_address_has_an_answer_of_its_own(pictures: Line, command: str) -> None:
    error = pictures(command, "https://e.org/a.jpg", "--json", code=2).error
    assert error["message"] == "https://e.org/a.jpg is an address, and vstore downloads no pictures"
    save = "save it first: curl -Lo query.jpg https://e.org/a.jpg, and show it: vstore show ./query.jpg"
    assert error["next"] == save
    assert "save it to a file" in pictures(command, "s3://bucket/a.jpg", "--json", code=2).error["next"]
    assert pictures(command, "data:image/png;base64,aa", code=2).err.startswith(
        "Error: data:image/png;base64,aa… holds"
    )


def test_a_file_address_is_the_file(pictures: Line) -> None:
    address = (pictures.home / "pictures/a.png").as_uri()
    assert pictures("show", address, "--json").json["path"] == "pictures/a.png"
    assert pictures("ls", address).lines == ["pictures/a.png"]


def test_a_label_without_a_folder_keeps_its_stored_paths(pictures: Line) -> None:
    from vstore.repository.repository import Repository

    repo = Repository(pictures.store)
    with repo.committing("roots"):
        repo.publish("roots", {"roots": {"pictures": None}})
    assert pictures("ls", "-R").lines == ["pictures/a.png", "pictures/b.png", "pictures/sub/c.png"]
    assert pictures("ls", "--json").json["entries"] == [{"path": "pictures", "file": None, "key": None}]


def test_long_lines_have_key_size_pixels_date_and_counts(pictures: Line) -> None:
    (top,) = pictures("ls", "--long").lines
    assert top.split() == ["3", "pictures/"]
    picture = pictures("ls", "pictures", "-l").lines[0].split()
    key = pictures("ls", "pictures", "--json").json["entries"][0]["key"]
    assert picture[0] == key[:12]
    assert picture[1:4] == ["1.8", "KiB", "30x20"]
    assert picture[-1] == "pictures/a.png"


@pytest.mark.parametrize(("columns", "parts"), [(140, 6), (60, 3), (40, 3)])
def test_a_narrow_terminal_leaves_half_to_the_paths(pictures: Line, columns: int, parts: int) -> None:
    code, out = in_terminal(["ls", "pictures", "-l", "--no-pager"], pictures.home, columns=columns)
    first = out.splitlines()[0]
    assert code == 0
    assert first.endswith("  pictures/a.png")
    assert len(first.removesuffix("pictures/a.png")) <= max(columns // 2, 22)
    assert len(first.replace(" KiB", "KiB").split()) == parts


def test_columns_says_how_wide_a_terminal_is_to_be(pictures: Line) -> None:
    words = ["ls", "pictures", "-l", "--no-pager"]
    narrow = in_terminal(words, pictures.home, columns=40)
    assert in_terminal(words, pictures.home, columns=140, COLUMNS="40") == narrow
    assert in_terminal(words, pictures.home, columns=140) != narrow


def test_nothing_to_list_is_said_and_no_error(pictures: Line) -> None:
    (pictures.home / "pictures/empty").mkdir()
    for words, told in (
        (("ls", "pictures/empty"), "v1 holds no pictures there."),
        (("ls", "--new-since", "v1"), "v1 holds no picture that v1 lacks."),
        (("ls", "--space-missing", "builtin-2"), "v1 holds no picture without a vector in builtin-2."),
        (("ls", "--failed"), "The newest sync read every picture that it met."),
        (("ls", "--failed", "pictures/empty"), "The newest sync read every picture that it met there."),
    ):
        ran = pictures(*words)
        assert (ran.out, ran.err) == ("", told + "\n")


def test_failed_pictures_are_printed_with_the_reason(pictures: Line) -> None:
    pictures.put({"pictures/broken.png": b"no picture"})
    pictures("sync", "-q", code=3)
    (line,) = pictures("ls", "--failed").lines
    assert line.startswith("pictures/broken.png: ")
    (entry,) = pictures("ls", "--failed", "--json").json["entries"]
    assert entry["kind"] == "not_an_image"
    assert pictures("ls", "--failed", "-0").out == "pictures/broken.png\0"
    assert "broken" not in pictures("ls", "-R").out


@pytest.mark.skipif(sys.platform != "linux", reason="other disks refuse such names")
def test_odd_names_are_raw_in_a_pipe_and_harmless_on_a_terminal(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = os.fsdecode(b"\xff\x1b[31m\n.png")
    line.put({f"pictures/{odd}": 1})
    line("sync", "pictures", "-q")
    piped = subprocess.run([*COMMAND, "ls", "pictures"], cwd=line.home, env=environment(), capture_output=True)
    assert piped.stdout == os.fsencode(f"pictures/{odd}\n")
    null = subprocess.run([*COMMAND, "find", "*.png", "-0"], cwd=line.home, env=environment(), capture_output=True)
    assert null.stdout == os.fsencode(f"pictures/{odd}\0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert line("ls", "pictures").out == "pictures/\\xff\\x1b[31m\\n.png\n"
    (entry,) = line("ls", "pictures", "--json").json["entries"]
    assert entry["path_b64"]
    assert entry["file_b64"]


def test_the_first_lines_are_enough(line: Line) -> None:
    line.put({f"pictures/{n:04}.png": n % 3 for n in range(1500)})
    line("sync", "pictures", "-q")
    for words in (["ls", "-R"], ["find", "*"], ["ls", "-R", "--json"]):
        made = subprocess.Popen(
            [sys.executable, "-c", CALL, *words],
            cwd=line.home,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert made.stdout is not None
        assert made.stderr is not None
        made.stdout.read(100)
        made.stdout.close()
        assert made.stderr.read() == b""
        assert made.wait() == 141
        made.stderr.close()


def test_who_quits_the_pager_gets_no_complaint(line: Line) -> None:
    line.put({f"pictures/{'long name ' * 8}{n:04}.png": n % 3 for n in range(1500)})
    line("sync", "pictures", "-q")
    for words in (["ls", "-R"], ["find", "*"]):
        code, out = in_terminal(words, line.home, VSTORE_PAGER="head -1")
        assert code == 0
        assert len(out.splitlines()) <= 3
    code, out = in_terminal(["ls", "-0", "pictures/" + "long name " * 8 + "0000.png"], line.home, VSTORE_PAGER="false")
    assert out.endswith(".png\0")


def test_a_document_of_many_lines_is_one_line(line: Line) -> None:
    line.put({f"pictures/{n:04}.png": n % 3 for n in range(70)})
    line("sync", "pictures", "-q")
    document = line("ls", "-R", "--json").json
    assert list(document) == ["snapshot", "store", "entries"]
    assert len(document["entries"]) == 70
    assert line("find", "zebra", "--json").json["entries"] == []


def test_words_that_contradict_one_another_are_refused(pictures: Line) -> None:
    for words in (["ls", "-0", "-l"], ["find", "*", "-0", "--json"]):
        assert "-0 prints paths" in pictures(*words, code=2).err
    ran = pictures("find", "pictures/a.png", "pictures/b.png", code=2)
    assert "quote it: vstore find '*.jpg'" in ran.err
    assert pictures("ls", "a", "b", "c", code=2).err.startswith("Error: 3 words are too many")


def test_find_names_what_may_be_meant(pictures: Line) -> None:
    assert pictures("find", "?.png").lines == ["pictures/a.png", "pictures/b.png", "pictures/sub/c.png"]
    assert pictures("find", "sub/*").lines == ["pictures/sub/c.png"]
    ran = pictures("find", "A.PNG")
    assert (ran.out, ran.err) == (
        "",
        "No picture in v1 has a name that matches A.PNG. Did you mean pictures/a.png?\n",
    )
    assert pictures("find", "A.PNG", "-i").lines == ["pictures/a.png"]
    ran = pictures("find", "zebra.gif")
    assert ran.err.endswith("matches zebra.gif. To look in all snapshots: vstore find --all zebra.gif\n")
    assert pictures("find", "*.HEIC", "-i").err.endswith("To look in all snapshots: vstore find --all -i '*.HEIC'\n")
    (near,) = pictures("find", "A.PNG", "--json").json["near"]
    assert near["file"] == str(pictures.home / "pictures/a.png")
    (pictures.home / "pictures/a.png").unlink()
    pictures("sync", "-q")
    assert pictures("find", "?.png", "--all").lines == [
        "pictures/a.png  (v1)",
        "pictures/b.png  (v1-v2)",
        "pictures/sub/c.png  (v1-v2)",
    ]
    (found,) = pictures("find", "a.png", "--all", "--json").json["entries"]
    assert found["snapshots"] == [{"first": "v1", "last": "v1"}]
    assert pictures("find", "zebra", "--all").err == "No picture in any snapshot has a name that matches zebra.\n"


def test_a_name_that_is_nowhere_here_is_looked_for_by_name(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.put({"pictures/a b/q [1].png": Path("pictures/a.png").read_bytes()})
    pictures("sync", "-q")
    monkeypatch.chdir("pictures/sub")
    assert pictures("find", "A.PNG").err.endswith("Did you mean ../a.png?\n")
    assert pictures("find", "Q?[[]1].png").err.endswith("Did you mean '../a b/q [1].png'?\n")
    for words in (["show", "q [1].png"], ["search", "./q [1].png"]):
        ran = pictures(*words, code=2)
        assert "look for it with: vstore find 'q \\[1].png'" in ran.err
    assert pictures("find", "q \\[1].png").lines == ["../a b/q [1].png"]
    monkeypatch.chdir(pictures.home)
    assert "did you mean 'pictures/a b'?" in pictures("sync", "pictures/a  b", code=2).err


def test_show_says_how_a_picture_stands(pictures: Line) -> None:
    ran = pictures("show", "pictures/a.png")
    rows = dict(line.split(None, 1) for line in ran.lines if line[:1] != " ")
    assert rows["picture"] == rows["names"] == "pictures/a.png"
    assert (rows["snapshots"], rows["spaces"], rows["pixels"]) == ("v1", "builtin-2", "30 x 20")
    assert rows["similar"].split()[1] in ("pictures/b.png", "pictures/sub/c.png")
    assert len(ran.lines) == 10
    pictures.put({"pictures/a.png": 7})
    ran = pictures("show", "pictures/a.png", "--no-neighbours")
    assert "status     its file has changed since" in ran.lines
    assert ran.err == "Take its new bytes in with: vstore sync\n"
    assert "similar" not in ran.out
    (pictures.home / "pictures/b.png").unlink()
    assert "pictures/b.png  (no longer there)" in pictures("show", "pictures/b.png", "--no-neighbours").out
    pictures("sync", "-q")
    ran = pictures("show", "pictures/b.png", "--no-neighbours")
    assert ran.err.startswith("Look at it there: vstore show ")
    document = pictures("show", "pictures/b.png", "--no-neighbours", "--json").json
    assert (document["status"], document["neighbours"]) == ("older", None)
    shown = pictures(*document["next"].removeprefix("look at it there: vstore ").split())
    assert "snapshots  v1" in shown.lines


def test_many_names_of_one_picture_are_counted(line: Line) -> None:
    line.put({f"pictures/{n:02}.png": 1 for n in range(25)})
    line("sync", "pictures", "-q")
    ran = line("show", "pictures/00.png", "--no-neighbours")
    assert "and 5 more; --json lists all" in ran.out
    assert len(line("show", "pictures/00.png", "--no-neighbours", "--json").json["names"]) == 25


def test_they_find_the_store_of_their_path(pictures: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(pictures("ls", str(pictures.home / "pictures")).lines) == 3
    assert pictures("show", str(pictures.home / "pictures/a.png"), "--no-neighbours").lines
    assert pictures("find", "*", code=10).err.startswith("Error: there is no store here")


def test_an_error_amid_a_document_ends_it_with_an_exit_code(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.errors import Damage
    from vstore.format.tree import Tree

    def broken(tree: Tree, leaf: object) -> object:
        raise Damage("a page is damaged", "run: vstore check")

    monkeypatch.setattr(Tree, "decode", broken)
    ran = pictures("ls", "-R", "--json", code=4)
    assert json.loads(ran.err.splitlines()[-1])["error"]["code"] == "damage"
