"""The packages: those of the core, faiss, those of models, of pictures, of watching, of the page and of tables."""

from __future__ import annotations

from vstore.counts import counted
from vstore.doctor import installed
from vstore.doctor.installed import Answer
from vstore.doctor.report import NOTE, OK, TROUBLE, Finding
from vstore.packages import (
    DISTRIBUTION,
    HEIC,
    JXL,
    PAGE,
    PANDAS,
    PARQUET,
    RAW,
    TIFF,
    TORCH,
    WATCHFILES,
    Package,
    all_of,
)

_BROUGHT = ("safetensors", "huggingface_hub", "tokenizers")  # transformers installs them, and vstore uses them too
_FORMATS: tuple[tuple[str, Package, tuple[str, ...]], ...] = (
    ("HEIC", HEIC, ("pillow-heif",)),
    ("RAW", RAW, ("rawpy",)),
    ("JPEG XL", JXL, ("pillow-jxl-plugin", "imagecodecs")),
    ("deep TIFF", TIFF, ("tifffile", "imagecodecs")),
)
_NAMESAKE = "vstore"  # on PyPI, as of 2026
_FAISS = (  # each installs the folder `faiss`
    "faiss-cpu",
    "faiss-gpu",
    "faiss-gpu-cuvs",
    "faiss-gpu-cu11",
    "faiss-gpu-cu12",
    "faiss-gpu-cu12-cuvs",
    "faiss-cuda",
)


def core() -> list[Finding]:
    """Check the packages of the core."""
    return [*_namesake(), _core()]


def _namesake() -> list[Finding]:
    """Find somebody else's package, installed by `pip install vstore`."""
    version = installed.version_of(_NAMESAKE)
    if version is None:
        return []
    what = f"{_NAMESAKE} {version} is somebody else's package; this one is called {DISTRIBUTION}"
    # Both may have a module of that name: what an uninstall takes away is laid down again.
    fix = f"pip uninstall -y {_NAMESAKE}; pip install --force-reinstall --no-deps {DISTRIBUTION}"
    return [Finding("namesake", TROUBLE, what, fix)]


def _core() -> Finding:
    needed = installed.needs()
    if not needed:
        what = f"pip does not know {DISTRIBUTION}: vstore runs from its sources, and its packages cannot be checked"
        return Finding("packages", NOTE, what, "pip install -e . in the folder of the sources")
    missing = [name for name in needed if installed.version_of(name) is None]
    if missing:
        fix = f"pip install --force-reinstall {DISTRIBUTION}"
        return Finding("packages", TROUBLE, f"{', '.join(missing)} missing", fix)
    return Finding("packages", OK, ", ".join(f"{name} {installed.version_of(name)}" for name in needed))


def faiss() -> Finding:
    """Check faiss: one distribution, and whole."""
    names = [name for name in _FAISS if installed.version_of(name) is not None]
    again = f"pip uninstall -y {' '.join(names or _FAISS)}; pip install 'vstore-index[cpu]' (or [gpu], or [gpu-cuvs])"
    if len(names) > 1:
        what = f"{' and '.join(names)} are installed over one another: the last one hides the others"
        return Finding("faiss", TROUBLE, what, again)
    if not installed.is_there("faiss"):
        return Finding("faiss", TROUBLE, "not installed; every sync and search needs it", again.partition("; ")[2])
    found, error = installed.ask("faiss")
    if found is None:
        return Finding("faiss", TROUBLE, f"installed, but it cannot be imported: {error}", again)
    kind = "for the CPU"
    if "GPU" in found["options"]:
        build = "with cuVS" if "CUVS" in found["options"] else "classic"
        kind = f"for GPUs, {build}, which finds {counted(found['gpus'], 'GPU')}"
    return Finding("faiss", OK, f"{found['version']} {kind} ({', '.join(names) or 'not by pip'})")


def models(torch: Answer | None) -> list[Finding]:
    """Check the packages of models. torch: the answer of its probe, or None if it is not installed."""
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
    if installed.is_there("torchvision"):
        findings.append(_torchvision(found["version"]))
    needed = installed.needs("model")
    names = [name for name in (*needed, *_BROUGHT) if name != "torch"]
    missing = [name for name in names if installed.version_of(name) is None]
    if missing:
        return [*findings, Finding("models", TROUBLE, f"{', '.join(missing)} missing", TORCH.pip)]
    fix = "pip install --force-reinstall " + (
        " ".join(f"'{wanted}'" for name, wanted in needed.items() if name != "torch") or "'vstore-index[model]'"
    )
    for probe, what in (("models", "they cannot be imported"), ("adapters", "an adapter fails on a tiny model")):
        answer, error = installed.ask(probe)
        if answer is None:
            if any(finding.state == TROUBLE for finding in findings):
                fix = next(finding.fix for finding in findings if finding.state == TROUBLE)
            return [*findings, Finding(probe, TROUBLE, f"{what}: {error}", fix)]
    versions = ", ".join(f"{name} {installed.version_of(name)}" for name in names)
    return [*findings, Finding("models", OK, f"{versions}; an adapter was tried on a tiny model")]


def _torchvision(torch: str) -> Finding:
    found, error = installed.ask("torchvision")
    if found is not None:
        return Finding("torchvision", OK, f"{found['version']} (vstore does not use it)")
    what = f"it does not fit torch {torch} and breaks the import of every CLIP model ({error}); vstore does not need it"
    return Finding("torchvision", TROUBLE, what, "pip uninstall -y torchvision")


def pictures() -> Finding:
    """Check the packages of formats that Pillow does not read."""
    there, missing = [f"pillow {installed.version_of('pillow')}"], []
    for what, package, names in _FORMATS:
        versions = [(name, installed.version_of(name)) for name in names]
        if all(version for _, version in versions):
            there.append(f"{what} by {' and '.join(f'{name} {version}' for name, version in versions)}")
        else:
            missing.append((what, package))
    if not missing:
        return Finding("pictures", OK, ", ".join(there))
    what = f"{', '.join(there)}; {_and([what for what, _ in missing])} cannot be read"
    return Finding("pictures", NOTE, what, all_of(*(package for _, package in missing)))


def watching() -> Finding:
    """Check the package of `vstore watch`."""
    version = installed.version_of("watchfiles")
    if version is not None:
        return Finding("watching", OK, f"watchfiles {version}")
    what = "watchfiles is not installed: vstore watch needs it, vstore watch --poll does not"
    return Finding("watching", NOTE, what, WATCHFILES.pip)


def page() -> Finding:
    """Check the packages of `vstore serve`."""
    versions = [(name, installed.version_of(name)) for name in ("starlette", "uvicorn")]
    if all(version is not None for _, version in versions):
        return Finding("page", OK, ", ".join(f"{name} {version}" for name, version in versions))
    return Finding("page", NOTE, "starlette or uvicorn is not installed: vstore serve needs both", PAGE.pip)


def tables() -> Finding:
    """Check the packages of Parquet files and of data frames."""
    packages = (("pyarrow", PARQUET, "Parquet files and tables of Arrow"), ("pandas", PANDAS, "data frames"))
    there = [f"{name} {version}" for name, _, _ in packages if (version := installed.version_of(name))]
    missing = [(what, package) for name, package, what in packages if installed.version_of(name) is None]
    if not missing:
        return Finding("tables", OK, ", ".join(there))
    what = f"{_and([what for what, _ in missing])} cannot be read or made"
    return Finding("tables", NOTE, "; ".join([*there, what]), all_of(*(package for _, package in missing)))


def _and(kinds: list[str]) -> str:
    return kinds[0] if len(kinds) == 1 else f"{', '.join(kinds[:-1])} and {kinds[-1]}"
