"""Samples of a snapshot's pictures: chosen, read, and embedded again beside their stored vectors."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.format.entries import Snapshot
from vstore.format.tree import paths_by_key
from vstore.pictures.picture_file import read_regular
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.cut_facts import as_taken
from vstore.repository.repository import Repository
from vstore.repository.stored_rows import stored_rows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.embed.embedder import Embedder
    from vstore.format.recipes import Recipe

    Array = npt.NDArray[np.generic]

BATCH = 8


class SampledPicture(NamedTuple):
    """A picture of a sample.

    key:  the hash of its bytes.
    path: its stored path.
    file: its place today.
    row:  its stored vector, (dim,) in the store's dtype.
    """

    key: bytes
    path: bytes
    file: bytes
    row: Array


def sample_pictures(
    repo: Repository, snapshot: Snapshot, count: int, first: Collection[bytes] = (), second: Collection[bytes] = ()
) -> tuple[list[SampledPicture], int]:
    """Choose pictures whose file exists and is unchanged. Chosen by the snapshot's id: every call agrees.

    first:   keys of the pictures that are chosen before all others.
    second:  keys of those that are chosen next.
    Returns: the pictures, and how many were passed over.
    Raises:  Untrusted, Damage, FileNotFoundError.
    """
    folders = KnownFolders(repo)
    folders.require(repo.state.roots.values())
    file_of = folders.file_finder(snapshot)
    paths = paths_by_key(repo.tree(snapshot))
    salt = bytes.fromhex(snapshot.id)
    found: list[tuple[bytes, bytes, bytes]] = []
    unread = 0
    rank = {**dict.fromkeys(second, 1), **dict.fromkeys(first, 0)}
    for key in sorted(paths, key=lambda key: (rank.get(key, 2), repo.hash.digest(salt + key))):
        readable = next(
            (pair for path in paths[key] if (pair := _readable(repo, key, path, file_of(path))) is not None), None
        )
        if readable is None:
            unread += 1
            continue
        found.append((key, *readable))
        if len(found) == count:
            break
    rows = stored_rows(repo, snapshot.space, {key for key, _, _ in found})
    return [SampledPicture(key, path, file, rows[key]) for key, path, file in found], unread


def cosines(repo: Repository, sample: Sequence[SampledPicture], recipe: Recipe, embedder: Embedder) -> Iterator[float]:
    """Embed pictures again. Yields: the cosine to the stored vector of each; nan if it could not be embedded.

    One that is cut is embedded as far as it goes, with a mark or without: an import of an export has none.
    Raises: ModelError if the model does not work: no stored vector is at fault then.
    """
    import numpy as np

    from vstore.pictures.decoding import prepare
    from vstore.pictures.failures import PictureFailure
    from vstore.pictures.preparation import preparation_of

    preparation = as_taken(preparation_of(recipe))
    for at in range(0, len(sample), BATCH):
        part = sample[at : at + BATCH]
        prepared: dict[int, Any] = {}
        for number, picture in enumerate(part):
            data = read_unchanged(repo, picture.key, picture.file)
            if data is not None:
                try:
                    prepared[number] = prepare(data, preparation)[0]
                except PictureFailure:
                    continue
        rows = _rows(repo, recipe, embedder, prepared) if prepared else {}
        for number, picture in enumerate(part):
            row = rows.get(number)
            if row is None or row.shape != picture.row.shape:
                yield float("nan")
                continue
            a, b = row.astype(np.float64), picture.row.astype(np.float64)
            yield float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _rows(repo: Repository, recipe: Recipe, embedder: Embedder, prepared: Mapping[int, Any]) -> dict[int, Any]:
    """Embed prepared pictures. Raises: ModelError if the model does not work."""
    from vstore.embed.careful import embed_pictures
    from vstore.format.recipes import space_id
    from vstore.repository.health import model_of, require_sound
    from vstore.repository.proof import kept_probes

    space = repo.state.spaces.get(space_id(recipe))
    kept = kept_probes(repo, space) if space is not None else None
    model = model_of(space) if space is not None else "the model of this recipe"

    def prove(met: str) -> None:
        require_sound(embedder, kept, model=model, met=met)

    tried = embed_pictures(embedder, list(prepared.values()), embedder.dim, prove)
    return dict(zip(prepared, tried.unit, strict=True))


def read_unchanged(repo: Repository, key: bytes, file: bytes) -> bytes | None:
    """Read a picture; None if it cannot be read, or is no longer the picture with this key."""
    try:
        data = read_regular(file)
    except OSError:
        return None
    return data if repo.hash.digest(data) == key else None


def _readable(repo: Repository, key: bytes, path: bytes, file: bytes | None) -> tuple[bytes, bytes] | None:
    if file is None or read_unchanged(repo, key, file) is None:
        return None
    return path, file
