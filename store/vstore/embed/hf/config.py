"""The effective configuration of a model: what its config.json says, and the defaults of its class for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.embed.faults import reason
from vstore.errors import ModelError

if TYPE_CHECKING:
    from vstore.embed.hf.source.model_folder import ModelFolder


def effective_config(folder: ModelFolder) -> Any:
    """Read the configuration of a model as transformers does. Raises: ModelError if it is not valid."""
    from vstore.embed.hf.libraries import libraries, quiet

    _, transformers = libraries()
    try:
        with quiet():
            return transformers.AutoConfig.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except Exception as err:
        raise ModelError(
            f"the configuration of {folder.name} is not valid: {reason(err)}", "copy or download the model again"
        ) from err


def side_of(config: Any) -> int | None:
    """Find the side of the squares that a picture tower takes, in pixels; None if it takes others, too."""
    side = getattr(config, "image_size", None)
    # The positions of a native AIMv2 are computed for each size, and SigLIP 2 NaFlex has no size.
    takes_any = getattr(config, "is_native", False) or hasattr(config, "num_patches")
    return side if isinstance(side, int) and not takes_any else None
