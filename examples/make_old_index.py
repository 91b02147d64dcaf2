"""Makes what a script of old would have left of a folder of pictures: old.faiss, old.npy and old.json, in one order.

python examples/make_old_index.py PICTURES OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import faiss
import numpy as np

from vstore.embed.builtin import BuiltinEmbedder
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation


def main() -> None:
    pictures, out = Path(sys.argv[1]), Path(sys.argv[2])
    files = sorted(path for path in pictures.rglob("*") if path.is_file())
    prepared = [prepare(path.read_bytes(), Preparation())[0] for path in files]
    rows = BuiltinEmbedder().embed_images(prepared)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    out.mkdir(parents=True, exist_ok=True)
    faiss.write_index(index, str(out / "old.faiss"))
    np.save(out / "old.npy", rows.astype(np.float16))
    paths = [f"../o00_images/{path.relative_to(pictures)}" for path in files]
    (out / "old.json").write_text(json.dumps(paths))


if __name__ == "__main__":
    main()
