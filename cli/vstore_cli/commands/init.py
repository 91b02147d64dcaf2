"""`vstore init`."""

from __future__ import annotations

import click

from vstore_cli.locate import new_folder
from vstore_cli.output import echo_json, json_option, shown


@click.command()
@click.option(
    "--hash",
    type=click.Choice(["xxh3_128", "sha256"]),
    default="xxh3_128",
    show_default=True,
    help="What pictures are known by. Take sha256 for pictures of strangers: xxh3 does not withstand somebody who "
    "wants two pictures to have one hash.",
)
@click.option(
    "--store-dtype",
    type=click.Choice(["float16", "float32"]),
    default="float16",
    show_default=True,
    help="How vectors are kept. float32 takes twice the space and changes hardly any answer.",
)
@json_option
def init(hash: str, store_dtype: str, as_json: bool) -> None:
    """Make an empty store: .vstore in this folder, or the folder that --store names.

    `vstore sync` makes one with the defaults where there is none, so this is needed only to choose others.

    \b
    Example:
      vstore init --hash sha256
    """
    from vstore.store import Store

    report = Store.init(new_folder(), hash=hash, store_dtype=store_dtype)
    if as_json:
        echo_json(report)
    else:
        click.echo(f"Made the store {shown(report.store)} ({report.hash}, {report.dtype}, space {report.space_name})")
