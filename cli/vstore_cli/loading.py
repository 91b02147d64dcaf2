"""Ctrl-C while the modules of a command are loaded: the process ends by it, without the trace of an import."""

from __future__ import annotations

# The module `signal` makes enums of all signals first, which most commands never need.
import _signal as signal  # type: ignore[import-not-found]


def begin() -> bool:
    """Let Ctrl-C end this process at once. Returns: whether that is new; who ignores it goes on ignoring it."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return False
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    except ValueError:  # not the main thread, whose affair it is
        return False
    return True


def end(is_new: bool) -> None:
    """Let Ctrl-C raise KeyboardInterrupt again. is_new: what `begin` said."""
    if is_new:
        signal.signal(signal.SIGINT, signal.default_int_handler)
