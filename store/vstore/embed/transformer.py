"""What all transformers models share: the recipe, loading with every key accounted for, batches, and unit rows."""

from __future__ import annotations

import contextlib
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from vstore.embed import adapter as adapters
from vstore.embed import text_side
from vstore.embed.digests import Digests
from vstore.embed.folder import (
    ModelFolder,
    canonical_config,
    find_adapter,
    find_model,
    needs_packages,
    weight_digests,
)
from vstore.embed.place import Settings, Words
from vstore.errors import ModelError
from vstore.formats import MAX_SIDE, prepare_recipe
from vstore.variations import Variation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed import Floats, Recipe

Prepared = dict[str, Any]  # the model's inputs for one picture, as numpy arrays

COMPUTES = ("fp32", "bf16")
AUTO_BATCH = {"cuda": 64, "mps": 16, "cpu": 8}  # on two cores 8 is as quick as 32, and needs less memory
AUTO_TOKENS = {"cuda": 16384, "mps": 4096, "cpu": 2048}  # of a batch, padding included, where pictures have tokens


class TransformerEmbedder(ABC):
    """One loaded model. A family says which inputs a picture becomes, and which vector the model gives for them.

    A family is a subclass: `describe` (from the files alone, nothing is loaded), `prepare`, `forward`.
    """

    family: ClassVar[str]
    model_types: ClassVar[frozenset[str]]
    poolings: ClassVar[tuple[str, ...]]  # the first is the usual one
    takes_prompt: ClassVar[bool] = False

    def __init__(self, recipe: Recipe, folder: ModelFolder, words: Words, settings: Settings, model: Any) -> None:
        self.recipe = recipe
        self.dim: int = recipe["dim"]
        self.device = settings_device(settings)
        self.compute = words.compute or "fp32"
        self.model = model.to(self.device)
        kind = self.device.partition(":")[0]
        self.batch_size = settings.batch_size or AUTO_BATCH.get(kind, 8)
        # Where the user says how many pictures, so many it is.
        self.tokens = AUTO_TOKENS.get(kind, 2048) if settings.batch_size is None else None
        # On CUDA a batch is only queued by `start`: while it runs the next one is copied and queued behind it.
        self.in_flight = 2 if kind == "cuda" else 1
        self.folder = folder
        self.compiled = settings.compile
        if self.compiled:
            self.picture_side().compile()
        self.set_up()

    def set_up(self) -> None:  # noqa: B027  # not every family needs more
        """Make what the family needs besides the model: its processor, its tokenizer."""

    @classmethod
    @abstractmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        """The family's part of the recipe: processor, text, positions, prompt, dim. Raises: ModelError."""

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        """What from_pretrained is told besides."""
        return {}

    def variations(self) -> list[Variation]:
        """What is easily done otherwise with this model, for vectors that it does not give as it is."""
        found = []
        if self.recipe["adapter"] is not None:
            found.append(Variation("no-adapter", "the adapter was not applied", {**self.recipe, "adapter": None}))
        for pooling in self.poolings:
            if pooling != self.recipe["pooling"]:
                about = f"the vectors were pooled by {pooling}"
                found.append(Variation(f"pooling-{pooling}", about, {**self.recipe, "pooling": pooling}))
        return found

    def picture_side(self) -> Any:
        """The part of the model that pictures run through."""
        return self.model

    @abstractmethod
    def prepare(self, picture: Image) -> Prepared | None:
        """The model's inputs for one picture; None where the model takes no such picture. Safe in any thread."""

    @abstractmethod
    def forward(self, batch: list[Prepared]) -> torch.Tensor:
        """Vectors of prepared pictures: (n, dim) of any norm."""

    # The protocol

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        """Embed prepared pictures. Returns: float32 (n, dim), norm 1; a row that could not be computed holds NaN."""
        return self.embed_prepared([self.prepare(picture) for picture in pictures])

    def embed_prepared(self, inputs: Sequence[Prepared | None]) -> Floats:
        """Embed what `prepare` gave. Raises: ModelError where memory does not suffice for one picture."""
        return self.start(inputs)()

    def is_full(self, inputs: Sequence[Prepared | None]) -> bool:
        """Whether these are a batch, by their number or by their tokens."""
        return not self._fits(len(inputs) + 1, max(map(self.weight, inputs), default=0))

    def _fits(self, count: int, weight: int) -> bool:
        """Whether so many pictures, each padded to the heaviest one, are no more than a batch."""
        return count <= self.batch_size and (self.tokens is None or count * weight <= self.tokens)

    def start(self, inputs: Sequence[Prepared | None]) -> Callable[[], Floats]:
        """Begin to embed what `prepare` gave. Returns: what waits for the vectors.

        Raises: ModelError where memory does not suffice for one picture.
        """
        import numpy as np

        rows = np.full((len(inputs), self.dim), np.nan, np.float32)
        todo = [number for number, one in enumerate(inputs) if one is not None]
        # Pictures of like size beside one another: what is padded to the largest of a batch wastes least.
        todo.sort(key=lambda number: self.weight(inputs[number]))
        begun: list[tuple[list[int], torch.Tensor]] = []
        at = 0
        while at < len(todo):
            end = at + 1
            while end < len(todo) and self._fits(end - at + 1, self.weight(inputs[todo[end]])):
                end += 1
            some = todo[at:end]
            try:
                raw = self._forward([one for n in some if (one := inputs[n]) is not None])
                begun.append((some, raw if self.in_flight > 1 else raw.cpu()))
            except Exception as err:
                if not is_out_of_memory(err):
                    raise
                self._smaller(len(some), err)
                continue
            at = end

        def vectors() -> Floats:
            for some, raw in begun:
                rows[some] = self._unit(raw)
            return rows

        return vectors

    def close(self) -> None:  # noqa: B027  # nor has something to give back
        """There is nothing to give back."""

    def weight(self, one: Prepared | None) -> int:
        """The tokens of a prepared picture where their number differs between pictures; else 0."""
        return 0

    def _forward(self, batch: list[Prepared]) -> torch.Tensor:
        import torch

        try:
            with torch.inference_mode():
                return self.forward(batch)
        except Exception as err:
            if self.compiled and type(err).__module__.startswith(("torch._dynamo", "torch._inductor")):
                reason = " ".join(str(err).split())[:200] or type(err).__name__
                raise ModelError(f"torch cannot compile the model here: {reason}", "leave --compile out") from err
            raise

    def _smaller(self, size: int, err: BaseException) -> None:
        """Halve the batch after an out-of-memory. Raises: ModelError where it was one picture already."""
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()
        if size <= 1:
            raise ModelError(
                f"there is not enough memory on {self.device} to embed even one picture",
                "close what else uses it, take another device with --device cpu, or make a space with --compute bf16 "
                "or a smaller --max-side; vectors that were finished are kept",
            ) from err
        self.batch_size = size // 2

    def _prove_adapter(self, adapter: ModelFolder, proof: Sequence[Image]) -> None:
        """Raises: ModelError if neither a picture nor a text has another vector without the adapter."""
        import numpy as np

        def vectors() -> Floats:
            rows = self.embed_images(proof)
            side = text_side(self)
            return rows if side is None else np.concatenate([rows, side(["a red car"])])

        on = vectors()
        self.model.disable_adapters()
        off = vectors()
        self.model.enable_adapters()
        if not adapters.has_effect(on, off):
            raise ModelError(
                f"the adapter {adapter.name} changes nothing: with it and without it the vectors are the same",
                "name the folder of the trained adapter, or leave --adapter out",
            )

    def _unit(self, raw: torch.Tensor) -> Floats:
        """Rows of norm 1 as float32 on the CPU; NaN for those that have no direction."""
        import numpy as np

        if raw.ndim != 2 or raw.shape[1] != self.dim:
            raise ModelError(
                f"the model gives vectors of shape {tuple(raw.shape)}, its space has {self.dim} numbers",
                "use the model that the space was made with",
            )
        rows = raw.float().cpu().numpy().astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            norms = np.linalg.norm(rows, axis=1, keepdims=True)
            unit: Floats = np.where(np.isfinite(norms) & (norms > 0), rows / norms, np.nan).astype(np.float32)
        return unit

    @property
    def environment(self) -> dict[str, Any]:
        """What may differ a little between two runs of one space: recorded and compared, never identity."""
        return environment(self)

    def tensor(self, arrays: Sequence[Any], dtype: Any = None) -> torch.Tensor:
        """Stack arrays into one tensor on the model's device; floats in the model's dtype."""
        import numpy as np
        import torch

        # Into pinned memory at once, which a GPU reads by itself while the next batch is stacked.
        kind = torch.from_numpy(arrays[0]).dtype
        shape = (len(arrays), *arrays[0].shape)
        stacked = torch.empty(shape, dtype=kind, pin_memory=self.device.startswith("cuda"))
        np.stack(arrays, out=stacked.numpy())
        return self.moved(stacked, dtype)

    def moved(self, value: torch.Tensor, dtype: Any = None) -> torch.Tensor:
        """A tensor on the model's device, floats in the model's dtype; on CUDA the copy is queued, and not awaited."""
        if value.is_floating_point():
            dtype = dtype or self.model.dtype
        if not self.device.startswith("cuda"):
            return value.to(self.device, dtype)
        pinned = value if value.is_pinned() else value.pin_memory()
        return pinned.to(self.device, dtype, non_blocking=True)


def describe(words: Words, digests: Digests) -> tuple[dict[str, Any], Words]:
    """Work out the recipe of a model and its adapter from their files; nothing is loaded.

    Returns: the recipe, and the words with everything named so that this very model is found again.
    Raises:  ModelError.
    """
    from vstore.embed.families import family_of

    adapter = find_adapter(words.adapter, words.adapter_revision) if words.adapter else None
    if words.model is None:
        assert adapter is not None
        base = adapter.config.get("base_model_name_or_path")
        if not base:
            raise ModelError(f"the adapter {words.adapter} does not say which model it is for", "name it with --model")
        words = words._replace(model=str(base), revision=words.revision or adapter.config.get("revision"))
    assert words.model is not None
    if words.compute not in (None, *COMPUTES):
        raise ModelError(f"unknown compute {words.compute!r}", f"choose one of: {', '.join(COMPUTES)}")
    trusted = words.trust_remote_code or False
    folder = find_model(words.model, words.revision, code=trusted)
    cls = family_of(folder, trust_code=trusted)
    if "quantization_config" in folder.config:
        raise ModelError(
            f"{folder.name} is quantised, and its vectors would be coarser than they say",
            "use the model as it was before, with --compute bf16 where memory is short",
        )
    pooling = words.pooling or cls.poolings[0]
    if pooling not in cls.poolings:
        raise ModelError(
            f"a {folder.model_type} model has no pooling {pooling!r}", f"choose one of: {', '.join(cls.poolings)}"
        )
    if words.prompt is not None and not cls.takes_prompt:
        raise ModelError(
            f"a {folder.model_type} model takes no prompt with a picture",
            "leave --prompt out; it is for models such as Qwen2-VL",
        )
    try:
        own = cls.describe(folder, words, digests)
    except (AttributeError, KeyError, TypeError, ValueError) as err:
        raise ModelError(
            f"the configuration of {folder.name} cannot be understood: {err!r}", "copy or download the model again"
        ) from err
    recipe: dict[str, Any] = {
        "family": cls.family,
        "version": 1,
        "model_type": folder.model_type,
        "weights": weight_digests(folder, digests),
        "config": canonical_config(folder.config),
        "adapter": adapters.describe(adapter, digests) if adapter else None,
        "prepare": prepare_recipe(words.max_side or MAX_SIDE),
        "pooling": pooling,
        "normalise": "l2",
        **own,
    }
    place = words._replace(
        model=str(folder.path) if folder.commit is None else words.model,
        revision=folder.commit,
        adapter=None if adapter is None else str(adapter.path) if adapter.commit is None else words.adapter,
        adapter_revision=adapter.commit if adapter else None,
        compute=words.compute or "fp32",
    )
    return recipe, place


def load(
    recipe: Recipe,
    words: Words,
    settings: Settings,
    digests: Digests,
    *,
    proof: Sequence[Image] = (),
    note: Callable[[str], None] = lambda text: None,
) -> TransformerEmbedder:
    """Load the model of a recipe, and make sure that it is that one.

    proof:  pictures that an adapter must change the vectors of, where there is one.
    note:   told of what was done that nobody asked for.
    Raises: ModelError.
    """
    from vstore.embed.families import family_class

    assert words.model is not None
    cls = family_class(recipe["family"])
    folder = find_model(words.model, words.revision, code="code" in recipe)
    if "code" in recipe:
        from vstore.embed.remote import code_digests

        if code_digests(folder, digests) != recipe["code"]:
            raise changed(f"the model {words.model}", "its Python code is another, which nobody has trusted yet")
    if weight_digests(folder, digests) != recipe["weights"] or canonical_config(folder.config) != recipe["config"]:
        raise changed(f"the model {words.model}", "its weights or its configuration are other files")
    adapter = None
    if recipe["adapter"] is not None:
        if words.adapter is None:
            raise changed("the adapter", "it is not known where it lies")
        adapter = find_adapter(words.adapter, words.adapter_revision)
        if adapters.describe(adapter, digests) != recipe["adapter"]:
            raise changed(f"the adapter {words.adapter}", "its weights or its configuration are other files")
    with quiet():
        model = load_model(folder, cls.load_options(recipe), merged=adapter is not None, compute=words.compute)
        if adapter is not None:
            adapters.apply(model, adapter, note)
            if proof:
                # On the CPU: the model is fp32 until the adapter is merged, and may be too large for the device then.
                cls(recipe, folder, words, Settings("cpu"), model)._prove_adapter(adapter, proof)
            adapters.merge(model)
        return cls(recipe, folder, words, settings, settled(model, words.compute))


def load_model(folder: ModelFolder, options: dict[str, Any], *, merged: bool, compute: str | None) -> Any:
    """The model with every weight from its files. An adapter is merged in fp32, so the base is fp32 until then.

    Raises: ModelError where a weight is missing: it would be random, and no error would say so.
    """
    torch, transformers = packages()
    dtype = torch.bfloat16 if compute == "bf16" and not merged else torch.float32
    try:
        model, info = transformers.AutoModel.from_pretrained(
            folder.path,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **{"trust_remote_code": False, **options},
        )
    except ModelError:
        raise
    except Exception as err:
        reason = " ".join(str(err).split())[:300] or type(err).__name__
        raise ModelError(
            f"the model {folder.name} cannot be loaded: {reason}",
            "see what is installed and fits together with: vstore doctor",
        ) from err
    lost = sorted(info["missing_keys"]) + sorted(str(one) for one in info["mismatched_keys"])
    if lost:
        raise ModelError(
            f"the model {folder.name} has no weights for {len(lost)} parameters of {type(model).__name__} "
            f"({', '.join(lost[:3])}): they would be random",
            "copy or download the model again, or name one whose files fit its config.json",
        )
    wrong = {str(value.dtype) for value in model.parameters() if value.is_floating_point() and value.dtype != dtype}
    if wrong:
        raise ModelError(
            f"the model {folder.name} was to be loaded as {dtype}, and has {', '.join(sorted(wrong))}",
            "this transformers does not do as it is told: see vstore doctor",
        )
    return model.eval()


def settled(model: Any, compute: str | None) -> Any:
    """The model as it will run: in its compute dtype, frozen."""
    torch, _ = packages()
    return model.to(torch.bfloat16 if compute == "bf16" else torch.float32).eval().requires_grad_(False)


def settings_device(settings: Settings) -> str:
    """The device to run on. Raises: ModelError where it is not there."""
    torch, _ = packages()
    wanted = settings.device
    there = devices(torch)
    if wanted == "auto":
        return next((name for name in ("cuda", "mps") if name in there), "cpu")
    if wanted.partition(":")[0] not in there:
        raise ModelError(f"there is no device {wanted!r} here", f"take one of: auto, {', '.join(there)}")
    return wanted


def devices(torch: Any) -> list[str]:
    found = ["cpu"]
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return found


def is_out_of_memory(err: BaseException) -> bool:
    """Whether a device, or the machine, had too little memory; each says so in its own way."""
    if isinstance(err, MemoryError) or type(err).__name__ == "OutOfMemoryError":
        return True
    text = str(err).lower()
    return isinstance(err, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)


def packages() -> tuple[Any, Any]:
    """torch and transformers. Raises: ModelError if they are not there, or do not fit together."""
    # Threads of torch that wait for work spin unless told otherwise before it is loaded: beside the threads that read
    # they halved the rate of a model on the CPU (benchmarks/bench_model_ingest.py).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch
        import transformers
    except Exception as err:
        raise needs_packages(f"torch and transformers ({' '.join(str(err).split())[:200]})") from err
    return torch, transformers


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' bars and remarks from the terminal while a model is loaded: what matters is checked."""
    _, transformers = packages()
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def changed(what: str, why: str) -> ModelError:
    return ModelError(
        f"{what} is not what the space was made with: {why}",
        "say where the right one is now with: vstore model add NAME --model DIR [--adapter DIR], or make a space of "
        "the new one in the same way and sync it with --space NAME",
    )


def environment(embedder: TransformerEmbedder) -> dict[str, Any]:
    import platform

    torch, transformers = packages()
    import numpy
    import PIL

    device = embedder.device
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    found = {
        "compute": embedder.compute,
        "device": f"{device.partition(':')[0]} ({name})",
        "attention": str(getattr(embedder.model.config, "_attn_implementation", None)),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
    }
    if embedder.recipe["adapter"] is not None:
        import peft

        found["peft"] = peft.__version__
    return found
