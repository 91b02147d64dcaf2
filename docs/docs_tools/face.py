"""The Python reference: a page of all names that `import vstore` exports, so that none is forgotten."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from docs_tools.exports import exported, groups, members
from docs_tools.site import restructured

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_HEADS = ("Raises", "Returns", "Yields", "Source")
_FIELD = re.compile(r"^(\w[\w, *.]*?):(\s+)(\S.*)$")
_PRIVATE = ("to_json", "from_json")


class Face(SphinxDirective):
    """`{vstore-face} HEADING`: the exported names of one group."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        lines: list[str] = []
        for name in groups().get(self.arguments[0], []):
            value = exported()[name]
            if inspect.isclass(value):
                lines += [f".. autoclass:: {value.__module__}.{value.__qualname__}"]
                lines += ["   :show-inheritance:" if issubclass(value, Exception) else "   :no-index-entry:"]
                lines += ["", *_directives(value)] if name == "Store" else ["   :members:"]
                lines += [""]
            elif callable(value):
                lines += [f".. autofunction:: {value.__module__}.{value.__qualname__}", ""]
        return self.parse_text_to_nodes("\n".join(lines))


def _directives(kind: type) -> list[str]:
    """Write a directive for each member: Sphinx would sort those of another module by name."""
    path = f"{kind.__module__}.{kind.__qualname__}"
    return [
        f"   .. {'autoproperty' if isinstance(value, property) else 'automethod'}:: {path}.{name}"
        for name, value in members(kind).items()
    ]


def docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Write a docstring of ours as reStructuredText: `name:  text` below the first paragraph becomes a definition."""
    text = [restructured(line) for line in lines]
    found: list[str] = []
    in_fields = False
    for line in text:
        field = _FIELD.match(line)
        if field and found and (in_fields or not found[-1].strip()):
            # A definition, not a field: Sphinx would write the name of an argument with a capital.
            word = field[1].replace("\\", "")
            found += [word if word in _HEADS else f"``{word}``", f"    {field[3]}"]
            in_fields = True
        elif in_fields and line.startswith(" "):
            found.append("    " + line.strip())
        else:
            if in_fields and line.strip():
                found.append("")  # a definition list ends with a blank line
                in_fields = False
            found.append(line)
    lines[:] = found


def skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    return True if name in _PRIVATE else None


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("vstore-face", Face)
    app.connect("autodoc-process-docstring", docstring)
    app.connect("autodoc-skip-member", skip)
    return {"version": "1", "parallel_read_safe": True}
