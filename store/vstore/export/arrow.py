"""Facts and fields as typed columns of Arrow, which tell an import what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from vstore.export.columns import FactColumn, FieldColumn, is_time
from vstore.format.canonical import Json
from vstore.format.exported_details import ABOUT, EXPORT, TIMES, taken_number
from vstore.format.facts import TAKEN

if TYPE_CHECKING:
    import pyarrow

MARK = {EXPORT: b"1"}  # of a schema: an export of vstore


def arrow_field(column: FactColumn | FieldColumn) -> pyarrow.Field:
    """Make the field of a column; its metadata says of which fact or field it is, and whether its texts are JSON."""
    import pyarrow as pa

    if isinstance(column, FactColumn):
        about: Mapping[str, Json] = {"fact": column.fact.name}
    else:
        about = {"field": column.field, **({"json": True} if column.type is None else {})}
    return pa.field(column.name, _type(column), metadata={ABOUT: json.dumps(about).encode("ascii")})


def arrow_array(column: FactColumn | FieldColumn, details: Sequence[Mapping[str, Json]]) -> pyarrow.Array:
    """Make the values of some pictures in a column."""
    import pyarrow as pa

    values = [column.value(one) for one in details]
    if isinstance(column, FactColumn) and column.fact == TAKEN:
        values = [None if value is None else taken_number(value) for value in values]
    elif is_time(column):
        values = [None if value is None else datetime.fromisoformat(value) for value in values]
    elif isinstance(column, FieldColumn) and column.type is None:
        values = [_as_json(column.field, one) for one in details]
    return pa.array(values, _type(column))


def _as_json(field: str, details: Mapping[str, Json]) -> str | None:
    """Write a field as a text of JSON; a time is an object with the member `time`."""
    value = details["fields"].get(field)
    if value is None:
        return None
    return json.dumps({"time": value} if field in details.get(TIMES, ()) else value, ensure_ascii=False)


def _type(column: FactColumn | FieldColumn) -> pyarrow.DataType:
    import pyarrow as pa

    if isinstance(column, FieldColumn):
        kinds = {
            str: pa.string(),
            int: pa.int64(),
            float: pa.float64(),
            bool: pa.bool_(),
            datetime: pa.timestamp("us", "UTC"),
            tuple: pa.list_(pa.string()),
        }
        return pa.string() if column.type is None else kinds[column.type]
    if column.fact == TAKEN:
        return pa.timestamp("us")
    return {
        "1": pa.int32(),
        "2": pa.int32(),
        "4": pa.int64(),
        "8": pa.uint64(),
        "s": pa.int64(),
        "d": pa.float64(),
        "t": pa.string(),
        "k": pa.string(),
    }[column.fact.type]
