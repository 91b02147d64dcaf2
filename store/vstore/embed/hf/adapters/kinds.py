"""The kinds of adapters that can be taken, and their description in a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vstore.embed.hf.digests import Digests
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.errors import ModelError

# The kinds whose layers peft merges, each proved against peft in the tests -> the beginning of their weights' names.
KINDS = {"LORA": "lora_", "LOHA": "hada_", "LOKR": "lokr_", "IA3": "ia3_"}
# Words of adapter_config.json that say nothing about the vectors: its origin and its training.
_IDLE = frozenset(
    ["base_model_name_or_path", "revision", "peft_version", "inference_mode", "auto_mapping", "task_type"]
) | frozenset(["lora_dropout", "megatron_core", "runtime_config"])
# Training overwrites these initial values of the adapter's own weights.
_PLAIN_BEGINNINGS = (True, False, "gaussian", "orthogonal")
# These take a part out of the base, which peft computes again from the base alone; "eva" takes none.
_EXACT_BEGINNINGS = ("pissa", "olora", "eva")
# Other things that peft calls LoRA: they cannot be merged into a base, or are not proved to give the right vectors.
_OTHER_KINDS = (
    *("alora_invocation_tokens", "arrow_config", "use_qalora", "use_bdlora", "velora_config", "kasa_config"),
    *("monteclora_config", "layer_replication", "target_parameters", "trainable_token_indices", "megatron_config"),
)
_TAKEN = (
    "vstore takes LoRA, rsLoRA, DoRA, PiSSA, LoHa, LoKr and IA3; merge any other adapter into its base "
    "(peft: merge_and_unload, save_pretrained) and name the result with --model"
)


def describe(folder: ModelFolder, digests: Digests) -> dict[str, Any]:
    """Describe an adapter for the recipe: its weights' digest, the words of its configuration that count, its merging.

    Raises: ModelError if it is of a kind that cannot be taken.
    """
    refuse_other_kinds(folder)
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


def version(config: Mapping[str, Any]) -> int:
    """Tell the version of the way from an adapter of this configuration to vectors.

    Version 1 applied patterns only where the names of the bare class matched, and its first probes lacked the modules
    that were trained whole.
    """
    return 2 if parts_of_version_2(config) else 1


def parts_of_version_2(config: Mapping[str, Any]) -> list[str]:
    """List the words of a configuration that version 1 left out, or applied in part."""
    return [word for word in ("alpha_pattern", "modules_to_save") if config.get(word)]


def leaves_base_whole(folder: ModelFolder) -> bool:
    """Tell whether the adapter brings nothing but weights of its own layers: the base's numbers are only added to."""
    plain = _beginning(folder) in (*_PLAIN_BEGINNINGS, "eva")
    return plain and folder.config.get("bias") in (None, "none")


def _beginning(folder: ModelFolder) -> Any:
    return True if (value := folder.config.get("init_lora_weights")) is None else value


def refuse_other_kinds(folder: ModelFolder) -> None:
    """Raises: ModelError for an adapter of a kind that cannot be taken."""
    kind = folder.config.get("peft_type")
    if not kind:
        raise ModelError(
            f"the adapter_config.json of the adapter {folder.name} does not say what kind of adapter it is (peft_type)",
            'if it is a LoRA, write "peft_type": "LORA" there; else copy the file from beside its weights again',
        )
    if kind not in KINDS:
        meant = kind.upper()
        raise ModelError(
            f"the adapter {folder.name} is of the type {kind}, which vstore does not support",
            f'write "peft_type": "{meant}" in its adapter_config.json, as peft does' if meant in KINDS else _TAKEN,
        )
    odd = [name for name in _OTHER_KINDS if folder.config.get(name)]
    if odd:
        raise ModelError(f"the adapter {folder.name} is an unsupported kind of LoRA ({', '.join(odd)})", _TAKEN)
    beginning = _beginning(folder)
    if kind == "LORA" and beginning not in (*_PLAIN_BEGINNINGS, *_EXACT_BEGINNINGS):
        raise ModelError(
            f"the adapter {folder.name} began with init_lora_weights={beginning!r}, which changed its base in a way "
            "that cannot be computed again",
            "let peft convert it into a plain LoRA: save_pretrained(…, path_initial_model_for_weight_conversion=…); or "
            "merge it into its base and name the result with --model",
        )
