"""The text side of a model: its tokenizer, with padding and length as in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vstore.embed.faults import DOCTOR, reason
from vstore.embed.hf.source.json_file import read_json
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.digests import Digests
    from vstore.embed.hf.source.model_folder import ModelFolder

_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_MORE = ("vocab.json", "vocab.txt", "merges.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model")


def tokenizer_files(folder: ModelFolder, digests: Digests) -> dict[str, str]:
    """Find the files that make a tokenizer: name -> sha256; none if there is no tokenizer."""
    return {name: digests.of(folder.path / name) for name in (*_FILES, *_MORE) if (folder.path / name).is_file()}


def tokenizer_digests(folder: ModelFolder, digests: Digests) -> list[str]:
    """Compute the sha256 of the files that make a tokenizer, sorted; none if there is no tokenizer."""
    return sorted(tokenizer_files(folder, digests).values())


def load_tokenizer(folder: ModelFolder) -> Any:
    """Load the tokenizer of a model. Raises: ModelError."""
    from vstore.embed.hf.libraries import libraries, quiet

    _, transformers = libraries()
    _refuse_other_files(folder)
    try:
        with quiet():
            return transformers.AutoTokenizer.from_pretrained(
                folder.path, local_files_only=True, trust_remote_code=False
            )
    except Exception as err:
        copy = "copy the tokenizer files of the model (tokenizer.json, tokenizer_config.json) into its folder"
        raise ModelError(
            f"{folder.name} has no tokenizer that can be loaded: {reason(err)}",
            DOCTOR if isinstance(err, ImportError) else copy,
        ) from err


def _refuse_other_files(folder: ModelFolder) -> None:
    """Raises: ModelError if transformers would read a tokenizer of another name, which no digest covers."""
    path = folder.path / "tokenizer_config.json"
    named = read_json(path).get("fast_tokenizer_files") if path.is_file() else None
    for name in named if isinstance(named, list) else ():
        if name != "tokenizer.json" and (folder.path / str(name)).is_file():
            raise ModelError(
                f"{path} names another tokenizer ({name}), and vstore reads tokenizer.json",
                "take fast_tokenizer_files out of it; if its tokenizer is the right one, rename that to tokenizer.json",
            )


def token_ids(tokenizer: Any, texts: Sequence[str], recipe: dict[str, Any]) -> dict[str, Any]:
    """Tokenise as the recipe says. Returns: int64 (n, length): input_ids, and attention_mask where it is used."""
    words = [text.lower() if recipe["lowercase"] else text for text in texts]
    found = tokenizer(
        words,
        padding=recipe["padding"],
        truncation=True,
        max_length=recipe["max_length"],
        return_attention_mask=recipe["attention_mask"],
        **({"split_special_tokens": True} if "split_special_tokens" in recipe else {}),
        return_tensors="np",
    )
    names = ["input_ids", "attention_mask"] if recipe["attention_mask"] else ["input_ids"]
    return {name: found[name].astype("int64") for name in names}
