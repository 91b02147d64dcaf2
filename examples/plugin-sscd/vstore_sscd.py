"""SSCD for vstore: vectors by which copies of a picture are found, cropped, filtered, pasted into another, or recoded.

The models are TorchScript files of github.com/facebookresearch/sscd-copy-detection (Pizzi et al. 2022,
arXiv:2202.10261). After `pip install ./examples/plugin-sscd`:

    vstore init --model sscd:/models/sscd_disc_mixup.torchscript.pt --trust-remote-code
    vstore sync pictures/
    vstore dupes

A TorchScript file holds a program, which torch runs: `--trust-remote-code` is your word for it. Its sha256 is part of
the space, so that no other file is ever run in its place.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vstore import ModelError

MAX_SIDE = 512
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# The two preparations that its authors name. `skew_320` squashes to a square, so that pictures make batches;
# `small_288` keeps the shape, and takes one at a time: sscd:small_288:/models/…
SKEW, SMALL = "skew_320", "small_288"
LONGEST = 16  # times the shorter edge: a longer picture would need gigabytes with `small_288`


def describe(words: Any) -> dict[str, Any]:
    """The recipe: the digest of the file, and how pictures are prepared. The model runs once, to tell its dim."""
    resize, path = _named(words.model)
    if not words.trust_remote_code:
        raise ModelError(
            f"{path} is a TorchScript file: it holds a program, which runs when it is loaded",
            "if you trust where it came from, add --trust-remote-code",
        )
    data = _read(path)
    with _inference():
        shape = tuple(_loaded(data, path, "cpu")(_zeros()).shape)
    if len(shape) != 2 or shape[0] != 1:
        raise ModelError(
            f"{path} gives no vector for a picture, but numbers of the shape {shape}", "name a file of SSCD"
        )
    return {
        "family": "sscd",
        "version": 1,
        "weights": [hashlib.sha256(data).hexdigest()],
        "processor": {"resize": resize, "resample": "bilinear", "image_mean": list(MEAN), "image_std": list(STD)},
        "normalise": "l2",
        "dim": shape[1],
        "text": None,
        "prepare": {"max_side": words.max_side or MAX_SIDE},
    }


def load(recipe: dict[str, Any], words: Any, settings: Any) -> Sscd:
    """The embedder, of the very file that the recipe describes: another one is not run."""
    _, path = _named(words.model)
    data = _read(path)
    if [hashlib.sha256(data).hexdigest()] != recipe["weights"]:
        raise ModelError(
            f"{path} is not the file that the space was made with, and is not run",
            f"put the old file back, or add a space for this one: vstore model add NAME --model {words.model} "
            "--trust-remote-code",
        )
    return Sscd(recipe, _loaded(data, path, _device(settings.device)), _device(settings.device), settings.batch_size)


class Sscd:
    """One loaded model."""

    def __init__(self, recipe: dict[str, Any], model: Any, device: str, batch_size: int | None) -> None:
        import PIL
        import torch

        self.recipe = recipe
        self.dim: int = recipe["dim"]
        self.device = device
        self.environment = {"torch": torch.__version__, "numpy": np.__version__, "pillow": PIL.__version__}
        self._model = model
        self._size = (batch_size or 8) if recipe["processor"]["resize"] == SKEW else 1

    def embed_images(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """float32 (n, dim), rows of L2 norm 1; NaN for what cannot be embedded."""
        import torch

        rows = np.full((len(pictures), self.dim), np.nan, np.float32)
        inputs = [(number, prepare(picture, self.recipe["processor"])) for number, picture in enumerate(pictures)]
        todo = [(number, pixels) for number, pixels in inputs if pixels is not None]
        for at in range(0, len(todo), self._size):
            numbers, pixels = zip(*todo[at : at + self._size], strict=True)
            with _inference():
                found = self._model(torch.from_numpy(np.stack(pixels)).to(self.device)).float().cpu().numpy()
            norms = np.linalg.norm(found.astype(np.float64), axis=1, keepdims=True)
            with np.errstate(all="ignore"):
                rows[list(numbers)] = np.where(np.isfinite(norms) & (norms > 0), found / norms, np.nan)
        return rows


def prepare(picture: Image.Image, processor: dict[str, Any]) -> np.ndarray | None:
    """float32 (3, height, width): resized, normalised; None if the picture is too long for its shape to be kept."""
    width, height = 320, 320
    if processor["resize"] == SMALL:
        short, long = sorted(picture.size)
        if long > LONGEST * short:
            return None
        edge = int(288 * long / short)
        width, height = (288, edge) if picture.width <= picture.height else (edge, 288)
    small = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(small, np.float32).transpose(2, 0, 1) / 255
    mean, std = (np.array(processor[name], np.float32)[:, None, None] for name in ("image_mean", "image_std"))
    return (pixels - mean) / std


def _named(model: str) -> tuple[str, Path]:
    """Split `sscd:PATH` or `sscd:small_288:PATH`."""
    rest = model.partition(":")[2]
    first, colon, after = rest.partition(":")
    resize, place = (first, after) if colon and first in (SKEW, SMALL) else (SKEW, rest)
    path = Path(place)
    if not path.is_absolute():
        raise ModelError(f"{place} depends on the folder you are in", f"write the whole path: sscd:{path.resolve()}")
    return resize, path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as err:
        raise ModelError(f"{path} cannot be read: {err.strerror}", "name the TorchScript file of SSCD") from err


def _loaded(data: bytes, path: Path, device: str) -> Any:
    """The model of these bytes: those of the digest, whatever the path holds by now."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch no longer develops TorchScript, and says so
            return torch.jit.load(io.BytesIO(data), map_location=device).eval()
    except RuntimeError as err:
        first = str(err).strip().partition("\n")[0][:200]
        raise ModelError(f"{path} is no TorchScript file that torch can load: {first}", "download it again") from err


def _device(word: str) -> str:
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if word == "auto" else word


def _zeros() -> Any:
    import torch

    return torch.zeros(1, 3, 320, 320)


def _inference() -> Any:
    import torch

    return torch.inference_mode()
