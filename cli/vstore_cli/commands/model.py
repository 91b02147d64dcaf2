"""`vstore model`."""

from __future__ import annotations

import contextlib
import os
import shlex
import threading
from typing import Any

import click

from vstore_cli.groups import Commands
from vstore_cli.interrupts import ending
from vstore_cli.locate import cache, open_store, open_to_change
from vstore_cli.models import device_option, model_options, note, offline_option, printing
from vstore_cli.options import dry_run_option, message_option, wait_option
from vstore_cli.output import count, echo_json, json_option, number, say, shown, tell
from vstore_cli.progress import progress, progress_option
from vstore_cli.reports.model_report import print_difference, print_recommended, print_space, print_spaces
from vstore_cli.terminal.outlets import outlets


@click.group(cls=Commands)
def model() -> None:
    """List, add, compare, use and drop embedding spaces: the models whose vectors this store holds.

    A new model gets a space of its own. The old space stays current and searchable until every picture has a vector in
    the new one. `vstore model recommend` lists models to begin with.

    \b
    Example:
      vstore model add lora-v12 --adapter checkpoints/v12
      vstore sync --space lora-v12
      vstore model diff lora-v11 lora-v12
      vstore rollback current~1
    """


@model.command("list")
@json_option
def model_list(as_json: bool) -> None:
    """List the embedding spaces; * marks the current one.

    \b
    Example:
      vstore model list
    """
    with open_store() as store:
        rows = store.model_list()
    if as_json:
        echo_json(rows)
    else:
        print_spaces(rows)


@model.command("show", short_help="Show all that decides the vectors of a space.")
@click.argument("space")
@json_option
def model_show(space: str, as_json: bool) -> None:
    """Show one space: everything that decides its vectors, and where its model is.

    \b
    Example:
      vstore model show lora-v12
    """
    with open_store() as store:
        detail = store.model_show(space)
    if as_json:
        echo_json(detail)
    else:
        print_space(detail)


@model.command("recommend")
@json_option
def model_recommend(as_json: bool) -> None:
    """List recommended models by purpose. The short name of one is a word of --model; a folder of that name wins.

    A short name stands for the hub id and the commit below it, and the space records both. `builtin` downloads nothing.
    Copies that were cropped or edited are found by SSCD, a plug-in in the sources: examples/plugin-sscd.

    \b
    Example:
      vstore model recommend
      vstore init --model siglip2-base
    """
    from vstore import Store

    rows = Store.model_recommend()
    if as_json:
        echo_json(rows)
        return
    print_recommended(rows)
    say("Use one with: vstore init --model MODEL")
    say("or, in a store that exists: vstore model add NAME --model MODEL")


@model.command("add", short_help="Add a space for a model or an adapter.")
@click.argument("name", required=False)
@click.option("--same-as", metavar="SPACE", help="Prove that the model is that of a space whose own files are gone.")
@model_options
@device_option
@offline_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def model_add(name: str | None, quiet: bool, as_json: bool, **words: Any) -> None:
    """Add the space NAME: load its model, test its adapter, embed the probe pictures. The current snapshot stays.

    With --adapter alone, everything else is taken from the current space: an upgrade only names what is new. An adapter
    that was trained on another base is refused then; name its base with --model. If the store already has the space,
    only the place of its model is updated: other shards, metadata or a chat template make no other model.

    With --same-as no space is added. All probes of SPACE, and 32 of its pictures, read from their folders, must get
    their vectors again (cosine 0.9999 each): SPACE then has this model's place. NAME is left out.

    \b
    Example:
      vstore model add lora-v12 --adapter checkpoints/v12
      vstore model add words --model siglip2-base
      vstore model add --same-as lora-v12 --model merged/lora-v12
    """
    with open_to_change() as store, progress(quiet) as bar:
        report = store.model_add(name, note=printing(bar), progress=bar, **words)
    if as_json:
        echo_json(report)
        return
    if words["same_as"] is not None:
        tell(f"The model of the space {report.space_name} is the same; its place is updated.")
        for line in report.notes:
            tell(f"  {line}")
    elif report.known:
        tell(f"The space {report.space_name} already exists; the place of its model is updated.")
    else:
        tell(f"Added the space {report.space_name} ({number(report.dim)} numbers per picture).")
        say(f"Fill it with: {report.next}")


@model.command("convert", short_help="Convert pickled weights to safetensors.")
@click.argument("name", metavar="ID_OR_DIR")
@click.option("--output", metavar="DIR", help="The new folder (default: one under ~/.cache/vstore/models).")
@click.option("--revision", metavar="R", help="Branch, tag or commit of a hub model.")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def model_convert(name: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Convert the pickled weights of a model or an adapter to safetensors, into a new folder. The source stays.

    A pickle may run any program when it is read. Another process reads it, with torch's reader for weights alone:
    anything but tensors and plain containers is an error, and is not run.

    \b
    Example:
      vstore model convert checkpoints/old-clip
      vstore model convert OWNER/NAME --output models/old-clip
    """
    from vstore import Store

    with progress(quiet) as bar:
        report = Store.model_convert(name, cache=cache(), note=printing(bar), progress=bar, **options)
    if as_json:
        echo_json(report)
        return
    if report.known:
        tell(f"Converted before: {shown(report.output)}")
    else:
        tell(f"Converted {count(len(report.files), 'file')} into {shown(report.output)}")
    for file in report.files:
        tell(f"  {shown(file.source)} ({count(file.tensors, 'tensor')}) -> {shown(file.target)}")
        tell(f"    sha256 of the source: {file.sha256}")
    tell("Trusted: torch's reader for weights alone, which runs nothing of a file, and the numbers in the file.")
    words = f"--{'adapter' if report.adapter else 'model'} {shlex.quote(report.output)}"
    say(f"Use it with: vstore init {words}")
    say(f"or, in a store that exists: vstore model add NAME {words}")


@model.command("allow", short_help="Allow the model of a space at this machine.")
@click.argument("space", required=False)
@click.option("--trust-remote-code", is_flag=True, help="Let the Python code of the model run.")
@json_option
def model_allow(space: str | None, trust_remote_code: bool, as_json: bool) -> None:
    """Allow the model of a space at this machine: where it lies, what is downloaded, and which code of its own runs.

    A store may come from somebody else: what it says of its model is done only if you have named the model yourself
    (with --model or --adapter), or allow it here. The store stays as it is; what you allow is kept in your own
    configuration (~/.config/vstore/models), by digest of the code. SPACE is the current one by default.

    \b
    Example:
      vstore model allow lora-v12
      vstore model allow own --trust-remote-code
    """
    with open_store() as store:
        report = store.model_allow(space, trust_remote_code=trust_remote_code)
    if as_json:
        echo_json(report)
        return
    name = shown(report.space_name)
    if not report.allowed:
        tell(f"The space {name} needs nothing to be allowed.")
        return
    tell(f"{'Allowed before' if report.known else 'Allowed'} for the space {name}:")
    for line in report.allowed:
        tell(f"  {shown(line)}")
    say(f"Take it back by removing its files in {shown(report.kept_in or '')}")


@model.command("use", short_help="Make a space current, without embedding.")
@click.argument("space")
@message_option
@json_option
def model_use(space: str, message: str, as_json: bool) -> None:
    """Make a space current: write a snapshot of the current paths in it. Nothing is embedded.

    \b
    Example:
      vstore model use lora-v12
    """
    with open_to_change() as store:
        report = store.model_use(space, message=message)
    if as_json:
        echo_json(report)
    elif report.snapshot is None:
        tell(f"{report.current} is already in the space {report.space_name}.")
    else:
        say(f"Wrote snapshot {report.snapshot} in the space {report.space_name}; go back with: vstore undo")


@model.command("serve", short_help="Keep a model loaded, for quick searches.")
@click.argument("space", required=False)
@click.option("--idle", type=float, metavar="MINUTES", help="End after so many minutes without a search.")
@device_option
@offline_option
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def model_serve(space: str | None, quiet: bool, as_json: bool, **options: Any) -> None:
    """Keep the model of a space loaded, and answer searches with it, until Ctrl-C.

    Without it each `vstore search` for words, or for a picture that the store lacks, loads the model first. This user's
    searches of this store find the server by themselves; those with --device do not use it. A sync on one device
    answers the searches beside it in the same way. SPACE is the current one by default.

    \b
    Example:
      vstore model serve &
      vstore search "a red car"
    """
    stop = threading.Event()
    with contextlib.ExitStack() as serving, open_store() as store, outlets(), contextlib.ExitStack() as loading:
        bar = loading.enter_context(progress(quiet))

        def ready(name: str) -> None:
            loading.close()
            serving.enter_context(ending(stop))  # until then Ctrl-C ends the loading of the model
            note(
                f"Searches in the space {name} use the model of this process now. End it with Ctrl-C, or: "
                f"kill {os.getpid()}"
            )

        report = store.model_serve(space, ready=ready, stop=stop, progress=bar, **options)
        if as_json:
            echo_json(report)
        else:
            searches = count(report.searches, "search", "searches")
            tell(f"Ended. {searches} used the model of the space {report.space_name}.")


@model.command("diff", short_help="Compare two spaces by the neighbours of pictures.")
@click.argument("a")
@click.argument("b")
@click.option(
    "--sample", type=int, metavar="N", default=1000, show_default=True, help="Compare the neighbours of N pictures."
)
@click.option(
    "--changed", type=int, metavar="N", default=10, show_default=True, help="List N pictures, those that changed most."
)
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def model_diff(a: str, b: str, sample: int, changed: int, quiet: bool, as_json: bool) -> None:
    """Compare two spaces by the 10 pictures nearest to each picture. Nothing is embedded, and no model is loaded.

    A and B are spaces, or snapshots of two spaces. A space stands for the pictures of the current snapshot, or else of
    its newest one; before a sync has filled it, for those that it has so far. Only pictures that both spaces have are
    compared.

    overlap@10 is the share of the 10 nearest pictures that are the same in both spaces: 100 % if the models agree. It
    is found from a sample, always of the same pictures, with bounds for all pictures (95 %). Beside it stands what two
    models share by chance that have nothing in common: much in a store of a few dozen pictures.

    Then the pictures whose neighbours changed most are listed, with those near in A alone (-) and in B alone (+).

    \b
    Example:
      vstore model diff lora-v11 lora-v12
      vstore model diff v11 v12 --sample 10000 --changed 50
    """
    with open_store() as store, progress(quiet) as bar:
        report = store.model_diff(a, b, sample=sample, changed=changed, progress=bar)
    if as_json:
        echo_json(report)
    else:
        print_difference(report)


@model.command("drop", short_help="Drop a space that no snapshot uses.")
@click.argument("space")
@dry_run_option("Only show what would be dropped.")
@wait_option
@json_option
def model_drop(space: str, dry_run: bool, wait: bool, as_json: bool) -> None:
    """Drop a space that no snapshot uses, with its vectors. This cannot be undone; `vstore gc` frees the disk.

    \b
    Example:
      vstore model drop lora-v10 -n
    """
    with open_to_change() as store:
        report = store.model_drop(space, dry_run=dry_run, wait=wait)
    if as_json:
        echo_json(report)
    else:
        what = "Would drop" if report.dry_run else "Dropped"
        tell(f"{what} the space {report.space_name} with {count(report.rows, 'vector')}.")
