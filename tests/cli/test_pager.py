"""The pager: long lists on a terminal go through it, and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.lines import Line
from support.terminal import in_terminal, plain

MARK = "sed -e 's/^/paged: /'"
LISTS = [["log"], ["snapshot", "list"], ["snapshot", "diff", "v1", "v1"], ["ls", "-R"], ["find", "*"]]


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_lists_go_through_the_pager_that_the_user_names(words: list[str], pictures: Line) -> None:
    code, got = in_terminal(words, pictures.home, VSTORE_PAGER=MARK, PAGER="false")
    assert code == 0
    assert all(text.startswith("paged: ") for text in got.splitlines())
    assert got == in_terminal(words, pictures.home, PAGER=MARK)[1]


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["--no-pager", "log"], {}),
        (["log", "--no-pager"], {}),
        (["log", "--json"], {}),
        (["log"], {"VSTORE_PAGER": "cat"}),
        (["log"], {"VSTORE_PAGER": ""}),
        (["log"], {"TERM": "dumb"}),
    ],
)
def test_it_is_not_used(words: list[str], env: dict[str, str], pictures: Line) -> None:
    code, got = in_terminal(words, pictures.home, **{"PAGER": MARK, **env})
    assert code == 0
    assert "paged" not in got and got.strip()


def test_away_from_a_terminal_it_is_not_used(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pictures("log").out
    monkeypatch.setenv("PAGER", MARK)
    assert pictures("log").out == plain


def test_less_leaves_at_once_what_fits(pictures: Line) -> None:
    code, got = in_terminal(["log"], pictures.home)
    assert code == 0
    assert "sync" in got and "(END)" not in got


def test_a_user_s_own_options_of_less_stay(pictures: Line) -> None:
    show = "sh -c 'echo LESS is $LESS'"
    assert "LESS is FRX" in in_terminal(["log"], pictures.home, PAGER=show)[1]
    assert "LESS is -i\r" in in_terminal(["log"], pictures.home, PAGER=show, LESS="-i")[1]


def many(line: Line) -> Line:
    """A store whose log has hundreds of lines."""
    from vstore import Store

    with Store(line.store) as store:
        for _ in range(150):
            store.snapshot_tag("v1", "x")
            store.snapshot_untag("x")
    return line


def test_quitting_it_is_quiet(pictures: Line) -> None:
    code, got = in_terminal(["log"], many(pictures).home, PAGER="head -n 2")
    assert code == 0
    assert "roken pipe" not in got and "Traceback" not in got
    assert len(got.splitlines()) == 2


def test_quitting_less_is_quiet(pictures: Line) -> None:
    def quit_once(terminal: int, got: bytes, process: subprocess.Popen[bytes]) -> None:
        if got.rstrip().endswith(b"\x1b[K") or b":" in got[-40:]:
            os.write(terminal, b"q")

    code, got = in_terminal(["log"], many(pictures).home, typist=quit_once)
    assert code == 0
    assert "Traceback" not in got and "roken pipe" not in got


def test_ctrl_c_in_the_pager_leaves_it_running(pictures: Line) -> None:
    """The pager says what Ctrl-C means; vstore waits until the pager ends."""
    sent: list[bool] = []
    waits = "until [ $n ]; do sleep 0.1; done; sleep 1"
    patient = f"n=; trap 'echo caught; n=x' INT; cat > /dev/null; echo ready; {waits}; echo ended"

    def interrupt(terminal: int, got: bytes, process: subprocess.Popen[bytes]) -> None:
        if b"ready" in got and not sent:
            sent.append(True)
            os.killpg(process.pid, signal.SIGINT)

    code, got = in_terminal(["log"], pictures.home, typist=interrupt, PAGER=patient)
    assert sent
    assert got.split() == ["ready", "caught", "ended"]
    assert code == 0


def test_ctrl_c_again_and_again_ends_no_pager_that_has_yet_to_read(pictures: Line) -> None:
    sent: list[float] = []
    waits = "until [ ${#n} = 3 ]; do sleep 0.1; done"
    patient = f"n=; trap 'echo caught; n=x$n' INT; echo ready; {waits}; cat > /dev/null; echo ended"

    def interrupt(terminal: int, got: bytes, process: subprocess.Popen[bytes]) -> None:
        if len(sent) < 3 and got.count(b"caught") == len(sent) and b"ready" in got:
            sent.append(time.monotonic())
            time.sleep(0.5 if len(sent) == 1 else 1.0)
            os.killpg(process.pid, signal.SIGINT)

    code, got = in_terminal(["log"], pictures.home, typist=interrupt, PAGER=patient)
    assert len(sent) == 3
    assert got.split() == ["ready", *["caught"] * 3, "ended"], "nothing is written among what it shows"
    assert code == 0


def test_sigterm_ends_the_pager_too(pictures: Line) -> None:
    def terminate(terminal: int, got: bytes, process: subprocess.Popen[bytes]) -> None:
        if b"ready" in got:
            process.terminate()

    patient = "cat > /dev/null; echo ready; exec sleep 150"
    began = time.monotonic()
    code, _ = in_terminal(["log"], pictures.home, typist=terminate, PAGER=patient)
    assert time.monotonic() - began < 120
    assert code in (0, 130)


def test_a_pager_that_does_not_start_loses_nothing(pictures: Line) -> None:
    code, got = in_terminal(["log"], pictures.home, VSTORE_PAGER="no-such-pager -x")
    assert code == 0
    assert "Warning: the pager 'no-such-pager -x' did not start: No such file or directory." in plain(got)
    assert "sync" in got


def test_an_error_is_told_after_the_pager(line: Line, tmp_path: Path) -> None:
    code, got = in_terminal(["log"], tmp_path, PAGER=MARK)
    assert code == 10
    assert "paged" not in got and "there is no store here" in got
