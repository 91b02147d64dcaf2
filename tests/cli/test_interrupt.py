"""Ctrl-C: once, what is finished is kept; twice, at once. Real processes with real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from support.lines import COMMAND, Line, environment, process
from support.signalled import Running

from vstore_cli import interrupts

PICTURES = 64


@pytest.fixture
def many(line: Line) -> Line:
    line.put({f"pictures/{number:02}.png": number for number in range(PICTURES)})
    line("init")
    return line


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_finishes_the_batch_and_writes_a_partial_snapshot(number: int, many: Line) -> None:
    with Running(many.home, "sync", "pictures") as running:
        running.signal(number)
        running.says("Stopping after this batch; finished work is saved. Press Ctrl-C again to stop at once.\n")
        ran = running.go_on()
    assert ran.code == 130
    assert "Wrote partial snapshot v1: " in ran.out
    assert ran.err.endswith("Interrupted: v1 holds the finished work; continue with: vstore sync pictures\n")
    (row,) = many("snapshot", "list", "--json").json
    assert row["partial"] is True
    assert 32 <= row["images"] < PICTURES
    assert many("snapshot", "list").lines[1].endswith("  (partial)")
    document = many("sync", "--json").json
    assert document["embedded"] == PICTURES - row["images"], "what was kept is not embedded again"
    assert (document["paths"], document["partial"], document["snapshot"]) == (PICTURES, False, "v2")
    assert many("check", "--read-data", "--json").json["ok"]


def test_json_says_that_it_was_interrupted_and_what_is_kept(many: Line) -> None:
    with Running(many.home, "sync", "pictures", "--json") as running:
        running.signal(signal.SIGINT)
        running.says("Stopping")
        ran = running.go_on()
    assert ran.code == 130
    document = ran.json
    assert (document["interrupted"], document["partial"], document["snapshot"]) == (True, True, "v1")
    assert document["embedded"] == document["images"] >= 32


def test_status_tells_meanwhile_that_a_sync_is_running(many: Line) -> None:
    assert many("status", "pictures", "--json").json["running"] is None
    with Running(many.home, "sync", "pictures") as running:
        told = many("status", "pictures").lines[0]
        assert told.startswith(f"Running now: sync (process {running.pid} on ")
        assert re.search(r"\): (reading|embedding), [0-9]+ of 64 files$", told)
        document = many("status", "pictures", "--json").json["running"]
        assert (document["pid"], document["command"], document["total"]) == (running.pid, "sync", PICTURES)
        running.go_on()
    assert "Running now" not in many("status").out


def test_two_signals_at_the_same_time_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `timeout` sends them: to the process, and to its group."""
    now = [100.0]
    monkeypatch.setattr("vstore_cli.interrupts.time.monotonic", lambda: now[0])
    requests = interrupts._Requests()
    requests.stop, requests.is_told = threading.Event(), False
    requests.handle(signal.SIGTERM, None)
    requests.handle(signal.SIGTERM, None)
    assert requests.stop.is_set()
    assert requests.raised == 0
    now[0] += 0.06
    with pytest.raises(KeyboardInterrupt):
        requests.handle(signal.SIGTERM, None)


def test_what_a_killed_sync_told_is_told_no_more(many: Line) -> None:
    with Running(many.home, "sync", "pictures") as running:
        running.signal(signal.SIGKILL)
        running.wait()
    assert many("status", "pictures", "--json").json["running"] is None


@pytest.mark.parametrize("as_json", [False, True])
def test_twice_stops_at_once_and_loses_no_finished_batch(as_json: bool, many: Line) -> None:
    with Running(many.home, "sync", "pictures", *(["--json"] if as_json else [])) as running:
        running.signal(signal.SIGINT)
        running.says("Stopping")
        running.signal(signal.SIGINT)
        ran = running.end()  # nobody lets the batch go on
    assert ran.code == 130
    if as_json:
        assert ran.error["code"] == "interrupted"
    else:
        assert ran.err.endswith(
            "Error: stopped at once; every finished batch is saved\n  continue with: vstore sync pictures\n"
        )
    assert "Traceback" not in ran.err
    assert many("snapshot", "list", "--json").json == []
    document = many("sync", "pictures", "--json").json
    assert document["recovered"] == 16
    assert document["embedded"] == PICTURES - 16
    assert many("check", "--read-data", "--json").json["ok"]


def test_an_interrupted_sync_of_known_pictures_leaves_what_was_there(many: Line) -> None:
    """Pictures that were not reached keep their place, and nothing is taken for removed."""
    many("sync", "pictures", "-q")
    for number in range(PICTURES):
        os.unlink(f"pictures/{number:02}.png")
    many.put({f"pictures/{number:02}.png": 100 + number for number in range(PICTURES - 1)})
    with Running(many.home, "sync", "--json", "--allow-mass-delete") as running:
        running.signal(signal.SIGINT)
        running.says("Stopping")
        document = running.go_on().json
    assert (document["paths"], document["removed"], document["partial"]) == (PICTURES, 0, True)
    document = many("sync", "--allow-mass-delete", "--json").json
    assert (document["paths"], document["removed"]) == (PICTURES - 1, 1)


def test_a_second_sync_is_refused_while_one_runs_and_may_wait(many: Line) -> None:
    with Running(many.home, "sync", "pictures", "-q") as running:
        for words in (["sync", "pictures"], ["sync", "pictures", "--json"]):
            ran = process(*words, cwd=many.home)
            assert ran.code == 11
        error = ran.error
        assert error["code"] == "locked"
        assert f"process {running.pid} on {os.uname().nodename} (sync, since 20" in error["message"]
        assert error["next"] == "run the command again when it is done, or add --wait"
        # Looking, searching and going back wait for nobody.
        many("log")
        many("status", "pictures", "-q")
        waiting = subprocess.Popen(
            [*COMMAND, "sync", "pictures", "--wait", "--json"], cwd=many.home, env=environment(), stdout=subprocess.PIPE
        )
        time.sleep(0.2)
        assert waiting.poll() is None
        assert running.go_on().code == 0
    out, _ = waiting.communicate(timeout=60)
    assert json.loads(out)["unchanged"] == PICTURES


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_once_ends_the_making_of_a_store_at_once(number: int, line: Line) -> None:
    """Before the first batch there is nothing to finish: a model may take minutes to load, or hours to download."""
    line.put({"pictures/a.png": 1})
    script = """
import time
from vstore.repository import init as making
def init(*words, **more):
    open("reached", "w").close()
    time.sleep(60)
making.init = init
from vstore_cli.main import main
main()
"""
    with Running(line.home, "sync", "pictures", "--json", script=script) as running:
        running.signal(number)
        ran = running.end()
    assert ran.code == 130
    assert ran.error["message"] == "interrupted"
    assert not (line.home / ".vstore").exists()


def test_a_rollback_waits_for_no_sync_and_wins(many: Line) -> None:
    many.put({"few/a.png": 200, "few/b.png": 201})
    many("sync", "few", "-q")
    many.put({"few/c.png": 202})
    many("sync", "-q")
    with Running(many.home, "sync", "pictures", "--json") as running:
        many("rollback", "v1")
        document = running.go_on().json
    assert (document["parent"], document["paths"]) == ("v1", PICTURES + 2)


def test_ctrl_c_in_any_other_command_is_130_too(many: Line) -> None:
    script = (
        "import os, signal\nfrom vstore.store import Store\n"
        # A shell that runs the tests in the background has them ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def log(self, limit=None): os.kill(os.getpid(), signal.SIGINT)\nStore.log = log\n"
        "from vstore_cli.main import main\nmain()"
    )
    for words, said in ((["log"], "Error: interrupted\n"), (["log", "--json"], '"exit": 130')):
        done = subprocess.run(
            [COMMAND[0], "-c", script, *words], cwd=many.home, env=environment(), capture_output=True, text=True
        )
        assert done.returncode == 130, done.stderr
        assert done.stdout == ""
        assert said in done.stderr
        assert "Traceback" not in done.stderr


# A click whose import takes until the process is interrupted.
SLOW_CLICK = (
    "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(0.2)\nraise ImportError('went on')"
)


@pytest.mark.parametrize(
    ("handler", "code", "said"), [("default_int_handler", -signal.SIGINT, ""), ("SIG_IGN", 1, "went on")]
)
def test_ctrl_c_while_the_modules_load_leaves_no_trace(handler: str, code: int, said: str, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text(SLOW_CLICK)
    script = (
        f"import signal, sys\nsignal.signal(signal.SIGINT, signal.{handler})\nsys.path.insert(0, {str(tmp_path)!r})\n"
        "from vstore_cli.main import main\nmain()"
    )
    done = subprocess.run([COMMAND[0], "-c", script], env=environment(), capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert bool(done.stderr) == bool(said)


@pytest.mark.parametrize("handler", ["default_int_handler", "SIG_IGN", "SIG_DFL"])
def test_loading_the_command_changes_nothing_of_ctrl_c(handler: str) -> None:
    script = (
        f"import signal\nsignal.signal(signal.SIGINT, signal.{handler})\nimport vstore_cli.main\n"
        f"assert signal.getsignal(signal.SIGINT) is signal.{handler}"
    )
    subprocess.run([COMMAND[0], "-c", script], env=environment(), check=True)


def test_the_command_can_be_loaded_in_a_thread() -> None:
    script = (
        "import signal, sys, threading\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "load = threading.Thread(target=lambda: __import__('vstore_cli.main'))\nload.start()\nload.join()\n"
        "assert hasattr(sys.modules['vstore_cli.main'], 'main')"
    )
    subprocess.run([COMMAND[0], "-c", script], env=environment(), check=True)


def test_a_reader_that_has_enough_is_no_error(many: Line) -> None:
    many("sync", "pictures", "-q")
    for words in (["snapshot", "diff", "v1"], ["search", "./pictures/00.png", "-l", "-k", "60"], ["log", "--json"]):
        with subprocess.Popen(
            [*COMMAND, *words], cwd=many.home, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.close()
            assert running.stderr.read() == b""
        assert running.returncode == 141
