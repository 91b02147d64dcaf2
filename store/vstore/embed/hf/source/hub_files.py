"""The files of a repository that a model or an adapter needs, by their names. Pure but for `lacks_text`."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from vstore.embed.hf.source.layouts import LAYOUTS
from vstore.embed.hf.source.modules import MODULES
from vstore.embed.hf.source.pickles import ENDINGS, target_of

_SMALL = (".json", ".txt", ".model", ".jinja", ".bpe")
_BEGINNINGS = ("tokenizer", "merges", "vocab")
ADAPTER = "adapter_model.safetensors"
_ADAPTER_CONFIG = "adapter_config.json"
_CONFIGS = frozenset([_ADAPTER_CONFIG, MODULES, *(layout.config for layout in LAYOUTS)])
# Each line is a tokenizer: all of its files.
_TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("spiece.model",),
    ("tokenizer.model",),
    ("sentencepiece.bpe.model",),
)


def small_files(names: Iterable[str], *, code: bool) -> list[str]:
    """Choose configurations, tokenizers and processors; with `code`, Python files of every depth."""
    names = set(names)
    return sorted(
        name
        for name in names
        if (_is_small(name) and (_depth(name) == 0 or (_depth(name) == 1 and MODULES in names)))
        or (code and name.endswith(".py"))
    )


def has_configuration(names: Iterable[str]) -> bool:
    """Tell whether a model or an adapter is among files: one without its configuration is none."""
    return not _CONFIGS.isdisjoint(names)


def folders_of_models(names: Iterable[str], what: str) -> list[str]:
    """List the folders that hold a model or an adapter, the least deep first. what: `model` or `adapter`."""
    wanted = {_ADAPTER_CONFIG} if what == "adapter" else _CONFIGS - {_ADAPTER_CONFIG}
    found = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in wanted} - {""}
    return sorted(found, key=lambda folder: (_depth(folder), folder))


def weight_files(names: Collection[str], what: str, index: Collection[str]) -> list[str]:
    """Choose the weights: one file, or those of the index, in the layout that comes first.

    what:  `model` or `adapter`.
    index: names that the index of the layout lists, where it has one.
    """
    if what == "adapter":
        return [ADAPTER] if ADAPTER in names else []
    for layout in LAYOUTS:
        if layout.config in names and layout.weights in names:
            return [layout.weights]
        if layout.config in names and f"{layout.weights}.index.json" in names:
            return sorted(index)
    return []


def pickled_files(names: Iterable[str]) -> list[str]:
    """Choose pickled weights: a whole file rather than its shards."""
    known = [name for name in names if _depth(name) == 0 and target_of(name) is not None]
    whole = sorted(name for name in known if "-of-" not in name)
    if known:
        return whole or sorted(known)
    others = [name for name in names if _depth(name) == 0 and name.endswith(ENDINGS)]
    return others if len(others) == 1 else []


def has_text_side(config: dict[str, Any]) -> bool:
    """Tell by its configuration whether a model reads texts."""
    return any(name in config for name in ("text_config", "text_config_dict", "model_cfg", "vocab_size"))


def lacks_text(folder: Path) -> bool:
    """Tell whether a folder has no whole tokenizer."""
    there = {path.name for path in folder.iterdir()}
    whole = any(there.issuperset(files) for files in _TOKENIZERS)
    return not whole or not there.intersection({"tokenizer_config.json", "open_clip_config.json"})


def lacks_processor(folder: Path, config: dict[str, Any]) -> bool:
    """Tell whether a folder does not say how pictures are prepared. timm says it in its configuration."""
    if "pretrained_cfg" in config:
        return False
    names = ("preprocessor_config.json", "processor_config.json", "open_clip_config.json")
    return not any((folder / name).is_file() for name in names)


def _is_small(name: str) -> bool:
    base = name.rpartition("/")[2]
    return base.endswith(_SMALL) or (base.startswith(_BEGINNINGS) and not base.endswith((*ENDINGS, ".safetensors")))


def _depth(name: str) -> int:
    return name.count("/")
