"""The index built on a GPU of faiss, here one whose GPU is the CPU: the same lists, and the CPU where it fails."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import faiss
import numpy as np
import pytest
from support.builder import Builder, key, unit_vectors

from vstore.approximate import gpu as gpu_module
from vstore.approximate.build import Wanted, build
from vstore.approximate.coder import Coder
from vstore.approximate.gpu import Gpu, gpu_of
from vstore.approximate.kmeans import train
from vstore.errors import MissingPackage, UsageError
from vstore.progress import Stages
from vstore.row_selection import only_marked


class Faiss(ModuleType):
    """A faiss with two GPUs, which compute as the CPU does. devices: of the indexes that were made."""

    def __init__(self, works: int = 10**6, error: Exception | None = None) -> None:
        super().__init__("faiss")
        self.devices: list[int] = []
        self._works, self._error = works, error or RuntimeError("Error in faiss: out of memory")

    def __getattr__(self, name: str) -> Any:
        return getattr(faiss, name)

    def get_num_gpus(self) -> int:
        return 2

    def StandardGpuResources(self) -> str:  # noqa: N802
        return "resources"

    def GpuIndexFlatConfig(self) -> Any:  # noqa: N802
        return type("Config", (), {"device": 0})()

    def GpuIndexFlat(self, resources: str, dim: int, metric: int, config: Any) -> Any:  # noqa: N802
        if len(self.devices) >= self._works:
            raise self._error
        assert (resources, metric) == ("resources", faiss.METRIC_INNER_PRODUCT)
        self.devices.append(config.device)
        return faiss.IndexFlatIP(dim)


ROWS = unit_vectors(600, 16, 2)


def test_centroids_are_those_of_the_cpu() -> None:
    there = Faiss()
    found = train(ROWS, 9, lambda: None, Gpu(there, "cuda:1", 1))
    assert np.array_equal(found, train(ROWS, 9, lambda: None))
    assert set(there.devices) == {1}


def test_rows_are_assigned_to_the_lists_of_the_cpu() -> None:
    centroids = train(ROWS, 9, lambda: None)
    there = Faiss()
    coder = Coder(centroids, Gpu(there, "cuda", 0))
    for _ in range(2):
        assert np.array_equal(coder.assign(ROWS), Coder(centroids).assign(ROWS))
    assert there.devices == [0]


def test_a_row_that_is_no_number_gets_a_list() -> None:
    rows = ROWS[:3].copy()
    rows[1] = np.nan
    centroids = train(ROWS, 9, lambda: None)
    found = Coder(centroids, Gpu(Faiss(), "cuda", 0)).assign(rows)
    assert np.array_equal(found, Coder(centroids).assign(rows))


@pytest.mark.parametrize("works", [0, 1, 5])
def test_a_gpu_without_memory_leaves_the_work_to_the_cpu(works: int) -> None:
    there = Gpu(Faiss(works), "cuda", 0)
    assert np.array_equal(train(ROWS, 9, lambda: None, there), train(ROWS, 9, lambda: None))
    assert there.notes == (
        "cuda has too little free memory: the CPU did its work; free the GPU, or leave out --device",
    )


def test_a_gpu_that_fails_is_named_with_its_reason() -> None:
    there = Gpu(Faiss(0, RuntimeError("CUDA error 719\nlaunch failure")), "cuda:0", 0)
    centroids = train(ROWS, 9, lambda: None)
    assert np.array_equal(Coder(centroids, there).assign(ROWS), Coder(centroids).assign(ROWS))
    assert there.notes[0].startswith("cuda:0 failed (CUDA error 719 launch failure): the CPU did its work;")


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("indexes/**/*") if path.is_file()}


@pytest.mark.parametrize("works", [0, 10**6])
def test_a_build_takes_the_gpu_that_is_named_and_says_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: int
) -> None:
    there = Faiss(works)
    monkeypatch.setattr(gpu_module, "faiss_module", lambda: there)
    made = []
    for name, device in (("here", "auto"), ("there", "cuda:1")):
        (tmp_path / name).mkdir()
        builder = Builder(tmp_path / name / ".vstore", recipe={"family": "fake", "name": "fake-1", "dim": 16})
        builder.add_segment([key(number) for number in range(len(ROWS))], ROWS)
        built = build(builder.repo, builder.space, Wanted(exact=0), stages=Stages(None), device=device)
        assert built.encoded == len(ROWS)
        made.append((built, parts(tmp_path / name)))
    (here, files), (other, others) = made
    assert here._replace(generation=None) == other._replace(generation=None, notes=())
    assert len(other.notes) == (works == 0)
    assert set(there.devices) == (set() if works == 0 else {1})
    assert sorted(map(len, files.values())) == sorted(map(len, others.values()))


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_no_gpu_is_looked_for_unless_it_is_named(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(gpu_module, "faiss_module", lambda: pytest.fail("faiss was asked"))
    assert gpu_of(device) is None


@pytest.mark.parametrize("device", ["cuda:2", "mps"])
def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(gpu_module, "faiss_module", Faiss)
    with pytest.raises(UsageError, match="choose one of: auto, cpu, cuda:0, cuda:1"):
        gpu_of(device)


def test_a_faiss_for_the_cpu_is_refused() -> None:
    if hasattr(faiss, "GpuIndexFlat"):
        pytest.skip("this faiss has GPUs")
    with pytest.raises(
        MissingPackage, match=r"the index cannot be built on cuda: faiss is the one for the CPU"
    ) as said:
        gpu_of("cuda")
    assert said.value.next_step.startswith("add --device cpu, or take the other one: pip uninstall -y faiss-cpu;")


HAS_GPU = hasattr(faiss, "GpuIndexFlat") and faiss.get_num_gpus() > 0


@pytest.mark.skipif(not HAS_GPU, reason="there is no GPU, or a faiss for the CPU")
def test_a_real_gpu_assigns_rows_to_the_nearest_lists() -> None:
    there = gpu_of("cuda")
    assert there is not None
    rows = unit_vectors(20_000, 96, 3)
    centroids = train(rows, 64, lambda: None, there)
    assert np.allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-3)
    found = Coder(centroids, there).assign(rows)
    scores = rows @ centroids.T
    assert np.allclose(scores[np.arange(len(rows)), found], scores.max(axis=1), atol=1e-3)
    assert not there.notes


@pytest.mark.skipif(not HAS_GPU, reason="there is no GPU, or a faiss for the CPU")
def test_a_real_index_of_a_gpu_gets_no_selector() -> None:
    there = gpu_of("cuda")
    assert there is not None
    with pytest.raises(TypeError, match="GpuIndexFlat may not obey"):
        only_marked(faiss, there.flat(16), np.zeros(5, np.uint8))
