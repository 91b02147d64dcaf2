"""The identities of spaces: noted once their own files give all probes their vectors, and looked up by new files."""

from __future__ import annotations

import contextlib

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families import FAMILIES
from vstore.embed.hf.identity import Known, identity_of
from vstore.embed.model_words import Words
from vstore.errors import Locked
from vstore.format.entries import Space
from vstore.repository.repository import Repository


def known_model(repo: Repository, space: Space) -> Known:
    """Gather what the store knows of the model of a space. Raises: Damage; ModelError if the recipe is lost."""
    return Known(repo.recipe(space.id), space.identity, space.name)


def may_have_identity(repo: Repository, space: Space) -> bool:
    """Tell whether a space can have an identity: format 1 cannot hold it, and only models in files have one."""
    return repo.format >= 2 and repo.recipe(space.id).get("family") in FAMILIES


def note_identity(repo: Repository, space: Space, digests: Digests) -> None:
    """Note the identity of a space whose model has just given all probes their vectors.

    It is noted only of the very files that the space was made with. Where another command keeps `commit` too long, a
    later run does it.
    Raises: ModelError, Damage, DiskTrouble, ReadOnly.
    """
    from vstore.embed.hf.loading import find_files

    known = known_model(repo, space)
    files = find_files(known, Words.from_json(space.place), digests)
    if files.is_original:
        identity = identity_of(known.recipe, files.folder, files.adapter, digests)
        with contextlib.suppress(Locked), repo.committing("verify"):
            now = repo.state.spaces.get(space.id)
            # Another command may have noted it meanwhile, or have dropped the space. Where a version of transformers has
            # more defaults, the identity is another: later files are compared with the newest.
            if now is not None and now.identity != identity and repo.format >= 2:
                repo.publish("verify", {"spaces": {space.id: {"identity": identity}}}, about=space.name)
