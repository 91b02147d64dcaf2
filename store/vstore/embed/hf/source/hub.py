"""The hub: a repository's files, taken from an earlier download or fetched."""

from __future__ import annotations

from pathlib import Path

from vstore.errors import ModelError
from vstore.packages import HUB

# The files that are fetched from the hub: never pickles, and code only where it was asked for.
_PATTERNS = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "tokenizer*", "merges*", "vocab*"]


def fetch(name: str, revision: str | None, what: str, *, code: bool = False, pickles: bool = False) -> tuple[Path, str]:
    """Find the files of a repository. Returns: their folder, and the commit. Raises: ModelError."""
    snapshot_download = HUB.load().snapshot_download
    patterns = [*_PATTERNS, *(["*.py"] if code else []), *(["*.bin"] if pickles else [])]
    try:
        # An earlier download is used as it is: a sync must neither wait for the network nor change with it.
        fetched = snapshot_download(name, revision=revision, allow_patterns=patterns, local_files_only=True)
        if not list(Path(fetched).rglob("*.safetensors")):
            raise FileNotFoundError(fetched)
    except Exception:
        try:
            fetched = snapshot_download(name, revision=revision, allow_patterns=patterns)
        except Exception as err:
            reason = str(err).strip().splitlines()[0] if str(err).strip() else type(err).__name__
            raise ModelError(
                f"the {what} {name} is not a folder here, and it could not be fetched from the hub: {reason}",
                f"check the name and the network (HF_HUB_OFFLINE, HF_TOKEN), or download it elsewhere with "
                f"'hf download {name}' and name the folder",
            ) from err
    return Path(fetched), Path(fetched).name
