"""Presets: how published embedding models turn pictures and texts into vectors, by name, for `--preset`.

Each is rewritten from its authors' own script, which is named beside it. Pure.
"""

from __future__ import annotations

import unicodedata
from typing import Any, NamedTuple

from vstore.closeness import instead
from vstore.errors import UsageError

_CHAT = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
_PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"


class Preset(NamedTuple):
    """The way of one published model.

    name:        the word of `--preset`.
    about:       the models, for people.
    model_types: the types that it is for.
    signs:       parts of the names of its models, in lower case.
    picture:     the template of pictures, with one picture in it.
    query:       the template of searched texts, with `%s`, and with `{instruction}` if it knows one.
    instruction: of searches, unless `--query-prompt` says another.
    full_stop:   an instruction without punctuation at its end gets a full stop.
    pixels:      fewest and most pixels of a picture in front of the model.
    fetch:       a first resizing, before the model's own: the multiple of its sides, fewest and most pixels; or None.
    once:        the first resizing is the only one. A second one within the same pixels would change nothing, but takes
                 no picture that the first one made longer than 200:1.
    positions:   `m-rope`, or `linear` where the authors' code numbers a picture's tokens like those of a text.
    max_length:  most tokens of a searched text.
    """

    name: str
    about: str
    model_types: frozenset[str]
    signs: tuple[str, ...]
    picture: str
    query: str
    instruction: str
    full_stop: bool
    pixels: tuple[int, int]
    fetch: tuple[int, int, int] | None
    once: bool
    positions: str
    max_length: int

    def query_with(self, instruction: str | None) -> str:
        """Write the template of searched texts: `%s` stands for the text.

        Raises: UsageError for an instruction where the models know none.
        """
        if instruction is not None and "{instruction}" not in self.query:
            raise UsageError(
                f"searches of the preset {self.name} have no place for an instruction",
                "leave --query-prompt out, or write a whole template, with %s where the searched text stands",
            )
        said = self.instruction if instruction is None else instruction.strip()
        if self.full_stop and said and not unicodedata.category(said[-1]).startswith("P"):
            said += "."
        return self.query.replace("{instruction}", said)

    def processor(self, described: dict[str, Any]) -> dict[str, Any]:
        """Vary a described processor: its pixels, or no resizing of its own."""
        low, high = self.pixels
        varied = {**described, "size": {"shortest_edge": low, "longest_edge": high}}
        return {**varied, "do_resize": False} if self.once else varied


PRESETS = (
    # QwenLM/Qwen3-VL-Embedding src/models/qwen3_vl_embedding.py (also scripts/ of the model's repository): fetched by
    # qwen_vl_utils with factor 32, then do_resize=False. The instruction of searches is that of its README.
    Preset(
        name="qwen3-vl-embedding",
        about="Qwen3-VL-Embedding",
        model_types=frozenset({"qwen3_vl"}),
        signs=("qwen3-vl-embedding",),
        picture=_CHAT.format(system="Represent the user's input.", user=_PICTURE),
        query=_CHAT.format(system="{instruction}", user="%s"),
        instruction="Retrieve images or text relevant to the user's query.",
        full_stop=True,
        pixels=(4 * 32 * 32, 1800 * 32 * 32),
        fetch=(32, 4 * 32 * 32, 1800 * 32 * 32),
        once=True,
        positions="m-rope",
        max_length=8192,
    ),
    # Alibaba-NLP/gme-Qwen2-VL-2B-Instruct gme_inference.py, a copy in TIGER-AI-Lab/VLM2Vec
    # src/model/baseline_backbone/gme/: pictures are resized twice, and spliced in as embeddings, so that their tokens
    # are numbered one after another. The instruction of searches is that of its example.
    Preset(
        name="gme",
        about="GME (gme-Qwen2-VL)",
        model_types=frozenset({"qwen2_vl"}),
        signs=("gme-qwen2-vl",),
        picture=_CHAT.format(system="You are a helpful assistant.", user=_PICTURE) + "<|endoftext|>",
        query=_CHAT.format(system="{instruction}", user="%s") + "<|endoftext|>",
        instruction="Find an image that matches the given text.",
        full_stop=False,
        pixels=(256 * 28 * 28, 1280 * 28 * 28),
        fetch=(28, 4 * 28 * 28, 16384 * 28 * 28),
        once=False,
        positions="linear",
        max_length=1800,
    ),
    # TIGER-AI-Lab/VLM2Vec src/model/processor.py, src/arguments.py, src/data/eval_dataset/image_t2i_eval.py: no chat
    # template, and no <|vision_start|>, without which its get_rope_index sees no picture.
    Preset(
        name="vlm2vec",
        about="VLM2Vec of Qwen2-VL (VLM2Vec-Qwen2VL, VLM2Vec-V2.0)",
        model_types=frozenset({"qwen2_vl"}),
        signs=("vlm2vec",),
        picture="<|image_pad|>\nRepresent the given image.\n",
        query="{instruction} %s\n",
        instruction="Find me an everyday image that matches the given caption:",
        full_stop=False,
        pixels=(4 * 28 * 28, 1280 * 28 * 28),
        fetch=None,
        once=False,
        positions="linear",
        max_length=8192,
    ),
    # friedrichor/UNITE unite/model/modeling_unite.py, inference/batch_inference_demo.py: a chat template, a last token;
    # pictures are spliced in, and tokens numbered, as GME does it. Searches have no instruction.
    Preset(
        name="unite",
        about="UNITE of Qwen2-VL (Unite-Base-Qwen2-VL, Unite-Instruct-Qwen2-VL)",
        model_types=frozenset({"qwen2_vl"}),
        signs=("unite-base-qwen2-vl", "unite-instruct-qwen2-vl"),
        picture=_CHAT.format(
            system="You are a helpful assistant.", user=f"{_PICTURE}\nSummary above image in one word:"
        )
        + "<|endoftext|>",
        query=_CHAT.format(system="You are a helpful assistant.", user="%s\nSummary above sentence in one word:")
        + "<|endoftext|>",
        instruction="",
        full_stop=False,
        pixels=(256 * 28 * 28, 1280 * 28 * 28),
        fetch=(28, 4 * 28 * 28, 16384 * 28 * 28),
        once=False,
        positions="linear",
        max_length=8192,
    ),
)
NAMES = tuple(preset.name for preset in PRESETS)


def preset_named(name: str, model_type: str) -> Preset:
    """Find a preset for a model of this type. Raises: UsageError."""
    for preset in PRESETS:
        if preset.name == name:
            if model_type not in preset.model_types:
                raise UsageError(
                    f"the preset {name!r} is for models of the type {', '.join(sorted(preset.model_types))}, and this "
                    f"is a {model_type} model",
                    "leave --preset out, or name another model",
                )
            return preset
    step = f"choose one of: {', '.join(NAMES)}"
    raise UsageError(f"there is no preset {name!r}", step, instead=instead(name, NAMES))


def preset_by_name(names: list[str | None], model_type: str) -> Preset | None:
    """Find the preset that the name of a model or of an adapter points to."""
    said = " ".join(name.lower().replace("_", "-") for name in names if name)
    fitting = [preset for preset in PRESETS if model_type in preset.model_types]
    return next((preset for preset in fitting if any(sign in said for sign in preset.signs)), None)
