"""What is installed here, whether it fits together, what would be used, and the fix for each trouble."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from vstore._version import __version__
from vstore.brief import briefly
from vstore.child_python import command
from vstore.errors import VstoreError
from vstore.format.canonical import Json
from vstore.packages import DISTRIBUTION, HEIC, TORCH

OK, NOTE, TROUBLE = "ok", "note", "trouble"

_BROUGHT = ("safetensors", "huggingface_hub", "tokenizers")  # by transformers, and used by us too
_FAISS = ("faiss-cpu", "faiss-gpu", "faiss-gpu-cuvs", "faiss-gpu-cu12")
_SECONDS = 180.0  # for one probe: importing torch from a cold disk takes a minute

# Each is run by a Python of its own: what is broken may take its process along.
_PROBES = {
    "faiss": "import faiss; print(json.dumps({'version': faiss.__version__, "
    "'gpus': faiss.get_num_gpus() if hasattr(faiss, 'get_num_gpus') else 0, "
    "'options': faiss.get_compile_options().split()}))",
    "torch": "import torch; print(json.dumps({'version': torch.__version__, 'cuda': torch.version.cuda, "
    "'devices': [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] "
    "if torch.cuda.is_available() else [], 'mps': torch.backends.mps.is_available()}))",
    "torchvision": "import torchvision; print(json.dumps({'version': torchvision.__version__}))",
    "models": "from transformers import CLIPModel; print(json.dumps({}))",
    "adapters": "from vstore.doctor import try_adapter; print(json.dumps(try_adapter()))",
}


class Finding(NamedTuple):
    """One thing that was looked at. state: ok, note or trouble; fix: the command that mends it, or empty."""

    name: str
    state: str
    what: str
    fix: str = ""

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


@briefly
class DoctorReport(NamedTuple):
    """What was found. ok: there is no trouble."""

    ok: bool
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Json]:
        return {"ok": self.ok, "findings": [finding.to_json() for finding in self.findings]}


def doctor(folder: Path | None = None) -> DoctorReport:
    """Look at Python, the packages, the devices, the caches, and at a store's models where there is a store."""
    findings = [_python(), *_core(), _faiss()]
    torch = _ask("torch") if _there("torch") else None
    findings += [*_model(torch), *_devices(torch), _pictures(), *_caches()]
    if folder is not None:
        findings += _store(folder)
    return DoctorReport(all(finding.state != TROUBLE for finding in findings), tuple(findings))


def _python() -> Finding:
    what = f"vstore {__version__} on Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores"
    return Finding("python", OK, what)


def _core() -> list[Finding]:
    needed = _needed()
    if not needed:
        what = f"pip does not know of {DISTRIBUTION}: this vstore runs from a folder, and what it needs cannot be told"
        return [Finding("packages", NOTE, what, "pip install -e . in the folder of its sources")]
    missing = [name for name in needed if _version(name) is None]
    if missing:
        fix = f"pip install --force-reinstall {DISTRIBUTION}"
        return [Finding("packages", TROUBLE, f"{', '.join(missing)} missing", fix)]
    return [Finding("packages", OK, ", ".join(f"{name} {_version(name)}" for name in needed))]


def _faiss() -> Finding:
    installed = [name for name in _FAISS if _version(name) is not None]
    again = f"pip uninstall -y {' '.join(_FAISS)}; pip install 'vstore-index[cpu]' (or [gpu])"
    if len(installed) > 1:
        what = f"{' and '.join(installed)} are installed over one another: the last one hides the rest"
        return Finding("faiss", TROUBLE, what, again)
    if not _there("faiss"):
        return Finding("faiss", TROUBLE, "not installed, and every sync and search needs it", again.partition("; ")[2])
    found, error = _ask("faiss")
    if found is None:
        return Finding("faiss", TROUBLE, f"installed, but it cannot be imported: {error}", again)
    gpus = f", {found['gpus']} GPUs" if found["gpus"] else ""
    return Finding("faiss", OK, f"{found['version']} ({', '.join(installed) or 'not by pip'}{gpus})")


def _model(torch: tuple[dict[str, Any] | None, str] | None) -> list[Finding]:
    if torch is None:
        what = "torch is not installed: the built-in embedder works, models do not"
        return [Finding("models", NOTE, what, TORCH.pip)]
    found, error = torch
    if found is None:
        fix = "pip install --force-reinstall torch"
        return [Finding("models", TROUBLE, f"torch cannot be imported: {error}", fix)]
    findings = [
        Finding("torch", OK, f"{found['version']}" + (f", built for CUDA {found['cuda']}" if found["cuda"] else ""))
    ]
    if _there("torchvision"):
        findings.append(_torchvision(found["version"]))
    needed = _needed("model")
    names = [name for name in (*needed, *_BROUGHT) if name != "torch"]
    missing = [name for name in names if _version(name) is None]
    if missing:
        return [*findings, Finding("models", TROUBLE, f"{', '.join(missing)} missing", TORCH.pip)]
    fix = "pip install --force-reinstall " + (
        " ".join(f"'{wanted}'" for name, wanted in needed.items() if name != "torch") or "'vstore-index[model]'"
    )
    for probe, what in (("models", "they cannot be imported"), ("adapters", "one fails on a tiny model")):
        answer, error = _ask(probe)
        if answer is None:
            if any(finding.state == TROUBLE for finding in findings):
                fix = next(finding.fix for finding in findings if finding.state == TROUBLE)
            return [*findings, Finding(probe, TROUBLE, f"{what}: {error}", fix)]
    versions = ", ".join(f"{name} {_version(name)}" for name in names)
    return [*findings, Finding("models", OK, f"{versions}; an adapter was tried on a tiny model")]


def _torchvision(torch: str) -> Finding:
    found, error = _ask("torchvision")
    if found is not None:
        return Finding("torchvision", OK, f"{found['version']} (vstore does not use it)")
    what = f"it does not fit torch {torch}, and breaks the import of every CLIP model ({error}); vstore needs none"
    return Finding("torchvision", TROUBLE, what, "pip uninstall -y torchvision")


def _devices(torch: tuple[dict[str, Any] | None, str] | None) -> list[Finding]:
    found = torch[0] if torch else None
    if found is None:
        return []
    if found["devices"]:
        taken = "takes it"
        if len(found["devices"]) > 1:
            taken = "takes all of them for a sync, in a worker process each, and the first for whatever else embeds"
        return [Finding("device", OK, f"cuda: {', '.join(found['devices'])}; --device auto {taken}")]
    if found["mps"]:
        return [Finding("device", OK, "mps; --device auto takes it")]
    if shutil.which("nvidia-smi"):
        what = "there is an NVIDIA driver here, but torch sees no GPU: --device auto takes the CPU"
        built = f"is built for CUDA {found['cuda']}" if found["cuda"] else "is built for the CPU alone"
        fix = "install a torch built for this driver (https://pytorch.org/get-started/locally), or update the driver"
        return [Finding("device", TROUBLE, f"{what}; torch {found['version']} {built}", fix)]
    return [Finding("device", NOTE, "no GPU: --device auto takes the CPU; --compute bf16 may be quicker there")]


def _pictures() -> Finding:
    if _version("pillow-heif") is None:
        return Finding("pictures", NOTE, "HEIC pictures cannot be read", HEIC.pip)
    return Finding("pictures", OK, f"pillow {_version('pillow')}, HEIC by pillow-heif {_version('pillow-heif')}")


def _caches() -> list[Finding]:
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")
    models = sorted(name for name in os.listdir(hub) if name.startswith("models--")) if os.path.isdir(hub) else []
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    what = f"{hub}: {len(models)} models" + ("; HF_HUB_OFFLINE is set, so none is fetched" if offline else "")
    findings = [Finding("hub cache", OK, what)]
    if os.environ.get("TRANSFORMERS_CACHE"):
        what = "TRANSFORMERS_CACHE is set, and transformers 5 does not look at it"
        findings.append(Finding("hub cache", NOTE, what, "set HF_HOME or HF_HUB_CACHE instead"))
    return findings


def _store(folder: Path) -> list[Finding]:
    """Whether each space's model is where the store says. Reads the log alone."""
    from vstore.repository.repository import Repository, how_to_give

    try:
        repo = Repository(folder)
    except VstoreError as err:
        return [Finding("store", TROUBLE, f"{folder}: {err.message}", err.next_step)]
    findings = [Finding("store", OK, f"{folder}; its cache is {repo.layout.cache}")]
    try:
        listed = sorted(repo.state.spaces.values(), key=lambda space: space.name)
        for space in listed:
            if space.recipe:
                findings.append(_space(space.name, dict(space.place), repo.recipe(space.id)))
            else:
                findings.append(Finding(f"space {space.name}", TROUBLE, "its recipe is lost", how_to_give(space)))
    except VstoreError as err:
        findings.append(Finding("store", TROUBLE, err.message, err.next_step or "vstore check"))
    finally:
        repo.close()
    return findings


def _space(name: str, place: dict[str, Any], recipe: dict[str, Any]) -> Finding:
    title = f"space {name}"
    if not place:
        return Finding(title, OK, f"{recipe.get('family')}: needs no model")
    for word in ("model", "adapter"):
        where = place.get(word)
        if where and os.path.isabs(where) and not os.path.isdir(where):
            fix = f"vstore model add {name} --model DIR" + (" --adapter DIR" if place.get("adapter") else "")
            return Finding(
                title, TROUBLE, f"its {word} is not at {where} any more; what is stored stays searchable", fix
            )
    if not _there("torch"):
        return Finding(title, TROUBLE, "it needs a model, and torch is not installed", TORCH.pip)
    parts = [place["model"], *([place["adapter"]] if place.get("adapter") else []), place.get("compute", "fp32")]
    return Finding(title, OK, " + ".join(parts))


def try_adapter() -> dict[str, Any]:
    """Do what `vstore init --model --adapter` does, with a tiny random model. Raises: what that would raise."""
    from tempfile import TemporaryDirectory

    from vstore.embed.hf.tiny import save_tiny
    from vstore.embed.model_words import Settings, Words
    from vstore.repository.new_space import make

    with TemporaryDirectory(prefix="vstore-") as top:
        model, adapter = save_tiny(Path(top))
        made = make(Words(model=str(model), adapter=str(adapter)), Settings("cpu"), lambda text: None)
    return {"dim": made.recipe["dim"], **made.probes.environment}


def _needed(extra: str = "") -> dict[str, str]:
    """Read what this distribution needs from its own metadata: name -> requirement, for an extra or for the core.

    Returns: nothing where it was not installed by pip.
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        wanted, _, marker = line.partition(";")
        one = re.fullmatch(r"""\s*extra\s*==\s*["']([^"']*)["']\s*""", marker)
        of = one[1] if one else marker.strip()  # another marker is true on some machines only: of no set asked for
        name = re.match(r"[\w.-]+", wanted)
        if name and of == extra:
            found[name[0]] = wanted.strip()
    return found


def _there(module: str) -> bool:
    from importlib.util import find_spec

    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def _version(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _ask(probe: str) -> tuple[dict[str, Any] | None, str]:
    """Run a probe in a Python of its own. Returns: its answer, or None and the last line of why."""
    code = "import json, warnings; warnings.simplefilter('ignore'); " + _PROBES[probe]
    try:
        ran = subprocess.run(command(code), capture_output=True, text=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as err:
        return None, str(err)
    if ran.returncode == 0:
        value: dict[str, Any] = json.loads(ran.stdout.strip().splitlines()[-1])
        return value, ""
    if ran.returncode < 0:
        return None, f"its process died of signal {-ran.returncode}"
    lines = [line.strip() for line in ran.stderr.splitlines() if line.strip()]
    return None, lines[-1][:300] if lines else f"exit code {ran.returncode}"
