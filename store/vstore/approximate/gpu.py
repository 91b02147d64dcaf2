"""A GPU of faiss: it compares many rows with centroids. These are all of its rows: no filter is involved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from vstore.embed.hf.devices import is_out_of_memory
from vstore.embed.model_words import device_words
from vstore.errors import MissingPackage, UsageError
from vstore.packages import DISTRIBUTION, faiss_module

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

T = TypeVar("T")


class Gpu:
    """A GPU, until it fails once: from then on the CPU does its work.

    name:  as a person types it.
    notes: remarks for people.
    """

    def __init__(self, faiss: Any, name: str, number: int) -> None:
        self._faiss = faiss
        self.name = name
        self._number = number
        self._resources: Any = None
        self._is_lost = False
        self.notes: tuple[str, ...] = ()

    def flat(self, dim: int) -> Any:
        """Make an empty index that compares queries with all of its rows, by inner products."""
        faiss = self._faiss
        if self._resources is None:
            self._resources = faiss.StandardGpuResources()
        config = faiss.GpuIndexFlatConfig()
        config.device = self._number
        return faiss.GpuIndexFlat(self._resources, dim, faiss.METRIC_INNER_PRODUCT, config)

    def tried(self, work: Callable[[], T]) -> T | None:
        """Work with the GPU; None if it fails, or did before."""
        if self._is_lost:
            return None
        try:
            return work()
        except (RuntimeError, MemoryError) as err:
            what = "has too little free memory" if is_out_of_memory(err) else f"failed ({_line(err)})"
        self._is_lost = True
        self._resources = None
        self.notes = (f"{self.name} {what}: the CPU did its work; free the GPU, or leave out --device",)
        return None


def gpu_of(device: str) -> Gpu | None:
    """Find the GPU that a person named; None for the CPU, which `auto` means too.

    Raises: UsageError if faiss finds no such device; MissingPackage if it is one for the CPU.
    """
    word = device_words(device)[0]
    kind, _, number = word.partition(":")
    if kind in ("auto", "cpu"):
        return None
    faiss = faiss_module()
    if not hasattr(faiss, "GpuIndexFlat"):
        raise MissingPackage(
            f"the index cannot be built on {word}: faiss is the one for the CPU",
            f"add --device cpu, or take the other one: pip uninstall -y faiss-cpu; pip install '{DISTRIBUTION}[gpu]'",
        )
    there = [f"cuda:{one}" for one in range(faiss.get_num_gpus())]
    if kind != "cuda" or f"cuda:{number or 0}" not in there:
        raise UsageError(f"faiss finds no device {word!r} here", f"choose one of: {', '.join(['auto', 'cpu', *there])}")
    return Gpu(faiss, word, int(number or 0))


def _line(err: BaseException) -> str:
    return " ".join(str(err).split())[:200]
