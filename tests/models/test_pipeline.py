"""One batch after the other: what is read ahead, how batches are made, and that no row is mixed up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.embedders import embedder, probes
from support.folders import World, put
from support.zoo import Zoo

from vstore.embed.hf.families.dual import DualEncoder
from vstore.errors import ModelError
from vstore.intake.reader import WORKERS
from vstore.pictures.decoding import prepare as decode
from vstore.pictures.preparation import Preparation
from vstore.testing import FakeEmbedder


class Piped(FakeEmbedder):
    """A fake with a pipeline: vectors are computed when they are asked for, and every step can be looked at."""

    def __init__(self, batch_size: int = 4, in_flight: int = 1) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.in_flight = in_flight
        self.prepared = self.started = self.taken = self.most_ahead = self.most_in_flight = 0
        self.at_start: Callable[[], None] = lambda: None
        self.first = 0
        self.closed = False
        self.changed = threading.Condition()

    def prepare(self, picture: Any) -> Any:
        with self.changed:
            self.prepared += 1
            self.most_ahead = max(self.most_ahead, self.prepared - self.started)
            self.changed.notify_all()
        return self.of(picture)

    def is_full(self, inputs: Sequence[Any]) -> bool:
        return len(inputs) >= self.batch_size

    def start(self, inputs: Sequence[Any]) -> Callable[[], Any]:
        self.started += len(inputs)
        self.calls += 1
        self.most_in_flight = max(self.most_in_flight, self.calls - self.taken)
        self.at_start()

        def vectors() -> Any:
            self.taken += 1
            return np.stack(list(inputs))

        return vectors

    def first_of(self, started: Sequence[Any]) -> int:
        return range(len(started))[self.first]

    def close(self) -> None:
        self.closed = True


class PipedWorld(World):
    """A store whose embedder has a pipeline."""

    fake: Any

    def load(self, recipe: Mapping[str, Any]) -> Any:
        return self.fake

    def rows(self) -> dict[str, Any]:
        """The stored vector of each path."""
        repo = self.repo
        stored: dict[bytes, Any] = {}
        for refs in [repo.state.segments(space) for space in repo.state.spaces]:
            for ref in refs:
                segment = repo.segment(ref)
                stored |= dict(zip(segment.key_list(), np.array(segment.rows(), np.float32), strict=True))
        return {path.decode(): stored[key] for path, key in self.tree()}


def test_the_next_batch_is_made_while_the_model_runs_and_no_more_than_that(tmp_path: Path) -> None:
    fake = Piped(batch_size=8)
    world = PipedWorld(tmp_path, fake)
    bound = max(WORKERS * 4, 24) + WORKERS + 8
    count = bound + 40
    world.put({f"{i:03}.png": i for i in range(count)})
    waited: list[bool] = []

    def model_runs() -> None:
        if fake.started < bound:
            return  # what was read before there was a model is not prepared yet
        with fake.changed:
            wanted = min(fake.started + 8, count)
            waited.append(fake.changed.wait_for(lambda: fake.prepared >= wanted, timeout=120))

    fake.at_start = model_runs
    assert world.sync().embedded == count
    assert waited and all(waited), "reading stood still while the model ran"
    assert fake.most_ahead <= bound


@pytest.mark.parametrize("first", [0, -1])
def test_every_picture_gets_its_own_vector_whichever_batch_is_finished_first(tmp_path: Path, first: int) -> None:
    fake = Piped(batch_size=4, in_flight=3)
    fake.first = first
    world = PipedWorld(tmp_path, fake)
    world.put({f"{i:02}.png": i for i in range(30)} | {"broken.png": b"no picture", "again.png": 3})
    report = world.sync()
    assert (report.embedded, len(report.failed), fake.most_in_flight, fake.closed) == (30, 1, 3, True)
    for path, row in world.rows().items():
        picture = decode((world.top / path).read_bytes(), Preparation())[0]
        assert np.abs(row - fake.of(picture)).max() < 1e-3, path


def test_a_batch_that_fails_loses_none_that_was_kept(tmp_path: Path) -> None:
    fake = Piped(batch_size=4, in_flight=2)
    world = PipedWorld(tmp_path, fake)
    world.put({f"{i:02}.png": i for i in range(30)})

    def dies() -> None:
        if fake.calls == 5:
            raise ModelError("the model died", "start it again")

    fake.at_start = dies
    with pytest.raises(ModelError, match="died"):
        world.sync()
    assert fake.closed
    world.fake = Piped()
    report = world.sync()
    assert (report.recovered, report.embedded) == (16, 14), "the batch under way beside it is kept, too"


def test_the_processor_runs_in_the_threads_that_read(tmp_path: Path, zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.store import Store

    threads: list[str] = []
    plain = DualEncoder.prepare

    def noted(self: Any, picture: Any) -> Any:
        threads.append(threading.current_thread().name)
        return plain(self, picture)

    count = 2 * (max(WORKERS * 4, 24) + WORKERS)
    put(tmp_path / "pictures", {f"{i:03}.png": i for i in range(count)})
    Store.init(tmp_path / ".vstore", model=str(zoo["clip"]), device="cpu")
    monkeypatch.setattr(DualEncoder, "prepare", noted)
    with Store(tmp_path / ".vstore") as store:
        assert store.sync([tmp_path / "pictures"], device="cpu").embedded == count
    assert sum(name.startswith("vstore-read") for name in threads) >= count // 2 - WORKERS


def test_batches_are_as_many_tokens_as_are_allowed(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    made = embedder(zoo["qwen2_vl"])
    some = [made.prepare(picture) for picture in probes().values()] * 3
    alone = np.concatenate([made.embed_prepared([one]) for one in some])
    batches: list[list[int]] = []
    plain = made.forward
    monkeypatch.setattr(
        made, "forward", lambda batch: batches.append([made.family.weight(b) for b in batch]) or plain(batch)
    )
    weights = [made.family.weight(one) for one in some]
    assert len(set(weights)) > 1
    made.limits.tokens = 3 * max(weights)
    rows = made.embed_prepared(some)
    assert np.abs(rows - alone).max() < 1e-5
    assert sorted(weight for batch in batches for weight in batch) == sorted(weights)
    for batch, following in zip(batches, [*batches[1:], None], strict=True):
        assert len(batch) * max(batch) <= made.limits.tokens
        if following is not None and len(batch) < made.batch_size:
            assert (len(batch) + 1) * following[0] > made.limits.tokens, "there was room for one more"
    heaviest = max(some, key=made.family.weight)
    assert [made.is_full([heaviest] * count) for count in (1, 2, 3)] == [False, False, True]


def test_a_picture_of_more_tokens_than_a_batch_is_a_batch_of_its_own(zoo: Zoo) -> None:
    made = embedder(zoo["qwen2_vl"])
    some = list(probes().values())
    wanted = made.embed_images(some)
    made.limits.tokens = 1
    assert np.abs(made.embed_images(some) - wanted).max() < 1e-5


def test_a_batch_size_that_was_asked_for_is_kept_to_whatever_its_tokens(zoo: Zoo) -> None:
    made = embedder(zoo["qwen2_vl"], batch_size=50)
    one = made.prepare(probes()["landscape"])
    assert not made.is_full([one] * 49)
    assert made.is_full([one] * 50)


def test_a_batch_that_did_not_fit_is_halved_for_good_and_no_row_is_lost(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = embedder(zoo["clip"], batch_size=8)
    some = list(probes().values()) * 3
    wanted = made.embed_images(some)
    sizes: list[int] = []
    plain = made.forward

    def small(batch: list[Any]) -> Any:
        sizes.append(len(batch))
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return plain(batch)

    monkeypatch.setattr(made, "forward", small)
    assert np.abs(made.embed_images(some) - wanted).max() < 1e-5
    assert sizes[:3] == [8, 4, 2] and set(sizes[3:]) <= {1, 2}
    assert made.is_full([None] * 2)


def test_vectors_are_made_without_what_training_needs(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    made = embedder(zoo["vit"])
    plain = made.forward
    modes: list[bool] = []
    monkeypatch.setattr(made, "forward", lambda batch: modes.append(torch.is_inference_mode_enabled()) or plain(batch))
    made.embed_images(list(probes().values()))
    assert modes and all(modes)


@pytest.mark.parametrize("name", ["clip", "vit"])
def test_a_compiled_model_gives_the_same_vectors(zoo: Zoo, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch's tracer, and without the C++ compiler behind it."""
    some = list(probes().values())
    wanted = embedder(zoo[name]).embed_images(some)
    plain = torch.compile
    calls: list[Any] = []

    def traced(model: Any, **options: Any) -> Any:
        return plain(model, backend=lambda graph, inputs: calls.append(graph) or graph.forward, **options)

    monkeypatch.setattr(torch, "compile", traced)
    made = embedder(zoo[name], compile=True)
    assert np.abs(made.embed_images(some) - wanted).max() < 1e-5
    assert calls, "nothing was compiled"


def test_what_cannot_be_compiled_says_so(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = torch.compile

    def broken(graph: Any, inputs: Any) -> Any:
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", lambda model, **options: plain(model, backend=broken, **options))
    with pytest.raises(ModelError, match="cannot compile the model here"):
        embedder(zoo["clip"], compile=True).embed_images(list(probes().values()))
