"""The Python code of a model's own folder: which files would run, and what is said where they are not trusted. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from vstore.embed.hf.source.json_file import read_json
from vstore.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from vstore.embed.hf.source.model_folder import ModelFolder

PLUG_IN = "write a plug-in (examples/plugin in the sources)"


def own_class(value: Any) -> str:
    """Take the class out of a value of auto_map: a name, or the names for the slow and the fast tokenizer."""
    names = value if isinstance(value, list) else [value]
    return str(next((name for name in reversed(names) if name), ""))


def file_of(name: str) -> str:
    """Find the file of a class that auto_map names."""
    return name.partition("--")[2].partition(".")[0] + ".py" if "--" in name else name.partition(".")[0] + ".py"


def untrusted(folder: ModelFolder) -> ModelError:
    """Make the error for a model whose code runs on the user's word alone."""
    name = own_class(folder.config["auto_map"]["AutoModel"])
    file = file_of(name)
    if "--" in name:
        where = f"{file} in the repository {name.partition('--')[0]}"
    elif folder.commit is not None:
        where = f"{file} in its repository, at the commit {folder.commit}"
    else:
        where = str(folder.path / file)
    return ModelError(
        f"{folder.name} ({folder.model_type or 'no type'}) runs Python code of its own, which is not trusted: "
        f"{name.rpartition('.')[2]} of {file}, which can do all that you can do on this computer",
        f"read {where}, and the files that it imports; if you trust them, give the command again with "
        "--trust-remote-code. They are recorded with the space, and others do not run in their place",
    )


def refuse_kernels(folder: ModelFolder) -> None:
    """Refuse a configuration by which transformers fetches a part of the model from the hub, and runs it.

    A kernel OWNER/NAME is compiled code, for which transformers asks nobody. Raises: ModelError.
    """
    found = next(_kernels(folder.config), None)
    if found is not None:
        raise ModelError(
            f"the config.json of {folder.name} takes {found[0]} from the hub ({found[1]}): that is code, which would "
            "be downloaded and run",
            f"take {found[0]} out of its config.json: the vectors are those of the usual implementation then",
        )


def _kernels(config: Any) -> Iterator[tuple[str, str]]:
    """Find what a configuration takes from the hub: its word and its name, at any depth."""
    for word, value in config.items() if isinstance(config, dict) else ():
        if word.removesuffix("_internal").endswith("_implementation"):
            names = value.values() if isinstance(value, dict) else [value]
            yield from ((word, name) for name in names if isinstance(name, str) and "/" in name)
        yield from _kernels(value)


def require_code(folder: ModelFolder) -> None:
    """Prove that the files that auto_map names for the model are there. Raises: ModelError."""
    own = folder.config.get("auto_map") or {}
    files = {file_of(own_class(own[word])) for word in ("AutoConfig", "AutoModel") if word in own}
    missing = sorted(file for file in files if not (folder.path / file).is_file())
    if missing:
        raise ModelError(
            f"{folder.name} is made by Python code of its own, and {', '.join(missing)} is not in its folder",
            "copy or download the model again, with its .py files",
        )


def refuse_own(path: Path, kind: str, what: str, name: str) -> None:
    """Refuse a part of a model that comes with code of its own: on the user's word the model's code alone runs.

    path:   of the configuration of the part.
    kind:   its word in auto_map.
    Raises: ModelError where it has such code.
    """
    own = (read_json(path).get("auto_map") or {}) if path.is_file() else {}
    found = own_class(own.get(kind) if isinstance(own, dict) else own)
    if found:
        raise ModelError(
            f"{what} of {name} is Python code of its own ({found}), which vstore does not run, with "
            "--trust-remote-code neither: that is for the model itself",
            PLUG_IN,
        )
