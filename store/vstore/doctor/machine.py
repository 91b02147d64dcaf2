"""The machine: Python, devices, and the cache of the hub."""

from __future__ import annotations

import os
import platform
import shutil

from vstore._version import __version__
from vstore.counts import counted
from vstore.doctor.installed import Answer
from vstore.doctor.report import NOTE, OK, TROUBLE, Finding


def python() -> Finding:
    """Name vstore, Python and the machine."""
    what = f"vstore {__version__} on Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores"
    return Finding("python", OK, what)


def devices(torch: Answer | None) -> list[Finding]:
    """Check the devices that torch finds. torch: the answer of its probe, or None if it is not installed."""
    found = torch[0] if torch else None
    if found is None:
        return []
    if found["devices"]:
        taken = "uses it"
        if len(found["devices"]) > 1:
            taken = "uses all of them for a sync, each in a worker process, and the first one for everything else"
        return [Finding("device", OK, f"cuda: {', '.join(found['devices'])}; --device auto {taken}")]
    if found["mps"]:
        return [Finding("device", OK, "mps; --device auto uses it")]
    if shutil.which("nvidia-smi"):
        what = "there is an NVIDIA driver, but torch finds no GPU: --device auto uses the CPU"
        built = f"is built for CUDA {found['cuda']}" if found["cuda"] else "is built for the CPU alone"
        fix = "install a torch built for this driver (https://pytorch.org/get-started/locally), or update the driver"
        return [Finding("device", TROUBLE, f"{what}; torch {found['version']} {built}", fix)]
    return [Finding("device", NOTE, "no GPU: --device auto uses the CPU; --compute bf16 may be faster")]


def hub_cache() -> list[Finding]:
    """Check the cache of the hub, and the variables that move it."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    hub = os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub")
    models = sorted(name for name in os.listdir(hub) if name.startswith("models--")) if os.path.isdir(hub) else []
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    what = f"{hub}: {counted(len(models), 'model')}" + (
        "; HF_HUB_OFFLINE is set: nothing is downloaded" if offline else ""
    )
    findings = [Finding("hub cache", OK, what)]
    if os.environ.get("TRANSFORMERS_CACHE"):
        what = "TRANSFORMERS_CACHE is set, but transformers 5 ignores it"
        findings.append(Finding("hub cache", NOTE, what, "set HF_HOME or HF_HUB_CACHE instead"))
    return findings
