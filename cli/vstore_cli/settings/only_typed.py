"""The options that are taken from the command line alone, and why."""

from __future__ import annotations

_CONSENT = "it allows what is refused otherwise"
_NAMED = "it names folders, and so allows that they are read"
_CHANGES = "it says what is deleted or changed"
_MODEL = "it says by which model the vectors of a store are made, and allows that model"
_ONCE = "it says what one command is to do"
_FORM = "whoever reads the output says in which form"

ONLY_TYPED: dict[str, str] = {
    **dict.fromkeys(
        ("allow-mass-delete", "as", "by-name", "force", "trust-edited", "trust-remote-code"),
        _CONSENT,
    ),
    **dict.fromkeys(("files-from", "root"), _NAMED),
    **dict.fromkeys(
        ("adopt", "drop-unnamed", "fill", "hold", "no-embed", "no-exclude", "release", "remove", "retrain"),
        _CHANGES,
    ),
    **dict.fromkeys(("all-pictures", "apply", "by", "from", "link", "over", "replace", "restore"), _CHANGES),
    **dict.fromkeys(
        ("keep-last", "keep-hourly", "keep-daily", "keep-weekly", "keep-monthly", "keep-yearly", "keep-within"),
        _CHANGES,
    ),
    "keep-tag": _CHANGES,
    **dict.fromkeys(
        ("model", "adapter", "revision", "adapter-revision", "compute", "max-side", "prepare", "colour", "decode"),
        _MODEL,
    ),
    **dict.fromkeys(("prompt", "query-prompt", "preset", "pooling", "same-as"), _MODEL),
    **dict.fromkeys(("dry-run", "html", "interactive", "list", "open", "plan", "resume"), _ONCE),
    **dict.fromkeys(("json", "null", "paths-only"), _FORM),
    "host": "it lets other machines in",
    "write": "it lets the page change the store",
    "store": "set the environment variable VSTORE_DIR instead: which store is meant depends on the folder",
    "trust": "trust one store with `vstore trust STORE-DIR`, or several with the environment variable VSTORE_TRUST",
}
NOT_IN_FILE = {"exclude-from": 'write its lines here, as: exclude = ["*.tmp", "cache/"]'}
NOT_IN_ENVIRONMENT = {"follow-symlinks": _CONSENT}
