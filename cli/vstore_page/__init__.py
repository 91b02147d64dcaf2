"""The page: a store in a browser. `vstore serve` is its command.

It needs the extra `page`, and uses the public face of `vstore` alone. Nothing is loaded until a name is used.
"""

from __future__ import annotations
