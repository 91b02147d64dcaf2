"""The proof that a model in other files is that of a space: by its tokenizer, its probes and stored pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vstore.counts import counted
from vstore.embed.embedder import Embedder
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.text import tokenizer_files
from vstore.embed.probe_texts import TEXT
from vstore.embed.probes import SAME_CLASS, differences, drift, tolerance
from vstore.errors import ModelError
from vstore.format.entries import Snapshot, Space
from vstore.format.recipes import Recipe
from vstore.format.tree import paths_by_key
from vstore.repository.proof import embed_probes, environment_of, kept_probes, probe_names
from vstore.repository.repository import Repository
from vstore.repository.sampling import SampledPicture, cosines, sample_pictures

PICTURES = 32  # embedded again
LEAST = 0.9999  # cosine of each to its stored vector; of probes too, on whatever device


def require_tokenizer(space: Space, recipe: Recipe, folder: ModelFolder, digests: Digests, *, own: str) -> None:
    """Make sure that a model has the tokenizer of a space, whose vectors of texts may be remembered.

    No number of texts proves another one: it may differ in a word that none of them has.
    own:    the command that adds the model as a space of its own.
    Raises: ModelError, naming the files that differ; OSError.
    """
    text = recipe.get("text")
    if text is None:
        return
    gone: list[str] = list(text["tokenizer"])
    odd = []
    for name, digest in tokenizer_files(folder, digests).items():
        if digest in gone:
            gone.remove(digest)
        else:
            odd.append(name)
    if odd or gone:
        lost = f"{len(gone)} of the space's files of a tokenizer {'is' if len(gone) == 1 else 'are'} not there"
        what = f"{', '.join(odd)} {'is' if len(odd) == 1 else 'are'} not the space's" if odd else lost
        raise ModelError(
            f"the model is not proved to be that of the space {space.name!r}: its tokenizer is another one ({what}). "
            "Nothing was changed",
            f"copy the files of a tokenizer that the space was made with (tokenizer.json and those beside it) into "
            f"{folder.path}, without others of that kind, and run the command again; or add the model as a space of "
            f"its own: {own}",
        )


def choose_pictures(repo: Repository, space: Space, *, own: str) -> list[SampledPicture]:
    """Choose stored pictures of a space whose files are there: 32, or all if its snapshots have fewer.

    own:    the command that adds the model as a space of its own.
    Raises: ModelError if they are too few; Damage, FileNotFoundError.
    """
    found: dict[bytes, SampledPicture] = {}
    keys: set[bytes] = set()
    for snapshot in _snapshots(repo, space):
        keys |= paths_by_key(repo.tree(snapshot)).keys()
        sample, _ = sample_pictures(repo, snapshot, PICTURES)
        found = {**{one.key: one for one in sample}, **found}
        if len(keys) >= PICTURES:
            break
    if not keys:
        raise ModelError(
            f"the space {space.name!r} has no vectors yet, so there is nothing to prove a model by",
            f"add the model as a space of its own: {own}",
        )
    needed = min(PICTURES, len(keys))
    if len(found) < needed:
        raise ModelError(
            f"only {len(found)} of the pictures of the space {space.name!r} can be read from their folders, and "
            f"{needed} are needed to prove a model",
            "check that their disk is mounted",
        )
    return list(found.values())[:PICTURES]


def _snapshots(repo: Repository, space: Space) -> Iterator[Snapshot]:
    """List the kept snapshots of a space: the current one, then the newest first."""
    current = repo.state.current_snapshot
    own = [snapshot for snapshot in repo.listing.kept() if snapshot.space == space.id]
    is_current = {snapshot.id: current is not None and snapshot.id == current.id for snapshot in own}
    yield from sorted(own, key=lambda one: (is_current[one.id], one.time), reverse=True)


def prove_probes(repo: Repository, space: Space, embedder: Embedder, sample: list[SampledPicture], *, own: str) -> str:
    """Prove all probes of a space. Returns: the result, for people.

    sample: pictures that are proved besides.
    own:    the command that adds the model as a space of its own.
    Raises: ModelError if a probe is off, or the space lacks those that are needed.
    """
    kept = kept_probes(repo, space)
    if embedder.recipe.get("text") is not None and (kept is None or TEXT not in kept.vectors):
        # Pictures prove nothing of it, and wrong vectors of texts would be seen by nobody.
        raise ModelError(
            f"the space {space.name!r} has no probe of its text side, so that cannot be proved. Nothing was changed",
            f"add the model as a space of its own: {own}",
        )
    if kept is None:
        if len(sample) < PICTURES:
            raise ModelError(
                f"the space {space.name!r} has no probes, and {len(sample)} pictures, which prove too little without "
                f"them ({PICTURES} would do). Nothing was changed",
                f"add the model as a space of its own: {own}",
            )
        return "the space has no probes"
    names = [name for name in probe_names(embedder) if name in kept.vectors]
    vectors, now = embed_probes(embedder, names), environment_of(embedder)
    off = {name: drift(kept.vectors[name], vectors[name]) for name in names}
    worst = max(names, key=off.__getitem__)
    if not off[worst] <= SAME_CLASS:
        elsewhere = _elsewhere(kept.environment_of(worst), now)
        raise _other(
            space, f"the probe {worst!r} is off by {off[worst]:.2g} (allowed: {SAME_CLASS:g}){elsewhere}", own=own
        )
    return f"{counted(len(names), 'probe')} agree; the worst is off by {max(off[worst], 0.0):.2g}"


def prove_pictures(
    repo: Repository, space: Space, embedder: Embedder, sample: list[SampledPicture], *, own: str
) -> str:
    """Prove stored pictures. Returns: the result, for people.

    own:    the command that adds the model as a space of its own.
    Raises: ModelError if one is off.
    """
    found = list(cosines(repo, sample, embedder.recipe, embedder))
    off = [cosine for cosine in found if not cosine >= LEAST]
    least = min((cosine for cosine in found if cosine == cosine), default=float("nan"))
    if off:
        raise _other(
            space,
            f"{len(off)} of {len(found)} stored pictures, embedded again, have a cosine below {LEAST} to their vectors "
            f"(the least: {least:.6f})",
            own=own,
        )
    if len(found) < PICTURES:
        few = "1 stored picture agrees" if len(found) == 1 else f"{len(found)} stored pictures agree"
        return f"{few}, and the space has no more: {PICTURES} would prove more; the least cosine is {least:.6f}"
    return f"{len(found)} stored pictures agree; the least cosine is {least:.6f}"


def _elsewhere(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Say that another device or compute may be at fault, where it is another one."""
    if tolerance(before, now) == SAME_CLASS:
        return ""
    classes = ("compute", "device", "attention")
    changes = [one for one in differences(before, now) if one.split()[0] in classes]
    return f"; it was embedded elsewhere ({'; '.join(changes)}), which may be the cause"


def _other(space: Space, why: str, *, own: str) -> ModelError:
    return ModelError(
        f"the model is not that of the space {space.name!r}: {why}. Nothing was changed",
        f"name the right one, or add this one as a space of its own: {own}",
    )
