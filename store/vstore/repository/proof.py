"""The proof of a space's model: its probes still have their first vectors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vstore._version import __version__
from vstore.disk.cache import read_cache_json, write_cache
from vstore.embed.embedder import Embedder, text_side
from vstore.embed.model_words import BUILTIN, Words
from vstore.embed.probes import PROBES, Probes, differences, drift, probe_file, tolerance
from vstore.embed.rows import require_rows
from vstore.errors import Damage, ModelError
from vstore.format.entries import Space
from vstore.format.recipes import Recipe
from vstore.pictures.formats import POLICY
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats

_TEXT = "text"  # the probe of the text side
_TEXT_PROBE = "a photo of a red car"


def has_drifted(repo: Repository, space: Space, now: Probes) -> bool:
    """Tell whether a model of the same files gives its probes other vectors now than when its space was made."""
    if not space.probes:
        return False
    try:
        kept = Probes.from_bytes(repo.packs.get(space.probes))
    except Damage:
        return False  # they are lost, and computed again: nothing else brings the space back into use
    allowed = tolerance(kept.environment, now.environment)
    both = kept.vectors.keys() & now.vectors.keys()
    return any(not drift(kept.vectors[name], now.vectors[name]) <= allowed for name in both)


def prove(repo: Repository, space: Space, embedder: Embedder, kept: Probes, *, files: str, every: bool = False) -> bool:
    """Embed probes again, and compare their vectors with the first ones.

    One probe in turn is enough in the environment and with the files of the last proof.
    kept:    the probes of the space.
    files:   names the content of the model's files.
    every:   prove all probes.
    Returns: all of them were proved.
    Raises:  ModelError if a vector is off by more than the tolerance.
    """
    now = environment_of(embedder)
    proof = f"proof-{space.id[:32]}"
    last = read_cache_json(repo.layout.cache, proof)
    names = [name for name in probe_names(embedder) if name in kept.vectors]
    about = {"environment": now, "files": files, "probes": space.probes.hex()}
    turn = 0
    if last is not None and all(last.get(name) == value for name, value in about.items()):
        turn = int(last.get("turn", 0)) + 1
        if not every:
            names = [names[turn % len(names)]]
    vectors = embed_probes(embedder, names)
    worst = max(names, key=lambda name: drift(kept.vectors[name], vectors[name]))
    where = f" on {device}" if (device := getattr(embedder, "device", None)) else ""
    found, allowed = drift(kept.vectors[worst], vectors[worst]), tolerance(kept.environment, now)
    if not found <= allowed:
        what = "; ".join(differences(kept.environment, now)) or "nothing that vstore records: its files or its code"
        words = Words(BUILTIN) if embedder.recipe.get("family") == BUILTIN else Words.from_json(space.place)
        raise ModelError(
            f"the model of the space {space.name!r}{where} does not give the vectors that it gave when the space was "
            f"made: the probe {worst!r} is off by {found:.2g} (allowed: {allowed:g}). Changed since: {what}. It has "
            "embedded nothing, and the stored vectors are unchanged",
            f"restore what changed, or make a new space: {words.command('NEWNAME')}, then vstore sync --space NEWNAME",
        )
    write_cache(repo.layout.cache, proof, json.dumps({**about, "turn": turn}, sort_keys=True).encode())
    return len(names) == len(kept.vectors)


def probe_names(embedder: Embedder) -> list[str]:
    """List the probes of an embedder: all pictures, and a text if it embeds texts."""
    return [*PROBES, *([_TEXT] if text_side(embedder) else [])]


def embed_probes(embedder: Embedder, names: list[str]) -> dict[str, Floats]:
    """Embed probes. Returns: probe -> float32 (dim,). Raises: ModelError for vectors of another width."""
    found = {}
    for name, picture in prepared_probes(embedder.recipe, [name for name in names if name != _TEXT]).items():
        # One at a time, always: in bf16 a row depends a little on the batch that it is in.
        rows = embedder.embed_images([picture])
        require_rows(rows, 1, embedder.dim)
        found[name] = rows[0]
    side = text_side(embedder)
    if _TEXT in names and side is not None:
        found[_TEXT] = side([_TEXT_PROBE])[0]
    return {name: found[name] for name in names}


def prepared_probes(recipe: Recipe, names: Iterable[str]) -> dict[str, Image]:
    """Draw and prepare probes for an embedder of this recipe."""
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import preparation_of

    preparation = preparation_of(recipe)
    return {name: prepare(probe_file(name), preparation)[0] for name in names}


def environment_of(embedder: Embedder) -> dict[str, Any]:
    """Record the device, dtype and versions of an embedder."""
    return {"vstore": __version__, "policy": POLICY, **getattr(embedder, "environment", {})}
