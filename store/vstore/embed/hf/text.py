"""The text side of a model: its tokenizer, with padding and length as in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vstore.embed.faults import DOCTOR, reason
from vstore.embed.hf.source.json_file import read_json
from vstore.embed.hf.source.own_code import refuse_own
from vstore.errors import ModelError, UsageError
from vstore.packages import SENTENCEPIECE

if TYPE_CHECKING:
    from vstore.embed.hf.digests import Digests
    from vstore.embed.hf.source.model_folder import ModelFolder

_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_PIECES = ("sentencepiece", "protobuf")
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
        refuse_own(folder.path / "tokenizer_config.json", "AutoTokenizer", "the tokenizer", folder.name)
        copy = "copy the tokenizer files of the model (tokenizer.json, tokenizer_config.json) into its folder"
        needs_pieces = isinstance(err, ImportError) and any(word in str(err).lower() for word in _PIECES)
        raise ModelError(
            f"{folder.name} has no tokenizer that can be loaded: "
            + ("it needs sentencepiece and protobuf, and one is not installed" if needs_pieces else reason(err)),
            SENTENCEPIECE.fix if needs_pieces else DOCTOR if isinstance(err, ImportError) else copy,
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


def pads_left_by_its_class(folder: ModelFolder) -> bool:
    """Tell whether a tokenizer pads on the left though no file of its folder says so. Raises: ModelError."""
    settings, own = folder.path / "tokenizer_config.json", folder.path / "tokenizer.json"
    if settings.is_file() and read_json(settings).get("padding_side") is not None:
        return False
    if load_tokenizer(folder).padding_side != "left":
        return False
    return not (own.is_file() and read_json(own).get("padding"))


def token_ids(tokenizer: Any, texts: Sequence[str], recipe: dict[str, Any]) -> dict[str, Any]:
    """Tokenise as the recipe says. All of a text is words of the user: special tokens in it are letters.

    Returns: int64 (n, length): input_ids, and attention_mask where it is used.
    Raises:  UsageError for a special token that the tokenizer cannot take apart.
    """
    words = [text.lower() if recipe["lowercase"] else text for text in texts]
    _refuse_whole_specials(tokenizer, words)
    found = tokenizer(
        words,
        padding=recipe["padding"],
        truncation=True,
        max_length=recipe["max_length"],
        return_attention_mask=recipe["attention_mask"],
        split_special_tokens=True,
        **({"padding_side": recipe["padding_side"]} if "padding_side" in recipe else {}),
        return_tensors="np",
    )
    names = ["input_ids", "attention_mask"] if recipe["attention_mask"] else ["input_ids"]
    return {name: found[name].astype("int64") for name in names}


def _refuse_whole_specials(tokenizer: Any, texts: Sequence[str]) -> None:
    """Refuse a text whose special tokens stay whole, as in a vocabulary that has them among its pieces.

    Raises: UsageError.
    """
    # What a tokenizer does not know is no mark.
    marks = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    for text in texts:
        ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        whole = sorted(marks & set(ids))
        if whole:
            token = tokenizer.convert_ids_to_tokens(whole[0])
            raise UsageError(
                f"the searched text holds {token}, which the tokenizer of this model reads as the end or another mark "
                "of a text, not as letters",
                f"leave {token} out of the text, or write it with spaces in it",
            )
