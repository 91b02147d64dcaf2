"""`vstore watch` as a process: its lines, its documents, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.folders import drawn
from support.lines import COMMAND, Line, environment, process
from support.watching import until

from vstore import SyncReport, Watched
from vstore_cli.reports.watch_lines import lines_of


class Process:
    """A running `vstore watch`, whose output is read while it runs."""

    def __init__(self, home: Path, *words: str, before: str = "") -> None:
        self._out, self._err = home / "out.txt", home / "err.txt"
        code = [COMMAND[0], "-c", f"{before}\n{COMMAND[2]}"]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*code, "watch", "--settle", "0.1s", *words], cwd=home, env=environment(), stdout=out, stderr=err
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines(keepends=True) if line.endswith("\n")]

    def until_out(self, text: str) -> None:
        until(lambda: text in self.out or self.process.poll() is not None, lambda: (self.out, self.err))
        assert text in self.out, (self.out, self.err)

    def until_err(self, text: str) -> None:
        until(lambda: text in self.err or self.process.poll() is not None, lambda: (self.out, self.err))
        assert text in self.err, (self.out, self.err)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(120)


@contextlib.contextmanager
def watching(line: Line, *words: str, before: str = "") -> Iterator[Process]:
    found = Process(line.home, *words, before=before)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
            found.process.wait()


# Writes are slowed down, so that a sync has begun or ended when the signal comes.
SLOW = (
    "import time\nfrom vstore.embed import builtin\nplain = builtin.BuiltinEmbedder.embed_images\n"
    "def embed(self, pictures):\n"
    "    open('embedding', 'w').close(); time.sleep(1); return plain(self, pictures)\n"
    "builtin.BuiltinEmbedder.embed_images = embed\n"
)
WRITING = (
    "from vstore_cli.terminal import outlets\nplain_write = outlets._write\n"
    "def write(fd, data):\n"
    "    open('writing', 'w').close(); return plain_write(fd, data)\n"
    "outlets._write = write\n"
)


@contextlib.contextmanager
def full_pipe() -> Iterator[int]:
    """Make a pipe that nobody reads, and that takes nothing any more. Yields: the end to write to."""
    read, write = os.pipe()
    try:
        os.set_blocking(write, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(write, b"\n")
        os.set_blocking(write, True)
        yield write
    finally:
        os.close(read)
        os.close(write)


def test_each_snapshot_is_one_line(pictures: Line) -> None:
    with watching(pictures) as watch:
        watch.until_out(f"Watching {pictures.home}/pictures")
        pictures.put({"pictures/new.png": 9})
        watch.until_out("v2: 1 new; 4 pictures in all\n")
        os.rename(pictures.home / "pictures/new.png", pictures.home / "pictures/sub/newer.png")
        watch.until_out("v3: 1 renamed; 4 pictures in all\n")
        assert watch.end() == 0
        lines = watch.out.splitlines()
        assert len(lines) == 3 and watch.err == ""
        assert all(text[:4].isdigit() and text[19:21] == "  " for text in lines)


def test_what_could_not_be_read_is_in_the_line_of_errors(pictures: Line) -> None:
    pictures.put({"pictures/broken.png": b"no picture"})
    with watching(pictures, "-q") as watch:
        watch.until_err("1 picture could not be read: pictures/broken.png: ")
        assert watch.end(signal.SIGINT) == 0 and watch.out == ""


def test_a_refusal_is_one_line_that_says_what_to_do_and_the_return_is_told(pictures: Line) -> None:
    with watching(pictures) as watch:
        watch.until_out("Watching")
        (pictures.home / "pictures").rename(pictures.home / "away")
        watch.until_err("run once: vstore sync --allow-mass-delete\n")
        (pictures.home / "away").rename(pictures.home / "pictures")
        watch.until_out("v1: nothing changed\n")
        assert watch.end() == 0 and len(watch.err.splitlines()) == 1


def test_documents_come_one_a_line(pictures: Line) -> None:
    with watching(pictures, "--json") as watch:
        until(lambda: [found["kind"] for found in watch.documents] == ["note", "sync"], lambda: watch.err)
        pictures.put({"pictures/new.png": 9})
        until(lambda: watch.documents[-1]["kind"] == "sync" and watch.documents[-1]["report"]["snapshot"] == "v2")
        assert watch.documents[-1]["store"] == str(pictures.store)
        assert watch.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_finishes_the_batch_and_ends_it_cleanly(pictures: Line, number: int) -> None:
    for seed in range(60):
        pictures.put({f"pictures/{seed}.png": 100 + seed})
    with watching(pictures, before=SLOW) as watch:
        until(lambda: (pictures.home / "embedding").exists() or watch.process.poll() is not None)
        assert watch.end(number) == 0, watch.err
        assert "v2 (partial" in watch.out
    assert pictures("sync", "--json").json["embedded"] < 60


@pytest.mark.parametrize(
    ("words", "stream", "mark"),
    [
        (["--json"], "stdout", "writing"),
        ([], "stdout", "writing"),
        (["-q"], "stderr", "writing"),
        (["--progress", "json"], "stderr", "writing"),
        (["-q"], "stderr", "embedding"),
    ],
)
def test_one_signal_ends_it_although_nobody_reads_its_output(
    pictures: Line, words: list[str], stream: str, mark: str
) -> None:
    pictures.put({"pictures/broken.png": b"no picture"})
    pictures.put({f"pictures/{seed}.png": seed for seed in range(100, 160)})
    with full_pipe() as full:
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: full}
        ran = subprocess.Popen(
            [COMMAND[0], "-c", f"{WRITING}{SLOW}{COMMAND[2]}", "watch", *words],
            cwd=pictures.home,
            env=environment(),
            **streams,
        )
        try:
            until(lambda: (pictures.home / mark).exists() or ran.poll() is not None)
            ran.send_signal(signal.SIGTERM)
            assert ran.wait(30) == 0
        finally:
            ran.kill()
            ran.wait()


def test_a_second_watch_and_other_mistakes_have_their_exit_codes(pictures: Line) -> None:
    with watching(pictures) as watch:
        watch.until_out("Watching")
        ran = process("watch", "--json", cwd=pictures.home)
        assert ran.code == 11 and "another watch of this store" in ran.error["message"]
        assert watch.end() == 0
    assert process("watch", "nowhere", cwd=pictures.home).code == 2
    assert process("watch", "--every", "0", cwd=pictures.home).code == 2
    assert process("--store", "none", "watch", cwd=pictures.home).code == 10


def test_without_the_package_it_says_how_to_get_it_and_poll_does_without(pictures: Line) -> None:
    missing = "import sys\nsys.modules['watchfiles'] = sys.modules['watchfiles._rust_notify'] = None\n"
    ran = process("watch", cwd=pictures.home, before=missing)
    assert ran.code == 1
    assert ran.err.endswith(
        "  install it with: pip install 'vstore-index[watch]'; or do without it: vstore watch --poll\n"
    )
    with watching(pictures, "--poll", "--every", "0.1s", before=missing) as watch:
        watch.until_out("looking at it every 0.1 s (--poll)")
        (pictures.home / "pictures/new.png").write_bytes(drawn(9))
        watch.until_out("v2: 1 new")
        assert watch.end() == 0


def test_pictures_in_a_folder_that_cannot_be_read_are_kept_and_told(pictures: Line) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    with watching(pictures) as watch:
        watch.until_out("Watching")
        (pictures.home / "pictures/sub").chmod(0)
        try:
            pictures.put({"pictures/new.png": 9})
            watch.until_out("v2: 1 new, 1 kept that could not be read; 4 pictures in all\n")
        finally:
            (pictures.home / "pictures/sub").chmod(0o755)


def test_lines_of_a_sync_that_was_stopped_or_kept_pictures() -> None:
    counts = dict.fromkeys(SyncReport._fields, 0)
    report = SyncReport(
        **{**counts, "snapshot": "v2", "current": "v2", "carried": 1200, "new": 3, "paths": 5000, "images": 4000}
    )
    report = report._replace(failed=(), notes=(), partial=False, interrupted=False)
    (line,) = lines_of(Watched("", report), is_again=False)
    assert line == ("v2: 3 new, 1,200 kept that could not be read; 5,000 paths, 4,000 pictures in all", False)
    (line,) = lines_of(Watched("", report._replace(partial=True)), is_again=False)
    assert line[0].startswith("v2 (partial: the next sync goes on from here): 3 new")
    stopped = report._replace(snapshot=None, new=0, carried=0, interrupted=True)
    (line,) = lines_of(Watched("", stopped), is_again=False)
    assert line[0] == "v2: nothing changed; stopped, the next sync goes on from here"
    assert list(lines_of(Watched("", stopped._replace(interrupted=False)), is_again=False)) == []
