"""peft's layers in a model: put in, filled with the adapter's weights, merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.hf.adapters import patterns
from vstore.embed.hf.adapters.counted import of_its_weights
from vstore.packages import PEFT

if TYPE_CHECKING:
    import torch

    from vstore.embed.hf.adapters.keys import Key

_NAME = "default"  # of the adapter in peft's layers


def put_in(model: Any, config: Any, modules: list[str], numbers: patterns.Ranks) -> None:
    """Let peft put its layers around exactly these modules.

    config:  the adapter's own; its targets and patterns are replaced.
    numbers: the ranks and alphas that differ from the configuration's.
    Raises:  LookupError if peft took other modules; whatever peft raises.
    """
    peft = PEFT.load()
    config.base_model_name_or_path = None  # a path of the machine that trained it; peft would only look for it
    config.target_modules = patterns.exact(modules)
    for word in ("exclude_modules", "modules_to_save", "layers_to_transform", "layers_pattern"):
        if hasattr(config, word):
            setattr(config, word, None)
    for word, values in (("rank_pattern", numbers.rank), ("alpha_pattern", numbers.alpha)):
        if hasattr(config, word):
            setattr(config, word, {patterns.exact_entry(name): value for name, value in values.items()})
    peft.inject_adapter_in_model(config, model, _NAME)
    taken = {name for name, _ in _layers(model)}
    if taken != set(modules):
        odd = sorted(taken ^ set(modules))
        raise LookupError(f"peft cannot take {len(odd)} of its modules ({', '.join(odd[:3])})")


def fill(model: Any, layers: dict[str, dict[Key, torch.Tensor]]) -> None:
    """Give the layers the adapter's weights, as fp32. Raises: LookupError unless each weight lands."""
    import torch

    lost, odd, wrong = [], [], []
    for name, layer in _layers(model):
        places = {place: value for place, value in layer.named_parameters() if _is_own(place)}
        for key, value in layers[name].items():
            place = _place(key, places)
            if place is None:
                odd.append(f"{key.module}.{key.part}")
                continue
            own = places.pop(place)
            if own.shape != value.shape:
                wrong.append(f"{key.module}.{key.part}: {tuple(value.shape)} instead of {tuple(own.shape)}")
            else:
                own.data = value.to(torch.float32)
        lost += [f"{name}.{place.replace(f'.{_NAME}', '')}" for place in places]
    for names, one, several in (
        (lost, "is missing", "are missing"),
        (odd, "has no place in it", "have no place in it"),
        (wrong, "has the wrong shape", "have the wrong shape"),
    ):
        if names:
            raise LookupError(of_its_weights(names, one, several))


def merge(model: Any) -> None:
    """Merge the layers into the base's weights, and remove them.

    Each layer is merged in fp32 and cast to the dtype of its base: the same numbers as with the whole model in fp32, in
    half of the memory.
    """
    for name, layer in _layers(model):
        dtype = next(layer.get_base_layer().parameters()).dtype
        layer.float().merge(safe_merge=True)
        model.set_submodule(name, layer.get_base_layer().to(dtype))


def _layers(model: Any) -> list[tuple[str, Any]]:
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [(name, layer) for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)]


def _is_own(place: str) -> bool:
    """Tell whether a parameter of a layer is the adapter's, not the base's."""
    return f".{_NAME}" in place and not place.startswith("base_layer.")


def _place(key: Key, places: dict[str, Any]) -> str | None:
    """Find the parameter of a key: `lora_A.default.weight`, or `lora_embedding_A.default`."""
    bare = f"{key.part}.{_NAME}"
    for place in (f"{bare}.{key.tensor or 'weight'}", bare):
        if place in places:
            return place
    return None
