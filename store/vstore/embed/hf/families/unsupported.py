"""Known kinds of models that no space can have: why, and what to use instead. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.source.model_folder import ModelFolder


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


def refuse_known(folder: ModelFolder) -> None:
    """Refuse a model of a known kind that cannot be supported. Raises: ModelError, which says why."""
    classes = [str(name) for name in folder.config.get("architectures") or ()]
    for kind in KINDS:
        pattern = kind.architectures
        odd = [name for name in classes if pattern is not None and pattern.match(name)]
        if odd or folder.model_type in kind.types:
            what = odd[0] if odd else folder.model_type
            raise ModelError(f"{folder.name} ({what}) {kind.why}", kind.instead)
