"""Puts an adapter into a model, merged: every weight lands, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.counts import some
from vstore.embed.faults import DOCTOR, reason
from vstore.embed.hf.adapters import patterns
from vstore.embed.hf.adapters.counted import of_its_weights
from vstore.embed.hf.adapters.files import read_configuration, read_weights
from vstore.embed.hf.adapters.inconsistent import Inconsistent
from vstore.embed.hf.adapters.keys import Key
from vstore.embed.hf.adapters.layers import fill, merge, put_in
from vstore.embed.hf.adapters.misfit import of_an_unknown_tower, unfit
from vstore.embed.hf.adapters.naming import Naming, TwoTowers, find_naming, is_head
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.errors import ModelError
from vstore.packages import PEFT

if TYPE_CHECKING:
    import torch

    Tensors = dict[Key, torch.Tensor]

# Parts of an adapter whose size along an axis is its rank.
_RANK_AXES = {"lora_A": 0, "lora_embedding_A": 0, "hada_w1_b": 0, "hada_w2_b": 0}

_EMBEDDINGS = ("embed_tokens", "lm_head")  # peft saves these of its own accord beside an adapter of theirs


class _Parts(NamedTuple):
    """The weights of an adapter, by what is done with them.

    layers: module of the model -> its parts.
    saved:  parameter of the model -> its value after training.
    """

    layers: dict[str, Tensors]
    saved: dict[str, torch.Tensor]


def apply(model: Any, folder: ModelFolder, note: Callable[[str], None] = lambda text: None) -> None:
    """Put an adapter into a model and merge it: in fp32, then cast to the dtype of each layer.

    model:  of the bare class, as transformers loaded it.
    note:   receives a line for renamed modules, and for weights that have no part in the vector.
    Raises: ModelError if any weight does not land where it belongs.
    """
    config = read_configuration(folder, note)
    weights = read_weights(folder)
    try:
        used, heads = _without_heads(model, weights)
        naming = _naming(model, folder, config, used)
        used, inner = _without_inner(model, naming, used)
        parts = _sorted(model, naming, used)
        _refuse_missing(_missing(model, naming, config, weights, trained_class=_trained_class(folder)))
        numbers = patterns.ranks(folder.config, _names(naming, weights))
        _refuse_other_ranks(config, parts.layers, numbers.rank)
    except Inconsistent as err:
        raise ModelError(f"the adapter {folder.name} contradicts itself: {err.message}", err.next_step) from err
    except TwoTowers as err:
        raise of_an_unknown_tower(model, folder, str(err)) from err
    except LookupError as err:
        raise unfit(folder, str(err.args[0])) from err
    more = _unasked(config, used)
    if more:
        note(
            f"warning: the adapter has weights for {some(more)}, which its adapter_config.json does not name in "
            "target_modules or modules_to_save: they are taken, and peft by itself leaves them out; if two runs wrote "
            "into that folder, name another checkpoint"
        )
    renamed = naming.applied(key.module for key in used)
    if renamed:
        note("adapter: modules renamed: " + ", ".join(f"{old} -> {new}" for old, new in renamed))
    if heads or inner:
        note(f"adapter: {some([*heads, *inner])} left out: no part of the vector")
    for name, value in parts.saved.items():
        _replace(model, name, value)
    if parts.layers:
        _put_in(model, folder, config, parts.layers, naming, numbers)
        merge(model)


def _without_heads(model: Any, weights: Tensors) -> tuple[Tensors, list[str]]:
    """Leave out what stands behind the vector. Returns: the rest, and the modules that were left out."""
    there = {name for name, _ in model.named_modules()}
    kind = model.config.model_type
    heads = {key.module for key in weights if is_head(kind, key.module) and key.module not in there}
    return _without(heads, weights), sorted(heads)


def _without_inner(model: Any, naming: Naming, weights: Tensors) -> tuple[Tensors, list[str]]:
    """Leave out projections inside torch's own attention, which reads their weights past any adapter, in training too.

    Returns: the rest, and the modules that were left out.
    """
    there = dict(model.named_modules())
    inner = set()
    for key in weights:
        parent = there.get((naming.in_model(key.module) or "").rpartition(".")[0])
        if key.part and type(parent).__name__ == "MultiheadAttention":
            inner.add(key.module)
    return _without(inner, weights), sorted(inner)


def _without(modules: set[str], weights: Tensors) -> Tensors:
    left = {key: value for key, value in weights.items() if key.module not in modules}
    if not left:
        raise LookupError(
            f"all of its weights are of modules that have no part in the vector ({some(sorted(modules))})"
        )
    return left


def _naming(model: Any, folder: ModelFolder, config: Any, weights: Tensors) -> Naming:
    there = dict(model.named_modules())
    trained_class = _trained_class(folder)

    def fits(naming: Naming) -> bool:
        for key, value in weights.items():
            base = getattr(there.get(naming.in_model(key.module) or ""), "weight", None)
            if base is not None and base.ndim == 2:
                if key.part == "lora_A" and value.shape[-1] != base.shape[1]:
                    return False
                if key.part == "lora_B" and key.tensor == "weight" and value.shape[0] != base.shape[0]:
                    return False
        return True

    def is_whole(naming: Naming) -> bool:
        return not _missing(model, naming, config, weights, trained_class=trained_class)

    return find_naming(
        {key.module for key in weights},
        there,
        model_type=model.config.model_type,
        prefix=str(getattr(model, "base_model_prefix", "")),
        trained_class=trained_class,
        evidence=(fits, is_whole),
    )


def _trained_class(folder: ModelFolder) -> str:
    """Find the class that an adapter was trained on; empty where peft did not write it."""
    said = folder.config.get("auto_mapping")
    return str(said.get("base_model_class") or "") if isinstance(said, dict) else ""


def _sorted(model: Any, naming: Naming, weights: Tensors) -> _Parts:
    """Sort the weights by what is done with them. Raises: LookupError if a tensor has no place, or another shape."""
    parts = _Parts({}, {})
    there = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for key, value in weights.items():
        module = naming.in_model(key.module)
        assert module is not None
        if key.part:
            parts.layers.setdefault(module, {})[key] = value
            continue
        name = f"{module}.{key.tensor}" if module else key.tensor
        if name not in there:
            raise LookupError(f"1 of its weights has no place in it ({key.module}.{key.tensor})")
        if there[name].shape != value.shape:
            shapes = f"{tuple(value.shape)} instead of {tuple(there[name].shape)}"
            grown = "; its vocabulary was changed in training, and the base's was not" if "embed" in name else ""
            raise LookupError(f"1 of its weights has the wrong shape ({key.module}.{key.tensor}: {shapes}{grown})")
        parts.saved[name] = value
    return parts


def _missing(model: Any, naming: Naming, config: Any, weights: Tensors, *, trained_class: str) -> list[str]:
    """List what the configuration asks for and the weights lack, by the trained names."""
    import torch
    from peft.tuners.tuners_utils import check_target_module_exists

    there = dict(model.named_modules())
    have = {key.module for key in weights}
    # Some trainers pass over the other classes that a target matches: a convolution, the projection of an attention.
    layers = {torch.nn.Linear, torch.nn.Embedding}
    layers |= {type(there[name]) for module in have if (name := naming.in_model(module)) in there}
    # A tower that was trained alone has no weights for the other one; nor does it say so in each case.
    is_tower = not trained_class or "Vision" in trained_class or "Text" in trained_class
    parts = {(naming.in_model(module) or "").partition(".")[0] for module in have}
    lost = []
    for name, module in there.items():
        trained = naming.as_trained(name)
        if type(module) not in layers or next(module.children(), None) is not None or trained is None:
            continue
        if trained in have or (is_tower and name.partition(".")[0] not in parts):
            continue
        if config.target_modules == "all-linear":
            if isinstance(module, torch.nn.Linear) and not is_head(model.config.model_type, trained):
                lost.append(trained)
        elif config.target_modules and _is_true(check_target_module_exists(config, trained)):
            lost.append(trained)
    entries = list(config.modules_to_save or ())
    saved = [key for key in weights if not key.part]
    lost += [entry for entry in entries if not any(patterns.is_saved([entry], key.module) for key in saved)]
    for trained in {key.module for key in saved if patterns.is_saved(entries, key.module)}:
        base = there.get(naming.in_model(trained) or "")
        whole = {name for name, _ in base.named_parameters(recurse=False)} if base is not None else set()
        lost += [f"{trained}.{name}" for name in whole if Key(trained, "", name) not in weights]
    return sorted(lost)


def _unasked(config: Any, weights: Tensors) -> list[str]:
    """List what the weights hold and the configuration does not ask for, by the trained names."""
    from peft.tuners.tuners_utils import check_target_module_exists

    targets = config.target_modules
    says = bool(targets) and targets != "all-linear" and not getattr(config, "ensure_weight_tying", False)
    entries, bias = list(config.modules_to_save or ()), getattr(config, "bias", "none")
    found = set()
    for key in weights:
        if key.part:
            if says and not _is_true(check_target_module_exists(config, key.module)):
                found.add(key.module)
        elif key.tensor == "bias" and bias not in (None, "none"):
            continue
        elif not patterns.is_saved(entries, key.module) and not key.module.endswith(_EMBEDDINGS):
            found.add(f"{key.module}.{key.tensor}")
    return sorted(found)


def _refuse_missing(lost: list[str]) -> None:
    if lost:
        raise LookupError(of_its_weights(lost, "is missing", "are missing"))


def _refuse_other_ranks(config: Any, layers: dict[str, Tensors], ranks: dict[str, int]) -> None:
    """Raises: Inconsistent if the weights have another rank than the configuration says: peft would first make that."""
    for module, tensors in layers.items():
        for key, value in tensors.items():
            axis = _RANK_AXES.get(key.part)
            said = ranks.get(module, getattr(config, "r", None))
            if axis is not None and said is not None and value.shape[axis] != said:
                raise Inconsistent(
                    f"its adapter_config.json says a rank of {said} for {key.module}, and its weights have "
                    f"{value.shape[axis]}",
                    "copy adapter_config.json and adapter_model.safetensors again, both from one folder of its trainer",
                )


def _is_true(found: Any) -> bool:
    """Tell whether peft targets a module: it answers with a match, a boolean, or an object for what it excludes."""
    return bool(found) and type(found).__name__ != "_ExcludedModule"


def _names(naming: Naming, weights: Tensors) -> dict[str, str]:
    """Name each adapted module as it was trained: a pattern is written for those names, and peft knows no others.

    Heads are among them: an entry that only they match is no mistake.
    """
    return {naming.in_model(key.module) or key.module: key.module for key in weights if key.part}


def _put_in(
    model: Any,
    folder: ModelFolder,
    config: Any,
    layers: dict[str, Tensors],
    naming: Naming,
    numbers: patterns.Ranks,
) -> None:
    peft = PEFT.load()
    whole = config.target_modules
    feedforward = getattr(config, "feedforward_modules", None)
    if feedforward:
        from peft.tuners.ia3.model import IA3Model

        config.feedforward_modules = patterns.exact(
            name
            for name in layers
            if IA3Model._check_target_module_feedforward(config, naming.as_trained(name) or name)
        )
    try:
        put_in(model, config, list(layers), numbers)
        fill(model, layers)
    except LookupError as err:
        raise unfit(folder, str(err.args[0])) from err
    except (ValueError, RuntimeError, KeyError) as err:  # for modules of unknown classes, and other versions' options
        raise unfit(folder, reason(err)) from err
    except Exception as err:
        raise ModelError(
            f"peft {peft.__version__} cannot put the adapter {folder.name} into the model "
            f"({type(err).__name__}: {reason(err)}); it targets {whole!r}",
            DOCTOR,
        ) from err


def _replace(model: Any, name: str, value: torch.Tensor) -> None:
    """Give a parameter or a buffer its value after training."""
    import torch

    place: Any = model
    *path, last = name.split(".")
    for part in path:
        place = getattr(place, part)
    old = getattr(place, last)
    with torch.no_grad():
        old.copy_(value)
