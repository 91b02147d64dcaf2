"""Pictures of strangers: none ends a run, each without a vector says why, and memory stays within bounds."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import io
import json
import os
import signal
import subprocess
import sys
import termios
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.folders import World, drawn
from support.hostile import good, hostile, png

from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PASSING, PictureFailure
from vstore.pictures.isolation import IsolatedDecoder
from vstore.pictures.preparation import Preparation

TESTS = Path(__file__).resolve().parents[1]
LIMIT = 400 << 20  # bytes that a sync of all of them may use
LIMIT_OF_LARGE = 700 << 20  # bytes that a sync of any number of pictures of 80 million pixels may use
SCRIPT = """
import json, resource, sys
from vstore.store import Store
from vstore.testing import FakeEmbedder
fake = FakeEmbedder()
Store.init(sys.argv[1], recipe=fake.recipe)
with Store(sys.argv[1], load_embedder=lambda recipe: fake) as store:
    report = store.sync([sys.argv[2]], isolate_decoding=sys.argv[3] == "isolated").to_json()
# What getrusage says of a process itself begins with what the one that started it had.
with open("/proc/self/status") as status:
    report["rss"] = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
report["rss_of_workers"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
print(json.dumps(report))
"""


def synced(top: Path, how: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(top / how), str(top / "pictures"), how],
        env={**os.environ, "PYTHONPATH": str(TESTS.parent / "store")},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def play(top: Path, times: int, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = hostile(times)
    (top / "pictures").mkdir()
    for name, data in {**pictures, **{f"good-{n}": d for n, d in good().items()}}.items():
        (top / "pictures" / name).write_bytes(data)
    assert len(pictures) >= 300
    reports = {}
    for how in ("here", "isolated"):
        report = reports[how] = synced(top, how)
        failed = {failure["path"]: failure for failure in report["failed"]}
        listed = report["paths"] + len(failed)
        assert listed == len(pictures) + len(good()), "each one is in the snapshot, or listed with its reason"
        assert all(failure["reason"] and failure["kind"] for failure in failed.values())
        assert not [path for path in failed if path.startswith("pictures/good-")]
        assert report["rss"] < LIMIT
        assert report["rss_of_workers"] < LIMIT
    assert reports["here"]["paths"] == reports["isolated"]["paths"]
    kinds = Counter(failure["kind"] for failure in reports["isolated"]["failed"])
    with capsys.disabled():
        print(
            f"\n{len(pictures)} hostile pictures: {reports['here']['paths'] - len(good())} decode after all, "
            + ", ".join(f"{kind} {count}" for kind, count in kinds.items())
            + f"; {reports['here']['rss'] >> 20} MiB here, {reports['isolated']['rss_of_workers'] >> 20} in workers",
            end=" ",
        )


def test_no_hostile_picture_ends_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(tmp_path, 4, capsys)


def test_large_pictures_are_decoded_one_after_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        rows = zlib.compress((b"\0" + bytes([number]) * 8_000) * 10_000, 1)
        (tmp_path / "pictures" / f"{number}.png").write_bytes(png(8_000, 10_000, rows))
    report = synced(tmp_path, "here")
    with capsys.disabled():
        print(f"\n4 pictures of 80 million pixels: {report['rss'] >> 20} MiB", end=" ")
    assert (report["new"], report["failed"]) == (4, [])
    assert report["rss"] < LIMIT_OF_LARGE


@pytest.mark.long
def test_no_hostile_picture_of_five_thousand_ends_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(tmp_path, 230, capsys)


def test_a_worker_decodes_as_this_process_does() -> None:
    with IsolatedDecoder() as decoder:
        for name, data in good().items():
            mine, facts = prepare(data, Preparation())
            its, same_facts = decoder.prepare(data, Preparation())
            assert facts == same_facts, name
            assert mine.tobytes() == its.tobytes(), name


def test_a_failure_in_a_worker_is_the_failure_here() -> None:
    with IsolatedDecoder() as decoder:
        for data in (b"", b"no picture", drawn(1)[:100]):
            with pytest.raises(PictureFailure) as here:
                prepare(data, Preparation())
            with pytest.raises(PictureFailure) as there:
                decoder.prepare(data, Preparation())
            assert (here.value.kind, here.value.reason) == (there.value.kind, there.value.reason)


def large(side: int) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.zeros((side, side), np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("how", ["cut", "broken", "none"])
def test_a_picture_that_cannot_be_decoded_is_let_go_of(how: str) -> None:
    """The bytes of pictures that fail, of many MB each, do not stay until garbage is collected."""
    picture = next(data for name, data in good().items() if name.endswith(".jpg"))
    data = {"cut": picture[: len(picture) // 2], "broken": picture[:3] + bytes(1000), "none": b"x" * 1000}[how]
    gc.disable()
    try:
        before = sys.getrefcount(data)
        with contextlib.suppress(PictureFailure):
            prepare(data, Preparation())
        assert sys.getrefcount(data) == before
    finally:
        gc.enable()


def test_a_picture_that_needs_too_much_memory_costs_itself_alone() -> None:
    with IsolatedDecoder(memory=64 << 20) as decoder:
        with pytest.raises(PictureFailure) as failure:
            decoder.prepare(large(12_000), Preparation())
        assert failure.value.kind == "too_large"
        assert "64 MiB" in failure.value.reason
        assert decoder.prepare(drawn(1), Preparation())[0].size == (30, 20)


def test_a_decoder_that_hangs_costs_one_picture() -> None:
    with IsolatedDecoder() as decoder:
        decoder.prepare(drawn(1), Preparation())  # a busy machine takes its time to start the worker
        decoder._seconds = 0.5
        os.kill(decoder._all[0]._process.pid, signal.SIGSTOP)
        with pytest.raises(PictureFailure, match="took longer than"):
            decoder.prepare(drawn(2), Preparation())
        decoder._seconds = 60
        assert decoder.prepare(drawn(3), Preparation())[0].size == (30, 20)


def test_a_decoder_that_crashes_costs_one_picture() -> None:
    with IsolatedDecoder() as decoder:
        decoder.prepare(drawn(1), Preparation())
        worker = decoder._all[0]._process
        pid = worker.pid
        os.kill(pid, signal.SIGSTOP)  # so that the crash falls into the picture

        def crash() -> None:
            assert worker.stdin is not None
            for _ in range(20_000):  # until it has been given the picture; not every system tells
                if fcntl.ioctl(worker.stdin.fileno(), termios.FIONREAD, bytes(4)) != bytes(4):
                    break
                time.sleep(0.001)
            os.kill(pid, signal.SIGSEGV)
            os.kill(pid, signal.SIGCONT)

        thread = threading.Thread(target=crash)
        thread.start()
        with pytest.raises(PictureFailure, match="SIGSEGV"):
            decoder.prepare(drawn(2), Preparation())
        thread.join()
        assert decoder.prepare(drawn(3), Preparation())[0].size == (30, 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_somebody_ended_says_nothing_of_its_picture(number: int) -> None:
    """Otherwise its current picture would be remembered as one that does not decode."""
    with IsolatedDecoder() as decoder:
        decoder.prepare(drawn(1), Preparation())
        os.kill(decoder._all[0]._process.pid, number)
        with pytest.raises(PictureFailure, match=signal.Signals(number).name) as failure:
            decoder.prepare(drawn(2), Preparation())
        assert failure.value.kind in PASSING
        assert decoder.prepare(drawn(3), Preparation())[0].size == (30, 20)


def test_ctrl_c_at_the_terminal_does_not_reach_a_worker() -> None:
    with IsolatedDecoder() as decoder:
        decoder.prepare(drawn(1), Preparation())
        assert os.getpgid(decoder._all[0]._process.pid) != os.getpgrp()


def test_workers_end_with_the_run(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({f"{n}.png": n for n in range(6)})
    import psutil

    before = set(psutil.Process().children())
    report = world.sync(isolate_decoding=True)
    assert report.embedded == 6
    assert set(psutil.Process().children()) <= before
    assert world.store.check(reembed=6).ok


def test_threads_that_ask_one_after_the_other_share_a_worker() -> None:
    with IsolatedDecoder() as decoder:
        for number in range(4):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(decoder.prepare, drawn(number), Preparation()).result()
        assert len(decoder._all) == 1


def test_workers_end_once_nobody_refers_to_their_decoder() -> None:
    decoder = IsolatedDecoder()
    decoder.prepare(drawn(1), Preparation())
    worker = decoder._all[0]._process
    del decoder
    gc.collect()
    assert worker.poll() is not None


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_of_a_fork_has_workers_of_its_own() -> None:
    with IsolatedDecoder() as decoder:
        decoder.prepare(drawn(1), Preparation())
        worker = decoder._all[0]._process
        child = os.fork()
        if not child:
            status = 1
            with contextlib.suppress(BaseException):
                prepared = decoder.prepare(drawn(2), Preparation())[0]
                status = 0 if prepared.size == (30, 20) and decoder._all[0]._process.pid != worker.pid else 2
                decoder.close()
            os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert worker.poll() is None, "the parent goes on with its own"
        assert decoder.prepare(drawn(3), Preparation())[0].size == (30, 20)
        assert len(decoder._all) == 1


def test_a_known_failure_of_a_worker_is_tried_again_without_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({"good.png": 1, "bad.png": b"no picture"})
    assert [failure.known for failure in world.sync(isolate_decoding=True).failed] == [False]
    assert [failure.known for failure in world.sync(isolate_decoding=True).failed] == [True]
    assert [failure.known for failure in world.sync().failed] == [False]
