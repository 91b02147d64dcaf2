"""The devices of this machine, and those that a user's words mean."""

from __future__ import annotations

from typing import Any

from vstore.embed.hf.libraries import libraries
from vstore.embed.model_words import Settings
from vstore.errors import ModelError


def first_device(settings: Settings) -> str:
    """The device that one model alone runs on. Raises: UsageError, ModelError where one of those named is not there."""
    torch, _ = libraries()
    word = _there(settings, torch)[0]
    if word != "auto":
        return word
    return next((kind for kind in ("cuda", "mps") if kind in devices(torch)), "cpu")


def all_devices(settings: Settings) -> list[str]:
    """The devices that a run which embeds much spreads over: `cuda` is every CUDA GPU, and so is `auto` with any there.

    Raises: UsageError, ModelError where one of those named is not there.
    """
    torch, _ = libraries()
    found: list[str] = []
    for word in _there(settings, torch):
        word = first_device(settings) if word == "auto" else word
        found += [f"cuda:{number}" for number in range(torch.cuda.device_count())] if word == "cuda" else [word]
    return found


def devices(torch: Any) -> list[str]:
    """What may be named here, `auto` besides."""
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
            raise ModelError(f"there is no device {word!r} here", f"take one of: auto, {', '.join(known)}")
    return settings.devices


def release_memory() -> None:
    """Give the GPUs back what this process has used there and needs no more, which torch would keep for later.

    The model that a space was just made with may be as large as a GPU, and a worker's is to take its place.
    """
    import gc

    torch, _ = libraries()
    if torch.cuda.is_initialized():
        gc.collect()
        torch.cuda.empty_cache()


def is_out_of_memory(err: BaseException) -> bool:
    """Whether a device, or the machine, had too little memory; each says so in its own way."""
    if isinstance(err, MemoryError) or type(err).__name__ == "OutOfMemoryError":
        return True
    text = str(err).lower()
    return isinstance(err, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
