"""Trials: a sample is embedded by one recipe after another, and compared with the stored vectors."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from vstore.brief import briefly
from vstore.embed.embedder import Embedder
from vstore.embed.variations import Variation, Varied, preparations
from vstore.errors import UsageError, VstoreError
from vstore.format.canonical import Json
from vstore.format.recipes import Recipe
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.repository.sampling import SampledPicture, cosines

FITS = 0.999  # cosine from which two vectors are those of one picture and one model
DECLARED = "as-declared"


@briefly
class Trial(NamedTuple):
    """The result of one recipe.

    name:    one word, for `--adopt`.
    about:   the meaning of a match.
    recipe:  the recipe.
    cosines: one per picture of the sample; nan if it could not be embedded.
    error:   why the recipe could not be tried.
    """

    name: str
    about: str
    recipe: Mapping[str, Any]
    cosines: tuple[float, ...]
    error: str = ""

    @property
    def fitting(self) -> int:
        """The number of matching pictures."""
        return sum(cosine >= FITS for cosine in self.cosines)

    @property
    def median(self) -> float:
        known = [cosine for cosine in self.cosines if cosine == cosine]
        return statistics.median(known) if known else float("nan")

    @property
    def least(self) -> float:
        return min((cosine for cosine in self.cosines if cosine == cosine), default=float("nan"))

    def to_json(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "about": self.about,
            "fitting": self.fitting,
            "cosines": [rounded(cosine) for cosine in self.cosines],
            "error": self.error,
            "recipe": dict(self.recipe),
        }


def rounded(cosine: float) -> float | None:
    """Round a cosine for JSON, which has no nan."""
    return round(cosine, 6) if cosine == cosine else None


def best_of(trials: Sequence[Trial]) -> Trial:
    """Choose the trial with the most matches, then the best median."""
    return max(trials, key=lambda trial: (trial.fitting, trial.median if trial.median == trial.median else -2.0))


def mixture(trials: Sequence[Trial], needed: int) -> tuple[str, ...]:
    """Name two recipes that gave these vectors between them; empty if no two did.

    Some scripts treat a picture otherwise in another batch.
    """

    def together(pair: tuple[Trial, Trial]) -> int:
        return sum(max(both) >= FITS for both in zip(*(trial.cosines for trial in pair), strict=True))

    pairs = itertools.combinations([trial for trial in trials if trial.fitting], 2)
    best = max(pairs, key=together, default=None)
    return () if best is None or together(best) < needed else (best[0].name, best[1].name)


class Trials:
    """A sample, and the way to load the model of a recipe."""

    def __init__(
        self,
        repo: Repository,
        sample: Sequence[SampledPicture],
        load: Callable[[Recipe], Embedder],
        stages: Stages,
    ) -> None:
        self._repo = repo
        self._sample = sample
        self._load = load
        self._stages = stages

    def run(self, declared: Recipe, needed: int, only: str | None = None) -> list[Trial]:
        """Try the declared recipe and, if it does not fit, one likely cause after another.

        needed: matches required. only: the name of the one trial to run.
        Raises: UsageError if there is no trial of that name, ModelError if the declared model cannot be loaded.
        """
        with self._stages.loading(DECLARED):
            embedder = self._load(declared)
        trials = []
        if only in (None, DECLARED):
            trials.append(self._try(Variation(DECLARED, "the declared model", declared), embedder))
            if only is not None or trials[0].fitting >= needed:
                return trials
        variations = [*(embedder.variations() if isinstance(embedder, Varied) else ()), *preparations(declared)]
        if only is not None:
            variations = [one for one in variations if one.name == only]
            if not variations:
                raise UsageError(f"there is no likely cause {only!r}", "list them with: vstore check --reembed 32")
        for one in variations:
            # The model is the same where only the pictures are prepared otherwise.
            same = {**one.recipe, "prepare": None} == {**declared, "prepare": None}
            trials.append(self._try(one, embedder if same else None))
        return trials

    def _try(self, variation: Variation, embedder: Embedder | None) -> Trial:
        self._stages.begin("embedding", len(self._sample), about=variation.name)
        try:
            if embedder is None:
                with self._stages.loading(variation.name):
                    embedder = variation.load() if variation.load else self._load(variation.recipe)
            found = []
            for cosine in cosines(self._repo, self._sample, variation.recipe, embedder):
                found.append(cosine)
                self._stages.advance()
            return Trial(variation.name, variation.about, variation.recipe, tuple(found))
        except VstoreError as err:
            if variation.name == DECLARED:
                raise
            nothing = (float("nan"),) * len(self._sample)
            return Trial(
                name=variation.name, about=variation.about, recipe=variation.recipe, cosines=nothing, error=err.message
            )
