"""A model on its device, and the way there for what it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Loaded:
    """model: a module of torch, all of it on `device`."""

    def __init__(self, model: Any, device: str) -> None:
        self.model = model.to(device)
        self.device = device

    @property
    def is_cuda(self) -> bool:
        return self.device.startswith("cuda")

    def tensor(self, arrays: Sequence[Any], dtype: Any = None) -> torch.Tensor:
        """Stack arrays into one tensor on the model's device; floats in the model's dtype."""
        import numpy as np
        import torch

        # Into pinned memory at once, which a GPU reads by itself while the next batch is stacked.
        kind = torch.from_numpy(arrays[0]).dtype
        shape = (len(arrays), *arrays[0].shape)
        stacked = torch.empty(shape, dtype=kind, pin_memory=self.is_cuda)
        np.stack(arrays, out=stacked.numpy())
        return self.moved(stacked, dtype)

    def moved(self, value: torch.Tensor, dtype: Any = None) -> torch.Tensor:
        """A tensor on the model's device, floats in the model's dtype; on CUDA the copy is queued, and not awaited."""
        if value.is_floating_point():
            dtype = dtype or self.model.dtype
        if not self.is_cuda:
            return value.to(self.device, dtype)
        pinned = value if value.is_pinned() else value.pin_memory()
        return pinned.to(self.device, dtype, non_blocking=True)

    def fetch(self, value: torch.Tensor) -> Callable[[], torch.Tensor]:
        """Begin to copy a tensor to the CPU. Returns: what waits for it there, in whatever thread."""
        import torch

        if not self.is_cuda:
            here = value.cpu()
            return lambda: here
        # Queued now: a copy that is asked for later would wait for the batch that is queued behind this one, and the
        # GPU would have nothing to do then.
        there = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
        there.copy_(value, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record(torch.cuda.current_stream(value.device))

        def wait() -> torch.Tensor:
            copied.synchronize()
            return there

        return wait
