"""pyarrow, where it is installed."""

from __future__ import annotations

from typing import Any

from vstore.errors import MissingPackage


def parquet_module() -> Any:
    """Import pyarrow.parquet. Raises: MissingPackage; one that is broken raises other errors than ImportError."""
    try:
        import pyarrow.parquet as pq
    except Exception as err:
        raise MissingPackage(
            f"Parquet files need pyarrow ({type(err).__name__}: {err})",
            "install it: pip install 'vstore-index[parquet]'",
        ) from err
    return pq
