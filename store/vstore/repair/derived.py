"""The files of a store that can be made again: catalogue, cache, reserve."""

from __future__ import annotations

from vstore.disk.catalogue import renew
from vstore.disk.reserve import has_reserve
from vstore.errors import VstoreError
from vstore.gc.unlisted import empty_cache
from vstore.intake.stored_keys import align
from vstore.repair.findings import Findings
from vstore.repository.repository import Repository


def look_at_derived(repo: Repository, found: Findings) -> None:
    """Note which of these files have to be made again."""
    if not (_catalogue_is_whole(repo) or _catalogue_is_whole(repo)):  # as all else, it is asked once more
        found.done.append("catalogue/ was rebuilt: it was missing, copied or damaged")
    if not has_reserve(repo.layout):
        found.done.append("reserve was written again")


def renew_derived(repo: Repository, *, fill: bool) -> None:
    """Empty the cache and make a new catalogue. fill: with the keys of all segments."""
    empty_cache(repo)
    renew(repo.layout.catalogue, repo.store_id)
    if fill:
        _fill_catalogue(repo)


def _catalogue_is_whole(repo: Repository) -> bool:
    catalogue = repo.catalogue(write=False)
    if catalogue is None:
        return False
    with catalogue:
        return catalogue.is_whole()


def _fill_catalogue(repo: Repository) -> None:
    repo.reload()
    catalogue = repo.catalogue(write=True)
    assert catalogue is not None
    with catalogue, catalogue.batch() as batch:
        for space in repo.state.spaces:
            try:
                align(repo, catalogue, batch, space)
            except VstoreError:
                continue  # what could not be repaired is already reported
