"""A store as a program uses it: one object, one thin method per command. The rooms of `api` hold them, by theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.api.fields import Fields
from vstore.api.folders import Folders
from vstore.api.models import Models
from vstore.api.opened import consent_of, silent
from vstore.api.plans import Plans
from vstore.api.reading import Reading
from vstore.api.updating import Updating
from vstore.api.upkeep import Upkeep
from vstore.api.versions import Versions
from vstore.disk.owner import User
from vstore.format.layout import FOLDER
from vstore.paths import AnyPath, absolute, as_path
from vstore.repository.discovery import find_store, is_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Unpack

    from vstore.embed.typed_words import ModelWords
    from vstore.format.recipes import Recipe
    from vstore.format.usual_words import UsualWords
    from vstore.progress import Progress
    from vstore.repository.init import InitReport


class Store(Updating, Reading, Plans, Versions, Fields, Folders, Models, Upkeep):
    """An open store. Usable as a context manager, from several threads, and after a fork.

    Calls in several threads do not disturb one another: reading goes on beside a sync, a tag or a gc, each answer is
    that of one state, and of two calls that change the store the second waits, or raises Locked, as it would between
    two processes. `load_embedder`, `progress` and `note` are called in the thread of the call.

    Every method raises StoreGone if the folder no longer holds the store that was opened, and StoreClosed after
    `close`.

    Where a method takes a snapshot, it takes any name of one: `v12`, the first digits of its id, a tag, `current`,
    `latest`, `v12~2` (two parents up), `@{3}` (an earlier value of `current`), a date (`2026-11-20`: the newest made by
    then) or `@{2026-11-20}`, `@{yesterday}` (what was current then). Dates without a zone are in that of this machine.

    FOLDER: the name of a store's folder, unless its maker chooses another.
    """

    FOLDER = FOLDER

    @classmethod
    def init(
        cls,
        folder: AnyPath,
        *,
        hash: str = "xxh3_128",
        store_dtype: str = "float16",
        recipe: Recipe | None = None,
        name: str | None = None,
        device: str = "auto",
        offline: bool = False,
        config: AnyPath | None = None,
        cache: AnyPath | None = None,
        trust: bool = False,
        sudo_uid: int | None = None,
        usual: UsualWords | None = None,
        note: Callable[[str], None] | None = None,
        progress: Progress | None = None,
        **model: Unpack[ModelWords],
    ) -> InitReport:
        """Make an empty store for one embedding space: the built-in one, unless a recipe or a model is given.

        offline: download no model.
        config, cache, trust, sudo_uid, usual: as in `UserWords`.
        note:    receives a line for each thing done without being asked for.
        model:   the words of `ModelWords`.
        Raises: UsageError if there is a store already; ForeignStore if its folder is there, and another user's;
                ModelError, and nothing is made then.
        """
        from vstore.embed.model_words import Words, settings_of
        from vstore.repository.init import init

        return init(
            absolute(folder),
            Words.of(**model),
            hash=hash,
            store_dtype=store_dtype,
            recipe=recipe,
            name=name,
            settings=settings_of(device, offline=offline)._replace(consent=consent_of(config)),
            user=User.of(config=config, cache=cache, trust=trust, sudo_uid=sudo_uid, usual=usual),
            note=note or silent,
            progress=progress,
        )

    @staticmethod
    def exists(folder: AnyPath) -> bool:
        """Tell whether a folder is a store. Raises: DiskTrouble if it is there and may not be entered."""
        return is_store(as_path(folder))

    @staticmethod
    def find(start: AnyPath = ".") -> Path | None:
        """Find the nearest store: `.vstore` in a folder, or in those above it.

        Raises: DiskTrouble if the nearest one may not be entered.
        """
        return find_store(start)
