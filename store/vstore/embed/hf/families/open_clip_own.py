"""Models of OpenCLIP that are built otherwise than CLIP and SigLIP, such as MobileCLIP: computed by open_clip."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from vstore.embed.faults import reason
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.dual import features
from vstore.embed.hf.families.family import Opened
from vstore.embed.hf.families.open_clip import OpenClip
from vstore.embed.hf.families.open_clip_config import is_plain, square_side
from vstore.embed.hf.families.text_cleaning import cleaned
from vstore.embed.hf.families.timm_model import timm_module
from vstore.embed.hf.families.torchvision_absent import torchvision_absent
from vstore.embed.hf.libraries import libraries
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.text import load_tokenizer, token_ids
from vstore.embed.model_words import Words
from vstore.errors import ModelError
from vstore.packages import OPEN_CLIP

if TYPE_CHECKING:
    import torch

    from vstore.embed.hf.loaded import Loaded

# The likeness of a picture and a text: no part of a vector.
_NO_PART = {"logit_scale", "logit_bias"}


class OpenClipOwn(OpenClip):
    """A model of OpenCLIP with towers of its own, or of timm."""

    name = "open-clip-own"
    title = "others of OpenCLIP"
    model_types = frozenset()  # each is one of OpenClip's, built otherwise
    libraries = ("open_clip_torch", "timm", "ftfy")

    @classmethod
    def takes(cls, folder: ModelFolder) -> bool:
        return folder.model_type in OpenClip.model_types and not is_plain(folder.config)

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        torch, _ = libraries()
        # Without numbers: it tells whether open_clip can make it.
        with torch.device("meta"):
            _made(folder)
        return {**super().describe(folder, words, digests), "positions": "open_clip"}

    @classmethod
    def side(cls, folder: ModelFolder) -> int:
        return square_side(folder.config["model_cfg"]["vision_cfg"])

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        found = super().text_recipe(folder)
        text = folder.config["model_cfg"]["text_cfg"]
        # OpenCLIP's own tokenizer fills up with zeros; the model may see them.
        return {**found, **({} if text.get("hf_tokenizer_name") else {"padding": "zeros"})}

    @classmethod
    def open(cls, folder: ModelFolder, options: dict[str, Any], dtype: torch.dtype, model_class: str) -> Opened:
        import torch
        from safetensors.torch import load_file

        model = _made(folder).eval()
        weights = {name: value for path in folder.weights() for name, value in load_file(path).items()}
        try:
            report = model.load_state_dict(weights, strict=False)
        except RuntimeError as err:
            raise _unfit(folder, reason(err)) from err
        odd = sorted(set(report.unexpected_keys) - _NO_PART)
        if odd:
            raise _unfit(folder, f"there is no place for {len(odd)} of them ({', '.join(odd[:3])})")

        class Towers(torch.nn.Module):  # type: ignore[misc]  # torch is not followed
            """The model, with what vstore asks of a model of transformers."""

            config = SimpleNamespace(_attn_implementation="open_clip")

            def __init__(self) -> None:
                super().__init__()
                self.model = model

            @property
            def dtype(self) -> torch.dtype:
                return dtype

            @property
            def vision_model(self) -> Any:
                return self.model.visual

            def get_image_features(self, pixel_values: torch.Tensor) -> Any:
                return SimpleNamespace(pooler_output=self.model.encode_image(pixel_values))

            def get_text_features(self, input_ids: torch.Tensor) -> Any:
                return SimpleNamespace(pooler_output=self.model.encode_text(input_ids))

        missing = sorted(set(report.missing_keys) - _NO_PART)
        return Towers().to(dtype), {"missing_keys": missing, "mismatched_keys": [], "unexpected_keys": []}

    def forward_text(self, on: Loaded, text: str) -> torch.Tensor:
        import torch

        how = self.recipe["text"]
        if how["padding"] != "zeros":
            return super().forward_text(on, text)
        if self._tokenizer is None:
            self._tokenizer = load_tokenizer(self.folder)
        found = token_ids(self._tokenizer, [cleaned(text, how["clean"])], {**how, "padding": False})["input_ids"]
        ids = torch.zeros(1, how["max_length"], dtype=torch.int64)
        ids[:, : found.shape[1]] = torch.from_numpy(found)
        return features(on.model.get_text_features(ids.to(on.device)), 1)


def _made(folder: ModelFolder) -> Any:
    """Make the model of a folder with random weights. Raises: ModelError if open_clip cannot, or is missing."""
    cfg = folder.config["model_cfg"]
    timm_module()  # which open_clip would do without until it needs it
    with torchvision_absent():
        open_clip = OPEN_CLIP.load()
    cls = open_clip.CustomTextCLIP if cfg.get("custom_text") else open_clip.CLIP
    try:
        return cls(**{word: value for word, value in cfg.items() if word != "custom_text"})
    except Exception as err:
        raise ModelError(
            f"open_clip cannot make the model that the configuration of {folder.name} describes: {reason(err)}",
            f"upgrade open_clip and timm: {OPEN_CLIP.pip} --upgrade",
        ) from err


def _unfit(folder: ModelFolder, why: str) -> ModelError:
    return ModelError(
        f"the weights of {folder.name} are not those of the model that its configuration describes: {why}",
        "copy or download the model again, or name one whose files fit its open_clip_config.json",
    )
