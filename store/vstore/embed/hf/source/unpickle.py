"""Reads pickled weights in another process, and writes them as safetensors.

torch's restricted reader makes tensors and plain containers and nothing else. Should it have a hole, the process has no
secrets in its environment, and a hook of Python refuses programs, connections and other files. The reader maps its file
where it can: memory holds little more than one tensor that has to be copied.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vstore.child_python import command
from vstore.errors import DiskTrouble, ModelError

_ROOM = 4 << 30  # bytes of addresses beside those of the file, twice
_REFUSED = re.compile(
    r"os\.(system|exec|posix_spawn|spawn|fork|forkpty|kill|killpg|remove|rename|rmdir|mkdir|link|symlink|chmod|chown"
    r"|truncate|putenv)|subprocess\.Popen|pty\.spawn|socket\.(connect|bind|sendto|getaddrinfo)|shutil\..*|ftplib\..*"
)
_GLOBAL = re.compile(r"GLOBAL (\S+)")
_WRAPPINGS = ("state_dict", "model_state_dict", "model")  # keys under which training scripts keep the weights
_FULL = ("No space left on device", "Disk quota exceeded")
_HEADER = "__metadata__"


class _Unfit(ValueError):
    """Content that is no set of named tensors, or none that a safetensors file can hold."""


class Converted(NamedTuple):
    """A converted file.

    tensors:  names of its tensors.
    left_out: names of its values that are no tensors.
    """

    tensors: list[str]
    left_out: list[str]


def convert(source: Path, target: Path) -> Converted:
    """Convert one file in a process of its own.

    Raises: ModelError, naming what a pickle wanted to run; DiskTrouble.
    """
    answer = _apart_from_here(source, target)
    if "error" in answer:
        raise _error(source, target, answer)
    return Converted(answer["tensors"], answer["left_out"])


def _apart_from_here(source: Path, target: Path) -> dict[str, Any]:
    """Ask another process for the answer of `_answer`. Raises: ModelError if it gives none."""
    job = json.dumps({"source": str(source), "target": str(target)})
    with subprocess.Popen(
        command("from vstore.embed.hf.source.unpickle import serve; serve()"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath},
    ) as process:
        try:
            out, _ = process.communicate(job.encode())
        except BaseException:
            process.kill()
            raise
    try:
        answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (ValueError, IndexError):
        raise ModelError(
            f"the process that read {source} ended without an answer (code {process.returncode}): the file may be "
            "damaged, or too large for the memory here",
            "download the file again, or convert it on a machine with more memory",
        ) from None
    return answer


def _error(source: Path, target: Path, answer: Mapping[str, Any]) -> Exception:
    full = next((words for words in _FULL if words in answer["error"]), None)
    if full is not None:
        return DiskTrouble(
            f"cannot write {target.parent}: {full}", "free some space and run the command again: nothing is left of it"
        )
    if answer["wanted"]:
        return ModelError(
            f"{source} holds more than weights: to read it is to run {', '.join(answer['wanted'][:5])}. Nothing of it "
            "was run, and nothing was converted",
            "do not use this file; ask its author for safetensors",
        )
    return ModelError(
        f"{source} cannot be converted: {answer['error']}", "download it again, or ask its author for safetensors"
    )


def serve() -> None:
    """Convert the file that stdin names, and answer on stdout. The other end of `convert`."""
    job = json.load(sys.stdin)
    source, target = Path(job["source"]), Path(job["target"])
    seen: list[str] = []
    try:
        import safetensors.torch  # noqa: F401  # before files are refused
        import torch

        torch.set_num_threads(1)
        _limit(2 * source.stat().st_size + _ROOM)
        _refuse_everything_else(seen)
        answer = _answer(source, target, seen)
    except Exception as err:
        answer = {"error": f"{type(err).__name__}: {_short(err)}", "wanted": seen}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    os._exit(0)


def _answer(source: Path, target: Path, seen: list[str]) -> dict[str, Any]:
    """Convert one file in this process.

    seen:    what was refused meanwhile.
    Returns: the fields of `Converted`; else `error`, and `wanted`: what the file wanted to run.
    """
    import torch
    from safetensors.torch import save_file

    try:
        values = _read(source)
        tensors = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
        left_out = sorted(str(name) for name in values.keys() - tensors.keys())
        if not tensors:
            raise _Unfit("it holds no tensors")
        if _HEADER in tensors:
            raise _Unfit(f"it holds a tensor named {_HEADER}, a name that safetensors keeps for itself")
        save_file(_apart(tensors), target, {"format": "pt"})
    except Exception as err:
        kind = "" if isinstance(err, _Unfit) else f"{type(err).__name__}: "
        return {"error": kind + _short(err), "wanted": seen or _wanted(source, err)}
    return {"tensors": sorted(tensors), "left_out": left_out}


def _read(source: Path) -> dict[str, Any]:
    """Read a file of weights, mapped where it can be. Raises: whatever torch does."""
    import torch

    try:
        found = torch.load(source, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as err:
        if "mmap" not in str(err):
            raise
        found = torch.load(source, map_location="cpu", weights_only=True)  # of before torch 1.6: not a zip file
    for name in _WRAPPINGS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise _Unfit(f"it holds a {type(found).__name__}, and no tensors with names")
    if all(name.startswith("module.") for name in found):  # of DataParallel
        found = {name.removeprefix("module."): value for name, value in found.items()}
    return dict(found)


def _apart(tensors: dict[str, Any]) -> dict[str, Any]:
    """Copy the tensors that share memory with another, as tied weights do, or lie in it with gaps: each is written."""
    known: set[int] = set()
    found = {}
    for name, value in sorted(tensors.items()):
        place = value.untyped_storage().data_ptr()
        whole = value.is_contiguous() and value.nbytes == value.untyped_storage().nbytes()
        found[name] = value if whole and place not in known else value.clone().contiguous()
        known.add(place)
    return found


def _wanted(source: Path, err: BaseException) -> list[str]:
    """List what a pickle would call that the restricted reader does not."""
    import torch

    named = _GLOBAL.findall(str(err))
    with contextlib.suppress(Exception):
        named += torch.serialization.get_unsafe_globals_in_checkpoint(source)
    return sorted({name.removesuffix(".") for name in named})


def _short(err: BaseException) -> str:
    text = " ".join(str(err).split())
    for words in ("TorchScript", "legacy .tar"):
        if words in text:
            return f"it is a {words.removeprefix('legacy ')} archive, which holds a program"
    return text[:300]


def _refuse_everything_else(seen: list[str]) -> None:
    """Refuse to start programs, to connect, and to write with Python, as long as this process lives.

    seen: receives what was refused.
    """

    def hook(event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or _REFUSED.fullmatch(event):
            seen.append(event)
            raise PermissionError(f"a file of weights wanted {event}")

    sys.addaudithook(hook)


def _limit(size: int) -> None:
    """Limit the addresses of this process to those that it has, and `size` bytes more."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/statm", "rb") as file:
            has = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (has + size, has + size))
