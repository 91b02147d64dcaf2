"""The machine that a model computes on, as far as it is known without loading it: packages, devices, options.

A failure of a model is met again only where all of it is the same. The model's own `environment` says more, but it is
known only once the model is loaded, which takes seconds; a run without news takes milliseconds.
"""

from __future__ import annotations

import glob
import platform
from typing import TYPE_CHECKING

from vstore._version import __version__
from vstore.embed.hf.families import FAMILIES
from vstore.embed.model_words import Settings, Words

if TYPE_CHECKING:
    from vstore.format.recipes import Recipe

_FOR_MODELS = ("torch", "transformers", "tokenizers", "peft", "numpy", "pillow")
_NVIDIA = "/proc/driver/nvidia/gpus/*/information"  # of each GPU: its model and its UUID


def machine_of(recipe: Recipe, words: Words, settings: Settings) -> str:
    """Name all of it: 16 hex digits."""
    from vstore.format.hashing import checksum

    family = str(recipe.get("family"))
    parts = [f"vstore {__version__}", f"family {family}", f"machine {platform.machine()}"]
    if family in FAMILIES:
        parts += [f"{name} {_version(name)}" for name in _FOR_MODELS]
        parts += [f"compute {words.compute}", f"device {settings.device}", f"compile {settings.compile}", *_gpus()]
    elif family == "builtin":
        parts += [f"{name} {_version(name)}" for name in ("numpy", "pillow")]
    else:
        parts += [f"device {settings.device}", *_gpus(), *_plugin(family)]
    return checksum("\n".join(parts).encode()).hex()


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


def _plugin(family: str) -> list[str]:
    from importlib.metadata import entry_points

    from vstore.embed.plugins import GROUP

    found = [point.dist for point in entry_points(group=GROUP) if point.name == family]
    return [f"plug-in {dist.name} {dist.version}" for dist in found if dist is not None]


def _gpus() -> list[str]:
    """Read the models of the GPUs where the driver lists them."""
    found = []
    for path in sorted(glob.glob(_NVIDIA)):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found.append(" ".join(file.read().split()))
        except OSError:
            continue
    return found
