"""Uses models with adapters as a user would, by the commands of the vstore that is installed beside this Python.

Tiny random models of the real classes: init, sync, search by text and by picture, check, doctor.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
MODELS = ("clip", "qwen2_vl")


def vstore(folder: Path, *words: str | Path) -> str:
    """Run one command in a folder. Raises: SystemExit where it fails."""
    print("$ vstore", *words, flush=True)
    command = [Path(sys.executable).with_name("vstore"), *words]
    ran = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    print("\n".join(line[:200] for line in ran.stdout.splitlines()), flush=True)
    if ran.returncode:
        sys.exit(f"exit {ran.returncode}")
    return ran.stdout


def use(model: Path, adapter: Path, folder: Path) -> None:
    """Make a store of a model, and search it."""
    shutil.copytree(TOP / "examples" / "pictures", folder / "pictures")
    pictures = sum(path.is_file() for path in (folder / "pictures").rglob("*.*"))
    vstore(folder, "init", "--model", model, "--adapter", adapter, "--device", "cpu")
    assert json.loads(vstore(folder, "sync", "pictures", "--json"))["embedded"] == pictures
    assert len(json.loads(vstore(folder, "search", "a red car", "-k", "3", "--json"))["hits"]) == 3
    picture = "pictures/landscapes/sunset-1.jpg"
    (best,) = json.loads(vstore(folder, "search", f"./{picture}", "-k", "1", "--json"))["hits"]
    assert picture in json.dumps(best), best
    vstore(folder, "check", "--read-data", "--reembed", "4")
    vstore(folder, "doctor")


def main() -> None:
    sys.path.insert(0, str(TOP / "tests"))
    from support.zoo import Zoo

    with tempfile.TemporaryDirectory() as top:
        zoo = Zoo(Path(top))
        for name in MODELS:
            with (
                warnings.catch_warnings(),
                contextlib.redirect_stderr(io.StringIO()),
            ):  # bars, and quarrels of libraries
                warnings.simplefilter("ignore")
                model, adapter = zoo[name], zoo.adapter(name)
            (Path(top) / f"use-{name}").mkdir()
            use(model, adapter, Path(top) / f"use-{name}")
    print(f"{len(MODELS)} passed, 0 failed")


if __name__ == "__main__":
    main()
