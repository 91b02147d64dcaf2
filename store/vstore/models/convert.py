"""Converts pickled weights to safetensors, into a folder from which the model can be loaded."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vstore._version import __version__
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.again import get_again
from vstore.embed.hf.source.find import find_pickled
from vstore.embed.hf.source.hub import Hub
from vstore.embed.hf.source.json_file import read_json
from vstore.embed.hf.source.layouts import LAYOUTS
from vstore.embed.hf.source.lfs import is_pointer, pull
from vstore.embed.hf.source.misnamed import not_a_model
from vstore.embed.hf.source.modules import MODULES
from vstore.embed.hf.source.other_words import OtherWords, whole_commands
from vstore.embed.hf.source.paths import odd_folder
from vstore.embed.hf.source.pickles import Pickled, pickles_in
from vstore.embed.hf.source.unpickle import convert
from vstore.embed.hf.source.whole import fault_of
from vstore.embed.model_words import Words
from vstore.errors import ModelError, UsageError
from vstore.models.converted_folder import (
    copy_others,
    default_top,
    flush,
    folder_at,
    others,
    refuse_taken,
    require_room,
    write,
)
from vstore.models.report import ConvertedFile, ModelConverted
from vstore.progress import Progress, Stages
from vstore.quoting import quoted

RECORD = "vstore-converted.json"  # in the new folder: where its weights come from
_INDEX, _NEW_INDEX = "pytorch_model.bin.index.json", "model.safetensors.index.json"
_SHARD = "-of-"


class _Found(NamedTuple):
    """A file of pickled weights in a model's folder.

    folder:  its folder, relative.
    pickled: its path and its new name.
    digest:  its sha256.
    """

    folder: Path
    pickled: Pickled
    digest: str


def model_convert(
    name: str,
    output: Path | None = None,
    *,
    revision: str | None = None,
    cache: Path | None = None,
    note: Callable[[str], None] = lambda text: None,
    progress: Progress | None = None,
) -> ModelConverted:
    """Convert the pickled weights of a model or an adapter into a new folder, beside copies of its other files.

    output: the new folder; None makes one in the user's cache, named by the digest of all files.
    cache:  the user's folder for caches; None is ~/.cache.
    note:   receives a line for each file.
    Raises: UsageError, ModelError, DiskTrouble, ReadOnly. Nothing is left then that could be taken for the model.
    """
    if output is not None:
        refuse_taken(output)
    with whole_commands(_command):
        folder, commit = find_pickled(name, revision, Hub(note=note))
    found = _find(name, folder)
    place = output or default_top(cache) / f"{_base(name)}-{_digest(folder, found)}"
    if odd_folder(os.path.realpath(place)) is not None:
        raise UsageError(f"{place} is not valid UTF-8, and safetensors writes nothing there", "name another --output")
    known = output is None and place.is_dir()
    if not known:
        require_room(place.parent, sum(one.pickled.source.stat().st_size for one in found))
        try:
            with folder_at(place) as made:
                copy_others(folder, made)
                files = tuple(_convert(found, made, note, Stages(progress)))
                body: dict[str, Any] = {"source": name, "commit": commit, "vstore": __version__}
                body["files"] = [one.to_json() for one in files]
                write(made / RECORD, [json.dumps(body, indent=1).encode()])
        except UsageError:
            if output is not None or not place.is_dir():
                raise
            known = True  # another run was quicker
    if known:
        files = _recorded(place)
    is_adapter = (folder / "adapter_config.json").is_file()
    return ModelConverted(name, commit, str(place), is_adapter, known, files)


def _command(words: Words) -> str:
    at = f" --revision {quoted(words.revision)}" if words.revision else ""
    return f"vstore model convert {quoted(words.adapter or words.model or 'MODEL')}{at}"


def _find(name: str, folder: Path) -> list[_Found]:
    """Look for pickled weights in a folder, and in those of its modules. Raises: UsageError, ModelError."""
    found = [
        (one.relative_to(folder), pickled)
        for one in [folder, *_modules(folder)]
        if not _has_weights(one)
        for pickled in _of_one_set(one)
    ]
    if not found and _has_weights(folder):
        raise _needs_none(name, folder)
    if not found:
        raise _no_pickle(name, folder)
    digests = Digests()
    return [_Found(one, pickled, digests.of(pickled.source)) for one, pickled in found]


def _modules(folder: Path) -> list[Path]:
    """List the folders of a model's modules, in the layout of sentence-transformers. Other folders are other models."""
    if not (folder / MODULES).is_file():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _needs_none(name: str, folder: Path) -> UsageError:
    option = "--adapter" if (folder / "adapter_config.json").is_file() else "--model"
    return UsageError(f"{name} has its weights as safetensors already", f"use it as it is: {option} {quoted(name)}")


def _no_pickle(name: str, folder: Path) -> ModelError | UsageError:
    """Make the error for a folder without pickled weights: those of a folder in it may be meant."""
    if any((folder / file).is_file() for file in ("config.json", "open_clip_config.json", "adapter_config.json")):
        wanted = "adapter_model.bin" if (folder / "adapter_config.json").is_file() else "pytorch_model.bin"
        return ModelError(f"{name} holds no weights: there is no pickle in {folder}", get_again(folder, [wanted]))
    meant = not_a_model(name, folder)
    if not isinstance(meant, OtherWords):
        return ModelError(
            f"{name} holds no weights: there is no pickle in {folder}",
            "name the folder of a model or an adapter, with its configuration, or a hub id",
        )
    inner = str(meant.words.adapter or meant.words.model)
    if os.path.isdir(inner) and _has_weights(Path(inner)):
        option = "--adapter" if meant.words.adapter else "--model"
        return UsageError(meant.message, f"its weights are safetensors already: use it as {option} {quoted(inner)}")
    return ModelError(meant.message, f"{meant.why}: {_command(meant.words)}")


def _has_weights(folder: Path) -> bool:
    """Tell whether a folder has weights that need no conversion: a model's or an adapter's, by their names."""
    names = {"adapter_model.safetensors", *(layout.weights for layout in LAYOUTS)}
    return any((folder / name).is_file() or (folder / f"{name}.index.json").is_file() for name in names)


def _of_one_set(folder: Path) -> list[Pickled]:
    """List the pickled weights of a folder: one file, or all shards that its index names. Raises: ModelError."""
    pickled = pickles_in(folder)
    alone = [one for one in pickled if _SHARD not in one.target]
    if not alone and (folder / _INDEX).is_file():
        named = set(map(str, read_json(folder / _INDEX).get("weight_map", {}).values()))
        missing = ", ".join(sorted(named - {one.source.name for one in pickled})[:5])
        if missing:
            raise ModelError(
                f"{folder} is not complete: files listed in its index are missing: {missing}",
                get_again(folder, sorted(named - {one.source.name for one in pickled})),
            )
    for one in pickled:
        if is_pointer(one.source):
            raise ModelError(f"{one.source} is a pointer of Git LFS, a few lines of text", pull(folder))
    return alone or pickled


def _convert(found: list[_Found], made: Path, note: Callable[[str], None], stages: Stages) -> Iterator[ConvertedFile]:
    """Convert files into a folder, with the index of the shards. Raises: ModelError, DiskTrouble."""
    indices: dict[Path, dict[str, str]] = {}
    size = sum(one.pickled.source.stat().st_size for one in found)
    stages.begin("converting the weights", len(found), size=size)
    for folder, (source, name), digest in found:
        before = source.stat()
        stages.take(os.fsencode(source))
        note(f"converting {folder / source.name} ({before.st_size / 1e6:,.1f} MB)")
        target = made / folder / name
        tensors, left_out = convert(source, target)
        after = source.stat()
        fault = fault_of(target)
        if fault is not None or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise ModelError(
                f"{source} changed while it was converted" if fault is None else f"the converted {name} {fault}",
                "look at the disk, then run the command again",
            )
        flush(target)
        if left_out:
            note(f"left out, as they are no tensors: {', '.join(left_out[:10])}")
        if _SHARD in name:
            indices.setdefault(folder, {}).update(dict.fromkeys(tensors, name))
        stages.advance(size=before.st_size)
        yield ConvertedFile(str(folder / source.name), digest, str(folder / name), len(tensors))
    for folder, names in indices.items():
        body = {"metadata": {}, "weight_map": names}
        write(made / folder / _NEW_INDEX, [json.dumps(body, indent=1).encode()])
    stages.close()


def _recorded(place: Path) -> tuple[ConvertedFile, ...]:
    """Read what an earlier conversion recorded. Raises: ModelError if its folder is not whole."""
    record = place / RECORD
    files = tuple(ConvertedFile(**one) for one in read_json(record)["files"]) if record.is_file() else ()
    if not files or not all((place / one.target).is_file() and not fault_of(place / one.target) for one in files):
        raise ModelError(
            f"{place} was converted before, and its files are not whole any more",
            f"remove it, and run the command again: rm -r {quoted(str(place))}",
        )
    return files


def _digest(folder: Path, found: list[_Found]) -> str:
    """Compute the digest of all that the new folder is made of, configurations too: 12 hex digits."""
    digests = Digests()
    lines = [f"{one.digest} {one.folder / one.pickled.target}" for one in found]
    lines += [f"{digests.of(path)} {path.relative_to(folder)}" for path in others(folder)]
    return hashlib.sha256("\n".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _base(name: str) -> str:
    """Choose the beginning of the new folder's name."""
    source = os.path.basename(os.path.realpath(name)) if os.path.isdir(name) else name.rpartition("/")[2]
    return re.sub(r"[^\w.-]+", "-", source).strip("-.") or "model"
