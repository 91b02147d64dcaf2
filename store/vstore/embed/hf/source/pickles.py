"""Pickled weights: never opened, as reading one may run any program."""

from __future__ import annotations

import shlex
from pathlib import Path

from vstore.errors import ModelError

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


def refuse_pickles(path: Path, wanted: str, *, has_weights: bool) -> None:
    """Refuse weights that are only there as pickles. They are never opened: reading them may run any code."""
    if has_weights:
        return
    found = sorted({file.name for pattern in _PICKLES for file in path.glob(pattern)} - {"training_args.bin"})
    if not found:
        raise ModelError(f"{path} holds no weights: there is no {wanted}", "copy or download the model again")
    raise ModelError(
        f"{path} has its weights only as pickles ({', '.join(found[:5])}), which may run any program when they are "
        "read; vstore reads only safetensors",
        f"if you trust them, convert them once: {conversion(path, found, wanted)}",
    )


def conversion(path: Path, names: list[str], wanted: str) -> str:
    """Write the command that turns pickled weights into safetensors; torch's reader for bare weights runs no code."""
    code = (
        "import sys,torch;from safetensors.torch import save_file;t={};"
        "[t.update(torch.load(f,map_location='cpu',weights_only=True)) for f in sys.argv[2:]];"
        "save_file({k:v.clone().contiguous() for k,v in t.items()},sys.argv[1],{'format':'pt'})"
    )
    words = ["python", "-c", code, str(path / wanted), *(str(path / name) for name in names)]
    return " ".join(shlex.quote(word) for word in words)
