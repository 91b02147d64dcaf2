"""Known kinds of models that no space can have: why, and what to use instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vstore.errors import ModelError
from vstore.quick_tuple import NamedTuple


class Kind(NamedTuple):
    """A kind of models that is refused.

    types:         its values of `model_type`.
    architectures: a pattern of its classes, whatever their model type; None if its types are enough.
    why:           the cause, after the name of the model.
    instead:       the next step.
    """

    types: frozenset[str]
    architectures: re.Pattern[str] | None
    why: str
    instead: str


_MANY_VECTORS = Kind(
    frozenset({"colpali", "colqwen2", "colmodernvbert"}),
    # Most of them have the model type of the language model below: loaded as that one, their vectors would be wrong.
    re.compile(r"Col[A-Z]"),
    "gives many vectors for a picture, which are compared one by one; a space keeps one vector for a picture",
    "use a model that gives one vector for a picture, such as Qwen/Qwen3-VL-Embedding-2B for pages of documents",
)
_GENERATIVE = Kind(
    frozenset({"blip", "blip-2", "instructblip", "git", "pix2struct", "kosmos-2", "florence2"})
    | frozenset({"llava", "llava_next", "llava_onevision", "vipllava", "internvl", "pixtral", "mllama", "aya_vision"})
    | frozenset({"paligemma", "gemma3", "idefics", "idefics2", "idefics3", "smolvlm", "vision-encoder-decoder"}),
    None,
    "writes texts about pictures, and vstore takes no vectors from it",
    "use a model that was trained for retrieval, such as google/siglip2-base-patch16-224 or "
    "Qwen/Qwen3-VL-Embedding-2B; a plug-in can take vectors from any model (examples/plugin in the sources)",
)
_TEXTS_ALONE = Kind(
    frozenset(
        f"{name}_text_model" for name in ("aimv2", "altclip", "chinese_clip", "clip", "metaclip_2", "siglip", "siglip2")
    )
    | frozenset({"bert", "distilbert", "mpnet", "roberta", "xlm-roberta"}),
    None,
    "reads texts alone, and takes no pictures",
    "name the whole model, with its picture side, such as google/siglip2-base-patch16-224",
)
KINDS = (_MANY_VECTORS, _GENERATIVE, _TEXTS_ALONE)


def refuse_known(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a model of a known kind that cannot be supported. Raises: ModelError, which says why."""
    classes = [str(one) for one in config.get("architectures") or ()]
    model_type = str(config.get("model_type", ""))
    for kind in KINDS:
        pattern = kind.architectures
        odd = [one for one in classes if pattern is not None and pattern.match(one)]
        if odd or model_type in kind.types:
            what = odd[0] if odd else model_type
            raise ModelError(f"{name} ({what}) {kind.why}", kind.instead)
    _refuse_parts(name, config.get("model_cfg"))


def _refuse_parts(name: str, model_cfg: Any) -> None:
    """Refuse a model of OpenCLIP, such as CoCa, with a part that another library makes. Raises: ModelError."""
    parts = model_cfg if isinstance(model_cfg, dict) else {}
    text = parts.get("text_cfg")
    for word, where in (("multimodal_cfg", parts), ("hf_model_name", text if isinstance(text, dict) else {})):
        if where.get(word):
            raise ModelError(
                f"{name} is a model of OpenCLIP that vstore does not compute: its configuration says {word}: "
                f"{where[word]}",
                "take the model in transformers' layout, if its authors publish one, or write a plug-in "
                "(examples/plugin in the sources)",
            )
