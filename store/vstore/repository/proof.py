"""The proof of a space's model: its probes still have their first vectors."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vstore._version import __version__
from vstore.disk.cache import read_cache_object, write_cache
from vstore.embed.careful import may_be_of_a_picture
from vstore.embed.embedder import Embedder, text_side
from vstore.embed.faults import DOCTOR
from vstore.embed.model_words import BUILTIN, Words
from vstore.embed.probe_texts import TEXTS, probe_texts
from vstore.embed.probes import PROBES, Probes, Proofs, differences, drift, probe_file
from vstore.embed.rows import require_rows
from vstore.errors import ModelError
from vstore.format.canonical import Document
from vstore.format.entries import Space
from vstore.format.names import is_number
from vstore.format.recipes import Recipe
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats


def kept_probes(repo: Repository, space: Space) -> Probes | None:
    """Read the probes of a space; None if it has none. Raises: Damage."""
    return Probes.from_bytes(repo.packs.get(space.probes)) if space.probes else None


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
    last = read_cache_object(repo.layout.cache, _proof_of(space))
    names = [name for name in probe_names(embedder) if name in kept.vectors]
    about = {"environment": now, "files": files, "probes": space.probes.hex()}
    turn, asked = 0, names
    if last and all(last.get(name) == value for name, value in about.items()):
        turn = _turn(last) + 1
        if not every:
            asked = [names[turn % len(names)]]
    _compare(space, embedder, kept, Proofs(embed_probes(embedder, asked), now))
    write_cache(repo.layout.cache, _proof_of(space), json.dumps({**about, "turn": turn}, sort_keys=True).encode())
    return asked == names


def prove_text(repo: Repository, space: Space, embedder: Embedder) -> None:
    """Prove the text side of an embedder, before a vector of a text is used and remembered.

    One text in turn is enough after a proof of the space in this environment. Without a text among the probes there is
    nothing to compare: a program may bring its own embedder.
    Raises: ModelError if the vector of a text is off by more than the tolerance; Damage.
    """
    kept = kept_probes(repo, space)
    names = [] if kept is None else [name for name in probe_texts(embedder.recipe) if name in kept.vectors]
    if kept is None or not names:
        return
    last = read_cache_object(repo.layout.cache, _proof_of(space))
    about = {"environment": environment_of(embedder), "probes": space.probes.hex()}
    if last and all(last.get(name) == value for name, value in about.items()):
        names = [names[_turn(last) % len(names)]]
    prove_some(space, embedder, kept, names)


def _turn(last: Document) -> int:
    turn = last.get("turn", 0)
    return turn if is_number(turn) else 0


def prove_some(space: Space, embedder: Embedder, kept: Probes, names: Iterable[str]) -> None:
    """Prove some probes of a space. Raises: ModelError if one is off by more than the tolerance."""
    asked = [name for name in names if name in kept.vectors]
    if asked:
        _compare(space, embedder, kept, Proofs(embed_probes(embedder, asked), environment_of(embedder)))


def prove_all(space: Space, embedder: Embedder, kept: Probes) -> Proofs | None:
    """Prove all probes of a space, then embed those of this version that it lacks.

    Returns: the new ones; None if it lacks none, or the model gives no usable vector for one of them or fails on it.
    Raises:  ModelError if one of the space's is off by more than the tolerance.
    """
    names = probe_names(embedder)
    missing = [name for name in names if name not in kept.vectors]
    if not missing:
        return None
    now = environment_of(embedder)
    _compare(space, embedder, kept, Proofs(embed_probes(embedder, [n for n in names if n in kept.vectors]), now))
    try:
        vectors = embed_probes(embedder, missing)
    except Exception as err:  # of a plug-in: all that its space has was proved, and it may go on
        if not may_be_of_a_picture(err):
            raise
        return None
    return Proofs(vectors, now) if all(drift(one, one) < 1 for one in vectors.values()) else None


def _proof_of(space: Space) -> str:
    """Name the cache file of the last proof of a space."""
    return f"proof-{space.id[:32]}"


def _compare(space: Space, embedder: Embedder, kept: Probes, now: Proofs) -> None:
    """Compare the vectors of probes with the first ones. Raises: ModelError if one is off by more than allowed."""
    worst = kept.worst(now)
    if not worst.is_too_much:
        return
    where = f" on {device}" if (device := getattr(embedder, "device", None)) else ""
    if not math.isfinite(worst.found):
        raise ModelError(
            f"the model of the space {space.name!r}{where} gives no usable vector for its probe {worst.probe!r}: its "
            "numbers are not finite. It has embedded nothing, and the stored vectors are unchanged",
            f"run the command again, with another --device if this one is at fault; {DOCTOR}",
        )
    changes = differences(kept.environment_of(worst.probe), now.environment)
    what = "; ".join(changes) or "nothing that vstore records: its files or its code"
    words = Words(BUILTIN) if embedder.recipe.get("family") == BUILTIN else Words.from_json(space.place)
    left_out = _left_out(space, embedder.recipe)
    if left_out:
        raise ModelError(
            f"the vectors of the space {space.name!r} were computed without part of the adapter: an earlier version of "
            f"vstore left out its {' and '.join(left_out)}, in part or whole, and this one does not (the probe "
            f"{worst.probe!r} is off by {worst.found:.2g}). It has embedded nothing; the stored vectors are unchanged, "
            "and can be searched",
            f"make a new space: {words.command('NEWNAME')}, then vstore sync --space NEWNAME",
        )
    raise ModelError(
        f"the model of the space {space.name!r}{where} does not give the vectors that it gave when the space was "
        f"made: the probe {worst.probe!r} is off by {worst.found:.2g} (allowed: {worst.allowed:g}). Changed since: "
        f"{what}. It has embedded nothing, and the stored vectors are unchanged",
        f"restore what changed, or make a new space: {words.command('NEWNAME')}, then vstore sync --space NEWNAME",
    )


def _left_out(space: Space, recipe: Recipe) -> list[str]:
    """List the parts of an adapter that may not have been applied when the space was made.

    A space with an identity was proved since by a version of vstore that applies them.
    """
    from vstore.embed.hf.adapters.kinds import parts_of_version_2

    adapter = recipe.get("adapter")
    if recipe.get("version") != 1 or not isinstance(adapter, dict) or space.identity:
        return []
    return parts_of_version_2(adapter.get("config", {}))


def probe_names(embedder: Embedder) -> list[str]:
    """List the probes of an embedder: all pictures, and texts if it embeds texts."""
    return [*PROBES, *(probe_texts(embedder.recipe) if text_side(embedder) else [])]


def embed_probes(embedder: Embedder, names: list[str]) -> dict[str, Floats]:
    """Embed probes. Returns: probe -> float32 (dim,). Raises: ModelError for vectors of another width."""
    found = {}
    for name, picture in prepared_probes(embedder.recipe, [name for name in names if name not in TEXTS]).items():
        # One at a time, always: in bf16 a row depends a little on the batch that it is in.
        rows = embedder.embed_images([picture])
        require_rows(rows, 1, embedder.dim)
        found[name] = rows[0]
    side = text_side(embedder)
    for name in names:
        if name in TEXTS and side is not None:
            rows = side([TEXTS[name]])
            require_rows(rows, 1, embedder.dim)
            found[name] = rows[0]
    return {name: found[name] for name in names}


def prepared_probes(recipe: Recipe, names: Iterable[str]) -> dict[str, Image]:
    """Draw and prepare probes for an embedder of this recipe."""
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import preparation_of

    preparation = preparation_of(recipe)
    return {name: prepare(probe_file(name), preparation)[0] for name in names}


def environment_of(embedder: Embedder) -> dict[str, Any]:
    """Record the device, dtype and versions of an embedder, and the versions of the decoders."""
    import PIL
    from PIL import features

    decoders = {"pillow": PIL.__version__, "libjpeg": features.version("libjpeg_turbo") or features.version("jpg")}
    policy = embedder.recipe.get("prepare", {}).get("policy", 1)
    return {"vstore": __version__, "policy": policy, **decoders, **getattr(embedder, "environment", {})}
