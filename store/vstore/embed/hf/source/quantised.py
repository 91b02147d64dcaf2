"""Quantised models: recognised by their configuration, refused, and the original named where its name tells it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vstore.embed.hf.source.other_words import OtherWords
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.source.model_folder import ModelFolder

_SUFFIX = re.compile(
    r"(?i)([-_.](unsloth|dynamic|bnb|bitsandbytes|gptq|awq|fp8|nf4|fp4|nvfp4|mxfp4|hqq|eetq|autoround|torchao"
    r"|quantized|w4a16|w8a8|w8a16|int[48]|[48]-?bits?|q[48]|g128|g64|marlin))+$"
)
_KINDS = {
    "bitsandbytes": "bitsandbytes",
    "gptq": "GPTQ",
    "awq": "AWQ",
    "fp8": "FP8",
    "fbgemm_fp8": "FP8",
    "compressed-tensors": "compressed-tensors",
}


def quantisation(config: dict[str, Any]) -> str | None:
    """Find how the weights of a configuration are quantised, for a message; None if they are not."""
    found = config.get("quantization_config") or config.get("compression_config")
    if not found:
        return None
    if not isinstance(found, dict):
        return "unknown"
    method = str(found.get("quant_method", "unknown"))
    bits = found.get("bits") or (4 if found.get("load_in_4bit") else 8 if found.get("load_in_8bit") else None)
    return f"{_KINDS.get(method, method)}, {bits} bits" if isinstance(bits, int) else _KINDS.get(method, method)


def original_of(name: str) -> str | None:
    """Take the words of a quantisation off the end of a name: `owner/x-bnb-4bit` -> `owner/x`; None without such."""
    found = _SUFFIX.sub("", name.rstrip("/"))
    return found if found and found != name.rstrip("/") and not found.endswith("/") else None


def refuse_quantised(folder: ModelFolder) -> None:
    """Raises: ModelError for a quantised model, naming the original where the name tells it."""
    how = quantisation(folder.config)
    if how is None:
        return
    message = (
        f"{folder.name} is quantised ({how}): its vectors would be less precise than their number format, and would "
        "depend on the library that unpacks it"
    )
    known = _there(original_of(folder.name), is_hub_id=folder.commit is not None)
    if known is None:
        raise ModelError(message, "name the original model with --model, with --compute bf16 where memory is short")
    why = "name the original model, which by its name is this one (--compute bf16 needs half of the memory)"
    raise OtherWords(message, why, model=known, revision=None)


def refuse_quantised_base(adapter: ModelFolder, base: str) -> None:
    """Raises: OtherWords if the base that an adapter names is quantised by its name; nothing is fetched for that."""
    original = original_of(base)
    known = None if Path(base).is_dir() else _there(original, is_hub_id=base.count("/") == 1)
    if known is not None:
        raise OtherWords(
            f"the adapter {adapter.name} was trained on {base}, which is quantised, and vstore runs no quantised model",
            "name the original of that base, on which the adapter fits as well",
            model=known,
            revision=None,
        )


def _there(name: str | None, *, is_hub_id: bool) -> str | None:
    return name if name is not None and (is_hub_id or Path(name).is_dir()) else None
