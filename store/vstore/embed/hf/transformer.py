"""An embedder with a model of transformers: batches that fit its device, and rows of norm 1."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from vstore.embed.embedder import text_side
from vstore.embed.hf.batches import Limits
from vstore.embed.hf.devices import is_out_of_memory
from vstore.embed.hf.families.family import Family, Prepared, TextFamily
from vstore.embed.hf.libraries import libraries
from vstore.embed.hf.loaded import Loaded
from vstore.embed.model_words import Settings
from vstore.embed.rows import unit_rows
from vstore.embed.variations import Variation
from vstore.errors import ModelError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.format.recipes import Recipe


class TransformerEmbedder:
    """One loaded model and its family.

    limits: of a batch; they shrink where memory is short.
    """

    def __init__(self, family: Family, on: Loaded, settings: Settings, compute: str) -> None:
        self.family = family
        self.recipe = family.recipe
        self.dim: int = family.recipe["dim"]
        self.compute = compute
        self.limits = Limits.of(settings, [on.device])
        # On CUDA `start` only queues a batch: while it runs, the next one is copied and queued behind it.
        self.in_flight = 2 if on.is_cuda else 1
        self.compiled = settings.compile
        self._on = on
        if self.compiled:
            family.picture_side(on.model).compile()

    @property
    def model(self) -> Any:
        return self._on.model

    @property
    def device(self) -> str:
        return self._on.device

    @property
    def batch_size(self) -> int:
        return self.limits.batch_size

    def variations(self) -> list[Variation]:
        """List the usual variations of its recipe; those of the same weights use this model, which is slow to load."""
        return [
            one
            if one.load is not None or one.recipe["adapter"] != self.recipe["adapter"]
            else one._replace(load=functools.partial(self._with, one.recipe))
            for one in self.family.variations()
        ]

    def _with(self, recipe: Recipe) -> TransformerEmbedder:
        """Make an embedder of another recipe with the same model."""
        return TransformerEmbedder(
            type(self.family)(recipe, self.family.folder), self._on, Settings(self.device), self.compute
        )

    def prepare(self, picture: Image) -> Prepared | None:
        return self.family.prepare(picture)

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        """Embed prepared pictures. Returns: float32 (n, dim), norm 1; NaN in a row that could not be computed."""
        return self.embed_prepared([self.prepare(picture) for picture in pictures])

    def embed_prepared(self, inputs: Sequence[Prepared | None]) -> Floats:
        """Embed the results of `prepare`. Raises: ModelError if memory is too short for one picture."""
        return self.start(inputs)()

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Embed texts, with the adapter where it touches the text tower. Called only where the recipe has a text side.

        Returns: float32 (n, dim), norm 1.
        """
        import torch

        family = self.family
        assert isinstance(family, TextFamily)
        with self._on.turn, torch.inference_mode():
            rows = [family.forward_text(self._on, text) for text in texts]
            return self._unit(torch.cat(rows)) if rows else self.embed_prepared([])

    def is_full(self, inputs: Sequence[Prepared | None]) -> bool:
        """Tell whether these make a full batch, by their number or by their tokens."""
        return self.limits.are_reached([self.family.weight(one) for one in inputs])

    def start(self, inputs: Sequence[Prepared | None]) -> Callable[[], Floats]:
        """Begin to embed the results of `prepare`. Returns: a function that waits for the vectors.

        Raises: ModelError if memory is too short for one picture.
        """
        import numpy as np

        weight = self.family.weight
        rows = np.full((len(inputs), self.dim), np.nan, np.float32)
        todo = [number for number, one in enumerate(inputs) if one is not None]
        # Pictures of similar size beside one another: padding to the largest of a batch wastes least.
        todo.sort(key=lambda number: weight(inputs[number]))
        begun: list[tuple[list[int], Callable[[], torch.Tensor]]] = []
        at = 0
        while at < len(todo):
            end = at + 1
            while end < len(todo) and self.limits.fit(end - at + 1, weight(inputs[todo[end]])):
                end += 1
            some = todo[at:end]
            try:
                raw = self._forward([one for n in some if (one := inputs[n]) is not None])
                begun.append((some, self._on.fetch(raw)))
            except Exception as err:
                if not is_out_of_memory(err):
                    raise
                self._smaller(len(some), err)
                continue
            at = end

        def vectors() -> Floats:
            for some, fetched in begun:
                rows[some] = self._unit(fetched())
            return rows

        return vectors

    def first_of(self, started: Sequence[Callable[[], Floats]]) -> int:
        return 0  # a device finishes its batches in the order in which they were begun

    def close(self) -> None:
        """There is nothing to give back."""

    def forward(self, batch: list[Prepared]) -> torch.Tensor:
        return self.family.forward(self._on, batch)

    def _forward(self, batch: list[Prepared]) -> torch.Tensor:
        import torch

        try:
            with self._on.turn, torch.inference_mode():
                return self.forward(batch)
        except Exception as err:
            if self.compiled and type(err).__module__.startswith(("torch._dynamo", "torch._inductor")):
                reason = " ".join(str(err).split())[:200] or type(err).__name__
                raise ModelError(f"torch cannot compile the model here: {reason}", "leave --compile out") from err
            raise

    def _smaller(self, size: int, err: BaseException) -> None:
        """Halve the batch after an out-of-memory error. Raises: ModelError if the batch was one picture."""
        if self._on.is_cuda:
            import torch

            torch.cuda.empty_cache()
        if size <= 1:
            raise ModelError(
                f"there is not enough memory on {self.device} to embed even one picture",
                "close other programs, take another device with --device cpu, or make a space with --compute bf16 or a "
                "smaller --max-side; finished vectors are safe",
            ) from err
        self.limits.batch_size = size // 2

    def proof(self, pictures: Sequence[Image]) -> Floats:
        """Compute the vectors that prove an adapter: of pictures, and of a text where there is a text side."""
        import numpy as np

        rows = self.embed_images(pictures)
        side = text_side(self)
        return rows if side is None else np.concatenate([rows, side(["a red car"])])

    def _unit(self, raw: torch.Tensor) -> Floats:
        """Rows of norm 1 as float32 on the CPU; NaN for those that have no direction."""
        return unit_rows(raw.float().cpu().numpy(), len(raw) if raw.ndim else 0, self.dim)

    @property
    def environment(self) -> dict[str, Any]:
        """The device, dtype and versions of this run: recorded and compared, never part of the identity."""
        import platform
        from importlib.metadata import version

        import numpy
        import PIL

        torch, transformers = libraries()
        device = self.device
        name = torch.cuda.get_device_name(device) if self._on.is_cuda else platform.machine()
        found = {
            "compute": self.compute,
            "device": f"{device.partition(':')[0]} ({name})",
            "attention": str(getattr(self.model.config, "_attn_implementation", None)),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": numpy.__version__,
            "pillow": PIL.__version__,
        }
        found |= {library: version(library) for library in self.family.libraries}
        if self.recipe["adapter"] is not None:
            with contextlib.suppress(ImportError):  # it may be merged into the base by now
                import peft

                found["peft"] = peft.__version__
        return found
