"""Shortcuts to a loaded embedder, and to prepared pictures for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL.Image import Image

from vstore.embed.hf.description import describe
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.loading import load
from vstore.embed.hf.transformer import TransformerEmbedder
from vstore.embed.model_words import Settings, Words
from vstore.embed.probes import PROBES, probe_file
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation


def embedder(
    model: Path | None,
    adapter: Path | None = None,
    *,
    batch_size: int | None = None,
    compile: bool = False,
    note: Callable[[str], None] = lambda text: None,
    **words: Any,
) -> Any:
    """Load the embedder of a space, and prove its adapter."""
    said = Words(None if model is None else str(model), None if adapter is None else str(adapter), **words)
    digests = Digests()
    recipe, place = describe(said, digests)
    some = probes()
    made: TransformerEmbedder = load(
        recipe, place, Settings("cpu", batch_size, compile), digests, proof=[some["tiny"], some["landscape"]], note=note
    )
    return made


def recipe_of(model: Path, adapter: Path | None = None, **words: Any) -> dict[str, Any]:
    return describe(Words(str(model), None if adapter is None else str(adapter), **words), Digests())[0]


@functools.cache
def probes(max_side: int = 512) -> dict[str, Image]:
    """Prepare the probe pictures."""
    return {name: prepare(probe_file(name), Preparation(max_side=max_side))[0] for name in PROBES}
