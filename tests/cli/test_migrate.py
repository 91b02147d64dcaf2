"""`vstore migrate`: what it prints, and its exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.folders import digests
from support.format_1 import begin, many_snapshots
from support.lines import POWERLESS, Line, process

from vstore.disk.lock import Lock
from vstore.format.layout import Layout
from vstore.repository.form import read_form


@pytest.fixture
def old(line: Line) -> Line:
    """Commands in a folder with a store of format 1."""
    begin(line.home / ".vstore")
    line.put({"pictures/a.png": 1, "pictures/b.png": 2})
    line("init")
    line("sync", "pictures", "-q")
    assert read_form(line.home / ".vstore").format == 1
    return line


def test_it_says_what_it_would_write_and_what_it_wrote(line: Line) -> None:
    many_snapshots(line.home / ".vstore", 140)
    plan = line("migrate", "--dry-run").lines
    done = line("migrate").lines
    assert plan[0] == "Would upgrade the store to format 2, and write:"
    assert done[0] == "The store now has format 2. Written:"
    assert plan[1:-1] == done[1:-1]
    assert [re.sub(r"[\d,]+ bytes", "N bytes", step) for step in done[1:-1]] == [
        "  packs/: the list of all 140 snapshots, N bytes",
        "  FORMAT: format 2, N bytes",
        "  refs/000000000152.json: the state of the store, N bytes",
    ]
    assert plan[-1] == (
        "Older versions of vstore would then refuse the store, and earlier operations could no longer be undone."
    )
    assert done[-1] == "Older versions of vstore now refuse the store, and earlier operations can no longer be undone."
    assert line("migrate").lines == ["Nothing to do: the store has format 2, the newest."]


def test_its_json_is_the_same_but_for_what_it_did(old: Line) -> None:
    plan, done, again = (line.json for line in (old("migrate", *words, "--json") for words in (["-n"], [], [])))
    assert (plan["dry_run"], plan["format"], plan["newest"]) == (True, 1, 2)
    assert done == {**plan, "dry_run": False, "format": 2}
    assert len(done["steps"]) == 2
    assert again == {**done, "steps": [], "bytes": 0}


def test_stats_and_doctor_name_the_format(old: Line) -> None:
    assert "(format 1, hash xxh3_128, vectors float16)" in old("stats").lines[0]
    not_done = "The upgrade to the newest format is not done; the store works without it. See: vstore migrate --dry-run"
    assert old("stats").lines[-1] == not_done
    old("migrate")
    assert "(format 2, hash xxh3_128, vectors float16)" in old("stats").lines[0]
    assert "migrate" not in old("stats").out


def test_after_an_interruption_it_says_what_is_left(old: Line) -> None:
    form = read_form(old.home / ".vstore")
    (old.home / ".vstore" / "FORMAT").write_bytes(form._replace(format=2).to_bytes())
    assert old("stats").lines[-1].startswith("The upgrade to the newest format is not done; ")
    plan, done = old("migrate", "--dry-run").lines, old("migrate").lines
    assert plan[1:-1] == done[1:-1] and len(done) == 3
    assert (
        plan[-1] == "Older versions of vstore now refuse the store, and earlier operations could no longer be undone."
    )
    assert done[-1] == "Older versions of vstore now refuse the store, and earlier operations can no longer be undone."


def test_a_store_in_use_ends_it_with_11(old: Line) -> None:
    before = digests(old.home / ".vstore")
    with Lock(Layout(old.home / ".vstore").locks, "ingest") as lock:
        lock.acquire(0.0, "sync")
        error = old("migrate", "--json", code=11).error
        assert error["code"] == "locked"
        assert error["next"] == "run the command again when it is done, or add --wait"
    assert digests(old.home / ".vstore") == before
    old("migrate", "--wait")


def test_a_damaged_store_ends_it_with_4(old: Line) -> None:
    old("snapshot", "tag", "v1", "first")
    newest = max(Layout(old.home / ".vstore").refs.iterdir())
    newest.write_bytes(newest.read_bytes()[:-5])
    before = digests(old.home / ".vstore")
    for words in (["--dry-run"], []):
        error = old("migrate", *words, "--json", code=4).error
        assert (error["code"], error["next"]) == ("damage", "run: vstore repair")
    assert digests(old.home / ".vstore") == before
    old("repair")
    old("migrate")
    old("check", "--read-data")


def test_a_read_only_store_ends_it_with_1_and_can_still_be_asked(old: Line) -> None:
    store = old.home / ".vstore"
    before = digests(store, without=())
    for path in (store, *store.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        ran = process("migrate", "--json", cwd=old.home, before=POWERLESS)
        assert ran.code == 1
        assert ran.error["code"] == "read_only"
        asked = process("migrate", "--dry-run", "--json", cwd=old.home, before=POWERLESS)
        assert (asked.code, asked.json["format"], len(asked.json["steps"])) == (0, 1, 2)
    finally:
        for path in (store, *store.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert digests(store, without=()) == before


def test_where_there_is_no_store_it_ends_with_10(line: Line, tmp_path: Path) -> None:
    assert line("migrate", "--json", code=10).error["code"] == "no_store"
