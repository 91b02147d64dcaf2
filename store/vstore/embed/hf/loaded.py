"""A model on its device, and the way of inputs to that device and of vectors back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Loaded:
    """A model on a device.

    model:  a torch module, whole on the device.
    device: in torch's words.
    turn:   held while the model computes: some models keep the positions of a batch in themselves.
    """

    def __init__(self, model: Any, device: str) -> None:
        self.model = _owned(model) if device == "cpu" else model.to(device)
        self.device = device
        self.turn = threading.RLock()

    @property
    def is_cuda(self) -> bool:
        return self.device.startswith("cuda")

    def tensor(self, arrays: Sequence[Any], dtype: Any = None) -> torch.Tensor:
        """Stack arrays into one tensor on the model's device; floats in the model's dtype."""
        import numpy as np
        import torch

        # Pinned memory: the GPU reads it by itself while the next batch is stacked.
        kind = torch.from_numpy(arrays[0]).dtype
        shape = (len(arrays), *arrays[0].shape)
        stacked = torch.empty(shape, dtype=kind, pin_memory=self.is_cuda)
        np.stack(arrays, out=stacked.numpy())
        return self.moved(stacked, dtype)

    def moved(self, value: torch.Tensor, dtype: Any = None) -> torch.Tensor:
        """Move a tensor to the model's device, floats to the model's dtype; on CUDA the copy is queued, not awaited."""
        if value.is_floating_point():
            dtype = dtype or self.model.dtype
        if not self.is_cuda:
            return value.to(self.device, dtype)
        pinned = value if value.is_pinned() else value.pin_memory()
        return pinned.to(self.device, dtype, non_blocking=True)

    def fetch(self, value: torch.Tensor) -> Callable[[], torch.Tensor]:
        """Begin to copy a tensor to the CPU. Returns: a function that waits for it, in any thread."""
        import torch

        if not self.is_cuda:
            here = value.cpu()
            return lambda: here
        # Queued now: a later copy would wait for the batch that is queued behind this one, and the GPU would be idle
        # then.
        there = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
        there.copy_(value, non_blocking=True)
        copied = torch.cuda.Event()
        copied.record(torch.cuda.current_stream(value.device))

        def wait() -> torch.Tensor:
            copied.synchronize()
            return there

        return wait


def _owned(model: Any) -> Any:
    """Copy the weights of a model on the CPU: they may still be those of the mapped files, which others may change."""
    model = model.to("cpu")
    for one in (*model.parameters(), *model.buffers()):
        one.data = one.data.clone()
    return model
