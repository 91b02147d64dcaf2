"""Bad input: a clear error that says what happened and what to do, the right exit code, nothing lost."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest
from support.failing_disks import Watched
from support.folders import Reads, digests, drawn
from support.lines import CALL, POWERLESS, Line, Ran, environment, process

from vstore.disk import durable
from vstore.format.canonical import canonical
from vstore.format.hashing import checksum
from vstore.repository.repository import Repository
from vstore_cli.main import run

PNG = b"\x89PNG\r\n\x1a\n"


def bomb() -> bytes:
    """A picture of a few bytes that says that it has 10^10 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return PNG + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in (header, b"IDAT" + zlib.compress(bytes(100)), b"IEND")
    )


# Exit codes


def held(line: Line) -> None:
    line("rollback", "v1", "--hold")


def newer(line: Line) -> None:
    form = line.store / "FORMAT"
    later = {**json.loads(form.read_bytes()), "format": 99}
    del later["check"]
    form.write_bytes(canonical({**later, "check": checksum(canonical(later)).hex()}))


def flipped(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def damaged(line: Line) -> None:
    (segment,) = (line.store / "segments").iterdir()
    flipped(segment, 100)


def unfit(line: Line) -> None:
    line.put({"pictures/bad.jpg": b"no"})


def removed(line: Line) -> None:
    shutil.rmtree(line.store)


@pytest.mark.parametrize(
    ("code", "word", "words", "prepare"),
    [
        (0, "", ["sync"], None),
        (1, "no_such_snapshot", ["rollback", "v9"], None),
        (2, "usage", ["sync", "nowhere"], None),
        (3, "", ["sync"], unfit),
        (4, "damage", ["search", "./pictures/a.png"], damaged),
        (5, "refused", ["sync"], held),
        (10, "no_store", ["log"], removed),
        (12, "format_too_new", ["log"], newer),
        (13, "model", ["search", "words"], None),
    ],
)
def test_exit_codes(
    code: int, word: str, words: list[str], prepare: Callable[[Line], None] | None, pictures: Line
) -> None:
    if prepare is not None:
        prepare(pictures)
    ran = process(*words, "--json", cwd=pictures.home)
    assert ran.code == code
    if word:
        assert ran.error["code"] == word
        assert ran.error["message"]
    else:
        assert ran.json["current"] == "v1"
        assert ran.err == ""


def test_exit_code_11_while_somebody_else_is_at_work(pictures: Line) -> None:
    for lock, words in (("ingest", ["sync"]), ("ingest", ["sync", "pictures/sub"])):
        with (pictures.store / "locks" / lock).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            ran = process(*words, "--json", cwd=pictures.home)
            assert ran.code == 11
            assert ran.error["code"] == "locked"
            assert "--wait" in ran.error["next"]


def test_a_drop_waits_for_another_process_if_it_is_told_to(pictures: Line) -> None:
    with (pictures.store / "locks" / "ingest").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "--wait" in pictures("model", "drop", "builtin-2", code=11).err
        Timer(0.2, fcntl.flock, (file, fcntl.LOCK_UN)).start()
        assert "needed by 1 snapshot: v1" in pictures("model", "drop", "builtin-2", "--wait", code=5).err


def test_a_dry_repair_says_what_a_repair_would_report(pictures: Line) -> None:
    for segment in (pictures.store / "segments").iterdir():
        segment.unlink()
    told = pictures("repair", "-n").lines
    assert told[0] == "A repair would report:"
    assert told[1:] == [f"  {line}" for line in pictures("repair").lines[: len(told) - 1]]
    assert "  computed 3 vectors again from pictures that still exist" in told


# The store


def test_a_store_of_a_newer_format_is_refused_by_name(pictures: Line) -> None:
    newer(pictures)
    for words in (["sync"], ["status"], ["log"], ["search", "./pictures/a.png"], ["check"], ["rollback", "v1"]):
        err = pictures(*words, code=12).err
        assert err == (
            f"Error: the store {pictures.store} has format 99; this vstore reads up to 2\n"
            "  upgrade vstore: pip install -U vstore-index\n"
        )


def test_a_format_whose_number_rotted_is_damage_that_repair_fixes(pictures: Line) -> None:
    form = pictures.store / "FORMAT"
    form.write_text(form.read_text().replace('"format":2', '"format":3'))
    assert "vstore repair" in pictures("log", code=4).err
    assert pictures("repair", code=0).lines[0] == "FORMAT was rebuilt from other files"
    assert pictures("check", "--read-data", code=0)
    assert json.loads(form.read_bytes())["format"] == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", b'{"format":"x"}', b"[1]", b"null"])
def test_a_format_that_cannot_be_read_is_damage(content: bytes, pictures: Line) -> None:
    (pictures.store / "FORMAT").write_bytes(content)
    error = pictures("log", "--json", code=4).error
    assert error["code"] == "damage"
    assert str(pictures.store / "FORMAT") in error["message"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def flipped_in_the_middle(path: Path) -> None:
    flipped(path, path.stat().st_size // 2)


def flipped_at_the_end(path: Path) -> None:
    flipped(path, path.stat().st_size - 1)


HARMS = [cut, emptied, flipped_in_the_middle, flipped_at_the_end]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_segment_is_named_before_any_byte_of_it_is_used(harm: Callable[[Path], None], pictures: Line) -> None:
    (segment,) = (pictures.store / "segments").iterdir()
    harm(segment)
    for words in (
        ["search", "./pictures/a.png"],
        ["search", "./pictures/a.png", "-l"],
        ["snapshot", "export", "v1", "out"],
    ):
        error = pictures(*words, "--json", code=4).error
        assert f"segments/{segment.name}" in error["message"]
        assert error["next"]
    assert not Path("out").exists()
    problems = pictures("check", "--read-data", "--json", code=4).json["problems"]
    assert f"segments/{segment.name}" in {problem["file"] for problem in problems}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_pack_is_named(harm: Callable[[Path], None], pictures: Line) -> None:
    for pack in (pictures.store / "packs").iterdir():
        whole = pack.read_bytes()
        harm(pack)
        problems = pictures("check", "--read-data", "--json", code=4).json["problems"]
        assert f"packs/{pack.name}" in {problem["file"] for problem in problems}
        for words in (["snapshot", "show"], ["search", "./pictures/a.png"], ["dupes"]):
            found = process(*words, "--json", cwd=pictures.home)
            assert found.code in (0, 4), "0 where it needed nothing of what is damaged"
            if found.code:
                assert f"packs/{pack.name}" in found.error["message"]
        pack.write_bytes(whole)
    pictures("check", "--read-data")


@pytest.mark.parametrize("harm", [*HARMS, os.unlink])
def test_a_record_that_is_lost_before_a_whole_state_is_told_by_what_needs_it(
    harm: Callable[[Path], None], pictures: Line
) -> None:
    assert pictures("log").err == ""
    repo = Repository(pictures.store)
    with repo.committing("test"):
        repo.publish("verify", {}, whole=True)
    lost = pictures.store / "refs" / f"{repo.tip.number - 1:012d}.json"
    harm(lost)
    ran = pictures("log", "--json")
    newest = repo.tip.number
    assert [row["number"] for row in ran.json] == [newest, *range(newest - 2, 0, -1)], "all that are left"
    assert ran.err.startswith("Warning: ") and lost.name in ran.err and "repair" in ran.err
    for words in (["log", "-n", "1"], ["snapshot", "list"]):
        assert pictures(*words).err == "", "this answer is whole"
    error = pictures("undo", "--json", code=1).error
    assert lost.name in error["message"]
    assert error["next"] == "run: vstore repair"


@pytest.mark.parametrize("harm", HARMS)
def test_a_torn_newest_record_is_passed_over_by_readers_and_stops_writers(
    harm: Callable[[Path], None], pictures: Line
) -> None:
    pictures.put({"pictures/new.png": 8})
    pictures("sync", "-q")
    newest = max((pictures.store / "refs").iterdir())
    harm(newest)
    ran = pictures("snapshot", "list", "--json")
    assert [row["snapshot"] for row in ran.json] == ["v1"]
    assert ran.err.startswith("Warning: ")
    assert newest.name in ran.err
    before = digests(pictures.store)
    for words in (["sync"], ["rollback", "v1"], ["undo"], ["snapshot", "tag", "v1", "x"]):
        error = pictures(*words, "--json", code=4).error
        assert newest.name in error["message"]
        assert error["next"] == "run: vstore repair"
    assert digests(pictures.store) == before
    pictures("check", code=4)


def test_a_catalogue_of_nonsense_changes_no_answer(pictures: Line) -> None:
    for content in (b"", b"nonsense" * 1000):
        (pictures.store / "catalogue" / "data.mdb").write_bytes(content)
        assert pictures("sync", "--json").json["unchanged"] == 3
    shutil.rmtree(pictures.store / "catalogue")
    assert pictures("status", "--json").json["unchanged"] == 3
    assert pictures("sync", "--json").json["unchanged"] == 3


def test_a_read_only_store_still_answers(pictures: Line) -> None:
    pictures.put({"pictures/new.png": 8})
    store = pictures.store
    before = digests(store, without=())
    for path in (store, *store.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for words in (["sync"], ["rollback", "v1", "--hold"], ["snapshot", "tag", "v1", "x"], ["undo"]):
            ran = process(*words, "--json", cwd=pictures.home, before=POWERLESS)
            assert ran.code == 1
            assert ran.error["code"] == "read_only"
            assert ran.error["next"] == "make the store writable; searching and listing still work"
        for words in (["log"], ["snapshot", "list"], ["stats"], ["dupes"], ["check"], ["search", "./pictures/a.png"]):
            ran = process(*words, cwd=pictures.home, before=POWERLESS)
            assert (ran.code, ran.err) == (0, "")
        ran = process("status", "--json", cwd=pictures.home, before=POWERLESS)
        assert ran.json["new"] == 1
    finally:
        for path in (store, *store.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert digests(store, without=()) == before


# A full disk


@pytest.mark.parametrize("call", ["write", "fsync", "open", "rename", "link"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_loses_nothing_and_says_what_to_do(
    call: str, error: int, pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.put({"pictures/new.png": 8})
    watched = Watched()
    monkeypatch.setattr(durable, "disk", watched)
    places = {"write": ".tmp-commit", "fsync": ".tmp-commit", "open": ".tmp-commit", "rename": ".pack", "link": ".json"}
    watched.fail(call, error, places[call])
    found = pictures("sync", "--json", code=1).error
    assert found["code"] == "disk"
    assert found["message"].startswith(f"cannot write {pictures.store}/")
    assert os.strerror(error) in found["message"]
    assert found["next"] == "free some space and run the command again; finished work is not lost"
    assert pictures.current() == "v1"
    watched.heal()
    document = pictures("sync", "--json").json
    assert (document["snapshot"], document["embedded"], document["recovered"]) == ("v2", 0, 1)
    assert pictures("check", "--read-data", "--json").json["ok"]


def mounted(script: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount filesystems which nobody else sees. Skips where that is not allowed."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("mounting a small disk is not allowed here")
    vstore = f'vstore() {{ "{sys.executable}" -c "{CALL}" "$@"; }}\n'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", vstore + script], cwd=cwd, env=environment(), capture_output=True, text=True
    )


def test_a_disk_that_is_really_full(line: Line) -> None:
    """At each size of the disk, a sync succeeds or says that there is no room, and the next one loses nothing."""
    line.put({f"pictures/{number:02}.png": number for number in range(30)})
    script = """
    set -u
    mkdir disk; mount -t tmpfs -o size=3m tmpfs disk
    for size in 1044 1060 1080 1100 1140; do
        rm -rf disk/store
        mount -o remount,size=3m disk
        vstore init --store disk/store >&2 || exit 9
        mount -o remount,size=${size}k disk
        vstore sync pictures --store disk/store --json 2>error >report; code=$?
        case $code in
            0) ;;
            1) grep -q 'No space left on device' error || { cat error; exit 8; }
               grep -q Traceback error && { cat error; exit 7; } ;;
            *) cat error; exit 6 ;;
        esac
        test $code = 1 -a -s report && exit 5
        vstore log --store disk/store >/dev/null || exit 4
        mount -o remount,size=3m disk
        vstore sync pictures --store disk/store -q || exit 3
        vstore check --read-data --store disk/store >/dev/null || exit 2
        echo $code
    done
    umount disk
    """
    done = mounted(script, line.home)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    codes = done.stdout.split()
    assert len(codes) == 5
    assert codes[0] == "1", "the smallest disk was too small"
    assert codes[-1] == "0", "the largest was not"


def test_what_is_mapped_has_no_holes_that_a_full_disk_could_not_fill(pictures: Line) -> None:
    """A write into a hole of a mapped file is SIGBUS where the disk is full."""
    found = (pictures.store / "catalogue" / "lock.mdb").stat()
    assert found.st_blocks * 512 >= found.st_size > 0


def test_output_that_cannot_be_written_is_an_error(pictures: Line) -> None:
    for words in (["snapshot", "list"], ["log", "--json"], ["search", "./pictures/a.png", "-0"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-c", CALL, *words], cwd=pictures.home, env=environment(), stdout=full, stderr=-1
            )
        assert done.returncode == 1
        assert b"No space left on device" in done.stderr
        assert b"Traceback" not in done.stderr


def test_an_error_that_cannot_be_told_keeps_its_exit_code(pictures: Line) -> None:
    for words, code in (["sync", "nowhere"], 2), (["nonsense"], 2), (["ls", "--store", "no"], 10):
        for out in "2> /dev/full", "2>&1 | true":
            line = f'"$@" {out}; exit ${{PIPESTATUS[0]}}'
            ran = [sys.executable, "-c", CALL, *words]
            done = subprocess.run(["bash", "-c", line, "bash", *ran], cwd=pictures.home, env=environment())
            assert done.returncode == code, (words, out)


def _shell(pictures: Line, line: str) -> subprocess.CompletedProcess[bytes]:
    """Run a line in which `vstore` is the command, in a folder below that of the store."""
    (pictures.home / "below").mkdir(exist_ok=True)
    whole = f'vstore() {{ "{sys.executable}" -c "{CALL}" "$@"; }}; {line}'
    return subprocess.run(["bash", "-c", whole], cwd=pictures.home / "below", env=environment(), capture_output=True)


@pytest.mark.parametrize("how", ["", "--progress lines", "--progress json", "-q"])
def test_stderr_that_cannot_be_written_stops_nothing(pictures: Line, how: str) -> None:
    pictures.put({"pictures/new.png": 8, "pictures/broken.png": b"no picture"})
    done = _shell(pictures, f"vstore sync {how} 2> /dev/full")
    assert done.returncode == 3, done
    assert pictures("stats", "--json").json["images"] == 4


def test_a_line_that_cannot_be_said_ends_no_command(pictures: Line) -> None:
    pictures.put({"pictures/new.png": 8, "pictures/broken.png": b"no picture"})
    pictures("sync", "-q", code=3)
    for line, code in (
        ("tag v1 good", 2), ("snapshot tag v1 good", 0), ("rollback v1", 0), ("undo", 0), ("facts", 0),
        ("gc", 0), ("check", 0), ("status", 0), ("ls --failed", 0), ("search ../pictures/a.png", 0),
    ):  # fmt: skip
        assert _shell(pictures, f"vstore {line} 2> /dev/full").returncode == code, line
    assert pictures("snapshot", "show", "good", "--json").json["snapshot"] == "v1"


def test_stdout_that_cannot_be_written_is_an_error_once_the_store_is_safe(pictures: Line) -> None:
    for line in ("sync ../pictures", "sync ../pictures --json", "--store new sync ../pictures"):
        pictures.put({f"pictures/{len(line)}.png": len(line)})
        done = _shell(pictures, f"vstore {line} > /dev/full")
        assert done.returncode == 1, (line, done)
        assert b"No space left on device" in done.stderr and b"Traceback" not in done.stderr
    assert pictures("stats", "--json").json["images"] == 5
    assert pictures("--store", "below/new", "stats", "--json").json["images"] == 6


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-", "> /dev/full 2>&-"])
def test_a_sync_with_closed_streams_writes_its_partial_snapshots(pictures: Line, closed: str) -> None:
    pictures.put({f"pictures/more{number}.png": 10 + number for number in range(40)})
    done = _shell(pictures, f"vstore sync --commit-every 0.000001s {closed}")
    assert done.returncode == (1 if "full" in closed else 0), done
    assert b"Traceback" not in done.stderr + done.stdout
    assert pictures("stats", "--json").json["images"] == 43
    pictures("check")


def test_closed_streams_are_no_error(pictures: Line) -> None:
    for closed in (">&-", "2>&-", "<&-", ">&- 2>&-"):
        done = subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -c "{CALL}" sync {closed}'], cwd=pictures.home, env=environment()
        )
        assert done.returncode == 0, closed


# faiss

NO_FAISS = """
import sys
class Block:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "faiss":
            raise ModuleNotFoundError("No module named 'faiss'", name=name)
sys.meta_path.insert(0, Block)
"""
# What is left where one of two faiss packages was uninstalled: a folder without an __init__.
EMPTY_FAISS = """
import importlib.machinery, sys
class Empty:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "faiss":
            return importlib.machinery.ModuleSpec(name, None, is_package=True)
sys.meta_path.insert(0, Empty)
"""
BROKEN_FAISS = "import sys; sys.path.insert(0, 'broken')"


@pytest.fixture
def broken_faiss(line: Line) -> None:
    line.put({"broken/faiss/__init__.py": b'raise RuntimeError("libcudart.so.12: cannot open shared object file")\n'})


@pytest.mark.usefixtures("broken_faiss")
@pytest.mark.parametrize(
    ("before", "said"),
    [
        (NO_FAISS, "faiss is not installed"),
        (EMPTY_FAISS, "faiss is broken: only an empty folder is left of it"),
        (BROKEN_FAISS, "faiss cannot be used (RuntimeError: libcudart.so.12: cannot open shared object file)"),
    ],
    ids=["missing", "empty", "broken"],
)
def test_a_faiss_that_is_missing_or_broken_is_met_before_the_scan(before: str, said: str, pictures: Line) -> None:
    pictures.put({"pictures/new.png": 8})
    before_it = digests(pictures.store)
    (pictures.home / "pictures").rename(pictures.home / "gone")
    # A scan would now refuse with 5: so there was none.
    ran = process("sync", "--json", cwd=pictures.home, before=before)
    assert ran.code == 1
    error = ran.error
    assert error["code"] == "missing_package"
    assert error["message"] == said
    assert "'vstore-index[cpu]' or 'vstore-index[gpu]', never both" in error["next"]
    assert digests(pictures.store) == before_it
    (pictures.home / "gone").rename(pictures.home / "pictures")
    for words in (["log"], ["snapshot", "list"], ["rollback", "v1"], ["status"], ["dupes"]):
        assert process(*words, cwd=pictures.home, before=before).code == 0, "what needs no faiss goes on"
    ran = process("search", "./pictures/a.png", "--json", cwd=pictures.home, before=before)
    assert ran.error["code"] == "missing_package"


@pytest.mark.usefixtures("broken_faiss")
@pytest.mark.parametrize("before", [NO_FAISS, EMPTY_FAISS, BROKEN_FAISS], ids=["missing", "empty", "broken"])
def test_no_store_is_made_where_faiss_is_missing_or_broken(before: str, line: Line) -> None:
    line.put({"pictures/a.png": 1})
    ran = process("sync", "pictures", cwd=line.home, before=before)
    assert ran.code == 1
    assert ran.err.startswith("Error: faiss ")
    assert not line.store.exists()


# Folders


def test_a_folder_that_is_no_folder_of_pictures_is_refused(pictures: Line) -> None:
    pictures.put({"notes/a.txt": b"words", "single.png": 7})
    Path("empty").mkdir()
    before = digests(pictures.store)
    for word, said in {
        "nowhere": "there is no folder nowhere",
        "single.png": "single.png is not a folder",
        "empty": f"{pictures.home}/empty holds no pictures",
        "notes": f"{pictures.home}/notes holds no pictures, only 1 other file",
        ".vstore": ".vstore is the store, or lies inside it",
        ".vstore/segments": ".vstore/segments is the store, or lies inside it",
    }.items():
        error = pictures("sync", word, "--json", code=2).error
        assert error["code"] == "usage"
        assert error["message"].startswith(said), error
        assert error["next"]
    assert digests(pictures.store) == before


def test_the_store_inside_a_synced_folder_is_not_looked_at(line: Line) -> None:
    line.put({"a.png": 1})
    assert line("sync", ".", "--as", "all", "--json").json["new"] == 1
    (line.store / "cache" / "x.png").write_bytes(drawn(2))
    assert line("sync", "--json").json["paths"] == 1


def test_a_root_that_is_gone_or_empty_empties_no_index(pictures: Line) -> None:
    for prepare in (lambda: shutil.move("pictures", "away"), lambda: os.mkdir("pictures")):
        prepare()
        ran = pictures("sync", code=5)
        assert "pictures/a.png, pictures/b.png, pictures/sub/c.png" in ran.err
        assert "--allow-mass-delete" in ran.err
        assert pictures("sync", "--json", code=5).error["code"] == "refused"
        assert pictures("status", "--json", code=5).error["code"] == "refused"
        assert pictures.current() == "v1"
    document = pictures("sync", "--allow-mass-delete", "--json").json
    assert (document["removed"], document["paths"]) == (3, 0)


def test_a_great_loss_is_refused_with_the_first_ten_paths(line: Line) -> None:
    line.put({f"pictures/{number:02}.png": number for number in range(40)})
    line("sync", "pictures", "-q")
    for number in range(25):
        os.unlink(f"pictures/{number:02}.png")
    err = line("sync", code=5).err
    assert "This sync would remove 25 of the 40 pictures in 'pictures'" in err
    assert err.count(".png") == 10
    assert line("sync", "--allow-mass-delete", "--json").json["removed"] == 25


def test_lost_pictures_are_named_as_they_were_opened(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.put({f"camera/2024/{number:02}.png": number for number in range(40)})
    line("sync", "camera", "--as", "shots", "-q")
    for number in range(10, 35):
        os.unlink(f"camera/2024/{number:02}.png")
    monkeypatch.chdir("camera")
    assert "of the 40 pictures in 'shots': 2024/10.png, 2024/11.png, " in line("sync", code=5).err
    os.rename("2024", "../elsewhere")
    assert "'shots' has 40 paths: 2024/00.png, 2024/01.png, " in line("sync", code=5).err
    monkeypatch.chdir("..")
    os.rmdir("camera")
    assert "'shots' has 40 paths: camera/2024/00.png, " in line("sync", code=5).err


# Pictures


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "not_an_image"),
        (b"words, no picture", "not_an_image"),
        (b"no", "not_an_image"),
        (drawn(1)[:-40], "truncated"),
        (drawn(1)[:300], "truncated"),
        (bomb(), "bomb"),
        (PNG + bytes(100), "not_an_image"),
    ],
    ids=["empty", "words", "two bytes", "cut", "cut early", "bomb", "zeros"],
)
def test_a_picture_that_does_not_decode_is_named_and_costs_only_itself(
    content: bytes, kind: str, pictures: Line
) -> None:
    pictures.put({"pictures/b.png": content, "pictures/new.png": 8})
    ran = pictures("sync", code=3)
    assert ran.err.startswith("1 path could not be read:\n  pictures/b.png: ")
    assert "Wrote snapshot v2: 3 pictures" in ran.out
    (failure,) = pictures("sync", "--json").json["failed"]
    assert (failure["path"], failure["kind"], failure["known"]) == ("pictures/b.png", kind, True)
    assert failure["reason"] in ran.err
    assert "unpack" not in ran.err, "a line for people"
    assert pictures.paths() == ["pictures/a.png", "pictures/new.png", "pictures/sub/c.png"]
    pictures.put({"pictures/b.png": 2})
    assert pictures("sync", "--json").json["known"] == 1


def test_a_bomb_is_let_in_by_a_flag(pictures: Line) -> None:
    pictures.put({"pictures/bomb.png": bomb()})
    (failure,) = pictures("sync", "--json", code=3).json["failed"]
    assert failure["reason"] == "it claims 100000 × 100000 pixels; if you trust it, add --max-pixels 10000000000"
    pictures("sync", "--max-pixels", "599", "-q", code=3)  # another limit: tried again
    pictures.put({"pictures/small.png": 9})
    (failure,) = (f for f in pictures("sync", "--max-pixels", "599", "--json", code=3).json["failed"] if not f["known"])
    assert (failure["path"], failure["kind"]) == ("pictures/small.png", "bomb")
    assert pictures("sync", "--max-pixels", "600", "--json", code=3).json["new"] == 1


def test_a_file_without_permission_keeps_its_place(pictures: Line) -> None:
    pictures.put({"pictures/b.png": 9})
    Path("pictures/b.png").chmod(0)
    for words in (["sync"], ["sync", "--json"]):
        ran = process(*words, cwd=pictures.home, before=POWERLESS)
        assert ran.code == 3
    (failure,) = ran.json["failed"]
    assert failure == {
        "path": "pictures/b.png", "kind": "permission", "reason": "Permission denied", "known": False,
        "file": str(pictures.home / "pictures/b.png"),
    }  # fmt: skip
    assert ran.json["carried"] == 1
    assert pictures.paths() == ["pictures/a.png", "pictures/b.png", "pictures/sub/c.png"]
    Path("pictures/b.png").chmod(0o644)
    assert pictures("sync", "--json").json["changed"] == 1


def test_a_folder_without_permission_keeps_what_it_had(pictures: Line) -> None:
    Path("pictures/sub").chmod(0)
    try:
        ran = process("sync", cwd=pictures.home, before=POWERLESS)
    finally:
        Path("pictures/sub").chmod(0o755)
    assert ran.code == 3
    assert ran.err == "1 path could not be read:\n  pictures/sub: Permission denied\n"
    assert len(pictures.paths()) == 3


def test_a_picture_that_vanishes_while_it_is_read_is_no_error(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures.put({"pictures/new.png": 8, "pictures/other.png": 9})
    reads = Reads(monkeypatch)
    reads.at_opening["new.png", 1] = lambda: os.unlink("pictures/new.png")
    document = pictures("sync", "--json").json
    assert (document["new"], document["failed"]) == (1, [])
    assert "pictures/new.png" not in pictures.paths()


# The edge at which errors become words


def test_a_bug_of_ours_is_a_traceback_and_still_an_error_document(pictures: Line) -> None:
    fault = "from vstore.store import Store\ndef log(self, limit): raise KeyError('ours')\nStore.log = log"
    ran = process("log", cwd=pictures.home, before=fault)
    assert ran.code == 1
    assert ran.err.startswith("Traceback (most recent call last):\n")
    assert ran.err.endswith(
        "Error: KeyError: 'ours'\n  this is a bug in vstore: please report it with the lines above\n"
    )
    ran = process("log", "--json", cwd=pictures.home, before=fault)
    assert ran.error["message"] == "KeyError: 'ours'"
    assert ran.code == 1


@pytest.mark.parametrize(
    "words",
    [["rollback", "v9"], ["sync", "nowhere"], ["sync", "--nonsense"], ["nonsense"], ["search", "words"], []],
    ids=" ".join,
)
def test_no_error_of_a_user_is_a_traceback_unless_asked_for(words: list[str], pictures: Line) -> None:
    ran = process(*words, cwd=pictures.home)
    assert ran.code not in (0, 1) or words == ["rollback", "v9"]
    assert "Traceback" not in ran.err
    debug: Ran = process(*words, cwd=pictures.home, env=environment(VSTORE_DEBUG="1"))
    assert debug.code == ran.code
    assert debug.err.endswith(ran.err)
    assert ("Traceback" in debug.err) == bool(words)


def test_json_after_two_dashes_is_a_name(pictures: Line) -> None:
    assert pictures("sync", "--", "--json", code=2).err.startswith("Error: there is no folder --json\n")


def test_messages_cannot_act_on_the_terminal(pictures: Line) -> None:
    name = os.fsdecode(b"\x1b[31m\xff\n")
    for words, code in (
        (["sync", name], 2),
        (["search", f"./{name}"], 2),
        (["rollback", name], 1),
        (["sync", "--as", name, "a", "b"], 2),
    ):
        err = pictures(*words, code=code).err
        assert "\x1b" not in err
        assert err.count("\n") <= 2
    for words, code in ((["sync", name, "--json"], 2), (["rollback", name, "--json"], 1)):
        json.dumps(pictures(*words, code=code).error)
    err = pictures("sync", f"--{name}", code=2).err
    assert "\x1b" not in err


NINES = "9" * 5_000


@pytest.mark.parametrize(
    "words",
    [
        ["snapshot", "forget", "--dry-run", "--keep-last", NINES],
        ["snapshot", "forget", "--dry-run", "--keep-within", f"{NINES}d"],
        ["log", "-n", NINES],
        ["check", "--read-data-subset", f"1/{NINES}"],
        ["check", "--read-data-subset", f"{NINES}%"],
        ["check", "--max-duration", f"{NINES}s"],
        ["sync", "--max-file-size", f"{NINES}M"],
        ["sync", "--batch-size", NINES],
    ],
)
def test_a_number_of_thousands_of_digits_is_a_mistake_of_the_caller(pictures: Line, words: list[str]) -> None:
    assert "bug in vstore" not in pictures(*words, code=2).err


@pytest.mark.parametrize("name", [f"v{NINES}", f"v1~{NINES}", f"@{{{NINES}}}", NINES])
def test_a_snapshot_of_thousands_of_digits_is_none_of_those_kept(pictures: Line, name: str) -> None:
    assert "no snapshot" in pictures("snapshot", "show", name, code=1).err


def test_a_number_larger_than_any_count_shows_all(pictures: Line) -> None:
    assert pictures("log", "-n", "9" * 30).out == pictures("log").out


@pytest.mark.parametrize(
    "words",
    ["show", "find", "ls", "search", "rollback", "root remove", "snapshot show", "snapshot diff v1 v1 --under",
     "model show", "snapshot untag", "sync"],
)  # fmt: skip
def test_a_word_that_no_name_can_be_is_cut_in_an_error(pictures: Line, words: str) -> None:
    word = "y" * 5000
    done = run([*words.split(), word])
    ran = pictures(*words.split(), word, code=done)
    assert done != 0 and len(ran.err) < 1000, ran.err
    assert re.search("y{59,60}…y{19,20}", ran.err)
    name = "y" * 250
    assert name in pictures("show", f"./{name}", code=2).err, "a name is said as it is"
