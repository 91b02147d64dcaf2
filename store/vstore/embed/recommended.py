"""The recommended models: a short table, the same on every machine. Pure, and imports nothing heavy.

Each row was checked in public records, since a repository of the hub may change at any time, and some hold nothing but
pickles on their main branch (openai/clip-vit-base-patch32 does: its safetensors are on the branch of a pull request). A
revision is one that several independent projects pin, and at which they found safetensors of this size:

- google/siglip2-base-patch16-224: nine files; model.safetensors of 1,500,800,904 bytes, sha256 612923381c76…; by size
  and digest config.json, preprocessor_config.json, special_tokens_map.json, tokenizer.json, tokenizer.model and
  tokenizer_config.json, which pads on the right (transformers' conversion script). Card: Apache-2.0.
- google/siglip2-so400m-patch14-384: model.safetensors of 4,544,143,072 bytes, sha256 9f4f4a49f908…; config.json and
  preprocessor_config.json by digest; its tokenizer is loaded at that commit. Card: Apache-2.0.
- Qwen/Qwen3-VL-Embedding-2B: the commit in mteb's registry (qwen3_vl_embedding_models.py: Apache-2.0, 2,048 numbers);
  all eighteen files by name, size and blob id in a lock file, the weights one model.safetensors of 4,255,140,312
  bytes, sha256 c73fa9caeddb…; not gated. Paper (arXiv:2601.04720): more than 30 languages.
- facebook/dinov2-base: the commit in mteb's registry (dino_models.py: Apache-2.0, 768 numbers); model.safetensors of
  346,345,912 bytes, sha256 d73036b56966….

The sizes are those of the architectures to the byte, but for the header of a file (tests/models/test_recommended.py).
A model enters with such a record or not at all: for facebook/metaclip-2-worldwide-huge-quickgelu several projects pin
one commit, and no list of its files was found.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from vstore.brief import briefly
from vstore.embed.model_words import BUILTIN


@briefly
class RecommendedModel(NamedTuple):
    """A recommended model.

    name:     its short name, a word of `--model`.
    purpose:  what it is for.
    model:    its hub id; that of the built-in embedder is `builtin`.
    revision: the commit that its short name stands for; None for the built-in embedder.
    licence:  of its weights, as its card says.
    dim:      numbers per vector.
    bytes:    of its weights, which are downloaded once.
    texts:    it reads texts: pictures are found by words.
    preset:   the value of `--preset` that comes with its short name, or None.
    """

    name: str
    purpose: str
    model: str
    revision: str | None
    licence: str
    dim: int
    bytes: int
    texts: bool
    preset: str | None = None

    def to_json(self) -> dict[str, Any]:
        return self._asdict()


RECOMMENDED = (
    RecommendedModel(
        name="siglip2-base",
        purpose="words, small",
        model="google/siglip2-base-patch16-224",
        revision="75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2",
        licence="Apache-2.0",
        dim=768,
        bytes=1_500_800_904,
        texts=True,
    ),
    RecommendedModel(
        name="siglip2-so400m",
        purpose="words, large",
        model="google/siglip2-so400m-patch14-384",
        revision="e8e487298228002f3d8a82e0cd5c8ea9c567f57f",
        licence="Apache-2.0",
        dim=1152,
        bytes=4_544_143_072,
        texts=True,
    ),
    RecommendedModel(
        name="qwen3-vl-embedding-2b",
        purpose="words, many languages",
        model="Qwen/Qwen3-VL-Embedding-2B",
        revision="9f2f7e710d6d81056aa5c0a4f04764fec6bb7bda",
        licence="Apache-2.0",
        dim=2048,
        bytes=4_255_140_312,
        texts=True,
        preset="qwen3-vl-embedding",
    ),
    RecommendedModel(
        name="dinov2-base",
        purpose="look-alikes",
        model="facebook/dinov2-base",
        revision="f9e44c814b77203eaa57a6bdbbd535f21ede1415",
        licence="Apache-2.0",
        dim=768,
        bytes=346_345_912,
        texts=False,
    ),
    RecommendedModel(
        name=BUILTIN,
        purpose="copies",
        model=BUILTIN,
        revision=None,
        licence="part of vstore",
        dim=333,
        bytes=0,
        texts=False,
    ),
)
BY_NAME = {row.name: row for row in RECOMMENDED}
