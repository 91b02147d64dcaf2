"""The folders that a store names, at the command line: exit 5 until the user names them, and nothing of it in cron."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.folders import put
from support.lines import COMMAND, Line, environment
from support.strangers import unpacked


@pytest.fixture
def gift(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """Commands of a user in an unpacked folder, whose store names a folder that this user has."""
    line.put({"gift/pictures/a.png": 1, "gift/pictures/b.png": 1, "mine/c.png": 3, "mine/d.png": 1})
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(line.home / "stranger"))
        patch.chdir(line.home / "gift")
        line("sync", "pictures", "-q")
        line("sync", "../mine", "-q")
    unpacked(line.home / "gift", line.home / "here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(line.home / "config"))
    monkeypatch.chdir(line.home / "here" / "gift")
    return line


def test_a_sync_of_all_folders_ends_with_the_whole_command(gift: Line) -> None:
    mine = gift.home / "mine"
    ran = gift("sync", code=5)
    assert ran.out == ""
    assert ran.err == (
        f"Error: the store names the folder {mine}, and you have not named it at this machine; the store may be a "
        f"stranger's, so nothing there was looked at\n  if the pictures there are yours: vstore sync {mine}\n"
    )
    error = gift("status", "--json", code=5).error
    assert (error["code"], error["next"]) == ("untrusted", f"if the pictures there are yours: vstore sync {mine}")
    assert gift("sync", str(mine)).lines[0].startswith("Nothing changed.")
    assert gift("sync").lines[0].startswith("Nothing changed.")


def test_what_lies_beside_the_store_can_be_synced_and_all_can_be_searched(gift: Line) -> None:
    gift.put({"here/gift/pictures/new.png": 4})
    assert gift("sync", "pictures", "--json").json["new"] == 1
    found = gift("search", "./pictures/a.png", "-k", "9").out
    assert os.path.relpath(gift.home / "mine" / "c.png") in found  # by its name alone: it is not said to be gone
    assert "no longer there" not in found
    assert f"mine      {gift.home / 'mine'}  (not named at this machine)" in gift("stats").out
    assert "mine/d.png  (you have not named its folder here)" in gift("dupes").out
    for words in (["check", "--source"], ["check", "--reembed", "1"], ["facts", "--fill", "--pixels"]):
        gift(*words, code=5)
    gift("dupes", "--verify", code=5)


def job(folder: Path, home: Path | None, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as cron or a service does: with an empty environment, or with a home."""
    env = {name: environment()[name] for name in ("PYTHONPATH", "PATH")}
    if home is not None:
        env["HOME"] = str(home)
    return subprocess.run([*COMMAND, *words], cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_a_job_without_a_home_syncs_what_it_names(gift: Line, tmp_path: Path) -> None:
    here, mine, nowhere = gift.home / "here" / "gift", str(gift.home / "mine"), tmp_path / "no" / "home"
    (tmp_path / "no").write_text("a file in the way")
    assert job(here, nowhere, "sync", "-q").returncode == 5
    done = job(here, nowhere, "sync", mine, "-q")
    assert (done.returncode, done.stderr) == (0, "")
    shutil.rmtree(here / ".vstore" / "catalogue")
    assert job(here, nowhere, "sync", "-q").returncode == 5


def test_a_job_of_a_user_who_named_all_folders_sees_no_question(gift: Line, tmp_path: Path) -> None:
    here, mine = gift.home / "here" / "gift", gift.home / "mine"
    (tmp_path / "of the job").mkdir()
    assert job(here, tmp_path / "of the job", "sync", str(mine), "-q").returncode == 0
    put(mine, {"new.png": 9})
    done = job(here, tmp_path / "of the job", "sync", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_second_store_of_the_same_pictures_is_refused_by_name_alone(
    gift: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = gift.home / "here" / "gift" / "pictures"
    monkeypatch.chdir(pictures)
    assert "already in the store" in gift("init", code=2).err
