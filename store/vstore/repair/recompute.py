"""Computes lost vectors again, from the existing pictures."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.embed.careful import embed_pictures
from vstore.embed.embedder import Embedder
from vstore.embed.rows import usable
from vstore.errors import Damage, MissingPackage, ModelError, Untrusted
from vstore.format.entries import Space
from vstore.format.recipes import Recipe, recipe_of
from vstore.intake.keeper import Keeper
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.picture_file import read_regular
from vstore.pictures.preparation import Preparation, preparation_of
from vstore.progress import Stages
from vstore.quoting import quoted
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repair.manifests import Manifests
from vstore.repair.stored_keys import StoredKeys
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.cut_facts import cut_among, for_picture
from vstore.repository.health import prover
from vstore.repository.objects import how_to_give
from vstore.repository.repository import Repository

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
        stages: Stages,
    ) -> None:
        self.stored: dict[str, StoredKeys] = {}
        self.keepers: list[Keeper] = []
        self._repo = repo
        self._found = found
        self._blobs = blobs
        self._manifests = manifests
        self._load = load
        self._stages = stages
        self._away: dict[bytes, str] = {}  # keys without a file, and how to get one

    @cached_property
    def _files(self) -> Callable[[bytes], bytes | None]:
        return KnownFolders(self._repo).file_finder(None)

    def recompute(self, space: Space, lost: set[bytes]) -> None:
        """Embed the existing pictures of lost vectors of a space, under any path in a snapshot.

        Pictures that may be found after all stay in their snapshots: an unmounted disk must not empty one.
        """
        if self._load is None:
            return
        if not space.recipe:
            self._leave(space, lost, f"its recipe is lost; {how_to_give(space)}, and repair again")
            return
        keeper = Keeper(self._repo, space.id, space.dim)
        before = self._found.embedded
        failed: ModelError | MissingPackage | Untrusted | Damage | None = None
        try:
            self._embed(space, lost, self._load, keeper)
        except (
            ModelError,
            MissingPackage,
            Untrusted,
            Damage,
        ) as err:  # Damage: the probes that would prove it are lost
            failed = err
        for ref in keeper.write():
            self._found.list_segment(space.id, ref)
        count = self._found.embedded - before
        if count:
            self._found.did(f"computed {counted(count, 'vector')} again from pictures that still exist")
        if failed is not None:
            step = failed.next_step or "install it"
            left = lost - self.stored[space.id]
            self._leave(space, left, f"its model cannot be used ({failed.message}); {step}, and repair again")
            return
        away = self._away.keys() & (lost - self.stored[space.id])
        if away:
            self._leave(space, away, self._away[min(away)])

    def _leave(self, space: Space, keys: set[bytes], why: str) -> None:
        self._found.left.append(
            f"{counted(len(keys), 'picture')} of the space {space.name} without a vector: {why}; or remove what has no "
            "vector from the snapshots with: vstore repair --no-embed"
        )
        self.stored[space.id].update(keys)  # nothing is taken from a snapshot that may yet be made whole

    def _embed(self, space: Space, lost: set[bytes], load: Callable[[Space, Recipe], Embedder], keeper: Keeper) -> None:
        """Embed pictures in batches, and keep their vectors."""
        recipe = recipe_of(self._blobs.read(space.recipe))
        embedder: Embedder | None = None
        self._stages.begin("embedding what was lost", len(lost), unit="pictures")
        pictures = self._pictures(lost, preparation_of(recipe))
        while batch := list(islice(pictures, _BATCH)):
            keys = [key for key, _ in batch]
            if not self._found.dry_run:
                if embedder is None:
                    with self._stages.loading(space.name):
                        embedder = load(space, recipe)
                    self.keepers.append(keeper)
                keys = _embed_batch(batch, space, keeper, embedder, prover(self._repo, space, embedder))
            self.stored[space.id].update(keys)
            self._found.embedded += len(keys)

    def _pictures(self, lost: set[bytes], preparation: Preparation) -> Iterator[tuple[bytes, Image]]:
        """Read the existing pictures of lost vectors, each once. Yields: key, prepared picture."""
        left = set(lost)
        cut = self._cut(lost)
        tried: set[bytes] = set()
        for snapshot in list(self._found.listing.kept()):
            for path, key in self._manifests.aliases(snapshot):
                if key not in left or path in tried:
                    continue
                tried.add(path)
                picture = self._picture(path, key, for_picture(preparation, key, cut))
                if picture is not None:
                    left.discard(key)
                    self._stages.advance()
                    yield key, picture

    def _cut(self, keys: Collection[bytes]) -> Collection[bytes]:
        """Find the cut pictures among some, as far as the facts of the store can be read."""
        try:
            return cut_among(self._repo, keys)
        except (Damage, FileNotFoundError):
            return ()

    def _picture(self, path: bytes, key: bytes, preparation: Preparation) -> Image | None:
        """Read and prepare a picture. If its folder is missing, note the next step."""
        label = os.fsdecode(self._repo.today(path).partition(b"/")[0])
        root = self._repo.state.roots.get(label)
        if root is None:
            self._away[key] = f"the place of their folder {label} is lost: name it with vstore sync FOLDER"
            return None
        file = self._files(path)
        if file is None:
            place = os.fsdecode(self._repo.place(root))
            self._away[key] = (
                f"their folder {place}, or a link out of it, is not one that you named at this machine; if the "
                f"pictures there are yours: vstore sync {quoted(place)}"
            )
            return None
        self._stages.take(file)
        try:
            data = read_regular(file)
            return prepare(data, preparation)[0] if self._repo.hash.digest(data) == key else None
        except (OSError, PictureFailure):
            folder = self._repo.place(root)
            if not os.path.isdir(folder):
                self._away[key] = f"their folder {os.fsdecode(folder)} does not exist: mount it and repair again"
            return None
        finally:
            self._stages.put_down()


def _embed_batch(
    batch: Sequence[tuple[bytes, Image]],
    space: Space,
    keeper: Keeper,
    embedder: Embedder,
    prove: Callable[[str], bool],
) -> list[bytes]:
    """Embed a batch and keep its vectors. Returns: the keys with one now. Raises: ModelError if the model is sick."""
    tried = embed_pictures(embedder, [picture for _, picture in batch], space.dim, prove)
    good = usable(tried.unit)
    keys = [key for (key, _), fine in zip(batch, good, strict=True) if fine]
    if keys:
        keeper.keep(keys, tried.unit[good])
    return keys
