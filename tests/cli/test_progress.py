"""Progress: a bar on a terminal, a line now and then otherwise, nothing when asked for quiet."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from support.lines import COMMAND, Line, environment

from vstore_cli import bar
from vstore_cli.bar import Bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that a bar's clock shows."""
    now = [100.0]
    monkeypatch.setattr("vstore_cli.bar.time.monotonic", lambda: now[0])
    return now


def test_away_from_a_terminal_there_is_a_line_every_half_minute(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Bar()
    shown.stage("read and embed", 1200)
    for _ in range(120):
        clock[0] += 0.5
        shown.advance(5)
    shown.close()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "read and embed: 300 of 1,200 files (10.0/s, 90 s left)",
        "read and embed: 600 of 1,200 files (10.0/s, 60 s left)",
    ]


def test_a_stage_of_unknown_length_has_a_rate_and_no_end(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Bar()
    shown.stage("scan", None)
    clock[0] += 31
    shown.advance(31000)
    assert capsys.readouterr().err == "scan: 31,000 files (1000.0/s)\n"


def test_each_stage_begins_again(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Bar()
    shown.stage("hash", 10)
    clock[0] += 29
    shown.advance()
    shown.stage("embed", 100)
    clock[0] += 29
    shown.advance(29)
    assert capsys.readouterr().err == ""
    clock[0] += 1
    shown.advance()
    assert capsys.readouterr().err == "embed: 30 of 100 files (1.0/s, 70 s left)\n"


def test_notes_are_lines_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Bar()
    shown.stage("embed", 10)
    shown.note("another snapshot became current meanwhile")
    assert capsys.readouterr().err == "another snapshot became current meanwhile\n"


def on_a_terminal(words: list[str], cwd: Path, columns: int = 80, stdout: bool = False) -> tuple[int, str]:
    """Run a command whose stderr, and stdout if asked for, is a terminal. Returns: exit code, what the terminal got."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24 if columns else 0, columns, 0, 0))
    with subprocess.Popen(
        [*COMMAND, *words], cwd=cwd, env=environment(), stderr=slave, stdout=slave if stdout else subprocess.DEVNULL
    ) as running:
        os.close(slave)
        got = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # on Linux, how a terminal says that nobody holds its other end
                break
            if not part:
                break
            got += part
        os.close(master)
    return running.returncode, got.decode()


@pytest.mark.parametrize("columns", [80, 120, 0])
def test_on_a_terminal_there_is_a_bar_with_stage_rate_and_time_left(columns: int, line: Line) -> None:
    line.put({f"pictures/{number:02}.png": number for number in range(30)})
    code, got = on_a_terminal(["sync", "pictures"], line.home, columns)
    assert code == 0
    frames = [frame for frame in re.split(r"[\r\n]+", got) if frame.strip()]
    assert all(frame.startswith(("reading and embedding: ", "loading the model")) for frame in frames)
    assert re.search(r"reading and embedding:\s+0%\|.*\| 0/30 \[00:00<\?, \? files/s\]", frames[0])
    assert max(map(len, frames)) <= (columns or 80)
    assert got.rstrip("\r").rpartition("\r")[2].strip() == "", "the bar is wiped at the end"


def test_quiet_means_no_bar_either(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    assert on_a_terminal(["sync", "pictures", "-q"], line.home, stdout=True) == (0, "")


def test_json_leaves_progress_on_stderr(line: Line) -> None:
    line.put({"pictures/a.png": 1})
    code, got = on_a_terminal(["sync", "pictures", "--json"], line.home)
    assert code == 0
    assert "reading and embedding: " in got
    assert "{" not in got


def test_a_sync_without_news_leaves_one_line_on_the_terminal(pictures: Line) -> None:
    pictures("sync")
    code, got = on_a_terminal(["sync"], pictures.home, stdout=True)
    assert code == 0
    assert re.fullmatch(
        r"(\rreading: .*\r *\r|\rreading and embedding: .*\r *\r)?Nothing changed\. v1: [^\r]*\r\n", got, re.DOTALL
    )


def test_a_long_scan_is_shown_while_it_lasts(tmp_path: Path) -> None:
    """In a process of its own, as only one with a terminal draws."""
    script = (
        "import time\nfrom vstore_cli import bar\nbar.SOON = 0.0\nshown = bar.Bar()\nshown.stage('scan', None)\n"
        "shown.advance(1000)\ntime.sleep(0.2)\nshown.advance(1000)\nshown.close()\n"
    )
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run([sys.executable, "-c", script], env=environment(), stderr=slave, check=True)
    os.close(slave)
    got = os.read(master, 65536).decode()
    os.close(master)
    assert "scan: 1000 files" in got
    assert "scan: 2000 files" in got


def test_progress_of_a_real_sync_names_its_stages(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar, "EVERY", 0.0)
    line.put({f"pictures/{number}.png": number for number in range(3)})
    err = line("sync", "pictures").err
    assert [text.partition(":")[0] for text in err.splitlines()] == [
        "listing folders", *["reading and embedding"],
    ]  # fmt: skip
    assert "reading and embedding: 3 of 3 files (" in err
    assert "reading: 3 of 3 files (" in line("status").err
    assert line("sync", "-q").err == ""
