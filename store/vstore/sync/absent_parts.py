"""Parts of folders from which a sync has nothing to take: those that never were, and those that are hidden."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from vstore.errors import UsageError
from vstore.format.tree import Tree
from vstore.intake.survey import Survey
from vstore.intake.targets import Target

_MOST = 10  # parts that a report names


def absent(targets: Sequence[Target], tree: Tree) -> list[Target]:
    """Choose the parts that do not exist, and of which no alias tells."""
    return [target for target in targets if target.gone and target.under and not _is_known(target.prefix, tree)]


def refuse_absent(targets: Sequence[Target], tree: Tree) -> None:
    """Refuse a part that does not exist, and never did: it is misspelled. Raises: UsageError."""
    for target in absent(targets, tree):
        from vstore.near_files import as_written, did_you_mean  # few parts are misspelled
        from vstore.repository.near_paths import near_paths

        near = near_paths(tree, target.root.label, target.place, target.under)
        meant = [as_written(one, target.under, target.given) or os.path.join(target.place, one) for one in near]
        raise UsageError(_says(target), did_you_mean(meant, "check the name, or that its disk is mounted"))


def notes(survey: Survey, tree: Tree) -> Iterator[str]:
    """Say which parts do not exist, and which are hidden. tree: the aliases before the run."""
    lost = absent(survey.targets, tree)
    for target in lost[:_MOST]:
        yield f"{_says(target)}."
    if len(lost) > _MOST:
        yield f"{len(lost) - _MOST:,} more of the paths given do not exist, either."
    for target in survey.targets:
        scan = survey.scans.get(target.prefix)
        if scan is not None and scan.hidden:
            hidden = os.fsdecode(os.path.join(target.place, scan.hidden))
            yield f"{hidden} is not looked at: {scan.why_hidden}."


def _is_known(prefix: bytes, tree: Tree) -> bool:
    return tree.get(prefix) is not None or next(tree.under(prefix), None) is not None


def _says(target: Target) -> str:
    return f"{os.fsdecode(target.given.rstrip(b'/'))} does not exist, and the current snapshot has nothing of it"
