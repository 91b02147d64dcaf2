"""`vstore dupes --plan`, `--apply` and `--restore`."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from PIL import Image
from support.folders import drawn
from support.lines import Line
from support.plans import files
from support.signalled import Running, waiting_in


@pytest.fixture
def pictures(line: Line) -> Line:
    line.put({"pictures/a.png": 1, "pictures/b/a.png": 1, "pictures/b/a.xmp": b"stars", "pictures/c.png": 2})
    line("sync", "pictures", "-q")
    return line


def test_a_plan_is_written_carried_out_and_taken_back(pictures: Line) -> None:
    size = f"{len(drawn(1)) / 1024:.1f} KiB"
    ran = pictures("dupes", "--plan", "plan.json")
    assert ran.lines == [
        f"Wrote a plan, plan.json: 2 files of 1 group, {size}, would go.",
        "Nothing was moved. Read it, change it, then run: vstore dupes --apply plan.json",
    ]
    assert ran.err == ""
    before = files(pictures.home / "pictures")
    plan = json.loads((pictures.home / "plan.json").read_text())["id"]
    trash = pictures.home / "pictures" / ".vstore-trash" / plan
    ran = pictures("dupes", "--apply", "plan.json")
    assert ran.lines == [
        f"Moved 2 files, {size}, to the trash.",
        f"Move them back with: vstore dupes --restore {trash}",
        "Bring the store up to date with: vstore sync",
    ]
    assert set(files(trash)) == {"b/a.png", "b/a.xmp"}
    assert pictures("dupes", "--apply", "plan.json").lines[0] == (
        "Moved 0 files, 0 B, to the trash; 2 were moved by an earlier run."
    )
    pictures("sync", "-q")
    assert pictures.paths() == ["pictures/a.png", "pictures/c.png"]
    assert pictures("dupes", "--restore", trash).lines == [
        "Moved 2 files back.",
        "Bring the store up to date with: vstore sync",
    ]
    assert pictures("dupes", "--restore", trash).lines == ["Moved 0 files back; 2 are there already."]
    assert files(pictures.home / "pictures") == before


def test_what_stays_is_noted_and_can_be_taken_back(line: Line) -> None:
    photo = Path(__file__).parents[2] / "examples/pictures/animals/cat-1.jpg"
    (line.home / "photos").mkdir()
    with Image.open(photo) as cat:
        cat.save(line.home / "photos/large.png")
        cat.resize((cat.width // 2, cat.height // 2)).save(line.home / "photos/small.png")
    line("sync", "photos", "-q")
    line("dupes", "--near", "0.9", "--plan", "plan.json")
    ran = line("dupes", "--apply", "plan.json")
    assert ran.lines[1] == "Noted 1 decision on what stays. Take back with: vstore undo"
    line("dupes", "--restore", next((line.home / "photos/.vstore-trash").iterdir()))
    again = line("dupes", "--near", "0.9")
    assert "1 group left out" in again.out + again.err
    line("undo")
    assert "1 group, 1 copy" in line("dupes", "--near", "0.9").out


def test_hard_links_take_the_place_of_copies_and_sidecars_stay(pictures: Line) -> None:
    before = files(pictures.home / "pictures")
    pictures("dupes", "--plan", "plan.json")
    ran = pictures("dupes", "--apply", "plan.json", "--link", code=3)
    (trash,) = (pictures.home / "pictures/.vstore-trash").iterdir()
    assert ran.lines == [
        f"Moved 1 file, {len(drawn(1)) / 1024:.1f} KiB, to the trash.",
        "Made 1 hard link to what stays.",
        f"Move them back with: vstore dupes --restore {trash}",
        "Bring the store up to date with: vstore sync",
    ]
    assert ran.err.splitlines() == [
        "1 file not moved:",
        "  pictures/b/a.xmp: no file that stays has its bytes, and a hard link would be another picture",
    ]
    a, b = (pictures.home / "pictures" / name for name in ("a.png", "b/a.png"))
    assert a.samefile(b)
    assert pictures("dupes", "--apply", "plan.json", "--link", "--json", code=3).json["linked"] == []
    shutil.rmtree(pictures.store)
    pictures("dupes", "--restore", trash)
    assert files(pictures.home / "pictures") == before and not a.samefile(b)


def test_link_goes_with_apply_alone(pictures: Line) -> None:
    for words in ([], ["--plan", "plan.json"], ["--restore", "pictures"]):
        error = pictures("dupes", *words, "--link", "--json", code=2).error
        assert error["message"].startswith("--link does not go with")


def test_restore_works_without_a_store(pictures: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(pictures.home / "pictures")
    pictures("dupes", "--plan", "plan.json", "-q")
    assert pictures("dupes", "--apply", "plan.json", "-q").out == ""
    shutil.rmtree(pictures.store)
    (trash,) = (pictures.home / "pictures/.vstore-trash").iterdir()
    monkeypatch.chdir(tmp_path)
    document = pictures("dupes", "--restore", trash, "--json").json
    assert "store" not in document
    assert sorted(one["path"] for one in document["moved"]) == ["b/a.png", "b/a.xmp"]
    assert files(pictures.home / "pictures") == before


def test_what_is_refused_is_named_and_the_exit_code_is_3(pictures: Line) -> None:
    pictures("dupes", "--plan", "plan.json")
    pictures.put({"pictures/a.png": 7})
    ran = pictures("dupes", "--apply", "plan.json", code=3)
    assert ran.out.startswith("Moved 0 files, 0 B, to the trash.\n")
    why = "no file that is to stay for it is there with its bytes (a.png: it has changed since)"
    assert ran.err.splitlines() == [
        "2 files not moved:",
        f"  pictures/b/a.png: {why}",
        f"  pictures/b/a.xmp: {why}",
    ]
    document = pictures("dupes", "--apply", "plan.json", "--json", code=3).json
    assert document["refused"][0] == {
        "path": "pictures/b/a.png",
        "file": str(pictures.home / "pictures/b/a.png"),
        "reason": why,
        "row": "groups[0].files[1]",
    }


def test_a_place_that_is_taken_is_named(pictures: Line) -> None:
    pictures("dupes", "--plan", "plan.json")
    pictures("dupes", "--apply", "plan.json")
    (trash,) = (pictures.home / "pictures/.vstore-trash").iterdir()
    pictures.put({"pictures/b/a.png": 7})
    (trash / "mine.txt").write_text("mine")
    ran = pictures("dupes", "--restore", trash, code=3)
    assert ran.err.splitlines() == [
        "1 file not moved:",
        "  pictures/b/a.png: another file is at its place now",
        "1 file in the trash that its record does not name, left there:",
        f"  {os.path.relpath(trash, pictures.home)}/mine.txt",
    ]


def test_nothing_to_move_is_said(pictures: Line) -> None:
    (pictures.home / "pictures/b/a.png").unlink()
    pictures("sync", "-q")
    assert pictures("dupes", "--plan", "plan.json").lines == [
        "Wrote an empty plan, plan.json: v2 holds nothing that could go."
    ]
    assert pictures("dupes", "--apply", "plan.json").lines == ["Moved 0 files, 0 B, to the trash."]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--plan", "p", "--verify"], "--verify does not go with --plan"),
        (["--plan", "p", "--near", "--loose"], "--loose does not go with --plan"),
        (["--plan", "p", "--all"], "--all does not go with --plan"),
        (["--plan", "p", "--apply", "q"], "--apply does not go with --plan"),
        (["--plan", "p", "--wait"], "--wait does not go with --plan"),
        (["--apply", "p", "--near"], "--near does not go with --apply"),
        (["--apply", "p", "--under", "pictures"], "--under does not go with --apply"),
        (["--apply", "p", "--restore", "q"], "--restore does not go with --apply"),
        (["--restore", "p", "--at", "v1"], "--at does not go with --restore"),
        (["--restore", "p", "--where", "true"], "--where does not go with --restore"),
        (["--wait"], "--wait does not go with a list"),
        (["--apply", "none.json"], "cannot read the plan none.json: No such file or directory"),
        (["--apply", "pictures"], "cannot read the plan pictures: Is a directory"),
        (["--apply", "pictures/c.png"], "is not a plan"),
        (["--apply", ""], "an argument is empty"),
        (["--plan", ""], "an argument is empty"),
        (["--restore", ""], "an argument is empty"),
        (["--restore", "pictures"], "is not the trash folder of a plan"),
        (["--restore", "none"], "is not the trash folder of a plan"),
        (["--plan", "none/plan.json"], "there is no folder"),
        (["--plan", "pictures/c.png"], "already exists"),
    ],
)
def test_what_cannot_be_meant_is_refused(pictures: Line, words: list[str], message: str) -> None:
    before = files(pictures.home / "pictures")
    error = pictures("dupes", *words, "--json", code=2).error
    assert error["code"] == "usage" and message in error["message"]
    assert files(pictures.home / "pictures") == before
    assert not (pictures.home / "p").exists()


def test_options_of_a_configuration_spoil_no_apply(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSTORE_NEAR", "0.99")
    monkeypatch.setenv("VSTORE_WAIT", "1")
    monkeypatch.setenv("VSTORE_VERIFY", "0")
    pictures("dupes", "--plan", "plan.json")
    pictures("dupes", "--apply", "plan.json")
    pictures("dupes")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_what_was_moved_and_the_same_command_goes_on(pictures: Line, times: int) -> None:
    pictures.put({f"pictures/b/{n}.png": n + 1 for n in range(2)})
    pictures("sync", "-q")
    before = files(pictures.home / "pictures")
    pictures("dupes", "--plan", "plan.json")

    def interrupted(place: str, *words: str) -> None:
        for name in ("reached", "go"):
            (pictures.home / name).unlink(missing_ok=True)
        with Running(pictures.home, *words, script=waiting_in(place)) as running:
            running.signal(signal.SIGINT)
            running.says("Stopping after this file; finished work is saved.")
            if times == 2:
                running.signal(signal.SIGINT)
            ran = running.end() if times == 2 else running.go_on()
        assert ran.code == 130
        assert ran.err.rstrip().endswith(f"continue with: vstore {' '.join(words)}")
        assert ran.out.startswith("Moved 1 file") == (times == 1)
        assert len(files(pictures.home / "pictures")) == len(before)

    interrupted("vstore.plans.apply:move_away", "dupes", "--apply", "plan.json")
    pictures("dupes", "--apply", "plan.json")
    (trash,) = (pictures.home / "pictures/.vstore-trash").iterdir()
    assert len(files(trash)) == 4
    interrupted("vstore.plans.restore:move_back", "dupes", "--restore", str(trash))
    pictures("dupes", "--restore", trash)
    assert files(pictures.home / "pictures") == before
