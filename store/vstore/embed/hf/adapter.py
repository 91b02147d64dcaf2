"""Adapters that cannot fail silently: every key lands, renames are reported, the effect is proved, merging is fp32."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from vstore.embed.faults import DOCTOR, reason
from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.errors import ModelError
from vstore.packages import PEFT

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats

# Words of adapter_config.json that say nothing about the vectors: its origin and its training.
_IDLE = frozenset(
    ["base_model_name_or_path", "revision", "peft_version", "inference_mode", "auto_mapping", "task_type"]
) | frozenset(["lora_dropout", "megatron_core", "runtime_config"])
# Training overwrites these initial values of the adapter's own weights; other initialisations change the base too.
_PLAIN_BEGINNINGS = (True, False, "gaussian", "orthogonal")
# Other things that peft calls LoRA: they cannot be merged into a base, or are not proved to give the right vectors.
_OTHER_KINDS = (
    *("alora_invocation_tokens", "arrow_config", "use_qalora", "use_bdlora", "velora_config", "kasa_config"),
    *("monteclora_config", "layer_replication", "target_parameters", "trainable_token_indices", "megatron_config"),
)
# Modules that transformers 5 renamed, by model type: older adapters have the old names.
RENAMED: dict[str, dict[str, str]] = {
    name: {
        "query": "q_proj",
        "key": "k_proj",
        "value": "v_proj",
        "attention.query": "attention.q_proj",
        "attention.key": "attention.k_proj",
        "attention.value": "attention.v_proj",
    }
    for name in ("dinov2", "dinov2_with_registers", "vit")
}
_TAKEN = "vstore supports LoRA, rsLoRA and DoRA; merge any other adapter into its base and name the result with --model"
NO_EFFECT = 0.9999  # least cosine between adapter on and off that counts as no change


def describe(folder: ModelFolder, digests: Digests) -> dict[str, Any]:
    """Describe an adapter for the recipe: its weights' digest, the words of its configuration that count, its merging.

    Raises: ModelError if it is not a supported LoRA.
    """
    kind = folder.config.get("peft_type")
    if kind != "LORA":
        raise ModelError(f"the adapter {folder.name} is of the type {kind}, which vstore does not support", _TAKEN)
    odd = [name for name in _OTHER_KINDS if folder.config.get(name)]
    if odd:
        raise ModelError(f"the adapter {folder.name} is an unsupported kind of LoRA ({', '.join(odd)})", _TAKEN)
    config = {
        name: sorted(value) if name in ("target_modules", "modules_to_save") and isinstance(value, list) else value
        for name, value in folder.config.items()
        if name not in _IDLE and value not in (None, False, {}, [])
    }
    if config.get("init_lora_weights") in _PLAIN_BEGINNINGS:
        del config["init_lora_weights"]
    return {
        "weights": [digests.of(folder.path / "adapter_model.safetensors")],
        "config": config,
        "merge": "merged in fp32, then cast",
    }


def renames(folder: ModelFolder, model_type: str, modules: list[str]) -> dict[str, str]:
    """Find target modules that this version of transformers has renamed: old name -> new name."""
    targets = folder.config.get("target_modules")
    if not isinstance(targets, list):
        return {}
    there = {name.rpartition(".")[2] for name in modules}
    table = RENAMED.get(model_type, {})
    return {old: table[old] for old in targets if old in table and old.rpartition(".")[2] not in there}


def apply(model: Any, folder: ModelFolder, note: Callable[[str], None] = lambda text: None) -> None:
    """Put an adapter into a model, unmerged.

    note:   receives a line for the renamed modules.
    Raises: ModelError if any weight does not land where it belongs.
    """
    peft = PEFT.load()
    import torch
    from safetensors.torch import load_file

    try:
        weights = load_file(folder.path / "adapter_model.safetensors")
    except Exception as err:
        raise ModelError(
            f"the weights of the adapter {folder.name} cannot be read: {reason(err)}", "copy or download it again"
        ) from err
    try:
        config = peft.PeftConfig.from_pretrained(str(folder.path))
    except Exception as err:
        raise ModelError(
            f"peft {peft.__version__} cannot use the adapter_config.json of {folder.name}: {reason(err)}",
            f"compare it with the adapter's own, or {DOCTOR}",
        ) from err
    # transformers 5.23 looks for the magnitudes of DoRA under another name than peft writes, and leaves them as new.
    weights = {re.sub(r"lora_magnitude_vector$", "lora_magnitude_vector.weight", k): v for k, v in weights.items()}
    # A path of the machine that trained it; peft would only look for it.
    config.base_model_name_or_path = None
    moved = renames(folder, model.config.model_type, [name for name, _ in model.named_modules()])
    if moved:
        config.target_modules = {moved.get(name, name) for name in config.target_modules}
        note("adapter: target modules renamed: " + ", ".join(f"{old} -> {new}" for old, new in moved.items()))
    try:
        # The adapter's own numbers as they are in its file, whatever the base's dtype: they are merged in fp32.
        info = model.load_adapter(peft_config=config, adapter_state_dict=weights, dtype_plan={"lora_": torch.float32})
    except (ValueError, RuntimeError, KeyError) as err:  # for modules and shapes that differ
        raise _unfit(folder, reason(err)) from err
    except Exception as err:
        raise ModelError(
            f"the adapter {folder.name} cannot be put into the model: {type(err).__name__}: {reason(err)}", DOCTOR
        ) from err
    _refuse_partial(folder, info)


def _refuse_partial(folder: ModelFolder, info: Any) -> None:
    """Raises: ModelError unless transformers reports that every weight has landed."""
    for what, keys in (
        ("are missing", info.missing_keys),
        ("have no place in it", info.unexpected_keys),
        ("have the wrong shape", info.mismatched_keys),
    ):
        if keys:
            some = ", ".join(sorted(str(key) for key in keys)[:3])
            raise _unfit(folder, f"{len(keys)} of its weights {what} ({some})")
    if info.error_msgs or info.conversion_errors:
        raise _unfit(folder, " ".join([*info.error_msgs, *map(str, info.conversion_errors)])[:300])


@contextmanager
def switched_off(model: Any) -> Iterator[None]:
    """Run a model without its adapter meanwhile.

    Each of peft's layers is switched. transformers' own switch demands newer versions of peft than are published, and
    it leaves modules that were trained whole (modules_to_save) switched off.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    layers = [layer for layer in model.modules() if isinstance(layer, (BaseTunerLayer, AuxiliaryTrainingWrapper))]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def merge(model: Any) -> None:
    """Merge the adapter's weights into the base's, and remove its layers.

    Each layer is merged in fp32 and cast to the dtype of its base: the same numbers as with the whole model in fp32, in
    half of the memory.
    """
    import torch
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, BaseTunerLayer)]
    for name, layer in layers:
        coarse = [key for key, value in layer.named_parameters() if "lora_" in key and value.dtype != torch.float32]
        if coarse:
            raise ModelError(
                f"the weights of the adapter should be loaded as fp32, but {name}.{coarse[0]} is not",
                "this version of transformers ignores the dtype: see vstore doctor",
            )
        dtype = next(layer.get_base_layer().parameters()).dtype
        layer.float().merge(safe_merge=True)
        model.set_submodule(name, layer.get_base_layer().to(dtype))


def has_effect(on: Floats, off: Floats) -> bool:
    """Tell whether an adapter changes vectors. on, off: rows of norm 1 with it and without it."""
    import numpy as np

    return bool(np.sum(on.astype(np.float64) * off, axis=1).min() <= NO_EFFECT)


def _unfit(folder: ModelFolder, why: str) -> ModelError:
    base = folder.config.get("base_model_name_or_path")
    return ModelError(
        f"the adapter {folder.name} does not fit the model: {why}",
        f"it was trained on {base!r}: name that one with --model" if base else "name the model it was trained on",
    )
