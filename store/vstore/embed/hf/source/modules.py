"""The layout of sentence-transformers: `modules.json` lists what a picture runs through, a folder each."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from vstore.embed.hf.source.again import get_again
from vstore.embed.hf.source.json_file import read_json
from vstore.errors import ModelError

MODULES = "modules.json"
_MODELS = ("Transformer", "CLIPModel")
_OWN = "sentence_transformers."
_PLUG_IN = "write a plug-in (examples/plugin in the sources)"
_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


class Modules(NamedTuple):
    """The modules of a model.

    inner:   folder of the model of transformers.
    pooling: of its tokens, in the words of sentence-transformers; None where the model gives a vector itself.
    """

    inner: Path
    pooling: str | None


def modules_of(name: str, path: Path) -> Modules | None:
    """Read the modules of a folder; None if it lists none.

    Raises: ModelError for a module that vstore does not apply: the vectors would be those of another model.
    """
    if not (path / MODULES).is_file():
        return None
    rows = _rows(path)
    first, later = rows[0], rows[1:]
    if not first["type"].startswith(_OWN):
        # Code of its own: such a model is taken only on the user's word, and then by its own configuration.
        _refuse_later(name, [row for row in later if _kind(row) != "Normalize"])
        return Modules(path, None)
    if _kind(first) not in _MODELS:
        _refuse_later(name, [first])
    inner = _inside(path, first)
    if not inner.is_dir():
        raise ModelError(
            f"{name} is not complete: its {MODULES} names the folder {first['path']}, which is not there",
            get_again(path, [f"{first['path']}/*"]),
        )
    pooling = None
    for row in later:
        if _kind(row) == "Pooling" and pooling is None:
            pooling = _pooling(name, read_json(_inside(path, row) / "config.json"))
        elif _kind(row) != "Normalize" or _is_of_tokens(_inside(path, row)):
            _refuse_later(name, [row])
    _refuse_other_output(name, inner, pooling)
    return Modules(inner, pooling)


def _rows(path: Path) -> list[dict[str, str]]:
    file = path / MODULES
    try:
        rows = json.loads(file.read_bytes())
        found = [
            {"type": str(row["type"]), "path": str(row["path"])} for row in sorted(rows, key=lambda row: row["idx"])
        ]
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise ModelError(f"{file} cannot be read: {err!r}", get_again(path, [MODULES])) from err
    if not found:
        raise ModelError(f"{file} lists no module", get_again(path, [MODULES]))
    return found


def _kind(row: dict[str, str]) -> str:
    """Take the class of a module; its package has moved more than once."""
    return row["type"].rpartition(".")[2] if row["type"].startswith(_OWN) else row["type"]


def _inside(path: Path, row: dict[str, str]) -> Path:
    """Find the folder of a module. Raises: ModelError if it lies outside of the model's."""
    inner = PurePosixPath(row["path"])
    if inner.is_absolute() or ".." in inner.parts:
        raise ModelError(f"{path / MODULES} names a folder outside of the model: {inner}", "do not use this model")
    return path / inner


def _refuse_later(name: str, rows: list[dict[str, str]]) -> None:
    if rows:
        raise ModelError(
            f"{name} is a model of sentence-transformers with the module {rows[0]['type']}, which vstore does not "
            "apply, and without which the vectors would be others",
            f"name a model that ends with Pooling and Normalize alone, or {_PLUG_IN}",
        )


def _pooling(name: str, config: dict[str, Any]) -> str:
    """Read the configuration of a Pooling module. Raises: ModelError for several at once, or one without the prompt."""
    modes = config.get("pooling_mode") or [mode for word, mode in _POOLINGS.items() if config.get(word)]
    modes = [modes] if isinstance(modes, str) else modes
    if len(modes) != 1 or not config.get("include_prompt", True):
        how = " and ".join(modes) if len(modes) != 1 else f"{modes[0]}, without the tokens of the prompt"
        raise ModelError(f"{name} pools its tokens by {how or 'nothing'}, which vstore does not", _PLUG_IN)
    return str(modes[0])


def _is_of_tokens(folder: Path) -> bool:
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    return bool(config.get("module_input_name", "sentence_embedding") != "sentence_embedding")


def _refuse_other_output(name: str, inner: Path, pooling: str | None) -> None:
    """Raises: ModelError if the vector is not what the model itself gives for a picture, or its tokens, pooled."""
    file = inner / "sentence_bert_config.json"
    ways = (read_json(file).get("modality_config") or {}) if file.is_file() else {}
    way = ways.get("image")
    if way is None:
        return
    found = (way.get("method"), way.get("method_output_name"))
    fits = found == ("forward", "last_hidden_state") if pooling else found[0] == "get_image_features"
    if not fits:
        raise ModelError(
            f"{name} takes the vector of a picture from {found[1]} of {found[0]}"
            f"{', pooled by ' + pooling if pooling else ''}, which vstore does not",
            _PLUG_IN,
        )
