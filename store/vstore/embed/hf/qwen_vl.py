"""Qwen's vision-language models: a prompt with the picture in it, the last real token, M-RoPE positions.

The prompt is built here: transformers' own processors of these models need torchvision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.family import Prepared, TextFamily
from vstore.embed.hf.processor import describe_processor, load_processor
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.text import load_tokenizer, tokenizer_digests
from vstore.embed.model_words import Words
from vstore.embed.variations import Variation
from vstore.errors import ModelError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from vstore.embed.hf.loaded import Loaded

PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
_PAD = "<|image_pad|>"
# The chat form of these models: the picture in the user's turn, then the text of --prompt.
_TEMPLATE = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    f"<|im_start|>user\n{PICTURE}%s<|im_end|>\n<|im_start|>assistant\n"
)
_PROMPTS = ("", "Describe this image.", "Describe the image.", "What is in this image?", "Represent the given image.")
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
    takes_prompt = True

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        files = tokenizer_digests(folder, digests)
        if not files:
            raise ModelError(
                f"{folder.name} has no tokenizer, and its prompt needs one",
                "copy tokenizer.json and tokenizer_config.json of the model into its folder",
            )
        prompt = words.prompt or ""
        template = prompt if PICTURE in prompt else _TEMPLATE % prompt
        if template.count(_PAD) != 1:
            raise ModelError(
                f"the prompt holds the picture {template.count(_PAD)} times",
                f"leave {PICTURE} out of --prompt, or write a whole template that holds it once",
            )
        processor = describe_processor(folder)
        text = folder.config.get("text_config", folder.config)
        return {
            "processor": processor,
            "positions": "m-rope",
            "prompt": template,
            "image_token": cls._image_token(folder),
            "text": {"tokenizer": files, "template": template.replace(PICTURE, "%s"), "max_length": 8192},
            "dim": int(text.get("hidden_size", folder.config.get("hidden_size", 0))),
        }

    def variations(self) -> list[Variation]:
        found = [
            one._replace(about="the last column of a padded batch, which is padding, was taken")
            if one.recipe["pooling"] in _PADDING
            else one
            for one in super().variations()
        ]
        for number, prompt in enumerate(_PROMPTS, 1):
            template = _TEMPLATE % prompt
            if template != self.recipe["prompt"]:
                text = {**self.recipe["text"], "template": template.replace(PICTURE, "%s")}
                about = f"the prompt was {prompt!r}" if prompt else "there was no prompt"
                recipe = {**self.recipe, "prompt": template, "text": text}
                found.append(Variation(f"prompt-{number}" if prompt else "no-prompt", about, recipe))
        return found

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
        if self._tokenizer.convert_tokens_to_ids(_PAD) != self._token:
            raise ModelError(
                f"the tokenizer of {self.folder.name} and its config.json disagree about {_PAD}",
                "copy the model again: its files belong to different versions",
            )
        before, after = self.recipe["prompt"].split(_PAD)
        self._before, self._after = self._ids(before), self._ids(after)

    def _ids(self, text: str, *, plain: bool = False) -> list[int]:
        """Tokenise a text. plain: special tokens in it count as letters, as in the text of a search."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False, split_special_tokens=plain)["input_ids"]
        return ids

    def prepare(self, picture: Image) -> Prepared | None:
        import numpy as np

        width, height = picture.size
        if max(width, height) > _EXTREME * min(width, height):
            return None  # their resize raises, which must not end a run
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
        """Compute the vector of a text, which takes the picture's place in the prompt."""
        import numpy as np
        import torch

        before, after = self.recipe["text"]["template"].split("%s")
        words = self._ids(text, plain=True)[: self.recipe["text"]["max_length"]]
        ids, mask = self._padded([np.array([*self._ids(before), *words, *self._ids(after)], np.int64)])
        return self._pooled(on, ids, mask, torch.arange(ids.shape[1]).repeat(3, 1, 1))

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
