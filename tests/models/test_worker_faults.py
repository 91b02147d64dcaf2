"""Workers that die, or fall sick: their pictures go to the others, and no vector to another picture."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.fake_worker import HOOK as PROCESS
from support.fake_worker import FakeFamily, fake_workers, pictures, running, use

from vstore.embed.careful import Attempts, begin, try_all
from vstore.embed.embedder import Devices
from vstore.embed.hf.batches import Limits
from vstore.embed.workers.desk import Care
from vstore.embed.workers.parts import Batch, Part
from vstore.embed.workers.pool import RESTARTS, Workers
from vstore.embed.workers.worker import WorkerFault, _WorkerDied
from vstore.errors import ModelError


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert running() == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vstore-")]


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Workers]]:
    use(PROCESS, tmp_path / "hook", monkeypatch)
    made: list[Workers] = []

    def make(count: int = 2, **more: Any) -> Workers:
        made.append(fake_workers(count, **more))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def wanted(batch: Sequence[dict[str, Any]]) -> Any:
    return np.stack([one["row"] for one in batch])


# Real processes


def test_a_worker_that_dies_hands_its_batch_to_another_and_a_line_says_so(fakes: Callable[..., Workers]) -> None:
    lines: list[str] = []
    pool = fakes(2, note=lines.append)
    hung = pictures(1, 2, sleep=3)
    started = pool.start(hung)
    while not pool._desks[0].under_way:
        time.sleep(0.01)
    assert pool._desks[0].worker is not None
    os.kill(pool._desks[0].worker.pid, signal.SIGKILL)
    others = [pictures(number) for number in range(3, 7)]
    batches = [pool.start(batch) for batch in others]
    assert np.array_equal(started(), wanted(hung))
    for batch, vectors in zip(others, batches, strict=True):
        assert np.array_equal(vectors(), wanted(batch))
    (line,) = lines
    assert line.startswith("the worker process on fake:0 has died (SIGKILL)")
    assert line.endswith("; going on without fake:0")
    assert not pool.prove("") or not pool.prove(""), "a loss is told once"


def test_a_picture_that_ends_each_process_is_found_and_the_others_have_vectors(fakes: Callable[..., Workers]) -> None:
    lines: list[str] = []
    pool = fakes(2, note=lines.append)
    deadly = [*pictures(1), *pictures(2, do="die"), *pictures(3)]
    started = [pool.start(deadly), pool.start(pictures(4))]
    tried = carefully(pool, deadly, started[0])
    assert list(tried.reasons) == [1] and close(tried.unit[[0, 2]], wanted(deadly)[[0, 2]])
    rows = started[0]()
    assert np.array_equal(rows[[0, 2]], wanted(deadly)[[0, 2]]) and np.isnan(rows[1]).all()
    (said,) = pool.killers(started[0]).values()
    assert list(pool.killers(started[0])) == [1]
    assert said.startswith("each process of the model that got it has died; the last time the worker process on fake:")
    assert "SIGSEGV" in said and "\n" not in said
    assert np.array_equal(started[1](), wanted(pictures(4)))
    assert np.array_equal(pool.start(pictures(5))(), wanted(pictures(5)))
    assert len(lines) == 3, "it is not tried again"


def test_an_error_of_a_batch_is_that_batchs_alone(fakes: Callable[..., Workers]) -> None:
    pool = fakes(1)
    bad, good = pool.start(pictures(1, 2, do="fault")), pool.start(pictures(3))
    with pytest.raises(WorkerFault) as caught:
        bad()
    assert caught.value.kind == "ZeroDivisionError: of no use"
    assert np.array_equal(good(), wanted(pictures(3)))
    assert not pool.has_ended


def test_an_error_over_one_picture_costs_that_picture(fakes: Callable[..., Workers]) -> None:
    proved: list[str] = []
    pool = fakes(1, prove=lambda worker, met: proved.append(met))
    batch = [*pictures(1, 2), *pictures(3, do="fault"), *pictures(4)]
    tried = carefully(pool, batch)
    assert tried.reasons == {2: "the model failed on it: ZeroDivisionError: of no use"}
    assert close(tried.unit[[0, 1, 3]], wanted(batch)[[0, 1, 3]])
    assert not pool.prove("it failed") and proved == ["it failed"]


def carefully(pool: Workers, batch: Sequence[Any], before: Any = None) -> Any:
    assert isinstance(pool, Devices)
    started = before or pool.start(batch)
    attempts = Attempts(
        8,
        lambda inputs: pool.elsewhere(inputs, started),
        pool.prove,
        lambda: pool.killers(started),
        lambda: pool.has_ended,
    )
    return try_all(batch, started, attempts)


def close(unit: Any, rows: Any) -> bool:
    return bool(np.abs(unit - rows / np.linalg.norm(rows, axis=1, keepdims=True)).max() < 1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_processes_killed_at_any_moment_swap_no_vector_and_hang_nothing(
    fakes: Callable[..., Workers], seed: int
) -> None:
    chance = random.Random(seed)
    pool = fakes(3)
    over = threading.Event()

    def kill() -> None:
        for _ in range(chance.randrange(1, 5)):
            over.wait(chance.random() * 0.7)
            workers = [desk.worker for desk in list(pool._desks) if desk.worker is not None and not desk.is_lost]
            if workers and not over.is_set():
                os.kill(chance.choice(workers).pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    batches = [pictures(10 * number, 10 * number + 1, sleep=0.02) for number in range(60)]
    left = [(batch, pool.start(batch)) for batch in batches]
    done = 0
    try:
        while left:
            batch, vectors = left.pop(pool.first_of([started for _, started in left]))
            assert np.array_equal(vectors(), wanted(batch))
            done += 1
    except ModelError as err:
        assert "has died" in err.message and pool.has_ended
    finally:
        over.set()
        killer.join()
    assert done == 60 or pool.has_ended


# Workers without a process, for many seeds


class Threadless:
    """A worker without a process: it does what a script says.

    acts: of each batch, in turn; an empty string is a vector. After the script all goes well.
    """

    dim = 8

    def __init__(self, device: str, acts: Callable[[str, Sequence[Any]], str]) -> None:
        self.device = device
        self.environment = {"device": device}
        self._acts = acts
        self._changed = threading.Condition()
        self._queue: list[tuple[int, Sequence[Any]]] = []
        self._dead = False

    def load(self) -> Threadless:
        self._maybe_die(self._acts(self.device, "load"))
        return self

    def embed_images(self, some: Sequence[Any]) -> Any:
        self.send(0, some)
        return self.receive()[1]

    def send(self, number: int, what: Sequence[Any]) -> None:
        self._maybe_die(self._acts(self.device, "send"))
        with self._changed:
            self._queue.append((number, list(what)))
            self._changed.notify_all()

    def receive(self) -> tuple[int, Any]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._dead)
            if self._dead:
                raise self._death()
            number, inputs = self._queue.pop(0)
        act = self._acts(self.device, inputs)
        self._maybe_die(act)
        if act == "fault":
            raise WorkerFault(self.device, "OSError: odd", "trace", number)
        rows = wanted(inputs)
        if act == "nan":
            rows[:] = np.nan
        if act == "some":
            rows[::2] = np.nan
        return number, rows

    def _maybe_die(self, act: str) -> None:
        with self._changed:
            self._dead = self._dead or act == "die"
            self._changed.notify_all()
            if self._dead:
                raise self._death()

    def _death(self) -> _WorkerDied:
        return _WorkerDied(f"the worker process on {self.device} has died (exit code 1)", "finished vectors are safe")

    def kill(self) -> None:
        with self._changed:
            self._dead = True
            self._changed.notify_all()

    def close(self) -> None:
        pass


class Script:
    """What happens to the workers of one run, drawn from a seed.

    sick:   devices that give NaN from some call on, and fail their probes then.
    deadly: rows of pictures that end each worker.
    """

    def __init__(self, seed: int, devices: int, count: int) -> None:
        self.chance = random.Random(seed)
        self.lock = threading.Lock()
        self.rate = self.chance.choice([0.0, 0.05, 0.2, 0.5])
        self.deaths = self.chance.choice([0.0, 0.02, 0.2])
        self.left = self.chance.randrange(12)  # faults by chance, after which all goes well
        self.sick = {f"{self.kind}:{n}" for n in range(devices) if self.chance.random() < 0.2}
        self.deadly = set(self.chance.sample(range(count), self.chance.choice([0, 0, 0, 1])))
        self.broken = set(self.chance.sample(range(count), self.chance.choice([0, 0, 1, 3])))

    @property
    def kind(self) -> str:
        return "cuda"  # with two batches under way at each

    def act(self, device: str, what: Any) -> str:
        with self.lock:
            time.sleep(self.chance.choice([0, 0, 0.001]))
            inputs = what if isinstance(what, list) else []
            if any(one["number"] in self.deadly for one in inputs):
                return "die"
            if any(one["number"] in self.broken for one in inputs):
                return "fault"
            if device in self.sick and inputs:
                return "nan"
            if not self.left:
                return ""
            if self.chance.random() < self.deaths:
                self.left -= 1
                return "die"
            if inputs and self.chance.random() < self.rate:
                self.left -= 1
                return self.chance.choice(["fault", "nan", "some"])
            return ""

    def admit(self, load: Callable[[], Any]) -> None:
        load()

    def prove(self, worker: Any, met: str) -> None:
        if worker.device in self.sick:
            raise ModelError(f"the model on {worker.device} does not work: {met}", "take another")


def input_of(number: int) -> dict[str, Any]:
    return {"row": np.random.default_rng(number).standard_normal(8).astype(np.float32), "number": number}


def ran(seed: int, count: int = 40) -> tuple[dict[int, Any], dict[int, str], BaseException | None, Script]:
    """Embed pictures as a run does. Returns: vector by number, failure by number, the error that ended it."""
    chance = random.Random(-seed)
    devices = chance.randrange(1, 5)
    script = Script(seed, devices, count)
    family: Any = FakeFamily()

    def start(device: str) -> Any:
        return Threadless(device, script.act)

    vectors: dict[int, Any] = {}
    doubts: dict[int, str] = {}
    pool = None
    try:
        names = [f"cuda:{number}" for number in range(devices)]
        pool = Workers(family, Limits(4, None), names, start, Care(script.admit, script.prove))
        left = list(range(count))
        under_way: list[tuple[list[Any], Any]] = []
        while left or under_way:
            while left and len(under_way) < pool.in_flight:
                some = [input_of(left.pop(0)) for _ in range(min(len(left), chance.randrange(1, 6)))]
                under_way.append((some, begin(pool.start, some)))
            some, started = under_way.pop(pool.first_of([one for _, one in under_way]))
            take(pool, some, started, vectors, doubts)
        while doubts and pool.prove("it failed"):
            for number in list(doubts):
                if not doubts[number].startswith("each process"):
                    del doubts[number]
                    take(pool, [input_of(number)], pool.start([input_of(number)]), vectors, doubts)
    except (ModelError, WorkerFault) as err:
        return vectors, doubts, err, script
    finally:
        if pool is not None:
            pool.close()
    return vectors, doubts, None, script


def take(pool: Workers, some: list[Any], started: Any, vectors: dict[int, Any], doubts: dict[int, str]) -> None:
    attempts = Attempts(
        8,
        lambda inputs: pool.elsewhere(inputs, started),
        pool.prove,
        lambda: pool.killers(started),
        lambda: pool.has_ended,
    )
    tried = try_all(some, started, attempts)
    for row, one in enumerate(some):
        if row in tried.reasons:
            doubts[one["number"]] = tried.reasons[row]
        else:
            assert one["number"] not in vectors, "a picture has one vector"
            vectors[one["number"]] = tried.unit[row]


@pytest.mark.parametrize("part", range(8))
def test_whatever_happens_to_workers_each_vector_is_its_pictures_and_nothing_hangs(part: int) -> None:
    ends = []
    for seed in range(part * 40, part * 40 + 40):
        got: list[Any] = []
        thread = threading.Thread(target=lambda seed=seed, got=got: got.append(ran(seed)), daemon=True)  # type: ignore[misc]
        thread.start()
        thread.join(30)
        assert not thread.is_alive(), f"seed {seed} hangs"
        ((vectors, doubts, err, script),) = got
        for number, row in vectors.items():
            assert close(row[None], input_of(number)["row"][None]), f"seed {seed}: picture {number}"
        assert not vectors.keys() & (script.deadly | script.broken), f"seed {seed}"
        if err is None:
            assert vectors.keys() | doubts.keys() == set(range(40)), f"seed {seed}"
            if not script.rate and not script.deaths:
                assert doubts.keys() == script.deadly | script.broken, f"seed {seed}: {doubts}"
        ends.append(err is None)
    assert any(ends), "some runs come to their end"


def test_a_sick_device_is_left_out_and_the_others_do_its_pictures() -> None:
    lines: list[str] = []
    family: Any = FakeFamily()
    script = Script(0, 2, 40)
    script.left, script.sick, script.deadly, script.broken = 0, {"cuda:0"}, set(), set()
    pool = Workers(
        family,
        Limits(4, None),
        ["cuda:0", "cuda:1"],
        lambda device: Threadless(device, script.act),  # type: ignore[arg-type, return-value]
        Care(script.admit, script.prove, lines.append),
    )
    try:
        vectors: dict[int, Any] = {}
        doubts: dict[int, str] = {}
        while len(pool._ready()) < 2:
            for started in [pool.start([input_of(n)]) for n in range(3)]:
                started()
        for number in range(0, 40, 4):
            some = [input_of(n) for n in range(number, number + 4)]
            take(pool, some, pool.start(some), vectors, doubts)
        assert vectors.keys() == set(range(40)) and not doubts
        (line,) = lines
        assert line.startswith("the model on cuda:0 does not work: it ") and line.endswith("; going on without cuda:0")
        script.sick = {"cuda:1"}
        with pytest.raises(ModelError, match="the model on cuda:1 does not work: it gave no usable vector for 2"):
            take(pool, [input_of(n) for n in (41, 42)], pool.start([input_of(n) for n in (41, 42)]), vectors, doubts)
    finally:
        pool.close()


def test_a_model_that_ends_each_process_ends_the_run_after_a_while() -> None:
    started: list[str] = []

    def start(device: str) -> Any:
        started.append(device)
        return Threadless(device, lambda device, what: "die" if isinstance(what, list) else "")

    family: Any = FakeFamily()
    pool = Workers(family, Limits(4, None), ["cuda:0", "cuda:1"], start, Care(lambda load: load()))  # type: ignore[arg-type, return-value]
    try:
        vectors = pool.start([input_of(number) for number in range(50)])
        with pytest.raises(ModelError, match="has died") as caught:
            vectors()
        assert caught.value.next_step == "finished vectors are safe"
        assert len(started) == 2 + RESTARTS
    finally:
        pool.close()


@contextlib.contextmanager
def pool_of(
    count: int, acts: Callable[[str, Sequence[Any]], str], prove: Callable[[Any, str], None] = lambda worker, met: None
) -> Iterator[Workers]:
    """Open a pool of workers without a process, all of them ready."""
    family: Any = FakeFamily()

    def start(device: str) -> Any:
        return Threadless(device, acts)

    names = [f"cuda:{number}" for number in range(count)]
    pool = Workers(family, Limits(4, None), names, start, Care(lambda load: load(), prove))  # type: ignore[arg-type, return-value]
    try:
        while len(pool._ready()) < count:
            for started in [pool.start([input_of(1000)]) for _ in range(2 * count)]:
                started()
        yield pool
    finally:
        pool.close()


@pytest.mark.parametrize("number", range(24))
def test_a_picture_beside_one_that_ends_its_process_is_not_taken_for_it(number: int) -> None:
    def acts(device: str, inputs: Sequence[Any]) -> str:
        time.sleep(0.001)
        return "die" if isinstance(inputs, list) and any(one["number"] == number for one in inputs) else ""

    with pool_of(2, acts) as pool:
        batches = [[input_of(n) for n in range(at, at + 4)] for at in range(0, 24, 4)]
        started = [pool.start(batch) for batch in batches]
        found = {}
        for batch, vectors in zip(batches, started, strict=True):
            rows = vectors()
            found |= {batch[row]["number"]: said for row, said in pool.killers(vectors).items()}
            good = [row for row in range(4) if batch[row]["number"] != number]
            assert np.array_equal(rows[good], wanted(batch)[good])
        assert list(found) == [number]


def test_what_failed_is_tried_on_another_worker_and_the_first_one_proves_itself() -> None:
    tried: list[str] = []
    proved: list[tuple[str, str]] = []

    def acts(device: str, inputs: Sequence[Any]) -> str:
        if not isinstance(inputs, list) or inputs[0]["number"] != 7:
            return ""
        tried.append(device)
        return "some" if device == tried[0] else ""

    def prove(worker: Any, met: str) -> None:
        proved.append((worker.device, met))
        raise ModelError("it is sick")

    for _ in range(10):
        tried.clear()
        proved.clear()
        with pool_of(2, acts, prove) as pool:
            some = [input_of(7), input_of(8)]
            assert not carefully(pool, some).reasons
            one, other = tried
            assert one != other
            until = time.monotonic() + 120
            while len(pool._ready()) == 2 and time.monotonic() < until:
                time.sleep(0.001)
            assert proved == [(one, "it failed on pictures that another device could embed")]
            assert [desk.device for desk in pool._ready()] == [other]
            assert np.array_equal(pool.start(some[1:])(), wanted(some[1:]))


def test_a_batch_that_a_worker_died_with_runs_alone_so_that_the_next_death_has_one_cause() -> None:
    with pool_of(1, lambda device, inputs: "") as pool, pool.changed:
        (desk,) = pool._desks
        fresh, suspect = (
            Part(Batch([input_of(n)], 8, lambda batch: batch.rows, frozenset()), [0], deaths)
            for n, deaths in ((1, ()), (2, ("cuda:0",)))
        )
        for under_way, waiting, taken in [(None, suspect, suspect), (fresh, fresh, fresh)]:
            desk.under_way = {} if under_way is None else {99: under_way}
            pool.waiting.append(waiting)
            assert pool.next_for(desk) is taken
            pool.waiting.clear()
        for under_way, waiting in [(fresh, suspect), (suspect, fresh)]:
            desk.under_way = {99: under_way}
            pool.waiting.append(waiting)
            assert pool.next_for(desk) is None
            pool.waiting.clear()
        desk.under_way = {}
