"""`vstore check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vstore_cli.locate import open_store, say_store
from vstore_cli.models import device_option, model_options
from vstore_cli.output import count, echo_json, json_option, placed, say, shown, size, table, tell, tell_path
from vstore_cli.progress import progress, progress_option
from vstore_cli.units import Duration

if TYPE_CHECKING:
    from vstore import Files, ReembedReport


@click.command()
@click.option("--read-data", is_flag=True, help="Read everything and verify every checksum.")
@click.option(
    "--read-data-subset",
    metavar="PART",
    help="Read a part: 1/7, the first of seven parts, or 10% of the bytes, the longest unread first.",
)
@click.option(
    "--max-duration", type=Duration(), metavar="TIME", help="Read for this long (10m), the longest unread first."
)
@click.option(
    "--source", is_flag=True, help="Read the pictures too: find bytes that changed although size and times did not."
)
@click.option(
    "--reembed",
    type=click.IntRange(1),
    metavar="N",
    help="Embed N pictures again, and compare them with the stored vectors.",
)
@model_options
@device_option
@click.option("--adopt", metavar="NAME", help="With --reembed: adopt this likely cause if it matches.")
@progress_option
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@json_option
def check(quiet: bool, as_json: bool, **what: Any) -> int:
    """Verify the store. Every record, page, manifest and segment is checked, and every picture must have its vector.

    With --reembed N, N pictures are embedded again by the model of the embedding space. If at least 31 of 32 match the
    stored vectors, the space is verified. If not, likely causes are tried one by one, and a table shows which recipe
    gives the stored vectors.

    Exit code 4 means damage; each finding says what to do next. Exit code 13 means that neither the model nor a likely
    cause gives the stored vectors.

    \b
    Example:
      vstore check --read-data
      vstore check --reembed 32
      vstore check --max-duration 10m --source
    """
    with progress(quiet) as bar, open_store(damaged=True) as store:
        if what["reembed"] is not None:  # which may verify or adopt a space
            say_store(store.folder)
        report = store.check(progress=bar, **what)
    sample = report.reembed
    wrong = 4 if not report.ok else 13 if sample is not None and not sample.fits else 0
    if as_json:
        echo_json(report)
        return wrong
    if sample is not None:
        _print_sample(sample, report.where)
    for note in report.notes:
        say(f"note: {shown(note)}")
    for problem in report.problems:
        rows = f" (rows {problem.rows[0]} to {problem.rows[1]})" if problem.rows and "row" not in problem.what else ""
        tell(f"DAMAGE {shown(problem.file)}: {shown(problem.what)}{rows}", err=True)
        for path in problem.paths:
            tell_path(placed(path, report.where), before="    affects ", err=True)
        say(f"    {problem.next}", err=True)
    looked = (
        f"{count(report.records, 'record')}, {count(report.snapshots, 'snapshot')}, {count(report.segments, 'segment')}"
    )
    if report.ok:
        tell(
            f"No problem found: {looked}, {count(report.packs, 'pack')}; {size(report.bytes_read)} read"
            + (f", {report.verified} of {report.files} files verified" if 0 < report.verified < report.files else "")
        )
        return wrong
    tell(f"{count(len(report.problems), 'problem')} found in {looked}", err=True)
    return 4


def _print_sample(sample: ReembedReport, where: Files) -> None:
    declared = sample.trials[0]
    tell(f"Re-embedded {count(sample.asked, 'picture')}: {declared.fitting} match ({sample.needed} required)")
    if sample.by_name:
        tell(f"{count(sample.by_name, 'picture')} of these an import knew by name alone")
    for path, cosine in sample.off[:10]:
        how = f"cosine {cosine:.4f}" if cosine == cosine else "it cannot be embedded"
        tell_path(placed(path, where), f": {how}")
    if len(sample.off) > 10:
        tell(f"  and {len(sample.off) - 10} more; --json lists all")
    if len(sample.trials) > 1 or sample.adopted is not None:
        rows = [["", "recipe", "match", "median", "lowest", "meaning"]]
        for trial in sorted(sample.trials, key=lambda t: (-t.fitting, -t.median if t.median == t.median else 2.0)):
            mark = "*" if trial.name == sample.best else ""
            numbers = ["-", "-"] if trial.error else [f"{trial.median:.4f}", f"{trial.least:.4f}"]
            rows.append([mark, trial.name, str(trial.fitting), *numbers, trial.error or trial.about])
        table(rows, right=(2, 3, 4), drop=(4, 3), heading=True, colours={0: "current"})
    if sample.adopted is not None:
        tell(f"Made the space {shown(sample.adopted)} from the same vectors; {sample.adopted_snapshot} is current.")
    elif sample.next:
        say(f"Adopt it with: {sample.next}")
    elif sample.fits:
        tell(f"The space {shown(sample.space_name)} is {sample.status}.")
    elif sample.strangers:
        say(
            f"{count(sample.strangers, 'picture')} that an import knew by name alone {_has(sample.strangers)} the "
            f"vector of another picture. The space {shown(sample.space_name)} stays {sample.status}. Import into a new "
            "store without --by-name.",
            err=True,
        )
    elif sample.mixed:
        say(
            f"The vectors were made in two ways, {sample.mixed[0]} and {sample.mixed[1]}, and do not belong to one "
            f"space. Add the model with vstore model add, and embed all pictures with vstore sync --space. The space "
            f"{shown(sample.space_name)} stays {sample.status}.",
            err=True,
        )
    else:
        tell(
            f"No likely cause explains the difference. The space {shown(sample.space_name)} stays {sample.status}.",
            err=True,
        )


def _has(amount: int) -> str:
    return "has" if amount == 1 else "have"
