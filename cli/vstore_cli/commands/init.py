"""`vstore init`."""

from __future__ import annotations

from typing import Any

import click

from vstore_cli.locate import new_folder, saying_that_no_store_was_made, user_words
from vstore_cli.models import device_option, model_options, offline_option, printing
from vstore_cli.output import echo_json, json_option, shown, tell
from vstore_cli.progress import progress, progress_option


@click.command()
@click.option(
    "--hash",
    type=click.Choice(["xxh3_128", "sha256"]),
    default="xxh3_128",
    show_default=True,
    help="The hash that identifies a picture. Use sha256 for pictures of strangers: with xxh3, somebody could make two "
    "pictures that have the same hash.",
)
@click.option(
    "--store-dtype",
    type=click.Choice(["float16", "float32"]),
    default="float16",
    show_default=True,
    help="The number format of stored vectors. float32 takes twice the space and hardly changes any answer.",
)
@model_options
@click.option("--name", metavar="NAME", help="The name of the model's space; by default that of its folder.")
@device_option
@offline_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def init(hash: str, store_dtype: str, quiet: bool, as_json: bool, **words: Any) -> None:
    """Make an empty store: .vstore in this folder, or the folder that --store names.

    `vstore sync` makes a store by itself if there is none. Without --model, the built-in embedder is used: it finds
    pictures that look alike, and needs no download.

    \b
    Example:
      vstore init --model siglip2-base
      vstore init --adapter checkpoints/v11 --compute bf16
    """
    from vstore import Store

    folder = new_folder()
    words |= user_words(folder)
    with saying_that_no_store_was_made(folder), progress(quiet) as bar:
        report = Store.init(folder, hash=hash, store_dtype=store_dtype, note=printing(bar), progress=bar, **words)
    if as_json:
        echo_json(report)
    else:
        tell(f"Made the store {shown(report.store)} ({report.hash}, {report.dtype}, space {report.space_name})")
