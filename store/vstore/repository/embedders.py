"""Embedders for the spaces of an open store: its own models, or those of a program."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vstore.embed.consent import Consent, Wish
    from vstore.embed.embedder import Embedder
    from vstore.embed.hf.identity import Known
    from vstore.embed.model_words import Settings
    from vstore.format.recipes import Recipe
    from vstore.progress import Stages
    from vstore.repository.repository import Repository

Load = Callable[["Recipe"], "Embedder"]


_SMALL = frozenset({"builtin", "imported"})  # families without a model to share


class KeptModel:
    """The model that a query loaded last: the next query need not load it again. For one thread at a time."""

    def __init__(self) -> None:
        self._what: object = None
        self._embedder: Embedder | None = None

    def find(self, what: object) -> Embedder | None:
        """Return the model, if it is this one."""
        return self._embedder if what == self._what else None

    def keep(self, what: object, load: Load, recipe: Recipe) -> Embedder:
        """Load a model in place of the one that is kept: of two, few machines have the memory."""
        self._what = self._embedder = None
        self._embedder = load(recipe)
        self._what = what
        return self._embedder


class Embedders:
    """Loads the embedder of a recipe. `given` loads them all if a program brings its own.

    consent_of_user: reads the consents of the user to the models that the store names; most commands ask none.
    kept:            keeps the model of a query; None loads it each time.
    """

    def __init__(
        self,
        repo: Repository,
        given: Load | None,
        consent_of_user: Callable[[], Consent],
        kept: KeptModel | None = None,
    ) -> None:
        self._repo = repo
        self._given = given
        self.consent_of_user = consent_of_user
        self.kept = kept

    @property
    def consent(self) -> Consent:
        return self.consent_of_user()

    def load(self, recipe: Recipe, settings: Settings | None = None) -> Embedder:
        """Load the model of a space of this store, on one device. Raises: ModelError, MissingPackage, UsageError."""
        if self._given is not None:
            return self._given(recipe)
        from vstore.embed.model_words import Settings
        from vstore.format.recipes import space_id
        from vstore.repository import spaces

        settings = (settings or Settings())._replace(consent=self.consent)
        return spaces.load(self._repo, self._repo.state.spaces[space_id(recipe)], settings)

    def load_for_query(self, recipe: Recipe, settings: Settings, stages: Stages | None = None) -> Embedder:
        """Find the embedder of a query: that of a process which serves the model, or else load it here, as `load`.

        A named device is asked for: the model is loaded there.
        stages: loading is one of them.
        """
        from vstore.format.recipes import space_id

        space = space_id(recipe)
        if self.kept is not None and (kept := self.kept.find((space, settings))) is not None:
            return kept
        if stages is not None and recipe.get("family") not in _SMALL:
            with stages.loading(self._repo.state.spaces[space].name):
                return self.load_for_query(recipe, settings)
        if self._given is None and settings.device == "auto" and recipe.get("family") not in _SMALL:
            from vstore.repository.serving import served

            found = served(self._repo, space, lambda: self.load(recipe, settings))
            if found is not None:
                return found
        if self.kept is None:
            return self.load(recipe, settings)
        return self.kept.keep((space, settings), lambda recipe: self.load(recipe, settings), recipe)

    @contextlib.contextmanager
    def serving(self, recipe: Recipe, embedder: Embedder) -> Iterator[None]:
        """Serve a loaded model to the queries of other processes meanwhile, if it is safe in several threads."""
        if self._given is not None or recipe.get("family") in _SMALL:
            yield
            return
        from vstore.format.recipes import space_id
        from vstore.repository.serving import serving_beside

        with serving_beside(self._repo, space_id(recipe), embedder):
            yield

    def load_on_all(
        self, recipe: Recipe, settings: Settings, note: Callable[[str], None] = lambda text: None
    ) -> Embedder:
        """Load the model of a space of this store, on every device of the settings.

        note:   receives a line for each device that is lost.
        Raises: as `load`.
        """
        if self._given is not None:
            return self._given(recipe)
        from vstore.format.recipes import space_id
        from vstore.repository import spaces

        settings = settings._replace(consent=self.consent)
        return spaces.load_on_all(self._repo, self._repo.state.spaces[space_id(recipe)], settings, note)

    def machine(self, recipe: Recipe, settings: Settings) -> str:
        """Name what is known of this machine before the model of a recipe is loaded here."""
        if self._given is not None:
            return "given"
        from vstore.embed.machine import machine_of
        from vstore.embed.model_words import Words
        from vstore.format.recipes import space_id

        return machine_of(recipe, Words.from_json(self._repo.state.spaces[space_id(recipe)].place), settings)

    def sees_pixels_alone(self, recipe: Recipe) -> bool:
        """Tell, without loading it, whether equal prepared pixels get equal vectors from the model of a recipe.

        Of the code of others that is true only where it says so: in `sees_pixels_alone` of a plug-in's entry point, or
        of the function by which a program brings its embedders.
        """
        if self._given is not None:
            return getattr(self._given, "sees_pixels_alone", False) is True
        from vstore.embed.pixels_alone import sees_pixels_alone

        return sees_pixels_alone(recipe)

    def load_variant(
        self, recipe: Recipe, place: Mapping[str, Any], settings: Settings, *, known: Known | None = None
    ) -> Embedder:
        """Load a model by a recipe that may differ from those of all spaces.

        place: the words of the model; if empty, the model of the current snapshot's space.
        known: the space of the model, where words name it.
        Raises: as `load`.
        """
        from vstore.embed.hf.digests import Digests
        from vstore.embed.load import load_embedder
        from vstore.embed.model_words import Words
        from vstore.embed.wishes import wishes_of
        from vstore.format.recipes import space_id
        from vstore.repository.identities import known_model
        from vstore.repository.permission import give, permitted

        repo = self._repo
        if self._given is not None or (not place and space_id(recipe) in repo.state.spaces):
            return self.load(recipe, settings)
        wishes: list[Wish] = []
        if place:
            wishes = wishes_of(recipe, Words.from_json(place))
        else:
            space = repo.state.spaces[repo.snapshot("current").space]
            settings = permitted(repo, space, settings._replace(consent=self.consent))
            place, known = space.place, known_model(repo, space) if space.recipe else None
        digests = Digests(repo.layout.cache)
        found = load_embedder(recipe, Words.from_json(place), settings, digests, known=known)
        digests.keep()
        give(self.consent, wishes)
        return found
