"""The way from the names that an adapter was trained with to the modules of the bare model. Pure.

Three things differ: the class that was trained (a prefix of the full class, or a tower alone), and the age of
transformers (renamed modules). One naming holds for all of an adapter's weights.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from vstore.embed.hf.adapters.counted import of_its_weights

Renames = tuple[tuple[str, str], ...]  # old -> new, in their order; ^ is the beginning of a name

_ATTENTION: Renames = (
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
)
_QWEN: Renames = (
    ("^model.layers.", "^language_model.layers."),
    ("^model.embed_tokens", "^language_model.embed_tokens"),
    ("^model.norm", "^language_model.norm"),
)
_VIT: Renames = (
    ("^encoder.layer.", "^layers."),
    *_ATTENTION,
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
)
# Renamed modules by model type, as transformers' own conversion_mapping.py has them for whole models.
RENAMED: dict[str, Renames] = {
    "dinov2": _ATTENTION,
    "dinov2_with_registers": _ATTENTION,
    "dinov3_vit": (("^layer.", "^model.layer."),),
    **dict.fromkeys(("vit", "vit_mae", "vit_msn"), _VIT),
    "beit": _VIT,
    "swin": (
        ("attention.self.query", "attention.q_proj"),
        ("attention.self.key", "attention.k_proj"),
        ("attention.self.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
    ),
    "altclip": (("encoder.layer.", "encoder.layers."),),
    "dinov3_convnext": (("^stages.", "^model.stages."),),
    "qwen2_vl": _QWEN,
    "qwen2_5_vl": _QWEN,
}
# What full classes put in front of the bare one, by model type; `base_model_prefix` is tried for all.
_FULL = ("model.",)
# The parts of bare models that are classes of their own, too.
_TOWERS = ("vision_model.", "text_model.", "language_model.", "visual.", "vision_tower.")
# Modules of full classes behind the vector: classifiers and language heads.
_HEADS = re.compile(r"(.+\.)?(lm_head|classifier|score|cls_classifier|distillation_classifier)(\..+)?")
_HEADS_OF = {"vit": re.compile(r"(.+\.)?pooler(\..+)?"), "dinov3_vit": re.compile(r"(.+\.)?pooler(\..+)?")}


class TwoTowers(LookupError):
    """The names of an adapter that fit several towers of the model alike. Its argument: the towers, for a message."""


class Naming(NamedTuple):
    """One way of naming.

    strip:   prefix of the trained names.
    renames: renamed modules.
    add:     prefix of the model's names: the tower that was trained by itself.
    """

    strip: str
    renames: Renames
    add: str

    def in_model(self, trained: str) -> str | None:
        """Name a trained module as the model does; None if the prefix is another one."""
        if not f"{trained}.".startswith(self.strip):
            return None
        return self.add + _renamed(trained[len(self.strip) :], self.renames)

    def as_trained(self, name: str) -> str | None:
        """Name a module of the model as it was trained; None if it was no part of the trained class."""
        if not name.startswith(self.add):
            return None
        back = tuple((new, old) for old, new in reversed(self.renames))
        return self.strip + _renamed(name[len(self.add) :], back)

    def applied(self, trained: Iterable[str]) -> Renames:
        """List the renames that any of these trained modules met, without their dots and marks."""
        names = [name[len(self.strip) :] for name in trained]
        met = [pair for pair in self.renames if any(_renamed(name, (pair,)) != name for name in names)]
        return tuple((old.strip("^."), new.strip("^.")) for old, new in met)


def is_head(model_type: str, trained: str) -> bool:
    """Tell whether a trained module stands behind the vector, and has no part in it."""
    own = _HEADS_OF.get(model_type)
    return bool(_HEADS.fullmatch(trained) or (own and own.fullmatch(trained)))


def find_naming(
    trained: Collection[str],
    modules: Collection[str],
    *,
    model_type: str,
    prefix: str,
    trained_class: str = "",
    evidence: Iterable[Callable[[Naming], bool]] = (),
) -> Naming:
    """Find the naming under which each trained module is one of the model.

    trained:       names from the adapter, heads left out.
    modules:       names of the model.
    prefix:        its base_model_prefix.
    trained_class: the class that the adapter says it was trained on, if it says so.
    evidence:      tells, each a little, whether a naming is the one: asked in turn while several fit by their names.
    Raises:        LookupError, with what was not found; TwoTowers.
    """
    there = set(modules)
    best: list[str] = sorted(trained)
    for tier in _tiers(model_type, prefix, trained):
        found: dict[tuple[str | None, ...], Naming] = {}
        for naming in tier:
            names = tuple(naming.in_model(name) for name in sorted(trained))
            lost = [name for name, new in zip(sorted(trained), names, strict=True) if new not in there]
            if not lost:
                found.setdefault(names, naming)
            elif len(lost) < len(best):
                best = lost
        several = list(found.values())
        for holds in evidence:
            if len(several) > 1:
                several = [naming for naming in several if holds(naming)] or several
        if len(several) > 1:
            several = [naming for naming in several if _is_of(naming, trained_class)] or several
        if len(several) == 1:
            return several[0]
        if several:
            raise TwoTowers(" and ".join(sorted(naming.add.rstrip(".") or "the whole model" for naming in several)))
    raise LookupError(of_its_weights(best, "has no place in it", "have no place in it"))


def _tiers(model_type: str, prefix: str, trained: Iterable[str]) -> Iterator[list[Naming]]:
    """Yield groups of namings, the likeliest first: a later group counts only where no earlier one fits."""
    table = RENAMED.get(model_type, ())
    ages: list[Renames] = [(), table] if table else [()]
    full = list(dict.fromkeys(["", *_FULL, *([f"{prefix}."] if prefix else [])]))
    yield [Naming(strip, age, "") for strip in full for age in ages]
    yield [Naming(strip, age, add) for add in _TOWERS for strip in full for age in ages]
    wrappers = [strip for strip in _shared(trained) if strip not in full]
    yield [Naming(strip + inner, age, "") for strip in wrappers for inner in full for age in ages]


def _shared(names: Iterable[str]) -> list[str]:
    """List the prefixes that all names share, of whole parts without numbers: wrappers of other people's classes."""
    parts = [name.split(".") for name in names]
    found: list[str] = []
    for same in zip(*parts, strict=False):
        if len(set(same)) > 1 or same[0].isdigit():
            break
        found.append((found[-1] if found else "") + same[0] + ".")
    return found


def _is_of(naming: Naming, trained_class: str) -> bool:
    """Tell whether a class by its name is the tower of a naming."""
    tower = {"vision_model.": "Vision", "visual.": "Vision", "vision_tower.": "Vision", "text_model.": "Text"}
    return bool(trained_class) and tower.get(naming.add, "\0") in trained_class


def _renamed(name: str, renames: Renames) -> str:
    for old, new in renames:
        if old.startswith("^"):
            if f"{name}.".startswith(old[1:]):
                name = new[1:] + name[len(old) - 1 :]
        else:
            name = name.replace(old, new)
    return name
