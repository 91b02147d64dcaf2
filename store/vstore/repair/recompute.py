"""Computes lost vectors again, from the existing pictures."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from vstore.embed.embedder import Embedder
from vstore.embed.rows import unit_rows, usable
from vstore.errors import Damage, MissingPackage, ModelError
from vstore.format.entries import Space
from vstore.format.recipes import Recipe
from vstore.intake.keeper import Keeper
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation, preparation_of
from vstore.progress import Progress
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repair.manifests import Manifests
from vstore.repository.repository import Repository, how_to_give

if TYPE_CHECKING:
    from PIL.Image import Image

_BATCH = 16  # pictures per call of the embedder


class Recompute:
    """The pictures of lost vectors, and the embedders of their spaces.

    stored:  the keys with a vector, by space; found ones are added.
    keepers: the journals of new vectors; they go once a record lists their rows.
    load:    makes the embedder of a space; None if nothing is to be embedded.
    """

    def __init__(
        self,
        repo: Repository,
        found: Findings,
        blobs: Blobs,
        *,
        manifests: Manifests,
        load: Callable[[Space, Recipe], Embedder] | None,
        progress: Progress,
    ) -> None:
        self.stored: dict[str, set[bytes]] = {}
        self.keepers: list[Keeper] = []
        self._repo = repo
        self._found = found
        self._blobs = blobs
        self._manifests = manifests
        self._load = load
        self._progress = progress
        self._away: dict[bytes, str] = {}  # keys without a file, and how to get one

    def recompute(self, space: Space, lost: set[bytes]) -> None:
        """Embed the existing pictures of lost vectors of a space, under any path in a snapshot.

        Pictures that may be found after all stay in their snapshots: an unmounted disk must not empty one.
        """
        if self._load is None:
            return
        if not space.recipe:
            self._leave(space, lost, f"its recipe is lost; {how_to_give(space)}, and repair again")
            return
        try:
            count = self._embed(space, lost, self._load)
        except (ModelError, MissingPackage, Damage) as err:  # Damage: the probes that would prove it are lost
            step = err.next_step or "install it"
            self._leave(space, lost, f"its model cannot be used ({err.message}); {step} and repair again")
            return
        if count:
            self._found.embedded += count
            self._found.did(f"{count} vectors computed again from pictures that still exist")
        away = self._away.keys() & (lost - self.stored[space.id])
        if away:
            self._leave(space, away, self._away[min(away)])

    def _leave(self, space: Space, keys: set[bytes], why: str) -> None:
        self._found.left.append(
            f"{len(keys)} pictures of the space {space.name} have no vector, and {why}, or remove them with --no-embed"
        )
        self.stored[space.id].update(keys)  # nothing is taken from a snapshot that may yet be made whole

    def _embed(self, space: Space, lost: set[bytes], load: Callable[[Space, Recipe], Embedder]) -> int:
        """Embed pictures in batches, and write their vectors. Returns: how many."""
        recipe = json.loads(self._blobs.read(space.recipe))
        embedder: Embedder | None = None
        keeper = Keeper(self._repo, space.id, space.dim)
        count = 0
        self._progress.stage("embed what was lost", len(lost))
        pictures = self._pictures(lost, preparation_of(recipe))
        while batch := list(islice(pictures, _BATCH)):
            keys = [key for key, _ in batch]
            if not self._found.dry_run:
                if embedder is None:
                    embedder = load(space, recipe)
                    self.keepers.append(keeper)
                keys = _embed_batch(space, embedder, keeper, batch)
            self.stored[space.id].update(keys)
            count += len(keys)
        for ref in keeper.write():
            self._found.list_segment(space.id, ref)
        return count

    def _pictures(self, lost: set[bytes], preparation: Preparation) -> Iterator[tuple[bytes, Image]]:
        """Read the existing pictures of lost vectors, each once. Yields: key, prepared picture."""
        left = set(lost)
        tried: set[bytes] = set()
        for snapshot in list(self._found.listing.kept()):
            for path, key in self._manifests.aliases(snapshot):
                if key not in left or path in tried:
                    continue
                tried.add(path)
                picture = self._picture(path, key, preparation)
                if picture is not None:
                    left.discard(key)
                    self._progress.advance()
                    yield key, picture

    def _picture(self, path: bytes, key: bytes, preparation: Preparation) -> Image | None:
        """Read and prepare a picture. If its folder is missing, note the next step."""
        label = os.fsdecode(self._repo.today(path).partition(b"/")[0])
        file = self._repo.file_of(path)
        if file is None:
            self._away[key] = f"the place of their folder {label} is lost: name it with vstore sync FOLDER"
            return None
        try:
            with open(file, "rb") as opened:
                data = opened.read()
            return prepare(data, preparation)[0] if self._repo.hash.digest(data) == key else None
        except (OSError, PictureFailure):
            folder = self._repo.place(self._repo.state.roots[label])
            if not os.path.isdir(folder):
                self._away[key] = f"their folder {os.fsdecode(folder)} does not exist: mount it and repair again"
            return None


def _embed_batch(space: Space, embedder: Embedder, keeper: Keeper, batch: Sequence[tuple[bytes, Image]]) -> list[bytes]:
    """Embed a batch and keep its vectors. Returns: the keys with one now."""
    unit = unit_rows(embedder.embed_images([picture for _, picture in batch]), len(batch), space.dim)
    good = usable(unit)
    keys = [key for (key, _), fine in zip(batch, good, strict=True) if fine]
    if keys:
        keeper.keep(keys, unit[good])
    return keys
