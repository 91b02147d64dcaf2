"""The verbs `search` and `dupes`. Import `search`, `query`, `dupes` and `groups`.

Programs import `Operand` from `vstore`. It is found here, too: some import it from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vstore.search.operand import Operand as Operand


def __getattr__(name: str) -> Any:
    if name != "Operand":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vstore.search.operand import Operand  # whoever imports a module of this room may do without it

    return Operand
