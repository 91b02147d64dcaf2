"""torch and transformers, imported when the first model is loaded, and kept quiet."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from vstore.packages import TORCH, TRANSFORMERS


def libraries() -> tuple[Any, Any]:
    """Import torch and transformers. Raises: ModelError if they are missing, or do not fit together."""
    return TORCH.load(), TRANSFORMERS.load()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and remarks from the terminal while a model is loaded."""
    _, transformers = libraries()
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
