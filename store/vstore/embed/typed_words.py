"""The words that name a model, as type checkers see them.

Classes like this one stand in modules of their own: a program that runs needs none of them, and each takes 0.2 ms to
define.
"""

from __future__ import annotations

from typing import TypedDict


class ModelWords(TypedDict, total=False):
    """Options that name a model. None, or none given: what the model's files say, else its family's usual choice.

    model:             a folder, a hub id, the short name of a recommended model, or `builtin`.
    adapter:           a folder or a hub id of a LoRA adapter; alone, it stands on the base that it names.
    revision:          branch, tag or commit of a hub model.
    adapter_revision:  branch, tag or commit of a hub adapter.
    compute:           `fp32` or `bf16`.
    max_side:          pixels of the longer side of a picture as the model gets it.
    prepare:           number of the preparation of pictures: 1 or 2.
    colour:            `srgb` or `ignore`: what is done with the colour profiles of pictures.
    decode:            `fine` or `fast`: how exactly large JPEG files are scaled down.
    prompt:            text that a vision-language model gets with each picture.
    query_prompt:      instruction that such a model gets with each searched text.
    preset:            name of a published model's own way to prepare pictures and texts.
    pooling:           `features`, `cls`, `mean`, `last`, `last-column` or `last-column-v4`.
    trust_remote_code: run Python code from the model's folder.
    """

    model: str | None
    adapter: str | None
    revision: str | None
    adapter_revision: str | None
    compute: str | None
    max_side: int | None
    prepare: int | None
    colour: str | None
    decode: str | None
    prompt: str | None
    query_prompt: str | None
    preset: str | None
    pooling: str | None
    trust_remote_code: bool | None
