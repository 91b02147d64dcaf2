"""The model of one run: it is loaded when the first picture needs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vstore.progress import Stages
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.careful import Attempts
    from vstore.embed.embedder import Embedder, Floats, Pipeline

BATCH = 16  # pictures per call of an embedder that asks for no other number


class LazyModel:
    """A model as a pipeline, and its proof.

    loaded:  the pipeline; None until a picture needs it.
    dim:     numbers per vector.
    seconds: wall time of loading it.
    """

    def __init__(
        self,
        repo: Repository,
        space: str,
        load: Callable[[], Embedder],
        loaded: Callable[[dict[str, Any]], None],
        *,
        stages: Stages,
    ) -> None:
        """
        load:   loads the model of the space.
        loaded: receives the environment of the loaded model.
        stages: loading is one of them.
        """
        self.loaded: Pipeline | None = None
        self.dim = repo.state.spaces[space].dim
        self.seconds = 0.0
        self._repo = repo
        self._space = space
        self._load = load
        self._tell = loaded
        self._stages = stages
        self._prove: Callable[[str], bool] = _nothing_to_prove

    @property
    def batch_size(self) -> int:
        """The most pictures of a batch, as far as it is known yet."""
        return BATCH if self.loaded is None else self.loaded.batch_size

    def ready(self) -> Pipeline:
        """Load the model, unless that is done. Raises: ModelError."""
        if self.loaded is None:
            with self._stages.loading(self._repo.state.spaces[self._space].name):
                return self._load_now()
        return self.loaded

    def _load_now(self) -> Pipeline:
        from vstore.embed.embedder import Devices, Pipeline
        from vstore.embed.rows import require_width
        from vstore.repository.health import prover
        from vstore.repository.proof import environment_of

        began = time.perf_counter()
        embedder = self._load()
        space = self._repo.state.spaces[self._space]
        self.loaded = embedder if isinstance(embedder, Pipeline) else _Plain(embedder)
        self._prove = embedder.prove if isinstance(embedder, Devices) else prover(self._repo, space, embedder)
        require_width(embedder.dim, self.dim)
        self._tell(environment_of(embedder))
        self.seconds += time.perf_counter() - began
        return self.loaded

    def prove(self, met: str) -> bool:
        """Prove the model by its probes.

        met:     what it did to pictures, for the message.
        Returns: True if a device was left out, and others are sound.
        Raises:  ModelError if none is sound.
        """
        return self._prove(met)

    def attempts(self, before: Callable[[], Floats] | None = None) -> Attempts:
        """Name the ways to try pictures again. before: their batch, if they are tried on another device now."""
        from vstore.embed.careful import Attempts  # a run without news embeds nothing
        from vstore.embed.embedder import Devices

        pipeline = self.ready()
        if not isinstance(pipeline, Devices):
            return Attempts(self.dim, pipeline.start, self._prove)
        devices, ended = pipeline, lambda: devices.has_ended
        if before is None:
            return Attempts(self.dim, pipeline.start, self._prove, ended=ended)
        return Attempts(
            self.dim,
            lambda inputs: devices.elsewhere(inputs, before),
            self._prove,
            final=lambda: devices.killers(before),
            ended=ended,
        )

    def close(self) -> None:
        """Give back what the model holds: its processes must not outlive a run whose disk fails."""
        if self.loaded:
            self.loaded.close()


def _nothing_to_prove(met: str) -> bool:
    raise AssertionError(met)  # no picture fails before a model is loaded


class _Plain:
    """A pipeline over an embedder that has none: it takes pictures as they are, and its vectors are awaited."""

    batch_size = BATCH
    in_flight = 1

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def prepare(self, picture: Image) -> Image:
        return picture

    def is_full(self, inputs: Sequence[Image]) -> bool:
        return len(inputs) >= BATCH

    def start(self, inputs: Sequence[Image]) -> Callable[[], Floats]:
        rows = self._embedder.embed_images(inputs)
        return lambda: rows

    def first_of(self, started: Sequence[Callable[[], Floats]]) -> int:
        return 0

    def close(self) -> None:
        pass
