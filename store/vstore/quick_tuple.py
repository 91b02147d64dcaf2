"""Named tuples that are quick to define: most of the time of a quick command goes into loading its modules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from collections import _tuplegetter
    from types import CodeType, FunctionType

    _new_of: dict[int, CodeType] = {}  # by the number of fields: compiling one for each class is most of its cost
    _names = {"_new": tuple.__new__, "__builtins__": {}}

    class _Fields:
        """The methods that `collections.namedtuple` gives to each of its classes, made once."""

        @classmethod
        def _make(cls, values: Any) -> Any:
            """Make one of the values of all fields. Raises: TypeError if they are too many or too few."""
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                raise TypeError(f"Expected {len(cls._fields)} arguments, got {len(made)}")
            return made

        def _replace(self, **values: Any) -> Any:
            """Return this with other values of some fields. Raises: ValueError if it has no such field."""
            made = self._make(map(values.pop, self._fields, self))
            if values:
                raise ValueError(f"Got unexpected field names: {list(values)!r}")
            return made

        def _asdict(self) -> dict[str, Any]:
            """Return the values by the names of their fields."""
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            values = ", ".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({values})"

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        __replace__ = _replace  # for copy.replace, from Python 3.13 on

    _of_all = {
        name: vars(_Fields)[name]
        for name in ("_make", "_replace", "__replace__", "_asdict", "__repr__", "__getnewargs__")
    }

    def _new(name: str, fields: tuple[str, ...], defaults: tuple[Any, ...]) -> FunctionType:
        """Make the `__new__` of a class. defaults: of its last fields."""
        count = len(fields)
        if count not in _new_of:
            values = "".join(f"a{at}, " for at in range(count))
            _new_of[count] = compile(f"lambda _cls, {values}: _new(_cls, ({values}))", __file__, "eval").co_consts[0]
        code = _new_of[count].replace(co_varnames=("_cls", *fields), co_name="__new__")
        made = FunctionType(code, _names, "__new__", defaults)
        made.__qualname__ = f"{name}.__new__"
        return made

    class _Maker(type):
        """The class of `NamedTuple` alone: what is derived from that is a tuple, as with the one of `typing`."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, body)
            annotations = body.get("__annotations__", {})
            fields = tuple(annotations)
            defaults = {field: body.pop(field) for field in fields if field in body}
            made = _new(name, fields, tuple(defaults.values()))
            made.__annotations__ = annotations
            own = {field: _tuplegetter(at, None) for at, field in enumerate(fields)}
            more = {"__slots__": (), "__new__": made, "__match_args__": fields}
            return type(
                name, (tuple,), {**_of_all, **body, **own, **more, "_fields": fields, "_field_defaults": defaults}
            )

    class NamedTuple(metaclass=_Maker):
        """`typing.NamedTuple` without the checks that mypy makes: that one compiles each annotation, which is text.

        Modules that quick commands load take it from here; see docs/decisions/0011.
        """
