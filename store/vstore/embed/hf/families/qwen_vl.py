"""Qwen's vision-language models: a prompt with the picture in it, the last real token, M-RoPE positions.

The prompt is built here: transformers' own processors of these models need torchvision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.family import Prepared, TextFamily
from vstore.embed.hf.families.presets import PRESETS, preset_by_name, preset_named
from vstore.embed.hf.families.qwen_prompts import (
    PAD,
    SYSTEM,
    TURNS,
    Templates,
    added_at_the_end,
    own_template,
    parts,
    saved_query_prompt,
    system_of,
    templates,
)
from vstore.embed.hf.families.qwen_recipes import as_preset, fetched_size, prompt_variations, with_templates
from vstore.embed.hf.processor import describe_processor, load_processor
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.text import load_tokenizer, tokenizer_digests
from vstore.embed.model_words import Words
from vstore.embed.variations import Variation
from vstore.errors import ModelError, UsageError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded
    from vstore.format.recipes import Recipe

# Pooling -> the position that transformers gives to padding: 0 in version 5, 1 in version 4.
_PADDING = {"last-column": 0, "last-column-v4": 1}
_EXTREME = 200  # longest side to shortest: these models take no picture beyond it


class QwenVL(TextFamily):
    """The model below the language head. The vector is the last real token of the last hidden state, or the mean.

    The `last-column` poolings reproduce scripts that pad on the right and take the last column: padding that saw the
    whole picture. All padding has one position, so the vector does not depend on the rest of the batch.
    """

    name = "qwen-vl"
    title = "Qwen-VL"
    model_types = frozenset({"qwen2_vl", "qwen2_5_vl", "qwen3_vl"})
    poolings = ("last", "mean", *_PADDING)
    token_poolings = frozenset({"last", "mean"})
    takes_prompt = True

    @classmethod
    def settle(cls, folder: ModelFolder, words: Words, note: Callable[[str], None]) -> Words:
        if words.preset is not None or words.prompt is not None:
            return words
        if folder.model_type == "qwen3_vl":
            own = own_template(folder, load_tokenizer(folder), "")
            preset = next((one for one in PRESETS if own is not None and own == one.picture), None)
            if preset is not None:
                note(
                    f"the chat template of {folder.name} is that of {preset.about}: --preset {preset.name} is taken "
                    "with it; --prompt '' leaves it out"
                )
                return words._replace(preset=preset.name)
        preset = preset_by_name([folder.name, words.adapter], folder.model_type)
        saved = saved_query_prompt(folder)
        if preset is not None:
            theirs = words._replace(preset=preset.name, query_prompt=None)
            note(
                f"by its name this is {preset.about}, whose authors prepare pictures and searches otherwise than it is "
                f"done now. For a space that does it their way: {theirs.command(preset.name)}"
                + ("" if words.query_prompt is None else "; --query-prompt goes with it, in place of their instruction")
            )
        elif saved is not None and words.query_prompt is None:
            note(
                "its files for sentence-transformers have an instruction for searches, which is not used now. For a "
                f"space that uses it: {words._replace(query_prompt=saved).command('asked')}"
            )
        return words

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        # Of the names of the full class transformers takes `model.visual` for a part of the language model.
        return {"key_mapping": {r"^model\.visual\.": "visual.", r"^model\.language_model\.": "language_model."}}

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        files = tokenizer_digests(folder, digests)
        if not files:
            raise ModelError(
                f"{folder.name} has no tokenizer, and its prompt needs one",
                "copy tokenizer.json and tokenizer_config.json of the model into its folder",
            )
        text = folder.config.get("text_config", folder.config)
        described: dict[str, Any] = {
            "processor": describe_processor(folder),
            "positions": "m-rope",
            "image_token": cls._image_token(folder),
            "text": {"tokenizer": files, "max_length": 8192},
            "dim": int(text.get("hidden_size", folder.config.get("hidden_size", 0))),
        }
        if words.preset is None:
            return with_templates(described, cls._templates(folder, words))
        preset = preset_named(words.preset, folder.model_type)
        if words.prompt is not None:
            raise UsageError(
                f"the preset {preset.name} has a prompt of its own", "leave out --prompt; searches have --query-prompt"
            )
        return as_preset(described, preset, words.query_prompt, added_at_the_end(load_tokenizer(folder)))

    @classmethod
    def _templates(cls, folder: ModelFolder, words: Words) -> Templates:
        """Write the templates of a model without a preset."""
        prompt = words.prompt or ""
        default = system_of(folder.model_type) + TURNS % prompt
        if folder.model_type != "qwen3_vl" or PAD in prompt:
            return templates(prompt, words.query_prompt, default)
        # Not so for Qwen2-VL and Qwen2.5-VL: spaces have these prompts, whatever their model's folder says.
        tokenizer = load_tokenizer(folder)
        default = own_template(folder, tokenizer, prompt) or default
        return templates(prompt, words.query_prompt, default, added_at_the_end(tokenizer))

    @classmethod
    def before(cls, recipe: Recipe, words: Words) -> list[dict[str, Any]]:
        prompt = words.prompt or ""
        if recipe["model_type"] != "qwen3_vl" or words.query_prompt is not None or PAD in prompt:
            return []
        return [with_templates(recipe, templates(prompt, None, SYSTEM + TURNS % prompt))]

    def variations(self) -> list[Variation]:
        found = [
            one._replace(about="the last column of a padded batch, which is padding, was taken")
            if one.recipe["pooling"] in _PADDING
            else one
            for one in super().variations()
        ]
        return [*found, *prompt_variations(self.recipe, added_at_the_end(self._tokenizer))]

    @classmethod
    def _image_token(cls, folder: ModelFolder) -> int:
        token = folder.config.get("image_token_id")
        if not isinstance(token, int):
            raise ModelError(
                f"{folder.name} does not say which token stands for a picture", "use the original config.json"
            )
        return token

    def set_up(self) -> None:
        self._processor = load_processor(self.recipe["processor"])
        self._tokenizer = load_tokenizer(self.folder)
        self._token: int = self.recipe["image_token"]
        if self._tokenizer.convert_tokens_to_ids(PAD) != self._token:
            raise ModelError(
                f"the tokenizer of {self.folder.name} and its config.json disagree about {PAD}",
                "copy the model again: its files belong to different versions",
            )
        before, after = self.recipe["prompt"].split(PAD)
        self._before, self._after = self._ids(before), self._ids(after)

    def _ids(self, text: str, *, plain: bool = False) -> list[int]:
        """Tokenise a text. plain: special tokens in it count as letters, as in the text of a search."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, split_special_tokens=plain)["input_ids"]
        return ids

    def prepare(self, picture: Image) -> Prepared | None:
        import numpy as np

        if _is_extreme(picture):
            return None
        if "fetch" in self.recipe:
            picture = picture.resize(fetched_size(picture.size, self.recipe["fetch"]))
            if self.recipe["processor"]["do_resize"] and _is_extreme(picture):
                return None
        found = self._processor(images=picture, return_tensors="np")
        grid = np.asarray(found["image_grid_thw"])[0].astype(np.int64)
        count = int(grid.prod()) // self.recipe["processor"]["merge_size"] ** 2
        ids = np.array([*self._before, *[self._token] * count, *self._after], np.int64)
        return {"ids": ids, "pixels": np.asarray(found["pixel_values"], np.float32), "grid": grid}

    def weight(self, one: Prepared | None) -> int:
        return 0 if one is None else len(one["ids"])

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        import numpy as np
        import torch

        ids, mask = self._padded([one["ids"] for one in batch])
        pixels = torch.from_numpy(np.concatenate([one["pixels"] for one in batch]))
        grid = torch.from_numpy(np.stack([one["grid"] for one in batch]))
        # Positions are computed on the CPU: on a GPU each picture would wait for the one before it.
        positions = _linear(ids)
        if self.recipe["positions"] == "m-rope":
            positions, _ = on.model.get_rope_index(
                ids, (ids == self._token).int() * mask.int(), image_grid_thw=grid, attention_mask=mask
            )
        return self._pooled(
            on,
            ids,
            mask,
            positions,
            pixel_values=on.moved(pixels),
            image_grid_thw=on.moved(grid),
        )

    def forward_text(self, on: Loaded, text: str) -> torch.Tensor:
        """Compute the vector of a text, in the template of searches."""
        import numpy as np

        ids, mask = self._padded([np.array(self.text_ids(text), np.int64)])
        return self._pooled(on, ids, mask, _linear(ids))

    def text_ids(self, text: str) -> list[int]:
        """Tokenise a searched text in its template."""
        said = self.recipe["text"]
        if not said.get("joined"):
            before, after = said["template"].split("%s")
            words = self._ids(text, plain=True)[: said["max_length"]]
            return [*self._ids(before), *words, *self._ids(after)]
        # " cat" is one token where a word precedes it: what stands between special tokens is tokenised as one.
        first, left, right, last = parts(said["template"])
        words = self._ids(left + text + right, plain=True)[: said["max_length"]]
        return [*self._ids(first), *words, *self._ids(last)]

    def _padded(self, sequences: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pad on the right, where no real token sees it: attention is causal. Returns: ids, mask: int64 (n, length)."""
        import torch

        length = max(map(len, sequences)) + (self.recipe["pooling"] in _PADDING)
        pad = self._tokenizer.pad_token_id or 0
        ids = torch.full((len(sequences), length), pad, dtype=torch.int64)
        mask = torch.zeros((len(sequences), length), dtype=torch.int64)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.from_numpy(sequence)
            mask[row, : len(sequence)] = 1
        return ids, mask

    def _pooled(
        self, on: Loaded, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, **inputs: Any
    ) -> torch.Tensor:
        import torch

        pooling = self.recipe["pooling"]
        if pooling in _PADDING:
            positions = positions.masked_fill(mask == 0, _PADDING[pooling])
        ids, mask, positions = map(on.moved, (ids, mask, positions))
        state = on.model(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, **inputs
        ).last_hidden_state
        if pooling in _PADDING:
            column: torch.Tensor = state[:, -1]
            return column
        if pooling == "mean":
            weights = mask[:, :, None].to(state.dtype)
            mean: torch.Tensor = (state * weights).sum(1) / weights.sum(1)
            return mean
        # By the mask: only the longest of a batch has a real token in the last column.
        last = mask.sum(1) - 1
        found: torch.Tensor = state[torch.arange(len(state), device=state.device), last]
        return found


def _is_extreme(picture: Image) -> bool:
    """Tell whether the models' own resizing raises an error for a picture, which must not end a run."""
    return max(picture.size) > _EXTREME * min(picture.size)


def _linear(ids: torch.Tensor) -> torch.Tensor:
    """Number tokens one after another, as texts have it: int64 (3, n, length)."""
    import torch

    return torch.arange(ids.shape[1]).expand(3, *ids.shape)
