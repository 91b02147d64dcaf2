"""The vectors of published embedding models as their authors' scripts compute them, rewritten for transformers alone.

One picture or text at a time. The scripts are named in vstore/embed/hf/families/presets.py; nothing of vstore is used
here.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL.Image import Image
from support.reference import unit

# The template of Qwen3-VL without tools and videos, and that of Qwen3-VL-Embedding, which has a system turn of its own.
QWEN3_VL_TEMPLATE = """\
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].content is string %}
        {{- messages[0].content }}
    {%- else %}
        {%- for content in messages[0].content %}
            {%- if 'text' in content %}
                {{- content.text }}
            {%- endif %}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == "user" %}
        {{- '<|im_start|>' + message.role + '\\n' }}
        {%- if message.content is string %}
            {{- message.content }}
        {%- else %}
            {%- for content in message.content %}
                {%- if content.type == 'image' or 'image' in content or 'image_url' in content %}
                    {%- if add_vision_id %}Picture 1: {% endif -%}
                    <|vision_start|><|image_pad|><|vision_end|>
                {%- elif 'text' in content %}
                    {{- content.text }}
                {%- endif %}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
QWEN3_VL_EMBEDDING_TEMPLATE = (
    """\
{%- set default_system_message = "Represent the user's input." -%}
{%- if messages[0].role != 'system' %}
    {{- '<|im_start|>system\\n' + default_system_message + '<|im_end|>\\n' }}
{%- endif %}
"""
    + QWEN3_VL_TEMPLATE
)
# As the model's repository on the hub has it, cut to turns of a user.
QWEN2_VL_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\n"
    "You are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}"
    "{% for content in message['content'] %}{% if content['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


class _Script:
    def __init__(self, folder: Path, model: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.model = model.from_pretrained(folder, dtype=torch.float32).eval()
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.folder = folder

    def pixels(self, picture: Image, **values: Any) -> Any:
        processor = transformers.Qwen2VLImageProcessorPil.from_pretrained(self.folder, **values)
        return processor(images=picture, return_tensors="pt")

    def with_pads(self, text: str, grid: torch.Tensor) -> str:
        """As the processors do: one image token for every four patches."""
        return text.replace("<|image_pad|>", "<|image_pad|>" * (int(grid.prod()) // 4))

    def types(self, ids: torch.Tensor) -> torch.Tensor:
        return (ids == self.tokenizer.convert_tokens_to_ids("<|image_pad|>")).int()


class Qwen3VLEmbedder(_Script):
    """Qwen3-VL-Embedding, src/models/qwen3_vl_embedding.py: format_model_input, process_vision_info, _pooling_last."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, transformers.Qwen3VLModel)

    @torch.inference_mode()
    def process(self, *, text: str | None = None, image: Image | None = None, instruction: str = "") -> np.ndarray:
        content: list[Any] = []
        if image is not None:
            content.append({"type": "image", "image": image})
        if text is not None:
            content.append({"type": "text", "text": text})
        system = instruction or "Represent the user's input."
        conversation = [
            {"role": "system", "content": [{"type": "text", "text": system}]},
            {"role": "user", "content": content},
        ]
        said = self.tokenizer.apply_chat_template(
            conversation, chat_template=QWEN3_VL_EMBEDDING_TEMPLATE, add_generation_prompt=True, tokenize=False
        )
        inputs: dict[str, Any] = {}
        if image is not None:
            factor = 32
            fetched = image.resize(smart_resize(image, factor, 4 * factor * factor, 1800 * factor * factor))
            inputs = dict(self.pixels(fetched, do_resize=False))
            said = self.with_pads(said, inputs["image_grid_thw"])
        ids = self.tokenizer(said, return_tensors="pt")["input_ids"]
        if image is not None:
            inputs["mm_token_type_ids"] = self.types(ids)
        return unit(self.model(input_ids=ids, **inputs).last_hidden_state[0, -1])


class GmeQwen2VL(_Script):
    """GME, gme_inference.py: embed and forward: the picture is put in as embeddings, without positions."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, transformers.Qwen2VLForConditionalGeneration)

    @torch.inference_mode()
    def embed(
        self, text: str | None, image: Image | None, instruction: str | None = None, after: str = ""
    ) -> np.ndarray:
        system = instruction or "You are a helpful assistant."
        said = ""
        if image is not None:
            image = image.resize(smart_resize(image, 28, 4 * 28 * 28, 16384 * 28 * 28))
            said += "<|vision_start|><|image_pad|><|vision_end|>"
        said += (text or "") + after
        message = (
            f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{said}<|im_end|>\n<|im_start|>assistant\n"
            "<|endoftext|>"
        )
        embeds = self.model.get_input_embeddings()
        if image is None:
            ids = self.tokenizer(message, return_tensors="pt")["input_ids"]
            inside = embeds(ids)
        else:
            found = self.pixels(image, size={"shortest_edge": 256 * 28 * 28, "longest_edge": 1280 * 28 * 28})
            ids = self.tokenizer(self.with_pads(message, found["image_grid_thw"]), return_tensors="pt")["input_ids"]
            inside = embeds(ids)
            seen = self.model.model.visual(found["pixel_values"], grid_thw=found["image_grid_thw"]).pooler_output
            inside[self.types(ids).bool()] = seen
        return unit(self.model.model.language_model(inputs_embeds=inside).last_hidden_state[0, -1])


class UniteQwen2VL(GmeQwen2VL):
    """UNITE, inference/batch_inference_demo.py, unite/model/modeling_unite.py: pictures are put in as GME does it."""

    def summary(self, text: str | None, image: Image | None) -> np.ndarray:
        return self.embed(
            None if image is not None else f"{text}\nSummary above sentence in one word:",
            image,
            after="" if image is None else "\nSummary above image in one word:",
        )


class VLM2Vec(_Script):
    """VLM2Vec of Qwen2-VL: process_input_text, Qwen2_VL_process_fn, and get_rope_index of its own modeling file.

    That function looks for pictures behind <|vision_start|>, which these prompts do not have.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, transformers.Qwen2VLForConditionalGeneration)

    @torch.inference_mode()
    def encode(self, text: str, image: Image | None = None) -> np.ndarray:
        inputs: dict[str, Any] = {}
        if image is not None:
            inputs = dict(self.pixels(image, size={"shortest_edge": 28 * 28 * 4, "longest_edge": 28 * 28 * 1280}))
            text = self.with_pads(text, inputs["image_grid_thw"])
        ids = self.tokenizer(text, return_tensors="pt")["input_ids"]
        positions = torch.arange(ids.shape[1]).view(1, 1, -1).expand(3, 1, -1)
        if image is not None:
            inputs["mm_token_type_ids"] = self.types(ids)
        found = self.model(input_ids=ids, position_ids=positions, output_hidden_states=True, **inputs)
        return unit(found.hidden_states[-1][0, -1])


def smart_resize(image: Image, factor: int, low: int, high: int) -> tuple[int, int]:
    """As qwen_vl_utils has it. Returns: width, height."""
    width, height = image.size
    tall = max(factor, round(height / factor) * factor)
    wide = max(factor, round(width / factor) * factor)
    if tall * wide > high:
        beta = math.sqrt((height * width) / high)
        tall = math.floor(height / beta / factor) * factor
        wide = math.floor(width / beta / factor) * factor
    elif tall * wide < low:
        beta = math.sqrt(low / (height * width))
        tall = math.ceil(height * beta / factor) * factor
        wide = math.ceil(width * beta / factor) * factor
    return wide, tall
