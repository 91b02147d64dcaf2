"""Option types of numbers with a unit."""

from __future__ import annotations

import re
from typing import Any

import click


class Size(click.ParamType[int]):
    """A number of bytes, with K, M or G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"(\d{1,15})\s*([KMG]?)(i?B)?", value, re.IGNORECASE)
        if not found:
            self.fail(f"{value!r} is not a valid size; write 256M or 2G", param, ctx)
        return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m or h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,15})?)\s*([smh]?)", value)
        if not found:
            self.fail(f"{value!r} is not a valid duration; write 90s, 30m or 2h", param, ctx)
        return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


class Share(click.ParamType[int]):
    """A percentage from 1 on, or `off`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if value == "off":
            return 0
        found = re.fullmatch(r"(\d{1,3})%?", value)
        if not found or not 1 <= int(found[1]) <= 100:
            self.fail(f"{value!r} is not a share; write 90% (1% to 100%), or off", param, ctx)
        return int(found[1])
