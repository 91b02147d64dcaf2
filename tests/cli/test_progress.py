"""Progress: rows on a terminal, a line now and then elsewhere, JSON lines for programs, or nothing."""

from __future__ import annotations

import contextlib
import json
import re
import signal
from typing import Any

import pytest
from support.lines import Line, process
from support.screens import EAGER, Shown, Terminal, screens

from vstore import Stage
from vstore.progress import Stages
from vstore_cli.output import local
from vstore_cli.progress import Later, bar
from vstore_cli.progress.bar import Bar
from vstore_cli.progress.faces import Documents, Face, Lines

# Every picture takes a while to be prepared: one of them a long while.
SLOW = """
import time
from vstore.pictures import decoding
quick = decoding.prepare
def slow(data, preparation):
    time.sleep(2.5 if data.endswith(b"slow") else 0.05)
    return quick(data, preparation)
decoding.prepare = slow
"""
LOADING = """
import time
from vstore.intake.lazy_model import LazyModel
load = LazyModel._load_now
def slowly(self):
    time.sleep(1.5)
    return load(self)
LazyModel._load_now = slowly
"""
# What libraries do while a picture is decoded, and while a model is loaded.
NOISY = """
import logging, os, sys, warnings
from vstore.pictures import decoding
from vstore.intake.lazy_model import LazyModel
real = decoding.prepare
def prepare(data, preparation):
    if data.endswith(b"compiled"):
        os.write(2, b"decoder: bad block 17\\n")  # at once: the words of two threads would mingle
    if data.endswith(b"warned"):
        warnings.warn("metadata is odd", stacklevel=1)
    if data.endswith(b"logged"):
        logging.getLogger("codec").warning("tag %d ignored", len(data))
    if data.endswith(b"printed"):
        print("half a line, ", end="", file=sys.stderr)
        print("and the rest", file=sys.stderr)
    return real(data, preparation)
decoding.prepare = prepare
load = LazyModel._load_now
def loudly(self):
    warnings.warn("a weight is missing", stacklevel=1)
    return load(self)
LazyModel._load_now = loudly
"""
STORE = ("--store", "store")


class Told(Face):
    """A face that keeps what it would show."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        super().__init__(self.told.append)

    @property
    def lines(self) -> list[str]:
        return b"".join(self.told).decode().splitlines()


class ToldLines(Told, Lines):
    """Lines, kept."""


class ToldDocuments(Told, Documents):
    """Documents, kept."""

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that the clock of a listener shows; it looks at a stage when it is told to."""
    now = [100.0]
    monkeypatch.setattr("vstore_cli.progress.view.time.monotonic", lambda: now[0])
    monkeypatch.setattr(bar, "TICK", 3600.0)
    return now


def pictures(line: Line, count: int = 30) -> None:
    line.put({f"pictures/{number:02}.png": number for number in range(count)})


def noisy(line: Line, **ends: int) -> None:
    """Put pictures whose decoders say something. ends: how many of each kind."""
    from support.folders import drawn

    for kind, count in ends.items():
        line.put({f"pictures/{kind}-{n}.png": drawn(n) + kind.encode() for n in range(count)})


# Lines


def test_away_from_a_terminal_there_is_a_line_every_half_minute(clock: list[float]) -> None:
    face = ToldLines()
    shown = Bar(face)
    stages = Stages(shown)
    stages.begin("embedding", 1200, size=1200 << 20)
    for second in range(62):
        stages.advance(10, 10 << 20, failed=second == 7)
        clock[0] += 1
        shown.look()
    shown.stop()
    assert face.lines == [
        "embedding 300 of 1,200 files, 25%, 1 failed, ETA 1:30, 0:30, 0.3 of 1.2 GiB, 10.0/s",
        "embedding 600 of 1,200 files, 50%, 1 failed, ETA 1:00, 1:00, 0.6 of 1.2 GiB, 10.0/s",
    ]


def test_the_line_comes_although_one_picture_takes_all_the_time(clock: list[float]) -> None:
    face = ToldLines()
    shown = Bar(face)
    stages = Stages(shown)
    stages.begin("embedding", 2)
    stages.take(b"/pictures/huge.png")
    clock[0] += 31
    shown.look()
    assert face.lines == ["embedding 0 of 2 files, 0%, 0:31: /pictures/huge.png"]
    shown.stop()


def test_each_stage_begins_again_and_a_model_takes_nothing_from_the_time_of_a_stage(clock: list[float]) -> None:
    face = ToldLines()
    shown = Bar(face)
    stages = Stages(shown)
    stages.begin("embedding", 100)
    clock[0] += 29
    stages.advance(29)
    with stages.loading("clip"):
        clock[0] += 29
        shown.look()
        assert face.lines == []
        clock[0] += 1
        shown.look()
    assert face.lines == ["loading the model, 0:30: clip"]
    clock[0] += 29
    stages.advance(29)
    shown.look()
    assert face.lines[1:] == []
    clock[0] += 1
    shown.look()
    assert face.lines[1:] == ["embedding 58 of 100 files, 58%, ETA 0:41, 0:59, 0.98/s"]
    shown.stop()


def test_work_of_uneven_steps_is_estimated_by_its_own_measure(clock: list[float]) -> None:
    face = ToldLines()
    shown = Bar(face)
    stages = Stages(shown)
    stages.begin("comparing", 1000, work=500_000, unit="pictures")
    for _ in range(31):
        clock[0] += 1
        stages.advance(2, work=5000)
        shown.look()
    assert face.lines == ["comparing 60 of 1,000 pictures, 30%, ETA 1:10, 0:30, 2.0/s"]
    shown.stop()


def test_nothing_is_shown_once_it_has_stopped(clock: list[float]) -> None:
    face = ToldLines()
    shown = Bar(face)
    shown.watch(Stage("reading", 5))
    shown.stop()
    clock[0] += 100
    shown.look()
    assert face.lines == []
    assert not shown.is_ticking


# JSON lines


def test_a_program_gets_the_beginning_the_course_and_the_end_of_each_stage(clock: list[float]) -> None:
    face = ToldDocuments()
    shown = Bar(face)
    stages = Stages(shown)
    stages.begin("reading", 3, size=300)
    stages.advance(1, 100, failed=1)
    stages.take(b"/a/\xff.png")
    clock[0] += 0.25
    shown.look()
    shown.look()  # nothing new: nothing is said
    clock[0] += 1
    shown.look()  # nothing new for a second: the clock is
    stages.note("a line")
    shown.stop()
    begin, running, still, note, end = face.documents
    assert begin["progress"] == {
        "event": "begin", "stage": "reading", "unit": "files", "files": 0, "files_total": 3, "bytes": 0,
        "bytes_total": 300, "failed": 0, "seconds": 0.0, "eta": None, "about": None, "file": None,
    }  # fmt: skip
    assert running["progress"] == begin["progress"] | {
        "event": "running", "files": 1, "bytes": 100, "failed": 1, "seconds": 0.25, "file": "/a/\ufffd.png",
        "file_b64": "L2Ev/y5wbmc=",
    }  # fmt: skip
    assert still["progress"] == running["progress"] | {"seconds": 1.25}
    assert note == {"note": {"text": "a line", "about": None}}
    assert end["progress"] == still["progress"] | {"event": "end"}


def test_json_progress_goes_with_a_json_document(line: Line) -> None:
    pictures(line)
    ran = process(*STORE, "sync", "pictures", "--progress", "json", "--json", cwd=line.home)
    assert ran.json["paths"] == 30
    documents = [json.loads(text) for text in ran.err.splitlines()]
    assert {tuple(document) for document in documents} == {("progress",)}
    stages = [one["progress"]["stage"] for one in documents if one["progress"]["event"] == "begin"]
    assert stages == ["listing folders", "embedding", "loading the model", "embedding", "writing the snapshot"]
    last = [one["progress"] for one in documents if one["progress"]["stage"] == "embedding"][-1]
    assert (last["event"], last["files"], last["files_total"], last["bytes"]) == ("end", 30, 30, last["bytes_total"])


def test_an_error_comes_after_all_progress(line: Line) -> None:
    pictures(line)
    line(*STORE, "sync", "pictures")
    for path in (line.home / "pictures").iterdir():
        path.unlink()
    ran = process(*STORE, "sync", "--progress", "json", "--json", cwd=line.home)
    assert ran.error["code"] == "refused"


# A terminal


@pytest.mark.parametrize("columns", [100, 60, 40])
def test_a_terminal_shows_stage_counts_bytes_clock_and_file(columns: int, line: Line) -> None:
    pictures(line, 60)
    line.put({"pictures/broken.jpg": b"\xff\xd8\xffno picture"})
    shown = screens([*STORE, "sync", "pictures"], line.home, columns=columns, before=EAGER + SLOW)
    assert shown.code == 3
    embedding = [screen for screen in shown.screens if any("1 failed" in row for row in screen)]
    at_work = "\n".join(embedding[len(embedding) // 2])
    assert re.search(r"embedding \d+ of 61 files", at_work)
    assert re.search(r"\d+%", at_work)
    assert re.search(r"\b0:0\d\b", at_work)
    assert re.search(r"[\d.]+ of [\d.]+ KiB", at_work)
    assert shown.rows("pictures/4")
    clean(shown)


def clean(shown: Shown) -> None:
    """No row of progress is left on the last screen, and every result stands there once."""
    assert not [
        row for row in shown.last if row.startswith(("embedding ", "reading ", "listing ", "loading ", "writing "))
    ]
    assert sum("Wrote" in row for row in shown.last) == 1


def test_the_clock_goes_on_during_a_slow_picture_which_is_named(line: Line) -> None:
    from support.folders import drawn

    line.put({f"pictures/{n}.png": n for n in range(8)} | {"pictures/huge.png": drawn(99) + b"slow"})
    shown = screens([*STORE, "sync", "pictures"], line.home, before=EAGER + SLOW)
    waiting = [screen for screen in shown.screens if screen[-1] == "pictures/huge.png"]
    clocks = {found[0] for screen in waiting if (found := re.findall(r"\b\d:\d\d\b", screen[-2]))}
    assert len(clocks) >= 2
    clean(shown)


def test_a_model_is_loaded_in_a_stage_of_its_own(line: Line) -> None:
    pictures(line, 3)
    shown = screens([*STORE, "sync", "pictures"], line.home, before=EAGER + LOADING)
    (loading,) = {screen[-1] for screen in shown.screens if any(row.startswith("loading") for row in screen)}
    assert loading == "builtin-2"
    assert {"loading the model  0:00", "loading the model  0:01"} <= set(shown.rows("loading the model"))
    clean(shown)


DESCRIBED = """
import time
from vstore.repository import model_space
load = model_space.load_embedder
def slowly(*words):
    time.sleep(1.5)
    return load(*words)
model_space.load_embedder = slowly
"""
BUILTIN = [
    ["init", "--model", "builtin", "--name", "one"],
    ["model", "add", "one", "--model", "builtin", "--prepare", "1"],
]


@pytest.mark.parametrize("words", BUILTIN, ids=lambda words: words[0])
def test_a_model_that_is_named_is_loaded_in_a_stage(words: list[str], line: Line) -> None:
    if words[0] == "model":
        line(*STORE, "init")
    shown = screens([*STORE, *words], line.home, before=EAGER + DESCRIBED)
    (loading,) = {screen[-1] for screen in shown.screens if any(row.startswith("loading") for row in screen)}
    assert (shown.code, loading) == (0, "one")
    assert {"loading the model  0:00", "loading the model  0:01"} <= set(shown.rows("loading the model"))
    assert not [row for row in shown.last if row.startswith("loading ")]


@pytest.mark.parametrize("words", BUILTIN, ids=lambda words: words[0])
def test_programs_hear_of_a_model_that_is_named(words: list[str], line: Line) -> None:
    if words[0] == "model":
        line(*STORE, "init")
    ran = process(*STORE, *words, "--json", "--progress", "json", cwd=line.home)
    documents = [json.loads(text) for text in ran.err.splitlines()]
    begun = [one["progress"]["stage"] for one in documents if one["progress"]["event"] == "begin"]
    assert (ran.json["space_name"], begun) == ("one", ["loading the model"])


def test_a_quick_command_shows_nothing(line: Line) -> None:
    pictures(line, 2)
    line(*STORE, "sync", "pictures")
    shown = screens([*STORE, "sync"], line.home, before="from vstore_cli.progress import faces\nfaces.SOON = 60\n")
    assert shown.last[-1].startswith("Nothing changed.")
    assert not shown.rows("listing")


def test_a_terminal_that_does_not_know_its_width_is_taken_to_have_eighty_columns(line: Line) -> None:
    pictures(line, 30)
    shown = screens([*STORE, "sync", "pictures"], line.home, columns=0, before=EAGER + SLOW)
    assert 60 < max(len(row) for row in shown.rows("embedding ")) < 80
    clean(shown)


def test_a_terminal_may_change_its_size(line: Line) -> None:
    pictures(line, 60)
    sizes = iter([60, 100, 40, 100])

    def seen(terminal: Terminal) -> None:
        if any(re.search(r"embedding [1-9]", row) for row in terminal.lines) and (size := next(sizes, None)):
            terminal.resize(size)

    shown = screens([*STORE, "sync", "pictures"], line.home, columns=80, before=EAGER + SLOW, seen=seen)
    assert shown.code == 0
    assert next(sizes, None) is None
    clean(shown)


def test_ctrl_c_is_answered_above_the_rows_and_leaves_none(line: Line) -> None:
    pictures(line, 300)
    pressed: list[str] = []

    def seen(terminal: Terminal) -> None:
        if not pressed and any(re.search(r"embedding [1-9]", row) for row in terminal.lines):
            pressed.append("^C")
            terminal.type("\x03")

    shown = screens([*STORE, "sync", "pictures"], line.home, columns=120, before=EAGER + SLOW, seen=seen)
    assert shown.code == 130
    assert sum("Stopping" in row for row in shown.last) == 1
    clean(shown)


def test_two_ctrl_c_leave_a_clean_screen(line: Line) -> None:
    pictures(line, 300)

    def seen(terminal: Terminal) -> None:
        if any(re.search(r"embedding [1-9]", row) for row in terminal.lines):
            terminal.process.send_signal(signal.SIGINT)

    shown = screens([*STORE, "sync", "pictures"], line.home, columns=120, before=EAGER + SLOW, seen=seen)
    assert shown.code == 130
    assert not [row for row in shown.last if row.startswith("embedding ")]


def test_a_ctrl_c_while_the_rows_are_taken_away_leaves_none(line: Line) -> None:
    """A third one, after the second has ended the run."""
    pictures(line, 300)
    stopping = """
import os, signal
from vstore_cli.progress.bar import Bar
stop = Bar.stop
def stopped(self):
    os.kill(os.getpid(), signal.SIGINT)
    stop(self)
Bar.stop = stopped
"""
    pressed: list[str] = []

    def seen(terminal: Terminal) -> None:
        if len(pressed) < 2 and any(re.search(r"embedding [1-9]", row) for row in terminal.lines):
            pressed.append("^C")
            terminal.type("\x03")

    shown = screens([*STORE, "sync", "pictures"], line.home, columns=120, before=EAGER + SLOW + stopping, seen=seen)
    assert shown.code == 130
    assert not [row for row in shown.last if row.startswith("embedding ")]


@pytest.mark.parametrize("words", [["-q"], ["--progress", "none"]], ids=" ".join)
def test_quiet_means_no_rows(words: list[str], line: Line) -> None:
    pictures(line, 20)
    shown = screens([*STORE, "sync", "pictures", *words], line.home, before=EAGER + SLOW)
    assert not shown.rows("embedding ")


@pytest.mark.parametrize(("words", "env"), [(["--progress", "lines"], {}), ([], {"TERM": "dumb"})])
def test_lines_can_be_had_on_a_terminal_and_a_dumb_one_gets_them(
    words: list[str], env: dict[str, str], line: Line
) -> None:
    pictures(line, 20)
    often = EAGER + "faces.EVERY = 0.3\n"
    shown = screens([*STORE, "sync", "pictures", *words], line.home, columns=120, before=often + SLOW, **env)
    assert shown.code == 0
    assert any(re.fullmatch(r"embedding \d+ of 20 files, \d+%, 0:0\d, .* KiB.*", row) for row in shown.last)


# Options


def test_a_bar_needs_a_terminal(line: Line) -> None:
    pictures(line, 1)
    ran = process(*STORE, "sync", "pictures", "--progress", "bar", cwd=line.home)
    assert ran.code == 2
    assert "needs a terminal" in ran.err


@pytest.mark.parametrize("how", ["bar", "lines", "json"])
def test_quiet_and_progress_contradict_one_another(how: str, line: Line) -> None:
    assert "leave one of them out" in line(*STORE, "sync", "pictures", "-q", "--progress", how, code=2).err
    assert not (line.home / "store").exists()


def test_quiet_goes_with_no_progress(line: Line) -> None:
    pictures(line, 1)
    assert line(*STORE, "sync", "pictures", "-q", "--progress", "none").err == ""


# Stray lines


def test_lines_of_libraries_name_their_picture_or_model_and_are_counted(line: Line) -> None:
    noisy(line, compiled=5, warned=1, logged=3, printed=1)
    ran = process(*STORE, "sync", "pictures", cwd=line.home, before=NOISY)
    lines = ran.err.splitlines()
    assert len(lines) == 7, lines
    (compiled,) = (one for one in lines if one.endswith(": decoder: bad block 17") and "more lines" not in one)
    assert re.match(r"pictures/.* or another:|(pictures/\S+ or )?pictures/compiled-\d.png\b", compiled), compiled
    assert "builtin-2: UserWarning: a weight is missing" in lines
    assert any(re.fullmatch(r"pictures/warned-0.png: UserWarning: metadata is odd", one) for one in lines)
    assert any(re.fullmatch(r"pictures/logged-\d.png: tag \d+ ignored", one) for one in lines)
    assert "pictures/printed-0.png: half a line, and the rest" in lines
    assert "4 more lines as: decoder: bad block 17" in lines
    assert any(re.fullmatch(r"2 more lines as: tag \d+ ignored", one) for one in lines), "numbers make no new line"


def test_lines_of_libraries_stand_above_the_rows(line: Line) -> None:
    pictures(line, 20)
    noisy(line, compiled=5, logged=3)
    shown = screens([*STORE, "sync", "pictures"], line.home, columns=120, before=EAGER + SLOW + NOISY)
    assert sum("bad block 17" in row for row in shown.last) == 2, "the first, and the count of the others"
    assert sum("ignored" in row for row in shown.last) == 2
    assert not [row for row in shown.last if "bad block" in row and "embedding " in row]
    clean(shown)


def test_programs_get_lines_of_libraries_as_notes(line: Line) -> None:
    noisy(line, logged=2)
    ran = process(*STORE, "sync", "pictures", "--progress", "json", cwd=line.home, before=NOISY)
    notes = [note for text in ran.err.splitlines() if (note := json.loads(text).get("note"))]
    assert {"text": "UserWarning: a weight is missing", "about": "builtin-2"} in notes
    assert [note["about"] for note in notes if note["text"].startswith("1 more line as: tag ")] == [None]


def test_a_crash_of_compiled_code_says_where_it_was(line: Line) -> None:
    pictures(line, 3)
    crash = "import os\nfrom vstore.pictures import decoding\ndecoding.prepare = lambda *given: os.abort()\n"
    shown = screens([*STORE, "sync", "pictures"], line.home, columns=120, before=EAGER + crash)
    assert shown.code == -signal.SIGABRT
    assert any("Fatal Python error: Aborted" in row for row in shown.last)


def test_what_is_no_stray_line_is_left_as_it_is(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes of our own are neither named nor counted."""
    face = Told()
    shown = Bar(face)
    shown.note("the same")
    shown.note("the same")
    shown.strays.take("of a library", "a.png")
    shown.strays.take("of a library", "b.png")
    shown.strays.end()
    assert face.lines == ["the same", "the same", "a.png: of a library", "1 more line as: of a library"]


def test_times_in_notes_are_local(capsys: pytest.CaptureFixture[str]) -> None:
    moment = "2026-11-30T12:13:16Z"
    for how, told in ("none", local(moment)), ("json", moment):
        with contextlib.ExitStack() as stack:
            Later(how, stack).note(f"waiting: another one since {moment}")
        assert capsys.readouterr().err == f"waiting: another one since {told}\n"
    assert local(moment) != moment


def test_what_is_quiet_is_watched_from_the_first_stage_in_which_a_library_works() -> None:
    with contextlib.ExitStack() as stack:
        listener = Later("none", stack)
        for ours in ("listing folders", "writing the snapshot"):
            listener.watch(Stage(ours))
            assert listener._bar is None
        listener.watch(Stage("reading"))
        assert listener._bar is not None
    with contextlib.ExitStack() as stack:
        listener = Later("lines", stack)
        listener.watch(Stage("listing folders"))
        assert listener._bar is not None
