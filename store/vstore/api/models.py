"""The methods of a store about its embedding spaces, and about the models that fill them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.api.opened import Opened, silent
from vstore.paths import absolute

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from typing import Unpack

    from vstore.embed.recommended import RecommendedModel
    from vstore.embed.typed_words import ModelWords
    from vstore.models.report import (
        ModelAdded,
        ModelAllowed,
        ModelConverted,
        ModelDetail,
        ModelDropped,
        ModelRow,
        ModelServed,
        ModelUsed,
    )
    from vstore.paths import AnyPath
    from vstore.progress import Progress
    from vstore.search.model_diff_report import ModelDiffReport


class Models(Opened):
    """A store with its embedding spaces."""

    def model_list(self) -> list[ModelRow]:
        """List the embedding spaces."""
        from vstore.models.show import model_list

        return self._read(model_list)

    def model_show(self, space: str) -> ModelDetail:
        """Show one embedding space, with its recipe. Raises: UsageError."""
        from vstore.models.show import model_show

        return self._read(lambda repo: model_show(repo, space))

    def model_add(
        self,
        name: str | None = None,
        *,
        same_as: str | None = None,
        device: str = "auto",
        offline: bool = False,
        note: Callable[[str], None] | None = None,
        progress: Progress | None = None,
        **model: Unpack[ModelWords],
    ) -> ModelAdded:
        """Add an embedding space; a sync with `space=name` fills it. Or prove that a space's model lies elsewhere now.

        name:    of the space; needed unless `same_as` is given.
        same_as: a space whose own files are gone: its probes and 32 of its pictures prove that this is its model.
        offline: download no model.
        model:   the words of `ModelWords`.
        Raises:  UsageError, ModelError, MigrationNeeded.
        """
        from vstore.embed.model_words import Words, settings_of

        words = Words.of(**model)
        settings = settings_of(device, offline=offline)._replace(consent=self._embedders.consent)
        if same_as is not None:
            from vstore.models.same import model_add_same

            wanted = same_as
            return self._use_newest(
                lambda repo: model_add_same(repo, wanted, words, settings=settings, name=name, progress=progress)
            )
        from vstore.models.add import model_add

        if name is None:
            from vstore.errors import UsageError

            raise UsageError("the space has no name", f"name it: {words.command('NAME')}")
        own = name
        return self._use_newest(
            lambda repo: model_add(repo, own, words, settings, note=note or silent, progress=progress)
        )

    @staticmethod
    def model_recommend() -> list[RecommendedModel]:
        """List the recommended models; their short names are words of `model`."""
        from vstore.embed.recommended import RECOMMENDED

        return list(RECOMMENDED)

    def model_allow(self, space: str | None = None, *, trust_remote_code: bool = False) -> ModelAllowed:
        """Allow the model of a space at this machine: its place, its download, and its code. The store stays as it is.

        space:             by default the current one.
        trust_remote_code: allow code of its own to run, if it has some.
        Raises: UsageError; Untrusted if it has code of its own, and that is not trusted; DiskTrouble, ReadOnly.
        """
        from vstore.models.allow import model_allow

        consent, trust = self._embedders.consent, trust_remote_code
        return self._read(lambda repo: model_allow(repo, space, consent, trust_remote_code=trust))

    def model_use(self, space: str, *, message: str = "") -> ModelUsed:
        """Make a space current: write a snapshot of the current paths in it. Raises: UsageError, ModelError."""
        from vstore.models.use import model_use

        return self._use(lambda repo: model_use(repo, space, message))

    def model_serve(
        self,
        space: str | None = None,
        *,
        device: str = "auto",
        offline: bool = False,
        idle: float | None = None,
        ready: Callable[[str], None] | None = None,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
    ) -> ModelServed:
        """Load the model of a space, and answer the searches of this user's other processes with it until it ends.

        space:   by default the current one.
        offline: download no model.
        idle:    end after so many minutes without a search.
        ready:   called with the name of the space once searches are answered.
        stop:    ends it when set.
        Raises:  UsageError, ModelError, MissingPackage, Damage; Locked if another process serves this model.
        """
        from vstore.embed.model_words import settings_of
        from vstore.models.serve import model_serve

        settings = settings_of(device, offline=offline)
        return self._use_newest(
            lambda repo: model_serve(
                repo,
                self._embedders_of(repo),
                space,
                settings,
                idle=idle,
                ready=ready or silent,
                stop=stop,
                progress=progress,
            )
        )

    def model_diff(
        self,
        a: str,
        b: str,
        *,
        sample: int = 1000,
        changed: int = 10,
        stop: threading.Event | None = None,
        progress: Progress | None = None,
    ) -> ModelDiffReport:
        """Compare two embedding spaces by the pictures nearest to each picture. No model is loaded.

        a, b:    a space, or a snapshot of it. A space stands for the pictures of the current snapshot, if that is in
                 it, else of its newest one; one without a snapshot for those of the current one that it has so far.
        sample:  pictures whose neighbours are compared, always the same ones; if there are fewer, all.
        changed: list as many pictures whose neighbours changed most.
        stop:    ends it when set.
        Raises:  UsageError for one space, or if it has fewer than two pictures of the other; SnapshotNotFound,
                 AmbiguousSnapshot, Interrupted, Damage.
        """
        from vstore.search.model_diff import model_diff

        return self._read(
            lambda repo: model_diff(repo, a, b, sample=sample, changed=changed, stop=stop, progress=progress)
        )

    def model_drop(self, space: str, *, dry_run: bool = False, wait: bool = False) -> ModelDropped:
        """Forget a space that no snapshot uses. Raises: UsageError, Refused, Locked."""
        from vstore.models.drop import model_drop

        return self._use(lambda repo: model_drop(repo, space, dry_run=dry_run, wait=wait))

    @staticmethod
    def model_convert(
        name: str,
        *,
        output: AnyPath | None = None,
        revision: str | None = None,
        cache: AnyPath | None = None,
        note: Callable[[str], None] | None = None,
        progress: Progress | None = None,
    ) -> ModelConverted:
        """Convert the pickled weights of a model or an adapter to safetensors, in a process of their own.

        name:   a folder or a hub id.
        output: the new folder; None makes one in the user's cache.
        cache:  the user's folder for caches; None is ~/.cache.
        note:   receives a line for each file.
        Raises: UsageError, ModelError, DiskTrouble, ReadOnly.
        """
        from vstore.models.convert import model_convert

        place, caches = (None if path is None else absolute(path) for path in (output, cache))
        notes = note or silent
        return model_convert(name, place, revision=revision, cache=caches, note=notes, progress=progress)

    @staticmethod
    def devices(words: str) -> tuple[str, ...]:
        """List the devices that words such as `cuda:0,cuda:1` name; they need not exist. Raises: UsageError."""
        from vstore.embed.model_words import device_words

        return device_words(words)
