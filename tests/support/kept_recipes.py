"""Models whose recipes are kept: their folders without weights' numbers, and the recipes that vstore made of them.

PYTHONPATH=tests:store python -m support.kept_recipes    adds what is missing to tests/models/data/recipes.json
"""

from __future__ import annotations

import json
import math
import struct
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).parents[1] / "models/data"
FOLDERS, RECIPES = DATA / "folders.json", DATA / "recipes.json"
_WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
_BYTES = {"F32": 4, "F16": 2, "BF16": 2, "I64": 8}


class Case(NamedTuple):
    """A model as it is named.

    model, adapter: names in folders.json.
    words:          more words; without `prepare`, preparation 1.
    """

    model: str
    adapter: str | None
    words: dict[str, Any]

    @property
    def name(self) -> str:
        more = [f"{name}={value}" for name, value in self.words.items()]
        return " ".join([self.model, *([self.adapter] if self.adapter else []), *more])


_MODELS = ("clip", "metaclip_2", "siglip", "naflex", "dinov2", "dinov2_with_registers", "dinov3", "vit")
_QWEN = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
ADAPTERS = [
    *((name, "lora") for name in (*_MODELS, *_QWEN)),
    ("clip", "rslora"),
    ("clip", "dora"),
    ("qwen2_vl", "dora"),
]
CASES = [
    *(Case(name, None, {}) for name in (*_MODELS, *_QWEN)),
    *(Case(base, f"{base}-{kind}", {}) for base, kind in ADAPTERS),
    Case("clip", None, {"max_side": 256}),
    Case("dinov2", None, {"pooling": "mean"}),
    *(Case("qwen2_vl", None, {"pooling": pooling}) for pooling in ("mean", "last-column", "last-column-v4")),
    *(Case(name, None, {"prompt": "Describe this image."}) for name in _QWEN),
    Case("qwen2_vl", "qwen2_vl-lora", {"prompt": "<|vision_start|><|image_pad|><|vision_end|>one word:"}),
    *(Case(name, None, {"prepare": 2}) for name in (*_MODELS, *_QWEN)),
    Case("clip", None, {"prepare": 2, "max_side": 256, "colour": "ignore"}),
]


def written(top: Path) -> Iterator[Case]:
    """Write the kept folders below a folder, every number of their weights 0, and yield the cases."""
    for name, files in json.loads(FOLDERS.read_text()).items():
        (top / name).mkdir()
        for file, content in files.items():
            if file in _WEIGHTS:
                (top / name / file).write_bytes(zeros(content))
            else:
                (top / name / file).write_text(content)
    yield from CASES


def recipe_in(top: Path, case: Case, known: Sequence[str] = ()) -> dict[str, Any]:
    """known: ids of spaces in the store."""
    from vstore.embed.hf.description import describe
    from vstore.embed.hf.digests import Digests
    from vstore.embed.model_words import Words

    adapter = str(top / case.adapter) if case.adapter else None
    words = Words(str(top / case.model), adapter, **{"prepare": 1, **case.words})
    return describe(words, Digests(), known=known)[0]


def zeros(tensors: dict[str, list[Any]]) -> bytes:
    """A safetensors file of zeros. tensors: name -> [dtype, shape]. The same bytes whatever writes such files."""
    header: dict[str, Any] = {}
    end = 0
    for name, (dtype, shape) in tensors.items():
        begin, end = end, end + _BYTES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(end)


def _described(folder: Path) -> dict[str, Any]:
    """The files of a model's folder as folders.json has them."""
    found: dict[str, Any] = {}
    for path in sorted(folder.iterdir()):
        if path.name in _WEIGHTS:
            data = path.read_bytes()
            header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
            found[path.name] = {k: [v["dtype"], v["shape"]] for k, v in sorted(header.items()) if k != "__metadata__"}
        elif path.suffix in (".json", ".txt", ".jinja"):
            found[path.name] = path.read_text()
    if "adapter_config.json" in found:
        # The path of the machine that made it is no part of a recipe, and differs.
        found["adapter_config.json"] = json.dumps(
            {**json.loads(found["adapter_config.json"]), "base_model_name_or_path": "base"}, indent=1
        )
    return found


def main() -> None:
    from support.zoo import Zoo

    DATA.mkdir(exist_ok=True)
    folders = json.loads(FOLDERS.read_text()) if FOLDERS.exists() else {}
    recipes = json.loads(RECIPES.read_text()) if RECIPES.exists() else {}
    with tempfile.TemporaryDirectory() as below:
        zoo = Zoo(Path(below))
        for base, kind in [*((case.model, None) for case in CASES), *ADAPTERS]:
            name = f"{base}-{kind}" if kind else base
            if name not in folders:
                folders[name] = _described(zoo.adapter(base, kind) if kind else zoo[base])
    FOLDERS.write_text(json.dumps(folders, indent=0, sort_keys=True) + "\n")
    with tempfile.TemporaryDirectory() as below:
        for case in written(Path(below)):
            recipes.setdefault(case.name, recipe_in(Path(below), case))
    RECIPES.write_text(json.dumps(recipes, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
