"""The locks of a store, held across processes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.failing_disks import Watched, disk

from vstore.disk import durable, lock
from vstore.disk.lock import Lock
from vstore.errors import Interrupted, Locked, LockLost, ReadOnly, StoreGone

__all__ = ["disk"]
FULL, BROKEN, READ_ONLY = errno.ENOSPC, errno.EIO, errno.EROFS
SOURCE = str(Path(durable.__file__).parents[2])


HOLD = """
import sys
from pathlib import Path
from vstore.disk.lock import Lock
Lock(Path(sys.argv[1]), sys.argv[2]).acquire(0, "sync pictures")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process, which holds the lock `ingest`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), "ingest"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_lock_that_is_held_names_process_host_command_and_since_when(
    tmp_path: Path, holder: subprocess.Popen[bytes]
) -> None:
    with pytest.raises(Locked) as caught:
        Lock(tmp_path, "ingest").acquire()
    about = json.loads((tmp_path / "ingest").read_bytes())
    assert about["pid"] == holder.pid
    for word in (str(holder.pid), os.uname().nodename, "sync pictures", about["since"], "'ingest'"):
        assert word in caught.value.message
    assert caught.value.exit_code == 11
    assert "--wait" in caught.value.next_step


def test_a_lock_is_free_once_its_holder_was_killed(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with Lock(tmp_path, "ingest") as lock:
        lock.acquire(0, "gc")
        assert lock.held
        assert json.loads((tmp_path / "ingest").read_bytes())["pid"] == os.getpid()


def test_whoever_waits_gets_the_lock_when_it_is_free(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    assert holder.stdin is not None
    holder.stdin.close()
    with Lock(tmp_path, "ingest") as lock:
        lock.acquire(None)
        assert lock.held


def test_a_holder_that_was_stopped_is_named_with_what_lets_it_go_on(
    tmp_path: Path, holder: subprocess.Popen[bytes]
) -> None:
    holder.send_signal(signal.SIGSTOP)
    os.waitpid(holder.pid, os.WUNTRACED)
    with pytest.raises(Locked, match=f"was stopped.*process {holder.pid}") as caught:
        Lock(tmp_path, "ingest").acquire()
    assert f"kill -CONT {holder.pid}" in caught.value.next_step and "--wait" not in caught.value.next_step
    holder.send_signal(signal.SIGCONT)
    os.waitpid(holder.pid, os.WCONTINUED)
    with pytest.raises(Locked) as caught:
        Lock(tmp_path, "ingest").acquire()
    assert "kill" not in caught.value.next_step and "--wait" in caught.value.next_step


@pytest.mark.parametrize("stopped", [False, True])
def test_whoever_waits_for_long_says_once_for_whom(
    tmp_path: Path, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    monkeypatch.setattr(lock, "NOTED", 0.0)
    if stopped:
        holder.send_signal(signal.SIGSTOP)
        os.waitpid(holder.pid, os.WUNTRACED)
    told: list[str] = []
    looks = iter([False] * 6)
    with pytest.raises(Interrupted):
        Lock(tmp_path, "ingest").acquire(None, is_stopped=lambda: next(looks, True), note=told.append)
    (line,) = told
    assert f"process {holder.pid}" in line and ("kill -CONT" in line) == stopped


def test_a_short_wait_says_nothing(
    tmp_path: Path, holder: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "NOTED", 60.0)  # the other process may take its time to end
    assert holder.stdin is not None
    told: list[str] = []
    holder.stdin.close()
    with Lock(tmp_path, "ingest") as held:
        held.acquire(None, note=told.append)
    assert told == []


def test_waiting_ends_after_its_time(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    with pytest.raises(Locked):
        Lock(tmp_path, "ingest").acquire(0.01)


def test_one_process_does_not_get_a_lock_twice(tmp_path: Path) -> None:
    with Lock(tmp_path, "commit") as lock:
        lock.acquire(0, "tag")
        with pytest.raises(Locked, match=f"process {os.getpid()} .*tag"):
            Lock(tmp_path, "commit").acquire()
    assert not lock.held
    with Lock(tmp_path, "commit") as again:
        again.acquire()


def test_a_holder_that_left_no_word_is_still_a_holder(tmp_path: Path) -> None:
    for content in (b"", b"[]", b"not json", b'{"pid": 1}', b"[" * 4000):
        with Lock(tmp_path, "commit") as lock:
            lock.acquire()
            (tmp_path / "commit").write_bytes(content)
            with pytest.raises(Locked, match="an unknown process holds the lock"):
                Lock(tmp_path, "commit").acquire()


def test_only_the_lock_that_can_be_waited_for_speaks_of_waiting(tmp_path: Path) -> None:
    with Lock(tmp_path, "commit") as lock:
        lock.acquire()
        with pytest.raises(Locked) as caught:
            Lock(tmp_path, "commit").acquire()
    assert "--wait" not in caught.value.next_step


def test_the_word_left_in_a_lock_is_taken_away_with_it(tmp_path: Path) -> None:
    with Lock(tmp_path, "commit") as lock:
        lock.acquire(0, "tag")
        assert (tmp_path / "commit").stat().st_size > 0
    assert (tmp_path / "commit").stat().st_size == 0


def test_a_lock_that_cannot_be_taken_leaves_no_descriptor_open(tmp_path: Path) -> None:
    with Lock(tmp_path, "commit") as lock:
        lock.acquire()
        before = len(os.listdir("/dev/fd"))
        for _ in range(20):
            with pytest.raises(Locked):
                Lock(tmp_path, "commit").acquire()
        assert len(os.listdir("/dev/fd")) == before


def test_a_lock_on_a_store_that_cannot_be_written_says_so(tmp_path: Path, disk: Watched) -> None:
    disk.fail("open", READ_ONLY)
    with pytest.raises(ReadOnly, match=r"cannot write .*ingest"):
        Lock(tmp_path, "ingest").acquire()


def test_a_folder_of_locks_that_a_copy_left_out_is_made_again(tmp_path: Path) -> None:
    with Lock(tmp_path / "locks", "ingest") as lock:
        lock.acquire()
        assert lock.held


def test_a_lock_whose_file_was_removed_is_lost_and_the_next_holder_takes_the_one_in_the_folder(tmp_path: Path) -> None:
    with Lock(tmp_path, "ingest") as lock, Lock(tmp_path, "ingest") as other:
        lock.acquire()
        lock.refuse_lost()
        lock.path.unlink()
        with pytest.raises(LockLost, match="was removed while it was locked"):
            lock.refuse_lost()
        other.acquire()
        other.refuse_lost()
        with pytest.raises(Locked):
            Lock(tmp_path, "ingest").acquire()
        with pytest.raises(LockLost):
            lock.refuse_lost()


def test_a_lock_that_lost_its_name_while_another_waited_is_not_enough(tmp_path: Path) -> None:
    first, waiting, third = (Lock(tmp_path, "ingest") for _ in range(3))
    first.acquire()
    thread = threading.Thread(target=lambda: waiting.acquire(None))
    thread.start()
    time.sleep(0.2)  # it has opened the file
    first.path.unlink()
    first.release()
    thread.join()
    waiting.refuse_lost()
    with pytest.raises(Locked):
        third.acquire()
    waiting.release()


def test_a_lock_is_refused_before_and_after_it_is_taken_where_its_folder_is_another(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    for good in range(2):
        answers = iter([True] * good)

        def confirm(answers: Iterator[bool] = answers) -> None:
            if not next(answers, False):
                raise StoreGone("it is gone")

        held: dict[str, Lock] = {}
        with pytest.raises(StoreGone):
            Lock(tmp_path / "locks", "ingest", confirm=confirm, held=held).acquire()
        assert (tmp_path / "locks").exists() == bool(good), "nothing is made before the first look"
        assert not held
    assert len(os.listdir("/dev/fd")) == before


def test_the_owner_of_a_lock_knows_that_it_is_held(tmp_path: Path) -> None:
    held: dict[str, Lock] = {}
    with Lock(tmp_path, "ingest", held=held) as lock:
        assert not held
        lock.acquire()
        assert held == {"ingest": lock}
    assert not held


@pytest.mark.parametrize(("wait", "longest"), [(60.0, 0.01), (None, 0.05)])
def test_who_waits_for_a_moment_alone_looks_often(
    wait: float | None, longest: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`commit` is held for milliseconds, again and again by a busy program: who looks seldom never finds it free."""
    pauses: list[float] = []

    def sleep(seconds: float, plain: Callable[[float], None] = time.sleep) -> None:
        pauses.append(seconds)
        plain(seconds)

    monkeypatch.setattr(time, "sleep", sleep)
    with Lock(tmp_path, "commit") as held:
        held.acquire()
        with pytest.raises(Interrupted):
            Lock(tmp_path, "commit").acquire(wait, is_stopped=lambda: len(pauses) >= 10)
    assert max(pauses) == longest
