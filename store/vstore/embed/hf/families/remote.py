"""Models with Python code of their own: run only on the user's word; the code's digests are part of the space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.families.dual import DualEncoder
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.embed.hf.source.own_code import require_code
from vstore.embed.model_words import Words
from vstore.errors import ModelError

if TYPE_CHECKING:
    import torch

    from vstore.embed.hf.families.family import Prepared
    from vstore.embed.hf.loaded import Loaded
    from vstore.format.recipes import Recipe

# The words of config.json for the width of a state, and for that of a vector: the first that is there.
_STATES = ("hidden_size", "n_embd", "embed_dim")
_VECTORS = ("projection_dim", "embed_dim", "hidden_size", "n_embd")


class Remote(DualEncoder):
    """A model that AutoModel makes with the folder's code.

    The pooling `features` is what get_image_features gives, else the pooled output; `cls` and `mean` are of the last
    hidden state, for models that pool nothing. Texts go to get_text_features. Both give tensors, as in transformers 4,
    or objects. Pictures are prepared by one of transformers' own processors; a model with a processor of its own needs
    a plug-in.
    """

    name = "remote"
    title = "models with code of their own"
    model_types = frozenset()
    poolings = ("features", "cls", "mean")

    @classmethod
    def describe(cls, folder: ModelFolder, words: Words, digests: Digests) -> dict[str, Any]:
        code = code_digests(folder, digests)
        require_code(folder)
        found = {**super().describe(folder, words, digests), "code": code}
        if words.pooling in ("cls", "mean"):
            # Of states before the projection: as wide as they are, and texts are somewhere else.
            return {**found, "text": None, "dim": _width(folder, _STATES)}
        return found if "text_config" in folder.config else {**found, "text": None}

    @classmethod
    def load_options(cls, recipe: Recipe) -> dict[str, Any]:
        return {"trust_remote_code": True}

    @classmethod
    def side(cls, folder: ModelFolder) -> int | None:
        return None  # its code knows

    @classmethod
    def width(cls, folder: ModelFolder) -> int:
        return _width(folder, _VECTORS)

    @classmethod
    def text_recipe(cls, folder: ModelFolder) -> dict[str, Any]:
        length = folder.config.get("text_config", {}).get("max_position_embeddings", 77)
        return {"padding": True, "max_length": length, "lowercase": False, "attention_mask": True}

    def forward(self, on: Loaded, batch: list[Prepared]) -> torch.Tensor:
        inputs = {name: on.tensor([one[name] for one in batch]) for name in batch[0]}
        pooling = self.recipe["pooling"]
        if pooling == "features":
            call = getattr(on.model, "get_image_features", on.model)
            return _vectors(call(**inputs), len(batch), self.folder)
        state = getattr(on.model(**inputs), "last_hidden_state", None)
        if state is None or state.ndim != 3:
            raise ModelError(
                f"the code of {self.folder.name} gives no last hidden state to pool",
                "leave --pooling out, or write a plug-in",
            )
        found: torch.Tensor = state[:, 0] if pooling == "cls" else state.mean(1)
        return found

    def forward_text(self, on: Loaded, text: str) -> torch.Tensor:
        call = getattr(on.model, "get_text_features", None)
        if call is None:
            raise ModelError(f"the code of {self.folder.name} has no get_text_features", "search with a picture")
        return _vectors(call(**self.text_inputs(on, text)), 1, self.folder)


def _width(folder: ModelFolder, names: tuple[str, ...]) -> int:
    """Find the numbers per vector in a configuration. Raises: ModelError."""
    for config in (folder.config, folder.config.get("vision_config") or {}):
        for name in names:
            if isinstance(config.get(name), int):
                return int(config[name])
    raise ModelError(
        f"{folder.name} does not say how many numbers a vector has ({', '.join(names[:-1])} or {names[-1]})",
        "add that number to its config.json, or write a plug-in",
    )


def _vectors(output: Any, count: int, folder: ModelFolder) -> torch.Tensor:
    """Take the vectors out of what a model's own code gives: (count, dim). Raises: ModelError for another shape."""
    found = output if hasattr(output, "ndim") else getattr(output, "pooler_output", None)
    if found is None or found.ndim != 2 or found.shape[0] != count:
        shape = f" of the shape {tuple(found.shape)}" if found is not None else ""
        raise ModelError(
            f"the code of {folder.name} gives {type(output).__name__}{shape} instead of {count} vectors",
            "choose --pooling cls or mean if its last hidden state is what its authors take, or write a plug-in",
        )
    vectors: torch.Tensor = found
    return vectors


def code_digests(folder: ModelFolder, digests: Digests) -> list[str]:
    """Compute the sha256 of every Python file, sorted: code decides a vector as weights do.

    Raises: ModelError if the configuration takes code from another repository, whose next commit nobody has read.
    """
    for value in (folder.config.get("auto_map") or {}).values():
        for name in value if isinstance(value, list) else [value]:
            if "--" in str(name):
                raise ModelError(
                    f"{folder.name} takes its Python code from another repository ({str(name).partition('--')[0]}), "
                    "where it may change unread",
                    "download that code into the model's folder, and take the repository and '--' out of auto_map in "
                    "its config.json",
                )
    return sorted(digests.of(path) for path in folder.path.rglob("*.py"))
