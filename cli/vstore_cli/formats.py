"""The formats of exports, and the names of files that say one."""

from __future__ import annotations

import os

import click
from click.core import ParameterSource

from vstore import UsageError
from vstore_cli.output import shown

FORMATS = ["triple", "npz", "parquet", "jsonl", "csv", "clip-retrieval"]
_FILES = ("npz", "parquet", "jsonl", "csv")


def require_name(out: str, format: str) -> None:
    """Refuse a name that says another format than the usual one, where none was asked for. format: the usual one."""
    ending = os.path.splitext(out)[1].lower().removeprefix(".")
    source = click.get_current_context().get_parameter_source("format")
    if source is ParameterSource.DEFAULT and ending in _FILES and ending != format:
        made = "a folder of several files" if format == "triple" else "a file of JSON lines"
        raise UsageError(
            f"without --format this makes {made}, and {shown(out)} is named otherwise",
            f"add --format {ending}; or --format {format} for {made} of this name",
        )
