"""The installed packages: found by their metadata, and tried in a Python of their own."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from vstore.child_python import command
from vstore.packages import DISTRIBUTION

Answer = tuple[dict[str, Any] | None, str]  # of a probe, or None and the reason

_SECONDS = 180.0  # for one probe: importing torch from a cold disk takes a minute

# Each is run by a Python of its own: a broken package may kill its process.
_PROBES = {
    "faiss": "import faiss; print(json.dumps({'version': faiss.__version__, "
    "'gpus': faiss.get_num_gpus() if hasattr(faiss, 'get_num_gpus') else 0, "
    "'options': faiss.get_compile_options().split()}))",
    "torch": "import torch; print(json.dumps({'version': torch.__version__, 'cuda': torch.version.cuda, "
    "'devices': [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] "
    "if torch.cuda.is_available() else [], 'mps': torch.backends.mps.is_available()}))",
    "torchvision": "import torchvision; print(json.dumps({'version': torchvision.__version__}))",
    "models": "from transformers import CLIPModel; print(json.dumps({}))",
    "adapters": "from vstore.doctor.trial import try_adapter; print(json.dumps(try_adapter()))",
}


def needs(extra: str = "") -> dict[str, str]:
    """Read the packages needed by the core or by an extra from vstore's own metadata.

    Returns: name -> requirement; empty if vstore was not installed by pip.
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
        of = one[1] if one else marker.strip()  # any other marker holds on some machines only
        name = re.match(r"[\w.-]+", wanted)
        if name and of == extra:
            found[name[0]] = wanted.strip()
    return found


def is_there(module: str) -> bool:
    """Tell whether a module can be found."""
    from importlib.util import find_spec

    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def version_of(distribution: str) -> str | None:
    """Find the version of a distribution; None if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def ask(probe: str) -> Answer:
    """Run a probe in a Python of its own. Returns: its answer, or None and the last line of its error."""
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
