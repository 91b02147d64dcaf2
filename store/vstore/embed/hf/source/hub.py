"""The hub: a repository's files, taken from an earlier download or fetched, and no more of them than are needed."""

from __future__ import annotations

import contextlib
import glob
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from vstore.embed.hf.source.download_bar import one_bar
from vstore.embed.hf.source.hub_errors import explain, full, offline
from vstore.embed.hf.source.hub_files import (
    folders_of_models,
    has_configuration,
    has_text_side,
    lacks_processor,
    lacks_text,
    pickled_files,
    small_files,
    weight_files,
)
from vstore.embed.hf.source.hub_name import HubName
from vstore.embed.hf.source.json_file import read_json
from vstore.embed.hf.source.layouts import LAYOUTS, layout_of
from vstore.embed.hf.source.modules import modules_of
from vstore.embed.hf.source.other_words import OtherWords
from vstore.embed.hf.source.pickles import only_pickled
from vstore.embed.hf.source.quantised import quantisation
from vstore.embed.hf.source.unsupported import refuse_known
from vstore.errors import ModelError, UsageError, VstoreError
from vstore.packages import HUB
from vstore.quoting import quoted

_WORTH_A_NOTE = 1 << 20  # bytes
_SHOWN = 5  # folders that a message names


def _silent(text: str) -> None:
    pass


class Hub(NamedTuple):
    """The ways to the hub in one run.

    offline: download nothing.
    note:    receives a line before a download.
    """

    offline: bool = False
    note: Callable[[str], None] = _silent


ONLINE = Hub()


class Wanted(NamedTuple):
    """The files of a repository that are wanted.

    name:     the repository, and a folder in it.
    revision: branch, tag or commit, or None.
    what:     `model` or `adapter`.
    code:     Python files too.
    text:     the tokenizer too, where the model reads texts.
    pickles:  pickled weights instead of safetensors.
    """

    name: HubName
    revision: str | None
    what: str
    code: bool = False
    text: bool = True
    pickles: bool = False


class _Repository(NamedTuple):
    """The list of a repository's files at one commit.

    commit: its name.
    sizes:  file in the wanted folder -> bytes.
    """

    commit: str
    sizes: dict[str, int]


def fetch(wanted: Wanted, hub: Hub) -> tuple[Path, str]:
    """Find the files of a repository. Returns: their folder, and the commit. Raises: ModelError, DiskTrouble.

    An earlier download is used as it is where it has what is needed: a sync must neither wait for the network nor
    change with it.
    """
    HUB.load()
    found = _earlier(wanted)
    if found is not None and _is_enough(found[0], wanted):
        return found
    if hub.offline:
        if found is None or not _has_weights(found[0], wanted):
            raise offline(wanted.name, wanted.what, wanted.revision, is_begun=found is not None)
        return found
    try:
        return _download(wanted, found[1] if found else wanted.revision, hub)
    except VstoreError:
        raise
    except Exception as err:
        # Without the network an earlier download is used as far as it goes; what it lacks is said later.
        if found is not None and _has_weights(found[0], wanted):
            return found
        raise explain(err, wanted.name, wanted.what, wanted.revision) from err


def is_downloaded(wanted: Wanted) -> bool:
    """Tell whether any of a repository is here from an earlier download."""
    HUB.load()
    return _earlier(wanted) is not None


def _earlier(wanted: Wanted) -> tuple[Path, str] | None:
    """Find the folder of an earlier download, whole or not. Returns: the folder and the commit, or None."""
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            wanted.name.repository, revision=wanted.revision, local_files_only=True, allow_patterns=["."]
        )
    except Exception:
        return None
    return Path(found) / wanted.name.folder, Path(found).name


def _is_enough(folder: Path, wanted: Wanted) -> bool:
    """Tell whether an earlier download has everything that a model of its kind can need."""
    if not _has_weights(folder, wanted):
        return False
    if wanted.what == "adapter" or wanted.pickles:
        return True
    inner = _model_in(folder, wanted)
    layout = layout_of(inner)
    config = read_json(inner / layout.config) if layout else {}
    if lacks_processor(inner, config) or (wanted.text and has_text_side(config) and lacks_text(inner)):
        return False
    return not wanted.code or any(folder.glob("*.py"))


def _has_weights(folder: Path, wanted: Wanted) -> bool:
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    chosen = _weights(names, folder, wanted)
    return bool(chosen) and all((folder / name).is_file() for name in chosen)


def _model_in(folder: Path, wanted: Wanted) -> Path:
    """Find the folder of the model in a folder that may list modules; what is wrong with these is said later."""
    if wanted.what == "adapter":
        return folder
    with contextlib.suppress(ModelError):
        modules = modules_of(wanted.name.repository, folder)
        return folder if modules is None else modules.inner
    return folder


def _weights(names: list[str], folder: Path, wanted: Wanted) -> list[str]:
    """Choose the weights, by the names and by the index in the folder."""
    if wanted.pickles:
        return pickled_files(names)
    inner = _model_in(folder, wanted)
    prefix = "" if inner == folder else f"{inner.relative_to(folder)}/"
    listed: list[str] = []
    for layout in LAYOUTS:
        index = inner / f"{layout.weights}.index.json"
        if not listed and index.is_file():
            listed = sorted({str(name) for name in read_json(index).get("weight_map", {}).values()})
    there = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    return [prefix + name for name in weight_files(there, wanted.what, listed)]


def _download(wanted: Wanted, revision: str | None, hub: Hub) -> tuple[Path, str]:
    """Download what is missing: first the small files, which tell what else is needed."""
    listed = _list(wanted, revision)
    if wanted.pickles and any(name.endswith(".safetensors") for name in listed.sizes if "/" not in name):
        option = "--adapter" if "adapter_config.json" in listed.sizes else "--model"
        raise UsageError(
            f"{wanted.name.written} has its weights as safetensors already",
            f"use it as it is: {option} {quoted(wanted.name.written)}",
        )
    small = small_files(listed.sizes, code=wanted.code)
    if not wanted.pickles and not has_configuration(small):
        raise _no_model(wanted, folders_of_models(listed.sizes, wanted.what))
    root = _get(wanted, small, revision, listed, hub)
    if root.name != listed.commit:  # the branch has moved meanwhile
        listed = _list(wanted, root.name)
    folder = root / wanted.name.folder
    _refuse_early(folder, wanted)
    if wanted.pickles or _is_worth_it(folder, wanted):
        weights = _weights(list(listed.sizes), folder, wanted)
        lost = ", ".join(sorted(set(weights) - set(listed.sizes))[:5])
        if lost:
            raise ModelError(
                f"the repository {wanted.name.repository} is not complete: its index lists missing files: {lost}",
                "name another --revision, or another model",
            )
        if not weights and (pickled := pickled_files(listed.sizes)):
            raise only_pickled(wanted.name.written, pickled, listed.commit if wanted.revision else None)
        if not weights:
            raise ModelError(
                f"the repository {wanted.name.written} holds no weights that vstore reads, at {listed.commit[:12]}",
                "name another --revision, or the repository of the original model, with its safetensors files",
            )
        _get(wanted, weights, listed.commit, listed, hub)
    return folder, listed.commit


def _no_model(wanted: Wanted, inner: list[str]) -> ModelError:
    """Make the error for a repository without a configuration. inner: its folders that have one."""
    message = f"{wanted.name.written} holds no {wanted.what} on the hub: there is no configuration in it"
    if not inner:
        return ModelError(message, f"name a repository of a{'n' if wanted.what == 'adapter' else ''} {wanted.what}")
    some = ", ".join(inner[:_SHOWN]) + (f" and {len(inner) - _SHOWN} more" if len(inner) > _SHOWN else "")
    place = HubName(wanted.name.repository, wanted.name.inside(inner[0])).written
    named = wanted.revision and {"model": "revision", "adapter": "adapter_revision"}[wanted.what]
    words = {wanted.what: place, **({named: wanted.revision} if named else {})}
    return OtherWords(f"{message}; these folders have one: {some}", "name one of them, for example", **words)


def _refuse_early(folder: Path, wanted: Wanted) -> None:
    """Refuse a model that no space can have before its weights are downloaded. Raises: ModelError."""
    inner = _model_in(folder, wanted)
    layout = layout_of(inner) if wanted.what != "adapter" else None
    if layout is not None:
        refuse_known(wanted.name.written, read_json(inner / layout.config))


def _is_worth_it(folder: Path, wanted: Wanted) -> bool:
    """Tell by the small files whether the weights are worth their download; what is wrong is said by who asked."""
    if wanted.what == "adapter":
        return (folder / "adapter_config.json").is_file()
    inner = _model_in(folder, wanted)
    layout = layout_of(inner)
    is_adapter = (folder / "adapter_config.json").is_file()
    return layout is not None and not is_adapter and quantisation(read_json(inner / layout.config)) is None


def _list(wanted: Wanted, revision: str | None) -> _Repository:
    """Ask the hub for the list of files, with their sizes. Raises: whatever the client does."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(wanted.name.repository, revision=revision, files_metadata=True)
    prefix = f"{wanted.name.folder}/" if wanted.name.folder else ""
    sizes = {
        file.rfilename.removeprefix(prefix): file.size or 0
        for file in info.siblings or []
        if file.rfilename.startswith(prefix)
    }
    if not sizes:
        where = f" in {prefix}" if prefix else ""
        raise ModelError(
            f"the repository {wanted.name.repository} holds no files{where}", "check the name, and the folder in it"
        )
    return _Repository(str(info.sha), sizes)


def _get(wanted: Wanted, names: list[str], revision: str | None, listed: _Repository, hub: Hub) -> Path:
    """Download files, unless they are here.

    Returns: the folder of the repository at its commit.
    Raises:  ModelError, DiskTrouble; whatever the client does.
    """
    from huggingface_hub import constants, snapshot_download

    earlier = _earlier(wanted._replace(revision=listed.commit))
    missing = [name for name in names if earlier is None or not (earlier[0] / name).is_file()]
    lacking = sum(listed.sizes.get(name, 0) for name in missing)
    cache = Path(constants.HF_HUB_CACHE)
    there = next(one for one in (cache, *cache.parents) if one.is_dir())
    if lacking > shutil.disk_usage(there).free:
        raise full(wanted.name, lacking)
    if lacking >= _WORTH_A_NOTE:
        hub.note(f"downloading {wanted.name.repository} ({listed.commit[:12]}): {lacking / 1e6:,.0f} MB into {cache}")
    patterns = [glob.escape(wanted.name.inside(name)) for name in names]
    with one_bar(f"downloading {wanted.name.repository}", drawn=lacking >= _WORTH_A_NOTE) as bar:
        found = snapshot_download(wanted.name.repository, revision=revision, allow_patterns=patterns, tqdm_class=bar)
    return Path(found)
