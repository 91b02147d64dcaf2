"""The model of a watch: it stays loaded between syncs, and answers searches meanwhile."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vstore.repository.embedders import Embedders, Load

if TYPE_CHECKING:
    from vstore.embed.consent import Consent
    from vstore.embed.embedder import Embedder
    from vstore.embed.model_words import Settings
    from vstore.format.recipes import Recipe
    from vstore.repository.repository import Repository


class KeptModel(Embedders):
    """Embedders that keep the model of one space. One that works on several devices, in processes, is not kept."""

    def __init__(self, repo: Repository, given: Load | None, consent_of_user: Callable[[], Consent]) -> None:
        super().__init__(repo, given, consent_of_user)
        self._kept: Embedder | None = None
        self._served = contextlib.ExitStack()
        self._used = 0.0

    def load_on_all(
        self, recipe: Recipe, settings: Settings, note: Callable[[str], None] = lambda text: None
    ) -> Embedder:
        """Load the model of a space, unless it is there. Raises: as `Embedders.load_on_all`."""
        from vstore.embed.embedder import Devices

        self._used = time.monotonic()
        if self._kept is not None and self._kept.recipe == recipe:
            return self._kept
        self.unload()
        embedder = super().load_on_all(recipe, settings, note)
        if not isinstance(embedder, Devices):
            self._kept = embedder
            self._served.enter_context(super().serving(recipe, embedder))
        return embedder

    @contextlib.contextmanager
    def serving(self, recipe: Recipe, embedder: Embedder) -> Iterator[None]:
        """Serve the model to searches while a sync runs. One that is kept is served anyway."""
        with contextlib.nullcontext() if embedder is self._kept else super().serving(recipe, embedder):
            yield
        self._used = time.monotonic()

    def unload_unused(self, after: float) -> None:
        """Give the memory of the model back, if no sync has needed it for so many seconds."""
        if self._kept is not None and time.monotonic() - self._used > after:
            self.unload()

    def unload(self) -> None:
        """Give the memory of the model back."""
        self._served.close()
        kept, self._kept = self._kept, None
        if kept is not None and "torch" in sys.modules:
            from vstore.embed.hf.devices import release_memory

            del kept
            release_memory()
