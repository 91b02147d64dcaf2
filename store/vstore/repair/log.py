"""The log of a damaged store: sound records are folded, and lost ones passed over, as changes are absolute."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from vstore.disk.oplog import Tip
from vstore.disk.salvage import insisted, refuse_unreadable
from vstore.errors import Damage
from vstore.format.records import Record, beginning, ends_the_log
from vstore.format.state import merge_patch
from vstore.format.state_form import require_state
from vstore.repair.findings import PACK, SEGMENT, Findings, files
from vstore.repository.repository import Repository


def fold(repo: Repository, found: Findings) -> Tip:
    """Fold all sound records, and pass over the others.

    Returns: the newest sound record, with that fold; what is published next follows it.
    """
    log, layout = repo.log, repo.layout
    sound: dict[int, Record] = {}
    numbers = log.numbers()
    bad: list[int] = []
    for number in numbers:
        try:
            sound[number] = insisted(partial(log.read, number))
        except (Damage, OSError) as err:
            refuse_unreadable(err, layout.record(number))
            bad.append(number)
    wholes = [number for number, record in sound.items() if record.whole is not None]
    base = max(wholes, default=0)
    before = ""
    found.gap = not wholes
    for number in (n for n in sorted(sound) if n < base):
        found.note_decisions(sound[number].changes.get("trees", {}))
    found.may_be_decided = not wholes
    for number in (n for n in sorted(sound) if n >= base):
        record = sound[number]
        if record.whole is not None:
            found.document = dict(record.whole)
            found.note_decisions(record.whole.get("trees", {}))
        else:
            if record.before != before:
                require_state(found.document, number, gaps=True)
                found.mark_gap()
                found.may_be_decided = True
            found.document = merge_patch(found.document, record.changes)
            found.note_decisions(record.changes.get("trees", {}))
        before = record.digest
    require_state(found.document, max(sound, default=0), gaps=True)
    if any(number > base for number in bad):
        found.mark_gap()
    require_state(found.document, max(sound, default=0), gaps=found.gap)
    found.tail_is_lost = bool(bad) and bad[-1] == numbers[-1]
    found.may_be_decided |= found.tail_is_lost
    newest = max(sound, default=0)
    tip = Tip(found.state, newest, highest=numbers[-1] if numbers else 0)
    if newest:
        tip = tip._replace(digest=sound[newest].digest, format=sound[newest].format)
    for number in bad:
        found.aside.append(layout.record(number))
    if bad:
        found.did(f"the log starts again, without its damaged records ({len(bad)})")
    elif (found.gap and (sound or _has_objects(repo))) or _chain_is_broken(sound):
        found.did("the log starts again: records are missing")
    return tip


def _chain_is_broken(sound: dict[int, Record]) -> bool:
    begin = beginning(sound)
    numbers = [number for number in sorted(sound) if number >= begin]
    first = sound[numbers[0]] if numbers else None
    begins = first is None or ends_the_log(first) or not first.before
    return not begins or any(sound[b].before != sound[a].digest for a, b in pairwise(numbers))


def _has_objects(repo: Repository) -> bool:
    layout = repo.layout
    return bool(files(layout.packs, PACK) or files(layout.segments, SEGMENT))
