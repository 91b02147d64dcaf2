"""The packages that run a model, imported when the first one is loaded, and kept quiet."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from vstore.embed.hf.folder import needs_packages


def packages() -> tuple[Any, Any]:
    """torch and transformers. Raises: ModelError if they are not there, or do not fit together."""
    try:
        import torch
        import transformers
    except Exception as err:
        raise needs_packages(f"torch and transformers ({' '.join(str(err).split())[:200]})") from err
    return torch, transformers


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' bars and remarks from the terminal while a model is loaded: what matters is checked."""
    _, transformers = packages()
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
