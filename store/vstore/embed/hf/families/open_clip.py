"""CLIP and SigLIP in the layout of OpenCLIP (LAION, DataComp, DFN, SigLIP): computed by transformers' own classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.dual import DualEncoder
from vstore.embed.hf.families.family import Opened, Prepared
from vstore.embed.hf.families.open_clip_config import is_plain, towers
from vstore.embed.hf.families.open_clip_weights import renamed
from vstore.embed.hf.families.text_cleaning import CLEANINGS, cleaned, require_cleaning
from vstore.embed.hf.libraries import libraries
from vstore.embed.hf.pixels import pixels_recipe, prepare_pixels
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.text import pads_left_by_its_class, tokenizer_digests
from vstore.embed.model_words import Words
from vstore.errors import ModelError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded

_MEAN = [0.48145466, 0.4578275, 0.40821073]
_STD = [0.26862954, 0.26130258, 0.27577711]
_KNOWN = {"size", "mode", "mean", "std", "interpolation", "resize_mode", "fill_color"}


class OpenClip(DualEncoder):
    """A model of OpenCLIP whose towers are CLIP's or SigLIP's."""

    name = "open-clip"
    title = "OpenCLIP"
    model_types = frozenset({"open_clip"})
    takes_adapter = False
    libraries: ClassVar[tuple[str, ...]] = ("ftfy",)

    @classmethod
    def takes(cls, folder: ModelFolder) -> bool:
        return super().takes(folder) and is_plain(folder.config)

    @classmethod
    def side(cls, folder: ModelFolder) -> int:
        """Find the side of a picture as the model gets it, in pixels. Raises: ModelError if it is not square."""
        side: int = towers(folder.config["model_cfg"]).config["vision_config"]["image_size"]
        return side

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        files = tokenizer_digests(folder, digests)
        return {
            "processor": _processor(folder, cls.side(folder)),
            "positions": "learned",
            "text": {"tokenizer": files, **cls.text_recipe(folder)} if files else None,
            "dim": cls.width(folder),
        }

    @classmethod
    def width(cls, folder: ModelFolder) -> int:
        return int(folder.config["model_cfg"]["embed_dim"])

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        text = folder.config["model_cfg"]["text_cfg"]
        own = not text.get("hf_tokenizer_name")
        options = {name: value for name, value in (text.get("tokenizer_kwargs") or {}).items() if value}
        clean = options.pop("clean", "lower" if own else "whitespace")
        if options or text.get("tokenizer_mode") or clean not in CLEANINGS:
            raise ModelError(
                f"the texts of {folder.name} are prepared in a way that vstore does not know: "
                f"{text.get('tokenizer_kwargs')}, {text.get('tokenizer_mode')}",
                "write a plug-in (examples/plugin in the sources)",
            )
        require_cleaning()
        causal = not text.get("no_causal_mask", False)
        return {
            # A causal tower does not see what follows the last token of a text; the other one sees its padding.
            "padding": True if own and causal else "max_length",
            "max_length": text.get("context_length", 77),
            "lowercase": False,
            "attention_mask": False,
            "clean": clean,
            # A word of recipes since the first: the texts of all models are tokenised so now.
            **({"split_special_tokens": True} if own else {}),
            **({"padding_side": "right"} if not own and pads_left_by_its_class(folder) else {}),
        }

    @classmethod
    def open(cls, folder: ModelFolder, options: dict[str, Any], dtype: torch.dtype, model_class: str) -> Opened:
        from safetensors.torch import load_file

        _, transformers = libraries()
        found = towers(folder.config["model_cfg"])
        kind = {"clip": "CLIP", "siglip": "Siglip"}[found.model_type]
        weights = {name: value for path in folder.weights() for name, value in load_file(path).items()}
        opened: Opened = getattr(transformers, f"{kind}Model").from_pretrained(
            None,
            config=getattr(transformers, f"{kind}Config")(**found.config),
            state_dict=renamed(weights, found),
            dtype=dtype,
            ignore_mismatched_sizes=True,  # they are refused by the report
            output_loading_info=True,
        )
        return opened

    def set_up(self) -> None:
        self._tokenizer: Any = None

    def prepare(self, picture: Image) -> Prepared | None:
        return {"pixel_values": prepare_pixels(picture, self.recipe["processor"])}

    def forward_text(self, on: Loaded, text: str) -> torch.Tensor:
        return super().forward_text(on, cleaned(text, self.recipe["text"]["clean"]))


def _processor(folder: ModelFolder, side: int) -> dict[str, Any]:
    """Describe the preparation. Raises: ModelError where it is none of OpenCLIP's, or of another size."""
    values = folder.config.get("preprocess_cfg") or {}
    unknown = sorted(values.keys() - _KNOWN)
    size = values.get("size", side)
    size = list(size) if isinstance(size, (list, tuple)) else [size, size]
    if unknown or values.get("mode", "RGB") != "RGB" or size[-2:] != [side, side]:
        odd = {name: values[name] for name in unknown} or {"size": size, "mode": values.get("mode", "RGB")}
        raise ModelError(
            f"the preprocess_cfg of {folder.name} does not fit its model, of {side} pixels: {odd}",
            "use the original open_clip_config.json of the model",
        )
    fill = int(values.get("fill_color") or 0)
    interpolation = values.get("interpolation") or "bicubic"
    mean, std = values.get("mean") or _MEAN, values.get("std") or _STD
    return pixels_recipe(
        resize=values.get("resize_mode") or "shortest",
        resize_to=(side, side),
        crop=(side, side),
        fill=(fill, fill, fill),
        # OpenCLIP takes bicubic for every word but bilinear.
        interpolation="bilinear" if interpolation == "bilinear" else "bicubic",
        mean=mean if isinstance(mean, list) else [mean] * 3,
        std=std if isinstance(std, list) else [std] * 3,
    )
