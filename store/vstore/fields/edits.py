"""Sets fields of some pictures, and takes them away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from vstore.errors import UsageError
from vstore.fields.change import Change, begin, changed, committed, current_of
from vstore.fields.named import no_field, rows_of
from vstore.fields.report import FieldsChanged
from vstore.format.entries import Snapshot
from vstore.format.field_text import typed_value
from vstore.format.fields import FieldValue, encode_field, field_key
from vstore.format.table import Table
from vstore.paths import AnyPath, several
from vstore.repository.fields import fields_below
from vstore.repository.repository import Repository

KeyOf = Callable[[Repository, Snapshot, AnyPath], bytes]


def fields_set(
    repo: Repository,
    values: Mapping[str, Any],
    pictures: Sequence[AnyPath],
    key_of: KeyOf,
    *,
    type: str | None,
    message: str,
    dry_run: bool,
) -> FieldsChanged:
    """Give some pictures fields. key_of: finds the key of a picture that a word means.

    Raises: UsageError for what is no field, no value or no picture; and the errors of `committed`.
    """
    begin(repo, dry_run=dry_run)
    if not isinstance(values, Mapping) or isinstance(pictures, Mapping):
        raise UsageError(
            f"{values!r:.100} is no mapping of fields" if not isinstance(values, Mapping) else "fields are no pictures",
            'give the fields first, then the pictures: store.fields_set({"label": "cat"}, ["pictures/a.jpg"])',
        )
    pictures = several(pictures)
    if not values or not pictures:
        raise UsageError(
            "to set a field takes its value and a picture" if values else "no field is named",
            "such as: vstore fields set label=cat pictures/a.jpg",
        )
    said = {field_key(b"", name): encode_field(_value(value, type)) for name, value in values.items()}
    keys = _keys(repo, pictures, key_of)

    def decide(current: Snapshot, table: Table) -> tuple[Change, None]:
        return changed(table, ((key + name, said[name]) for key in keys for name in sorted(said)), repo.hash.size), None

    return committed(repo, decide, message=message, dry_run=dry_run)[0]


def fields_unset(
    repo: Repository,
    names: Sequence[str],
    pictures: Sequence[AnyPath],
    key_of: KeyOf,
    *,
    all_pictures: bool,
    message: str,
    dry_run: bool,
) -> FieldsChanged:
    """Take fields away from some pictures, or from all. Words after the last name that is one are pictures.

    names:  fields; if no picture is named apart, those up to the first that no picture has. With `all_pictures` all.
    Raises: UsageError if no picture has a field of a name, or no picture is named; and the errors of `committed`.
    """
    begin(repo, dry_run=dry_run)
    names, pictures = several(names), several(pictures)
    if not names:
        raise UsageError("no field is named", "list them with: vstore fields list")
    table = repo.reading(lambda: rows_of(_table(repo), repo.hash.size))
    there = [row.name for row in table]
    words = list(pictures)
    if not pictures and not all_pictures:
        count = next((at for at, name in enumerate(names) if name not in there), len(names))
        names, words = names[: max(1, count)], list(names[max(1, count) :])
    missing = next((name for name in names if name not in there), None)
    if missing is not None:
        raise no_field(missing, there)
    if bool(words) == all_pictures:
        raise UsageError(
            "--all-pictures goes with no picture" if words else f"no picture is named to take {names[0]!r} from",
            "name pictures, or take it from all with: --all-pictures",
        )
    wanted = {field_key(b"", name) for name in names}
    keys = None if all_pictures else _keys(repo, words, key_of)

    def decide(current: Snapshot, table: Table) -> tuple[Change, None]:
        return changed(table, ((at, None) for at in _having(table, keys, wanted, repo.hash.size)), repo.hash.size), None

    return committed(repo, decide, message=message, dry_run=dry_run)[0]


def _having(table: Table, keys: Sequence[bytes] | None, wanted: set[bytes], key_size: int) -> Iterator[bytes]:
    """Yield the entries of fields with some names."""
    if keys is None:
        yield from (at for at, _ in table.items() if at[key_size:] in wanted)
        return
    for key in keys:
        yield from (key + name for name, _ in fields_below(table, key) if name in wanted)


def _table(repo: Repository) -> Table:
    from vstore.repository.fields import fields_of

    return fields_of(repo, current_of(repo))


def _keys(repo: Repository, pictures: Sequence[AnyPath], key_of: KeyOf) -> list[bytes]:
    """Find the keys of pictures, sorted, each once."""
    current = current_of(repo)
    return repo.reading(lambda: sorted({key_of(repo, current, picture) for picture in pictures}))


def _value(value: Any, kind: str | None) -> FieldValue:
    if isinstance(value, str):
        return value if kind is None else typed_value(value, kind)
    if kind is not None:
        raise UsageError(f"{value!r} has a type already", "give text with a type, or the value alone")
    if isinstance(value, datetime) and value.tzinfo is None:
        return datetime.combine(value, value.time(), UTC)
    if isinstance(value, list):
        return tuple(value)
    return value  # type: ignore[no-any-return]  # encode_field refuses what is none
