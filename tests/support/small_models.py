"""Small models with random weights for the pages of docs/ that need one: they show commands, not accuracy.

python tests/support/small_models.py KIND FOLDER [--adapter FOLDER]...
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ["HF_HUB_OFFLINE"] = "1"
logging.disable(logging.WARNING)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", help="clip, qwen2_vl or another name of the zoo")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--adapter", type=Path, action="append", default=[], help="a LoRA adapter, other at each place")
    options = parser.parse_args()
    import transformers
    from support.adapters import save_adapter
    from support.zoo import MAKERS

    transformers.logging.disable_progress_bar()
    if not options.folder.exists():
        options.folder.parent.mkdir(parents=True, exist_ok=True)
        MAKERS[options.kind](options.folder)
    for number, folder in enumerate(options.adapter, 1):
        folder.parent.mkdir(parents=True, exist_ok=True)
        save_adapter(folder, options.folder, ["q_proj", "v_proj"], cls=transformers.AutoModel, strength=0.3 * number)


if __name__ == "__main__":
    main()
