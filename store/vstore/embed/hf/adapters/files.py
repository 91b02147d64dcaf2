"""The files of an adapter, read: its configuration as peft has it, its weights by their keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from vstore.counts import some
from vstore.embed.faults import reason
from vstore.embed.hf.adapters.keys import Key, read_keys
from vstore.embed.hf.adapters.kinds import KINDS
from vstore.embed.hf.adapters.misfit import unfit
from vstore.embed.hf.source.model_folder import ModelFolder
from vstore.errors import ModelError
from vstore.packages import PEFT

if TYPE_CHECKING:
    import torch


def read_configuration(folder: ModelFolder, note: Callable[[str], None]) -> Any:
    """Make peft's configuration of an adapter. What it does not know it leaves out.

    note:   receives a line for what is left out.
    Raises: ModelError.
    """
    peft = PEFT.load()
    kind = peft.PEFT_TYPE_TO_CONFIG_MAPPING[folder.config["peft_type"]]
    known = {field.name for field in fields(kind)}
    odd = [
        f"{name}: {json.dumps(value)}"
        for name, value in folder.config.items()
        if value and name not in known and name != "runtime_config"
    ]
    if odd:
        note(
            f"warning: the adapter_config.json of {folder.name} has fields that peft {peft.__version__} does not know, "
            f"and that are left out ({some(odd)}): if the adapter was trained with a newer peft, install that one"
        )
    try:
        return kind(**{name: value for name, value in folder.config.items() if name in known - {"runtime_config"}})
    except Exception as err:
        raise ModelError(
            f"peft {peft.__version__} cannot use the adapter_config.json of the adapter {folder.name}: {reason(err)}",
            "correct it, as the adapter was trained; or, if it was trained with a newer peft, install that one",
        ) from err


def read_weights(folder: ModelFolder) -> dict[Key, torch.Tensor]:
    """Read the weights of an adapter. Raises: ModelError if they cannot be those of a trained one."""
    from safetensors.torch import load_file

    try:
        weights = load_file(folder.path / "adapter_model.safetensors")
    except Exception as err:
        raise ModelError(
            f"the weights of the adapter {folder.name} cannot be read: {reason(err)}", "copy or download it again"
        ) from err
    try:
        keys = read_keys(weights)
    except ValueError as err:
        raise unfit(folder, str(err)) from err
    if not weights:
        raise ModelError(f"the weight file of the adapter {folder.name} is empty", "copy or download it again")
    hollow = [name for name, value in weights.items() if not value.numel()]
    if hollow:
        raise ModelError(
            f"the adapter {folder.name} has empty weights ({some(hollow)}): DeepSpeed's ZeRO-3 saves such where the "
            "parts of the machines were not gathered",
            "save it again with stage3_gather_16bit_weights_on_model_save, or make the weights of that checkpoint by "
            "DeepSpeed's zero_to_fp32.py",
        )
    sick = [name for name, value in weights.items() if not value.isfinite().all()]
    if sick:
        raise ModelError(
            f"the adapter {folder.name} has weights that are not finite ({some(sick)})",
            "its training diverged, or the file is damaged: take an earlier checkpoint, or copy it again",
        )
    kind = str(folder.config["peft_type"])
    odd = sorted({key.part for key in keys.values() if key.part and not key.part.startswith(KINDS[kind])})
    if odd:
        raise unfit(folder, f"its configuration says {kind}, and its weights have other parts ({some(odd)})")
    return {keys[name]: value for name, value in weights.items()}
