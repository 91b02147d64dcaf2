"""The devices of this machine, and the choice among them."""

from __future__ import annotations

from typing import Any

from vstore.embed.hf.libraries import libraries
from vstore.embed.model_words import Settings
from vstore.errors import ModelError


def first_device(settings: Settings) -> str:
    """Choose the device for a single model. Raises: UsageError; ModelError if a named device does not exist."""
    return first_of(settings, libraries()[0])


def first_of(settings: Settings, torch: Any) -> str:
    """Choose the first device that is named, as `first_device` does, without transformers."""
    word = _there(settings, torch)[0]
    if word != "auto":
        return word
    return next((kind for kind in ("cuda", "mps") if kind in devices(torch)), "cpu")


def all_devices(settings: Settings) -> list[str]:
    """Choose the devices for a large run: `cuda` means every CUDA GPU, and so does `auto` where there are any.

    Raises: UsageError; ModelError if a named device does not exist.
    """
    torch, _ = libraries()
    found: list[str] = []
    for word in _there(settings, torch):
        word = first_device(settings) if word == "auto" else word
        found += [f"cuda:{number}" for number in range(torch.cuda.device_count())] if word == "cuda" else [word]
    return found


def devices(torch: Any) -> list[str]:
    """List the devices of this machine."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found += ["cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def _there(settings: Settings, torch: Any) -> tuple[str, ...]:
    known = devices(torch)
    for word in settings.devices:
        if word not in ("auto", *known):
            raise ModelError(f"this machine has no device {word!r}", f"choose one of: auto, {', '.join(known)}")
    return settings.devices


def release_memory() -> None:
    """Release the GPU memory that torch keeps for later.

    The model that has just made a space may be as large as a GPU, and a worker's model takes its place.
    """
    import gc

    torch, _ = libraries()
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def is_out_of_memory(err: BaseException) -> bool:
    """Tell whether an error means too little memory, on a device or in the machine."""
    if isinstance(err, MemoryError) or type(err).__name__ == "OutOfMemoryError":
        return True
    text = str(err).lower()
    return isinstance(err, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
