"""One model in several processes: the same vectors, under the right names, and no process that outlives its run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from support.embedders import probes, recipe_of
from support.fake_worker import HOOK, TOP, fake_workers, pictures, running, use
from support.folders import put
from support.lines import CALL, PATHS, environment, process
from support.zoo import Zoo

from vstore.embed.embedder import Pipeline
from vstore.embed.hf.batches import Limits
from vstore.embed.hf.devices import all_devices, first_device
from vstore.embed.model_words import Settings, device_words
from vstore.embed.probes import PROBES, probe_file
from vstore.embed.workers.pool import Workers
from vstore.embed.workers.worker import Worker
from vstore.errors import ModelError, UsageError
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore_cli.main import run


def wait_for(what: Callable[[], Any]) -> None:
    until = time.monotonic() + 180
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def space_of(store: Store) -> Any:
    (space,) = store._repo.state.spaces.values()
    return space


def stored(folder: Path) -> dict[bytes, Any]:
    """The vector of each key."""
    repo = Repository(folder)
    found: dict[bytes, Any] = {}
    for space in repo.state.spaces:
        for ref in repo.state.segments(space):
            segment = repo.segment(ref)
            found |= dict(zip(segment.key_list(), np.array(segment.rows(), np.float32), strict=True))
    repo.close()
    return found


def open_pipes() -> list[str]:
    """The ends of pipes that this process holds; none where the system does not say."""
    found = []
    for fd in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{fd}"))
    return sorted(name for name in found if name.startswith("pipe:"))


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a process, a thread or a pipe behind, however its run ended."""
    before = open_pipes()
    yield
    assert running() == []
    assert open_pipes() == before
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vstore-")]


# What a user may name


@pytest.mark.parametrize(
    "text", ["", "cpu,", ",", "cuda:", "cuda:-1", "cuda:01", "cpu cpu", "auto,cpu", "cpu;cuda", "tpu", "auto:1"]
)
def test_words_that_name_no_devices_are_a_usage_error(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="does not name devices"):
        device_words(text)
    assert run(["sync", "nowhere", "--device", text]) == 2
    assert ("does not name devices" if text else "an argument is empty") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("gpu", "cuda"), ("GPU", "cuda"), ("gpu:1", "cuda:1"), ("cuda:x", "cuda"), ("cuda1", "cuda:1"),
        ("cuda:01", "cuda:1"), ("CPU", "cpu"), ("mp", "mps"), ("cuda:0,gpu1", "cuda:0,cuda:1"), ("Auto", "auto"),
    ],
)  # fmt: skip
def test_the_devices_that_are_meant_are_asked_about(text: str, near: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.embed.model_words._GPU", "cuda")
    with pytest.raises(UsageError) as caught:
        device_words(text)
    assert caught.value.instead == (text, near)
    for nothing in ("", "cuda:0,", "x", "auto,cpu", "auto,gpu"):
        with pytest.raises(UsageError) as caught:
            device_words(nothing)
        assert caught.value.instead is None


@pytest.mark.parametrize("text", ["cuda:9", "cpu,cuda:9", "cpu:1", "mps:3"])
def test_a_device_that_is_not_there_is_said_before_anything_is_loaded(
    text: str, tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "pictures", {"a.png": 1})
    Store.init(tmp_path / ".vstore", model=str(zoo["clip"]), device="cpu")
    monkeypatch.setattr("vstore.embed.hf.loading.load_model", None)
    monkeypatch.setattr("vstore.embed.workers.worker.subprocess.Popen", None)
    with Store(tmp_path / ".vstore") as store, pytest.raises(ModelError, match=f"no device '{text[-6:]}"[:15]):
        store.sync([tmp_path / "pictures"], device=text)


def test_auto_and_cuda_are_every_gpu_where_much_is_embedded_and_the_first_where_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    three = ["cuda:0", "cuda:1", "cuda:2"]
    assert all_devices(Settings("auto")) == all_devices(Settings("cuda")) == three
    assert all_devices(Settings("cuda:1")) == ["cuda:1"]
    assert all_devices(Settings("cpu,cuda:2,cpu")) == ["cpu", "cuda:2", "cpu"]
    assert [first_device(Settings(text)) for text in ("auto", "cuda", "cuda:1,cpu", "cpu,cuda")] == [
        "cuda", "cuda", "cuda:1", "cpu"
    ]  # fmt: skip
    with pytest.raises(ModelError, match="cuda:2"):
        all_devices(Settings("cuda:3"))


def test_a_gpu_is_free_of_the_model_that_made_the_space_before_a_worker_is_started(
    tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    done: list[str] = []

    def popen(*args: Any, **options: Any) -> Any:
        done.append("started")
        raise OSError(11, "Resource temporarily unavailable")

    Store.init(tmp_path, model=str(zoo["clip"]), device="cpu")
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: done.append("emptied"))
    monkeypatch.setattr("vstore.embed.workers.worker.subprocess.Popen", popen)
    with Store(tmp_path) as store:
        recipe = store._repo.recipe(space_of(store).id)
        with pytest.raises(ModelError, match="a worker process for cpu cannot be started: Resource temp"):
            store._embedders.load_on_all(recipe, Settings("cpu,cpu"))
    assert done == ["emptied", "started"]


@pytest.mark.parametrize("device", ["cpu", "cpu,cpu"])
def test_a_model_of_unknown_place_is_asked_for(device: str, tmp_path: Path, zoo: Zoo) -> None:
    Store.init(tmp_path, recipe=recipe_of(zoo["clip"]), name="mine")
    with Store(tmp_path) as store, pytest.raises(ModelError, match="its place is unknown") as caught:
        store._embedders.load_on_all(store._repo.recipe(space_of(store).id), Settings(device))
    assert "vstore model add" in caught.value.next_step


def test_without_a_gpu_auto_is_one_process_and_no_worker() -> None:
    assert all_devices(Settings("auto")) == ["cpu"]


def test_batches_are_as_the_largest_device_likes_them() -> None:
    assert (
        Limits.of(Settings(), ["cpu", "cuda:1"]) == Limits.of(Settings(), ["cuda:0"]) != Limits.of(Settings(), ["cpu"])
    )
    assert Limits.of(Settings(batch_size=5), ["cpu", "cuda:1"]) == Limits(5, None)


def test_the_built_in_embedder_refuses_several_devices(tmp_path: Path) -> None:
    put(tmp_path / "pictures", {"a.png": 1})
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        with pytest.raises(ModelError, match="several devices, and an embedder of the family 'builtin'"):
            store.sync([tmp_path / "pictures"], device="cpu,cpu")
        assert store.sync([tmp_path / "pictures"], device="cpu").embedded == 1


# Real models


def test_two_workers_have_the_vectors_of_one_model_to_the_bit(
    tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as many threads as the model in this process has: see zoo
    Store.init(tmp_path, model=str(zoo["clip"]), adapter=str(zoo.adapter("clip")), device="cpu")
    with Store(tmp_path) as store:
        recipe = store._repo.recipe(space_of(store).id)
        one, pool = (
            store._embedders.load(recipe, Settings("cpu")),
            store._embedders.load_on_all(recipe, Settings("cpu,cpu")),
        )
    assert isinstance(pool, Workers) and isinstance(pool, Pipeline)
    try:
        some = list(probes().values())
        batches = [[some[(at + shift) % 6] for at in range(size)] for size in (1, 2, 5, 8) for shift in range(3)]
        wanted = [one.embed_images(batch) for batch in batches]
        assert np.array_equal(pool.embed_images(batches[-1]), wanted[-1])
        assert len(running()) == 1, "one batch is not worth a second worker"
        while len(pool._ready()) < 2:
            pool.first_of([pool.start([pool.prepare(some[0])]) for _ in range(3)])
        started = [pool.start([pool.prepare(picture) for picture in batch]) for batch in batches]
        assert (len(running()), pool.in_flight) == (2, 4)
        for rows, vectors in zip(wanted, started, strict=True):
            assert np.array_equal(rows, vectors())
        held = [part for part in vars(pool._family).values() if hasattr(part, "parameters")]
        assert not held, "weights are in the workers alone"
    finally:
        pool.close()


TIGHT = """
import os
from vstore.embed.hf.transformer import TransformerEmbedder
plain = TransformerEmbedder.forward
def forward(self, batch):
    if len(batch) > 2:
        import torch
        open({mark!r} + str(os.getpid()), "w").close()
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return plain(self, batch)
TransformerEmbedder.forward = forward
"""


def test_a_sync_with_two_workers_is_that_with_one(tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the command, as a process of its own, with a model of tokens; its workers have little memory besides."""
    use(TIGHT.format(mark=str(tmp_path / "halved")), tmp_path / "hook", monkeypatch)
    env = environment(PYTHONPATH=os.pathsep.join([str(tmp_path / "hook"), PATHS]))
    seeds = {f"{number:02}.png": number for number in range(20)}
    put(tmp_path / "pictures", {**seeds, **{f"{name}.png": probe_file(name) for name in PROBES}, "no.png": b"x"})
    monkeypatch.chdir(tmp_path)
    words = ["sync", "pictures", "--model", str(zoo["qwen2_vl"]), "--batch-size", "3", "--device"]
    assert run([*words, "cpu", "--store", "one"]) == 3
    ran = process(*words, "cpu,cpu", "--store", "two", cwd=tmp_path, env=env)
    assert ran.code == 3, ran.err
    count = 20 + len(PROBES)
    assert f"Embedded {count} pictures" in ran.out
    assert 1 <= len(list(tmp_path.glob("halved*"))) <= 2
    one, two = stored(tmp_path / "one"), stored(tmp_path / "two")
    assert one.keys() == two.keys() and len(one) == count
    assert max(np.abs(one[key] - two[key]).max() for key in one) < 1e-3, "float16 of vectors that differ by 1e-5"
    monkeypatch.setattr("vstore.embed.workers.worker.subprocess.Popen", None)
    assert run(["sync", "--store", "two", "--device", "cpu,cpu"]) == 0, "what embeds nothing starts no worker"


POOR = """
from vstore.embed.hf.transformer import TransformerEmbedder
texts, forward = TransformerEmbedder.embed_texts, TransformerEmbedder.forward
def embed_texts(self, words):  # the last probe
    self.poor = True
    return texts(self, words)
def poor(self, batch):
    if hasattr(self, "poor"):
        import torch
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    return forward(self, batch)
TransformerEmbedder.embed_texts, TransformerEmbedder.forward = embed_texts, poor
"""


def test_too_little_memory_for_one_picture_in_a_worker_ends_the_run_and_says_what_to_do(
    tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(POOR, tmp_path / "hook", monkeypatch)
    env = environment(PYTHONPATH=os.pathsep.join([str(tmp_path / "hook"), PATHS]))
    put(tmp_path / "pictures", {f"{number}.png": number for number in range(9)})
    Store.init(tmp_path / ".vstore", model=str(zoo["clip"]), device="cpu")
    ran = process("sync", "pictures", "--device", "cpu,cpu", "--batch-size", "4", cwd=tmp_path, env=env)
    assert ran.code == 13, ran.err
    assert "not enough memory on cpu to embed even one picture (in the worker process on cpu)" in " ".join(
        ran.err.split()
    )
    assert "--max-side" in ran.err and "Traceback" not in ran.err
    monkeypatch.delenv("PYTHONPATH")
    assert run(["sync", str(tmp_path / "pictures"), "--device", "cpu", "--store", str(tmp_path / ".vstore")]) == 0


DRIFTS = """
import os
import vstore.embed.workers.process as process
plain = process._load
def load(job):
    made = plain(job)
    try:
        os.mkdir({mark!r})
    except FileExistsError:  # the first worker was here
        import torch
        with torch.no_grad():
            for value in made.model.parameters():
                value.add_(0.1)
    return made
process._load = load
"""


def test_a_second_worker_that_drifts_ends_the_run_and_is_named(
    tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(DRIFTS.format(mark=str(tmp_path / "mark")), tmp_path / "hook", monkeypatch)
    Store.init(tmp_path / ".vstore", model=str(zoo["clip"]), device="cpu", name="mine")
    with Store(tmp_path / ".vstore") as store:
        pool = store._embedders.load_on_all(store._repo.recipe(space_of(store).id), Settings("cpu,cpu"))
        assert isinstance(pool, Workers)
        with pytest.raises(ModelError, match=r"the space 'mine' on cpu does not give .* off by") as caught:
            while True:
                pool.embed_images([probes()["tiny"]])
                started = [pool.start([pool.prepare(probes()["tiny"])]) for _ in range(2)]
                while started:
                    started.pop(pool.first_of(started))()
        assert caught.value.exit_code == 13
        pool.close()


STEPS = """
import os, time
from vstore.embed.hf.transformer import TransformerEmbedder
plain = TransformerEmbedder.start
def start(self, inputs):
    if len(inputs) > 1:  # no probe
        open({mark!r}, "w").close()
        while not os.path.exists({go!r}):
            time.sleep(0.01)
    return plain(self, inputs)
TransformerEmbedder.start = start
"""


def test_ctrl_c_lets_the_batches_be_finished_and_ends_the_workers(
    tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, go = tmp_path / "mark", tmp_path / "go"
    use(STEPS.format(mark=str(mark), go=str(go)), tmp_path / "hook", monkeypatch)
    put(tmp_path / "pictures", {f"{number:03}.png": number for number in range(100)})
    Store.init(tmp_path / ".vstore", model=str(zoo["clip"]), device="cpu")
    code = f"import sys; sys.path[:0] = [{str(TOP / 'store')!r}, {str(TOP / 'cli')!r}]\n{CALL}"
    words = ["sync", "pictures", "--device", "cpu,cpu", "--batch-size", "4", "-q"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as sync:
        try:
            wait_for(lambda: mark.exists() or sync.poll() is not None)
            workers = running(sync.pid)
            assert workers, sync.stderr and sync.stderr.read()
            os.killpg(sync.pid, signal.SIGINT)
            for one in workers:
                one.send_signal(signal.SIGINT)
                one.send_signal(signal.SIGTERM)
            assert sync.stderr is not None
            assert any("Stopping after this batch" in line for line in iter(sync.stderr.readline, ""))
            go.touch()
            rest = sync.stderr.read()
            assert sync.wait(60) == 130, rest
        finally:
            sync.kill()
    _, alive = psutil.wait_procs(workers, 60)
    assert not alive
    with Store(tmp_path / ".vstore") as store:
        (row,) = store.snapshot_list()
        assert row.partial and 4 <= row.images < 100


# Processes with a fake model


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Workers]]:
    use(HOOK, tmp_path / "hook", monkeypatch)
    made: list[Workers] = []

    def make(count: int = 2, **more: Any) -> Workers:
        made.append(fake_workers(count, **more))
        return made[-1]

    yield make
    for pool in made:
        pool.close()
        pool.close()


def both_ready(pool: Workers) -> None:
    while len(pool._ready()) < len(pool._devices):
        started = [pool.start(pictures(0, sleep=0.05)) for _ in pool._devices]
        for vectors in started:
            vectors()


def test_a_slow_worker_swaps_no_vectors_and_holds_no_other_up(fakes: Callable[..., Workers]) -> None:
    pool = fakes()
    both_ready(pool)
    slow = pictures(1, 2, sleep=1.5)
    batches = [slow, *(pictures(10 * n, 10 * n + 1) for n in range(1, 8))]
    started = [pool.start(batch) for batch in batches]
    assert all(batch.inputs is not batches for batch in pool.waiting)
    order: list[int] = []
    left = list(range(len(batches)))
    while left:
        number = left.pop(pool.first_of([started[n] for n in left]))
        assert np.array_equal(started[number](), np.stack([one["row"] for one in batches[number]]))
        order.append(number)
    assert order[-1] == 0, "the seven others were finished before the slow one"


def test_the_next_worker_is_started_when_a_batch_waits(fakes: Callable[..., Workers]) -> None:
    pool = fakes(3)
    assert (len(running()), pool.in_flight) == (1, 2)
    first = pool.start(pictures(1, sleep=0.3))
    assert len(pool._desks) == 1
    second = pool.start(pictures(2))
    assert len(pool._desks) == 2
    first(), second()
    wait_for(lambda: pool.in_flight == 4)
    pool.start(pictures(3))()
    assert len(pool._desks) == 2, "one of the two had nothing to do"


def test_an_error_of_a_worker_is_raised_here_as_it_was_there(fakes: Callable[..., Workers]) -> None:
    pool = fakes(1)
    good, bad = pool.start(pictures(1)), pool.start(pictures(2, do="fail"))
    assert good().shape == (1, 8)
    with pytest.raises(ModelError) as caught:
        bad()
    assert caught.value.message == "the model is tired (in the worker process on fake:0)"
    assert (caught.value.next_step, caught.value.exit_code) == ("let it rest", 13)
    with pytest.raises(ModelError):
        pool.start(pictures(3))()


def test_what_nobody_foresaw_brings_its_traceback(fakes: Callable[..., Workers]) -> None:
    pool = fakes(1)
    with pytest.raises(
        RuntimeError, match=r"(?s)ZeroDivisionError: of no use, in the worker process on fake:0.*in start"
    ):
        pool.start(pictures(1, do="fault"))()


def test_a_worker_that_crashes_is_named_with_its_last_words(fakes: Callable[..., Workers]) -> None:
    pool = fakes(1)
    with pytest.raises(ModelError, match=r"worker process on fake:0 has died \(SIGSEGV\): its last words"):
        pool.start(pictures(1, do="die"))()


def test_the_last_worker_that_is_killed_ends_the_run_and_what_was_finished_is_kept(
    fakes: Callable[..., Workers],
) -> None:
    pool = fakes()
    both_ready(pool)
    hung = pool.start(pictures(1, sleep=60))
    done = pool.start(pictures(2))
    wait_for(lambda: pool.first_of([hung, done]) == 1)
    (one,) = (desk for desk in pool._desks if not desk.under_way)
    assert one.worker is not None
    pool.lose(one, ModelError("it is sick"))
    killed = next(desk for desk in pool._desks if desk.under_way)
    assert killed.worker is not None
    os.kill(killed.worker.pid, signal.SIGKILL)
    wait_for(lambda: pool.in_flight == 1 and pool.has_ended)
    assert pool.first_of([hung, done]) == 1
    assert done().shape == (1, 8)
    with pytest.raises(ModelError, match=rf"{killed.device} has died \(SIGKILL\)") as caught:
        hung()
    assert "finished vectors are safe" in caught.value.next_step


def stopped_while_it_is_written_to(pool: Workers) -> Worker:
    """The one worker of a pool, halted, with a batch on its way that no pipe holds."""
    (desk,) = pool._desks
    assert desk.worker is not None
    os.kill(desk.worker.pid, signal.SIGSTOP)
    pool.start([{"row": np.zeros(8 << 20, np.float32)}])
    wait_for(lambda: desk.under_way)
    time.sleep(0.2)  # the pipe is full now
    return desk.worker


def test_a_worker_that_dies_while_it_is_written_to_is_named(fakes: Callable[..., Workers]) -> None:
    pool = fakes(1)
    worker = stopped_while_it_is_written_to(pool)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(ModelError, match=r"worker process on fake:0 has died \(SIGKILL\)"):
        pool.start(pictures(1))()


def test_a_child_of_a_worker_that_outlives_it_holds_nobody_up(fakes: Callable[..., Workers]) -> None:
    """As the processes that torch compiles in may: one that held the pipe would keep whoever writes there for ever."""
    pool = fakes(1)
    child = int(pool.start(pictures(1, do="leave a child"))()[0, 0])
    try:
        worker = stopped_while_it_is_written_to(pool)
        os.kill(worker.pid, signal.SIGKILL)
        closing = threading.Thread(target=pool.close, daemon=True)
        closing.start()
        closing.join(20)
        assert not closing.is_alive()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_thread_of_a_library_that_fails_ends_no_worker(fakes: Callable[..., Workers]) -> None:
    pool = fakes(1)
    pool.start(pictures(1, do="let a thread fail"))()
    assert pool.start(pictures(2))().shape == (1, 8)


def test_a_worker_with_no_memory_for_what_it_is_sent_dies_and_says_so(fakes: Callable[..., Workers]) -> None:
    pool = fakes(1)
    pool.start(pictures(1, do="starve"))()
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            while True:  # the first may be under way already
                pool.start(pictures(2))()
        except BaseException as err:
            ended.append(err)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(20)
    assert ended and isinstance(ended[0], ModelError)
    assert "worker process on fake:0 has died (exit code 1): MemoryError" in ended[0].message


def test_a_worker_that_is_not_admitted_leaves_no_process(fakes: Callable[..., Workers]) -> None:
    def refuse(load: Callable[[], Any]) -> None:
        assert load().environment == {"device": "fake"}
        raise ModelError("it drifted")

    with pytest.raises(ModelError, match="it drifted"):
        fakes(2, admit=refuse)
    assert running() == []


def test_closing_ends_workers_that_are_at_work_or_being_loaded(fakes: Callable[..., Workers]) -> None:
    pool = fakes(3)
    for number in range(6):
        pool.start(pictures(number, sleep=60))
    assert len(pool._desks) == 3
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 50  # sixty for each that is waited for
    assert running() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_workers_leave_when_their_parent_is_killed_or_stopped(number: int, fakes: Callable[..., Workers]) -> None:
    code = (
        f"import sys; sys.path[:0] = [{str(TOP / 'store')!r}, {str(TOP / 'tests')!r}]\n"
        "from support.fake_worker import fake_workers, pictures\n"
        "pool = fake_workers(2)\n"
        "started = [pool.start(pictures(n, sleep=60)) for n in range(3)]\n"
        "while len(pool._ready()) < 2: pass\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    started[0]()\n"
        "finally:\n"
        "    pool.close()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        workers = running(parent.pid)
        assert len(workers) == 2
        parent.send_signal(number)
        wait_for(lambda: parent.poll() is not None)
        assert parent.returncode == -number
    _, alive = psutil.wait_procs(workers, 60)
    assert not alive
