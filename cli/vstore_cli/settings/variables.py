"""The environment variables that set no option, and what they do."""

from __future__ import annotations

OWN = {
    "VSTORE_DIR": "the store, or the folder that holds it, where `--store` names none",
    "VSTORE_TRUST": "folders of stores of other users that may be written into, separated by colons; `*`: every store",
    "VSTORE_NETWORK": "`1` allows a store on a network filesystem",
    "VSTORE_PAGER": "the command that shows long output; empty, or `cat`: none",
    "VSTORE_DEBUG": "not empty: errors come with a traceback",
}
# Of the system and of libraries, as far as vstore, or what it uses, heeds them.
OF_OTHERS = {
    "HOME": "your home; ignored, as the next two are, unless it is an absolute path",
    "XDG_CONFIG_HOME": "your folder for configurations; `~/.config` by default",
    "XDG_CACHE_HOME": "your folder for caches; `~/.cache` by default",
    "SUDO_UID": "set by sudo: root may write into the stores of this user, and reads their file of options",
    "PAGER": "the pager where `VSTORE_PAGER` is not set",
    "LESS": "the options of less, where that is the pager",
    "TERM": "`dumb`, or not set: no pager, no colours",
    "NO_COLOR": "not empty: no colours",
    "DISPLAY": "set, as `WAYLAND_DISPLAY`, where there is a screen: `vstore serve` opens a browser then",
    "WAYLAND_DISPLAY": "see `DISPLAY`",
    "BROWSER": "your browser",
    "COLUMNS": "the width of the terminal, where that is to be another",
    "HF_HOME": "where models of the hub are kept; `~/.cache/huggingface` by default",
    "HF_HUB_CACHE": "the same, more exactly: `$HF_HOME/hub` by default",
    "TRANSFORMERS_CACHE": "an old name of it, which `vstore doctor` warns of",
    "HF_HUB_OFFLINE": "`1`: no model is downloaded, as with `--offline`",
    "HF_ENDPOINT": "another address of the hub",
    "HF_TOKEN": "a token for models that want one",
    "HTTPS_PROXY": "the proxy of downloads",
    "NO_PROXY": "hosts that are reached without it",
    "OMP_WAIT_POLICY": "how threads of torch wait; `PASSIVE` unless it is set",
    "OPENBLAS_NUM_THREADS": "threads of numpy; 1 in a search for pictures, unless it is set",
}
