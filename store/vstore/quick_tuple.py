"""Named tuples that are quick to define: most of the time of a quick command goes into loading its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from collections import namedtuple

    class _Maker(type):
        """The class of `NamedTuple` alone: what is derived from that is a tuple, as with the one of `typing`."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.pop("__annotations__", {})
            values = [body.pop(field) for field in fields if field in body]
            made = namedtuple(name, fields, defaults=values, module=body.pop("__module__"))
            for attribute, value in body.items():
                setattr(made, attribute, value)
            made.__annotations__ = made.__new__.__annotations__ = fields
            return made

    class NamedTuple(metaclass=_Maker):
        """`typing.NamedTuple` without the checks that mypy makes: that one compiles each annotation, which is text.

        Modules that quick commands load take it from here; see docs/decisions/0011.
        """
